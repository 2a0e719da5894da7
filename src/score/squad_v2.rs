//! The official SQuAD v2.0 script, `evaluate-v2.0.py`.

use super::normalize::normalize_answer;
use super::{NoAnswerProbabilities, Predictions, QuestionScore, ScoreError, token_overlap};
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

/// A best score over all no-answer thresholds, and the threshold that gives it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct BestThreshold {
    /// The best score, in percent.
    pub score: f64,
    /// The no-answer probability up to which a prediction is kept.
    pub threshold: f64,
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
}

/// Exact match and F1 of one prediction: the best over the gold answers.
///
/// Gold answers that normalise to nothing are dropped; where none is left the
/// gold answer is the empty string.
pub fn score_question(prediction: &str, question: &Question) -> QuestionScore {
    let prediction = normalize_answer(prediction);
    let golds = question.answers.iter().map(|a| normalize_answer(&a.text));
    let mut golds: Vec<String> = golds.filter(|gold| !gold.is_empty()).collect();
    if golds.is_empty() {
        golds.push(String::new());
    }
    let mut best = QuestionScore::default();
    for gold in &golds {
        if prediction == *gold {
            best.exact_match = 1.0;
        }
        best.f1 = best.f1.max(f1(&prediction, gold));
    }
    best
}

/// Token F1 of two normalised answers; where either is empty, 1 if both are and else 0.
fn f1(prediction: &str, gold: &str) -> f64 {
    let prediction: Vec<&str> = python::split(prediction).collect();
    let gold: Vec<&str> = python::split(gold).collect();
    if prediction.is_empty() || gold.is_empty() {
        return if prediction == gold { 1.0 } else { 0.0 };
    }
    token_overlap(&prediction, &gold)
}

/// Scores a prediction file as the official v2.0 script does.
///
/// With `probabilities`, a prediction whose no-answer probability is above
/// `threshold` counts as "no answer", and the best thresholds are searched.
/// Questions with no prediction are left out of every figure. (The script
/// does that for its overall figures and then stops with a `KeyError` in
/// those of the two groups.)
///
/// # Errors
///
/// Fails where a predicted question has no entry in `probabilities`, and
/// where not one question has a prediction.
pub fn score(
    dataset: &Dataset,
    predictions: &Predictions,
    probabilities: Option<&NoAnswerProbabilities>,
    threshold: f64,
) -> Result<(SquadV2, Vec<Option<QuestionScore>>), ScoreError> {
    let raw = super::per_question(dataset, predictions, score_question);
    if raw.iter().all(Option::is_none) {
        return Err(ScoreError::NothingPredicted {
            dataset: dataset.origin.clone(),
            predictions: predictions.origin.clone(),
        });
    }
    let mut scores = raw.clone();
    if let Some(probabilities) = probabilities {
        for (question, score) in dataset.questions.iter().zip(&mut scores) {
            let Some(score) = score else { continue };
            if probabilities.of(&question.id)? > threshold {
                let right = f64::from(u8::from(question.answers.is_empty()));
                *score = QuestionScore {
                    exact_match: right,
                    f1: right,
                };
            }
        }
    }
    let group = |wanted: Option<bool>| {
        let chosen = dataset.questions.iter().zip(&scores);
        let chosen = chosen.filter(|(q, _)| wanted.is_none_or(|w| q.answers.is_empty() != w));
        mean(chosen.filter_map(|(_, score)| *score))
    };
    let accuracy = SquadV2 {
        all: group(None).unwrap_or(Group {
            exact: 0.0,
            f1: 0.0,
            total: 0,
        }),
        has_answer: group(Some(true)),
        no_answer: group(Some(false)),
        best: probabilities.map(|probabilities| {
            let search = |field| best_threshold(dataset, predictions, &raw, probabilities, field);
            (search(|s| s.exact_match), search(|s| s.f1))
        }),
    };
    Ok((accuracy, scores))
}

/// `make_eval_dict`: means in percent, summed in the data set's order.
fn mean(scores: impl Iterator<Item = QuestionScore>) -> Option<Group> {
    let (mut exact, mut f1, mut total) = (0.0, 0.0, 0_usize);
    for score in scores {
        exact += score.exact_match;
        f1 += score.f1;
        total += 1;
    }
    (total > 0).then(|| Group {
        exact: 100.0 * exact / total as f64,
        f1: 100.0 * f1 / total as f64,
        total,
    })
}

/// `find_best_thresh`: walks the questions from the surest answer to the
/// least sure one, beginning with all of them unanswered.
///
/// As in the script, equal probabilities are walked in the order of their
/// file, and the score is noted after each one, ties or not.
fn best_threshold(
    dataset: &Dataset,
    predictions: &Predictions,
    raw: &[Option<QuestionScore>],
    probabilities: &NoAnswerProbabilities,
    field: fn(&QuestionScore) -> f64,
) -> BestThreshold {
    let unanswerable = dataset.questions.iter().filter(|q| q.answers.is_empty());
    let mut current = unanswerable.count() as f64;
    let mut best = current;
    let mut threshold = 0.0;
    let by_id = dataset.questions.iter().zip(raw);
    let by_id: std::collections::HashMap<&str, (&Question, &Option<QuestionScore>)> = by_id
        .map(|(question, score)| (question.id.as_str(), (question, score)))
        .collect();
    for (id, probability) in probabilities.ascending() {
        let Some((question, Some(score))) = by_id.get(id) else {
            continue;
        };
        current += if question.answers.is_empty() {
            let answered = predictions.get(id).is_some_and(|text| !text.is_empty());
            if answered { -1.0 } else { 0.0 }
        } else {
            field(score)
        };
        if current > best {
            best = current;
            threshold = probability;
        }
    }
    BestThreshold {
        score: 100.0 * best / raw.iter().flatten().count() as f64,
        threshold,
    }
}
