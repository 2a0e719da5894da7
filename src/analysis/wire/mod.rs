//! The analysis as it stands in `run.json`. Version 1; fields are only ever added.
//! A figure that has no value is absent.

mod answerability;

use serde::{Deserialize, Serialize};

pub use answerability::{
    WireAnswerability, WireAtThreshold, WireBin, WireCalibration, WireClassFigures,
    WireClassification, WireCurvePoint, WireHeldOut, WireNullScore, WirePrecisionRecall,
    WireTransfer,
};

use super::folds::{Folds, Spread};
use super::intervals::{Intervals, ScoreIntervals};
use super::slices::{Dimension, Slice};
use super::{Analysis, Confusion, ErrorKind, Means, MissingPrediction, Settings};
use crate::stats::{CONFIDENCE, Interval};

/// The version of the layout below.
pub const SCHEMA: u32 = 1;

/// What a score alone does not say.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct WireAnalysis {
    /// [`SCHEMA`].
    pub schema: u32,
    /// What can change a figure.
    pub settings: WireAnalysisSettings,
    /// The figures of all questions that count, which slices are compared with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub whole: Option<WireMeans>,
    /// Slices by property.
    pub slices: Vec<WireDimension>,
    /// Wrong answers by kind.
    pub errors: WireErrors,
    /// What was asked for against what was answered.
    pub confusion: WireConfusion,
    /// "Has an answer or not" as a classifier; absent where every question has an answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub answerability: Option<WireAnswerability>,
    /// Bootstrap intervals.
    pub intervals: WireIntervals,
    /// Disjoint parts of the data; absent where all questions are about one passage.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub folds: Option<WireFolds>,
}

/// The settings of an analysis.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct WireAnalysisSettings {
    /// Seed of the resamples, the folds and the held-out halves.
    pub seed: u64,
    /// Bootstrap resamples.
    pub resamples: usize,
    /// Confidence of all intervals: 0.95.
    pub confidence: f64,
    /// Slices of fewer questions are ordered after all others.
    pub min_slice: usize,
    /// Folds asked for.
    pub folds: usize,
    /// `logit_difference`, `probability` or `probability_difference`: what null odds are.
    pub null_scale: String,
    /// `count_zero` or `left_out`: what questions without a prediction count for.
    pub missing_predictions: String,
}

/// Figures of some questions.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct WireMeans {
    /// The number of questions.
    pub n: usize,
    /// Exact match in percent.
    pub exact_match: f64,
    /// Token F1 in percent.
    pub f1: f64,
}

/// From `lower` up to `upper`, in percent.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct WireInterval {
    /// The lower end.
    pub lower: f64,
    /// The upper end.
    pub upper: f64,
}

/// All slices of one property.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct WireDimension {
    /// `answer_length`, `question_type`, `context_length`, `windows`, `answer_position`,
    /// `has_answer`, `answer_rarity`, `article` or `language`.
    pub property: String,
    /// The slices, the worst first: those of at least `min_slice` questions
    /// before the others, then by falling `shortfall`.
    pub slices: Vec<WireSlice>,
}

/// Questions that share a property.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct WireSlice {
    /// What they share: a range, a question word, a title, a language.
    pub name: String,
    /// The number of questions.
    pub n: usize,
    /// Exact match in percent.
    pub exact_match: f64,
    /// Token F1 in percent.
    pub f1: f64,
    /// Exact match less that of the whole, in percentage points.
    pub exact_match_difference: f64,
    /// F1 less that of the whole, in percentage points.
    pub f1_difference: f64,
    /// Wilson's interval of exact match.
    pub exact_match_wilson: WireInterval,
    /// Exact match of the whole less the upper end of `exact_match_wilson`, in
    /// percentage points: above 0 where the whole lies above the slice's own interval.
    /// Of a hundred slices that are as good as the whole, expect two or three above 0.
    pub shortfall: f64,
}

/// Wrong answers (no exact match) by kind.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct WireErrors {
    /// All questions.
    pub questions: usize,
    /// Those without an exact match.
    pub wrong: usize,
    /// The kinds that occur, the most frequent first.
    pub kinds: Vec<WireErrorKind>,
}

/// Wrong answers of one kind.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct WireErrorKind {
    /// The kind, as in `questions.jsonl`.
    pub kind: String,
    /// Wrong answers of the kind.
    pub n: usize,
    /// Of all wrong answers, in percent.
    pub percent_of_wrong: f64,
    /// Of all questions, in percent.
    pub percent_of_questions: f64,
}

/// What was asked for against what was answered, in questions.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct WireConfusion {
    /// Questions that have an answer.
    pub has_answer: WireConfusionRow,
    /// Questions that have none; `null` is right for them.
    pub no_answer: WireConfusionRow,
}

/// How questions of one kind were answered.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct WireConfusionRow {
    /// With an exact match that is not empty.
    pub exact: usize,
    /// With no exact match, but an F1 above 0.
    pub partial: usize,
    /// With another answer.
    pub wrong: usize,
    /// With "no answer".
    pub null: usize,
    /// Without a prediction.
    pub missing: usize,
}

/// 95 % percentile bootstrap intervals.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct WireIntervals {
    /// Over questions, as if each were independent; absent below two questions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by_question: Option<WireScoreIntervals>,
    /// Over passages with all their questions; absent below ten passages.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by_passage: Option<WireScoreIntervals>,
    /// The number of passages.
    pub passages: usize,
}

/// Intervals of exact match and F1.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct WireScoreIntervals {
    /// Of exact match.
    pub exact_match: WireInterval,
    /// Of token F1.
    pub f1: WireInterval,
}

