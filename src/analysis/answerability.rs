//! "Has an answer or not" as a classifier.

use super::calibration::{Calibration, calibration};
use super::thresholds::{Figure, HeldOut, Scored, best_threshold, held_out, means_at};
use super::{Case, Means, Purpose, Settings, numbered};

/// Points of a precision-recall curve that are kept at the most.
pub const CURVE_POINTS: usize = 200;

/// How well one of two classes is found; a ratio of nothing is absent.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ClassFigures {
    /// Of the questions taken for the class, the share that is of it.
    pub precision: Option<f64>,
    /// Of the questions of the class, the share taken for it.
    pub recall: Option<f64>,
    /// The harmonic mean of both.
    pub f1: Option<f64>,
}

/// Counts of decisions; the positive class is "has an answer", as in the official script.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Classification {
    /// Questions with an answer that were answered.
    pub true_positive: usize,
    /// Questions without an answer that were answered.
    pub false_positive: usize,
    /// Questions with an answer for which "no answer" was given.
    pub false_negative: usize,
    /// Questions without an answer for which "no answer" was given.
    pub true_negative: usize,
}

impl Classification {
    /// Counts pairs of whether a question has an answer and whether it was answered.
    fn of(decisions: impl IntoIterator<Item = (bool, bool)>) -> Self {
        let mut counts = Self::default();
        for decision in decisions {
            *match decision {
                (true, true) => &mut counts.true_positive,
                (false, true) => &mut counts.false_positive,
                (true, false) => &mut counts.false_negative,
                (false, false) => &mut counts.true_negative,
            } += 1;
        }
        counts
    }

    /// The share of right decisions, from 0 to 1; nothing where there is none.
    pub fn accuracy(&self) -> Option<f64> {
        let right = self.true_positive + self.true_negative;
        ratio(right, right + self.false_positive + self.false_negative)
    }

    /// How well questions with an answer are found.
    pub fn has_answer(&self) -> ClassFigures {
        figures(self.true_positive, self.false_positive, self.false_negative)
    }

    /// How well questions without an answer are found.
    pub fn no_answer(&self) -> ClassFigures {
        figures(self.true_negative, self.false_negative, self.false_positive)
    }
}

fn ratio(part: usize, whole: usize) -> Option<f64> {
    (whole > 0).then(|| part as f64 / whole as f64)
}

fn figures(right: usize, too_many: usize, missed: usize) -> ClassFigures {
    ClassFigures {
        precision: ratio(right, right + too_many),
        recall: ratio(right, right + missed),
        f1: ratio(2 * right, 2 * right + too_many + missed),
    }
}

/// What one threshold makes of the questions.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct AtThreshold {
    /// Null odds above it mean "no answer".
    pub threshold: f64,
    /// Exact match and F1 over the questions with null odds.
    pub means: Means,
    /// Their classification by null odds alone.
    pub classification: Classification,
}

/// A point of a precision-recall curve.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct CurvePoint {
    /// Questions with null odds up to this are taken for answerable.
    pub null_odds: f64,
    /// Of those, the share that has an answer.
    pub precision: f64,
    /// Of the questions with an answer, the share among those.
    pub recall: f64,
}

/// Precision and recall of "has an answer" over all thresholds.
#[derive(Debug, Clone, PartialEq)]
pub struct PrecisionRecall {
    /// One point for each different value of the null odds in ascending order;
    /// of more than [`CURVE_POINTS`], that many at even steps, the first and the last among them.
    pub curve: Vec<CurvePoint>,
    /// Average precision, over all points: the sum of precision times the growth of recall
    /// (scikit-learn's `average_precision_score`; where every question has a prediction, the official script's `pr_oracle_ap`).
    pub average_precision: f64,
}

/// What null odds tell of whether there is an answer.
#[derive(Debug, Clone, PartialEq)]
pub struct NullScore {
    /// Questions with null odds; all figures are over these.
    pub n: usize,
    /// At the threshold in force; absent where none is.
    pub in_force: Option<AtThreshold>,
    /// At the best threshold for exact match.
    pub best_exact_match: AtThreshold,
    /// At the best threshold for F1.
    pub best_f1: AtThreshold,
    /// Thresholds chosen for exact match on the other half; absent where there is one passage.
    pub held_out_exact_match: Option<HeldOut>,
    /// Thresholds chosen for F1 on the other half; absent where there is one passage.
    pub held_out_f1: Option<HeldOut>,
    /// Absent where no question has an answer.
    pub precision_recall: Option<PrecisionRecall>,
    /// Absent where probabilities were promised and some odds are none.
    pub calibration: Option<Calibration>,
}

