//! "Has an answer or not" as a classifier, as it stands in `run.json`.

use serde::{Deserialize, Serialize};

use super::WireMeans;
use crate::analysis::answerability::{
    Answerability, AtThreshold, ClassFigures, Classification, NullScore, PrecisionRecall,
};
use crate::analysis::calibration::Calibration;
use crate::analysis::thresholds::{HeldOut, Transfer};

/// "Has an answer or not" as a classifier; the positive class is "has an answer".
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct WireAnswerability {
    /// By what was answered: an empty answer is "no answer". Questions without a prediction are left out.
    pub as_answered: WireClassification,
    /// By null odds; absent where there are none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub null_score: Option<WireNullScore>,
}

/// A confusion matrix and what follows from it; shares from 0 to 1, absent where they are of nothing.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct WireClassification {
    /// Questions with an answer that were answered.
    pub true_positive: usize,
    /// Questions without an answer that were answered.
    pub false_positive: usize,
    /// Questions with an answer for which "no answer" was given.
    pub false_negative: usize,
    /// Questions without an answer for which "no answer" was given.
    pub true_negative: usize,
    /// The share of right decisions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub accuracy: Option<f64>,
    /// How well questions with an answer are found.
    pub has_answer: WireClassFigures,
    /// How well questions without an answer are found.
    pub no_answer: WireClassFigures,
}

/// How well one of the two classes is found, from 0 to 1.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct WireClassFigures {
    /// Of the questions taken for the class, the share that is of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub precision: Option<f64>,
    /// Of the questions of the class, the share taken for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recall: Option<f64>,
    /// The harmonic mean of both.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub f1: Option<f64>,
}

/// What null odds tell of whether there is an answer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct WireNullScore {
    /// Questions with null odds; all figures are over these.
    pub n: usize,
    /// At the threshold in force; absent where none is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub in_force: Option<WireAtThreshold>,
    /// At the best threshold for exact match. Questions with the same null odds fall on one side of it.
    pub best_exact_match: WireAtThreshold,
    /// At the best threshold for F1, likewise.
    pub best_f1: WireAtThreshold,
    /// Thresholds chosen for exact match on the other half; absent where there is one passage.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub held_out_exact_match: Option<WireHeldOut>,
    /// Thresholds chosen for F1 on the other half; absent where there is one passage.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub held_out_f1: Option<WireHeldOut>,
    /// Absent where no question has an answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub precision_recall: Option<WirePrecisionRecall>,
    /// Absent where probabilities were promised and some odds are none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub calibration: Option<WireCalibration>,
}

/// What one threshold makes of the questions.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct WireAtThreshold {
    /// Null odds above it mean "no answer".
    pub threshold: f64,
    /// Exact match in percent.
    pub exact_match: f64,
    /// Token F1 in percent.
    pub f1: f64,
    /// The classification by null odds alone.
    pub classification: WireClassification,
}

/// What thresholds are worth on questions they were not chosen on. The halves share no passage.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct WireHeldOut {
    /// Exact match in percent, each question under the other half's threshold.
    pub exact_match: f64,
    /// Token F1 in percent, likewise.
    pub f1: f64,
    /// From the first half to the second, and back.
    pub directions: [WireTransfer; 2],
}

/// A threshold chosen on one half and applied to the other.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct WireTransfer {
    /// The threshold.
    pub threshold: f64,
    /// Questions it was chosen on.
    pub chosen_on: usize,
    /// The figures on the other half.
    pub applied: WireMeans,
}

/// Precision and recall of "has an answer" over all thresholds.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct WirePrecisionRecall {
    /// The sum of precision times the growth of recall, over all different null odds, from 0 to 1.
    pub average_precision: f64,
    /// At most 200 points at even steps, by ascending null odds.
    pub curve: Vec<WireCurvePoint>,
}