/// Figures over parts of the data that share no article.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct WireFolds {
    /// What was dealt out: `article` or `passage`.
    pub by: String,
    /// Articles or passages that were dealt out.
    pub groups: usize,
    /// Each fold's own figures.
    pub folds: Vec<WireMeans>,
    /// Exact match over the folds.
    pub exact_match: WireSpread,
    /// F1 over the folds.
    pub f1: WireSpread,
}

/// One figure over the folds, in percent.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct WireSpread {
    /// Arithmetic mean, each fold with the same weight.
    pub mean: f64,
    /// Sample standard deviation (divided by folds - 1).
    pub standard_deviation: f64,
    /// The smallest.
    pub min: f64,
    /// The largest.
    pub max: f64,
}

impl WireAnalysis {
    /// What a record keeps of `analysis`, which was made with `settings`.
    pub fn new(analysis: &Analysis, settings: &Settings) -> Self {
        Self {
            schema: SCHEMA,
            settings: settings.into(),
            whole: analysis.whole.map(Into::into),
            slices: analysis.slices.iter().map(Into::into).collect(),
            errors: WireErrors::new(&analysis.errors),
            confusion: analysis.confusion.into(),
            answerability: analysis.answerability.as_ref().map(Into::into),
            intervals: analysis.intervals.into(),
            folds: analysis.folds.as_ref().map(Into::into),
        }
    }

    /// The `count` worst slices of all properties with their property's name,
    /// the worst first: those with a shortfall above 0 and at least `min_slice` questions.
    pub fn worst_slices(&self, count: usize) -> Vec<(&str, &WireSlice)> {
        let mut worst: Vec<_> = self
            .slices
            .iter()
            .flat_map(|by| by.slices.iter().map(|slice| (by.property.as_str(), slice)))
            .filter(|(_, slice)| slice.shortfall > 0.0 && slice.n >= self.settings.min_slice)
            .collect();
        worst.sort_by(|(_, a), (_, b)| b.shortfall.total_cmp(&a.shortfall));
        worst.truncate(count);
        worst
    }
}

impl WireErrors {
    fn new(errors: &[Option<ErrorKind>]) -> Self {
        let wrong = errors.iter().flatten().count();
        let mut kinds: Vec<WireErrorKind> = ErrorKind::ALL
            .into_iter()
            .map(|kind| (kind, errors.iter().filter(|e| **e == Some(kind)).count()))
            .filter(|(_, n)| *n > 0)
            .map(|(kind, n)| WireErrorKind {
                kind: kind.name().to_owned(),
                n,
                percent_of_wrong: 100.0 * n as f64 / wrong as f64,
                percent_of_questions: 100.0 * n as f64 / errors.len() as f64,
            })
            .collect();
        kinds.sort_by_key(|kind| std::cmp::Reverse(kind.n));
        Self {
            questions: errors.len(),
            wrong,
            kinds,
        }
    }
}

impl From<&Settings> for WireAnalysisSettings {
    fn from(settings: &Settings) -> Self {
        Self {
            seed: settings.seed,
            resamples: settings.resamples,
            confidence: CONFIDENCE,
            min_slice: settings.min_slice,
            folds: settings.folds,
            null_scale: settings.null_scale.name().to_owned(),
            missing_predictions: match settings.missing {
                MissingPrediction::CountsZero => "count_zero",
                MissingPrediction::LeftOut => "left_out",
            }
            .to_owned(),
        }
    }
}

impl From<Means> for WireMeans {
    fn from(Means { n, exact_match, f1 }: Means) -> Self {
        Self { n, exact_match, f1 }
    }
}

impl From<Interval> for WireInterval {
    fn from(Interval { lower, upper }: Interval) -> Self {
        Self { lower, upper }
    }
}

impl From<&Dimension> for WireDimension {
    fn from(dimension: &Dimension) -> Self {
        Self {
            property: dimension.property.name().to_owned(),
            slices: dimension.slices.iter().map(Into::into).collect(),
        }
    }
}

impl From<&Slice> for WireSlice {
    fn from(slice: &Slice) -> Self {
        Self {
            name: slice.name.clone(),
            n: slice.means.n,
            exact_match: slice.means.exact_match,
            f1: slice.means.f1,
            exact_match_difference: slice.exact_match_difference,
            f1_difference: slice.f1_difference,
            exact_match_wilson: slice.exact_match_wilson.into(),
            shortfall: slice.shortfall,
        }
    }
}

impl From<Confusion> for WireConfusion {
    fn from(confusion: Confusion) -> Self {
        let [has_answer, no_answer] =
            [confusion.has_answer, confusion.no_answer].map(|row| WireConfusionRow {
                exact: row.exact,
                partial: row.partial,
                wrong: row.wrong,
                null: row.null,
                missing: row.missing,
            });
        Self {
            has_answer,
            no_answer,
        }
    }
}

impl From<Intervals> for WireIntervals {
    fn from(intervals: Intervals) -> Self {
        let wire = |intervals: ScoreIntervals| WireScoreIntervals {
            exact_match: intervals.exact_match.into(),
            f1: intervals.f1.into(),
        };
        Self {
            by_question: intervals.by_question.map(wire),
            by_passage: intervals.by_passage.map(wire),
            passages: intervals.passages,
        }
    }
}

impl From<&Folds> for WireFolds {
    fn from(folds: &Folds) -> Self {
        let wire = |spread: Spread| WireSpread {
            mean: spread.mean,
            standard_deviation: spread.standard_deviation,
            min: spread.min,
            max: spread.max,
        };
        Self {
            by: if folds.by_article {
                "article"
            } else {
                "passage"
            }
            .to_owned(),
            groups: folds.groups,
            folds: folds.folds.iter().copied().map(Into::into).collect(),
            exact_match: wire(folds.exact_match),
            f1: wire(folds.f1),
        }
    }
}
