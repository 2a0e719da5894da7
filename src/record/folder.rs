//! A run's folder: whole files or none.

use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};

use serde_json::{Map, Value};
use tempfile::NamedTempFile;

use super::wire::{WireFailure, WireQuestion, WireShard};
use super::{CellOutput, QuestionResult};
use crate::merge::Merged;

/// What can go wrong when results are written.
#[derive(Debug, thiserror::Error)]
pub enum FolderError {
    /// The folder could not be made or written to.
    #[error("{path}: results cannot be written here; choose another folder with --out DIR")]
    NotWritable {
        /// The folder.
        path: String,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// A file could not be written; no file of the folder was changed.
    #[error("{path}: writing failed; is the disk full? nothing in the folder was changed")]
    Write {
        /// The file.
        path: String,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// A whole file could not be given its name.
    #[error("{path}: the finished file could not take this name; is a folder in its place?")]
    Rename {
        /// The file.
        path: String,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
}

/// How names of files begin that are not whole yet.
const TEMPORARY: &str = ".spanbench-";

/// The record of a cell, in its folder: where it is, all is.
pub const RECORD_FILE: &str = "run.json";

/// What a shard's folder has for merging.
pub const SHARD_FILE: &str = "shard.json";

/// The folder of one cell's results.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Folder {
    path: PathBuf,
    /// Whether it was made here.
    fresh: bool,
}

impl Folder {
    /// Makes the folder and tries that a file can be written in it, so that
    /// an hour's run does not end with "permission denied".
    ///
    /// # Errors
    ///
    /// Fails where that is not so.
    pub fn create(path: &Path) -> Result<Self, FolderError> {
        let fault = |source| FolderError::NotWritable {
            path: path.display().to_string(),
            source,
        };
        let fresh = !path.exists();
        std::fs::create_dir_all(path).map_err(fault)?;
        let folder = Self {
            path: path.to_owned(),
            fresh,
        };
        if let Err(source) = NamedTempFile::new_in(path) {
            folder.discard();
            return Err(fault(source));
        }
        Ok(folder)
    }

    /// Takes away what a run that was killed left half-written in the folder at `path`. No other
    /// run may be writing there.
    pub fn tidy(path: &Path) {
        let entries = std::fs::read_dir(path).into_iter().flatten();
        for entry in entries.flatten() {
            if entry.file_name().to_string_lossy().starts_with(TEMPORARY) {
                // What cannot be removed is in nobody's way.
                let _ = std::fs::remove_file(entry.path());
            }
        }
    }

    /// Takes the folder away again if it was made here and nothing is in it.
    pub fn discard(&self) {
        if self.fresh {
            // One that holds something is not removed; that is the system's rule for folders.
            let _ = std::fs::remove_dir(&self.path);
        }
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Writes `predictions.json`, `null_odds.json` (where "no answer" was
    /// allowed), `questions.jsonl`, `samples.jsonl`, what else there is, `report.md` and `run.json`.
    ///
    /// Everything is written under temporary names first and then renamed,
    /// `run.json` last: where it is, all is.
    ///
    /// # Errors
    ///
    /// Fails where the disk is full or not to be written to; then the folder is as it was.
    pub fn write(&self, output: &CellOutput, report: &str) -> Result<(), FolderError> {
        let mut files = answer_files(&output.questions);
        files.push(("samples.jsonl", lines(&output.samples)));
        let more = output.more.iter();
        files.extend(more.map(|file| (file.name.as_str(), file.content.clone())));
        files.push(("report.md", report.as_bytes().to_vec()));
        files.push((RECORD_FILE, pretty(&output.record)));
        self.replace(files)
    }

    /// Writes merged shards: the files of [`Folder::write`] that are about answers, `report.md` and
    /// `run.json`.
    ///
    /// # Errors
    ///
    /// As [`Folder::write`].
    pub fn write_merged(&self, merged: &Merged, report: &str) -> Result<(), FolderError> {
        let mut files = answer_files(&merged.questions);
        files.push(("report.md", report.as_bytes().to_vec()));
        files.push((RECORD_FILE, pretty(&merged.record)));
        self.replace(files)
    }

    /// Writes a shard that has no question: `shard.json` alone.
    ///
    /// # Errors
    ///
    /// As [`Folder::write`].
    pub fn write_empty_shard(&self, shard: &WireShard) -> Result<(), FolderError> {
        self.replace(vec![(SHARD_FILE, shard_json(shard))])
    }

    /// Writes the record of a cell that failed: `run.json` alone.
    ///
    /// # Errors
    ///
    /// As [`Folder::write`].
    pub fn write_failure(&self, failure: &WireFailure) -> Result<(), FolderError> {
        self.replace(vec![(RECORD_FILE, pretty(failure))])
    }

    fn replace(&self, files: Vec<(&str, Vec<u8>)>) -> Result<(), FolderError> {
        let names: Vec<String> = files.iter().map(|(name, _)| (*name).to_owned()).collect();
        let staged: Vec<_> = files
            .into_iter()
            .map(|(name, content)| stage(self.path.join(name), &content))
            .collect::<Result<_, _>>()?;
        // From here on the folder is that of the new run. While the earlier one's files are
        // being replaced there is no record, so none stands beside answers of another run.
        self.remove(RECORD_FILE)?;
        for name in self.left_behind(&names) {
            self.remove(&name)?;
        }
        for (path, file) in staged {
            persist(&path, file)?;
        }
        Ok(())
    }

    /// Files of an earlier run that the new one does not replace.
    fn left_behind(&self, new: &[String]) -> Vec<String> {
        let entries = std::fs::read_dir(&self.path).into_iter().flatten();
        let names = entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
        let left = names.filter(|name| is_of_a_run(name) && !new.contains(name));
        left.collect()
    }

    fn remove(&self, name: &str) -> Result<(), FolderError> {
        let path = self.path.join(name);
        match std::fs::remove_file(&path) {
            Err(fault) if fault.kind() != ErrorKind::NotFound => Err(FolderError::Rename {
                path: path.display().to_string(),
                source: fault,
            }),
            _ => Ok(()),
        }
    }
}

/// Writes a file under a temporary name beside `path`, whole and on the disk.
fn stage(path: PathBuf, content: &[u8]) -> Result<(PathBuf, NamedTempFile), FolderError> {
    let write = || {
        let mut builder = tempfile::Builder::new();
        builder.prefix(TEMPORARY);
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            // Temporary files are private by default; results are as readable as any other
            // file, and the system takes the user's mask off.
            builder.permissions(std::fs::Permissions::from_mode(0o666));
        }
        let folder = match path.parent() {
            Some(folder) if !folder.as_os_str().is_empty() => folder,
            _ => Path::new("."),
        };
        let mut file = builder.tempfile_in(folder)?;
        file.write_all(content)?;
        // A disk that is full may say so only now.
        file.as_file().sync_all()?;
        Ok(file)
    };
    match write() {
        Ok(file) => Ok((path, file)),
        Err(source) => Err(FolderError::Write {
            path: path.display().to_string(),
            source,
        }),
    }
}

fn persist(path: &Path, file: NamedTempFile) -> Result<(), FolderError> {
    match file.persist(path) {
        Ok(_) => Ok(()),
        Err(fault) => Err(FolderError::Rename {
            path: path.display().to_string(),
            source: fault.error,
        }),
    }
}

/// Writes a file under a temporary name and gives it its own: it is whole, or as it was.
///
/// # Errors
///
/// Fails where the disk is full or not to be written to.
pub fn replace_file(path: &Path, content: &[u8]) -> Result<(), FolderError> {
    let (path, file) = stage(path.to_owned(), content)?;
    persist(&path, file)
}

/// Whether a file of this name is one that runs write.
fn is_of_a_run(name: &str) -> bool {
    const NAMES: [&str; 8] = [
        "predictions.json",
        "null_odds.json",
        "questions.jsonl",
        "samples.jsonl",
        "report.md",
        "trace.json",
        SHARD_FILE,
        RECORD_FILE,
    ];
    NAMES.contains(&name) || name.starts_with("mlperf_log_summary")
}

/// `predictions.json`, `null_odds.json` where "no answer" was allowed, `questions.jsonl`.
fn answer_files(questions: &[QuestionResult]) -> Vec<(&'static str, Vec<u8>)> {
    let mut files = vec![("predictions.json", pretty(&predictions(questions)))];
    if let Some(odds) = null_odds(questions) {
        files.push(("null_odds.json", pretty(&odds)));
    }
    files.push(("questions.jsonl", question_lines(questions)));
    files
}

/// A shard as it stands in its file: a line, since it holds passages and no person reads it.
pub(crate) fn shard_json(shard: &WireShard) -> Vec<u8> {
    lines([shard])
}

/// `{id: text}` in the data set's order: the official format.
fn predictions(questions: &[QuestionResult]) -> Map<String, Value> {
    let entries = questions.iter();
    entries
        .map(|question| (question.id.clone(), question.answer.clone().into()))
        .collect()
}

fn null_odds(questions: &[QuestionResult]) -> Option<Map<String, Value>> {
    let entries = questions.iter();
    entries
        .map(|question| Some((question.id.clone(), shortest(question.null_odds?).into())))
        .collect()
}

/// The number with the fewest digits that give back the `f32`: what a file shows of it.
pub(crate) fn shortest(value: f32) -> f64 {
    value.to_string().parse().unwrap_or(f64::from(value))
}

fn question_lines(questions: &[QuestionResult]) -> Vec<u8> {
    let wire = questions.iter().map(|question| WireQuestion {
        id: question.id.clone(),
        question: Some(question.question.clone()),
        golds: Some(question.golds.clone()),
        passage: Some(question.passage),
        exact_match: question.score.exact_match,
        f1: question.score.f1,
        answer: question.answer.clone(),
        error: question.error.map(|kind| kind.name().to_owned()),
        span: question.span.map(|(start, end)| [start, end]),
        window: question.window.map(|(start, end)| [start, end]),
        score: question.span_score,
        margin: question.margin,
        null_odds: question.null_odds,
        windows: question.windows,
        latency_ms: question.latency_ms,
    });
    lines(wire)
}

/// JSON, a line each.
fn lines<T: serde::Serialize>(values: impl IntoIterator<Item = T>) -> Vec<u8> {
    let mut lines = Vec::new();
    for value in values {
        serde_json::to_writer(&mut lines, &value)
            .expect("OK because the types have text keys and writing to a Vec cannot fail");
        lines.push(b'\n');
    }
    lines
}

fn pretty(value: &impl serde::Serialize) -> Vec<u8> {
    let mut text = serde_json::to_vec_pretty(value)
        .expect("OK because the types have text keys and writing to a Vec cannot fail");
    text.push(b'\n');
    text
}
