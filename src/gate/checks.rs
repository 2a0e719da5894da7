//! Each limit of a gate against a comparison.

use super::{Check, Gate, GateError, Outcome, RatioLimits, ScoreLimits};
use crate::compare::accuracy::judge_scores;
use crate::compare::group::Change;
use crate::compare::wire::{
    WireChange, WireComparison, WireEnds, WireFigureComparison, WireScoreComparison,
    WireSliceComparison,
};
use crate::compare::{Aspect, Verdict};

pub(super) fn checks(gate: &Gate, comparison: &WireComparison) -> Result<Vec<Check>, GateError> {
    let mut checks = required(gate, comparison);
    checks.extend(accuracy(gate, comparison));
    for (figure, limits) in &gate.figures {
        let found = comparison.performance.iter();
        let found = found
            .into_iter()
            .find(|comparison| comparison.figure == *figure);
        checks.extend(ratio(gate, figure, *limits, found));
    }
    // As with accuracy: what is not comparable is not looked at.
    let comparable = comparison.comparability.accuracy;
    for slice in gate.slices.iter().filter(|_| comparable) {
        let is_slice = |found: &&WireSliceComparison| {
            let (property, name) = (&found.property, &found.name);
            slice.slice == format!("{property}={name}")
        };
        let Some(found) = comparison.slices.iter().find(is_slice) else {
            return Err(GateError::no_such_slice(&slice.slice, &comparison.slices));
        };
        checks.extend(slice_checks(gate, &slice.slice, slice.limits, found));
    }
    Ok(checks)
}

/// What must be comparable and is not.
fn required(gate: &Gate, comparison: &WireComparison) -> Vec<Check> {
    let comparability = &comparison.comparability;
    let missing = gate.require.iter().filter(|aspect| match aspect {
        Aspect::Accuracy => !comparability.accuracy,
        Aspect::Speed => !comparability.speed,
        Aspect::Memory => !comparability.memory,
    });
    let check = |aspect: &Aspect| {
        let differences = comparability.differences.iter();
        let reasons = differences.filter(|difference| difference.hinders.contains(aspect));
        let reasons: Vec<String> = reasons
            .map(|d| format!("{}: {} against {}", d.field, d.base, d.candidate))
            .collect();
        Check {
            name: format!("comparability of {}", aspect.name()),
            outcome: Outcome::NotComparable,
            limit: "the same conditions".to_owned(),
            found: reasons.join("; "),
            remedy: None,
        }
    };
    missing.map(check).collect()
}

fn accuracy(gate: &Gate, comparison: &WireComparison) -> Vec<Check> {
    let accuracy = &comparison.accuracy;
    // What is not comparable and need not be is not looked at: `require` says what must be.
    if !comparison.comparability.accuracy {
        return Vec::new();
    }
    // The margins that the comparison was made with are the drops allowed.
    let scores = [
        Score::of("exact match", &accuracy.exact_match),
        Score::of("F1", &accuracy.f1),
    ];
    score_checks(gate.accuracy, scores, accuracy.questions.common)
}

fn slice_checks(
    gate: &Gate,
    slice: &str,
    limits: ScoreLimits,
    found: &WireSliceComparison,
) -> Vec<Check> {
    let group = &found.group;
    let drops = [limits.max_exact_match_drop, limits.max_f1_drop];
    // Where no drop is limited, whether one is held is not asked.
    let [exact_match_drop, f1_drop] = drops.map(Option::unwrap_or_default);
    let (exact_match, f1) = (Change::from(&group.exact_match), Change::from(&group.f1));
    let changes = [(&exact_match, exact_match_drop), (&f1, f1_drop)];
    // A comparison does not hold the answers of a slice, so equal scores must do.
    let is_unchanged = changes.iter().all(|(c, _)| c.higher + c.lower == 0);
    let judged = judge_scores(group.n, changes, is_unchanged, gate.settings.level);
    let names = ["exact match", "F1"].map(|score| format!("{score} of {slice}"));
    let score = |place: usize, change: WireChange| Score {
        name: &names[place],
        change,
        is_worse: judged[place].verdict == Verdict::Worse,
        non_inferior: judged[place].non_inferior,
        reasons: &judged[place].reasons,
    };
    let scores = [score(0, group.exact_match), score(1, group.f1)];
    score_checks(limits, scores, group.n)
}

/// A score with what is known of its change.
struct Score<'a> {
    name: &'a str,
    change: WireChange,
    /// Whether it is shown that the candidate is worse, by however little.
    is_worse: bool,
    /// Whether it is shown that it is not worse by the limit or more.
    non_inferior: bool,
    /// Why nothing is shown, where that was said.
    reasons: &'a [String],
}

impl<'a> Score<'a> {
    /// One that was compared by the limit.
    fn of(name: &'a str, score: &'a WireScoreComparison) -> Self {
        Self {
            name,
            change: score.change,
            is_worse: score.verdict == Verdict::Worse,
            non_inferior: score.non_inferior,
            reasons: &score.reasons,
        }
    }
}

