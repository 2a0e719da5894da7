//! Faults planted into a model (benchmarks/planted): each is found, and named in the record.

mod support;

use std::path::{Path, PathBuf};
use std::process::Output;
use std::sync::{PoisonError, RwLock};

use serde_json::Value;
use support::program::{read, spanbench, text};
use support::project;

/// Written to by what looks at how long things take, which so runs beside no other test of this file.
static CLOCK: RwLock<()> = RwLock::new(());

/// The program that plants faults; `cargo test` builds it with the other examples.
fn planted() -> PathBuf {
    let program = Path::new(env!("CARGO_BIN_EXE_spanbench"));
    let folder = program.parent().unwrap().join("examples");
    let path = folder.join(format!("planted{}", std::env::consts::EXE_SUFFIX));
    assert!(
        path.exists(),
        "{} is missing: cargo build --release --example planted",
        path.display()
    );
    path
}

/// Runs the bundled model with a fault on the first questions of the bundled data, beside other tests.
fn run(home: &Path, fault: &str, more: &[&str]) -> Output {
    // A test that failed has left nothing that the others could stumble over.
    let _beside_others = CLOCK.read().unwrap_or_else(PoisonError::into_inner);
    planted_run(home, fault, more)
}

/// The run itself.
fn planted_run(home: &Path, fault: &str, more: &[&str]) -> Output {
    let mut command = spanbench(home);
    command.args(["run", "--limit", "24", "--batch-tokens", "1024"]);
    command.args(["--resamples", "10", "--out", "o", "--cell-program"]);
    command
        .arg(planted())
        .args(more)
        .env("SPANBENCH_PLANT", fault);
    if !more.contains(&"--min-duration") {
        command.args(["--min-duration", "0s"]);
    }
    command.output().unwrap()
}

