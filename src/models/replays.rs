//! Small batches whose forward passes a device has recorded: where its asking takes longer than its computing,
//! they are replayed.

use std::collections::HashMap;
use std::sync::{PoisonError, RwLock};
use std::time::{Duration, Instant};

use candle_core::Result as TensorResult;

use super::ModelError;
use super::pending::Pending;
use crate::batch::{Batch, SpanLogits};
use crate::ops::replay::Replay;

/// Tokens of batches that are recorded at the most: in larger ones a device computes for longer than it is
/// asked.
const MOST_TOKENS: usize = 2048;

/// Batches are filled up to a multiple of so many tokens, so that few recordings do for all lengths.
const STEP: usize = 32;

/// Shapes that are recorded at the most.
const MOST_SHAPES: usize = 32;

/// How often each way is tried.
const ROUNDS: usize = 5;

/// Which of the recordings are used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Keep {
    /// Those that take less time than asking does, on this very machine.
    Faster,
    /// All, as tests want it.
    All,
}

/// What came of recording a shape of batches.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Prepared {
    /// Tokens that such batches are filled up to.
    pub tokens: usize,
    /// Windows of such batches.
    pub windows: usize,
    /// What became of it.
    pub outcome: Outcome,
}

/// The two ways, or why there is only one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// The least that either way took.
    Compared {
        /// Asked for kernel by kernel, not filled up.
        launched: Duration,
        /// Replayed.
        replayed: Duration,
        /// Whether batches of this shape are replayed.
        is_kept: bool,
    },
    /// The device would not record it, or replayed something else.
    Failed(String),
}

/// What recordings depend on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct Shape {
    tokens: usize,
    windows: usize,
}

impl Shape {
    /// That of a batch, if such are recorded.
    fn of(batch: &Batch) -> Option<Self> {
        let tokens = batch.tokens().next_multiple_of(STEP);
        let windows = batch.windows.len();
        (windows > 0 && tokens <= MOST_TOKENS).then_some(Self { tokens, windows })
    }
}

/// How a model computes a batch.
pub(super) trait Ways {
    /// Asks for it kernel by kernel.
    fn launch(&self, batch: &Batch) -> Result<Pending<'_>, ModelError>;

    /// Records what it asks for.
    fn record(&self, batch: &Batch) -> TensorResult<Replay>;

    /// Gives back what recordings kept that are there no more.
    fn trim(&self) -> TensorResult<()>;

    /// Replays it, filled up to so many tokens.
    fn replay(
        &self,
        replay: &Replay,
        batch: &Batch,
        tokens: usize,
    ) -> Result<Pending<'_>, ModelError>;
}

/// The recordings that are used.
#[derive(Default)]
pub(super) struct Replays(RwLock<Vec<(Shape, Replay)>>);

impl Replays {
    /// Replays a batch, if there is a recording for such.
    pub(super) fn begin<'a>(
        &self,
        model: &'a impl Ways,
        batch: &Batch,
    ) -> Option<Result<Pending<'a>, ModelError>> {
        let kept = self.0.read().unwrap_or_else(PoisonError::into_inner);
        let shape = Shape::of(batch)?;
        let (_, replay) = kept.iter().find(|(own, _)| *own == shape)?;
        Some(model.replay(replay, batch, shape.tokens))
    }

    /// Records the shapes of batches, the most frequent first, and keeps what is to be kept. Where one fails
    /// none is kept: it tells of that one alone.
    pub(super) fn prepare(
        &self,
        model: &impl Ways,
        batches: &[Batch],
        keep: Keep,
    ) -> Result<Vec<Prepared>, ModelError> {
        let (mut all, mut kept) = (Vec::new(), Vec::new());
        for (shape, batch) in most_frequent(batches) {
            let prepared = |outcome| Prepared {
                tokens: shape.tokens,
                windows: shape.windows,
                outcome,
            };
            match tried(model, shape, batch, keep)? {
                Ok(Tried {
                    replay,
                    launched,
                    replayed,
                }) => {
                    let is_kept = keep == Keep::All || replayed < launched;
                    if is_kept {
                        kept.push((shape, replay));
                    }
                    all.push(prepared(Outcome::Compared {
                        launched,
                        replayed,
                        is_kept,
                    }));
                }
                Err(fault) => {
                    kept.clear();
                    all = vec![prepared(Outcome::Failed(fault))];
                    break;
                }
            }
        }
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = kept;
        // What is not kept is of no use to anybody.
        model.trim().map_err(|source| ModelError::Tensor {
            doing: "giving back the memory of recordings".to_owned(),
            source,
        })?;
        Ok(all)
    }
}

