//! `spanbench audit` as its users call it, with the bundled model.

mod support;

use std::path::{Path, PathBuf};
use std::process::Output;

use serde_json::{Value, json};
use support::program::{assert_nothing_written, assert_refused, read, spanbench, text};
use support::{project, shared};

/// A question of the bundled data whose answer the decoders disagree on, in a file of its own.
/// "sperm whale" is right; run_qa and google answer "sperm whale's click" (one of three words and
/// one of two: F1 40), the pipeline the right thing.
fn one_question(folder: &Path) -> PathBuf {
    let whole: Value = support::json(&project("benchmarks/data/mixed-bag.json"));
    let articles = whole["data"].as_array().unwrap().iter();
    let mut passages = articles.flat_map(|article| article["paragraphs"].as_array().unwrap());
    let found = passages.find_map(|passage| {
        let mut questions = passage["qas"].as_array().unwrap().iter();
        let question = questions.find(|question| question["id"] == "a-046")?;
        Some((&passage["context"], question))
    });
    let (context, question) = found.unwrap();
    let data = json!({
        "version": "1.1",
        "data": [{
            "title": "One",
            "paragraphs": [{ "context": context, "qas": [question] }],
        }],
    });
    let path = folder.join("one.json");
    std::fs::write(&path, data.to_string()).unwrap();
    path
}

fn audit(home: &Path, arguments: &[&str]) -> Output {
    let mut command = spanbench(home);
    command.arg("audit").args(arguments);
    command.output().unwrap()
}

const OWN: [&str; 7] = [
    "minilm-l6-squad",
    "--dataset",
    "one.json",
    "--protocol",
    "squad-v1",
    "--threads",
    "1",
];

#[test]
fn figures_that_reproduce_as_published() {
    let home = tempfile::tempdir().unwrap();
    one_question(home.path());
    let figures = ["--exact-match", "0", "--f1", "40", "--out", "a"];
    let output = audit(home.path(), &[&OWN[..], &figures].concat());
    let told = text(&output.stdout);
    assert_eq!(
        output.status.code(),
        Some(0),
        "{told}{}",
        text(&output.stderr)
    );
    let first =
        "minilm-l6-squad on one: reproduces under its published protocol, within 0.1 points";
    assert_eq!(told.lines().next(), Some(first));
    let audit = read(&home.path().join("a/audit.json"));
    assert_eq!(
        audit["verdict"],
        json!({"outcome": "as_published", "protocol": 0})
    );
    assert_eq!(audit["exit_code"], 0);
    let protocols = audit["protocols"].as_array().unwrap();
    assert_eq!(protocols.len(), 1);
    assert!(audit["untried"].as_u64().unwrap() > 3);
    // What is told is what the record says.
    let record = protocols[0]["record"].as_str().unwrap();
    let record = read(&home.path().join(record).join("run.json"));
    assert_eq!(protocols[0]["figures"]["f1"], record["accuracy"]["f1"]);
    assert!((record["accuracy"]["f1"].as_f64().unwrap() - 40.0).abs() < 1e-9);
    assert_eq!(audit["dataset"], record["dataset"]);
}

