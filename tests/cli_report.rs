//! `spanbench report` as its users call it, on folders as runs leave them.

mod support;

use std::path::Path;
use std::process::Output;

use serde_json::{Value, json};
use support::program::{assert_refused, spanbench, text};

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