/// A point of a precision-recall curve.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct WireCurvePoint {
    /// Questions with null odds up to this are taken for answerable.
    pub null_odds: f64,
    /// Of those, the share that has an answer.
    pub precision: f64,
    /// Of the questions with an answer, the share among those.
    pub recall: f64,
}

/// Calibration of the null score as a probability of "no answer".
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct WireCalibration {
    /// Expected calibration error over the bins, from 0 to 1.
    pub expected_calibration_error: f64,
    /// Brier score, from 0 to 1.
    pub brier: f64,
    /// Those of 15 bins of equal width that hold questions, ascending.
    pub bins: Vec<WireBin>,
}

/// Questions whose probability of "no answer" lies in one range.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct WireBin {
    /// The range's lower end, exclusive but for 0.
    pub above: f64,
    /// The range's upper end, inclusive.
    pub up_to: f64,
    /// Questions in it.
    pub n: usize,
    /// Their mean probability of "no answer".
    pub mean_probability: f64,
    /// The share of them that has no answer.
    pub unanswerable: f64,
}

impl From<&Answerability> for WireAnswerability {
    fn from(answerability: &Answerability) -> Self {
        Self {
            as_answered: answerability.as_answered.into(),
            null_score: answerability.null_score.as_ref().map(Into::into),
        }
    }
}

impl From<Classification> for WireClassification {
    fn from(counts: Classification) -> Self {
        Self {
            true_positive: counts.true_positive,
            false_positive: counts.false_positive,
            false_negative: counts.false_negative,
            true_negative: counts.true_negative,
            accuracy: counts.accuracy(),
            has_answer: counts.has_answer().into(),
            no_answer: counts.no_answer().into(),
        }
    }
}

impl From<ClassFigures> for WireClassFigures {
    fn from(figures: ClassFigures) -> Self {
        Self {
            precision: figures.precision,
            recall: figures.recall,
            f1: figures.f1,
        }
    }
}

impl From<&NullScore> for WireNullScore {
    fn from(score: &NullScore) -> Self {
        Self {
            n: score.n,
            in_force: score.in_force.map(Into::into),
            best_exact_match: score.best_exact_match.into(),
            best_f1: score.best_f1.into(),
            held_out_exact_match: score.held_out_exact_match.map(Into::into),
            held_out_f1: score.held_out_f1.map(Into::into),
            precision_recall: score.precision_recall.as_ref().map(Into::into),
            calibration: score.calibration.as_ref().map(Into::into),
        }
    }
}

impl From<AtThreshold> for WireAtThreshold {
    fn from(at: AtThreshold) -> Self {
        Self {
            threshold: at.threshold,
            exact_match: at.means.exact_match,
            f1: at.means.f1,
            classification: at.classification.into(),
        }
    }
}

impl From<HeldOut> for WireHeldOut {
    fn from(held_out: HeldOut) -> Self {
        Self {
            exact_match: held_out.means.exact_match,
            f1: held_out.means.f1,
            directions: held_out.directions.map(|transfer: Transfer| WireTransfer {
                threshold: transfer.threshold,
                chosen_on: transfer.chosen_on,
                applied: transfer.applied.into(),
            }),
        }
    }
}

impl From<&PrecisionRecall> for WirePrecisionRecall {
    fn from(precision_recall: &PrecisionRecall) -> Self {
        let curve = precision_recall.curve.iter();
        Self {
            average_precision: precision_recall.average_precision,
            curve: curve
                .map(|point| WireCurvePoint {
                    null_odds: point.null_odds,
                    precision: point.precision,
                    recall: point.recall,
                })
                .collect(),
        }
    }
}

impl From<&Calibration> for WireCalibration {
    fn from(calibration: &Calibration) -> Self {
        let bins = calibration.bins.iter();
        Self {
            expected_calibration_error: calibration.expected_error,
            brier: calibration.brier,
            bins: bins
                .map(|bin| WireBin {
                    above: bin.above,
                    up_to: bin.up_to,
                    n: bin.n,
                    mean_probability: bin.mean_probability,
                    unanswerable: bin.unanswerable,
                })
                .collect(),
        }
    }
}
