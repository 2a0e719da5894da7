//! Accuracy by parts of the questions: where it dropped.

use std::collections::{HashMap, HashSet};

use super::Settings;
use super::group::{Group, group};
use super::pairing::Pair;
use crate::analysis::{answer_length_range, question_type, windows_range};

/// Questions that share a property.
#[derive(Debug, Clone, PartialEq)]
pub struct Slice {
    /// What questions are told apart by.
    pub property: &'static str,
    /// What these share.
    pub name: String,
    /// Their figures.
    pub group: Group,
}

/// Resamples of a slice's intervals by those of the whole: there can be hundreds of slices.
const RESAMPLES_SHARE: usize = 10;

/// A property: its name, and a pair's slice by it, given the language of the questions.
type Property = (&'static str, fn(&Pair, Option<&str>) -> Option<String>);

/// All that the lines of `questions.jsonl` tell.
const PROPERTIES: &[Property] = &[
    ("question_type", |pair, language| {
        Some(question_type(pair.question()?, language).to_owned())
    }),
    ("has_answer", |pair, _| {
        let name = if pair.golds()?.is_empty() {
            "no"
        } else {
            "yes"
        };
        Some(name.to_owned())
    }),
    ("answer_length", |pair, _| {
        let golds = pair.golds()?.iter();
        let gold = golds.into_iter().find(|gold| !gold.trim().is_empty())?;
        Some(answer_length_range(gold))
    }),
    ("windows", |pair, _| Some(windows_range(pair.base.windows))),
];

/// The slices of `pairs` by each property that tells them apart; of passages those with flips.
pub(super) fn slices(pairs: &[Pair], language: Option<&str>, settings: &Settings) -> Vec<Slice> {
    let mut slices = Vec::new();
    for &(property, slice) in PROPERTIES {
        slices.extend(by(property, pairs, |pair| slice(pair, language), settings));
    }
    let flipped = pairs.iter().filter(|pair| pair.differences()[0] != 0.0);
    let flipped: HashSet<usize> = flipped.filter_map(Pair::passage).collect();
    let passage = |pair: &Pair| {
        let passage = pair.passage().filter(|passage| flipped.contains(passage));
        passage.map(|passage| passage.to_string())
    };
    slices.extend(by("passage", pairs, passage, settings));
    slices.sort_by(|a, b| order(a, b, settings.min_slice));
    slices
}

fn by(
    property: &'static str,
    pairs: &[Pair],
    slice: impl Fn(&Pair) -> Option<String>,
    settings: &Settings,
) -> Vec<Slice> {
    let mut groups: HashMap<String, Vec<Pair>> = HashMap::new();
    for pair in pairs {
        if let Some(name) = slice(pair) {
            groups.entry(name).or_default().push(*pair);
        }
    }
    let resamples = settings.resamples.div_ceil(RESAMPLES_SHARE);
    let groups = groups.into_iter();
    groups
        .map(|(name, members)| Slice {
            property,
            name,
            group: group(&members, resamples, settings),
        })
        .collect()
}

/// Large slices before small ones; then those whose drop of exact match is surest; then by the
/// drops themselves, and by name, so that the order is always the same.
fn order(a: &Slice, b: &Slice, min_slice: usize) -> std::cmp::Ordering {
    let is_small = |slice: &Slice| slice.group.n < min_slice;
    let sure = |slice: &Slice| {
        let interval = slice.group.exact_match.expanded;
        interval.map_or(0.0, |interval| interval.upper.min(0.0))
    };
    let drops = |slice: &Slice| {
        [
            sure(slice),
            slice.group.exact_match.difference,
            slice.group.f1.difference,
        ]
    };
    let drops = drops(a).into_iter().zip(drops(b));
    let drops = drops.map(|(a, b)| a.total_cmp(&b));
    is_small(a)
        .cmp(&is_small(b))
        .then_with(|| drops.fold(std::cmp::Ordering::Equal, std::cmp::Ordering::then))
        .then_with(|| (a.property, &a.name).cmp(&(b.property, &b.name)))
}