/// "Has an answer or not" as a classifier.
#[derive(Debug, Clone, PartialEq)]
pub struct Answerability {
    /// By what was answered: an empty answer is "no answer". Questions
    /// without a prediction are left out.
    pub as_answered: Classification,
    /// Absent where no question has null odds.
    pub null_score: Option<NullScore>,
}

/// The classifier's figures; nothing where every question has an answer.
pub(super) fn answerability(cases: &[&Case], settings: &Settings) -> Option<Answerability> {
    if cases.iter().all(|case| !case.golds.is_empty()) {
        return None;
    }
    let decisions = cases.iter().filter_map(|case| {
        let answered = !case.is_null()?;
        Some((!case.golds.is_empty(), answered))
    });
    let scored = || {
        let cases = cases.iter();
        cases.filter_map(|case| Some((case, case.finite_null_odds()?)))
    };
    let passages = numbered(scored().map(|(case, _)| case.passage));
    let questions: Vec<Scored> = scored()
        .zip(passages)
        .map(|((case, null_odds), passage)| Scored {
            null_odds,
            has_answer: !case.golds.is_empty(),
            kept: case.kept.unwrap_or(case.score),
            passage,
        })
        .collect();
    Some(Answerability {
        as_answered: Classification::of(decisions),
        null_score: null_score(&questions, settings),
    })
}

fn null_score(questions: &[Scored], settings: &Settings) -> Option<NullScore> {
    let best = |figure| at_threshold(questions, best_threshold(questions, figure)?);
    let seed = settings.seed_of(Purpose::Halves);
    let odds = questions.iter().map(|q| (q.null_odds, q.has_answer));
    Some(NullScore {
        n: questions.len(),
        in_force: settings
            .threshold
            .filter(|threshold| threshold.is_finite())
            .and_then(|threshold| at_threshold(questions, threshold)),
        best_exact_match: best(Figure::ExactMatch)?,
        best_f1: best(Figure::F1)?,
        held_out_exact_match: held_out(questions, Figure::ExactMatch, seed),
        held_out_f1: held_out(questions, Figure::F1, seed),
        precision_recall: precision_recall(questions),
        calibration: calibration(odds, settings.null_scale),
    })
}

fn at_threshold(questions: &[Scored], threshold: f64) -> Option<AtThreshold> {
    let decisions = questions
        .iter()
        .map(|question| (question.has_answer, question.null_odds <= threshold));
    Some(AtThreshold {
        threshold,
        means: means_at(questions, threshold)?,
        classification: Classification::of(decisions),
    })
}

/// The curve of "has an answer", surest first; questions with the same null odds come in together.
fn precision_recall(questions: &[Scored]) -> Option<PrecisionRecall> {
    let positives = questions.iter().filter(|q| q.has_answer).count();
    if positives == 0 {
        return None;
    }
    let mut sorted: Vec<&Scored> = questions.iter().collect();
    sorted.sort_by(|a, b| a.null_odds.total_cmp(&b.null_odds));
    let (mut taken, mut right) = (0_usize, 0_usize);
    let mut average_precision = 0.0;
    let mut curve = Vec::new();
    for group in sorted.chunk_by(|a, b| a.null_odds == b.null_odds) {
        let found = group.iter().filter(|question| question.has_answer).count();
        taken += group.len();
        right += found;
        let precision = right as f64 / taken as f64;
        average_precision += precision * found as f64 / positives as f64;
        curve.push(CurvePoint {
            null_odds: group[0].null_odds,
            precision,
            recall: right as f64 / positives as f64,
        });
    }
    Some(PrecisionRecall {
        curve: thinned(&curve),
        average_precision,
    })
}

/// At most [`CURVE_POINTS`] of `points` at even steps, both ends among them.
fn thinned(points: &[CurvePoint]) -> Vec<CurvePoint> {
    if points.len() <= CURVE_POINTS {
        return points.to_vec();
    }
    let last = points.len() - 1;
    (0..CURVE_POINTS)
        .map(|step| points[step * last / (CURVE_POINTS - 1)])
        .collect()
}
