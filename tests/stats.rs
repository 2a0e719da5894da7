//! Statistics of measurements against SciPy and NumPy (`tests/goldens/stats`).

use std::path::Path;

use serde_json::Value;
use spanbench::stats::order::{median, quantile_interval};
use spanbench::stats::paired::{Rule, compare_paired, compare_unpaired};
use spanbench::stats::steady::{lag_1_autocorrelation, mser_5, outliers};
use spanbench::stats::trend::{growth, trend};

fn golden(name: &str) -> Vec<Value> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/goldens/stats/expected.json");
    let text = std::fs::read(path).unwrap();
    let mut expected: Value = serde_json::from_slice(&text).unwrap();
    let Value::Array(cases) = expected[name].take() else {
        panic!("{name}");
    };
    assert!(!cases.is_empty());
    cases
}

fn number(value: &Value) -> f64 {
    value.as_f64().unwrap()
}

fn numbers(value: &Value) -> Vec<f64> {
    value.as_array().unwrap().iter().map(number).collect()
}

fn count(value: &Value) -> usize {
    usize::try_from(value.as_u64().unwrap()).unwrap()
}

fn assert_close(found: f64, expected: f64, what: &str) {
    let close = (found - expected).abs() <= 1e-9 * expected.abs();
    assert!(close, "{what}: {found}, expected {expected}");
}

#[test]
fn medians_are_numpys() {
    for case in golden("medians") {
        assert_eq!(median(&numbers(&case[0])), case[1].as_f64());
    }
}

#[test]
fn intervals_of_quantiles_are_scipys() {
    let cases = golden("quantile_intervals");
    assert_eq!(cases.len(), 240);
    for case in cases {
        let n = count(&case[0]);
        let sorted: Vec<f64> = (1..=n).map(|value| value as f64).collect();
        let found = quantile_interval(&sorted, number(&case[1]), number(&case[2])).unwrap();
        let ranks = (found.lower_rank, found.upper_rank);
        assert_eq!(ranks, (count(&case[3]), count(&case[4])), "{case}");
        assert_eq!(found.interval.lower, ranks.0 as f64);
        assert_eq!(found.interval.upper, ranks.1 as f64);
        // A coverage of next to nothing is 1 less the tails on both sides.
        let coverage = number(&case[5]);
        let tolerance = 1e-9 * coverage + 1e-15;
        assert!((found.coverage - coverage).abs() < tolerance, "{case}");
        assert_eq!(found.holds_level, case[6].as_bool().unwrap(), "{case}");
    }
}

/// The series of make_stats.py that is too long for a file.
fn by_rule(rule: &Value) -> Vec<f64> {
    let [step, modulus] = [1, 2].map(|place| rule[place].as_u64().unwrap());
    let rise = number(&rule[3]);
    (0..rule[0].as_u64().unwrap())
        .map(|i| 100.0 + (i * step % modulus) as f64 / 64.0 + rise * i as f64)
        .collect()
}

#[test]
fn steadiness_and_trends_are_scipys_and_numpys() {
    let given = golden("series").into_iter();
    let given = given.map(|case| (numbers(&case["values"]), case));
    let ruled = golden("series_by_rule").into_iter();
    let ruled = ruled.map(|case| (by_rule(&case["rule"]), case));
    for (values, case) in given.chain(ruled) {
        let steady = mser_5(&values).unwrap();
        let expected = &case["mser_5"];
        assert_eq!(steady.truncated, count(&expected[0]), "{expected}");
        assert_eq!(steady.found, expected[1].as_bool().unwrap());
        let found = trend(&values).unwrap();
        let figures = [found.z, found.p, found.slope, found.drift_percent.unwrap()];
        for (found, expected) in figures.into_iter().zip(numbers(&case["trend"])) {
            assert_close(found, expected, "trend");
        }
        let expected = number(&case["autocorrelation"]);
        assert_close(lag_1_autocorrelation(&values).unwrap(), expected, "lag 1");
        let found = outliers(&values).unwrap();
        let found = [
            found.low_severe,
            found.low_mild,
            found.high_mild,
            found.high_severe,
        ];
        let expected = case["outliers"].as_array().unwrap().iter().map(count);
        assert_eq!(found[..], expected.collect::<Vec<_>>());
    }
}

#[test]
fn growth_is_scipys() {
    for case in golden("growth") {
        let samples: Vec<(f64, f64)> = numbers(&case["time_s"])
            .into_iter()
            .zip(numbers(&case["bytes"]))
            .collect();
        let found = growth(&samples, 1e5).unwrap();
        let figures = [found.bytes_per_s, found.total_bytes, found.p];
        let expected = numbers(&case["figures"]);
        for (found, expected) in figures.into_iter().zip(&expected) {
            assert_close(found, *expected, "growth");
        }
        assert_eq!(found.grows, expected[1] >= 1e5 && expected[2] < 0.01);
    }
}

#[test]
fn comparisons_are_scipys() {
    for case in golden("comparisons") {
        let (base, candidate) = (numbers(&case["base"]), numbers(&case["candidate"]));
        let rule = Rule {
            level: number(&case["level"]),
            ..Rule::default()
        };
        for (name, found) in [
            (
                "paired",
                compare_paired(&base, &candidate[..base.len()], &rule),
            ),
            ("unpaired", compare_unpaired(&base, &candidate, &rule)),
        ] {
            let found = found.unwrap();
            let interval = found.interval.unwrap();
            let found = [found.ratio, interval.lower, interval.upper];
            for (found, expected) in found.into_iter().zip(numbers(&case[name])) {
                assert_close(found, expected.exp(), name);
            }
        }
    }
}
