//! `spanbench compare`: records against records, models against models, and exit codes.

mod support;

use std::path::Path;
use std::process::Output;

use serde_json::Value;
use support::program::{assert_refused, read, short_run, spanbench, text};
use support::project;

/// Runs a tiny checkpoint on four questions.
fn run_tiny(home: &Path, model: &str, more: &[&str]) {
    let mut command = short_run(home);
    command.args(["--min-duration", "0s", "--model"]);
    command.arg(project("tests/goldens/architectures").join(model));
    let output = command.args(more).output().unwrap();
    assert!(output.status.success(), "{}", text(&output.stderr));
}

fn compare(home: &Path, arguments: &[&str]) -> Output {
    let mut command = spanbench(home);
    command.env_remove("GITHUB_STEP_SUMMARY");
    command.arg("compare").args(arguments).output().unwrap()
}

/// Compares, with this exit code; gives the verdict.
fn verdict(home: &Path, arguments: &[&str], code: i32) -> Value {
    let output = compare(home, &[arguments, &["--json"]].concat());
    let errors = text(&output.stderr);
    assert_eq!(output.status.code(), Some(code), "{errors}");
    let verdict: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(verdict["exit_code"], code);
    verdict
}

/// The bundled model with the weights of one layer's second dense layer negated.
fn damaged(home: &Path) {
    let folder = home.join("damaged");
    std::fs::create_dir(&folder).unwrap();
    let bundled = project("models/bundled/minilm-l6-squad");
    for entry in std::fs::read_dir(bundled).unwrap().flatten() {
        std::fs::copy(entry.path(), folder.join(entry.file_name())).unwrap();
    }
    let path = folder.join("model.safetensors");
    let mut bytes = std::fs::read(&path).unwrap();
    let header = u64::from_le_bytes(bytes[..8].try_into().unwrap()) as usize;
    let tensors: Value = serde_json::from_slice(&bytes[8..8 + header]).unwrap();
    let tensors = tensors.as_object().unwrap();
    let is_layer = |name: &&String| name.ends_with("encoder.layer.2.output.dense.weight");
    let name = tensors.keys().find(is_layer).unwrap();
    assert_eq!(tensors[name]["dtype"], "F16");
    let offset = |end: usize| tensors[name]["data_offsets"][end].as_u64().unwrap() as usize;
    let data = 8 + header + offset(0)..8 + header + offset(1);
    for high in bytes[data].iter_mut().skip(1).step_by(2) {
        *high ^= 0x80;
    }
    std::fs::write(&path, bytes).unwrap();
}

/// A swap that does not matter passes; a damaged model is a regression; other questions are not
/// comparable.
#[test]
fn a_damaged_model_is_caught_and_the_same_one_passes() {
    let home = tempfile::tempdir().unwrap();
    let home = home.path();
    damaged(home);
    for (model, out) in [("minilm-l6-squad", "base"), ("./damaged", "bad")] {
        let mut command = spanbench(home);
        command.args(["run", "--sample", "48", "--min-duration", "0s", "--model"]);
        let output = command.args([model, "--out", out]).output().unwrap();
        assert!(output.status.success(), "{}", text(&output.stderr));
    }
    let found = verdict(home, &["base", "bad"], 1);
    assert_eq!(found["outcome"], "regression");
    let accuracy = &found["cells"][0]["comparison"]["accuracy"];
    assert_eq!(accuracy["exact_match"]["verdict"], "worse");
    assert_eq!(accuracy["f1"]["verdict"], "worse");
    let flips = &found["cells"][0]["comparison"]["flips"]["questions"];
    let flips = flips.as_array().unwrap();
    assert!(flips.len() >= 5);
    assert!(
        flips
            .iter()
            .all(|flip| flip["question"].is_string() && flip["golds"].is_array())
    );
    let found = verdict(home, &["base", "base"], 0);
    assert_eq!(found["outcome"], "pass");
    // The other way round nothing is worse.
    let output = compare(home, &["bad", "base", "--json"]);
    let found: Value = serde_json::from_slice(&output.stdout).unwrap();
    let accuracy = &found["cells"][0]["comparison"]["accuracy"];
    assert_eq!(accuracy["f1"]["verdict"], "better");
    assert_ne!(output.status.code(), Some(1));
}

