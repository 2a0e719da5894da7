//! What the v2.0 script finds by walking the questions from the surest answer
//! to the least sure one: best thresholds and average precisions.

use std::collections::HashMap;

use super::{NoAnswerProbabilities, Predictions, QuestionScore};
use crate::dataset::{Dataset, Question};

/// A best score over all no-answer thresholds, and the threshold that gives it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct BestThreshold {
    /// The best score, in percent.
    pub score: f64,
    /// The no-answer probability up to which a prediction is kept.
    pub threshold: f64,
}

/// Areas under the precision-recall curves of keeping the surest answers, in percent.
///
/// Source: `run_precision_recall_analysis`, which the script runs where it is
/// told to draw the curves (`--out-image-dir`).
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct AveragePrecisions {
    /// Where a right answer is an exact match.
    pub exact: f64,
    /// Where an answer is right by its token F1.
    pub f1: f64,
    /// Where every answer to an answerable question is right: of the probabilities alone.
    pub oracle: f64,
}

/// One step of the walk: a question with a no-answer probability.
struct Step<'a> {
    probability: f64,
    question: &'a Question,
    /// The prediction's text and score, if there is one.
    predicted: Option<(&'a str, QuestionScore)>,
}

/// The questions of a data set by rising no-answer probability.
pub(super) struct Walk<'a> {
    steps: Vec<Step<'a>>,
    answerable: usize,
    unanswerable: usize,
    predicted: usize,
}

impl<'a> Walk<'a> {
    /// Orders the questions; equal probabilities stay in the order of their
    /// file, and ids that are no questions are left out.
    pub(super) fn new(
        dataset: &'a Dataset,
        predictions: &'a Predictions,
        scores: &[Option<QuestionScore>],
        probabilities: &NoAnswerProbabilities,
    ) -> Self {
        let by_id = dataset.questions.iter().zip(scores);
        let by_id: HashMap<&str, _> = by_id.map(|pair| (pair.0.id.as_str(), pair)).collect();
        let steps = probabilities.ascending().filter_map(|(id, probability)| {
            let (question, score) = *by_id.get(id)?;
            Some(Step {
                probability,
                question,
                predicted: predictions.get(&question.id).zip(*score),
            })
        });
        let questions = dataset.questions.iter();
        let unanswerable = questions.filter(|q| q.answers.is_empty()).count();
        Self {
            steps: steps.collect(),
            answerable: dataset.questions.len() - unanswerable,
            unanswerable,
            predicted: scores.iter().flatten().count(),
        }
    }

    /// `find_best_thresh`: begins with all questions unanswered.
    ///
    /// As in the script, the score is noted after each question, ties or not,
    /// and a question with no prediction is passed over. The script begins with
    /// all unanswerable questions and divides by the predicted ones, so where
    /// predictions are missing the score may exceed 100.
    pub(super) fn best_threshold(&self, field: fn(&QuestionScore) -> f64) -> BestThreshold {
        let mut current = self.unanswerable as f64;
        let mut best = current;
        let mut threshold = 0.0;
        for step in &self.steps {
            let Some((text, score)) = &step.predicted else {
                continue;
            };
            current += if !step.question.answers.is_empty() {
                field(score)
            } else if text.is_empty() {
                0.0
            } else {
                -1.0
            };
            if current > best {
                best = current;
                threshold = step.probability;
            }
        }
        BestThreshold {
            score: 100.0 * best / self.predicted as f64,
            threshold,
        }
    }

    /// `run_precision_recall_analysis`; nothing where no question has an answer.
    ///
    /// The script stops with a `KeyError` at an id that is no question, and
    /// at an answerable question with no prediction. Here the one is left out
    /// and the other counts as wrong. An answerable question with no
    /// probability is never retrieved, as in the script.
    pub(super) fn average_precisions(&self) -> Option<AveragePrecisions> {
        if self.answerable == 0 {
            return None;
        }
        let predicted = |field: fn(&QuestionScore) -> f64| {
            move |step: &Step| step.predicted.map_or(0.0, |(_, score)| field(&score))
        };
        Some(AveragePrecisions {
            exact: self.average_precision(predicted(|score| score.exact_match)),
            f1: self.average_precision(predicted(|score| score.f1)),
            oracle: self.average_precision(|_| 1.0),
        })
    }

    /// `make_precision_recall_eval`: the step function's area, with a point
    /// wherever a threshold can be put between two probabilities.
    fn average_precision(&self, score: impl Fn(&Step) -> f64) -> f64 {
        let mut true_positives = 0.0;
        let mut last_recall = 0.0;
        let mut average = 0.0;
        for (at, step) in self.steps.iter().enumerate() {
            if !step.question.answers.is_empty() {
                true_positives += score(step);
            }
            let precision = true_positives / (at + 1) as f64;
            let recall = true_positives / self.answerable as f64;
            let next = self.steps.get(at + 1);
            if next.is_none_or(|next| next.probability != step.probability) {
                average += precision * (recall - last_recall);
                last_recall = recall;
            }
        }
        100.0 * average
    }
}
