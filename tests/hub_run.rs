//! The program against a scripted hub: `--model owner/name` from the first byte to the record.

// The fixture is shared with tests/hub.rs, which uses all of it.
#![allow(dead_code)]

#[path = "support/hub_house.rs"]
mod hub_house;
#[path = "support/hub_server.rs"]
mod hub_server;

use std::path::Path;
use std::process::{Command, Output};

use hub_house::{COMMIT, House, ID, SECRET};
use hub_server::{Reply, git_sha1};
use serde_json::Value;

const FILES: [&str; 3] = ["config.json", "tokenizer.json", "model.safetensors"];

fn house() -> House {
    let bundled = Path::new(env!("CARGO_MANIFEST_DIR")).join("models/bundled/minilm-l6-squad");
    let contents = FILES.map(|name| std::fs::read(bundled.join(name)).unwrap());
    let files: Vec<_> = FILES
        .iter()
        .zip(&contents)
        .map(|(&name, content)| (name, content.as_slice()))
        .collect();
    House::with(&files)
}

fn spanbench(house: &House, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_spanbench"));
    command.current_dir(house.folder.path()).args(arguments);
    for name in [
        "HF_HOME",
        "HF_HUB_OFFLINE",
        "HF_TOKEN_PATH",
        "http_proxy",
        "HTTP_PROXY",
    ] {
        command.env_remove(name);
    }
    command.env("HF_HUB_CACHE", &house.config.cache_dir);
    command
        .env("HF_ENDPOINT", house.server.url())
        .env("HF_TOKEN", SECRET);
    let output = command.output().unwrap();
    for stream in [&output.stdout, &output.stderr] {
        assert!(!String::from_utf8_lossy(stream).contains(SECRET));
    }
    output
}

fn assert_success(output: &Output) {
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
}

#[test]
fn a_model_is_fetched_pinned_run_and_run_again_offline() {
    let house = house();
    let run = [
        "run",
        "--model",
        ID,
        "--limit",
        "2",
        "--min-duration",
        "0s",
        "--out",
        "first",
        "--json",
    ];
    let output = spanbench(&house, &run);
    assert_success(&output);
    let record: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(record["model"]["id"], ID);
    assert_eq!(record["model"]["revision"], COMMIT);
    for request in house.server.requests() {
        assert_eq!(
            request.header("authorization"),
            Some(format!("Bearer {SECRET}").as_str())
        );
    }
    for entry in std::fs::read_dir(house.folder.path().join("first")).unwrap() {
        let text = std::fs::read_to_string(entry.unwrap().path()).unwrap();
        assert!(!text.contains(SECRET));
    }

    house.server.forget_requests();
    let again = [
        "run",
        "--model",
        ID,
        "--limit",
        "2",
        "--min-duration",
        "0s",
        "--out",
        "second",
        "--json",
        "--offline",
    ];
    let output = spanbench(&house, &again);
    assert_success(&output);
    assert!(house.server.requests().is_empty());
    let read = |out: &str| std::fs::read(house.folder.path().join(out).join("predictions.json"));
    assert_eq!(read("first").unwrap(), read("second").unwrap());

    let output = spanbench(&house, &["pull", ID]);
    assert_success(&output);
    assert!(String::from_utf8_lossy(&output.stdout).contains(COMMIT));
}

#[test]
fn what_the_hub_refuses_is_one_line_and_exit_code_2() {
    let house = House::new();
    for (status, parts) in [
        (404, [ID, "main"]),
        (401, [ID, "HF_TOKEN"]),
        (403, [ID, "HF_TOKEN"]),
    ] {
        house.api("main", vec![Reply::status(status)]);
        let output = spanbench(&house, &["run", "--model", ID, "--out", "o"]);
        let errors = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(2), "{errors}");
        assert_eq!(errors.lines().count(), 1, "{errors}");
        for part in parts {
            assert!(errors.contains(part), "{errors:?} lacks {part:?}");
        }
    }
}

#[test]
fn a_repository_without_the_files_says_which() {
    let house = House::new();
    house.list("main", &["config.json", "tf_model.h5", "tokenizer.json"]);
    let output = spanbench(&house, &["run", "--model", ID, "--out", "o"]);
    let errors = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(2));
    assert!(
        errors.contains("no model.safetensors") && errors.contains(ID),
        "{errors}"
    );
}

