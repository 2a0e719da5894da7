//! The program as its users call it: exit codes, messages, files.

mod support;

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;
use support::program::{assert_nothing_written, assert_refused, read, spanbench, text};
use support::project;

#[test]
fn run_writes_whole_files_and_prints_a_table() {
    let home = tempfile::tempdir().unwrap();
    let output = spanbench(home.path())
        .args(["--limit", "3"])
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", text(&output.stderr));
    let table = text(&output.stdout);
    // Below the one line of figures stands only why some of them are doubtful.
    assert!(
        table.lines().skip(2).all(|line| line.starts_with("? ")),
        "{table}"
    );
    for part in [
        "EM %",
        "F1 %",
        "questions/s",
        "minilm-l6-squad",
        "mixed-bag",
    ] {
        assert!(table.contains(part), "{table:?} lacks {part:?}");
    }
    assert!(
        !table.contains('\u{1b}'),
        "no colours where stdout is no terminal"
    );
    // reports/<UTC time>-<name>/<cell>
    let run = only_entry(&home.path().join("reports"));
    assert!(
        run.file_name()
            .unwrap()
            .to_str()
            .unwrap()
            .ends_with("Z-minilm-l6-squad-mixed-bag")
    );
    let cell = only_entry(&run);
    assert_eq!(cell.file_name().unwrap(), "minilm-l6-squad-mixed-bag");
    let mut names: Vec<_> = std::fs::read_dir(&cell)
        .unwrap()
        .map(|e| e.unwrap().file_name())
        .collect();
    names.sort();
    let expected = [
        "mlperf_log_summary.txt",
        "null_odds.json",
        "predictions.json",
        "questions.jsonl",
        "report.md",
        "run.json",
        "samples.jsonl",
    ];
    assert_eq!(names, expected);
    assert_eq!(
        read(&cell.join("predictions.json"))
            .as_object()
            .unwrap()
            .len(),
        3
    );
    let lines = std::fs::read_to_string(cell.join("questions.jsonl")).unwrap();
    for line in lines.lines() {
        let question: Value = serde_json::from_str(line).unwrap();
        for key in [
            "id",
            "exact_match",
            "f1",
            "answer",
            "score",
            "margin",
            "windows",
            "latency_ms",
        ] {
            assert!(question.get(key).is_some(), "{line} lacks {key}");
        }
    }
    assert!(
        std::fs::read_to_string(cell.join("report.md"))
            .unwrap()
            .starts_with("# minilm-l6-squad")
    );
}

fn only_entry(folder: &Path) -> PathBuf {
    let mut entries = std::fs::read_dir(folder).unwrap();
    let entry = entries.next().unwrap().unwrap().path();
    assert!(entries.next().is_none());
    entry
}

#[test]
fn json_is_one_document_equal_to_the_record() {
    let home = tempfile::tempdir().unwrap();
    let arguments = [
        "run",
        "--limit",
        "2",
        "--json",
        "--min-duration",
        "0s",
        "--out",
        "o",
        "--threads",
        "1",
    ];
    let output = spanbench(home.path()).args(arguments).output().unwrap();
    let printed: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(printed, read(&home.path().join("o/run.json")));
    assert_eq!(printed["schema"], 1);
    assert_eq!(printed["environment"]["cores_used"], 1);
    for (object, keys) in [
        (
            "model",
            &[
                "id",
                "revision",
                "architecture",
                "parameters",
                "dtype",
                "files",
            ][..],
        ),
        (
            "dataset",
            &["id", "sha256", "questions", "windows", "tokens"],
        ),
        (
            "protocol",
            &[
                "max_seq_len",
                "doc_stride",
                "n_best",
                "max_answer_len",
                "decode",
                "scenario",
            ],
        ),
        (
            "accuracy",
            &["exact_match", "f1", "total", "exact", "HasAns_f1"],
        ),
        (
            "throughput",
            &[
                "questions_per_s",
                "windows_per_s",
                "tokens_per_s",
                "padding_waste",
                "flops_per_s",
                "peak_fraction",
            ],
        ),
        (
            "latency_ms",
            &["n", "mean", "p50", "p90", "p95", "p99", "p999", "max"],
        ),
        (
            "memory",
            &[
                "weights_bytes",
                "rss_peak_bytes",
                "rss_anon_peak_bytes",
                "device_peak_bytes",
            ],
        ),
        (
            "environment",
            &[
                "cpu_model",
                "os",
                "compiler",
                "features",
                "target_cpu",
                "tool_revision",
            ],
        ),
    ] {
        for key in keys {
            assert!(printed[object].get(key).is_some(), "{object} lacks {key}");
        }
    }
    for file in printed["model"]["files"].as_array().unwrap() {
        let path = project("models/bundled/minilm-l6-squad").join(file["name"].as_str().unwrap());
        assert_eq!(file["bytes"], std::fs::metadata(path).unwrap().len());
    }
}

