//! Bootstrap intervals of exact match and F1.

use super::{Case, Purpose, Settings, numbered};
use crate::stats::bootstrap::{Unit, percentile_intervals};
use crate::stats::{CONFIDENCE, Interval};

/// Intervals of exact match and F1, in percent.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ScoreIntervals {
    /// Of exact match.
    pub exact_match: Interval,
    /// Of token F1.
    pub f1: Interval,
}

/// 95 % percentile bootstrap intervals; see [`percentile_intervals`].
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Intervals {
    /// Over questions, as if each were independent; absent below two questions.
    pub by_question: Option<ScoreIntervals>,
    /// Over passages with all their questions; absent below [`FEWEST_PASSAGES`].
    pub by_passage: Option<ScoreIntervals>,
    /// The number of passages.
    pub passages: usize,
}

/// The fewest passages that are resampled. A resample of a few is one of few
/// combinations, and the interval far too narrow (Cameron, Gelbach and Miller,
/// "Bootstrap-Based Improvements for Inference with Clustered Errors", 2008).
pub const FEWEST_PASSAGES: usize = 10;

/// The intervals of the means of `cases`.
pub(super) fn intervals(cases: &[&Case], settings: &Settings) -> Intervals {
    let questions: Vec<Unit<2>> = cases
        .iter()
        .map(|case| Unit {
            size: 1.0,
            sums: [case.score.exact_match, case.score.f1],
        })
        .collect();
    let mut passages: Vec<Unit<2>> = Vec::new();
    let of_passage = numbered(cases.iter().map(|case| case.passage));
    for (question, &passage) in questions.iter().zip(&of_passage) {
        if passage == passages.len() {
            passages.push(*question);
        } else {
            let unit = &mut passages[passage];
            unit.size += question.size;
            for (sum, value) in unit.sums.iter_mut().zip(question.sums) {
                *sum += value;
            }
        }
    }
    let of = |units: &[Unit<2>], purpose| {
        let seed = settings.seed_of(purpose);
        percentile_intervals(units, settings.resamples, CONFIDENCE, seed).map(percent)
    };
    Intervals {
        by_question: of(&questions, Purpose::QuestionResamples),
        by_passage: if passages.len() < FEWEST_PASSAGES {
            None
        } else {
            of(&passages, Purpose::PassageResamples)
        },
        passages: passages.len(),
    }
}

fn percent(intervals: [Interval; 2]) -> ScoreIntervals {
    let [exact_match, f1] = intervals.map(|interval| Interval {
        lower: 100.0 * interval.lower,
        upper: 100.0 * interval.upper,
    });
    ScoreIntervals { exact_match, f1 }
}
