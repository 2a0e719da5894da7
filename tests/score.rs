//! The scorers against the official scripts' own figures (`tests/goldens/score`).

mod support;

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Instant;

use serde_json::Value;
use spanbench::dataset::Dataset;
use spanbench::record::wire::WireAccuracy;
use spanbench::score::normalize::normalize_answer;
use spanbench::score::{self, NoAnswerProbabilities, Predictions, Protocol};
use support::{json, project, shared};

/// Every key the official script printed, to the last digit but rounding of the text.
fn assert_accuracy(
    dataset: &Dataset,
    predictions: &Path,
    protocol: Protocol,
    no_answer: Option<(&Path, f64)>,
    expected: &Value,
) {
    let predictions = Predictions::read(predictions).unwrap();
    let no_answer =
        no_answer.map(|(path, threshold)| (NoAnswerProbabilities::read(path).unwrap(), threshold));
    let no_answer = no_answer
        .as_ref()
        .map(|(values, threshold)| (values, *threshold));
    let scored = score::score(dataset, &predictions, protocol, no_answer).unwrap();
    let found = serde_json::to_value(WireAccuracy::from(&scored.accuracy)).unwrap();
    let expected = expected.as_object().unwrap();
    assert!(expected.len() >= 2);
    for (key, value) in expected {
        let (found, value) = (found[key].as_f64(), value.as_f64().unwrap());
        let close = found.is_some_and(|found| (found - value).abs() < 1e-9);
        assert!(close, "{key}: {found:?}, and the script says {value}");
    }
    let best = no_answer.is_some();
    assert_eq!(found.get("best_exact").is_some(), best);
}

fn golden(name: &str) -> std::path::PathBuf {
    project("tests/goldens/score").join(name)
}

#[test]
fn normalisation_is_the_scripts() {
    let pairs: Vec<(String, String)> = json(&golden("normalize.json"));
    assert_eq!(pairs.len(), 400);
    for (text, expected) in pairs {
        assert_eq!(normalize_answer(&text), expected, "{text:?}");
    }
}

#[test]
fn squad_v1_is_the_script() {
    let mut dataset = Dataset::bundled();
    dataset
        .questions
        .retain(|question| !question.answers.is_empty());
    let expected = json(&golden("v1.expected.json"));
    let predictions = golden("v1.predictions.json");
    assert_accuracy(&dataset, &predictions, Protocol::SquadV1, None, &expected);
}

#[test]
fn squad_v2_is_the_script() {
    let dataset = Dataset::bundled();
    let expected: Value = json(&golden("v2.expected.json"));
    let (predictions, odds) = (golden("v2.predictions.json"), golden("v2.na_prob.json"));
    for (name, no_answer) in [
        ("plain", None),
        ("na_prob", Some((odds.as_path(), 1.0))),
        ("na_prob_0.5", Some((odds.as_path(), 0.5))),
    ] {
        assert_accuracy(
            &dataset,
            &predictions,
            Protocol::SquadV2,
            no_answer,
            &expected[name],
        );
    }
}

#[test]
fn leaderboard_predictions_score_as_published() {
    let (Some(folder), Some(data)) = (shared("expected/score"), shared("data")) else {
        return;
    };
    let dataset = Dataset::read(&data.join("xquad.en.json")).unwrap();
    for name in [
        "v1.logisticregression",
        "v1.matchlstmwithans",
        "v1.perturbed",
    ] {
        let expected = json(&folder.join(format!("{name}.expected.json")));
        let predictions = folder.join(format!("{name}.predictions.json"));
        assert_accuracy(&dataset, &predictions, Protocol::SquadV1, None, &expected);
    }
    let dataset = Dataset::read(&data.join("squad2-part.json")).unwrap();
    let (predictions, odds) = (
        folder.join("v2.predictions.json"),
        folder.join("v2.na_prob.json"),
    );
    for (name, no_answer) in [
        ("v2.plain", None),
        ("v2", Some((odds.as_path(), 1.0))),
        ("v2.thresh0.5", Some((odds.as_path(), 0.5))),
    ] {
        let expected = json(&folder.join(format!("{name}.expected.json")));
        assert_accuracy(
            &dataset,
            &predictions,
            Protocol::SquadV2,
            no_answer,
            &expected,
        );
    }
}

#[test]
fn v1_cannot_score_unanswerable_questions() {
    let dataset = Dataset::bundled();
    let predictions = Predictions::new("none", []);
    let error = score::score(&dataset, &predictions, Protocol::SquadV1, None).unwrap_err();
    assert!(error.to_string().contains("squad-v2"), "{error}");
}

#[test]
fn ten_thousand_questions_take_a_moment() {
    let mut dataset = Dataset::bundled();
    let texts: BTreeMap<String, String> = json(&golden("v2.predictions.json"));
    let originals = dataset.questions.clone();
    let mut predictions = Vec::new();
    dataset.questions.clear();
    for copy in 0..10_000 {
        let mut question = originals[copy % originals.len()].clone();
        let text = texts[&question.id].clone();
        question.id = format!("{copy}");
        predictions.push((question.id.clone(), text));
        dataset.questions.push(question);
    }
    let predictions = Predictions::new("copies", predictions);
    let started = Instant::now();
    let scored = score::score(&dataset, &predictions, Protocol::SquadV2, None).unwrap();
    let elapsed = started.elapsed();
    assert_eq!(scored.per_question.len(), 10_000);
    assert!(elapsed.as_secs_f64() < 0.3, "{elapsed:?}");
}