#[test]
fn two_runs_give_the_same_bytes() {
    let home = tempfile::tempdir().unwrap();
    for (out, more) in [
        ("a", ["--threads", "1"]),
        ("b", ["--window-order", "shuffled"]),
    ] {
        let mut command = spanbench(home.path());
        let output = command
            .args(["--limit", "12", "--min-duration", "0s", "--out", out])
            .args(more)
            .output()
            .unwrap();
        assert!(output.status.success(), "{}", text(&output.stderr));
    }
    for name in ["predictions.json", "null_odds.json"] {
        let bytes = |out: &str| std::fs::read(home.path().join(out).join(name)).unwrap();
        assert_eq!(bytes("a"), bytes("b"), "{name}");
    }
}

#[test]
fn several_cells_get_a_folder_each() {
    let home = tempfile::tempdir().unwrap();
    let data = project("benchmarks/data/mixed-bag.json");
    let mut command = spanbench(home.path());
    command
        .args(["--dataset", "mixed-bag", "--dataset"])
        .arg(&data);
    command.args([
        "--limit",
        "1",
        "--min-duration",
        "0s",
        "--out",
        "o",
        "--json",
    ]);
    let output = command.output().unwrap();
    let printed: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(printed["records"].as_array().unwrap().len(), 2);
    for cell in ["minilm-l6-squad-mixed-bag", "minilm-l6-squad-mixed-bag-2"] {
        assert_eq!(
            read(&home.path().join("o").join(cell).join("run.json"))["cell"],
            cell
        );
    }
}

#[test]
fn score_prints_the_accuracy_alone() {
    let home = tempfile::tempdir().unwrap();
    let golden = project("tests/goldens/score");
    let mut command = spanbench(home.path());
    command.args(["score", "--dataset", "mixed-bag", "--json", "--predictions"]);
    command.arg(golden.join("v2.predictions.json"));
    command.arg("--na-prob").arg(golden.join("v2.na_prob.json"));
    command.args(["--na-prob-thresh", "0.5"]);
    let output = command.output().unwrap();
    let printed: Value = serde_json::from_slice(&output.stdout).unwrap();
    let expected = read(&golden.join("v2.expected.json"));
    for (key, value) in expected["na_prob_0.5"].as_object().unwrap() {
        let close = (printed[key].as_f64().unwrap() - value.as_f64().unwrap()).abs() < 1e-9;
        assert!(close, "{key}: {}, not {value}", printed[key]);
    }
}

#[test]
fn faulty_data_sets_are_refused_by_file_and_place() {
    let home = tempfile::tempdir().unwrap();
    let file = home.path().join("d.json");
    let paragraph = |context: &str, question: &str| {
        format!(
            r#"{{"data":[{{"paragraphs":[{{"context":"{context}","qas":[{{"id":"x","question":"{question}","answers":[]}}]}}]}}]}}"#
        )
    };
    let twice = paragraph("a b", "What?").replace(
        r#""answers":[]}"#,
        r#""answers":[]},{"id":"x","question":"Who?","answers":[]}"#,
    );
    let long = "why ".repeat(300);
    for (content, parts) in [
        ("{\n  nonsense".to_owned(), &["d.json", "line 2"][..]),
        ("[]".to_owned(), &["d.json"]),
        (
            r#"{"data": 3}"#.to_owned(),
            &["d.json", "at data", "line 1"],
        ),
        (
            paragraph("", "What?"),
            &["data[0].paragraphs[0].context", "empty"],
        ),
        (
            paragraph("a b", " "),
            &["data[0].paragraphs[0].qas[0].question", "empty"],
        ),
        (
            twice,
            &["data[0].paragraphs[0].qas[1].id", "\"x\" is already used"],
        ),
        (
            paragraph(&"word ".repeat(400), &long),
            &["qas[0]", "\"x\"", "--max-seq-len"],
        ),
    ] {
        std::fs::write(&file, content).unwrap();
        let mut command = spanbench(home.path());
        let output = command
            .args([
                "run",
                "--dataset",
                "d.json",
                "--min-duration",
                "0s",
                "--out",
                "o",
            ])
            .output()
            .unwrap();
        assert_refused(&output, parts);
        assert_nothing_written(&home.path().join("o"));
    }
    std::fs::write(&file, b"{\"data\": \"\xff\"}").unwrap();
    let output = spanbench(home.path())
        .args(["--dataset", "d.json"])
        .output()
        .unwrap();
    assert_refused(&output, &["d.json", "byte 10", "UTF-8"]);
    let output = spanbench(home.path())
        .args(["--dataset", "none.json"])
        .output()
        .unwrap();
    assert_refused(&output, &["none.json", "spanbench list datasets"]);
    let output = spanbench(home.path())
        .args(["--dataset", "."])
        .output()
        .unwrap();
    assert_refused(&output, &["cannot be read"]);
}

