//! The official SQuAD v1.1 script, `evaluate-v1.1.py`.

use super::normalize::normalize_answer;
use super::{Predictions, QuestionScore, ScoreError, token_overlap};
use crate::dataset::{Dataset, Question};
use crate::python;

/// What the official v1.1 script prints, in percent, with the count it divides by.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SquadV1 {
    /// Share of questions whose normalised prediction equals a normalised gold answer, in percent.
    pub exact_match: f64,
    /// Mean token F1 against the best-fitting gold answer, in percent.
    pub f1: f64,
    /// Questions in the data set, answered or not.
    pub total: usize,
}

/// Exact match and F1 of one prediction: the best over the gold answers.
pub fn score_question(prediction: &str, question: &Question) -> QuestionScore {
    let prediction = normalize_answer(prediction);
    let mut best = QuestionScore::default();
    for answer in &question.answers {
        let gold = normalize_answer(&answer.text);
        if prediction == gold {
            best.exact_match = 1.0;
        }
        best.f1 = best.f1.max(f1(&prediction, &gold));
    }
    best
}

/// Token F1 of two normalised answers; 0 where nothing overlaps, even if both are empty.
fn f1(prediction: &str, gold: &str) -> f64 {
    let prediction: Vec<&str> = python::split(prediction).collect();
    let gold: Vec<&str> = python::split(gold).collect();
    token_overlap(&prediction, &gold)
}

/// Checks that the protocol can score `dataset`.
///
/// # Errors
///
/// Fails where a question has no gold answer: the official script stops there too.
pub fn check(dataset: &Dataset) -> Result<(), ScoreError> {
    match dataset.questions.iter().find(|q| q.answers.is_empty()) {
        None => Ok(()),
        Some(question) => Err(ScoreError::NoGoldAnswer {
            dataset: dataset.origin.clone(),
            place: question.place.to_string(),
            id: question.id.clone(),
        }),
    }
}

/// Scores a prediction file as the official v1.1 script does.
///
/// A question with no prediction counts as wrong.
///
/// # Errors
///
/// Fails where a question has no gold answer: the official script stops there too.
pub fn score(
    dataset: &Dataset,
    predictions: &Predictions,
) -> Result<(SquadV1, Vec<Option<QuestionScore>>), ScoreError> {
    check(dataset)?;
    let scores: Vec<Option<QuestionScore>> =
        super::per_question(dataset, predictions, score_question);
    let total = dataset.questions.len();
    // The script adds one question after another to a float that starts at zero.
    let (mut exact_match, mut f1) = (0.0, 0.0);
    for score in scores.iter().flatten() {
        exact_match += score.exact_match;
        f1 += score.f1;
    }
    let accuracy = SquadV1 {
        exact_match: 100.0 * exact_match / total as f64,
        f1: 100.0 * f1 / total as f64,
        total,
    };
    Ok((accuracy, scores))
}
