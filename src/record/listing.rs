//! The runs under a folder, as much of each as a line holds.

use std::path::{Path, PathBuf};
use std::time::SystemTime;

use serde_json::Value;

use super::folder::{RECORD_FILE, SHARD_FILE};
use super::run::ReadError;
use crate::cell::kept;
use crate::suite::manifest::{self, WireManifest};

/// How far below the folder runs are looked for: `reports/baseline/NAME/CELL` is three.
pub const DEPTH: usize = 4;

/// How a cell ended, as far as it did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum State {
    /// It has all its figures.
    Finished,
    /// It is of shards that were merged: accuracy, and no speed.
    Merged,
    /// It failed, for a reason of this kind.
    Failed(String),
    /// Repetitions are missing, or its suite never came to it; `--resume` goes on with it.
    Unfinished {
        /// Repetitions that are done.
        done: usize,
    },
    /// Its `run.json` is no JSON document, or cannot be read.
    Unreadable,
}

/// A cell's folder. What its record does not say is nothing here: records of failures and of
/// other versions say less.
#[derive(Debug, Clone, PartialEq)]
pub struct Listed {
    /// The folder.
    pub path: PathBuf,
    /// When it began, in UTC (RFC 3339, to the second); where that is not known, when its folder
    /// was written to.
    pub when: String,
    /// Model, as the record calls it.
    pub model: Option<String>,
    /// Data set.
    pub dataset: Option<String>,
    /// Device.
    pub device: Option<String>,
    /// What weights were kept in.
    pub dtype: Option<String>,
    /// How questions arrived.
    pub scenario: Option<String>,
    /// Exact match in percent.
    pub exact_match: Option<f64>,
    /// F1 in percent.
    pub f1: Option<f64>,
    /// Questions a second, end to end.
    pub questions_per_s: Option<f64>,
    /// Whether the record doubts its figures of speed.
    pub is_doubtful: bool,
    /// How it ended.
    pub state: State,
}

/// The cells under `folder`, down to [`DEPTH`] folders below it, the latest first. Links to
/// folders and hidden folders are left out. Nothing but `run.json` and `suite.json` is read.
///
/// # Errors
///
/// Fails where `folder` itself cannot be read.
pub fn under(folder: &Path) -> Result<Vec<Listed>, ReadError> {
    let fault = |source| ReadError::Unreadable {
        path: folder.display().to_string(),
        source,
    };
    std::fs::read_dir(folder).map_err(fault)?;
    let mut found = Vec::new();
    collect(folder, DEPTH, &mut found);
    found.sort_by(|a, b| (&b.when, &a.path).cmp(&(&a.when, &b.path)));
    Ok(found)
}

fn collect(folder: &Path, depth: usize, found: &mut Vec<Listed>) {
    if folder.join(RECORD_FILE).is_file() {
        found.push(read(folder));
    }
    if let Some(manifest) = WireManifest::read(folder) {
        found.extend(not_begun(folder, &manifest));
    }
    if depth == 0 {
        return;
    }
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let is_folder = entry.file_type().is_ok_and(|kind| kind.is_dir());
        if is_folder && !entry.file_name().as_encoded_bytes().starts_with(b".") {
            collect(&entry.path(), depth - 1, found);
        }
    }
}

fn read(folder: &Path) -> Listed {
    let path = folder.join(RECORD_FILE);
    let text = std::fs::read(&path).ok();
    let record = text.and_then(|text| serde_json::from_slice::<Value>(&text).ok());
    let Some(record) = record else {
        return Listed {
            when: written(&path),
            ..empty(folder, State::Unreadable)
        };
    };
    let text = |at: &str| {
        record
            .pointer(at)
            .and_then(Value::as_str)
            .map(str::to_owned)
    };
    let number = |at: &str| record.pointer(at).and_then(Value::as_f64);
    let length = |at: &str| record.pointer(at).and_then(Value::as_array).map(Vec::len);
    let state = if let Some(error) = record.get("error") {
        let kind = error.get("kind").and_then(Value::as_str);
        State::Failed(kind.unwrap_or("unknown").to_owned())
    } else if record.get("shards").is_some() {
        State::Merged
    } else if kept::is_unfinished(folder) {
        let done = length("/repetitions").unwrap_or_default();
        State::Unfinished { done }
    } else {
        State::Finished
    };
    Listed {
        path: folder.to_owned(),
        when: text("/started").map_or_else(|| written(&path), |started| seconds(&started)),
        // Of a cell that failed, what was asked for.
        model: text("/model/id").or_else(|| text("/model")),
        dataset: text("/dataset/id").or_else(|| text("/dataset")),
        device: text("/device"),
        dtype: text("/model/dtype"),
        scenario: text("/protocol/scenario").or_else(|| text("/scenario")),
        exact_match: number("/accuracy/exact_match"),
        f1: number("/accuracy/f1"),
        questions_per_s: number("/throughput/questions_per_s"),
        is_doubtful: length("/doubts").is_some_and(|count| count > 0),
        state,
    }
}

/// The cells of a suite's run that have no record.
fn not_begun(folder: &Path, manifest: &WireManifest) -> Vec<Listed> {
    let cells = manifest.cells.iter().map(|cell| folder.join(&cell.name));
    // A single cell lies in the folder of --out itself; a shard without questions has no record.
    let is_missing = |path: &PathBuf| {
        ![RECORD_FILE, SHARD_FILE]
            .iter()
            .any(|file| path.join(file).is_file() || folder.join(file).is_file())
    };
    let when = written(&folder.join(manifest::FILE));
    let missing = cells.filter(is_missing).map(|path| Listed {
        when: when.clone(),
        ..empty(&path, State::Unfinished { done: 0 })
    });
    missing.collect()
}

