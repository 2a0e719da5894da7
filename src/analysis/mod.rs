//! What a score alone does not say: where it is low, which errors it is made
//! of, whether "no answer" is given at the right questions, and how much of it is chance.
//!
//! Pure functions of plain data: [`analyze`] takes one [`Case`] a question and
//! gives an [`Analysis`]; [`wire::WireAnalysis`] is what a record keeps of it.
//! All figures are finite: where a figure has no value, it is absent.

pub mod answerability;
pub mod calibration;
pub mod cases;
pub mod errors;
pub mod folds;
pub mod intervals;
mod properties;
mod question_type;
pub mod slices;
mod text;
pub mod thresholds;
pub mod wire;

use std::collections::HashMap;

use crate::score::QuestionScore;
pub use answerability::Answerability;
pub use errors::{Confusion, ErrorKind};
pub use folds::Folds;
pub use intervals::Intervals;
pub use properties::Property;
pub(crate) use properties::{answer_length_range, windows_range};
pub(crate) use question_type::question_type;
pub use slices::Dimension;

pub use crate::windows::reach::Reach;

/// A gold answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Gold<'a> {
    /// The answer as annotated.
    pub text: &'a str,
    /// Offset of its first character in the passage, in code points; where it
    /// is not known (or the text is not there), every place of the text counts.
    pub start: Option<usize>,
}

/// A question with its golds, its answer and how that was scored.
#[derive(Debug, Clone, PartialEq)]
pub struct Case<'a> {
    /// Unique within the data set.
    pub id: &'a str,
    /// The question as written.
    pub question: &'a str,
    /// Number of the passage: questions with the same number share it.
    pub passage: usize,
    /// The passage.
    pub passage_text: &'a str,
    /// Title of the article that the passage is from.
    pub article: Option<&'a str>,
    /// Language tag of the passage (`en`, `zh-CN`).
    pub language: Option<&'a str>,
    /// Language tag of the question; without one it is taken for English.
    pub question_language: Option<&'a str>,
    /// Gold answers; none where the passage does not hold the answer.
    pub golds: Vec<Gold<'a>>,
    /// The answer as it was scored: empty for "no answer", also where a
    /// no-answer threshold made it that; nothing where there is no prediction.
    pub prediction: Option<&'a str>,
    /// The score of `prediction`; zeros where there is none.
    pub score: QuestionScore,
    /// The score of the answer that is given where no threshold turns it into
    /// "no answer"; nothing where that is `score`.
    pub kept: Option<QuestionScore>,
    /// The predicted span in the passage, in code points, the end exclusive; nothing where unknown.
    pub answer_span: Option<(usize, usize)>,
    /// Whether the decoder found no span that may be an answer.
    pub no_candidate: bool,
    /// The number of windows, where known.
    pub windows: Option<usize>,
    /// How sure "no answer" is, on the scale of [`Settings::null_scale`]; taken as absent where not finite.
    pub null_odds: Option<f64>,
    /// Whether some gold answer can be given, where known.
    pub reach: Option<Reach>,
}

impl Case<'_> {
    /// Whether "no answer" was given; nothing where there is no prediction.
    fn is_null(&self) -> Option<bool> {
        self.prediction.map(|text| text.trim().is_empty())
    }

    /// The null odds, where they are a number.
    fn finite_null_odds(&self) -> Option<f64> {
        self.null_odds.filter(|odds| odds.is_finite())
    }
}

/// What null odds are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum NullScale {
    /// A difference of logits, of which the logistic function is a probability.
    #[default]
    LogitDifference,
    /// A probability from 0 to 1.
    Probability,
    /// A difference of probabilities, from -1 to 1, of which nothing says how sure it is.
    ProbabilityDifference,
}

impl NullScale {
    /// The scale's name in records.
    pub fn name(self) -> &'static str {
        match self {
            Self::LogitDifference => "logit_difference",
            Self::Probability => "probability",
            Self::ProbabilityDifference => "probability_difference",
        }
    }
}