#[test]
fn figures_that_only_another_decoder_reproduces() {
    let home = tempfile::tempdir().unwrap();
    one_question(home.path());
    // Published as F1 alone.
    let figures = ["--f1", "100", "--json", "--out", "b"];
    let output = audit(home.path(), &[&OWN[..], &figures].concat());
    let errors = text(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{errors}");
    let audit: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(audit, read(&home.path().join("b/audit.json")));
    assert_eq!(audit["verdict"]["outcome"], "otherwise");
    assert_eq!(audit["exit_code"], 1);
    let number = audit["verdict"]["protocol"].as_u64().unwrap();
    let protocols = audit["protocols"].as_array().unwrap();
    let other = &protocols[usize::try_from(number).unwrap()];
    assert_eq!(other["departs"], json!(["--decode pipeline"]));
    assert_eq!(other["max_answer_len"], 15);
    assert_eq!(other["reproduces"], true);
    assert_eq!(other["exact_match_difference"], Value::Null);
    assert_eq!(protocols[0]["departs"], json!([]));
    assert!((protocols[0]["f1_difference"].as_f64().unwrap() + 60.0).abs() < 1e-9);
    // The passage is one window: longer windows were not tried, for they change nothing.
    assert!(protocols.iter().all(|trial| trial["max_seq_len"] == 384));
    let unknown = audit["unknown"].to_string();
    assert!(
        unknown.contains("the source does not tell --max-seq-len"),
        "{unknown}"
    );
}

#[test]
fn figures_that_nothing_reproduces_and_what_was_done_is_not_done_again() {
    let home = tempfile::tempdir().unwrap();
    one_question(home.path());
    let figures = ["--exact-match", "77", "--f1", "88.5", "--out", "c"];
    let arguments = [&OWN[..], &figures].concat();
    let output = audit(home.path(), &arguments);
    let told = text(&output.stdout);
    assert_eq!(output.status.code(), Some(1), "{told}");
    assert!(
        told.starts_with("minilm-l6-squad on one: reproduces under none of "),
        "{told}"
    );
    assert!(
        told.contains("the nearest is --decode pipeline, off by 23.00"),
        "{told}"
    );
    let records = || -> Vec<Value> {
        let audit = read(&home.path().join("c/audit.json"));
        let protocols = audit["protocols"].as_array().unwrap().clone();
        let folders = protocols
            .iter()
            .map(|trial| trial["record"].as_str().unwrap().to_owned());
        let paths = folders.map(|folder| home.path().join(folder).join("run.json"));
        paths.map(|path| read(&path)["started"].clone()).collect()
    };
    let before = records();
    // Questions that all have an answer are also answered with "no answer" allowed.
    assert!(before.len() >= 6, "{before:?}");
    let output = audit(home.path(), &[&arguments[..], &["--resume"]].concat());
    assert_eq!(output.status.code(), Some(1), "{}", text(&output.stderr));
    assert_eq!(records(), before);
}

#[test]
fn what_cannot_be_audited_is_refused_before_anything_is_run() {
    let home = tempfile::tempdir().unwrap();
    one_question(home.path());
    let f1 = ["--f1", "40"];
    for (arguments, parts) in [
        (
            &["minilm-l6-squad", "--dataset", "one.json"][..],
            &["has 1 questions", "1190", "xquad.en"][..],
        ),
        (
            &["no/such", "--dataset", "one.json"],
            &["no/such: no model card", "--exact-match"],
        ),
        (&["bert-base-turkish-squad"], &["no published figures"]),
        (
            &["minilm-l6-squad", "--published", "2"],
            &["--published 2", "has 1 published figures"],
        ),
        (
            &["minilm-l6-squad", "--dataset", "xquad.de"],
            &["of xquad.en and not of xquad.de"],
        ),
        (&["camembert-base-fquad"], &["FQuAD dev", "--dataset"]),
        (
            &["minilm-l6-squad", "--f1", "101"],
            &["must be from 0 to 100"],
        ),
        (
            &["minilm-l6-squad", "--tolerance", "nan"],
            &["must be from 0 to 100"],
        ),
        (&["minilm-l6-squad", "--limit", "3"], &["--limit"]),
        (
            &[&["./nowhere", "--dataset", "one.json"], &f1[..]].concat(),
            &["./nowhere"],
        ),
        (
            &[&["minilm-l6-squad", "--dataset", "none.json"], &f1[..]].concat(),
            &["none.json"],
        ),
    ] {
        let output = audit(home.path(), &[arguments, &["--offline"]].concat());
        assert_refused(&output, parts);
        assert_nothing_written(&home.path().join("reports"));
    }
}

/// All of XQuAD takes minutes: `cargo test --release --test audit -- --ignored`.
#[test]
#[ignore = "takes minutes"]
fn the_bundled_card_reproduces() {
    let Some(data) = shared("data/xquad.en.json") else {
        return;
    };
    let home = tempfile::tempdir().unwrap();
    let data = data.to_str().unwrap();
    let arguments = [
        "minilm-l6-squad",
        "--dataset",
        data,
        "--tolerance",
        "0.001",
        "--out",
        "x",
    ];
    let output = audit(home.path(), &arguments);
    let told = text(&output.stdout);
    assert_eq!(
        output.status.code(),
        Some(0),
        "{told}{}",
        text(&output.stderr)
    );
    assert!(told.contains(" 43.03  57.99 "), "{told}");
}
