//! The program on an emulated GPU (scripts/check-emulated-gpu): what cannot be had from a real one at will.

mod support;

use std::path::Path;

use serde_json::Value;
use support::program::{read, spanbench, text};
use support::project;

/// Whether there is one.
fn is_emulated() -> bool {
    let emulated = std::env::var_os("SPANBENCH_EMULATED").is_some();
    if !emulated {
        eprintln!("skipped: only scripts/check-emulated-gpu emulates a GPU");
    }
    emulated
}

/// Few and short, for an emulated card takes its time.
const DATA: &str = r#"{"version": "v2.0", "data": [{"title": "t", "paragraphs": [
  {"context": "Long ago people walked slowly over hills until the purple vital appeared.",
   "qas": [
    {"id": "q1", "question": "Which colour?", "answers": [{"text": "purple", "answer_start": 51}]},
    {"id": "q2", "question": "Who walked?", "answers": [{"text": "people", "answer_start": 9}]},
    {"id": "q3", "question": "Over what?", "answers": [{"text": "hills", "answer_start": 35}]},
    {"id": "q4", "question": "Which number?", "answers": []}]}]}]}"#;

/// The record of a tiny checkpoint's run, with this in the environment.
fn run(home: &Path, out: &str, environment: &[(&str, u64)], more: &[&str]) -> Value {
    let mut command = spanbench(home);
    for (name, value) in environment {
        command.env(name, value.to_string());
    }
    std::fs::write(home.join("data.json"), DATA).unwrap();
    command.args(["run", "--dataset", "data.json", "--out", out]);
    command.args(["--min-duration", "0s", "--resamples", "10"]);
    command.args(["--max-seq-len", "96", "--doc-stride", "16"]);
    command.arg("--model");
    command.arg(project("tests/goldens/architectures/bert"));
    let output = command.args(more).output().unwrap();
    assert!(output.status.success(), "{}", text(&output.stderr));
    read(&home.join(out).join("run.json"))
}

fn predictions(home: &Path, out: &str) -> Value {
    read(&home.join(out).join("predictions.json"))
}

/// Batches are as large as there is memory for; one that was asked for and does not fit is halved. Neither
/// changes an answer, and the record says both.
#[test]
fn batches_fit_into_memory() {
    if !is_emulated() {
        return;
    }
    let home = tempfile::tempdir().unwrap();
    let home = home.path();
    let ample = run(home, "ample", &[], &["--device", "cuda"]);
    assert_eq!(ample["protocol"]["batch_tokens"], 16_384);
    let said = ample["warnings"].to_string();
    assert!(!said.contains("tokens at the most"), "{said}");
    assert!(!said.contains("had no memory"), "{said}");
    // What one window at a time takes, and what all together take besides.
    let windows = run(
        home,
        "windows",
        &[],
        &["--device", "cuda", "--batch-tokens", "30"],
    );
    let peak = |record: &Value| record["memory"]["device_peak_bytes"].as_u64().unwrap();
    let (least, most) = (peak(&windows), peak(&ample));
    let room = |percent| {
        let bytes = least + (most - least) * percent / 100;
        [("SPANBENCH_EMULATED_BYTES", bytes)]
    };

    // All questions are a few tokens, and fit; 16,384 tokens would not.
    let fitted = run(home, "fitted", &room(1000), &["--device", "cuda"]);
    let tokens = fitted["protocol"]["batch_tokens"].as_u64().unwrap();
    assert!(tokens < 16_384 && tokens.is_multiple_of(256), "{tokens}");
    let said = fitted["warnings"].to_string();
    assert!(
        said.contains(&format!("{tokens} tokens at the most")),
        "{said}"
    );
    assert!(!said.contains("had no memory"), "{said}");

    let asked = ["--device", "cuda", "--batch-tokens", "16384"];
    let halved = run(home, "halved", &room(50), &asked);
    let said = halved["warnings"].to_string();
    assert!(said.contains("had no memory for a whole batch"), "{said}");

    for out in ["fitted", "halved"] {
        assert_eq!(predictions(home, out), predictions(home, "ample"), "{out}");
    }
}

/// Several cards give the answers of one, and a card's peak is its own.
#[test]
fn cards_share_the_work() {
    if !is_emulated() {
        return;
    }
    let home = tempfile::tempdir().unwrap();
    let home = home.path();
    let two = [("SPANBENCH_EMULATED_CARDS", 2)];
    let one = run(
        home,
        "one",
        &[],
        &["--batch-tokens", "50", "--device", "cuda", "--roofline"],
    );
    let speed = |figure: &str| one["throughput"][figure].as_f64().unwrap();
    let share = speed("flops_per_s") / speed("matrix_peak_flops_per_s");
    assert!((speed("peak_fraction") / share - 1.0).abs() < 1e-9);
    // The processor's is not that of the card.
    assert!(one.get("roofline").is_none());
    let both = ["--batch-tokens", "50", "--device", "cuda:0,1"];
    let shared = run(home, "two", &two, &both);
    assert_eq!(shared["device"], "cuda:0,1");
    assert_eq!(predictions(home, "one"), predictions(home, "two"));
}

/// Where questions come one by one, their batches are recorded, and the answers are those that were scored.
#[test]
fn small_batches_are_recorded() {
    if !is_emulated() {
        return;
    }
    let home = tempfile::tempdir().unwrap();
    let home = home.path();
    let one_by_one = ["--device", "cuda", "--scenario", "single-stream"];
    let asked = ["--min-queries", "8"];
    let record = run(home, "one", &[], &[&one_by_one[..], &asked].concat());
    assert_eq!(record["proof"]["compared"], 8);
    assert_eq!(record["proof"]["differing"], 0);
    let measured = &record["repetitions"][0];
    let graphs = measured["cuda_graphs"].as_array().unwrap();
    assert!(!graphs.is_empty() && !record["warnings"].to_string().contains("CUDA graph"));
    let mut used = false;
    for graph in graphs {
        let of = |field: &str| graph[field].as_f64().unwrap();
        assert!(
            of("tokens") % 32.0 == 0.0 && of("windows") >= 1.0,
            "{graph}"
        );
        let is_faster = of("replayed_ms") < of("launched_ms");
        assert_eq!(graph["used"], is_faster, "{graph}");
        used |= is_faster;
    }
    // What fills a batch up is padding.
    let padding = measured["throughput"]["padding_waste"].as_f64().unwrap();
    assert_eq!(padding > 0.0, used, "{padding} {graphs:?}");

    // A device that refuses to record goes on as before, and the record says so.
    let refusing = [("SPANBENCH_EMULATED_NO_GRAPHS", 1)];
    let refused = run(
        home,
        "refused",
        &refusing,
        &[&one_by_one[..], &asked].concat(),
    );
    let said = refused["warnings"].to_string();
    assert!(said.contains("CUDA graphs are not used"), "{said}");
    assert!(said.contains("capturing"), "{said}");
    assert!(refused["repetitions"][0].get("cuda_graphs").is_none());
    assert_eq!(predictions(home, "one"), predictions(home, "refused"));

    let together = run(home, "together", &[], &["--device", "cuda"]);
    assert!(together["repetitions"][0].get("cuda_graphs").is_none());
    assert_eq!(predictions(home, "one"), predictions(home, "together"));
}
