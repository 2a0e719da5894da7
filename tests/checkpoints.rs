//! The program on checkpoints in other forms than the bundled one's.

mod support;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;
use support::{json, project};

/// Runs the program on `model` with the first questions of the bundled data.
fn run(home: &Path, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_spanbench"));
    command
        .current_dir(home)
        .env("HF_HOME", home)
        .args(["run", "--offline"]);
    command.args(arguments).output().unwrap()
}

/// What it wrote to `OUT/name`.
fn written(home: &Path, out: &str, name: &str) -> Value {
    json(&home.join(out).join(name))
}

fn assert_success(output: &Output) {
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{errors}");
}

/// A copy of a checkpoint at `model`, less its tokeniser.
fn without_tokenizer(home: &tempfile::TempDir, folder: &Path) -> PathBuf {
    let model = home.path().join("model");
    std::fs::create_dir(&model).unwrap();
    for name in ["config.json", "model.safetensors"] {
        std::fs::copy(folder.join(name), model.join(name)).unwrap();
    }
    model
}

/// The bundled checkpoint as it would be without tokenizer.json: vocab.txt and settings.
#[test]
fn a_vocabulary_gives_the_answers_of_the_tokenizer_it_is_of() {
    let home = tempfile::tempdir().unwrap();
    let bundled = project("models/bundled/minilm-l6-squad");
    let model = without_tokenizer(&home, &bundled);
    let whole: Value = json(&bundled.join("tokenizer.json"));
    let vocabulary = whole["model"]["vocab"].as_object().unwrap();
    let by_id: BTreeMap<u64, &String> = vocabulary
        .iter()
        .map(|(token, id)| (id.as_u64().unwrap(), token))
        .collect();
    let lines: String = by_id.values().map(|token| format!("{token}\n")).collect();
    std::fs::write(model.join("vocab.txt"), lines).unwrap();
    std::fs::write(
        model.join("tokenizer_config.json"),
        r#"{"do_lower_case": true}"#,
    )
    .unwrap();

    let limit = ["--limit", "24"];
    let output = run(
        home.path(),
        &[&["--min-duration", "0s", "--out", "whole"][..], &limit].concat(),
    );
    assert_success(&output);
    let arguments = ["--model", "model", "--min-duration", "0s", "--out", "built"];
    let output = run(home.path(), &[&arguments[..], &limit].concat());
    assert_success(&output);
    for name in ["predictions.json", "null_odds.json"] {
        let (whole, built) = (
            written(home.path(), "whole", name),
            written(home.path(), "built", name),
        );
        assert_eq!(whole, built, "{name}");
    }
    let files = &written(home.path(), "built", "run.json")["model"]["files"];
    let names = files
        .as_array()
        .unwrap()
        .iter()
        .map(|file| file["name"].as_str().unwrap());
    let expected = [
        "config.json",
        "vocab.txt",
        "tokenizer_config.json",
        "model.safetensors",
    ];
    assert!(names.eq(expected), "{files}");
}

#[test]
fn the_record_says_what_weights_are_kept_in_and_what_computes() {
    let home = tempfile::tempdir().unwrap();
    let model = project("tests/goldens/architectures/deberta-v2");
    let model = model.to_str().unwrap();
    let windows = ["--max-seq-len", "192", "--doc-stride", "64", "--limit", "3"];
    for (dtype, ops, computes) in [
        ("f32", "auto", "f32"),
        ("f16", "auto", "f32"),
        ("f16", "portable", "f16"),
        ("bf16", "portable", "bf16"),
    ] {
        let arguments = [
            "--model",
            model,
            "--dtype",
            dtype,
            "--ops",
            ops,
            "--min-duration",
            "0s",
            "--out",
            "o",
        ];
        let output = run(home.path(), &[&arguments[..], &windows].concat());
        assert_success(&output);
        let record = written(home.path(), "o", "run.json");
        assert_eq!(record["device"], "cpu");
        let model = &record["model"];
        assert_eq!(model["architecture"], "deberta-v2");
        assert_eq!(model["dtype"], dtype);
        assert_eq!(model["compute_dtype"], computes, "{dtype} {ops}");
        let instructions = model["instructions"].as_str();
        let known = ["avx512", "avx2", "neon", "scalar"];
        assert_eq!(instructions.is_none(), ops == "portable");
        assert!(instructions.is_none_or(|set| known.contains(&set)));
        let (bytes, parameters) = (&record["memory"]["weights_bytes"], &model["parameters"]);
        // The relative positions of each layer are kept projected, besides the weights.
        let size = if dtype == "f32" { 4 } else { 2 };
        assert!(bytes.as_u64().unwrap() > size * parameters.as_u64().unwrap());
    }
}

#[test]
fn a_vocabulary_that_needs_a_segmenter_is_refused() {
    let home = tempfile::tempdir().unwrap();
    let golden = project("tests/goldens/architectures/roformer");
    let model = without_tokenizer(&home, &golden);
    std::fs::write(
        model.join("vocab.txt"),
        "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\n",
    )
    .unwrap();
    let output = run(
        home.path(),
        &[
            "--model",
            "model",
            "--max-seq-len",
            "96",
            "--doc-stride",
            "8",
            "--min-duration",
            "0s",
            "--out",
            "o",
        ],
    );
    let errors = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{errors}");
    assert_eq!(errors.lines().count(), 1, "{errors}");
    assert!(
        errors.contains("jieba") && errors.contains("tokenizer.json"),
        "{errors}"
    );
    assert!(!home.path().join("o").exists());
}

/// As in transformers, a BERT tokeniser's settings go before what its tokenizer.json says.
#[test]
fn tokenizer_settings_go_before_the_tokenizer() {
    let home = tempfile::tempdir().unwrap();
    let bundled = project("models/bundled/minilm-l6-squad");
    let model = without_tokenizer(&home, &bundled);
    let mut cased: Value = json(&bundled.join("tokenizer.json"));
    assert_eq!(cased["normalizer"]["lowercase"], true);
    cased["normalizer"]["lowercase"] = false.into();
    std::fs::write(model.join("tokenizer.json"), cased.to_string()).unwrap();
    let predictions = |out: &str, settings: Option<&str>| {
        if let Some(settings) = settings {
            std::fs::write(model.join("tokenizer_config.json"), settings).unwrap();
        }
        let arguments = [
            "--model",
            "model",
            "--limit",
            "12",
            "--min-duration",
            "0s",
            "--out",
            out,
        ];
        assert_success(&run(home.path(), &arguments));
        written(home.path(), out, "null_odds.json")
    };
    let output = run(
        home.path(),
        &["--limit", "12", "--min-duration", "0s", "--out", "whole"],
    );
    assert_success(&output);
    let uncased = written(home.path(), "whole", "null_odds.json");
    assert_ne!(predictions("a", None), uncased);
    let says_cased = r#"{"tokenizer_class": "BertTokenizer", "do_lower_case": false}"#;
    assert_ne!(predictions("b", Some(says_cased)), uncased);
    assert_eq!(
        predictions("c", Some(r#"{"do_lower_case": true}"#)),
        uncased
    );
    // A class of no kind in particular takes tokenizer.json as it is.
    let plain = r#"{"tokenizer_class": "PreTrainedTokenizerFast", "do_lower_case": true}"#;
    assert_ne!(predictions("d", Some(plain)), uncased);
}
