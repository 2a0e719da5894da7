//! Suites as their users run them: killed, interrupted, resumed, with cells that fail.

mod support;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;
use spanbench::random::SplitMix64;
use spanbench::record::{Cell, run};
use support::program::{assert_refused, read, short_run, spanbench, text};
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
                [Cell::Finished(run)] => run.record.measured().unwrap().repetitions.len(),
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
    // Sooner and sooner, where runs end before they are killed: machines differ in speed.
    let mut latest_ms = 500;
    while kills < 50 {
        rounds += 1;
        assert!(rounds < 60, "hardly any run could be killed");
        let _ = std::fs::remove_dir_all(&out);
        let mut before = done(&out);
        loop {
            let mut child = command(home.path(), &["--resume"])
                .stdout(Stdio::null())
                .stderr(Stdio::null())
                .spawn()
                .unwrap();
            let moment = Instant::now() + Duration::from_millis(random.below(latest_ms));
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
                    latest_ms = (latest_ms * 9 / 10).max(20);
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
    assert_eq!(errors.matches(": scored by ").count(), 1, "{errors}");
    let (second, errors) = run(&["--resume", "--json"]);
    assert_eq!(first, second);
    assert!(!errors.contains("of 3:"), "{errors}");
    // What would be done is told before, and nothing is done.
    let plan = |more: &[&str]| {
        let output = command(home.path(), more).arg("--dry-run").output();
        text(&output.unwrap().stdout)
    };
    let told = plan(&["--resume"]);
    assert_eq!(told.matches(" kept ").count(), 3, "{told}");
    assert!(told.contains("every cell is kept"), "{told}");
    let told = plan(&["--resume", "--batch-tokens", "512"]);
    assert!(
        told.contains("\nagain: it was measured with other settings"),
        "{told}"
    );
    assert_eq!(told.matches(" kept ").count(), 0, "{told}");
    assert!(!plan(&[]).contains("resume"));
    assert_eq!(first, done(&home.path().join("o")));
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
    let said = run(&[]);
    assert_eq!(said.matches("results: reports").count(), 1, "{said}");
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

/// Two tiny checkpoints that can be taken away, with three repetitions each.
fn write_movable_suite(home: &Path) {
    for name in ["bert", "albert"] {
        let from = project("tests/goldens/architectures").join(name);
        let to = home.join(name);
        std::fs::create_dir(&to).unwrap();
        for file in std::fs::read_dir(from).unwrap().flatten() {
            if file.path().is_file() {
                std::fs::copy(file.path(), to.join(file.file_name())).unwrap();
            }
        }
    }
    let suite = "schema = 1\nname = \"tiny\"\n[run]\nrepeat = 3\n\
        [defaults]\nlimit = 4\nmax-seq-len = 96\ndoc-stride = 16\nmin-duration = \"0s\"\nresamples = 10\n\
        [[matrix]]\nmodel = [\"./bert\", \"./albert\"]\n";
    std::fs::write(home.join("tiny.toml"), suite).unwrap();
}

/// A model that cannot be reached for a while costs neither figures nor repetitions.
#[test]
fn what_is_out_of_reach_is_not_lost() {
    let home = tempfile::tempdir().unwrap();
    write_movable_suite(home.path());
    let (model, away) = (home.path().join("albert"), home.path().join("away"));
    let record = home.path().join("o/albert-mixed-bag/run.json");
    let kept = home.path().join("o/albert-mixed-bag/.repetitions");
    let resume = || command(home.path(), &["--resume"]).output().unwrap();

    // Cut off after two repetitions of the last cell; again where the third was faster than that.
    let second = kept.join("2.json");
    for attempt in 0.. {
        assert!(attempt < 20, "the run always ended before it was cut off");
        let _ = std::fs::remove_dir_all(home.path().join("o"));
        let mut child = command(home.path(), &[])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let begun = Instant::now();
        while !second.exists() && child.try_wait().unwrap().is_none() {
            assert!(begun.elapsed() < Duration::from_mins(1), "no repetition");
            std::thread::sleep(Duration::from_millis(1));
        }
        child.kill().unwrap();
        child.wait().unwrap();
        if second.exists() {
            break;
        }
    }
    std::fs::rename(&model, &away).unwrap();
    let output = resume();
    assert_eq!(output.status.code(), Some(2), "{}", text(&output.stderr));
    assert!(text(&output.stdout).contains("refused"));
    std::fs::rename(&away, &model).unwrap();
    // One of them was measured on another machine.
    let mut work = read(&second);
    work["work"]["environment"]["cpu_model"] = "another".into();
    std::fs::write(&second, work.to_string()).unwrap();
    let output = resume();
    let errors = text(&output.stderr);
    assert!(output.status.success(), "{errors}");
    assert!(errors.contains("goes on after 1 of 3"), "{errors}");

    let before = std::fs::read(&record).unwrap();
    std::fs::rename(&model, &away).unwrap();
    let output = resume();
    assert_eq!(output.status.code(), Some(2), "{}", text(&output.stderr));
    assert!(text(&output.stdout).contains("refused"));
    assert_eq!(std::fs::read(&record).unwrap(), before);
    // Without --resume the folder is that of the new run.
    let output = command(home.path(), &[]).output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert_eq!(read(&record)["error"]["kind"], "refused");
}

/// A program that is not there, or is none, is a fault of its cell.
#[test]
fn a_cell_program_that_does_not_start_is_a_row() {
    let home = tempfile::tempdir().unwrap();
    write_movable_suite(home.path());
    std::fs::write(home.path().join("none"), "no program").unwrap();
    let path = home.path().join("tiny.toml");
    let suite = std::fs::read_to_string(&path).unwrap();
    for program in ["/no/such/program", "./none"] {
        let cell = format!("[[cell]]\nname = \"other\"\ncell-program = \"{program}\"\n");
        std::fs::write(&path, format!("{suite}{cell}")).unwrap();
        let output = command(home.path(), &["--repeat", "1"]).output().unwrap();
        let errors = text(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{errors}");
        assert!(errors.contains("cell-program"), "{errors}");
        assert_eq!(
            read(&home.path().join("o/other/run.json"))["error"]["kind"],
            "refused"
        );
        assert!(
            home.path()
                .join("o/bert-mixed-bag/predictions.json")
                .exists()
        );
    }
}

/// One cell's results would hide those of several from whatever reads the folder.
#[test]
fn a_folder_is_of_one_cell_or_of_several() {
    let home = tempfile::tempdir().unwrap();
    write_movable_suite(home.path());
    let run = |out: &str, models: &[&str]| {
        let mut command = short_run(home.path());
        command.args(["--min-duration", "0s", "--out", out]);
        for model in models {
            command.args(["--model", model]);
        }
        command.output().unwrap()
    };
    assert!(run("one", &["./bert"]).status.success());
    let output = run("one", &["./bert", "./albert"]);
    assert_refused(&output, &["one/run.json", "a single cell", "--out"]);
    assert!(run("two", &["./bert", "./albert"]).status.success());
    let output = run("two", &["./bert"]);
    assert_refused(&output, &["two: there are cells", "--out"]);
}

/// `squad2` is no later run of `squad`.
#[test]
fn the_newest_folder_is_of_the_very_name() {
    let home = tempfile::tempdir().unwrap();
    write_movable_suite(home.path());
    let data = project("benchmarks/data/mixed-bag.json");
    let run = |data: &str, more: &[&str]| {
        let mut command = short_run(home.path());
        command.args(["--min-duration", "0s", "--model", "./bert"]);
        command.args(["--dataset", data]);
        let output = command.args(more).output().unwrap();
        assert!(output.status.success(), "{}", text(&output.stderr));
        text(&output.stderr)
    };
    for name in ["d.json", "d2.json"] {
        std::fs::copy(&data, home.path().join(name)).unwrap();
        run(name, &[]);
    }
    let said = run("d.json", &["--resume"]);
    assert!(
        said.contains("results: reports") && !said.contains("-bert-d2"),
        "{said}"
    );
    assert!(!said.contains("measured again"), "{said}");
    let reports = std::fs::read_dir(home.path().join("reports")).unwrap();
    assert_eq!(reports.count(), 2, "a folder of its own was made");
}

/// A hub that takes the connection and says nothing.
#[cfg(unix)]
#[test]
fn ctrl_c_ends_a_download() {
    let home = tempfile::tempdir().unwrap();
    let hub = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let endpoint = format!("http://{}", hub.local_addr().unwrap());
    let mut command = spanbench(home.path());
    command.args(["run", "--model", "owner/name", "--out", "o"]);
    let mut child = command
        .env("HF_ENDPOINT", endpoint)
        .env_remove("HF_HUB_OFFLINE")
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    hub.set_nonblocking(true).unwrap();
    let begun = Instant::now();
    let _connection = loop {
        match hub.accept() {
            Ok(connection) => break connection,
            Err(error) => assert_eq!(error.kind(), std::io::ErrorKind::WouldBlock),
        }
        let ended = child.try_wait().unwrap();
        assert!(ended.is_none(), "it ended without a word to the hub");
        assert!(begun.elapsed() < Duration::from_mins(1), "no connection");
        std::thread::sleep(Duration::from_millis(10));
    };
    let id = child.id().to_string();
    let status = Command::new("kill").args(["-INT", &id]).status();
    assert!(status.unwrap().success());
    let begun = Instant::now();
    let output = child.wait_with_output().unwrap();
    assert!(begun.elapsed() < Duration::from_secs(5));
    let errors = text(&output.stderr);
    assert_eq!(output.status.code(), Some(130), "{errors}");
    assert!(!home.path().join("o").exists(), "an empty folder was left");
}
