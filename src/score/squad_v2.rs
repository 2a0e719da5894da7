//! The official SQuAD v2.0 script, `evaluate-v2.0.py`.

use super::normalize::normalize_answer;
use super::precision_recall::{AveragePrecisions, BestThreshold, Walk};
use super::{
    NoAnswerProbabilities, Predictions, QuestionScore, ScoreError, Summation, Term, distinct_golds,
    token_overlap,
};
use crate::dataset::{Dataset, Question};
use crate::python;

/// One row of the script's result: exact match, F1 and the number of questions.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Group {
    /// Share of exact matches, in percent.
    pub exact: f64,
    /// Mean token F1, in percent.
    pub f1: f64,
    /// Questions in the group that have a prediction.
    pub total: usize,
}

/// What the official v2.0 script prints.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SquadV2 {
    /// Over all questions with a prediction.
    pub all: Group,
    /// Over the questions that have an answer, if there are any.
    pub has_answer: Option<Group>,
    /// Over the questions that have none, if there are any.
    pub no_answer: Option<Group>,
    /// Best exact match and best F1 over thresholds, where no-answer probabilities were given.
    pub best: Option<(BestThreshold, BestThreshold)>,
    /// Where no-answer probabilities were given and some question has an answer.
    pub average_precisions: Option<AveragePrecisions>,
}

/// Exact match and F1 of one prediction: the best over the gold answers.
///
/// Gold answers that normalise to nothing are dropped; where none is left the
/// gold answer is the empty string. Where an answer is empty, F1 is 1 if both
/// are and else 0.
pub fn score_question(prediction: &str, question: &Question) -> QuestionScore {
    score_terms(prediction, question).score
}

/// A question's score, with its F1 as the script's `sum()` gets it.
#[derive(Debug, Clone, Copy)]
struct Terms {
    score: QuestionScore,
    f1: Term,
}

fn score_terms(prediction: &str, question: &Question) -> Terms {
    let prediction = normalize_answer(prediction);
    let golds = distinct_golds(question).map(normalize_answer);
    let golds: Vec<String> = golds.filter(|gold| !gold.is_empty()).collect();
    if golds.is_empty() {
        let right = prediction.is_empty();
        return Terms {
            score: whole(right),
            f1: Term::Integer(u32::from(right)),
        };
    }
    let tokens: Vec<&str> = python::split(&prediction).collect();
    let mut score = QuestionScore::default();
    for gold in &golds {
        if prediction == *gold {
            score.exact_match = 1.0;
        }
        let gold: Vec<&str> = python::split(gold).collect();
        score.f1 = score.f1.max(token_overlap(&tokens, &gold));
    }
    // `compute_f1` divides only where tokens are shared.
    let f1 = if score.f1 > 0.0 {
        Term::Float(score.f1)
    } else {
        Term::Integer(0)
    };
    Terms { score, f1 }
}

/// Wholly right or wholly wrong.
fn whole(right: bool) -> QuestionScore {
    let value = f64::from(u8::from(right));
    QuestionScore {
        exact_match: value,
        f1: value,
    }
}

/// Scores a prediction file as the official v2.0 script does.
///
/// With `probabilities`, a prediction whose no-answer probability is above
/// `threshold` counts as "no answer", and the best thresholds and the
/// precision-recall numbers are found. Questions with no prediction are left
/// out of the means. (The script does that for its overall means and then
/// stops with a `KeyError` in those of the two groups.)
///
/// # Errors
///
/// Fails where a predicted question has no entry in `probabilities`, and
/// where not one question has a prediction: the script stops there too, with
/// a `KeyError` and a `ZeroDivisionError`.
pub fn score(
    dataset: &Dataset,
    predictions: &Predictions,
    probabilities: Option<&NoAnswerProbabilities>,
    threshold: f64,
    summation: Summation,
) -> Result<(SquadV2, Vec<Option<QuestionScore>>), ScoreError> {
    let mut terms = super::per_question(dataset, predictions, score_terms);
    let raw = scores(&terms);
    if raw.iter().all(Option::is_none) {
        return Err(ScoreError::NothingPredicted {
            dataset: dataset.origin.clone(),
            predictions: predictions.origin.clone(),
        });
    }
    if let Some(probabilities) = probabilities {
        for (question, terms) in dataset.questions.iter().zip(&mut terms) {
            let Some(terms) = terms else { continue };
            if probabilities.of(&question.id)? > threshold {
                let score = whole(question.answers.is_empty());
                *terms = Terms {
                    score,
                    f1: Term::Float(score.f1),
                };
            }
        }
    }
    let group = |wanted: Option<bool>| {
        let chosen = dataset.questions.iter().zip(&terms);
        let chosen = chosen.filter(|(q, _)| wanted.is_none_or(|w| q.answers.is_empty() != w));
        mean(chosen.filter_map(|(_, terms)| *terms), summation)
    };
    let walk = probabilities.map(|given| Walk::new(dataset, predictions, &raw, given));
    let accuracy = SquadV2 {
        all: group(None).expect("OK because some question has a prediction"),
        has_answer: group(Some(true)),
        no_answer: group(Some(false)),
        best: walk.as_ref().map(|walk| {
            let exact = walk.best_threshold(|score| score.exact_match);
            (exact, walk.best_threshold(|score| score.f1))
        }),
        average_precisions: walk.as_ref().and_then(Walk::average_precisions),
    };
    Ok((accuracy, scores(&terms)))
}

fn scores(terms: &[Option<Terms>]) -> Vec<Option<QuestionScore>> {
    let scores = terms.iter().map(|terms| terms.map(|terms| terms.score));
    scores.collect()
}

/// `make_eval_dict`: means in percent, summed in the data set's order.
fn mean(terms: impl Iterator<Item = Terms>, summation: Summation) -> Option<Group> {
    let terms: Vec<Terms> = terms.collect();
    let total = terms.len();
    // Zeros and ones add up exactly in any manner.
    let exact: f64 = terms.iter().map(|terms| terms.score.exact_match).sum();
    let f1 = summation.sum(terms.iter().map(|terms| terms.f1));
    (total > 0).then(|| Group {
        exact: 100.0 * exact / total as f64,
        f1: 100.0 * f1 / total as f64,
        total,
    })
}