#[test]
fn other_data_is_not_comparable() {
    let home = tempfile::tempdir().unwrap();
    let home = home.path();
    run_tiny(home, "bert", &["--out", "four"]);
    let mut command = spanbench(home);
    command.args([
        "run",
        "--limit",
        "3",
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
        "fewer",
        "--model",
    ]);
    command.arg(project("tests/goldens/architectures/bert"));
    assert!(command.output().unwrap().status.success());
    let found = verdict(home, &["four", "fewer"], 3);
    assert_eq!(found["outcome"], "not_comparable");
    let checks = found["cells"][0]["checks"].as_array().unwrap();
    let said = checks[0]["found"].as_str().unwrap();
    assert!(said.contains("questions"), "{said}");
    let output = compare(home, &["four", "fewer"]);
    assert!(text(&output.stdout).ends_with("not comparable\n"));
}

/// All that a job of continuous integration takes away.
#[test]
fn verdicts_are_written_for_people_and_servers() {
    let home = tempfile::tempdir().unwrap();
    let home = home.path();
    run_tiny(home, "bert", &["--save-baseline", "main", "--out", "first"]);
    let kept = home.join("reports/baseline/main");
    assert!(kept.join("questions.jsonl").exists() && !kept.join("samples.jsonl").exists());
    run_tiny(home, "bert", &["--out", "second"]);
    let mut command = spanbench(home);
    command.env("GITHUB_STEP_SUMMARY", home.join("summary.md"));
    std::fs::write(home.join("summary.md"), "# Before\n").unwrap();
    command.args(["compare", "main", "second", "--junit", "j.xml"]);
    command.args(["-o", "v.md", "-o", "v.json", "-o", "v.html"]);
    let output = command.output().unwrap();
    assert!(output.status.success(), "{}", text(&output.stderr));
    assert!(text(&output.stdout).ends_with("\npass\n"));
    let [summary, markdown, junit, page] = ["summary.md", "v.md", "j.xml", "v.html"]
        .map(|file| std::fs::read_to_string(home.join(file)).unwrap());
    assert_eq!(summary, format!("# Before\n{markdown}"));
    assert!(markdown.starts_with("## ✅ spanbench: pass"));
    assert!(
        junit.contains("tests=\"2\" failures=\"0\" errors=\"0\""),
        "{junit}"
    );
    assert!(page.starts_with("<!DOCTYPE html>") || page.starts_with("<!doctype html>"));
    assert_eq!(read(&home.join("v.json"))["outcome"], "pass");
}

#[test]
fn two_models_are_measured_side_by_side() {
    let home = tempfile::tempdir().unwrap();
    let home = home.path();
    let models = project("tests/goldens/architectures");
    let [bert, albert] = ["bert", "albert"].map(|m| models.join(m).display().to_string());
    let settings = [
        "--limit",
        "4",
        "--max-seq-len",
        "96",
        "--doc-stride",
        "16",
        "--min-duration",
        "0s",
        "--resamples",
        "10",
        "--repeat",
        "2",
    ];
    let same = [&["--run", &bert, &bert, "--out", "o"][..], &settings].concat();
    let found = verdict(home, &same, 0);
    let comparison = &found["cells"][0]["comparison"];
    assert_eq!(comparison["base"]["repetitions"], 2);
    assert!(comparison["base"]["run_id"] == comparison["candidate"]["run_id"]);
    let figures = comparison["performance"].as_array().unwrap();
    assert!(figures.iter().all(|figure| figure["paired"] == true));
    assert!(home.join("o/base/run.json").exists());
    // The candidate's own settings; without --out the records lie under reports/.
    let other = [
        &["--run", &bert, &albert, "--candidate-dtype", "bf16"][..],
        &settings,
    ]
    .concat();
    let output = compare(home, &other);
    assert!(
        matches!(output.status.code(), Some(0 | 1 | 3)),
        "{}",
        text(&output.stderr)
    );
    let reports = std::fs::read_dir(home.join("reports"))
        .unwrap()
        .next()
        .unwrap();
    let record = read(&reports.unwrap().path().join("candidate/run.json"));
    assert_eq!(record["model"]["dtype"], "bf16");
}

