//! The straight line from questions to answers, with what each step takes.

use std::time::{Duration, Instant};

use rayon::prelude::*;

use crate::batch::{self, Batch};
use crate::dataset::Dataset;
use crate::dataset::characters::CharacterIndex;
use crate::decode::{self, Answer, DecodeSettings, WindowLogits};
use crate::measure::phases::PhaseClock;
use crate::models::{ModelError, SpanModel};
use crate::random::split_mix;
use crate::windows::{Window, WindowError, WindowSettings, Windower};

/// What can go wrong between questions and answers.
#[derive(Debug, thiserror::Error)]
pub enum AnswerError {
    /// Text could not be cut into windows.
    #[error(transparent)]
    Windows(#[from] WindowError),
    /// The model failed.
    #[error(transparent)]
    Model(#[from] ModelError),
    /// The model gave something that is no number.
    #[error(
        "{model}: the logits of question \"{id}\" ({place}) are not finite; the weights or the dtype are at fault"
    )]
    NotFinite {
        /// The model's architecture.
        model: &'static str,
        /// The question's id.
        id: String,
        /// Where it stands in the data set.
        place: String,
    },
}

/// The order in which windows are computed. It changes no answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum WindowOrder {
    /// As the questions stand in the data set.
    #[default]
    AsGiven,
    /// The longest first.
    ByLength,
    /// At random, by the seed.
    Shuffled,
}

impl WindowOrder {
    /// Name on the command line and in records.
    pub fn name(self) -> &'static str {
        match self {
            Self::AsGiven => "as-given",
            Self::ByLength => "by-length",
            Self::Shuffled => "shuffled",
        }
    }

    fn indices(self, windows: &[Window], seed: u64) -> Vec<usize> {
        let mut indices: Vec<usize> = (0..windows.len()).collect();
        match self {
            Self::AsGiven => {}
            Self::ByLength => indices.sort_by_key(|&i| std::cmp::Reverse(windows[i].len())),
            Self::Shuffled => indices.sort_by_cached_key(|&i| split_mix(seed, i as u64)),
        }
        indices
    }
}

/// How questions are answered.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct AnswerSettings {
    /// How passages are cut.
    pub windows: WindowSettings,
    /// How spans are chosen.
    pub decode: DecodeSettings,
    /// Tokens of a batch at the most.
    pub batch_tokens: usize,
    /// The order in which windows are computed.
    pub order: WindowOrder,
    /// Seed of a shuffled order.
    pub seed: u64,
}

/// Who wants to know how far a cell is.
pub trait Progress: Sync {
    /// The forward passes begin.
    fn begin(&self, windows: usize);
    /// More windows are done.
    fn advance(&self, windows: usize);
    /// The forward passes are over.
    fn end(&self);
}

/// A [`Progress`] that says nothing.
#[derive(Debug, Clone, Copy, Default)]
pub struct Silent;

impl Progress for Silent {
    fn begin(&self, _windows: usize) {}
    fn advance(&self, _windows: usize) {}
    fn end(&self) {}
}

/// Answers with what giving them took.
#[derive(Debug, Clone)]
pub struct Answers {
    /// One answer a question, in the data set's order.
    pub answers: Vec<Answer>,
    /// All windows, those of a question one after another, questions in the data set's order.
    pub windows: Vec<Window>,
    /// The number of windows of each question.
    pub windows_of: Vec<usize>,
    /// Each question's tokenising, forward passes and decoding.
    pub latencies: Vec<Duration>,
    /// Each forward pass.
    pub batch_latencies: Vec<Duration>,
    /// Tokens computed.
    pub tokens: usize,
    /// Floating-point operations of the matrix products.
    pub flops: u64,
    /// Seconds of tokenising, of the forward passes and of decoding.
    pub end_to_end_s: f64,
    /// Seconds of the forward passes alone.
    pub forward_s: f64,
}

/// Start and end logits of one window, and the time of the batch it was in.
struct WindowResult {
    start: Vec<f32>,
    end: Vec<f32>,
    batch: usize,
}

