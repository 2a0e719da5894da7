//! The analysis against SciPy, scikit-learn and NumPy (`tests/goldens/analysis`).

mod support;

use serde_json::Value;
use spanbench::analysis::wire::{WireAnalysis, WireClassification, WireScoreIntervals};
use spanbench::analysis::{Analysis, Case, ErrorKind, Gold, NullScale, Settings, analyze};
use spanbench::stats::quantile_linear;
use support::cases::{case, score};
use support::{json, project};

fn golden(name: &str) -> Value {
    json(&project("tests/goldens/analysis").join(name))
}

fn number(value: &Value) -> f64 {
    value.as_f64().unwrap()
}

fn numbers(value: &Value) -> Vec<f64> {
    value.as_array().unwrap().iter().map(number).collect()
}

fn assert_close(found: f64, expected: f64, what: &str) {
    let close = (found - expected).abs() <= 1e-10 * expected.abs().max(1.0);
    assert!(close, "{what}: {found}, expected {expected}");
}

/// The golden's questions; null odds as given or, with `probability`, those instead.
fn golden_cases<'a>(input: &'a Value, probability: Option<&[f64]>) -> Vec<Case<'a>> {
    let column = |name: &str| numbers(&input[name]);
    let (exact, f1) = (column("exact_match"), column("f1"));
    let (kept_exact, kept_f1) = (column("kept_exact_match"), column("kept_f1"));
    let odds = column("null_odds");
    (0..exact.len())
        .map(|i| {
            let passage = input["passage"][i].as_u64().unwrap() as usize;
            let has_answer = input["has_answer"][i].as_bool().unwrap();
            let mut case = case(passage, has_answer, score(exact[i], f1[i]));
            case.article = input["article"][i].as_str();
            case.kept = Some(score(kept_exact[i], kept_f1[i]));
            case.null_odds = Some(probability.map_or(odds[i], |p| p[i]));
            if odds[i] > 0.0 {
                case.prediction = Some("");
            }
            case
        })
        .collect()
}

fn golden_settings(input: &Value) -> Settings {
    Settings {
        seed: input["seed"].as_u64().unwrap(),
        threshold: input["threshold"].as_f64(),
        ..Settings::default()
    }
}

fn golden_analysis(resamples: usize) -> WireAnalysis {
    let input = golden("cases.json");
    let settings = Settings {
        resamples,
        ..golden_settings(&input)
    };
    WireAnalysis::new(&analyze(&golden_cases(&input, None), &settings), &settings)
}

#[test]
fn quantiles_are_numpys() {
    for triple in golden("quantiles.json").as_array().unwrap() {
        let values = numbers(&triple[0]);
        for (q, expected) in numbers(&triple[1]).into_iter().zip(numbers(&triple[2])) {
            let found = quantile_linear(&values, q).unwrap();
            assert!((found - expected).abs() < 1e-15, "{q}: {found}, {expected}");
        }
    }
    assert_eq!(quantile_linear(&[], 0.5), None);
}

/// Both sides draw 100,000 resamples. The standard error of such a quantile is
/// 0.0084 standard errors of the mean; five times that of the difference is 0.06.
/// Exact match moves in steps of one question.
#[test]
fn intervals_are_scipys() {
    let expected = golden("expected.json");
    let found = golden_analysis(expected["resamples"].as_u64().unwrap() as usize).intervals;
    let check = |name: &str, found: Option<WireScoreIntervals>| {
        let found = found.unwrap();
        for (figure, found, step) in [
            ("exact_match", found.exact_match, 100.0 / 240.0),
            ("f1", found.f1, 0.0),
        ] {
            let [lower, upper, error] = numbers(&expected[name][figure])[..] else {
                panic!("{name}");
            };
            let tolerance = 0.06 * error + step;
            for (found, expected) in [(found.lower, lower), (found.upper, upper)] {
                let close = (found - expected).abs() < tolerance;
                assert!(
                    close,
                    "{name} {figure}: {found}, SciPy has {expected} ± {tolerance}"
                );
            }
        }
    };
    check("by_question", found.by_question);
    check("by_passage", found.by_passage);
    assert_eq!(found.passages, 40);
}