/// The error record of a run with a fault that ends it.
fn failure(fault: &str, more: &[&str]) -> (Value, String) {
    let home = tempfile::tempdir().unwrap();
    let output = run(home.path(), fault, more);
    let errors = text(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{errors}");
    let record = read(&home.path().join("o/run.json"));
    assert!(record.get("throughput").is_none() && record.get("accuracy").is_none());
    assert!(!home.path().join("o/predictions.json").exists());
    let message = record["error"]["message"].as_str().unwrap();
    assert!(errors.contains(message), "{errors:?} lacks {message:?}");
    assert!(text(&output.stdout).contains("failed"));
    (record["error"].clone(), message.to_owned())
}

/// The record of a run, alone, with a fault that makes its figures doubtful.
fn doubts(fault: &str, more: &[&str]) -> (Value, String) {
    let home = tempfile::tempdir().unwrap();
    let alone = CLOCK.write().unwrap_or_else(PoisonError::into_inner);
    let output = planted_run(home.path(), fault, more);
    drop(alone);
    assert!(output.status.success(), "{}", text(&output.stderr));
    let record = read(&home.path().join("o/run.json"));
    let doubts = record["doubts"].as_array().unwrap();
    let doubts: Vec<_> = doubts.iter().map(|doubt| doubt.as_str().unwrap()).collect();
    let table = text(&output.stdout);
    assert!(table.contains('?'), "{table}");
    (record.clone(), doubts.join("\n"))
}

#[test]
fn crashes_are_records_with_their_reason() {
    let (error, message) = failure("panic=3", &[]);
    assert_eq!(
        (&error["kind"], &error["phase"]),
        (&"crash".into(), &"accuracy".into())
    );
    assert!(message.contains("planted panic"), "{message}");
    assert!(
        error["stderr"].as_str().unwrap().contains("fault.rs"),
        "{error}"
    );
    let (error, message) = failure("signal=3", &[]);
    assert_eq!(error["kind"], "crash");
    assert!(message.contains("SIGABRT"), "{message}");
}

#[test]
fn want_of_memory_is_told_from_a_crash() {
    let (error, message) = failure("memory=3", &[]);
    assert_eq!(error["kind"], "out-of-memory");
    assert!(message.contains("1152921504606846976 bytes"), "{message}");
}

#[test]
fn what_hangs_is_ended() {
    let (error, message) = failure("hang=3", &["--stall-limit", "2s"]);
    assert_eq!(error["kind"], "stalled");
    assert!(message.contains("no progress for 2s"), "{message}");
    let (error, message) = failure("slow=50", &["--time-limit", "3s"]);
    assert_eq!(error["kind"], "time-limit");
    assert!(message.contains("time limit of 3s"), "{message}");
}

#[test]
fn logits_that_are_no_numbers_are_named() {
    let (error, message) = failure("not-finite=2", &[]);
    assert_eq!(error["kind"], "not-finite");
    assert!(
        message.contains("not finite") && message.contains("question"),
        "{message}"
    );
}

/// The scored answers are right; only those on the clock are wrong.
#[test]
fn wrong_answers_on_the_clock_are_found() {
    let home = tempfile::tempdir().unwrap();
    for scenario in ["offline", "multi-stream"] {
        let more = ["--scenario", scenario, "--min-queries", "3"];
        let output = run(home.path(), "wrong", &more);
        assert_eq!(output.status.code(), Some(2), "{scenario}");
        let record = read(&home.path().join("o/run.json"));
        assert_eq!(record["error"]["kind"], "timed-answers-differ");
        let proof = &record["proof"];
        assert!(proof["differing"].as_u64().unwrap() > 0);
        let example = &proof["examples"][0];
        assert_ne!(example["scored"], example["timed"], "{proof}");
        assert!(record.get("throughput").is_none());
    }
}

#[test]
fn a_leak_is_called_one() {
    let (record, doubts) = doubts("leak=4", &["--min-duration", "6s"]);
    assert!(doubts.contains("a leak?"), "{doubts}");
    assert_eq!(record["repetitions"][0]["memory"]["growth"]["grows"], true);
}

#[test]
fn delays_and_drift_are_named() {
    let (record, found) = doubts("delays=1500", &["--min-duration", "10s"]);
    assert!(found.contains("severely slow"), "{found}");
    let steadiness = &record["repetitions"][0]["steadiness"];
    assert!(steadiness["severely_slow_outliers"].as_u64().unwrap() > 0);
    let (_, found) = doubts("drift=30", &["--min-duration", "2s"]);
    assert!(found.contains("became slower by"), "{found}");
}

/// A cell that fails is a row; the other has its figures.
#[test]
fn a_failed_cell_does_not_end_the_others() {
    let home = tempfile::tempdir().unwrap();
    let data = r#"{"data":[{"paragraphs":[{"context":"The sky is blue.","qas":[
        {"id":"x","question":"What colour is the sky?","answers":[{"text":"blue","answer_start":11}]},
        {"id":"y","question":"What is blue?","answers":[{"text":"The sky","answer_start":0}]}]}]}]}"#;
    std::fs::write(home.path().join("short.json"), data).unwrap();
    let long = project("benchmarks/data/mixed-bag.json");
    let data = [
        "--dataset",
        long.to_str().unwrap(),
        "--dataset",
        "short.json",
    ];
    let output = run(home.path(), "long=100", &data);
    assert_eq!(output.status.code(), Some(2));
    let table = text(&output.stdout);
    let rows: Vec<_> = table.lines().collect();
    assert!(
        rows[1].contains("mixed-bag") && rows[1].contains("failed"),
        "{table}"
    );
    assert!(
        rows[2].contains("short") && !rows[2].contains("failed"),
        "{table}"
    );
    let record = |cell: &str| read(&home.path().join("o").join(cell).join("run.json"));
    assert_eq!(
        record("minilm-l6-squad-mixed-bag")["error"]["kind"],
        "crash"
    );
    assert_eq!(record("minilm-l6-squad-short")["dataset"]["questions"], 2);
}

/// One of the cells that take turns hangs; it is ended, and the other goes on.
#[test]
fn a_cell_that_hangs_in_its_turn_holds_nobody_up() {
    let home = tempfile::tempdir().unwrap();
    let data = project("benchmarks/data/mixed-bag.json");
    std::fs::copy(&data, home.path().join("hangs.json")).unwrap();
    let more = [
        "--dataset",
        "mixed-bag",
        "--dataset",
        "hangs.json",
        "--turns",
        "--stall-limit",
        "3s",
    ];
    let mut command = spanbench(home.path());
    command.args([
        "run",
        "--limit",
        "12",
        "--batch-tokens",
        "1024",
        "--min-duration",
        "4s",
    ]);
    command.args(["--resamples", "10", "--out", "o", "--cell-program"]);
    command.arg(planted()).args(more);
    command
        .env("SPANBENCH_PLANT", "hang=14")
        .env("SPANBENCH_PLANT_IN", "hangs");
    let output = command.output().unwrap();
    assert_eq!(output.status.code(), Some(2), "{}", text(&output.stderr));
    let record = |cell: &str| read(&home.path().join("o").join(cell).join("run.json"));
    let error = &record("minilm-l6-squad-hangs")["error"];
    assert_eq!(
        (&error["kind"], &error["phase"]),
        (&"stalled".into(), &"timed".into())
    );
    assert_eq!(
        record("minilm-l6-squad-mixed-bag")["dataset"]["questions"],
        12
    );
}
