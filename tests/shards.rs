//! Shards and their merging, as users call them: the merged record is the single run's.

mod support;

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;
use support::program::{assert_refused, read, spanbench, text};
use support::project;

/// What only a single run can measure.
const SPEED: [&str; 6] = [
    "throughput",
    "latency_ms",
    "memory",
    "repetitions",
    "wall_s",
    "environment",
];

/// A run of a model of a few thousand weights, as short as it can be.
fn quick(home: &Path, more: &[&str]) -> Command {
    let model = project("tests/goldens/architectures/bert");
    let mut command = spanbench(home);
    command.arg("run").arg("--model").arg(model);
    command.args("--max-seq-len 96 --doc-stride 16 --min-duration 0s --resamples 200".split(' '));
    command.args(more);
    command
}

fn good(command: &mut Command) -> Output {
    let output = command.output().unwrap();
    assert!(output.status.success(), "{}", text(&output.stderr));
    output
}

/// Runs all shards of a run into `DIR/shard-I`.
fn shards(home: &Path, folder: &str, count: usize, more: &[&str]) {
    for number in 1..=count {
        let shard = format!("{number}/{count}");
        let out = format!("{folder}/shard-{number}");
        good(quick(home, more).args(["--shard", &shard, "--out", &out]));
    }
}

fn merge(home: &Path, arguments: &[&str]) -> Command {
    let mut command = spanbench(home);
    command.arg("merge").args(arguments);
    command
}

/// Asks that the folder of merged shards is that of the single run in all that is accuracy.
fn assert_same(single: &Path, merged: &Path) {
    let bytes = |folder: &Path, name: &str| std::fs::read(folder.join(name)).ok();
    for name in ["predictions.json", "null_odds.json"] {
        assert!(bytes(single, name) == bytes(merged, name), "{name} differs");
    }
    let (one, other) = (
        read(&single.join("run.json")),
        read(&merged.join("run.json")),
    );
    for field in [
        "schema", "cell", "model", "dataset", "device", "protocol", "accuracy", "analysis",
    ] {
        assert!(!one[field].is_null(), "{field}");
        assert_eq!(one[field], other[field], "{field}");
    }
    let not_merged = other["not_merged"].as_array().unwrap();
    for field in SPEED {
        assert!(other.get(field).is_none(), "{field} was merged");
        assert!(not_merged.contains(&field.into()), "{field}");
        assert!(other["warnings"][0].as_str().unwrap().contains(field));
    }
    for field in not_merged {
        assert!(other.get(field.as_str().unwrap()).is_none(), "{field}");
    }
    let lines = |folder: &Path| -> Vec<Value> {
        let text = std::fs::read_to_string(folder.join("questions.jsonl")).unwrap();
        let lines = text.split_terminator('\n');
        let mut lines: Vec<Value> = lines.map(|l| serde_json::from_str(l).unwrap()).collect();
        for line in &mut lines {
            line["latency_ms"].take();
        }
        lines
    };
    assert_eq!(lines(single), lines(merged));
}