fn assert_classification(found: &WireClassification, expected: &Value) {
    let counts = [
        found.true_positive,
        found.false_positive,
        found.false_negative,
        found.true_negative,
    ];
    assert_eq!(
        counts.map(|count| count as f64)[..],
        numbers(&expected["counts"])
    );
    assert_close(
        found.accuracy.unwrap(),
        number(&expected["accuracy"]),
        "accuracy",
    );
    for (class, found) in [
        ("has_answer", found.has_answer),
        ("no_answer", found.no_answer),
    ] {
        let found = [found.precision, found.recall, found.f1].map(Option::unwrap);
        for (found, expected) in found.into_iter().zip(numbers(&expected[class])) {
            assert_close(found, expected, class);
        }
    }
}

#[test]
fn the_classifier_is_scikit_learns() {
    let expected = golden("expected.json");
    let found = golden_analysis(100).answerability.unwrap();
    let null_score = found.null_score.unwrap();
    assert_eq!(null_score.n, 240);
    assert_classification(
        &null_score.in_force.unwrap().classification,
        &expected["in_force"],
    );
    // The golden's predictions are empty above the threshold, so what was answered says the same.
    assert_classification(&found.as_answered, &expected["in_force"]);
    let found = null_score.precision_recall.unwrap();
    assert_close(
        found.average_precision,
        number(&expected["average_precision"]),
        "AP",
    );
    let curve = expected["curve"].as_array().unwrap();
    assert!(curve.len() > 100 && curve.len() < 200, "{}", curve.len());
    assert_eq!(found.curve.len(), curve.len());
    for (found, expected) in found.curve.iter().zip(curve) {
        let expected = numbers(expected);
        assert_eq!(found.null_odds, expected[0]);
        assert_close(found.precision, expected[1], "precision");
        assert_close(found.recall, expected[2], "recall");
    }
}

#[test]
fn calibration_is_scikit_learns() {
    let (input, expected) = (golden("cases.json"), golden("expected.json"));
    let probability = numbers(&expected["probability"]);
    for (null_scale, given) in [
        (NullScale::LogitDifference, None),
        (NullScale::Probability, Some(&probability[..])),
    ] {
        let settings = Settings {
            null_scale,
            resamples: 10,
            ..golden_settings(&input)
        };
        let analysis = analyze(&golden_cases(&input, given), &settings);
        let found = analysis
            .answerability
            .unwrap()
            .null_score
            .unwrap()
            .calibration
            .unwrap();
        let expected = &expected[format!("calibration_{}", null_scale.name())];
        assert_close(found.brier, number(&expected["brier"]), "Brier");
        assert_close(
            found.expected_error,
            number(&expected["expected_error"]),
            "ECE",
        );
        let n: Vec<f64> = found.bins.iter().map(|bin| bin.n as f64).collect();
        assert_eq!(n, numbers(&expected["n"]));
        let (mean, share) = (
            numbers(&expected["mean"]),
            numbers(&expected["unanswerable"]),
        );
        for ((bin, mean), share) in found.bins.iter().zip(mean).zip(share) {
            assert_close(bin.mean_probability, mean, "mean probability");
            assert_close(bin.unanswerable, share, "share");
            assert!(bin.above <= bin.mean_probability && bin.mean_probability <= bin.up_to);
        }
    }
    // Logit differences are no probabilities: no figure rather than a wrong one.
    let settings = Settings {
        null_scale: NullScale::Probability,
        ..golden_settings(&input)
    };
    let analysis = analyze(&golden_cases(&input, None), &settings);
    assert_eq!(
        analysis
            .answerability
            .unwrap()
            .null_score
            .unwrap()
            .calibration,
        None
    );
}

#[test]
fn thresholds_are_those_that_trying_all_finds() {
    let expected = golden("expected.json");
    let found = golden_analysis(100)
        .answerability
        .unwrap()
        .null_score
        .unwrap();
    for (name, found) in [
        ("exact_match", found.best_exact_match),
        ("f1", found.best_f1),
    ] {
        let expected = &expected[format!("best_{name}")];
        assert_close(found.threshold, number(&expected["threshold"]), name);
        assert_close(found.exact_match, number(&expected["exact_match"]), name);
        assert_close(found.f1, number(&expected["f1"]), name);
    }
    for (name, found) in [
        ("exact_match", found.held_out_exact_match),
        ("f1", found.held_out_f1),
    ] {
        let found = found.unwrap();
        let figure = |exact_match, f1| if name == "f1" { f1 } else { exact_match };
        let expected = &expected[format!("held_out_{name}")];
        assert_close(
            figure(found.exact_match, found.f1),
            number(&expected["all"]),
            name,
        );
        for (half, transfer) in found.directions.iter().enumerate() {
            let of = |key: &str| number(&expected[key][half]);
            let applied = figure(transfer.applied.exact_match, transfer.applied.f1);
            assert_close(transfer.threshold, of("thresholds"), name);
            assert_close(transfer.chosen_on as f64, of("chosen_on"), name);
            assert_close(applied, of("applied"), name);
        }
    }
}