fn empty(folder: &Path, state: State) -> Listed {
    Listed {
        path: folder.to_owned(),
        when: String::new(),
        model: None,
        dataset: None,
        device: None,
        dtype: None,
        scenario: None,
        exact_match: None,
        f1: None,
        questions_per_s: None,
        is_doubtful: false,
        state,
    }
}

/// When a file was written; nothing where the system does not tell.
fn written(path: &Path) -> String {
    let time = std::fs::metadata(path).and_then(|metadata| metadata.modified());
    // Years after 9999 have no such text.
    let latest = SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(253_402_300_799);
    let time = time
        .ok()
        .filter(|time| (SystemTime::UNIX_EPOCH..=latest).contains(time));
    time.map_or_else(String::new, |time| {
        humantime::format_rfc3339_seconds(time).to_string()
    })
}

/// A time without what is below a second.
fn seconds(time: &str) -> String {
    match time.split_once('.') {
        Some((whole, rest)) if rest.ends_with('Z') => format!("{whole}Z"),
        _ => time.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write(folder: &Path, text: &str) {
        std::fs::create_dir_all(folder).unwrap();
        std::fs::write(folder.join("run.json"), text).unwrap();
    }

    #[test]
    fn every_sort_of_cell_is_listed_the_latest_first() {
        let home = tempfile::tempdir().unwrap();
        let root = home.path();
        let finished = r#"{"started": "2026-11-22T10:00:00.25Z", "model": {"id": "m", "dtype": "f32"},
            "dataset": {"id": "d"}, "device": "cpu", "protocol": {"scenario": "offline"},
            "accuracy": {"exact_match": 50.0, "f1": 60.0}, "throughput": {"questions_per_s": 7.0},
            "repetitions": [{}], "doubts": ["x"]}"#;
        write(&root.join("a"), finished);
        write(
            &root.join("baseline/main/b"),
            &finished.replace("11-22", "11-24"),
        );
        write(&root.join("baseline/.spanbench-x/b"), finished);
        let shards = finished
            .replace("11-22", "11-23")
            .replace("\"doubts\"", "\"shards\"");
        write(&root.join("merged"), &shards);
        let failed = r#"{"started": "2026-11-21T00:00:00Z", "model": "asked", "dataset": "e",
            "device": "auto", "scenario": "server", "error": {"kind": "crash"}}"#;
        write(&root.join("c"), failed);
        write(&root.join("half"), &finished.replace("11-22", "11-20"));
        std::fs::create_dir(root.join("half/.repetitions")).unwrap();
        write(&root.join("torn"), "{\"model\"");
        let listed = under(root).unwrap();
        let told = listed.iter().filter(|cell| cell.state != State::Unreadable);
        let told: Vec<(&Path, &State)> = told
            .map(|cell| (cell.path.strip_prefix(root).unwrap(), &cell.state))
            .collect();
        assert_eq!(
            told,
            [
                (Path::new("baseline/main/b"), &State::Finished),
                (Path::new("merged"), &State::Merged),
                (Path::new("a"), &State::Finished),
                (Path::new("c"), &State::Failed("crash".to_owned())),
                (Path::new("half"), &State::Unfinished { done: 1 }),
            ]
        );
        assert_eq!(listed.len(), told.len() + 1);
        let of = |name: &str| listed.iter().find(|cell| cell.path == root.join(name));
        let a = of("a").unwrap();
        assert_eq!(
            (a.when.as_str(), a.f1),
            ("2026-11-22T10:00:00Z", Some(60.0))
        );
        assert!(a.is_doubtful && a.questions_per_s == Some(7.0));
        let c = of("c").unwrap();
        assert_eq!(c.model.as_deref(), Some("asked"));
        assert_eq!(c.scenario.as_deref(), Some("server"));
        assert_eq!(of("torn").unwrap().state, State::Unreadable);
        assert!(under(&root.join("none")).is_err());
    }

    #[test]
    fn cells_that_a_suite_never_came_to_are_listed() {
        let home = tempfile::tempdir().unwrap();
        let folder = home.path().join("run");
        write(&folder.join("a"), "{}");
        let cell = |name: &str| manifest::WireManifestCell {
            name: name.to_owned(),
            prose: None,
        };
        let manifest = WireManifest {
            schema: manifest::SCHEMA,
            name: "s".to_owned(),
            description: None,
            sha256: String::new(),
            cells: vec![cell("a"), cell("b")],
        };
        manifest.write(&folder).unwrap();
        let states = |root: &Path| {
            let mut listed = under(root).unwrap();
            listed.sort_by(|a, b| a.path.cmp(&b.path));
            listed
                .into_iter()
                .map(|cell| cell.state)
                .collect::<Vec<_>>()
        };
        let missing = State::Unfinished { done: 0 };
        assert_eq!(states(home.path()), [State::Finished, missing]);
        std::fs::create_dir(folder.join("b")).unwrap();
        std::fs::write(folder.join("b/shard.json"), "{}").unwrap();
        assert_eq!(states(&folder), [State::Finished]);
    }
}