#[test]
fn eight_shards_merged_are_the_single_run() {
    let home = tempfile::tempdir().unwrap();
    let home = home.path();
    good(quick(home, &[]).args(["--out", "single"]));
    shards(home, "shards", 8, &[]);
    // The folder of all of them, in no order that a shell gives.
    let output = good(&mut merge(home, &["shards", "--out", "merged", "--json"]));
    let record = read(&home.join("merged/run.json"));
    assert_eq!(
        serde_json::from_slice::<Value>(&output.stdout).unwrap(),
        record
    );
    assert_same(&home.join("single"), &home.join("merged"));
    assert_eq!(record["dataset"]["questions"], 276);
    let parts = record["shards"].as_array().unwrap();
    assert_eq!(parts.len(), 8);
    for (index, part) in parts.iter().enumerate() {
        let own = read(&home.join(format!("shards/shard-{}/run.json", index + 1)));
        assert_eq!(part["shard"], index + 1);
        assert_eq!(own["protocol"]["shard"], format!("{}/8", index + 1));
        assert_eq!(part["questions"], own["dataset"]["questions"]);
        assert_eq!(part["measured"]["throughput"], own["throughput"]);
        // No shard has twice its share of the work.
        let windows = own["dataset"]["windows"].as_u64().unwrap();
        assert!(8 * windows < 2 * record["dataset"]["windows"].as_u64().unwrap());
    }
    // The same from other folders, named one by one and backwards, over what is there.
    let names: Vec<String> = (1..=8).rev().map(|i| format!("shards/shard-{i}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let output = good(merge(home, &names).args(["--out", "merged"]));
    assert!(text(&output.stdout).contains("EM %"));
    assert_same(&home.join("single"), &home.join("merged"));
    merged_shards_take_the_place_of_a_run(home);
}

/// `compare` and `report` of the folders `single` and `merged`, which are of the same answers.
fn merged_shards_take_the_place_of_a_run(home: &Path) {
    const WHY: &str = "merged from 8 shards, each measured on its own";
    let gate = "schema = 1\nresamples = 200\n[accuracy]\nmax-f1-drop = 1.0\n";
    std::fs::write(home.join("gate.toml"), gate).unwrap();
    let speed = format!("{gate}[figures]\n\"latency_ms.p50\" = {{ max-ratio = 2.0 }}\n");
    std::fs::write(home.join("speed.toml"), speed).unwrap();
    let compare = |base: &str, candidate: &str, gate: &str| {
        let mut command = spanbench(home);
        command.env_remove("GITHUB_STEP_SUMMARY").arg("compare");
        command.args([base, candidate, "--gate", gate, "--json"]);
        let output = command.output().unwrap();
        let verdict: Value = serde_json::from_slice(&output.stdout).unwrap();
        let code = output.status.code().unwrap();
        assert_eq!(verdict["exit_code"], code);
        verdict
    };
    let expected = compare("single", "single", "gate.toml");
    // As a baseline that was put there by hand.
    copy(
        &home.join("merged"),
        &home.join("reports/baseline/main"),
        "run.json",
        |_| {},
    );
    for (base, candidate) in [
        ("single", "merged"),
        ("merged", "single"),
        ("main", "merged"),
    ] {
        let verdict = compare(base, candidate, "gate.toml");
        for field in ["outcome", "exit_code"] {
            assert_eq!(verdict[field], expected[field], "{base} {candidate}");
        }
        let comparison = |of: &Value| of["cells"][0]["comparison"].clone();
        let (found, expected) = (comparison(&verdict), comparison(&expected));
        for part in ["accuracy", "slices", "flips"] {
            assert_eq!(found[part], expected[part], "{part}");
        }
        assert_eq!(found["flips"]["questions"], serde_json::json!([]));
        let figures = found["performance"].as_array().unwrap();
        assert!(figures.len() >= 5);
        for figure in figures {
            assert_eq!(figure["verdict"], "not_comparable");
            assert!(figure["reasons"][0].as_str().unwrap().contains(WHY));
        }
        let verdict = compare(base, candidate, "speed.toml");
        assert_eq!(verdict["outcome"], "not_comparable");
        assert_eq!(verdict["exit_code"], 3);
        assert!(verdict["cells"][0]["checks"].to_string().contains(WHY));
    }
    for ending in ["md", "html", "csv", "tex", "yaml", "xml", "json"] {
        let file = format!("r.{ending}");
        let mut command = spanbench(home);
        command.args(["report", "merged", "single", "--resamples", "200"]);
        good(command.args(["-o", &file]));
    }
    let page = std::fs::read_to_string(home.join("r.md")).unwrap();
    let row = page.lines().find(|line| line.contains("cpu, 8 shards"));
    assert!(row.unwrap().matches("| - ").count() >= 4, "{page}");
    assert_eq!(page.matches(WHY).count(), 1, "{page}");
    let page = std::fs::read_to_string(home.join("r.html")).unwrap();
    assert!(page.contains(WHY) && page.contains("--shard 8/8"));
    let records = read(&home.join("r.json"));
    for (place, folder) in ["merged", "single"].into_iter().enumerate() {
        let record = read(&home.join(folder).join("run.json"));
        assert_eq!(records["records"][place], record);
    }
}

#[test]
fn shards_of_the_bundled_model_are_the_single_run() {
    let home = tempfile::tempdir().unwrap();
    let home = home.path();
    let run = |arguments: &str| {
        let arguments = format!("run --limit 16 --min-duration 0s {arguments}");
        good(spanbench(home).args(arguments.split(' ')));
    };
    run("--out single");
    // Threads and batches of other sizes, as machines of other sizes have them.
    run("--shard 1/2 --out one --threads 1");
    run("--shard 2/2 --out two --threads 2");
    good(&mut merge(home, &["one", "two", "--out", "merged"]));
    let threads = |record: &mut Value| record["protocol"]["threads"].take();
    for folder in ["single", "merged"] {
        let path = home.join(folder).join("run.json");
        let mut record = read(&path);
        threads(&mut record);
        std::fs::write(path, record.to_string()).unwrap();
    }
    assert_same(&home.join("single"), &home.join("merged"));
    // Some of each sort, so that no figure is equal for want of anything in it.
    let accuracy = &read(&home.join("merged/run.json"))["accuracy"];
    assert!(accuracy["exact_match"].as_f64().unwrap() > 0.0);
    assert!(accuracy["HasAns_total"].as_u64().unwrap() > 0);
    assert!(accuracy["NoAns_total"].as_u64().unwrap() > 0);
    let predictions = read(&home.join("merged/predictions.json"));
    assert!(
        predictions
            .as_object()
            .unwrap()
            .values()
            .any(|text| text == "")
    );
}

/// Rows that come back to a passage after another one, one in another language, without titles.
const ROWS: &str = r#"{"id": "1", "context": "The red boat came first.", "question": "Which boat came first?", "answers": {"text": ["red"], "answer_start": [4]}}
{"id": "2", "context": "Zwei Vögel sangen im grünen Wald.", "question": "Wo sangen sie?", "answers": {"text": ["im grünen Wald", "Wald"], "answer_start": [18, 28]}}
{"id": "3", "context": "The red boat came first.", "question": "What came first?", "answers": {"text": ["The red boat"], "answer_start": [0]}}
{"id": "4", "context": "Nobody knows the way to the old mill.", "question": "The way to what?", "answers": {"text": ["the old mill", "mill!"], "answer_start": [24, 3]}}
"#;

#[test]
fn every_decoder_and_protocol_merges() {
    let home = tempfile::tempdir().unwrap();
    let home = home.path();
    std::fs::write(home.join("rows.jsonl"), ROWS).unwrap();
    for (decode, protocol) in [("google", "squad-v1"), ("pipeline", "squad-v2")] {
        let more = [
            "--dataset",
            "rows.jsonl",
            "--decode",
            decode,
            "--protocol",
            protocol,
            "--seed",
            "3",
            "--window-order",
            "shuffled",
        ];
        let single = format!("{decode}/single");
        good(quick(home, &more).args(["--out", &single]));
        let folder = format!("{decode}/shards");
        shards(home, &folder, 3, &more);
        let merged = format!("{decode}/merged");
        good(&mut merge(home, &[&folder, "--out", &merged]));
        assert_same(&home.join(single), &home.join(&merged));
        // A gold answer that is not where the file says is told once, for all shards.
        let record = read(&home.join(merged).join("run.json"));
        let warnings = record["warnings"].as_array().unwrap();
        let told = warnings
            .iter()
            .filter(|w| w.as_str().unwrap().contains("answer_start"));
        assert_eq!(told.count(), 1, "{warnings:?}");
    }
}

#[test]
fn a_shard_without_questions_is_good_and_merges() {
    let home = tempfile::tempdir().unwrap();
    let home = home.path();
    let more = ["--limit", "2"];
    good(quick(home, &more).args(["--out", "single"]));
    shards(home, "shards", 5, &more);
    let empty = home.join("shards/shard-1");
    let names: Vec<_> = std::fs::read_dir(&empty).unwrap().collect();
    assert_eq!(names.len(), 1, "{names:?}");
    assert_eq!(
        read(&empty.join("shard.json"))["questions"],
        serde_json::json!([])
    );
    let again = [&more[..], &["--shard", "1/5", "--out", "again", "--json"]].concat();
    let output = good(&mut quick(home, &again));
    let printed: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(printed["records"], serde_json::json!([]));
    assert!(text(&output.stderr).contains("no question falls to shard 1/5"));
    good(&mut merge(home, &["shards", "--out", "merged"]));
    assert_same(&home.join("single"), &home.join("merged"));
}

#[test]
fn cells_are_merged_each_into_a_folder() {
    let home = tempfile::tempdir().unwrap();
    let home = home.path();
    std::fs::write(home.join("rows.jsonl"), ROWS).unwrap();
    let more = [
        "--dataset",
        "rows.jsonl",
        "--dataset",
        "mixed-bag",
        "--limit",
        "3",
    ];
    good(quick(home, &more).args(["--out", "single"]));
    shards(home, "shards", 2, &more);
    let output = good(&mut merge(home, &["shards", "--out", "merged", "--json"]));
    let printed: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(printed["records"].as_array().unwrap().len(), 2);
    for cell in ["bert-rows", "bert-mixed-bag"] {
        assert_same(
            &home.join("single").join(cell),
            &home.join("merged").join(cell),
        );
    }
}

/// A copy of a folder, with one of its JSON files changed.
fn copy(from: &Path, to: &Path, file: &str, change: impl FnOnce(&mut Value)) -> PathBuf {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        std::fs::copy(entry.path(), to.join(entry.file_name())).unwrap();
    }
    let path = to.join(file);
    let mut json = read(&path);
    change(&mut json);
    std::fs::write(path, json.to_string()).unwrap();
    to.to_owned()
}

#[test]
fn shards_that_are_no_whole_are_refused_by_name() {
    let home = tempfile::tempdir().unwrap();
    let home = home.path();
    shards(home, "s", 2, &["--limit", "4"]);
    let refused = |arguments: &[&str], parts: &[&str]| {
        let arguments = [arguments, &["--out", "merged"]].concat();
        assert_refused(&merge(home, &arguments).output().unwrap(), parts);
        assert!(!home.join("merged").exists());
    };
    let (one, two) = ("s/shard-1", "s/shard-2");
    refused(&[one], &["of its 2 shards 2 is missing"]);
    refused(&[one, two, one], &["shard 1 is there twice", "s/shard-1"]);
    // Another setting, other questions, another number of shards, another model.
    let other = |folder: &str, more: &[&str]| {
        good(quick(home, more).args(["--out", folder]));
    };
    other(
        "longer",
        &["--limit", "4", "--shard", "2/2", "--max-answer-len", "5"],
    );
    refused(
        &[one, "longer"],
        &["protocol.max_answer_len is 30 in s/shard-1 and 5 in longer"],
    );
    other("limit", &["--limit", "5", "--shard", "2/2"]);
    refused(&[one, "limit"], &["not of one whole", "s/shard-1", "limit"]);
    other("third", &["--limit", "4", "--shard", "3/3"]);
    refused(
        &[one, "third"],
        &["number of shards is 2 in s/shard-1 and 3 in third"],
    );
    let relu = project("tests/goldens/architectures/bert-relu");
    let relu = relu.to_str().unwrap();
    let output = spanbench(home)
        .args([
            "run", "--model", relu, "--limit", "4", "--shard", "2/2", "--out", "relu",
        ])
        .args("--max-seq-len 96 --doc-stride 16 --min-duration 0s --resamples 200".split(' '))
        .output();
    assert!(output.unwrap().status.success());
    let relu = copy(
        &home.join("relu"),
        &home.join("renamed"),
        "shard.json",
        |shard| {
            shard["cell"] = "bert-mixed-bag".into();
        },
    );
    let record = relu.join("run.json");
    let mut json = read(&record);
    json["cell"] = "bert-mixed-bag".into();
    std::fs::write(record, json.to_string()).unwrap();
    refused(&[one, "renamed"], &["model.files", "s/shard-1", "renamed"]);
    // No shard at all.
    other("whole", &["--limit", "4"]);
    refused(&["whole"], &["no shard.json", "a run without --shard"]);
    refused(&["nowhere"], &["nowhere", "cannot be read"]);
    std::fs::create_dir(home.join("empty")).unwrap();
    refused(&["empty"], &["empty: no shard.json"]);
    let output = merge(home, &[one, two, "--out", two]).output().unwrap();
    assert_refused(&output, &["s/shard-2: the folder of a shard"]);
}

type Change = fn(&mut Value);

#[test]
fn shards_that_were_changed_are_refused_by_name() {
    let home = tempfile::tempdir().unwrap();
    let home = home.path();
    shards(home, "s", 2, &["--limit", "4"]);
    let changes: [(&str, Change, &str); 10] = [
        ("schema", |s| s["schema"] = 7.into(), "version 7"),
        (
            "id",
            |s| s["questions"][0]["id"] = "x".into(),
            "divided from",
        ),
        ("number", |s| s["shard"] = 9.into(), "\"9/2\" is no shard"),
        ("name", |s| s["cell"] = "../../x".into(), "no folder's"),
        (
            "first",
            |s| s["first"] = 1.into(),
            "questions from place 1 on",
        ),
        (
            "gold",
            |s| s["questions"][0]["golds"][0]["start"] = 1.into(),
            "not at its offset",
        ),
        (
            "span",
            |s| s["questions"][0]["answer"]["span"] = serde_json::json!([5, 1_000_000]),
            "outside its passage",
        ),
        (
            "passage",
            |s| s["questions"][0]["passage"] = 77.into(),
            "its passage is not there",
        ),
        (
            "dataset",
            |s| s["dataset"]["sha256"] = "0".into(),
            "run.json beside it is of another run",
        ),
        (
            "field",
            |s| s["questions"][0]["answer"] = Value::Null,
            "answer",
        ),
    ];
    for (name, change, part) in changes {
        copy(
            &home.join("s/shard-1"),
            &home.join(name),
            "shard.json",
            change,
        );
        let arguments = [name, "s/shard-2", "--out", "merged"];
        let output = merge(home, &arguments).output().unwrap();
        assert_refused(&output, &[part, name]);
        assert!(!home.join("merged").exists());
    }
    // A shard whose run was cut off while its files took their names.
    copy(
        &home.join("s/shard-1"),
        &home.join("cut"),
        "shard.json",
        |_| {},
    );
    std::fs::remove_file(home.join("cut/run.json")).unwrap();
    let output = merge(home, &["cut", "s/shard-2", "--out", "merged"]).output();
    assert_refused(&output.unwrap(), &["cut: shard 1/2 is not finished"]);
    // Half a file.
    std::fs::write(home.join("cut/shard.json"), "{\"schema\": 1").unwrap();
    let output = merge(home, &["cut", "s/shard-2", "--out", "merged"]).output();
    assert_refused(&output.unwrap(), &["cut/shard.json", "EOF"]);
}

#[test]
fn the_schedulers_say_which_shard_only_where_they_are_asked() {
    let home = tempfile::tempdir().unwrap();
    let home = home.path();
    let slurm = [
        ("SLURM_ARRAY_TASK_ID", "2"),
        ("SLURM_ARRAY_TASK_COUNT", "3"),
        ("SLURM_ARRAY_TASK_MIN", "1"),
        ("SLURM_ARRAY_TASK_MAX", "3"),
        ("SLURM_ARRAY_TASK_STEP", "1"),
    ];
    let kubernetes = [("JOB_COMPLETION_INDEX", "1"), ("JOB_COMPLETIONS", "3")];
    let limit = ["--limit", "6", "--out", "o"];
    let auto = [&limit[..], &["--shard", "auto"]].concat();
    for (variables, name) in [
        (&slurm[..], "SLURM_ARRAY_TASK_ID"),
        (&kubernetes, "JOB_COMPLETION"),
    ] {
        let output = good(quick(home, &auto).envs(variables.iter().copied()));
        let errors = text(&output.stderr);
        let told = errors.lines().find(|line| line.starts_with("shard 2/3: "));
        assert!(told.is_some_and(|line| line.contains(name)), "{errors}");
        assert_eq!(read(&home.join("o/shard.json"))["shard"], 2);
        good(quick(home, &limit).envs(variables.iter().copied()));
        assert!(!home.join("o/shard.json").exists());
        assert_eq!(read(&home.join("o/run.json"))["dataset"]["questions"], 6);
    }
    let output = quick(home, &auto).env("JOB_COMPLETION_INDEX", "1").output();
    assert_refused(&output.unwrap(), &["JOB_COMPLETIONS", "spec.completions"]);
    let output = quick(home, &auto).output().unwrap();
    assert_refused(&output, &["no task of a job array", "--shard I/N"]);
    for shard in ["0/3", "4/3", "x"] {
        let output = quick(home, &["--shard", shard]).output().unwrap();
        assert_eq!(output.status.code(), Some(2));
        assert!(text(&output.stderr).contains("I from 1 to N"));
    }
}
