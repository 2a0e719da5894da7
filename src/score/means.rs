//! What the v1.1 and the MLQA script have in common: everything but the normaliser.

use super::{Predictions, Protocol, QuestionScore, ScoreError, distinct_golds, token_overlap};
use crate::dataset::{Dataset, Question};
use crate::python;

/// What the two scripts print, in percent, with the count they divide by.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Means {
    /// Share of questions whose normalised prediction equals a normalised gold answer, in percent.
    pub exact_match: f64,
    /// Mean token F1 against the best-fitting gold answer, in percent.
    pub f1: f64,
    /// Questions in the data set, answered or not.
    pub total: usize,
}

/// Exact match and F1 of one prediction: the best over the gold answers.
///
/// F1 is 0 where no token is shared, even if both answers normalise to nothing.
pub(super) fn score_question(
    prediction: &str,
    question: &Question,
    normalize: impl Fn(&str) -> String,
) -> QuestionScore {
    let prediction = normalize(prediction);
    let tokens: Vec<&str> = python::split(&prediction).collect();
    let mut best = QuestionScore::default();
    for gold in distinct_golds(question) {
        let gold = normalize(gold);
        if prediction == gold {
            best.exact_match = 1.0;
        }
        let gold: Vec<&str> = python::split(&gold).collect();
        best.f1 = best.f1.max(token_overlap(&tokens, &gold));
    }
    best
}

/// Scores a prediction file; a question with no prediction counts as wrong.
///
/// # Errors
///
/// Fails where a question has no gold answer.
pub(super) fn score(
    dataset: &Dataset,
    predictions: &Predictions,
    protocol: Protocol,
) -> Result<(Means, Vec<Option<QuestionScore>>), ScoreError> {
    protocol.check(dataset)?;
    let scores = super::per_question(dataset, predictions, |text, question| {
        score_question(text, question, |answer| protocol.normalize(answer))
    });
    let total = dataset.questions.len();
    // The scripts add one question after another to a number that starts at zero.
    let (mut exact_match, mut f1) = (0.0, 0.0);
    for score in scores.iter().flatten() {
        exact_match += score.exact_match;
        f1 += score.f1;
    }
    let means = Means {
        exact_match: 100.0 * exact_match / total as f64,
        f1: 100.0 * f1 / total as f64,
        total,
    };
    Ok((means, scores))
}
