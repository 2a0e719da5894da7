//! No-answer thresholds: the best one, and what it is worth on questions it was not chosen on.

use super::Means;
use super::folds::partition;
use crate::score::QuestionScore;

/// A question with null odds.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Scored {
    /// "No answer" is given where these are above the threshold.
    pub null_odds: f64,
    /// Whether "no answer" is wrong.
    pub has_answer: bool,
    /// The score where the answer is kept.
    pub kept: QuestionScore,
    /// The passage's number, from 0 without a gap.
    pub passage: usize,
}

impl Scored {
    /// The score where "no answer" is given.
    fn null(&self) -> QuestionScore {
        let right = f64::from(u8::from(!self.has_answer));
        QuestionScore {
            exact_match: right,
            f1: right,
        }
    }

    fn at(&self, threshold: f64) -> QuestionScore {
        if self.null_odds > threshold {
            self.null()
        } else {
            self.kept
        }
    }
}

/// The figure that a threshold is chosen for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Figure {
    /// Exact match.
    ExactMatch,
    /// Token F1.
    F1,
}

impl Figure {
    fn of(self, score: QuestionScore) -> f64 {
        match self {
            Self::ExactMatch => score.exact_match,
            Self::F1 => score.f1,
        }
    }
}

/// Exact match and F1 with "no answer" where null odds are above `threshold`.
pub(super) fn means_at(questions: &[Scored], threshold: f64) -> Option<Means> {
    Means::of(questions.iter().map(|question| question.at(threshold)))
}

/// The threshold with the highest sum of `figure`, the lowest of several such.
/// Nothing where there are no questions.
///
/// Questions with the same null odds fall on one side: thresholds lie in the
/// middle between neighbouring values, one below all of them and at the
/// largest. (The official script walks through questions with the same value
/// one by one and may report a score that no threshold gives.)
pub(super) fn best_threshold(questions: &[Scored], figure: Figure) -> Option<f64> {
    let mut sorted: Vec<&Scored> = questions.iter().collect();
    sorted.sort_by(|a, b| a.null_odds.total_cmp(&b.null_odds));
    let first = sorted.first()?.null_odds;
    let mut best = 0.0;
    let mut threshold = (first - 1.0).min(first.next_down()).max(f64::MIN);
    // What is gained over "no answer" everywhere.
    let mut gain = 0.0;
    let mut groups = sorted
        .chunk_by(|a, b| a.null_odds == b.null_odds)
        .peekable();
    while let Some(group) = groups.next() {
        for question in group {
            gain += figure.of(question.kept) - figure.of(question.null());
        }
        if gain > best {
            best = gain;
            let value = group[0].null_odds;
            threshold = groups
                .peek()
                .map_or(value, |next| between(value, next[0].null_odds));
        }
    }
    Some(threshold)
}

/// A number from `low` up to below `high`: the middle, where there is one.
fn between(low: f64, high: f64) -> f64 {
    let middle = f64::midpoint(low, high);
    if middle < high { middle } else { low }
}

/// A threshold chosen on one half of the questions and applied to the other.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Transfer {
    /// The threshold.
    pub threshold: f64,
    /// Questions it was chosen on.
    pub chosen_on: usize,
    /// The figures on the other half.
    pub applied: Means,
}

/// What thresholds are worth on questions they were not chosen on.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct HeldOut {
    /// From the first half to the second, and back.
    pub directions: [Transfer; 2],
    /// The figures over all questions, each under the other half's threshold.
    pub means: Means,
}

/// Splits the questions by passage into two halves of about the same size and
/// takes each half's best threshold for `figure` to the other; see
/// [`partition`]. Nothing where all questions are about one passage.
pub(super) fn held_out(questions: &[Scored], figure: Figure, seed: u64) -> Option<HeldOut> {
    let passages: Vec<usize> = questions.iter().map(|question| question.passage).collect();
    let parts = partition(&passages, 2, seed)?;
    let half = |wanted: usize| -> Vec<Scored> {
        let members = questions.iter().zip(&parts);
        let members = members.filter(|(_, part)| **part == wanted);
        members.map(|(question, _)| *question).collect()
    };
    let halves = [half(0), half(1)];
    let transfer = |from: usize| {
        let threshold = best_threshold(&halves[from], figure)?;
        Some(Transfer {
            threshold,
            chosen_on: halves[from].len(),
            applied: means_at(&halves[1 - from], threshold)?,
        })
    };
    let directions = [transfer(0)?, transfer(1)?];
    let scores = questions.iter().zip(&parts);
    let scores = scores.map(|(question, &part)| question.at(directions[1 - part].threshold));
    Some(HeldOut {
        directions,
        means: Means::of(scores)?,
    })
}