#[test]
fn folds_are_those_of_the_rule() {
    let (found, expected) = (golden_analysis(100).folds.unwrap(), golden("expected.json"));
    let expected = &expected["folds"];
    let sizes: Vec<f64> = found.folds.iter().map(|fold| fold.n as f64).collect();
    assert_eq!(sizes, numbers(&expected["n"]));
    assert_eq!(found.groups, 8);
    for (name, spread) in [("exact_match", found.exact_match), ("f1", found.f1)] {
        let found = [
            spread.mean,
            spread.standard_deviation,
            spread.min,
            spread.max,
        ];
        for (found, expected) in found.into_iter().zip(numbers(&expected[name])) {
            assert_close(found, expected, name);
        }
    }
}

#[test]
fn slices_are_numpys_and_the_worst_comes_first() {
    let (analysis, expected) = (golden_analysis(100), golden("expected.json"));
    let whole = analysis.whole.unwrap();
    let by_article = analysis
        .slices
        .iter()
        .find(|by| by.property == "article")
        .unwrap();
    let expected = expected["articles"].as_array().unwrap();
    assert_eq!(by_article.slices.len(), expected.len());
    for (slice, expected) in by_article.slices.iter().zip(expected) {
        assert_eq!(slice.name, expected[0]);
        assert_eq!(slice.n as u64, expected[1].as_u64().unwrap());
        let Wilson { lower, upper } = Wilson::of(expected);
        assert_close(slice.exact_match, number(&expected[2]), "EM");
        assert_close(slice.f1, number(&expected[3]), "F1");
        assert_close(slice.exact_match_wilson.lower, lower, "Wilson");
        assert_close(slice.exact_match_wilson.upper, upper, "Wilson");
        assert_close(slice.shortfall, whole.exact_match - upper, "shortfall");
        assert_close(slice.f1_difference, slice.f1 - whole.f1, "difference");
    }
}

struct Wilson {
    lower: f64,
    upper: f64,
}

impl Wilson {
    fn of(slice: &Value) -> Self {
        Self {
            lower: number(&slice[4]),
            upper: number(&slice[5]),
        }
    }
}

/// The kind of error of one wrong prediction.
fn only_error(gold: &str, prediction: &str) -> ErrorKind {
    let mut case = case(0, true, score(0.0, 0.0));
    case.golds = vec![Gold {
        text: gold,
        start: None,
    }];
    case.prediction = Some(prediction);
    let settings = Settings {
        resamples: 1,
        ..Settings::default()
    };
    analyze(&[case], &settings).errors[0].unwrap()
}

/// A prediction is "normalisation only" exactly where Python's folding of both texts is the same.
#[test]
fn folding_is_pythons() {
    let golden = golden("fold.json");
    let pairs: Vec<(&str, &str)> = golden
        .as_array()
        .unwrap()
        .iter()
        .map(|pair| (pair[0].as_str().unwrap(), pair[1].as_str().unwrap()))
        .collect();
    let mut same = 0;
    for (index, &(text, folded)) in pairs.iter().enumerate() {
        // The dotless i and its capital are one letter here.
        let folded = folded.replace('ı', "i");
        for &(_, other) in [&pairs[index], &pairs[(index + 1) % pairs.len()]] {
            let other = other.replace('ı', "i");
            let expected = other == folded && !folded.is_empty();
            same += usize::from(expected);
            let is_same = only_error(text, &other) == ErrorKind::NormalisationOnly;
            assert_eq!(is_same, expected, "{text:?} {other:?}");
        }
    }
    assert!(same > 200, "{same}");
}

#[test]
fn threads_change_no_digit() {
    let input = golden("cases.json");
    let cases = golden_cases(&input, None);
    let analysis = |threads| -> Analysis {
        let pool = rayon::ThreadPoolBuilder::new()
            .num_threads(threads)
            .build()
            .unwrap();
        pool.install(|| analyze(&cases, &golden_settings(&input)))
    };
    let one = analysis(1);
    assert_eq!(one, analysis(2));
    assert_eq!(one, analysis(7));
    let other = Settings {
        seed: 12,
        ..golden_settings(&input)
    };
    assert_ne!(one.intervals, analyze(&cases, &other).intervals);
}
