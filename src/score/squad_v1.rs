//! The official SQuAD v1.1 script, `evaluate-v1.1.py`.

use super::means::{self, Means};
use super::normalize::normalize_answer;
use super::{Predictions, Protocol, QuestionScore, ScoreError};
use crate::dataset::{Dataset, Question};

/// Exact match and F1 of one prediction: the best over the gold answers.
pub fn score_question(prediction: &str, question: &Question) -> QuestionScore {
    means::score_question(prediction, question, normalize_answer)
}

/// Scores a prediction file as the official v1.1 script does.
///
/// A question with no prediction counts as wrong. The script adds with `+=`,
/// so no Python compensates its sums.
///
/// # Errors
///
/// Fails where a question has no gold answer: the official script stops there too.
pub fn score(
    dataset: &Dataset,
    predictions: &Predictions,
) -> Result<(Means, Vec<Option<QuestionScore>>), ScoreError> {
    means::score(dataset, predictions, Protocol::SquadV1)
}
