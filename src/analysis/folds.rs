//! Exact match and F1 over disjoint parts of the data: how far they differ by the data alone.

use std::collections::HashSet;

use super::{Case, Means, Purpose, Settings, numbered};
use crate::random::SplitMix64;
use crate::stats::sample_standard_deviation;

/// One figure over all folds.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Spread {
    /// Arithmetic mean of the folds' figures, each fold with the same weight.
    pub mean: f64,
    /// Sample standard deviation of the folds' figures (divided by folds - 1).
    pub standard_deviation: f64,
    /// The smallest.
    pub min: f64,
    /// The largest.
    pub max: f64,
}

/// Parts of the data that share no article.
#[derive(Debug, Clone, PartialEq)]
pub struct Folds {
    /// Each fold's own figures.
    pub folds: Vec<Means>,
    /// The articles or passages that were dealt out.
    pub groups: usize,
    /// Whether they are articles; a passage without a title is one of its own.
    pub by_article: bool,
    /// Exact match in percent.
    pub exact_match: Spread,
    /// Token F1 in percent.
    pub f1: Spread,
}

/// What stays together in one fold.
#[derive(PartialEq, Eq, Hash)]
enum Group<'a> {
    Article(&'a str),
    Passage(usize),
}

/// Deals articles out to folds, or passages where there is but one article or no
/// title; nothing where there are fewer than two.
pub(super) fn folds(cases: &[&Case], settings: &Settings) -> Option<Folds> {
    let titles: HashSet<_> = cases.iter().filter_map(|case| case.article).collect();
    // One article is none: its passages are what can be told apart.
    let by_article = titles.len() > 1;
    let groups = numbered(cases.iter().map(|case| match case.article {
        Some(title) if by_article => Group::Article(title),
        _ => Group::Passage(case.passage),
    }));
    let parts = partition(&groups, settings.folds, settings.seed_of(Purpose::Folds))?;
    let count = parts.iter().max()? + 1;
    let folds: Vec<Means> = (0..count)
        .filter_map(|fold| {
            let members = cases.iter().zip(&parts).filter(|(_, part)| **part == fold);
            Means::of(members.map(|(case, _)| case.score))
        })
        .collect();
    Some(Folds {
        groups: groups.iter().max()? + 1,
        by_article,
        exact_match: spread(folds.iter().map(|fold| fold.exact_match).collect())?,
        f1: spread(folds.iter().map(|fold| fold.f1).collect())?,
        folds,
    })
}

/// Deals groups out to `parts` parts (fewer where there are fewer groups) with
/// about as many members each; nothing below two parts.
///
/// `groups` holds each member's group, numbered from 0 without a gap; what
/// comes back is each member's part. The groups are shuffled by the seed and
/// dealt out from the largest to the smallest (groups of one size in the
/// shuffled order), each to the part with the fewest members so far, the
/// first of such parts.
pub(super) fn partition(groups: &[usize], parts: usize, seed: u64) -> Option<Vec<usize>> {
    let count = groups.iter().max()? + 1;
    let parts = parts.min(count);
    if parts < 2 {
        return None;
    }
    let mut sizes = vec![0_usize; count];
    for &group in groups {
        sizes[group] += 1;
    }
    let mut order: Vec<usize> = (0..count).collect();
    SplitMix64::new(seed).shuffle(&mut order);
    order.sort_by_key(|&group| std::cmp::Reverse(sizes[group]));
    let mut members = vec![0_usize; parts];
    let mut part_of = vec![0_usize; count];
    for group in order {
        let part = (0..parts).min_by_key(|&part| members[part])?;
        part_of[group] = part;
        members[part] += sizes[group];
    }
    Some(groups.iter().map(|&group| part_of[group]).collect())
}

fn spread(mut values: Vec<f64>) -> Option<Spread> {
    let standard_deviation = sample_standard_deviation(&values)?;
    let mean = values.iter().sum::<f64>() / values.len() as f64;
    values.sort_unstable_by(f64::total_cmp);
    Some(Spread {
        mean,
        standard_deviation,
        min: *values.first()?,
        max: *values.last()?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_whole_groups_of_about_the_same_size() {
        let mut numbers = SplitMix64::new(5);
        let groups: Vec<usize> = (0..48)
            .flat_map(|group| vec![group; 100 + numbers.below(400) as usize])
            .collect();
        let parts = partition(&groups, 5, 7).unwrap();
        let mut sizes = [0_usize; 5];
        let mut part_of = std::collections::HashMap::new();
        for (group, part) in groups.iter().zip(&parts) {
            assert_eq!(part_of.entry(group).or_insert(part), &part);
            sizes[*part] += 1;
        }
        let (least, most) = (sizes.iter().min().unwrap(), sizes.iter().max().unwrap());
        assert!(most - least < 200, "{sizes:?}");
        assert_eq!(partition(&groups, 5, 7).unwrap(), parts);
        assert_ne!(partition(&groups, 5, 8).unwrap(), parts);
    }

    #[test]
    fn there_are_no_more_parts_than_groups() {
        assert_eq!(partition(&[], 5, 0), None);
        assert_eq!(partition(&[0, 0, 0], 5, 0), None);
        assert_eq!(partition(&[0, 1, 0], 1, 0), None);
        let parts = partition(&[0, 1, 1, 2], 5, 0).unwrap();
        assert_eq!(parts[1], parts[2]);
        let mut different = [parts[0], parts[1], parts[3]];
        different.sort_unstable();
        assert_eq!(different, [0, 1, 2]);
    }
}
