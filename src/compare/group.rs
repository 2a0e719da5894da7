//! Both scores of some questions, with intervals of their differences.

use std::collections::HashMap;

use super::Settings;
use super::pairing::Pair;
use crate::analysis::intervals::FEWEST_PASSAGES;
use crate::stats::Interval;
use crate::stats::bootstrap::{Resamples, Unit, expanded_level};

/// What was drawn as a whole by the bootstrap.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Resampled {
    /// Passages with all their questions.
    Passages,
    /// Questions, because there are fewer than [`FEWEST_PASSAGES`] passages.
    QuestionsOfFewPassages,
    /// Questions, because a record does not say which share a passage.
    QuestionsOfUnknownPassages,
}

impl Resampled {
    /// The unit's name in records.
    pub fn unit(self) -> &'static str {
        match self {
            Self::Passages => "passages",
            Self::QuestionsOfFewPassages | Self::QuestionsOfUnknownPassages => "questions",
        }
    }

    /// Why it was not passages.
    pub fn because(self) -> Option<String> {
        match self {
            Self::Passages => None,
            Self::QuestionsOfFewPassages => Some(format!(
                "there are fewer than {FEWEST_PASSAGES} passages; questions of one passage are \
                 taken to be independent, and the intervals are too narrow where they are not"
            )),
            Self::QuestionsOfUnknownPassages => Some(
                "the records are older and do not say which questions share a passage; they are \
                 taken to be independent, and the intervals are too narrow where they are not"
                    .to_owned(),
            ),
        }
    }
}

/// A score of both over the same questions.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Change {
    /// The base's, in percent.
    pub base: f64,
    /// The candidate's, in percent.
    pub candidate: f64,
    /// Candidate less base, in percentage points.
    pub difference: f64,
    /// The difference's percentile interval; absent below two units.
    pub interval: Option<Interval>,
    /// The same, wider where units are few, so that the level is held: verdicts go by this one.
    pub expanded: Option<Interval>,
    /// Questions in which the candidate's is higher.
    pub higher: usize,
    /// Questions in which it is lower.
    pub lower: usize,
}

/// Both scores of some questions; of none they are 0.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Group {
    /// The number of questions.
    pub n: usize,
    /// Exact match: what is higher was gained, what is lower was lost.
    pub exact_match: Change,
    /// Token F1.
    pub f1: Change,
    /// What the intervals were resampled by.
    pub resampled: Resampled,
    /// The number of those units.
    pub units: usize,
}

/// Both scores of `pairs` with their intervals.
pub(super) fn group(pairs: &[Pair], resamples: usize, settings: &Settings) -> Group {
    let (units, drawn) = units(pairs);
    let resamples = Resamples::of(&units, resamples, settings.seed);
    let intervals = |level| {
        let intervals = resamples.as_ref().map(|drawn| drawn.intervals(level));
        intervals.map(|figures| {
            figures.map(|interval| Interval {
                lower: 100.0 * interval.lower,
                upper: 100.0 * interval.upper,
            })
        })
    };
    let plain = intervals(settings.level);
    let expanded = intervals(expanded_level(settings.level, units.len()));
    let [exact_match, f1] = [0, 1].map(|figure| {
        let mean = |sum: f64| 100.0 * sum / pairs.len().max(1) as f64;
        let score = |pair: &Pair| {
            let lines = [pair.base, pair.candidate];
            lines.map(|line| [line.exact_match, line.f1][figure])
        };
        let count = |goes: fn(f64) -> bool| {
            let differences = pairs.iter().map(|pair| pair.differences()[figure]);
            differences.filter(|difference| goes(*difference)).count()
        };
        Change {
            base: mean(pairs.iter().map(|pair| score(pair)[0]).sum()),
            candidate: mean(pairs.iter().map(|pair| score(pair)[1]).sum()),
            // From the differences: equal answers make an exact 0.
            difference: mean(pairs.iter().map(|pair| pair.differences()[figure]).sum()),
            interval: plain.map(|of| of[figure]),
            expanded: expanded.map(|of| of[figure]),
            higher: count(|difference| difference > 0.0),
            lower: count(|difference| difference < 0.0),
        }
    });
    Group {
        n: pairs.len(),
        exact_match,
        f1,
        resampled: drawn,
        units: units.len(),
    }
}

/// What is resampled: passages where they are known and enough, or else questions.
fn units(pairs: &[Pair]) -> (Vec<Unit<2>>, Resampled) {
    let questions = pairs.iter().map(|pair| Unit {
        size: 1.0,
        sums: pair.differences(),
    });
    let mut places: HashMap<usize, usize> = HashMap::new();
    let mut passages: Vec<Unit<2>> = Vec::new();
    for (pair, question) in pairs.iter().zip(questions.clone()) {
        let Some(passage) = pair.passage() else {
            return (questions.collect(), Resampled::QuestionsOfUnknownPassages);
        };
        let place = *places.entry(passage).or_insert(passages.len());
        if place == passages.len() {
            passages.push(question);
        } else {
            let unit = &mut passages[place];
            unit.size += question.size;
            for (sum, value) in unit.sums.iter_mut().zip(question.sums) {
                *sum += value;
            }
        }
    }
    if passages.len() < FEWEST_PASSAGES {
        (questions.collect(), Resampled::QuestionsOfFewPassages)
    } else {
        (passages, Resampled::Passages)
    }
}