/// Cells of two runs are compared by their names; one that fails in the candidate's alone is a
/// regression.
#[test]
fn runs_of_several_cells_are_compared_by_name() {
    let home = tempfile::tempdir().unwrap();
    let home = home.path();
    let models = project("tests/goldens/architectures");
    let more = |out: &str| {
        let albert = models.join("albert").display().to_string();
        run_tiny(home, "bert", &["--model", &albert, "--out", out]);
    };
    more("a");
    more("b");
    let found = verdict(home, &["a", "b"], 0);
    let names = found["cells"].as_array().unwrap().iter();
    let names: Vec<&str> = names.map(|cell| cell["cell"].as_str().unwrap()).collect();
    assert_eq!(names, ["albert-mixed-bag", "bert-mixed-bag"]);
    let path = home.join("b/bert-mixed-bag");
    let failure = r#"{"schema": 1, "cell": "bert-mixed-bag", "model": "m", "dataset": "d", "device": "cpu",
        "scenario": "offline", "error": {"kind": "crash", "message": "it died", "phase": null, "repetition": 1, "stderr": ""}}"#;
    std::fs::write(path.join("run.json"), failure).unwrap();
    let found = verdict(home, &["a", "b"], 1);
    let found = found["cells"][1]["checks"][0]["found"].as_str().unwrap();
    assert_eq!(found, "the candidate failed: it died");
    verdict(home, &["b", "a"], 3);
    std::fs::remove_dir_all(path).unwrap();
    verdict(home, &["a", "b"], 3);
}

#[test]
fn what_is_wrong_is_named() {
    let home = tempfile::tempdir().unwrap();
    let home = home.path();
    run_tiny(home, "bert", &["--save-baseline", "main", "--out", "o"]);
    std::fs::write(home.join("g.toml"), "schema = 1\n[accuracy]\nmax-f1 = 1\n").unwrap();
    let slice = "schema = 1\n[[slice]]\nname = \"has_answer=maybe\"\nmax-f1-drop = 1\n";
    std::fs::write(home.join("s.toml"), slice).unwrap();
    std::fs::create_dir(home.join("empty")).unwrap();
    for (arguments, parts) in [
        (
            &["o", "none"][..],
            &["none: there is no such folder", "main"][..],
        ),
        (&["o", "empty"], &["no run.json"]),
        (
            &["o", "o", "--dtype", "bf16"],
            &["--dtype has no meaning", "--run"],
        ),
        (&["o", "o", "--repeat", "3"], &["--repeat has no meaning"]),
        (
            &["o", "o", "--candidate-dtype", "bf16"],
            &["--candidate-dtype"],
        ),
        (&["o", "o", "-o", "v.pdf"], &["v.pdf", ".html"]),
        (
            &["o", "o", "--gate", "none.toml"],
            &["none.toml", "cannot be read"],
        ),
        (
            &["o", "o", "--gate", "g.toml"],
            &["g.toml: line 3", "max-f1"],
        ),
        (
            &["o", "o", "--gate", "s.toml"],
            &["has_answer=maybe", "has_answer=yes"],
        ),
    ] {
        assert_refused(&compare(home, arguments), parts);
    }
    // Half a record is none.
    let path = home.join("o/questions.jsonl");
    let lines = std::fs::read_to_string(&path).unwrap();
    std::fs::write(&path, &lines[..lines.len() / 2]).unwrap();
    assert_refused(&compare(home, &["main", "o"]), &["questions.jsonl", "line"]);
}
