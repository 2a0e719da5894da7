//! The program's data sets, decoders, scorers and analysis, as its users call them.

mod support;

use std::path::Path;
use std::process::Output;

use serde_json::Value;
use support::program::{assert_refused, read, spanbench, text};
use support::project;

fn call(home: &Path, arguments: &[&str]) -> Output {
    spanbench(home).args(arguments).output().unwrap()
}

fn printed(output: &Output) -> Value {
    let errors = text(&output.stderr);
    assert!(output.status.success(), "{errors}");
    serde_json::from_slice(&output.stdout).unwrap()
}

fn path(name: &str) -> String {
    project(name).to_str().unwrap().to_owned()
}

#[test]
fn a_run_knows_what_its_score_is_made_of() {
    let home = tempfile::tempdir().unwrap();
    let arguments = [
        "--sample",
        "60",
        "--seed",
        "3",
        "--min-duration",
        "0s",
        "--out",
        "o",
        "--json",
    ];
    let record = printed(&call(home.path(), &arguments));
    assert_eq!(record["dataset"]["questions"], 60);
    assert_eq!(record["protocol"]["sample"], 60);
    assert_eq!(record["protocol"]["summation"], "plain");
    assert!(record["dataset"]["unanswerable"].as_u64().unwrap() > 0);
    let analysis = &record["analysis"];
    let f1 = record["accuracy"]["f1"].as_f64().unwrap();
    assert!((analysis["whole"]["f1"].as_f64().unwrap() - f1).abs() < 1e-9);
    for by in ["by_question", "by_passage"] {
        let interval = &analysis["intervals"][by]["f1"];
        let (lower, upper) = (&interval["lower"], &interval["upper"]);
        assert!(lower.as_f64().unwrap() < f1 && f1 < upper.as_f64().unwrap());
    }
    assert!(analysis["answerability"]["null_score"]["calibration"].is_object());
    assert_eq!(analysis["folds"]["folds"].as_array().unwrap().len(), 5);

    // The kinds of the record are those of the lines, and every wrong answer has one.
    let lines = std::fs::read_to_string(home.path().join("o/questions.jsonl")).unwrap();
    let lines: Vec<Value> = lines
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let wrong = lines.iter().filter(|line| line["exact_match"] == 0.0);
    assert_eq!(analysis["errors"]["wrong"], wrong.count());
    for line in &lines {
        assert_eq!(
            line["error"].is_null(),
            line["exact_match"] == 1.0,
            "{line}"
        );
    }
    for kind in analysis["errors"]["kinds"].as_array().unwrap() {
        let count = lines.iter().filter(|line| line["error"] == kind["kind"]);
        assert_eq!(kind["n"], count.count());
    }
    let report = std::fs::read_to_string(home.path().join("o/report.md")).unwrap();
    for title in [
        "How much of it is chance",
        "Wrong answers by kind",
        "Is there an answer?",
    ] {
        assert!(report.contains(&format!("## {title}")), "{title}");
    }

    // The files of the run, scored on the same sample, give the same accuracy and analysis.
    let score = [
        "score",
        "--dataset",
        "mixed-bag",
        "--sample",
        "60",
        "--seed",
        "3",
        "--predictions",
        "o/predictions.json",
        "--na-prob",
        "o/null_odds.json",
        "--na-prob-thresh",
        "inf",
        "--json",
    ];
    assert_eq!(printed(&call(home.path(), &score)), record["accuracy"]);
    assert!(record["accuracy"]["best_exact_thresh"].is_number());
    let whole = printed(&call(home.path(), &[&score[..], &["--analysis"]].concat()));
    assert_eq!(whole["protocol"], "squad-v2");
    assert_eq!(whole["accuracy"], record["accuracy"]);
    for part in ["intervals", "folds"] {
        assert_eq!(whole["analysis"][part], analysis[part], "{part}");
    }
}

