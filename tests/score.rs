//! The scorers against the official scripts' own figures (`tests/goldens/score`).

mod support;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Instant;

use serde::Deserialize;
use serde_json::{Value, json};
use spanbench::dataset::Dataset;
use spanbench::record::wire::WireAccuracy;
use spanbench::score::mlqa::Language;
use spanbench::score::{
    self, NoAnswerProbabilities, Predictions, Protocol, ProtocolChoice, Summation, Term,
};
use support::{json, project, shared};

fn golden(name: &str) -> PathBuf {
    project("tests/goldens/score").join(name)
}

/// The accuracy object of a record.
fn accuracy(
    dataset: &Dataset,
    predictions: &Predictions,
    protocol: Protocol,
    no_answer: Option<(&NoAnswerProbabilities, f64)>,
    summation: Summation,
) -> Value {
    let scored = score::score(dataset, predictions, protocol, no_answer, summation).unwrap();
    serde_json::to_value(WireAccuracy::from(&scored.accuracy)).unwrap()
}

/// Every key the official script printed, to a relative 1e-12, and no other figure.
fn assert_figures(found: &Value, expected: &Value) {
    let (found, expected) = (found.as_object().unwrap(), expected.as_object().unwrap());
    assert!(expected.len() >= 2);
    for (key, value) in expected {
        let value = value.as_f64().unwrap();
        let figure = found.get(key).and_then(Value::as_f64);
        let close = figure.is_some_and(|figure| (figure - value).abs() <= 1e-12 * value.abs());
        assert!(close, "{key}: {figure:?}, and the script says {value}");
    }
    let ours = ["exact_match", "total"];
    for key in found.keys() {
        // The precision-recall numbers are printed on demand alone.
        let known = expected.contains_key(key) || ours.contains(&key.as_str());
        assert!(known || key.starts_with("pr_"), "{key}");
    }
}

/// Scores a prediction file of `dataset` with plain sums.
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
    let found = accuracy(dataset, &predictions, protocol, no_answer, Summation::Plain);
    assert_figures(&found, expected);
    assert_eq!(found.get("pr_oracle_ap").is_some(), no_answer.is_some());
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
    assert_eq!(expected["na_prob"].as_object().unwrap().len(), 16);
}

/// A case of `v2.cases.json`, made of `v2.predictions.json` and `v2.na_prob.json`.
#[derive(Deserialize)]
struct Case {
    /// Predictions for no question.
    predictions: BTreeMap<String, String>,
    /// Probabilities of no question, which precede the others.
    before: serde_json::Map<String, Value>,
    /// A probability for each id of `v2.na_prob.json`, in its order.
    values: Option<Vec<Value>>,
    threshold: f64,
    expected: Value,
}

#[test]
fn squad_v2_is_the_script_on_ids_of_no_question_ties_and_odds() {
    let dataset = Dataset::bundled();
    let known: BTreeMap<String, String> = json(&golden("v2.predictions.json"));
    let ids: serde_json::Map<String, Value> = json(&golden("v2.na_prob.json"));
    let cases: Vec<Case> = json(&golden("v2.cases.json"));
    assert_eq!(cases.len(), 6);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("na_prob.json");
    for case in cases {
        let predictions =
            Predictions::new("case", known.clone().into_iter().chain(case.predictions));
        let probabilities = case.values.map(|values| {
            let mut all = case.before;
            all.extend(ids.keys().cloned().zip(values));
            std::fs::write(&path, Value::Object(all).to_string()).unwrap();
            NoAnswerProbabilities::read(&path).unwrap()
        });
        let no_answer = probabilities
            .as_ref()
            .map(|values| (values, case.threshold));
        let found = accuracy(
            &dataset,
            &predictions,
            Protocol::SquadV2,
            no_answer,
            Summation::Plain,
        );
        assert_figures(&found, &case.expected);
    }
}

#[test]
fn where_the_script_has_no_precision_and_recall_unknown_ids_are_left_out() {
    let dataset = Dataset::bundled();
    let predictions = Predictions::read(&golden("v2.predictions.json")).unwrap();
    let mut values: serde_json::Map<String, Value> = json(&golden("v2.na_prob.json"));
    for (name, value) in [("nobody-1", -2.0), ("nobody-2", 0.4), ("nobody-3", 9.0)] {
        values.insert(name.to_owned(), value.into());
    }
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("na_prob.json");
    std::fs::write(&path, Value::Object(values).to_string()).unwrap();
    let probabilities = NoAnswerProbabilities::read(&path).unwrap();
    let found = accuracy(
        &dataset,
        &predictions,
        Protocol::SquadV2,
        Some((&probabilities, 1.0)),
        Summation::Plain,
    );
    let expected: Value = json(&golden("v2.expected.json"));
    assert_eq!(found["pr_f1_ap"], expected["na_prob"]["pr_f1_ap"]);
}

