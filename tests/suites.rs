//! Suites as their users run them: killed, interrupted, resumed, with cells that fail.

mod support;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;
use spanbench::random::SplitMix64;
use spanbench::record::{Cell, run};
use support::program::{assert_refused, read, spanbench, text};
use support::project;

/// A suite of three tiny checkpoints with three repetitions each.
fn write_suite(home: &Path, more: &str) -> PathBuf {
    let models = project("tests/goldens/architectures");
    let path = home.join("tiny.toml");
    let suite = format!(
        "schema = 1\nname = \"tiny\"\ndescription = \"For <tests>.\"\n\
        [run]\nrepeat = 3\n\
        [defaults]\nlimit = 4\nmax-seq-len = 96\ndoc-stride = 16\nmin-duration = \"0s\"\nresamples = 10\n\
        [[matrix]]\nprose = \"Three.\"\nmodel = [\"{0}/bert\", \"{0}/albert\", \"{0}/electra\"]\n{more}",
        models.display()
    );
    std::fs::write(&path, suite).unwrap();
    path
}

fn command(home: &Path, more: &[&str]) -> Command {
    command_into(home, "o", more)
}

fn command_into(home: &Path, out: &str, more: &[&str]) -> Command {
    let mut command = spanbench(home);
    command.args(["run", "tiny.toml", "--out", out]).args(more);
    command
}

/// The repetitions that are done of each cell: of finished ones the whole record, of others the
/// files that are kept.
fn done(out: &Path) -> BTreeMap<String, (usize, Option<String>)> {
    let mut done = BTreeMap::new();
    for entry in std::fs::read_dir(out).into_iter().flatten().flatten() {
        let folder = entry.path();
        if !folder.is_dir() {
            continue;
        }
        let name = entry.file_name().into_string().unwrap();
        let record = std::fs::read_to_string(folder.join("run.json")).ok();
        // What is there can be read, and belongs together.
        let repetitions = record.as_ref().map_or(0, |_| {
            let cells = run::open(&folder).unwrap();
            match &cells[..] {
                [Cell::Finished(run)] => run.record.repetitions.len(),
                other => panic!("{other:?}"),
            }
        });
        let kept = std::fs::read_dir(folder.join(".repetitions"));
        let kept = kept.into_iter().flatten().flatten();
        let kept = kept.filter(|file| file.file_name().to_string_lossy().ends_with(".json"));
        let finished = record.filter(|_| repetitions == 3);
        done.insert(name, (kept.count().max(repetitions), finished));
    }
    done
}

/// Fifty times a run is killed at a random moment: nothing that was done is lost or done twice,
/// and no file is half there.
#[test]
fn killed_runs_go_on_where_they_were() {
    let home = tempfile::tempdir().unwrap();
    write_suite(home.path(), "");
    let out = home.path().join("o");
    let mut random = SplitMix64::stream(6, 0);
    let (mut kills, mut rounds) = (0, 0);
    while kills < 50 {
        rounds += 1;
        assert!(rounds < 30, "hardly any run could be killed");
        let _ = std::fs::remove_dir_all(&out);
        let mut before = done(&out);
        loop {
            let mut child = command(home.path(), &["--resume"])
                .stdout(Stdio::null())
                .stderr(Stdio::null())
                .spawn()
                .unwrap();
            let moment = Instant::now() + Duration::from_millis(random.below(500));
            let ended = loop {
                if let Some(status) = child.try_wait().unwrap() {
                    break Some(status);
                }
                if Instant::now() >= moment {
                    break None;
                }
                std::thread::sleep(Duration::from_millis(1));
            };
            let _ = child.kill();
            child.wait().unwrap();
            let now = done(&out);
            for (name, (repetitions, record)) in &before {
                let (later, same) = &now[name];
                assert!(later >= repetitions, "{name}: {later} of {repetitions}");
                assert!(record.is_none() || record == same, "{name} was done twice");
            }
            before = now;
            match ended {
                Some(status) => {
                    assert!(status.success());
                    break;
                }
                None => kills += 1,
            }
        }
        let whole = done(&out);
        assert_eq!(whole.len(), 3);
        assert!(whole.values().all(|(_, record)| record.is_some()));
    }
    // What is left is what a run leaves that nobody killed.
    let output = command_into(home.path(), "calm", &[]).output().unwrap();
    assert!(output.status.success(), "{}", text(&output.stderr));
    let files = |folder: &Path| -> Vec<String> {
        let mut names = Vec::new();
        for entry in std::fs::read_dir(folder).unwrap().flatten() {
            let name = entry.file_name().into_string().unwrap();
            if entry.path().is_dir() {
                let inner = std::fs::read_dir(entry.path()).unwrap().flatten();
                let inner = inner.map(|e| e.file_name().into_string().unwrap());
                names.extend(inner.map(|file| format!("{name}/{file}")));
            } else {
                names.push(name);
            }
        }
        names.sort();
        names
    };
    let calm = home.path().join("calm");
    assert_eq!(files(&out), files(&calm));
    for name in files(&calm) {
        if name.ends_with("predictions.json") || name.ends_with("suite.json") {
            let [one, other] = [&out, &calm].map(|o| std::fs::read(o.join(&name)).unwrap());
            assert_eq!(one, other, "{name}");
        }
    }
}

