//! Computing without a clock until the machine computes steadily.

use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use super::answer::{AnswerError, Progress};
use super::line::Line;
use crate::batch::Batch;
use crate::record::wire::WireCudaGraph;
use crate::stats::steady::{FEWEST_FOR_MSER_5, mser_5};
use crate::windows::Window;

/// The most time that is given to it.
const LIMIT: Duration = Duration::from_secs(5);

/// Passes from one look at the series to the next.
const STEP: usize = 25;

/// Questions whose shortest window is taken.
const LOOKED_AT: usize = 64;

/// What was computed before the clock ran.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct WarmUp {
    /// Each pass, in nanoseconds.
    pub passes_ns: Vec<u64>,
    /// Passes at the beginning that were slower than the steady ones, by MSER-5; nothing where
    /// there was no time for as many passes as the method needs.
    pub truncated: Option<usize>,
    /// Whether the passes became steady; nothing where there were too few to tell.
    pub steady: Option<bool>,
    /// Shapes of batches that a CUDA device recorded.
    #[serde(default)]
    pub cuda_graphs: Vec<WireCudaGraph>,
}

/// Computes one short window again and again until [`mser_5`] finds the passes steady, for five
/// seconds at the most.
///
/// Clocks that rise, caches and the threads' stacks take time, not work, to settle: so the window
/// is the shortest of the first questions. The memory of a full batch was touched by the first
/// forward pass.
///
/// # Errors
///
/// See [`AnswerError`].
pub fn perform(line: &Line<'_>, progress: &dyn Progress) -> Result<WarmUp, AnswerError> {
    let mut shortest: Option<Window> = None;
    for index in 0..line.dataset.questions.len().min(LOOKED_AT) {
        let windows = line.windower.question_windows(line.dataset, index)?;
        let all = windows.into_iter().chain(shortest);
        shortest = all.min_by_key(Window::len);
    }
    let Some(window) = shortest else {
        return Ok(WarmUp::default());
    };
    let batch = Batch::pack(&[window], &[0]);
    let began = Instant::now();
    let mut passes_ns = Vec::new();
    let mut series = Vec::new();
    loop {
        let passes = if series.is_empty() {
            FEWEST_FOR_MSER_5
        } else {
            STEP
        };
        for _ in 0..passes {
            let started = Instant::now();
            line.model.span_logits(&batch)?;
            let pass = started.elapsed();
            // It goes on: seconds in which nothing is told could be taken for a hang.
            progress.advance(0);
            passes_ns.push(u64::try_from(pass.as_nanos()).unwrap_or(u64::MAX));
            series.push(pass.as_secs_f64());
            if began.elapsed() > LIMIT {
                break;
            }
        }
        let state = mser_5(&series);
        let steady = state.map(|state| state.found);
        if steady == Some(true) || began.elapsed() > LIMIT {
            return Ok(WarmUp {
                passes_ns,
                truncated: state.map(|state| state.truncated),
                steady,
                cuda_graphs: Vec::new(),
            });
        }
    }
}
