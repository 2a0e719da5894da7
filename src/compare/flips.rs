//! Questions that only one of the two answered exactly, and why.

use std::collections::HashMap;

use unicode_normalization::UnicodeNormalization;

use super::pairing::Pair;
use super::{Cause, Direction};
use crate::record::Record;
use crate::record::wire::WireQuestion;

/// A question that only one of the two answered exactly.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Flip<'a> {
    /// Both lines.
    pub pair: Pair<'a>,
    /// Which way it went.
    pub direction: Direction,
    /// Why.
    pub cause: Cause,
}

/// How answers changed.
#[derive(Debug, Clone, PartialEq)]
pub struct Flips<'a> {
    /// Each flip: lost ones first, then in the order of the questions.
    pub flips: Vec<Flip<'a>>,
    /// Questions of the same exact match and a higher F1.
    pub f1_higher: usize,
    /// Questions of the same exact match and a lower F1.
    pub f1_lower: usize,
    /// Questions with another answer.
    pub answers_changed: usize,
}

/// A number of flips by direction.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// Lost ones.
    pub lost: usize,
    /// Gained ones.
    pub gained: usize,
}

/// What decides between ties.
#[derive(Debug, Clone, Copy)]
pub(super) struct TieRule {
    /// Margins below which rounding chose.
    pub margin: f64,
    /// Above which null odds mean "no answer": the base's and the candidate's.
    pub thresholds: [Option<f32>; 2],
}

impl TieRule {
    /// By the protocols of two records.
    pub(super) fn of(base: &Record, candidate: &Record, margin: f64) -> Self {
        Self {
            margin,
            thresholds: [base, candidate].map(|record| record.protocol().null_threshold),
        }
    }
}

impl<'a> Flips<'a> {
    /// What changed in `pairs`.
    pub(super) fn of(pairs: &[Pair<'a>], ties: &TieRule) -> Self {
        let (mut f1_higher, mut f1_lower, mut answers_changed) = (0, 0, 0);
        let mut flips = Vec::new();
        for &pair in pairs {
            let [exact_match, f1] = pair.differences();
            answers_changed += usize::from(pair.base.answer != pair.candidate.answer);
            if exact_match == 0.0 {
                f1_higher += usize::from(f1 > 0.0);
                f1_lower += usize::from(f1 < 0.0);
                continue;
            }
            flips.push(Flip {
                pair,
                direction: if exact_match < 0.0 {
                    Direction::Lost
                } else {
                    Direction::Gained
                },
                cause: cause(&pair, ties),
            });
        }
        flips.sort_by_key(|flip| flip.direction);
        Self {
            flips,
            f1_higher,
            f1_lower,
            answers_changed,
        }
    }

    /// How many went either way.
    pub fn counts(&self) -> Counts {
        let mut counts = Counts::default();
        self.flips
            .iter()
            .for_each(|flip| counts.add(flip.direction));
        counts
    }

    /// The causes that occur, the most frequent first.
    pub fn causes(&self) -> Vec<(Cause, Counts)> {
        counted(self.flips.iter().map(|flip| (flip.cause, flip.direction)))
    }

    /// The kinds of errors of the wrong answers, the most frequent first.
    pub fn errors(&self) -> Vec<(&'a str, Counts)> {
        counted(self.flips.iter().map(|flip| {
            let wrong = match flip.direction {
                Direction::Lost => flip.pair.candidate,
                Direction::Gained => flip.pair.base,
            };
            (wrong.error.as_deref().unwrap_or("unknown"), flip.direction)
        }))
    }
}

impl Counts {
    fn add(&mut self, direction: Direction) {
        match direction {
            Direction::Lost => self.lost += 1,
            Direction::Gained => self.gained += 1,
        }
    }
}

/// Counts by key, the largest first, equal ones by key.
fn counted<K: Ord + Copy + std::hash::Hash>(
    flips: impl Iterator<Item = (K, Direction)>,
) -> Vec<(K, Counts)> {
    let mut counts: HashMap<K, Counts> = HashMap::new();
    for (key, direction) in flips {
        counts.entry(key).or_default().add(direction);
    }
    let mut counts: Vec<_> = counts.into_iter().collect();
    counts.sort_by_key(|(key, count)| (std::cmp::Reverse(count.lost + count.gained), *key));
    counts
}

/// Why the answers of a flip differ; see [`Cause`].
fn cause(pair: &Pair, ties: &TieRule) -> Cause {
    let (base, candidate) = (pair.base, pair.candidate);
    let one_is_null = is_null(base) != is_null(candidate);
    if base.answer == candidate.answer {
        Cause::Scoring
    } else if is_tie(pair, one_is_null, ties) {
        Cause::Tie
    } else if one_is_null {
        Cause::NullThreshold
    } else if folded(&base.answer) == folded(&candidate.answer) {
        Cause::Normalisation
    } else if hides(base, candidate) || hides(candidate, base) {
        Cause::Window
    } else if overlap(base, candidate) {
        Cause::Boundary
    } else {
        Cause::OtherSpan
    }
}

fn is_null(line: &WireQuestion) -> bool {
    line.answer.trim().is_empty()
}

/// Whether a side was hardly ahead: where one is "no answer", of the threshold that
/// decided so, and otherwise of its next best text.
fn is_tie(pair: &Pair, one_is_null: bool, ties: &TieRule) -> bool {
    let sides = [pair.base, pair.candidate].into_iter().zip(ties.thresholds);
    let mut leads = sides.filter_map(|(line, threshold)| {
        if one_is_null {
            Some(f64::from(line.null_odds?) - f64::from(threshold?))
        } else {
            line.margin.map(f64::from)
        }
    });
    leads.any(|lead| lead.abs() < ties.margin)
}

/// Letters and digits of `text` after NFKC and case folding.
fn folded(text: &str) -> String {
    // Lower, upper and lower case again is Unicode's full case folding up to a one-to-one change
    // of letters.
    let lower = text.nfkc().flat_map(char::to_lowercase);
    let upper = lower.flat_map(char::to_uppercase);
    let folded = upper.flat_map(char::to_lowercase).nfkc();
    folded.filter(|letter| letter.is_alphanumeric()).collect()
}

/// Whether the window of `shown` does not hold all of the other's answer.
fn hides(shown: &WireQuestion, other: &WireQuestion) -> bool {
    let places = shown.window.zip(other.span);
    places.is_some_and(|(window, span)| span[0] < window[0] || span[1] > window[1])
}

fn overlap(base: &WireQuestion, candidate: &WireQuestion) -> bool {
    let spans = base.span.zip(candidate.span);
    spans.is_some_and(|(a, b)| a[0].max(b[0]) < a[1].min(b[1]))
}
