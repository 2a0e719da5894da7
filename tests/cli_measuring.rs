//! How a cell is measured, as asked for on the command line.

mod support;

use std::path::Path;
use std::process::Output;

use serde_json::Value;
use support::program::{assert_refused, read, short_run, spanbench, text};

/// A run of four questions in short windows.
fn run(home: &Path, more: &[&str]) -> Output {
    let mut command = short_run(home);
    command.args(["--out", "o"]).args(more).output().unwrap()
}

fn record(home: &Path, more: &[&str]) -> Value {
    let output = run(home, more);
    assert!(output.status.success(), "{}", text(&output.stderr));
    read(&home.join("o/run.json"))
}

#[test]
fn settings_without_meaning_are_refused() {
    let home = tempfile::tempdir().unwrap();
    for (more, parts) in [
        (
            &["--scenario", "server"][..],
            &["--rate", "--find-rate"][..],
        ),
        (&["--rate", "3"], &["--rate", "--scenario offline"]),
        (&["--find-rate"], &["--find-rate", "--scenario offline"]),
        (&["--latency-bound", "1s"], &["--latency-bound"]),
        (
            &["--scenario", "server", "--rate", "3", "--find-rate"],
            &["--rate and --find-rate"],
        ),
        (
            &["--scenario", "server", "--rate", "0"],
            &["--rate", "above 0"],
        ),
        (
            &["--scenario", "offline", "--mlperf", "--min-duration", "1s"],
            &["--min-duration and --mlperf"],
        ),
        (
            &["--scenario", "sometimes"],
            &["sometimes", "single-stream"],
        ),
        (&["--time-limit", "0s"], &["--time-limit"]),
        (&["--time-limit", "soon"], &["--time-limit"]),
        (&["--repeat", "0"], &["--repeat", "at least 1"]),
    ] {
        assert_refused(&run(home.path(), more), parts);
    }
    assert!(!home.path().join("o").exists());
}

#[test]
fn a_program_that_runs_no_cells_is_refused() {
    let home = tempfile::tempdir().unwrap();
    let output = run(home.path(), &["--cell-program", "/nowhere/spanbench"]);
    assert_refused(&output, &["/nowhere/spanbench", "cannot be started"]);
    assert!(!home.path().join("o").exists());
    // One that ends at once, and one that talks without end.
    #[cfg(unix)]
    for (program, what) in [
        ("/bin/true", "crash"),
        ("/usr/bin/yes", "no event of a cell"),
    ] {
        if !Path::new(program).exists() {
            continue;
        }
        let output = run(home.path(), &["--cell-program", program]);
        assert_eq!(output.status.code(), Some(2));
        let told = text(&output.stderr) + &text(&output.stdout);
        assert!(told.contains(what), "{program}: {told}");
    }
}

#[test]
fn repetitions_have_medians_and_intervals() {
    let home = tempfile::tempdir().unwrap();
    let more = [
        "--repeat",
        "3",
        "--min-duration",
        "0s",
        "--dataset",
        "mixed-bag",
    ];
    let record = record(home.path(), &more);
    let repetitions = record["repetitions"].as_array().unwrap();
    assert_eq!(repetitions.len(), 3);
    let figure = |name: &str| {
        let mut intervals = record["intervals"].as_array().unwrap().iter();
        intervals
            .find(|interval| interval["figure"] == name)
            .unwrap()
    };
    let interval = figure("throughput.windows_per_s");
    let mut values: Vec<f64> = repetitions
        .iter()
        .map(|repetition| repetition["throughput"]["windows_per_s"].as_f64().unwrap())
        .collect();
    values.sort_by(f64::total_cmp);
    assert_eq!(interval["median"], values[1]);
    assert_eq!(record["throughput"]["windows_per_s"], values[1]);
    assert_eq!(
        (&interval["lower"], &interval["upper"]),
        (&values[0].into(), &values[2].into())
    );
    // Of three values the median lies between the outer ones with 1 - 2 / 8.
    assert_eq!(interval["coverage"], 0.75);
    // Only the first scores; the answers of all are compared.
    assert!(repetitions[0]["phases_s"].get("accuracy").is_some());
    assert!(repetitions[1]["phases_s"].get("accuracy").is_none());
    assert_eq!(record["proof"]["compared"], 12);
    let samples = std::fs::read_to_string(home.path().join("o/samples.jsonl")).unwrap();
    assert_eq!(samples.lines().count(), 3);
    assert!(home.path().join("o/mlperf_log_summary_3.txt").exists());
    let report = std::fs::read_to_string(home.path().join("o/report.md")).unwrap();
    assert!(report.contains("Over 3 repetitions"), "{report}");
}

#[test]
fn scenarios_leave_loadgens_fields_and_summary() {
    let home = tempfile::tempdir().unwrap();
    for (scenario, more, key) in [
        (
            "single-stream",
            &[][..],
            "result_90.00_percentile_latency_ns",
        ),
        (
            "multi-stream",
            &[],
            "result_99.00_percentile_per_query_latency_ns",
        ),
        (
            "server",
            &["--rate", "20"],
            "result_completed_samples_per_sec",
        ),
        ("offline", &[], "result_samples_per_second"),
    ] {
        let basic = [
            "--scenario",
            scenario,
            "--min-duration",
            "0s",
            "--min-queries",
            "5",
        ];
        let record = record(home.path(), &[&basic[..], more].concat());
        let measured = &record["repetitions"][0]["scenario"];
        assert_eq!(measured["name"], scenario);
        assert_eq!(record["protocol"]["scenario"], scenario);
        let loadgen = measured["loadgen"].as_object().unwrap();
        assert!(loadgen.contains_key(key), "{scenario}: {loadgen:?}");
        let summary = std::fs::read_to_string(home.path().join("o/mlperf_log_summary.txt"));
        assert!(summary.unwrap().contains("MLPerf Results Summary"));
        assert!(record["proof"]["compared"].as_u64().unwrap() >= 4);
        assert_eq!(record["proof"]["differing"], 0);
    }
}

