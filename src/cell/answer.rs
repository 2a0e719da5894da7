//! What questions are answered with, and answers with what each step took.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::forward::BatchTime;
use crate::decode::{Answer, DecodeSettings};
use crate::measure::scenario::schedule::ImproperRate;
use crate::models::ModelError;
use crate::random::split_mix;
use crate::windows::{Window, WindowError, WindowSettings};

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

    pub(super) fn indices(self, windows: &[Window], seed: u64) -> Vec<usize> {
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
    /// Seconds of tokenising before the first forward pass: all of it but on a device that computes by itself,
    /// where it goes on beside the passes.
    pub tokenize_s: f64,
    /// Seconds of the forward passes.
    pub forward_s: f64,
    /// Seconds between the forward passes, in which none was under way.
    pub idle_s: f64,
    /// Seconds of choosing answers after the last forward pass.
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

    /// Seconds from the questions to the answers.
    pub fn end_to_end_s(&self) -> f64 {
        self.tokenize_s + self.forward_s + self.idle_s + self.decode_s
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
