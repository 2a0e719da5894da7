//! A gate's checks, one by one, on comparisons made up by hand.

mod support;

use spanbench::compare::{Aspect, WireComparison, compare};
use spanbench::gate::{Check, Gate, Outcome, RatioLimits, ScoreLimits, SliceLimits, judge};
use spanbench::record::{Cell, Run};
use support::runs::{flipping, merged, question, repetition_at, single};

/// The checks of a gate on two runs compared by its settings.
fn checks(gate: &Gate, [base, candidate]: &[Run; 2]) -> Vec<Check> {
    let comparison = WireComparison::from(&compare(base, candidate, &gate.settings));
    gate.checks(&comparison).unwrap()
}

fn outcomes(checks: &[Check]) -> Vec<(&str, Outcome)> {
    let checks = checks.iter();
    checks.map(|c| (c.name.as_str(), c.outcome)).collect()
}

/// A gate that allows drops of exact match and F1 by `points`, and nothing else.
fn allowing(points: f64) -> Gate {
    let mut gate = Gate {
        accuracy: drops(points),
        ..Gate::default()
    };
    gate.settings.exact_match_margin = points;
    gate.settings.f1_margin = points;
    gate
}

/// The default gate with limits of a slice.
fn with_slice(name: &str) -> Gate {
    Gate {
        slices: vec![SliceLimits {
            slice: name.to_owned(),
            limits: drops(1.0),
        }],
        ..Gate::default()
    }
}

fn drops(points: f64) -> ScoreLimits {
    ScoreLimits {
        max_exact_match_drop: Some(points),
        max_f1_drop: Some(points),
        ..ScoreLimits::default()
    }
}

/// Questions asked, lost and gained; the drop allowed; what is to be said of it.
const DROPS: [((usize, usize, usize), f64, Outcome); 11] = [
    ((1000, 0, 0), 0.0, Outcome::Pass),
    ((3, 0, 0), 1.0, Outcome::Pass),
    ((1000, 100, 20), 1.0, Outcome::Regression),
    // Worse for sure, and by less than allowed for sure.
    ((1000, 30, 5), 5.0, Outcome::Pass),
    // Worse for sure; whether by more than allowed is not known.
    ((1000, 30, 5), 2.0, Outcome::Regression),
    ((1000, 30, 5), 3.0, Outcome::Inconclusive),
    // Better.
    ((1000, 5, 30), 0.0, Outcome::Pass),
    // Chance.
    ((1000, 40, 40), 1.0, Outcome::Inconclusive),
    ((10_000, 100, 100), 1.0, Outcome::Pass),
    // Few changes: of few questions they show nothing, of many that more are rare.
    ((100, 2, 0), 1.0, Outcome::Inconclusive),
    ((10_000, 4, 0), 1.0, Outcome::Pass),
];

#[test]
fn drops_of_the_whole() {
    for ((n, lost, gained), points, expected) in DROPS {
        let found = checks(&allowing(points), &flipping(n, lost, gained));
        let what = format!("{lost} lost and {gained} gained of {n}, {points} allowed");
        let expected = [("exact match", expected), ("F1", expected)];
        assert_eq!(outcomes(&found), expected, "{what}: {found:#?}");
        for check in found {
            let is_inconclusive = check.outcome == Outcome::Inconclusive;
            assert_eq!(check.remedy.is_some(), is_inconclusive, "{what}");
        }
    }
}

/// The same questions as a part of more: what is said of them is the same.
#[test]
fn drops_of_slices_go_by_the_same_rules() {
    for ((n, lost, gained), points, expected) in DROPS {
        let mut pair = flipping(n, lost, gained);
        for run in &mut pair {
            let more = (n..n + 50).map(|number| {
                let mut line = question(&number.to_string(), "other", 1.0, 1.0);
                line.windows = 2;
                line.passage = Some(number);
                line
            });
            run.questions.extend(more);
            single(run).dataset.questions += 50;
        }
        let mut gate = allowing(points);
        gate.accuracy = ScoreLimits::default();
        gate.slices = vec![SliceLimits {
            slice: "windows=1".to_owned(),
            limits: drops(points),
        }];
        let found = checks(&gate, &pair);
        let expected = [
            ("exact match of windows=1", expected),
            ("F1 of windows=1", expected),
        ];
        let what = format!("{lost} lost and {gained} gained of {n}, {points} allowed");
        assert_eq!(outcomes(&found), expected, "{what}: {found:#?}");
    }
}

#[test]
fn floors_are_of_the_candidates_own_figure() {
    let pair = flipping(200, 50, 0);
    for (least, expected) in [(75.0, Outcome::Pass), (75.01, Outcome::Regression)] {
        let gate = Gate {
            accuracy: ScoreLimits {
                min_f1: Some(least),
                ..ScoreLimits::default()
            },
            ..Gate::default()
        };
        assert_eq!(outcomes(&checks(&gate, &pair)), [("F1", expected)]);
    }
}