#[test]
fn a_question_without_prediction_is_in_no_mean_and_never_right() {
    let dataset = Dataset::bundled();
    let mut texts: BTreeMap<String, String> = json(&golden("v2.predictions.json"));
    let dropped = dataset.questions.iter().step_by(3);
    let dropped = dropped.filter(|question| texts.remove(&question.id).is_some());
    assert_eq!(dropped.count(), 92);
    let predictions = Predictions::new("two thirds", texts);
    let probabilities = NoAnswerProbabilities::read(&golden("v2.na_prob.json")).unwrap();
    let no_answer = Some((&probabilities, 0.5));
    let summation = Summation::Plain;
    let found = accuracy(
        &dataset,
        &predictions,
        Protocol::SquadV2,
        no_answer,
        summation,
    );
    assert_eq!(found["total"], 184);
    let groups = ["HasAns_total", "NoAns_total"].map(|key| found[key].as_u64().unwrap());
    assert_eq!(groups.iter().sum::<u64>(), 184);
    let expected: Value = json(&golden("v2.expected.json"));
    let of = |key: &str| (found[key].as_f64(), expected["na_prob"][key].as_f64());
    let (ours, all) = of("pr_oracle_ap");
    assert_eq!(ours, all);
    let (ours, all) = of("pr_f1_ap");
    assert!(ours < all && ours > Some(0.0));
}

/// One of `sums.json`: Python's own floats, as text because some are infinite.
#[derive(Deserialize)]
struct Sum {
    terms: Vec<Value>,
    plain: String,
    compensated: String,
}

#[test]
fn sums_are_pythons_to_the_last_bit() {
    #[derive(Deserialize)]
    struct Golden {
        sums: Vec<Sum>,
        f1: Vec<Value>,
    }
    let golden_sums: Golden = json(&golden("sums.json"));
    assert!(golden_sums.sums.len() > 80);
    for sum in golden_sums.sums {
        let terms = sum.terms.iter().map(|term| match term.as_u64() {
            Some(integer) => Term::Integer(integer.try_into().unwrap()),
            None => Term::Float(term.as_f64().unwrap()),
        });
        for (summation, expected) in [
            (Summation::Plain, &sum.plain),
            (Summation::Compensated, &sum.compensated),
        ] {
            let found = summation.sum(terms.clone());
            let expected: f64 = expected.parse().unwrap();
            let same = found.to_bits() == expected.to_bits();
            assert!(
                same,
                "{summation}: {:?}: {found}, Python says {expected}",
                sum.terms
            );
        }
    }
    let dataset = Dataset::bundled();
    let predictions = Predictions::read(&golden("v2.predictions.json")).unwrap();
    let probabilities = NoAnswerProbabilities::read(&golden("v2.na_prob.json")).unwrap();
    for case in golden_sums.f1 {
        let no_answer = case["threshold"]
            .as_f64()
            .map(|threshold| (&probabilities, threshold));
        for summation in [Summation::Plain, Summation::Compensated] {
            let found = accuracy(
                &dataset,
                &predictions,
                Protocol::SquadV2,
                no_answer,
                summation,
            );
            for (key, expected) in case[summation.name()].as_object().unwrap() {
                assert_eq!(
                    found[key], *expected,
                    "{summation}, {key}, {}",
                    case["threshold"]
                );
            }
        }
    }
}

#[test]
fn mlqa_is_the_script_in_all_seven_languages() {
    /// One of `mlqa.json`.
    #[derive(Deserialize)]
    struct Mlqa {
        language: String,
        dataset: Value,
        files: Vec<Predicted>,
    }
    #[derive(Deserialize)]
    struct Predicted {
        predictions: BTreeMap<String, String>,
        /// Under the data's own language and under the others.
        expected: BTreeMap<String, Value>,
    }
    let goldens: Vec<Mlqa> = json(&golden("mlqa.json"));
    assert_eq!(goldens.len(), 7);
    for golden in goldens {
        let bytes = golden.dataset.to_string();
        let dataset = Dataset::from_bytes(&golden.language, "golden", bytes.into()).unwrap();
        assert!(golden.files.len() > 3);
        for file in golden.files {
            assert_eq!(file.expected.len(), 7);
            let predictions = Predictions::new("golden", file.predictions);
            for (code, expected) in file.expected {
                let protocol = Protocol::Mlqa(code.parse().unwrap());
                let found = accuracy(&dataset, &predictions, protocol, None, Summation::Plain);
                assert_figures(&found, &expected);
                let compensated = Summation::Compensated;
                let same = accuracy(&dataset, &predictions, protocol, None, compensated);
                assert_eq!(found, same);
            }
        }
    }
}