#[test]
fn a_rate_is_found_and_its_confirmation_is_the_record() {
    let home = tempfile::tempdir().unwrap();
    let more = [
        "--scenario",
        "server",
        "--find-rate",
        "--min-duration",
        "0s",
        "--min-queries",
        "12",
        "--latency-bound",
        "2s",
    ];
    let record = record(home.path(), &more);
    let scenario = &record["repetitions"][0]["scenario"];
    let found = &scenario["found_rate"];
    assert_eq!(found["rate"], scenario["rate_per_s"]);
    let tried = found["tried"].as_array().unwrap();
    let last = tried.last().unwrap();
    assert_eq!(last["probe"]["confirmation"], found["rate"]);
    assert!(scenario["valid"].as_bool().unwrap() && last["held"].as_bool().unwrap());
    // What was measured is the confirmation alone.
    assert_eq!(scenario["queries"], 12);
    assert!(record["phases_s"]["find_rate"].as_f64().unwrap() > 0.0);
}

#[test]
fn profile_and_roofline_are_in_record_table_and_trace() {
    let home = tempfile::tempdir().unwrap();
    let call = |when: &str| {
        let mut command = spanbench(home.path());
        command.args([
            "run",
            "--limit",
            "4",
            "--max-seq-len",
            "96",
            "--doc-stride",
            "16",
        ]);
        command.args([
            "--min-duration",
            "0s",
            "--resamples",
            "10",
            "--out",
            "o",
            "--profile",
        ]);
        let output = command.arg(when).output().unwrap();
        assert!(output.status.success(), "{}", text(&output.stderr));
        (read(&home.path().join("o/run.json")), text(&output.stdout))
    };
    let (record, table) = call("--roofline");
    let peak = record["roofline"]["matrix_peak_flops_per_s"]
        .as_f64()
        .unwrap();
    let reached = record["throughput"]["flops_per_s"].as_f64().unwrap();
    let share = record["throughput"]["peak_fraction"].as_f64().unwrap();
    assert!(peak > 0.0 && (share - reached / peak).abs() < 1e-9);
    assert!(table.contains("of the machine's"), "{table}");
    let rows = record["profile"]["rows"].as_array().unwrap();
    let shares: f64 = rows
        .iter()
        .filter_map(|row| row["forward_share"].as_f64())
        .sum();
    assert!((shares - 1.0).abs() < 1e-9, "{rows:?}");
    for operation in [
        "linear",
        "attention",
        "layer norm",
        "activation",
        "embedding",
        "tokenise",
        "decode",
    ] {
        let row = rows.iter().find(|row| row["operation"] == operation);
        let calls = row.unwrap()["calls"].as_u64().unwrap();
        // On the CPU a dense layer's non-linearity is part of it.
        assert_eq!(calls > 0, operation != "activation", "{rows:?}");
        assert_eq!(calls > 0, table.contains(operation), "{table}");
    }
    let trace = read(&home.path().join("o/trace.json"));
    assert!(trace["traceEvents"].as_array().unwrap().len() > 50);
    // Kept where the machine was quiet enough to be measured; then it is not measured again.
    let cached = home.path().join("cache/spanbench/roofline");
    if cached.exists() {
        let (again, _) = call("--roofline");
        assert_eq!(again["roofline"], record["roofline"]);
    }
}

/// The cells of a round compute in turns: while one does, the other waits, and that is on no clock.
#[test]
fn cells_take_turns() {
    let home = tempfile::tempdir().unwrap();
    let both = ["--dataset", "mixed-bag", "--dataset", "mixed-bag"];
    let more = [
        "--turns=20ms",
        "--repeat",
        "2",
        "--min-duration",
        "1s",
        "--batch-tokens",
        "128",
    ];
    let output = run(home.path(), &[&both[..], &more].concat());
    assert!(output.status.success(), "{}", text(&output.stderr));
    for cell in ["minilm-l6-squad-mixed-bag", "minilm-l6-squad-mixed-bag-2"] {
        let record = read(&home.path().join("o").join(cell).join("run.json"));
        let repetitions = record["repetitions"].as_array().unwrap();
        assert_eq!(repetitions.len(), 2);
        for repetition in repetitions {
            let busy = repetition["throughput"]["end_to_end_s"].as_f64().unwrap();
            let passed = repetition["scenario"]["duration_s"].as_f64().unwrap();
            assert!(busy >= 1.0 && passed > 1.4 * busy, "{busy} of {passed}");
            let doubts = repetition["doubts"].to_string();
            assert!(!doubts.contains("other processes kept"), "{doubts}");
        }
        assert_eq!(record["proof"]["differing"], 0);
    }
    let output = run(home.path(), &["--turns", "--scenario", "single-stream"]);
    assert_refused(&output, &["--turns", "single-stream"]);
}