#[test]
fn ratios_of_figures() {
    use Outcome::{Inconclusive, NotComparable, Pass, Regression};
    let at = |factor: f64| {
        let speeds = [100.0, 101.0, 99.0, 100.5, 99.5, 100.0].into_iter();
        speeds.map(|speed| repetition_at(factor * speed)).collect()
    };
    let ratio = |min_ratio, max_ratio| RatioLimits {
        min_ratio,
        max_ratio,
    };
    let figure = "throughput.windows_per_s";
    let of = |factor: f64, figure: &str, limits: RatioLimits| {
        let mut pair = flipping(200, 0, 0);
        single(&mut pair[0]).repetitions = at(1.0);
        single(&mut pair[1]).repetitions = at(factor);
        let mut gate = allowing(0.0);
        gate.accuracy = ScoreLimits::default();
        gate.figures.insert(figure.to_owned(), limits);
        let found = checks(&gate, &pair);
        found.iter().map(|check| check.outcome).collect::<Vec<_>>()
    };
    assert_eq!(of(0.8, figure, ratio(Some(0.9), None)), [Regression]);
    assert_eq!(of(0.8, figure, ratio(Some(0.7), None)), [Pass]);
    assert_eq!(of(0.8, figure, ratio(Some(0.8), None)), [Inconclusive]);
    assert_eq!(
        of(1.2, figure, ratio(Some(0.9), Some(1.1))),
        [Pass, Regression]
    );
    // Slower is a larger latency.
    assert_eq!(
        of(0.8, "latency_ms.p50", ratio(None, Some(1.1))),
        [Regression]
    );
    assert_eq!(of(1.2, "latency_ms.p50", ratio(None, Some(1.1))), [Pass]);
    assert_eq!(
        of(1.2, "no.figure", ratio(None, Some(1.1))),
        [NotComparable]
    );

    // A single repetition tells nothing, and the remedy says what would.
    let mut gate = Gate::default();
    gate.figures
        .insert(figure.to_owned(), ratio(Some(0.5), None));
    let found = checks(&gate, &flipping(200, 0, 0));
    assert_eq!(found[2].outcome, Inconclusive);
    let remedy = found[2].remedy.as_ref().unwrap();
    assert!(remedy.contains("--repeat"), "{remedy}");
}

#[test]
fn what_is_not_comparable_is_not_judged() {
    let mut pair = flipping(1000, 100, 0);
    single(&mut pair[1]).dataset.sha256 = "bb".to_owned();
    // Whether there is such a slice is not known of questions that are others.
    let mut gate = with_slice("windows=1");
    let found = checks(&gate, &pair);
    let expected = [("comparability of accuracy", Outcome::NotComparable)];
    assert_eq!(outcomes(&found), expected);
    assert!(found[0].found.contains("aa against bb"), "{found:#?}");
    gate.require.clear();
    assert_eq!(checks(&gate, &pair), []);
    gate.require = vec![Aspect::Memory];
    single(&mut pair[1]).dataset.sha256 = "aa".to_owned();
    single(&mut pair[1]).environment.logical_cores = 999;
    let found = checks(&gate, &pair);
    let first = ("comparability of memory", Outcome::NotComparable);
    assert_eq!(outcomes(&found)[0], first);
}

#[test]
fn a_slice_that_is_none_is_named_with_those_there_are() {
    let pair = flipping(100, 0, 0);
    let gate = with_slice("windows=9");
    let comparison = WireComparison::from(&compare(&pair[0], &pair[1], &gate.settings));
    let said = gate.checks(&comparison).unwrap_err().to_string();
    assert!(said.contains("\"windows=9\""), "{said}");
    assert!(said.contains("windows=1"), "{said}");
}

#[test]
fn gates_hold_merged_shards_to_accuracy_and_tell_why_not_to_speed() {
    let [base, candidate] = flipping(1000, 0, 0);
    let cell = |run: &Run| [Cell::Finished(Box::new(run.clone()))];
    let (run, shards) = (cell(&base), cell(&merged(&candidate, 2)));
    let mut gate = Gate::default();
    gate.settings.resamples = 500;
    let verdict = judge(&run, &shards, &gate, None).unwrap();
    assert_eq!(verdict.outcome, Outcome::Pass);
    let limits = RatioLimits {
        min_ratio: Some(0.9),
        max_ratio: None,
    };
    let figure = "throughput.questions_per_s".to_owned();
    gate.figures.insert(figure, limits);
    gate.require.push(Aspect::Memory);
    let why = "merged from 2 shards, each measured on its own";
    for (base, candidate) in [(&run, &shards), (&shards, &run), (&shards, &shards)] {
        let verdict = judge(base, candidate, &gate, None).unwrap();
        assert_eq!(verdict.outcome, Outcome::NotComparable);
        assert_eq!(verdict.exit_code, 3);
        let checks = &verdict.cells[0].checks;
        let of = |name: &str| checks.iter().find(|check| check.name == name).unwrap();
        let speed = of("throughput.questions_per_s");
        assert_eq!(speed.outcome, Outcome::NotComparable);
        assert!(speed.remedy.as_ref().unwrap().contains(why), "{speed:?}");
        let memory = of("comparability of memory");
        assert!(memory.found.contains(why), "{memory:?}");
        assert_eq!(of("F1").outcome, Outcome::Pass);
    }
    // A regression is one.
    let [base, candidate] = flipping(1000, 60, 3);
    gate.figures.clear();
    gate.require = vec![Aspect::Accuracy];
    let (base, candidate) = (cell(&merged(&base, 2)), cell(&merged(&candidate, 3)));
    let verdict = judge(&base, &candidate, &gate, None).unwrap();
    assert_eq!(verdict.outcome, Outcome::Regression);
}