#[test]
fn published_and_perturbed_predictions_score_as_the_scripts_say() {
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
    for language in Language::ALL {
        let dataset = Dataset::read(&data.join(format!("xquad.{language}.json"))).unwrap();
        let expected = json(&folder.join(format!("mlqa.{language}.expected.json")));
        let predictions = folder.join(format!("mlqa.{language}.predictions.json"));
        let protocol = Protocol::Mlqa(language);
        assert_accuracy(&dataset, &predictions, protocol, None, &expected);
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
fn only_squad_v2_scores_unanswerable_questions_and_probabilities() {
    let dataset = Dataset::bundled();
    let predictions = Predictions::new("none", []);
    let probabilities = NoAnswerProbabilities::read(&golden("v2.na_prob.json")).unwrap();
    let plain = Summation::Plain;
    for protocol in [Protocol::SquadV1, Protocol::Mlqa(Language::German)] {
        let error = score::score(&dataset, &predictions, protocol, None, plain).unwrap_err();
        let message = format!("which {protocol} cannot score; use --protocol squad-v2");
        assert!(error.to_string().ends_with(&message), "{error}");
        let given = Some((&probabilities, 0.5));
        let error = score::score(&dataset, &predictions, protocol, given, plain).unwrap_err();
        let message = format!("the protocol here is {protocol}; leave --na-prob out");
        assert!(error.to_string().contains(&message), "{error}");
    }
    let error = score::score(&dataset, &predictions, Protocol::SquadV2, None, plain).unwrap_err();
    assert!(error.to_string().contains("no prediction for any question"));
}

#[test]
fn protocols_have_one_name_each() {
    let languages = Language::ALL.map(Protocol::Mlqa);
    for protocol in [Protocol::SquadV1, Protocol::SquadV2]
        .into_iter()
        .chain(languages)
    {
        let parsed: ProtocolChoice = protocol.name().parse().unwrap();
        assert_eq!(parsed, ProtocolChoice::Named(protocol));
        assert_eq!(
            serde_json::to_value(protocol).unwrap(),
            json!(protocol.name())
        );
    }
    assert_eq!(languages[4].name(), "mlqa:de");
    for (name, code) in [("mlqa:fr", "fr"), ("mlqa:", ""), ("mlqa:DE", "DE")] {
        let error = name.parse::<ProtocolChoice>().unwrap_err().to_string();
        let expected = format!("the language \"{code}\"; known are en, es, hi, vi, de, ar, zh");
        assert!(error.ends_with(&expected), "{error}");
    }
    let error = "mlqa".parse::<ProtocolChoice>().unwrap_err().to_string();
    assert!(error.contains("mlqa:LANG"), "{error}");
    assert!("kahan".parse::<Summation>().is_err());
}

#[test]
fn twelve_thousand_questions_take_a_moment() {
    let mut dataset = Dataset::bundled();
    let texts: BTreeMap<String, String> = json(&golden("v2.predictions.json"));
    let mut originals = dataset.questions.clone();
    originals.retain(|question| !question.answers.is_empty());
    let mut predictions = Vec::new();
    dataset.questions.clear();
    for copy in 0..12_000 {
        let mut question = originals[copy % originals.len()].clone();
        let text = texts[&question.id].clone();
        question.id = format!("{copy}");
        predictions.push((question.id.clone(), text));
        dataset.questions.push(question);
    }
    let predictions = Predictions::new("copies", predictions);
    let languages = Language::ALL.map(Protocol::Mlqa);
    for protocol in [Protocol::SquadV1, Protocol::SquadV2]
        .into_iter()
        .chain(languages)
    {
        // The first of a few tries that is quick enough: other tests run beside this one.
        let quick = (0..5).any(|_| {
            let started = Instant::now();
            let scored = score::score(&dataset, &predictions, protocol, None, Summation::Plain);
            let elapsed = started.elapsed();
            assert_eq!(scored.unwrap().per_question.len(), 12_000);
            eprintln!("{protocol}: {elapsed:?}");
            elapsed.as_secs_f64() < 0.3
        });
        assert!(quick, "{protocol}");
    }
}