#[test]
fn a_misplaced_answer_is_a_warning_with_a_count() {
    let home = tempfile::tempdir().unwrap();
    let data = r#"{"data":[{"paragraphs":[{"context":"The sky is blue.","qas":[
        {"id":"x","question":"What colour is the sky?","answers":[{"text":"blue","answer_start":3}]}]}]}]}"#;
    std::fs::write(home.path().join("d.json"), data).unwrap();
    let mut command = spanbench(home.path());
    let output = command
        .args([
            "--dataset",
            "d.json",
            "--min-duration",
            "0s",
            "--out",
            "o",
            "--json",
        ])
        .output()
        .unwrap();
    assert!(output.status.success());
    let errors = text(&output.stderr);
    assert!(errors.contains("answer_start: 1 ("), "{errors}");
    let record: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(record["dataset"]["misplaced_answers"], 1);
    assert_eq!(record["accuracy"]["exact_match"], 100.0);
    assert_eq!(record["protocol"]["name"], "squad-v1");
    assert_eq!(record["warnings"].as_array().unwrap().len(), 1);
}

/// A copy of the bundled model with one file changed or taken away.
fn with_file(directory: &Path, name: &str, content: Option<&[u8]>) {
    let model = directory.join("model");
    std::fs::create_dir_all(&model).unwrap();
    for file in ["config.json", "tokenizer.json", "model.safetensors"] {
        let from = project("models/bundled/minilm-l6-squad").join(file);
        std::fs::copy(from, model.join(file)).unwrap();
    }
    match content {
        Some(content) => std::fs::write(model.join(name), content).unwrap(),
        None => std::fs::remove_file(model.join(name)).unwrap(),
    }
}