/// Each shape with its first batch; of shapes that are equally frequent the smaller first.
fn most_frequent(batches: &[Batch]) -> Vec<(Shape, &Batch)> {
    let mut shapes: HashMap<Shape, (usize, &Batch)> = HashMap::new();
    for batch in batches {
        if let Some(shape) = Shape::of(batch) {
            shapes.entry(shape).or_insert((0, batch)).0 += 1;
        }
    }
    let mut shapes: Vec<_> = shapes.into_iter().collect();
    shapes.sort_by_key(|&(shape, (times, _))| (std::cmp::Reverse(times), shape));
    let shapes = shapes.into_iter().take(MOST_SHAPES);
    shapes.map(|(shape, (_, batch))| (shape, batch)).collect()
}

/// A recording, and the least that either way took.
struct Tried {
    replay: Replay,
    launched: Duration,
    replayed: Duration,
}

/// Records a shape and compares the two ways, by turns; or tells why that is not possible. What replaying gives
/// must be what asking for the same kernels gives, to the bit: of the batch and of another one.
fn tried(
    model: &impl Ways,
    shape: Shape,
    batch: &Batch,
    keep: Keep,
) -> Result<Result<Tried, String>, ModelError> {
    let full = batch.filled_up(shape.tokens);
    let mut other = batch.clone();
    other.token_ids.reverse();
    let expected = model.launch(&full)?.finish()?.logits;
    let expected_of_other = model.launch(&other.filled_up(shape.tokens))?;
    let expected_of_other = expected_of_other.finish()?.logits;
    let replay = match model.record(&full) {
        Ok(replay) => replay,
        Err(fault) => return Ok(Err(first_line(&fault))),
    };
    let replayed = |batch: &Batch, expected: &SpanLogits| {
        let began = Instant::now();
        let pass = model.replay(&replay, batch, shape.tokens);
        let pass = pass.and_then(Pending::finish);
        let took = began.elapsed();
        let found = pass.map_err(|fault| first_line(&fault))?.logits;
        if alike(&found.start, &expected.start) && alike(&found.end, &expected.end) {
            Ok(took)
        } else {
            Err("other logits were replayed than were launched".to_owned())
        }
    };
    let (mut least_launched, mut least_replayed) = (Duration::MAX, Duration::MAX);
    let rounds = match keep {
        Keep::Faster => ROUNDS,
        Keep::All => 1,
    };
    for _ in 0..rounds {
        let began = Instant::now();
        model.launch(batch)?.finish()?;
        least_launched = least_launched.min(began.elapsed());
        match replayed(batch, &expected) {
            Ok(took) => least_replayed = least_replayed.min(took),
            Err(fault) => return Ok(Err(fault)),
        }
    }
    if let Err(fault) = replayed(&other, &expected_of_other) {
        return Ok(Err(fault));
    }
    Ok(Ok(Tried {
        replay,
        launched: least_launched,
        replayed: least_replayed,
    }))
}

/// What a fault says, without the calls that led to it.
fn first_line(fault: &dyn std::error::Error) -> String {
    let source = fault.source().map(ToString::to_string);
    let text = source.unwrap_or_else(|| fault.to_string());
    text.lines().next().unwrap_or_default().to_owned()
}

/// Whether numbers are the first of others, to the bit.
fn alike(found: &[f32], expected: &[f32]) -> bool {
    let bits = |numbers: &[f32]| {
        numbers
            .iter()
            .map(|number| number.to_bits())
            .collect::<Vec<_>>()
    };
    bits(expected).starts_with(&bits(found)) && !found.is_empty()
}
