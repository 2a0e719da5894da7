//! What is to be made of the differences of exact match and F1.

use super::group::{Change, Group, group};
use super::pairing::Pair;
use super::{Settings, Verdict};
use crate::stats::mcnemar::{binomial_cumulative, exact_p};

/// What is to be made of a change.
#[derive(Debug, Clone, PartialEq)]
pub struct Judged {
    /// Whether it is shown that the candidate is not worse by the margin or more.
    pub non_inferior: bool,
    /// The verdict.
    pub verdict: Verdict,
    /// Why, where the verdict is `Inconclusive` or `NotComparable`.
    pub reasons: Vec<String>,
}

/// Accuracy over all questions that both have.
#[derive(Debug, Clone, PartialEq)]
pub struct Accuracy {
    /// All of them.
    pub all: Group,
    /// The p of McNemar's exact test.
    pub p: f64,
    /// What is to be made of exact match.
    pub exact_match: Judged,
    /// What is to be made of F1.
    pub f1: Judged,
    /// Those that have an answer, where others have none.
    pub has_answer: Option<Group>,
    /// Those that have none.
    pub no_answer: Option<Group>,
}

impl Accuracy {
    /// Compares the answers of `pairs`; `hindrances` say why accuracy cannot be compared.
    pub(super) fn of(pairs: &[Pair], hindrances: &[String], settings: &Settings) -> Self {
        let group = |pairs: &[Pair]| group(pairs, settings.resamples, settings);
        let all = group(pairs);
        let identical = pairs.iter().all(|pair| {
            pair.base.answer == pair.candidate.answer && pair.differences() == [0.0; 2]
        });
        let changes = [
            (&all.exact_match, settings.exact_match_margin),
            (&all.f1, settings.f1_margin),
        ];
        let judged = judge_scores(all.n, changes, identical, settings.level);
        let [exact_match, f1] = judged.map(|judged| {
            if pairs.is_empty() {
                not_comparable(false, vec!["no question is in both".to_owned()])
            } else if hindrances.is_empty() {
                judged
            } else {
                not_comparable(judged.non_inferior, hindrances.to_vec())
            }
        });
        let (no_answer, has_answer): (Vec<Pair>, Vec<Pair>) = pairs
            .iter()
            .copied()
            .partition(|pair| pair.golds().is_some_and(<[String]>::is_empty));
        let told_apart = !no_answer.is_empty();
        Self {
            p: exact_p(all.exact_match.higher, all.exact_match.lower),
            exact_match,
            f1,
            has_answer: (told_apart && !has_answer.is_empty()).then(|| group(&has_answer)),
            no_answer: told_apart.then(|| group(&no_answer)),
            all,
        }
    }
}

/// Below this many changed questions the bootstrap's interval is too narrow: of no change at
/// all it has no width, and four changes one way leave 0 out, which chance does in one of
/// eight cases. Exact tests of how many changed decide with it there.
const FEW_CHANGES: usize = 20;

fn is_few(change: &Change) -> bool {
    change.higher + change.lower < FEW_CHANGES
}

/// What is to be made of exact match and F1 of `n` questions, each change with the margin within
/// which scores are the same. Where `is_same` says that both sides are alike in every question, no
/// number of them is too small.
pub(crate) fn judge_scores(
    n: usize,
    changes: [(&Change, f64); 2],
    is_same: bool,
    level: f64,
) -> [Judged; 2] {
    let [(exact_match, _), _] = changes;
    let p = [Some(exact_p(exact_match.higher, exact_match.lower)), None];
    [0, 1].map(|score| {
        let (change, margin) = changes[score];
        if is_same {
            judged(true, Verdict::Same)
        } else {
            judge(change, n, margin, shown(change, p[score], level), level)
        }
    })
}

/// The verdict where a difference is shown: the expanded interval lies on one side of 0, and `p`
/// is below what the level leaves. Where there is no p, that of the sign test stands for it
/// among few changes.
///
/// McNemar's test alone is not enough: it takes questions of a passage to be independent, and of
/// models that are each better at some passages it calls one worse too often. `tests/compare.rs`
/// holds both together to at most 15 of 300 simulated pairs of equal models.
fn shown(change: &Change, p: Option<f64>, level: f64) -> Option<Verdict> {
    let few = is_few(change).then(|| exact_p(change.higher, change.lower));
    if p.or(few).is_some_and(|p| p >= 1.0 - level) {
        return None;
    }
    let interval = change.expanded?;
    if interval.lower > 0.0 {
        Some(Verdict::Better)
    } else if interval.upper < 0.0 {
        Some(Verdict::Worse)
    } else {
        None
    }
}

/// What is to be made of a change over `n` questions; `shown` is the verdict where a
/// difference is shown.
fn judge(change: &Change, n: usize, margin: f64, shown: Option<Verdict>, level: f64) -> Judged {
    let (above, below) = change.expanded.map_or((false, false), |interval| {
        (interval.lower > -margin, interval.upper < margin)
    });
    let rare = |changes| !is_few(change) || is_rarer(changes, n, margin / 100.0, level);
    let non_inferior = above && rare(change.lower);
    if let Some(shown) = shown {
        return judged(non_inferior, shown);
    }
    if non_inferior && below && rare(change.higher) {
        return judged(true, Verdict::Same);
    }
    let reason = if change.interval.is_none() {
        "one question has no interval".to_owned()
    } else if above && below {
        format!(
            "{n} questions are too few to show that the difference is below {margin} percentage points"
        )
    } else {
        format!(
            "the interval reaches beyond {margin} percentage points on a side, and no difference is shown"
        )
    };
    Judged {
        non_inferior,
        verdict: Verdict::Inconclusive,
        reasons: vec![reason],
    }
}

/// Whether it is shown that less than `share` of all questions change so, `changes` of `n`
/// having done it: an exact binomial test. No question counts for more than 1, so
/// the score changes by less than `share` as well.
fn is_rarer(changes: usize, n: usize, share: f64, level: f64) -> bool {
    share >= 1.0 || (share > 0.0 && binomial_cumulative(n, share, changes) <= (1.0 - level) / 2.0)
}

fn judged(non_inferior: bool, verdict: Verdict) -> Judged {
    Judged {
        non_inferior,
        verdict,
        reasons: Vec::new(),
    }
}

fn not_comparable(non_inferior: bool, reasons: Vec<String>) -> Judged {
    Judged {
        non_inferior,
        verdict: Verdict::NotComparable,
        reasons,
    }
}