#[test]
fn finished_cells_are_left_alone_until_what_they_are_made_from_changes() {
    let home = tempfile::tempdir().unwrap();
    write_suite(home.path(), "");
    let run = |more: &[&str]| {
        let output = command(home.path(), more).output().unwrap();
        let errors = text(&output.stderr);
        assert!(output.status.success(), "{errors}");
        (done(&home.path().join("o")), errors)
    };
    let (first, errors) = run(&["--resume"]);
    assert!(errors.contains("3 of 3: electra-"), "{errors}");
    let (second, errors) = run(&["--resume", "--json"]);
    assert_eq!(first, second);
    assert!(!errors.contains("of 3:"), "{errors}");
    let (third, errors) = run(&["--resume", "--batch-tokens", "512"]);
    assert!(errors.contains("other settings"), "{errors}");
    assert!(first.iter().all(|(name, was)| third[name] != *was));
    let (fourth, _) = run(&["--batch-tokens", "512"]);
    assert!(third.iter().all(|(name, was)| fourth[name] != *was));
    let manifest = read(&home.path().join("o/suite.json"));
    assert_eq!(manifest["name"], "tiny");
    assert_eq!(manifest["cells"][2]["prose"], "Three.");
}

/// A data set that changed between two runs, by one letter of a question.
#[test]
fn changed_files_are_measured_again() {
    let home = tempfile::tempdir().unwrap();
    let data = |question: &str| {
        let text = format!(
            r#"{{"data": [{{"paragraphs": [{{"context": "Ann met Bo.", "qas": [{{"id": "1", "question": "{question}",
            "answers": [{{"text": "Bo", "answer_start": 8}}]}}]}}]}}]}}"#
        );
        std::fs::write(home.path().join("d.json"), text).unwrap();
    };
    let run = |more: &[&str]| {
        let model = project("tests/goldens/architectures/bert");
        let mut command = spanbench(home.path());
        command.args(["run", "--dataset", "d.json", "--max-seq-len", "96"]);
        command.args(["--doc-stride", "16", "--min-duration", "0s", "--model"]);
        command.arg(model).args(["--resamples", "10"]).args(more);
        let output = command.output().unwrap();
        assert!(output.status.success(), "{}", text(&output.stderr));
        text(&output.stderr)
    };
    data("Whom did Ann meet?");
    run(&[]);
    // Without --out the newest folder of that name is gone on with.
    let said = run(&["--resume"]);
    assert!(
        said.contains("results: reports") && !said.contains("again"),
        "{said}"
    );
    data("Whom did Ann see?");
    let said = run(&["--resume"]);
    assert!(said.contains("files have changed"), "{said}");
    let runs = std::fs::read_dir(home.path().join("reports")).unwrap();
    assert_eq!(runs.count(), 1);
}