/// A file of the model, what it holds in place of its content, and what the refusal must say.
type Case = (&'static str, Option<Vec<u8>>, &'static [&'static str]);

#[test]
fn faulty_models_are_refused_by_file_and_field() {
    let bundled = project("models/bundled/minilm-l6-squad");
    let weights = std::fs::read(bundled.join("model.safetensors")).unwrap();
    let config = std::fs::read_to_string(bundled.join("config.json")).unwrap();
    let change = |from: &str, to: &str| {
        assert!(config.contains(from));
        config.replace(from, to).into_bytes()
    };
    let cases: Vec<Case> = vec![
        ("config.json", None, &["model: no config.json"]),
        ("tokenizer.json", None, &["model: no tokenizer.json"]),
        ("model.safetensors", None, &["model: no model.safetensors"]),
        (
            "config.json",
            Some(b"{]".to_vec()),
            &["config.json", "line 1"],
        ),
        (
            "config.json",
            Some(change("\"bert\"", "\"gpt2\"")),
            &["\"gpt2\"", "supported: bert"],
        ),
        (
            "config.json",
            Some(change("384", "\"wide\"")),
            &["config.json", "hidden_size"],
        ),
        (
            "config.json",
            Some(change("30522", "30000")),
            &["has shape [30522, 384]", "[30000, 384]"],
        ),
        (
            "config.json",
            Some(change(
                "\"num_hidden_layers\": 6",
                "\"num_hidden_layers\": 7",
            )),
            &["encoder.layer.6", "is missing"],
        ),
        (
            "config.json",
            Some(change(
                "\"num_hidden_layers\": 6",
                "\"num_hidden_layers\": 5",
            )),
            &["16 tensors", "encoder.layer.5"],
        ),
        ("tokenizer.json", Some(b"{}".to_vec()), &["tokenizer.json"]),
        (
            "model.safetensors",
            Some(weights[..1_000_000].to_vec()),
            &["model.safetensors", "not a whole"],
        ),
        (
            "model.safetensors",
            Some(Vec::new()),
            &["model.safetensors", "(0 bytes)"],
        ),
    ];
    for (name, content, parts) in cases {
        let home = tempfile::tempdir().unwrap();
        with_file(home.path(), name, content.as_deref());
        let mut command = spanbench(home.path());
        let output = command
            .args([
                "--model",
                "model",
                "--limit",
                "1",
                "--min-duration",
                "0s",
                "--out",
                "o",
            ])
            .output()
            .unwrap();
        assert_refused(&output, parts);
        assert_nothing_written(&home.path().join("o"));
    }
}

#[test]
fn a_tokenizer_of_another_model_is_refused() {
    let home = tempfile::tempdir().unwrap();
    let tokenizer = project("models/bundled/minilm-l6-squad/tokenizer.json");
    let mut tokenizer: Value = read(&tokenizer);
    let vocabulary = tokenizer["model"]["vocab"].as_object_mut().unwrap();
    vocabulary.retain(|_, id| id.as_u64().unwrap() < 20_000);
    with_file(
        home.path(),
        "tokenizer.json",
        Some(tokenizer.to_string().as_bytes()),
    );
    let output = spanbench(home.path())
        .args(["--model", "model"])
        .output()
        .unwrap();
    assert_refused(
        &output,
        &["tokenizer.json", "20000 tokens only", "vocab_size 30522"],
    );
}

#[test]
fn settings_that_cannot_be_are_refused() {
    let home = tempfile::tempdir().unwrap();
    for (arguments, parts) in [
        (
            &["--max-seq-len", "513"][..],
            &["config.json", "512 positions"][..],
        ),
        (
            &["--doc-stride", "384"],
            &["--doc-stride 384", "--max-seq-len 384"],
        ),
        (
            &["--model", "no-such-card"],
            &["no-such-card", "minilm-l6-squad"],
        ),
        (&["--protocol", "squad-v1"], &["squad-v2", "no gold answer"]),
        (
            &["--model", "some/where", "--offline"],
            &["some/where", "HF_HUB_OFFLINE"],
        ),
    ] {
        let mut command = spanbench(home.path());
        let output = command
            .args(["run", "--limit", "40", "--min-duration", "0s", "--out", "o"])
            .args(arguments)
            .output()
            .unwrap();
        assert_refused(&output, parts);
        assert_nothing_written(&home.path().join("o"));
    }
    for (arguments, says) in [
        (["--threads", "0"], "at least 1"),
        (
            ["--device", "gpu"],
            "known are auto, cpu, cuda, cuda:N, cuda:N,M,… and metal",
        ),
        (["--dtype", "int4"], "known are f32, f16, bf16 and int8"),
        (["--dtype", "int3"], "int3"),
        (
            ["--protocol", "x"],
            "known are auto, squad-v1, squad-v2 and mlqa:LANG",
        ),
        (["--nonsense", "x"], "--nonsense"),
    ] {
        let output = spanbench(home.path()).args(arguments).output().unwrap();
        assert_refused(&output, &[arguments[0], says, "--help"]);
    }
    if cfg!(not(feature = "cuda")) {
        let mut command = spanbench(home.path());
        let output = command
            .args(["--device", "cuda:1", "--min-duration", "0s", "--out", "o"])
            .output()
            .unwrap();
        assert_refused(&output, &["--device cuda:1", "--features cuda"]);
        assert_nothing_written(&home.path().join("o"));
    }
    let output = spanbench(home.path()).arg("score").output().unwrap();
    assert_refused(&output, &["--dataset <D>", "--predictions <P.json>"]);
    let output = spanbench(home.path()).arg("--help").output().unwrap();
    assert!(output.status.success() && text(&output.stdout).contains("Usage:"));
}

#[test]
fn a_folder_used_again_holds_one_run_only() {
    let home = tempfile::tempdir().unwrap();
    let mut command = spanbench(home.path());
    assert!(
        command
            .args(["--limit", "1", "--min-duration", "0s", "--out", "o"])
            .status()
            .unwrap()
            .success()
    );
    assert!(home.path().join("o/null_odds.json").exists());
    let data = r#"{"data":[{"paragraphs":[{"context":"The sky is blue.","qas":[
        {"id":"x","question":"What colour is the sky?","answers":[{"text":"blue","answer_start":11}]}]}]}]}"#;
    std::fs::write(home.path().join("d.json"), data).unwrap();
    let mut command = spanbench(home.path());
    assert!(
        command
            .args(["--dataset", "d.json", "--min-duration", "0s", "--out", "o"])
            .status()
            .unwrap()
            .success()
    );
    assert!(
        !home.path().join("o/null_odds.json").exists(),
        "left from the first run"
    );
}