#[test]
fn decoders_have_settings_of_their_own() {
    let home = tempfile::tempdir().unwrap();
    let run = |decoder: &str| {
        let arguments = [
            "--decode",
            decoder,
            "--limit",
            "2",
            "--min-duration",
            "0s",
            "--out",
            decoder,
            "--json",
        ];
        printed(&call(home.path(), &arguments))["protocol"].clone()
    };
    let (run_qa, google, pipeline) = (run("run_qa"), run("google"), run("pipeline"));
    let knobs = |protocol: &Value| {
        ["decode", "max_answer_len", "n_best", "max_question_len"].map(|key| protocol[key].clone())
    };
    assert_eq!(
        knobs(&run_qa),
        ["run_qa".into(), 30.into(), 20.into(), Value::Null]
    );
    assert_eq!(
        knobs(&google),
        ["google".into(), 30.into(), 20.into(), Value::from(64)]
    );
    assert_eq!(
        knobs(&pipeline),
        ["pipeline".into(), 15.into(), Value::Null, Value::Null]
    );
    for (arguments, says) in [
        (
            ["--decode", "pipeline", "--n-best", "5"],
            "--n-best has no meaning",
        ),
        (
            ["--decode", "run_qa", "--max-question-len", "9"],
            "--max-question-len has no meaning",
        ),
        (["--decode", "google", "--doc-stride", "0"], "at least 1"),
    ] {
        let output = call(
            home.path(),
            &[&arguments[..], &["--min-duration", "0s", "--out", "bad"]].concat(),
        );
        assert_refused(&output, &[says]);
        assert!(!home.path().join("bad").exists());
    }
    let output = call(home.path(), &["--decode", "greedy"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(text(&output.stderr).contains("run_qa, google and pipeline"));
}

#[test]
fn a_protocol_left_to_the_data_says_which_and_why() {
    let home = tempfile::tempdir().unwrap();
    let row = |id: &str| {
        format!(
            r#"{{"id":"{id}","context":"Der Hund schläft.","question":"Wer?","answers":["Der Hund"]}}"#
        )
    };
    let file = |name: &str, text: String| std::fs::write(home.path().join(name), text).unwrap();
    file("plain.jsonl", row("1"));
    file("test-context-de-question-en.jsonl", row("1"));
    file("p.json", r#"{"1": "hund"}"#.to_owned());
    let score = |dataset: &str, more: &[&str]| {
        let arguments = ["score", "--dataset", dataset, "--predictions", "p.json"];
        call(home.path(), &[&arguments[..], more].concat())
    };
    let output = score("plain.jsonl", &[]);
    let notes = text(&output.stderr);
    assert!(
        notes.contains("plain: scored by squad-v1, because all"),
        "{notes}"
    );
    assert!(text(&output.stdout).contains("exact_match        0\n"));
    let output = score("test-context-de-question-en.jsonl", &[]);
    let notes = text(&output.stderr);
    assert!(
        notes.contains("scored by mlqa:de, as its card or name says"),
        "{notes}"
    );
    // German articles do not count there.
    assert!(text(&output.stdout).contains("exact_match        100\n"));
    let output = score("plain.jsonl", &["--protocol", "mlqa:de"]);
    assert!(output.stderr.is_empty(), "{}", text(&output.stderr));
    let output = score("plain.jsonl", &["--protocol", "mlqa:fr"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(
        text(&output.stderr).contains("en, es, hi, vi, de, ar"),
        "{}",
        text(&output.stderr)
    );
    let output = score("plain.jsonl", &["--analysis"]);
    let tables = text(&output.stdout);
    assert!(
        tables.contains("\nWrong answers by kind\n") && tables.contains("boundary"),
        "{tables}"
    );
}

#[test]
fn sums_are_plain_unless_asked() {
    let home = tempfile::tempdir().unwrap();
    let predictions = path("tests/goldens/score/v2.predictions.json");
    let score = |more: &[&str]| {
        let arguments = [
            "score",
            "--dataset",
            "mixed-bag",
            "--json",
            "--predictions",
            &predictions,
        ];
        printed(&call(home.path(), &[&arguments[..], more].concat()))
    };
    let sums = read(&project("tests/goldens/score/sums.json"));
    let (plain, compensated) = (&sums["f1"][0]["plain"], &sums["f1"][0]["compensated"]);
    assert_ne!(plain["f1"], compensated["f1"]);
    assert_eq!(score(&[])["f1"], plain["f1"]);
    assert_eq!(score(&["--summation", "plain"])["f1"], plain["f1"]);
    let found = score(&["--summation", "compensated"]);
    assert_eq!(found["f1"], compensated["f1"]);
    let run = [
        "--summation",
        "compensated",
        "--limit",
        "1",
        "--min-duration",
        "0s",
        "--out",
        "o",
        "--json",
    ];
    let record = printed(&call(home.path(), &run));
    assert_eq!(record["protocol"]["summation"], "compensated");
    let output = call(home.path(), &["score", "--summation", "exact"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(text(&output.stderr).contains("plain and compensated"));
}

#[test]
fn faulty_data_of_every_format_is_refused_in_one_line() {
    let home = tempfile::tempdir().unwrap();
    let golden = |name: &str| std::fs::read(project("tests/goldens/datasets").join(name)).unwrap();
    let gzip = golden("mrqa.jsonl.gz");
    let table = golden("snappy.parquet");
    std::fs::write(home.path().join("p.json"), "{}").unwrap();
    for (name, content, parts) in [
        (
            "cut.jsonl.gz",
            gzip[..gzip.len() / 2].to_vec(),
            &["cut.jsonl.gz", "gzip"][..],
        ),
        (
            "cut.parquet",
            table[..table.len() / 2].to_vec(),
            &["cut.parquet", "parquet"],
        ),
        (
            "columns.parquet",
            golden("bad_columns.parquet"),
            &["columns.parquet", "no column \"answers\""],
        ),
        (
            "type.parquet",
            golden("bad_type.parquet"),
            &["row 1, column question", "expected text"],
        ),
        (
            "empty.parquet",
            golden("bad_empty.parquet"),
            &["no question"],
        ),
        (
            "latin.jsonl",
            b"{\"question\":\"\xe9\"}".to_vec(),
            &["latin.jsonl: line 1, byte 13", "UTF-8"],
        ),
        (
            "empty.jsonl",
            b"{\"header\":{}}\n".to_vec(),
            &["empty.jsonl", "no question"],
        ),
        (
            "a.zip",
            b"PK\x03\x04".to_vec(),
            &["a.zip: a zip archive", "unpack"],
        ),
    ] {
        std::fs::write(home.path().join(name), content).unwrap();
        let score = ["score", "--dataset", name, "--predictions", "p.json"];
        assert_refused(&call(home.path(), &score), parts);
        let run = [
            "run",
            "--dataset",
            name,
            "--min-duration",
            "0s",
            "--out",
            "o",
        ];
        assert_refused(&call(home.path(), &run), parts);
        assert!(!home.path().join("o").exists());
    }
    std::fs::write(home.path().join("ids"), "no-such\n").unwrap();
    let run = ["run", "--ids", "ids", "--min-duration", "0s", "--out", "o"];
    assert_refused(&call(home.path(), &run), &["ids: line 1", "\"no-such\""]);
    for name in ["hf:", "hf:a/b/c", "no-such-set"] {
        let output = call(
            home.path(),
            &[
                "run",
                "--dataset",
                name,
                "--min-duration",
                "0s",
                "--out",
                "o",
            ],
        );
        assert_refused(&output, &[name, "hf:owner/name"]);
    }
    let offline = [
        "run",
        "--dataset",
        "squad2",
        "--offline",
        "--min-duration",
        "0s",
        "--out",
        "o",
    ];
    assert_refused(
        &call(home.path(), &offline),
        &["rajpurkar/squad_v2", "offline"],
    );
    assert!(!home.path().join("o").exists());
}

#[test]
fn predictions_of_other_questions_are_counted() {
    let home = tempfile::tempdir().unwrap();
    let mut predictions = read(&project("tests/goldens/score/v2.predictions.json"));
    predictions["no-such-id"] = "x".into();
    let content = predictions.to_string();
    std::fs::write(home.path().join("p.json"), content).unwrap();
    let score = ["score", "--dataset", "mixed-bag", "--predictions", "p.json"];
    let output = call(home.path(), &score);
    assert!(text(&output.stderr).contains("for no question of benchmarks/data/mixed-bag.json: 1"));
}