/// An older repository: no tokenizer.json, PyTorch weights in parts.
#[test]
fn weights_in_parts_and_a_vocabulary_are_fetched() {
    let goldens = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/goldens/architectures/files");
    let letters = ('a'..='z').flat_map(|letter| [format!("{letter}\n"), format!("##{letter}\n")]);
    let special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"].map(|token| format!("{token}\n"));
    let vocabulary: String = special.into_iter().chain(letters).collect();
    let parts = [1, 2, 3].map(|part| format!("pytorch_model-0000{part}-of-00003.bin"));
    let mut files: Vec<(&str, Vec<u8>)> = vec![
        ("vocab.txt", vocabulary.into_bytes()),
        ("README.md", b"not needed".to_vec()),
        (
            "config.json",
            std::fs::read(goldens.join("config.json")).unwrap(),
        ),
    ];
    let index = "pytorch_model.bin.index.json";
    for name in parts.iter().map(String::as_str).chain([index]) {
        let content = std::fs::read(goldens.join("bin-shards").join(name)).unwrap();
        files.push((name, content));
    }
    let borrowed: Vec<(&str, &[u8])> = files.iter().map(|(n, c)| (*n, c.as_slice())).collect();
    let house = House::with(&borrowed);
    let dataset = r#"{"data": [{"paragraphs": [{"context": "abc def", "qas": [
        {"id": "1", "question": "ghi?", "answers": [{"text": "abc", "answer_start": 0}]}]}]}]}"#;
    std::fs::write(house.folder.path().join("d.json"), dataset).unwrap();
    let run = [
        "run",
        "--model",
        ID,
        "--dataset",
        "d.json",
        "--max-seq-len",
        "32",
        "--doc-stride",
        "8",
        "--out",
        "o",
        "--json",
        "--min-duration=0s",
    ];
    let output = spanbench(&house, &run);
    assert_success(&output);
    let record: Value = serde_json::from_slice(&output.stdout).unwrap();
    let read = record["model"]["files"].as_array().unwrap().iter();
    let names: Vec<&str> = read.map(|file| file["name"].as_str().unwrap()).collect();
    let expected = [
        "config.json",
        "vocab.txt",
        index,
        &parts[0],
        &parts[1],
        &parts[2],
    ];
    assert_eq!(names, expected);
    assert!(!house.cached().iter().any(|path| path.contains("README")));
}

/// Publishes data-set files under the addresses that data sets have.
fn publish_dataset(house: &House, files: &[(&str, Vec<u8>)]) {
    let names = files
        .iter()
        .map(|(name, _)| serde_json::json!({ "rfilename": name }));
    let listing = serde_json::json!({ "sha": COMMIT, "siblings": names.collect::<Vec<_>>() });
    let address = format!("/api/datasets/{ID}/revision/main");
    let listing = Reply::good(listing.to_string().as_bytes());
    house.server.on("GET", &address, vec![listing]);
    for (name, content) in files {
        let address = format!("/datasets/{ID}/resolve/{COMMIT}/{name}");
        let etag = format!("\"{}\"", git_sha1(content));
        let head = Reply::good(content)
            .header("X-Repo-Commit", COMMIT)
            .header("ETag", &etag);
        house.server.on("HEAD", &address, vec![head]);
        house.server.on("GET", &address, vec![Reply::good(content)]);
    }
}

#[test]
fn a_data_set_is_fetched_pinned_run_and_scored_offline() {
    let house = House::new();
    let goldens = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/goldens/datasets");
    let table = |name: &str| std::fs::read(goldens.join(name)).unwrap();
    publish_dataset(
        &house,
        &[
            ("README.md", b"not needed".to_vec()),
            (
                "plain_text/train-00000-of-00001.parquet",
                table("bad_type.parquet"),
            ),
            (
                "plain_text/validation-00000-of-00001.parquet",
                table("snappy.parquet"),
            ),
        ],
    );
    let name = format!("hf:{ID}");
    let run = [
        "run",
        "--dataset",
        &name,
        "--out",
        "o",
        "--json",
        "--min-duration=0s",
    ];
    let output = spanbench(&house, &run);
    assert_success(&output);
    let errors = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(
        errors.contains("split validation of configuration plain_text"),
        "{errors}"
    );
    let record: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(
        record["dataset"]["id"],
        format!("{ID}:plain_text:validation")
    );
    assert_eq!(record["dataset"]["revision"], COMMIT);
    assert_eq!(record["dataset"]["questions"], 4);
    let file = &record["dataset"]["files"][0];
    assert_eq!(file["name"], "plain_text/validation-00000-of-00001.parquet");
    assert_eq!(file["sha256"], record["dataset"]["sha256"]);
    assert!(
        !house
            .cached()
            .iter()
            .any(|path| path.contains("train") || path.contains("README"))
    );

    house.server.forget_requests();
    let whole = format!("hf:{ID}@{COMMIT}:plain_text:validation");
    let score = [
        "score",
        "--dataset",
        &whole,
        "--predictions",
        "o/predictions.json",
        "--na-prob",
        "o/null_odds.json",
        "--na-prob-thresh",
        "inf",
        "--json",
    ];
    let output = spanbench(&house, &[&score[..], &["--offline"]].concat());
    assert_success(&output);
    let accuracy: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(accuracy, record["accuracy"]);
    let output = spanbench(&house, &["pull", &format!("dataset:{ID}"), "--offline"]);
    assert_success(&output);
    assert!(String::from_utf8_lossy(&output.stdout).contains(COMMIT));
    assert!(house.server.requests().is_empty());

    for (name, says) in [
        (
            format!("hf:{ID}:other"),
            "no configuration \"other\"; there is plain_text",
        ),
        (
            format!("hf:{ID}:plain_text:test"),
            "there is train, validation",
        ),
        (
            format!("hf:{ID}:plain_text:train"),
            "row 1, column question: expected text",
        ),
        (
            format!("hf:{ID}:a:b:c"),
            "hf:owner/name[@revision][:config][:split]",
        ),
    ] {
        let output = spanbench(&house, &["run", "--dataset", &name, "--out", "bad"]);
        let errors = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(2), "{errors}");
        assert!(errors.contains(says), "{errors}");
        assert!(!house.folder.path().join("bad").exists());
    }
}
