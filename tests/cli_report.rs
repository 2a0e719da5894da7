//! `spanbench report` as its users call it, on folders as runs leave them.

mod support;

use std::path::Path;
use std::process::Output;

use serde_json::{Value, json};
use support::program::{assert_refused, read, spanbench, text};

/// Writes a cell of 12 questions with this F1.
fn cell(folder: &Path, model: &str, f1: f64) {
    let mut record: Value = serde_json::from_str(include_str!("support/record.json")).unwrap();
    record["cell"] = model.into();
    record["model"]["id"] = model.into();
    record["accuracy"]["f1"] = (100.0 * f1).into();
    record["dataset"]["questions"] = 12.into();
    let questions: String = (0..12)
        .map(|number| {
            let question = json!({"id": format!("q{number}"), "exact_match": 0.0, "f1": f1, "answer": "",
                "score": 0.0, "margin": null, "windows": 1, "latency_ms": null, "passage": number});
            format!("{question}\n")
        })
        .collect();
    std::fs::create_dir_all(folder).unwrap();
    std::fs::write(folder.join("run.json"), record.to_string()).unwrap();
    std::fs::write(folder.join("questions.jsonl"), questions).unwrap();
}

fn report(home: &Path, arguments: &[&str]) -> Output {
    let mut command = spanbench(home);
    command.arg("report").args(arguments).output().unwrap()
}

#[test]
fn folders_of_cells_become_tables() {
    let home = tempfile::tempdir().unwrap();
    cell(&home.path().join("suite/a"), "a", 0.8);
    cell(&home.path().join("suite/b"), "b", 0.9);
    cell(&home.path().join("c"), "c", 0.7);
    let output = report(home.path(), &["suite", "c"]);
    let table = text(&output.stdout);
    assert!(output.status.success(), "{}", text(&output.stderr));
    let ranks: Vec<&str> = table.lines().skip(3).take(3).collect();
    assert!(ranks[0].starts_with("1 (1–1)  b "), "{table}");
    assert!(ranks[2].starts_with("3 (3–3)  c "), "{table}");
    let output = report(home.path(), &["suite", "c", "--json"]);
    let board: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(board["tables"][0]["rows"].as_array().unwrap().len(), 3);
    for (file, begins) in [
        ("t.md", "# Leaderboard"),
        ("t.csv", "dataset,"),
        ("t.tex", "% \\usepackage{booktabs}"),
        ("t.xml", "<?xml"),
        ("t.json", "{"),
    ] {
        let output = report(home.path(), &["suite", "c", "-o", file]);
        assert!(output.status.success(), "{}", text(&output.stderr));
        assert_eq!(text(&output.stderr), format!("written: {file}\n"));
        let written = std::fs::read_to_string(home.path().join(file)).unwrap();
        assert!(written.starts_with(begins), "{written}");
    }
    let output = report(home.path(), &["c", "-o", "card.yaml"]);
    assert!(output.status.success(), "{}", text(&output.stderr));
    let several = report(home.path(), &["suite", "-o", "card.yaml"]);
    assert_refused(
        &several,
        &["of several: a (a); b (b)", "name the runs of one"],
    );
}