#[test]
fn finished_cells_keep_their_result_when_a_later_one_fails() {
    let home = tempfile::tempdir().unwrap();
    let mut command = spanbench(home.path());
    command.args(["--model", "minilm-l6-squad", "--model", "nowhere"]);
    let output = command
        .args([
            "--limit",
            "1",
            "--min-duration",
            "0s",
            "--out",
            "o",
            "--json",
        ])
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(2));
    let printed: Value = serde_json::from_slice(&output.stdout).unwrap();
    let of = |cell: &str| read(&home.path().join("o").join(cell).join("run.json"));
    let [finished, refused] = ["minilm-l6-squad-mixed-bag", "nowhere-mixed-bag"].map(of);
    assert_eq!(refused["error"]["kind"], "refused");
    let records = [&finished, &refused].map(|record| record["cell"].clone());
    assert!(finished["throughput"].is_object(), "{records:?}");
    assert!(
        printed["records"] == serde_json::json!([finished, refused]),
        "{records:?}"
    );
}

#[test]
fn a_folder_that_cannot_be_written_is_refused_before_anything_is_computed() {
    let home = tempfile::tempdir().unwrap();
    std::fs::write(home.path().join("file"), "").unwrap();
    let output = spanbench(home.path())
        .args(["--min-duration", "0s", "--out", "file/o"])
        .output()
        .unwrap();
    assert_refused(&output, &["file/o", "--out DIR"]);
    std::fs::write(home.path().join("reports"), "").unwrap();
    let output = spanbench(home.path()).output().unwrap();
    assert_refused(&output, &["reports", "--out DIR"]);
}

/// A limit on the size of files stands in for a full disk: the write fails in the same place.
#[cfg(unix)]
#[test]
fn a_full_disk_leaves_the_folder_as_it_was() {
    let home = tempfile::tempdir().unwrap();
    let out = home.path().join("o");
    std::fs::create_dir(&out).unwrap();
    std::fs::write(out.join("run.json"), "the earlier run").unwrap();
    let mut command = Command::new("sh");
    command
        .current_dir(home.path())
        .env("PROGRAM", env!("CARGO_BIN_EXE_spanbench"));
    // Blocks of 512 bytes; the record alone is larger.
    command.args([
        "-c",
        "trap '' XFSZ; ulimit -f 2; exec \"$PROGRAM\" --limit 20 --out o",
    ]);
    let output = command.output().unwrap();
    assert_refused(&output, &["o/", "is the disk full?"]);
    assert_eq!(
        std::fs::read_to_string(only_entry(&out)).unwrap(),
        "the earlier run"
    );
}

#[test]
fn faulty_prediction_files_are_refused() {
    let home = tempfile::tempdir().unwrap();
    let file = home.path().join("p.json");
    for (content, parts) in [
        ("{", &["p.json", "line 1"][..]),
        ("[]", &["p.json", "not a JSON object"]),
        (r#"{"a-001": 3}"#, &["p.json", "\"a-001\"", "a number"]),
        (r#"{"other": "x"}"#, &["p.json", "mixed-bag"]),
    ] {
        std::fs::write(&file, content).unwrap();
        let mut command = spanbench(home.path());
        command.args(["score", "--dataset", "mixed-bag", "--predictions", "p.json"]);
        assert_refused(&command.output().unwrap(), parts);
    }
    let mut command = spanbench(home.path());
    command.args([
        "score",
        "--dataset",
        "mixed-bag",
        "--predictions",
        "absent.json",
    ]);
    assert_refused(&command.output().unwrap(), &["absent.json"]);
}

#[test]
fn lists_name_what_there_is() {
    let home = tempfile::tempdir().unwrap();
    for (what, name) in [
        ("models", "minilm-l6-squad"),
        ("datasets", "mixed-bag"),
        ("devices", "cpu"),
    ] {
        let output = spanbench(home.path())
            .args(["list", what])
            .output()
            .unwrap();
        let list = text(&output.stdout);
        assert!(list.lines().any(|line| line.starts_with(name)), "{list}");
    }
}