fn score_checks(limits: ScoreLimits, scores: [Score<'_>; 2], questions: usize) -> Vec<Check> {
    let [exact_match, f1] = scores;
    let mut checks = Vec::new();
    for (score, max_drop, least) in [
        (
            exact_match,
            limits.max_exact_match_drop,
            limits.min_exact_match,
        ),
        (f1, limits.max_f1_drop, limits.min_f1),
    ] {
        checks.extend(max_drop.map(|max_drop| drop_check(&score, max_drop, questions)));
        checks.extend(least.map(|least| floor_check(&score, least)));
    }
    checks
}

/// A drop is one that is larger than allowed and that chance does not explain. It passes where
/// the whole interval lies above what is allowed.
fn drop_check(score: &Score<'_>, max_drop: f64, questions: usize) -> Check {
    let change = score.change;
    let is_beyond = change.difference < -max_drop;
    let outcome = if is_beyond && score.is_worse {
        Outcome::Regression
    } else if score.non_inferior {
        Outcome::Pass
    } else {
        Outcome::Inconclusive
    };
    let remedy = (outcome == Outcome::Inconclusive).then(|| match change.expanded {
        _ if !score.reasons.is_empty() => {
            format!("{}; ask more, or allow a larger drop", score.reasons.join("; "))
        }
        Some(interval) => format!(
            "{questions} questions tell differences of {:.2} points; ask more, or allow a larger drop",
            (interval.upper - interval.lower) / 2.0
        ),
        None => "there is no interval; ask more questions".to_owned(),
    });
    Check {
        name: score.name.to_owned(),
        outcome,
        limit: format!("a drop of at most {max_drop} {}", points(max_drop)),
        found: format!(
            "{:.2} to {:.2}: {:+.2} points{}",
            change.base,
            change.candidate,
            change.difference,
            ends(change.interval, signed)
        ),
        remedy,
    }
}

/// A floor is held by the figure itself: it is of these very questions.
fn floor_check(score: &Score<'_>, least: f64) -> Check {
    let found = score.change.candidate;
    Check {
        name: score.name.to_owned(),
        outcome: if found >= least {
            Outcome::Pass
        } else {
            Outcome::Regression
        },
        limit: format!("at least {least}"),
        found: format!("{found:.2}"),
        remedy: None,
    }
}

fn ratio(
    gate: &Gate,
    figure: &str,
    limits: RatioLimits,
    found: Option<&WireFigureComparison>,
) -> Vec<Check> {
    let RatioLimits {
        min_ratio,
        max_ratio,
    } = limits;
    let limits = [
        min_ratio.map(|least| {
            (
                format!("at least {least} of the base"),
                least,
                f64::INFINITY,
            )
        }),
        max_ratio.map(|most| (format!("at most {most} of the base"), 0.0, most)),
    ];
    let limits = limits.into_iter().flatten();
    limits
        .map(|(limit, least, most)| ratio_check(gate, figure, &limit, (least, most), found))
        .collect()
}

fn ratio_check(
    gate: &Gate,
    figure: &str,
    limit: &str,
    (least, most): (f64, f64),
    found: Option<&WireFigureComparison>,
) -> Check {
    let check = |outcome, found: String, remedy| Check {
        name: figure.to_owned(),
        outcome,
        limit: limit.to_owned(),
        found,
        remedy,
    };
    let Some(found) = found else {
        let remedy = "the records do not both have it".to_owned();
        return check(Outcome::NotComparable, "-".to_owned(), Some(remedy));
    };
    let described = match found.ratio {
        Some(ratio) => format!("{ratio:.3}{}", ends(found.interval, plain)),
        None => "-".to_owned(),
    };
    if found.verdict == Verdict::NotComparable {
        let reasons = found.reasons.join("; ");
        return check(Outcome::NotComparable, described, Some(reasons));
    }
    let Some(interval) = found.interval else {
        let remedy = format!(
            "measure both with --repeat 10, best in one run with --turns; {}",
            found.reasons.join("; ")
        );
        return check(Outcome::Inconclusive, described, Some(remedy));
    };
    let outcome = if interval.upper < least || interval.lower > most {
        Outcome::Regression
    } else if interval.lower >= least && interval.upper <= most {
        Outcome::Pass
    } else {
        Outcome::Inconclusive
    };
    let remedy = (outcome == Outcome::Inconclusive).then(|| {
        let level = gate.settings.level * 100.0;
        format!("the {level} % interval lies on both sides of the limit; more repetitions make it narrower")
    });
    check(outcome, described, remedy)
}

fn points(number: f64) -> &'static str {
    if number == 1.0 { "point" } else { "points" }
}

fn ends(interval: Option<WireEnds>, show: fn(f64) -> String) -> String {
    interval.map_or(String::new(), |WireEnds { lower, upper }| {
        format!(" ({} to {})", show(lower), show(upper))
    })
}

fn signed(value: f64) -> String {
    format!("{value:+.2}")
}

fn plain(value: f64) -> String {
    format!("{value:.3}")
}