/// The leaderboard and the page have the same base: that of `--base` by any of its names, else what
/// the suite has first.
#[test]
fn a_base_is_the_same_on_the_page_and_in_the_tables() {
    let home = tempfile::tempdir().unwrap();
    cell(&home.path().join("suite/a"), "a", 0.8);
    cell(&home.path().join("suite/b"), "b", 0.9);
    let board = |more: &[&str]| -> Value {
        let output = report(home.path(), &[&["suite", "--json"], more].concat());
        serde_json::from_slice(&output.stdout).unwrap()
    };
    let page = |more: &[&str]| {
        let output = report(home.path(), &[&["suite", "-o", "p.html"], more].concat());
        assert!(output.status.success(), "{}", text(&output.stderr));
        std::fs::read_to_string(home.path().join("p.html")).unwrap()
    };
    assert_eq!(board(&[])["speeds"]["base"], "a");
    let manifest = json!({"schema": 1, "name": "s", "description": "Why <i>.\n\nHow.", "sha256": "",
        "cells": [{"name": "b", "prose": null}, {"name": "a", "prose": "Small."}]});
    std::fs::write(home.path().join("suite/suite.json"), manifest.to_string()).unwrap();
    assert_eq!(board(&[])["speeds"]["base"], "b");
    // Whether b is compared with a, and a with b.
    let against = |page: &str| {
        let pieces = page.split('<').map(|piece| piece.split('>').next_back());
        let words: String = pieces.flatten().collect();
        ["b against a: exact match", "a against b: exact match"].map(|told| words.contains(told))
    };
    assert_eq!(against(&page(&[])), [false, true]);
    assert_eq!(against(&page(&["--base", "a"])), [true, false]);
    report(home.path(), &["suite", "-o", "p.md"]);
    let written = std::fs::read_to_string(home.path().join("p.md")).unwrap();
    let begins = "# Leaderboard: s\n\nWhy &lt;i&gt;.\n\nHow.\n\na: Small.\n\n## ";
    assert!(written.starts_with(begins), "{written}");
    // A name that only the leaderboard has.
    let path = home.path().join("suite/b/run.json");
    let mut record = read(&path);
    record["model"]["id"] = "a".into();
    record["model"]["dtype"] = "bf16".into();
    std::fs::write(&path, record.to_string()).unwrap();
    let name = board(&["--base", "b"])["speeds"]["base"].clone();
    assert_eq!(name, "a (bf16)");
    assert_eq!(against(&page(&["--base", "a (bf16)"])), [false, true]);
    assert_refused(
        &report(home.path(), &["suite", "-o", "p.html", "--base", "a"]),
        &["--base a", "a (bf16); a (f32)"],
    );
}

#[test]
fn runs_are_listed_where_they_lie() {
    let home = tempfile::tempdir().unwrap();
    let list = |arguments: &[&str]| {
        let mut command = spanbench(home.path());
        command.arg("list").args(arguments).output().unwrap()
    };
    let none = list(&["runs"]);
    assert!(none.status.success());
    assert_eq!(text(&none.stderr), "reports: no runs are here\n");
    cell(&home.path().join("reports/suite/a"), "a", 0.8);
    cell(
        &home.path().join("reports/baseline/main"),
        "b\u{1b}[31m\nb",
        0.9,
    );
    cell(&home.path().join("elsewhere/c"), "c", 0.7);
    let output = list(&["runs"]);
    assert!(output.status.success(), "{}", text(&output.stderr));
    let table = text(&output.stdout);
    assert_eq!(table.lines().count(), 3, "{table}");
    let of = |folder: &str| table.lines().find(|line| line.starts_with(folder));
    let suite = of("reports/suite/a ").unwrap();
    assert!(
        suite.contains(" finished ") && suite.contains(" 80.00 "),
        "{table}"
    );
    assert!(
        of("reports/baseline/main ").unwrap().contains(" b [31m b "),
        "{table}"
    );
    let other = text(&list(&["runs", "elsewhere"]).stdout);
    assert!(
        other.contains("elsewhere/c ") && !other.contains("suite"),
        "{other}"
    );
    assert_refused(&list(&["runs", "none"]), &["none", "cannot be read"]);
    assert_refused(&list(&["models", "reports"]), &["FOLDER", "list runs"]);
}

#[test]
fn a_budget_that_nothing_fits_is_an_answer() {
    let home = tempfile::tempdir().unwrap();
    cell(&home.path().join("a"), "a", 0.8);
    let output = report(home.path(), &["a", "--max-latency-ms", "1e9"]);
    assert!(output.status.success(), "{}", text(&output.stderr));
    let output = report(home.path(), &["a", "--max-latency-ms", "0.001"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stdout).contains("none fits"));
    assert_eq!(text(&output.stderr), "no model is within the budget\n");
    let output = report(home.path(), &["a", "--max-joules-per-1000", "1"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stdout).contains("energy is not known"));
}

#[test]
fn bad_input_is_one_line() {
    let home = tempfile::tempdir().unwrap();
    cell(&home.path().join("a"), "a", 0.8);
    let refused = |arguments: &[&str], parts: &[&str]| {
        assert_refused(&report(home.path(), arguments), parts);
    };
    refused(&["a", "-o", "a.pdf"], &["a.pdf", ".md, .csv, .tex"]);
    refused(&["none"], &["none", "cannot be read"]);
    refused(&["a", "--base", "z"], &["--base z", "there are: a"]);
    refused(
        &["a", "-o", "none/a.csv"],
        &["none/a.csv", "writing failed"],
    );
    assert_eq!(report(home.path(), &[]).status.code(), Some(2));
    assert_eq!(
        report(home.path(), &["a", "--min-f1", "-1"]).status.code(),
        Some(2)
    );
}
