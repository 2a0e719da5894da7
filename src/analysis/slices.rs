//! Exact match and F1 of groups of questions, the worst first.

use std::borrow::Cow;
use std::collections::HashMap;

use super::properties::Passages;
use super::{Case, Means, Property};
use crate::stats::{Interval, wilson_interval};

/// Questions that share a property.
#[derive(Debug, Clone, PartialEq)]
pub struct Slice {
    /// What they share: a range, a question word, a title.
    pub name: String,
    /// Their number and figures.
    pub means: Means,
    /// Exact match less that of all questions, in percentage points.
    pub exact_match_difference: f64,
    /// F1 less that of all questions, in percentage points.
    pub f1_difference: f64,
    /// Wilson's 95 % interval of exact match, in percent.
    pub exact_match_wilson: Interval,
    /// By how many percentage points the upper end of `exact_match_wilson`
    /// lies below exact match over all questions; below 0 where it does not.
    pub shortfall: f64,
}

/// All slices of one property.
#[derive(Debug, Clone, PartialEq)]
pub struct Dimension {
    /// What the questions are told apart by.
    pub property: Property,
    /// The slices, the worst first: those of enough questions before the
    /// others, and then by falling shortfall, so that a slice has to be low
    /// and large to stand at the top.
    pub slices: Vec<Slice>,
}

/// The slices of `cases` by each property that some case has.
pub(super) fn slices(cases: &[&Case], min_slice: usize) -> Vec<Dimension> {
    let Some(whole) = Means::of(cases.iter().map(|case| case.score)) else {
        return Vec::new();
    };
    let passages = Passages::of(cases);
    let mut dimensions = Vec::new();
    for property in Property::ALL {
        let mut groups: HashMap<Cow<str>, Vec<&Case>> = HashMap::new();
        for (number, case) in cases.iter().enumerate() {
            if let Some(name) = passages.slice(number, case, property) {
                groups.entry(name).or_default().push(case);
            }
        }
        let groups = groups.into_iter();
        let mut slices: Vec<Slice> = groups
            .filter_map(|(name, members)| slice(name.into_owned(), &members, &whole))
            .collect();
        slices.sort_by(|a, b| order(a, b, min_slice));
        // One article is none.
        let tells_apart = property != Property::Article || slices.len() > 1;
        if !slices.is_empty() && tells_apart {
            dimensions.push(Dimension { property, slices });
        }
    }
    dimensions
}

fn slice(name: String, members: &[&Case], whole: &Means) -> Option<Slice> {
    let means = Means::of(members.iter().map(|case| case.score))?;
    let right: f64 = members.iter().map(|case| case.score.exact_match).sum();
    let wilson = wilson_interval(right, means.n)?;
    let wilson = Interval {
        lower: 100.0 * wilson.lower,
        upper: 100.0 * wilson.upper,
    };
    Some(Slice {
        name,
        means,
        exact_match_difference: means.exact_match - whole.exact_match,
        f1_difference: means.f1 - whole.f1,
        exact_match_wilson: wilson,
        shortfall: whole.exact_match - wilson.upper,
    })
}

/// The worse slice first; ties by F1, then by name, so that the order is always the same.
fn order(a: &Slice, b: &Slice, min_slice: usize) -> std::cmp::Ordering {
    let small = |slice: &Slice| slice.means.n < min_slice;
    small(a)
        .cmp(&small(b))
        .then_with(|| b.shortfall.total_cmp(&a.shortfall))
        .then_with(|| a.f1_difference.total_cmp(&b.f1_difference))
        .then_with(|| a.name.cmp(&b.name))
}