/// One cell has no files, another misses its accuracy: the third is measured, and the table has
/// what there is.
#[test]
fn a_cell_that_fails_is_a_row() {
    let home = tempfile::tempdir().unwrap();
    let expect = "[[expect]]\nmatch = { model = \"*albert\" }\nf1 = 99.0\n";
    let path = write_suite(home.path(), "");
    let suite = std::fs::read_to_string(&path).unwrap();
    let albert = project("tests/goldens/architectures").join("albert");
    let expect = expect.replace("*albert", &albert.display().to_string());
    let nowhere = "[[cell]]\nname = \"nowhere\"\nmodel = \"./no/such/model\"\n";
    std::fs::write(&path, format!("{suite}{nowhere}{expect}")).unwrap();
    let output = command(home.path(), &[]).output().unwrap();
    let (table, errors) = (text(&output.stdout), text(&output.stderr));
    assert_eq!(output.status.code(), Some(2), "{errors}");
    let rows: Vec<&str> = table.lines().skip(1).take(4).collect();
    let failed = rows.iter().filter(|row| row.contains(" failed "));
    assert_eq!(failed.count(), 2, "{table}");
    assert!(table.contains("accuracy missed: F1"), "{table}");
    assert!(errors.contains("./no/such/model"), "{errors}");
    let cells = run::open(&home.path().join("o")).unwrap();
    let of = |name: &str| cells.iter().find(|cell| cell.name().starts_with(name));
    assert!(matches!(of("bert"), Some(Cell::Finished(_))));
    assert!(matches!(of("electra"), Some(Cell::Finished(_))));
    let Some(Cell::Failed { path, .. }) = of("albert") else {
        panic!("{cells:?}");
    };
    let refused = read(&home.path().join("o/nowhere/run.json"));
    assert_eq!(refused["error"]["kind"], "refused");
    let record: Value = read(&path.join("run.json"));
    assert_eq!(record["error"]["kind"], "accuracy-missed");
    let message = record["error"]["message"].as_str().unwrap();
    assert!(
        message.contains("F1") && message.contains("99"),
        "{message}"
    );
    assert!(record.get("throughput").is_none());
}

#[cfg(unix)]
#[test]
fn ctrl_c_ends_a_run_cleanly() {
    let home = tempfile::tempdir().unwrap();
    let mut command = spanbench(home.path());
    command.args([
        "run",
        "--limit",
        "12",
        "--min-duration",
        "10m",
        "--out",
        "o",
    ]);
    let child = command
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    std::thread::sleep(Duration::from_secs(2));
    let interrupt = |signal: &str| {
        let id = child.id().to_string();
        let status = Command::new("kill").args([signal, &id]).status();
        assert!(status.unwrap().success());
    };
    let begun = Instant::now();
    interrupt("-INT");
    let output = child.wait_with_output().unwrap();
    assert!(begun.elapsed() < Duration::from_secs(5));
    let errors = text(&output.stderr);
    assert_eq!(output.status.code(), Some(130), "{errors}");
    assert_eq!(
        errors.trim_end(),
        "interrupted; go on with the same command and --resume"
    );
    assert!(output.stdout.is_empty());
    assert!(!home.path().join("o").exists(), "an empty folder was left");
}

#[test]
fn two_runs_do_not_write_to_one_folder() {
    let home = tempfile::tempdir().unwrap();
    let mut long = spanbench(home.path());
    long.args([
        "run",
        "--limit",
        "12",
        "--min-duration",
        "10m",
        "--out",
        "o",
    ]);
    let long = long.stdout(Stdio::null()).stderr(Stdio::null());
    let mut long = long.spawn().unwrap();
    while !home.path().join("o").exists() {
        std::thread::sleep(Duration::from_millis(5));
    }
    std::thread::sleep(Duration::from_millis(200));
    let mut other = spanbench(home.path());
    other.args(["run", "--limit", "1", "--out", "o"]);
    let output = other.output().unwrap();
    long.kill().unwrap();
    long.wait().unwrap();
    assert_refused(&output, &["o: another run is writing here", "--out"]);
}

#[test]
fn a_dry_run_lists_and_leaves_nothing() {
    let home = tempfile::tempdir().unwrap();
    write_suite(home.path(), "");
    let output = command(home.path(), &["--dry-run"]).output().unwrap();
    assert!(output.status.success(), "{}", text(&output.stderr));
    let list = text(&output.stdout);
    for name in ["bert", "albert", "electra"] {
        assert!(list.lines().any(|line| line.starts_with(name)), "{list}");
    }
    assert!(!home.path().join("o").exists());
    let json = command(home.path(), &["--dry-run", "--json"])
        .output()
        .unwrap();
    let json: Value = serde_json::from_slice(&json.stdout).unwrap();
    assert_eq!(json["cells"].as_array().unwrap().len(), 3);
}