/// What a question without a prediction counts for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum MissingPrediction {
    /// Zero, as in `evaluate-v1.1.py` and the MLQA script.
    #[default]
    CountsZero,
    /// Nothing: it is left out of every mean, as in `evaluate-v2.0.py`.
    LeftOut,
}

/// How cases are analysed.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Settings {
    /// Seed of the resamples, the folds and the held-out halves.
    pub seed: u64,
    /// Bootstrap resamples.
    pub resamples: usize,
    /// Slices of fewer questions are ordered after all others.
    pub min_slice: usize,
    /// The number of folds, where there are as many articles.
    pub folds: usize,
    /// What null odds are.
    pub null_scale: NullScale,
    /// The null odds above which "no answer" was given.
    pub threshold: Option<f64>,
    /// What a question without a prediction counts for.
    pub missing: MissingPrediction,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            seed: 0,
            resamples: 10_000,
            min_slice: 10,
            folds: 5,
            null_scale: NullScale::default(),
            threshold: None,
            missing: MissingPrediction::default(),
        }
    }
}

/// What `seed` is taken apart for, so that no two purposes draw the same numbers.
#[derive(Debug, Clone, Copy)]
enum Purpose {
    QuestionResamples,
    PassageResamples,
    Folds,
    Halves,
}

impl Settings {
    fn seed_of(&self, purpose: Purpose) -> u64 {
        crate::random::split_mix(self.seed, purpose as u64)
    }
}

/// Mean exact match and F1 of some questions, in percent.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Means {
    /// The number of questions.
    pub n: usize,
    /// Exact match.
    pub exact_match: f64,
    /// Token F1.
    pub f1: f64,
}

impl Means {
    /// The means of `scores`, summed in their order as the official scripts
    /// do; nothing where there are none.
    pub fn of(scores: impl IntoIterator<Item = QuestionScore>) -> Option<Self> {
        let (mut n, mut exact_match, mut f1) = (0_usize, 0.0, 0.0);
        for score in scores {
            n += 1;
            exact_match += score.exact_match;
            f1 += score.f1;
        }
        (n > 0).then(|| Self {
            n,
            exact_match: 100.0 * exact_match / n as f64,
            f1: 100.0 * f1 / n as f64,
        })
    }
}

/// What [`analyze`] finds.
#[derive(Debug, Clone, PartialEq)]
pub struct Analysis {
    /// Over all questions that count; absent where none does.
    pub whole: Option<Means>,
    /// Every property by which the questions could be told apart.
    pub slices: Vec<Dimension>,
    /// The kind of error of each case, in their order; nothing where the answer is right.
    pub errors: Vec<Option<ErrorKind>>,
    /// What was asked for against what was answered, over all cases.
    pub confusion: Confusion,
    /// Absent where every question has an answer.
    pub answerability: Option<Answerability>,
    /// How much chance there is in the means.
    pub intervals: Intervals,
    /// Absent where all questions are about one passage.
    pub folds: Option<Folds>,
}

/// Analyses `cases`, on the current rayon pool.
pub fn analyze(cases: &[Case], settings: &Settings) -> Analysis {
    let counted: Vec<&Case> = cases
        .iter()
        .filter(|case| {
            settings.missing == MissingPrediction::CountsZero || case.prediction.is_some()
        })
        .collect();
    Analysis {
        whole: Means::of(counted.iter().map(|case| case.score)),
        slices: slices::slices(&counted, settings.min_slice),
        errors: errors::kinds(cases),
        confusion: Confusion::of(cases),
        answerability: answerability::answerability(&counted, settings),
        intervals: intervals::intervals(&counted, settings),
        folds: folds::folds(&counted, settings),
    }
}

/// Numbers the different `keys` from 0 in the order of their first appearance.
fn numbered<K: Eq + std::hash::Hash>(keys: impl Iterator<Item = K>) -> Vec<usize> {
    let mut numbers = HashMap::new();
    keys.map(|key| {
        let next = numbers.len();
        *numbers.entry(key).or_insert(next)
    })
    .collect()
}
