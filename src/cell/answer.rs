//! The straight line from questions to answers, with what each step takes.

use std::time::{Duration, Instant};

use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::forward::{self, BatchTime, WindowResult};
use crate::batch::{self, Batch};
use crate::dataset::Dataset;
use crate::dataset::characters::CharacterIndex;
use crate::decode::{self, Answer, DecodeSettings, WindowLogits};
use crate::measure::phases::PhaseClock;
use crate::measure::profile::{self, Operation, Work};
use crate::measure::scenario::schedule::ImproperRate;
use crate::models::{ModelError, SpanModel};
use crate::random::split_mix;
use crate::windows::{CutQuestions, Window, WindowError, WindowSettings, Windower};

/// What can go wrong between questions and answers.
#[derive(Debug, thiserror::Error)]
pub enum AnswerError {
    /// Text could not be cut into windows.
    #[error(transparent)]
    Windows(#[from] WindowError),
    /// The model failed.
    #[error(transparent)]
    Model(#[from] ModelError),
    /// Questions cannot arrive so.
    #[error(transparent)]
    Rate(#[from] ImproperRate),
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
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum WindowOrder {
    /// As the questions stand in the data set.
    #[default]
    AsGiven,
    /// The longest first.
    ByLength,
    /// At random, by the seed.
    Shuffled,
}

impl std::str::FromStr for WindowOrder {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        let known = [Self::AsGiven, Self::ByLength, Self::Shuffled];
        let found = known.into_iter().find(|order| order.name() == name);
        found.ok_or_else(|| {
            format!("unknown order \"{name}\"; known are as-given, by-length and shuffled")
        })
    }
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
    /// The cell is about to do this.
    fn phase(&self, name: &'static str);
    /// So many `unit` (windows, queries) are about to be computed.
    fn begin(&self, unit: &'static str, count: usize);
    /// More of them are done.
    fn advance(&self, count: usize);
    /// All of them are.
    fn end(&self);
    /// A forward pass is about to be computed: returns when it is this process's turn, at once
    /// where it takes turns with no other. That is not on the clock.
    fn turn(&self) {}
    /// Whether [`Progress::turn`] would wait: what was begun must be over before that.
    fn turn_is_over(&self) -> bool {
        false
    }
}

/// A [`Progress`] that says nothing.
#[derive(Debug, Clone, Copy, Default)]
pub struct Silent;

impl Progress for Silent {
    fn phase(&self, _name: &'static str) {}
    fn begin(&self, _unit: &'static str, _count: usize) {}
    fn advance(&self, _count: usize) {}
    fn end(&self) {}
}

/// Answers with what giving them took.
#[derive(Debug, Clone)]
pub struct Answers {
    /// One answer a question, in the order asked.
    pub answers: Vec<Answer>,
    /// All windows, those of a question one after another, questions in the order asked.
    pub windows: Vec<Window>,
    /// The number of windows of each question.
    pub windows_of: Vec<usize>,
    /// The forward pass that each window was part of: a place in `batches`.
    pub batch_of: Vec<usize>,
    /// The forward passes, one after another.
    pub batches: Vec<BatchTime>,
    /// What tokenising each question took, on one thread.
    pub tokenize_times: Vec<Duration>,
    /// What choosing each answer took, on one thread.
    pub decode_times: Vec<Duration>,
    /// Seconds of tokenising.
    pub tokenize_s: f64,
    /// Seconds of the forward passes.
    pub forward_s: f64,
    /// Seconds of choosing answers.
    pub decode_s: f64,
}

impl Answers {
    /// Tokens computed.
    pub fn tokens(&self) -> usize {
        self.batches.iter().map(|batch| batch.tokens).sum()
    }

    /// Floating-point operations of the matrix products.
    pub fn flops(&self) -> u64 {
        self.batches.iter().map(|batch| batch.flops).sum()
    }

    /// Seconds of tokenising, of the forward passes and of choosing answers.
    pub fn end_to_end_s(&self) -> f64 {
        self.tokenize_s + self.forward_s + self.decode_s
    }

    /// Each question's own tokenising, the forward passes that its windows were part of (each
    /// once, whole) and its decoding: what it took without what it waited for.
    pub fn service_times(&self) -> Vec<Duration> {
        let own = self.tokenize_times.iter().zip(&self.decode_times);
        let mut first = 0;
        let of_question = own.zip(&self.windows_of);
        let times = of_question.map(|((&tokenize, &decode), &count)| {
            let mut batches = self.batch_of[first..first + count].to_vec();
            first += count;
            batches.sort_unstable();
            batches.dedup();
            let forward: Duration = batches.iter().map(|&b| self.batches[b].duration).sum();
            tokenize + forward + decode
        });
        times.collect()
    }
}

/// All that turns questions into answers.
#[derive(Clone, Copy)]
pub struct Line<'a> {
    /// What gives span logits.
    pub model: &'a dyn SpanModel,
    /// What cuts windows.
    pub windower: &'a Windower,
    /// Where the questions stand.
    pub dataset: &'a Dataset,
    /// How they are answered.
    pub settings: AnswerSettings,
}

impl Line<'_> {
    /// Answers all questions of the data set; see [`Line::answer`].
    ///
    /// # Errors
    ///
    /// See [`AnswerError`].
    pub fn answer_all(
        &self,
        clock: &mut PhaseClock,
        progress: &dyn Progress,
    ) -> Result<Answers, AnswerError> {
        let asked: Vec<usize> = (0..self.dataset.questions.len()).collect();
        self.answer(&asked, clock, progress)
    }

    /// Answers the questions that `asked` gives by their places in the data set, on the current
    /// rayon pool. A question may be asked more than once.
    ///
    /// The phases `tokenize`, `forward` and `decode` are given to `clock`.
    ///
    /// # Errors
    ///
    /// See [`AnswerError`].
    pub fn answer(
        &self,
        asked: &[usize],
        clock: &mut PhaseClock,
        progress: &dyn Progress,
    ) -> Result<Answers, AnswerError> {
        let cut = self.windower.cut(self.dataset, asked)?;
        let order = self
            .settings
            .order
            .indices(&cut.windows, self.settings.seed);
        let runs = batch::plan(&cut.windows, &order, self.settings.batch_tokens);
        let tokenize_s = clock.end("tokenize");
        progress.begin("windows", cut.windows.len());
        let (results, batches) = forward::forward(self.model, &cut.windows, &runs, progress)?;
        progress.end();
        clock.end("forward");
        let forward: Duration = batches.iter().map(|batch| batch.duration).sum();
        let decoded = self.decode(asked, &cut, &results)?;
        let (answers, decode_times) = decoded.into_iter().unzip();
        let decode_s = clock.end("decode");
        Ok(Answers {
            answers,
            batch_of: results.iter().map(|result| result.batch).collect(),
            windows: cut.windows,
            windows_of: cut.counts,
            batches,
            tokenize_times: cut.times,
            decode_times,
            tokenize_s,
            forward_s: forward.as_secs_f64(),
            decode_s,
        })
    }

    /// Computes the first batch of the data set and throws the result away: the first pass
    /// through a model pays for memory that later ones find ready.
    ///
    /// # Errors
    ///
    /// See [`AnswerError`].
    pub fn first_forward(&self) -> Result<(), AnswerError> {
        let mut windows = Vec::new();
        for index in 0..self.dataset.questions.len() {
            windows.extend(self.windower.question_windows(self.dataset, index)?);
            if windows.iter().map(Window::len).sum::<usize>() >= self.settings.batch_tokens {
                break;
            }
        }
        let order: Vec<usize> = (0..windows.len()).collect();
        let runs = batch::plan(&windows, &order, self.settings.batch_tokens);
        if let Some(first) = runs.first() {
            let batch = Batch::pack(&windows, first);
            // Each of several devices has its turn then.
            for _ in 0..self.model.batches_at_once() {
                self.model.span_logits(&batch)?;
            }
        }
        Ok(())
    }

    /// Chooses the answers, question by question in parallel, each with the time it took.
    fn decode(
        &self,
        asked: &[usize],
        cut: &CutQuestions,
        results: &[WindowResult],
    ) -> Result<Vec<(Answer, Duration)>, AnswerError> {
        let firsts = cut.counts.iter().scan(0, |next, count| {
            *next += count;
            Some(*next - count)
        });
        let firsts: Vec<usize> = firsts.collect();
        let detokenizer = self.windower.detokenizer();
        let decoded: Vec<Result<_, AnswerError>> = asked
            .par_iter()
            .zip(firsts.par_iter().zip(&cut.counts))
            .map(|(&index, (&first, &count))| {
                let started = Instant::now();
                let _span = profile::span(Operation::Decode, || Work::NONE);
                let question = &self.dataset.questions[index];
                let logits: Vec<_> = (first..first + count)
                    .map(|window| WindowLogits {
                        window: &cut.windows[window],
                        start: &results[window].start,
                        end: &results[window].end,
                    })
                    .collect();
                let mut values = logits.iter().flat_map(|l| l.start.iter().chain(l.end));
                if !values.all(|value| value.is_finite()) {
                    return Err(AnswerError::NotFinite {
                        model: self.model.description().architecture,
                        id: question.id.clone(),
                        place: self.dataset.place(question),
                    });
                }
                let passage = CharacterIndex::new(self.dataset.passage(question));
                let decode = &self.settings.decode;
                let answer = decode::answer(&passage, &detokenizer, &logits, decode);
                Ok((answer, started.elapsed()))
            })
            .collect();
        decoded.into_iter().collect()
    }
}