/// Answers all questions of `dataset`, on the current rayon pool.
///
/// The phases `tokenize`, `first_forward`, `forward` and `decode` are given to
/// `clock`. The first forward pass is made twice: the first time is noted as
/// a phase of its own and its result discarded.
///
/// # Errors
///
/// See [`AnswerError`].
pub fn answer(
    model: &dyn SpanModel,
    windower: &Windower,
    dataset: &Dataset,
    settings: &AnswerSettings,
    clock: &mut PhaseClock,
    progress: &dyn Progress,
) -> Result<Answers, AnswerError> {
    let cut = windower.dataset_windows(dataset)?;
    let windows = cut.windows;
    let order = settings.order.indices(&windows, settings.seed);
    let runs = batch::plan(&windows, &order, settings.batch_tokens);
    let tokenize_s = clock.end("tokenize");

    if let Some(first) = runs.first() {
        model.span_logits(&Batch::pack(&windows, first))?;
    }
    clock.end("first_forward");

    progress.begin(windows.len());
    let (results, batch_latencies) = forward(model, &windows, &runs, progress)?;
    progress.end();
    let forward_s = clock.end("forward");

    let windows_of = count_windows(dataset, &windows);
    let (answers, decode_times) = decode_all(
        model,
        windower,
        dataset,
        &windows,
        &windows_of,
        &results,
        settings,
    )?;
    let decode_s = clock.end("decode");

    let mut latencies: Vec<Duration> = cut.times;
    add_batches(&mut latencies, &windows, &results, &batch_latencies);
    for (latency, decode) in latencies.iter_mut().zip(decode_times) {
        *latency += decode;
    }
    Ok(Answers {
        answers,
        windows_of,
        latencies,
        batch_latencies,
        tokens: windows.iter().map(Window::len).sum(),
        flops: windows.iter().map(|w| model.window_flops(w.len())).sum(),
        windows,
        end_to_end_s: tokenize_s + forward_s + decode_s,
        forward_s,
    })
}

/// Runs the batches one after another.
fn forward(
    model: &dyn SpanModel,
    windows: &[Window],
    runs: &[Vec<usize>],
    progress: &dyn Progress,
) -> Result<(Vec<WindowResult>, Vec<Duration>), ModelError> {
    let mut results: Vec<Option<WindowResult>> = windows.iter().map(|_| None).collect();
    let mut latencies = Vec::with_capacity(runs.len());
    for (number, run) in runs.iter().enumerate() {
        let started = Instant::now();
        let batch = Batch::pack(windows, run);
        let logits = model.span_logits(&batch)?;
        for (&window, pair) in batch.windows.iter().zip(batch.boundaries.windows(2)) {
            results[window] = Some(WindowResult {
                start: logits.start[pair[0]..pair[1]].to_vec(),
                end: logits.end[pair[0]..pair[1]].to_vec(),
                batch: number,
            });
        }
        latencies.push(started.elapsed());
        progress.advance(run.len());
    }
    let results = results.into_iter().map(|result| {
        result.expect("OK because the runs hold every window of the order, which holds all")
    });
    Ok((results.collect(), latencies))
}

/// The number of windows of each question.
fn count_windows(dataset: &Dataset, windows: &[Window]) -> Vec<usize> {
    let mut counts = vec![0; dataset.questions.len()];
    for window in windows {
        counts[window.question] += 1;
    }
    counts
}

/// Chooses the answers, question by question in parallel.
fn decode_all(
    model: &dyn SpanModel,
    windower: &Windower,
    dataset: &Dataset,
    windows: &[Window],
    windows_of: &[usize],
    results: &[WindowResult],
    settings: &AnswerSettings,
) -> Result<(Vec<Answer>, Vec<Duration>), AnswerError> {
    let firsts = windows_of.iter().scan(0, |next, count| {
        *next += count;
        Some(*next - count)
    });
    let firsts: Vec<usize> = firsts.collect();
    let detokenizer = windower.detokenizer();
    let decoded: Vec<Result<_, AnswerError>> = dataset
        .questions
        .par_iter()
        .zip(firsts.par_iter().zip(windows_of))
        .map(|(question, (&first, &count))| {
            let started = Instant::now();
            let logits: Vec<_> = (first..first + count)
                .map(|index| WindowLogits {
                    window: &windows[index],
                    start: &results[index].start,
                    end: &results[index].end,
                })
                .collect();
            let mut values = logits.iter().flat_map(|l| l.start.iter().chain(l.end));
            if !values.all(|value| value.is_finite()) {
                return Err(AnswerError::NotFinite {
                    model: model.description().architecture,
                    id: question.id.clone(),
                    place: dataset.place(question),
                });
            }
            let passage = CharacterIndex::new(dataset.passage(question));
            let answer = decode::answer(&passage, &detokenizer, &logits, &settings.decode);
            Ok((answer, started.elapsed()))
        })
        .collect();
    let mut answers = Vec::with_capacity(decoded.len());
    let mut times = Vec::with_capacity(decoded.len());
    for result in decoded {
        let (answer, time) = result?;
        answers.push(answer);
        times.push(time);
    }
    Ok((answers, times))
}

/// Adds to each question's latency the batches that its windows were part of, each once.
fn add_batches(
    latencies: &mut [Duration],
    windows: &[Window],
    results: &[WindowResult],
    batch_latencies: &[Duration],
) {
    let mut seen: Vec<(usize, usize)> = windows
        .iter()
        .zip(results)
        .map(|(window, result)| (window.question, result.batch))
        .collect();
    seen.sort_unstable();
    seen.dedup();
    for (question, batch) in seen {
        latencies[question] += batch_latencies[batch];
    }
}
