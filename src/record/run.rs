//! What runs left behind, read back.

use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::common::Record;
use super::folder::RECORD_FILE;
use super::wire::{SCHEMA, WireFailure, WireQuestion, WireRecord, WireSamples};

/// What can go wrong when records are read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// There is no such file or folder, or it is not to be read.
    #[error("{path}: cannot be read")]
    Unreadable {
        /// The file or folder.
        path: String,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// A folder has no record, nor has a folder in it.
    #[error(
        "{path}: no run.json is here, nor in a folder of it; name a folder that `spanbench run` wrote"
    )]
    NoRecord {
        /// The folder.
        path: String,
    },
    /// A file is not what spanbench writes.
    #[error("{path}: {place}: {message}; was it written by spanbench and left as it was?")]
    Malformed {
        /// The file.
        path: String,
        /// Field or line.
        place: String,
        /// What is wrong.
        message: String,
    },
    /// A record of a later version.
    #[error("{path}: a record of version {found}; this program reads version {SCHEMA}")]
    Version {
        /// The file.
        path: String,
        /// Its version.
        found: u64,
    },
}

/// A finished cell as it lies in its folder.
#[derive(Debug, Clone, PartialEq)]
pub struct Run {
    /// Its folder.
    pub path: PathBuf,
    /// The record.
    pub record: Record,
    /// A line a question, in the data set's order.
    pub questions: Vec<WireQuestion>,
}

/// A cell that was run.
#[derive(Debug, Clone, PartialEq)]
pub enum Cell {
    /// It has figures.
    Finished(Box<Run>),
    /// It failed while it was measured.
    Failed {
        /// Its folder.
        path: PathBuf,
        /// What stands in its run.json.
        failure: Box<WireFailure>,
    },
}

impl Cell {
    /// Its name.
    pub fn name(&self) -> &str {
        match self {
            Self::Finished(run) => run.record.cell(),
            Self::Failed { failure, .. } => &failure.cell,
        }
    }

    /// Its folder.
    pub fn path(&self) -> &Path {
        match self {
            Self::Finished(run) => &run.path,
            Self::Failed { path, .. } => path,
        }
    }
}

/// Reads the cells that lie in `path`: the folder of one cell or its `run.json`, or a folder
/// whose folders are those of cells, in the order of their names.
///
/// # Errors
///
/// Fails where there is no record, or a file is not whole; see [`ReadError`].
pub fn open(path: &Path) -> Result<Vec<Cell>, ReadError> {
    if path.is_file() {
        let folder = path.parent().unwrap_or(Path::new(""));
        return Ok(vec![read_cell(folder, path)?]);
    }
    let record = path.join(RECORD_FILE);
    if record.is_file() {
        return Ok(vec![read_cell(path, &record)?]);
    }
    let unreadable = |source| ReadError::Unreadable {
        path: path.display().to_string(),
        source,
    };
    let mut records = Vec::new();
    for entry in std::fs::read_dir(path).map_err(unreadable)? {
        let folder = entry.map_err(unreadable)?.path();
        if folder.join(RECORD_FILE).is_file() {
            records.push(folder);
        }
    }
    if records.is_empty() {
        return Err(ReadError::NoRecord {
            path: path.display().to_string(),
        });
    }
    records.sort();
    let cells = records.iter();
    cells
        .map(|folder| read_cell(folder, &folder.join(RECORD_FILE)))
        .collect()
}

impl WireRecord {
    /// Reads a record; `path` is where it was found.
    ///
    /// # Errors
    ///
    /// Fails where it is none, and says which field is wrong.
    pub fn parse(path: &Path, text: &str) -> Result<Self, ReadError> {
        parse(path, text, None)
    }
}

impl Run {
    /// The raw samples of each repetition; none where the folder has no `samples.jsonl`.
    ///
    /// # Errors
    ///
    /// Fails where the file is not whole.
    pub fn samples(&self) -> Result<Vec<WireSamples>, ReadError> {
        let path = self.path.join("samples.jsonl");
        if path.is_file() {
            read_lines(&path)
        } else {
            Ok(Vec::new())
        }
    }
}

/// What a record of any sort says of itself.
#[derive(Deserialize)]
struct Kind {
    schema: u64,
    #[serde(default)]
    error: Option<serde::de::IgnoredAny>,
    #[serde(default)]
    shards: Option<serde::de::IgnoredAny>,
}

fn read_cell(folder: &Path, path: &Path) -> Result<Cell, ReadError> {
    let text = read_text(path)?;
    let kind: Kind = parse(path, &text, None)?;
    if kind.schema != u64::from(SCHEMA) {
        return Err(ReadError::Version {
            path: path.display().to_string(),
            found: kind.schema,
        });
    }
    if kind.error.is_some() {
        return Ok(Cell::Failed {
            path: folder.to_owned(),
            failure: Box::new(parse(path, &text, None)?),
        });
    }
    let record = if kind.shards.is_some() {
        Record::Merged(Box::new(parse(path, &text, None)?))
    } else {
        Record::Single(Box::new(parse(path, &text, None)?))
    };
    let questions_path = folder.join("questions.jsonl");
    let questions: Vec<WireQuestion> = read_lines(&questions_path)?;
    if questions.len() != record.dataset().questions {
        return Err(ReadError::Malformed {
            path: questions_path.display().to_string(),
            place: format!("line {}", questions.len()),
            message: format!(
                "it has {} questions and run.json beside it {}",
                questions.len(),
                record.dataset().questions
            ),
        });
    }
    Ok(Cell::Finished(Box::new(Run {
        path: folder.to_owned(),
        record,
        questions,
    })))
}

pub(crate) fn read_text(path: &Path) -> Result<String, ReadError> {
    std::fs::read_to_string(path).map_err(|source| ReadError::Unreadable {
        path: path.display().to_string(),
        source,
    })
}

/// JSON, a line each.
fn read_lines<T: DeserializeOwned>(path: &Path) -> Result<Vec<T>, ReadError> {
    let text = read_text(path)?;
    // Text may hold other line ends, such as U+2028; JSON lines end with \n alone.
    let lines = text.split('\n').enumerate();
    let lines = lines.filter(|(_, line)| !line.is_empty());
    lines
        .map(|(index, line)| parse(path, line, Some(index + 1)))
        .collect()
}

pub(crate) fn parse<T: DeserializeOwned>(
    path: &Path,
    text: &str,
    line: Option<usize>,
) -> Result<T, ReadError> {
    let mut deserializer = serde_json::Deserializer::from_str(text);
    let parsed = serde_path_to_error::deserialize(&mut deserializer);
    let malformed = |field: String, fault: &serde_json::Error| ReadError::Malformed {
        path: path.display().to_string(),
        place: match line {
            Some(line) => format!("line {line}, {field}"),
            None => field,
        },
        message: fault.to_string(),
    };
    match parsed {
        Ok(value) => match deserializer.end() {
            Ok(()) => Ok(value),
            Err(fault) => Err(malformed("end".to_owned(), &fault)),
        },
        Err(fault) => {
            let field = fault.path().to_string();
            Err(malformed(field, fault.inner()))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_record_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let said = |path: &Path| open(path).unwrap_err().to_string();
        assert!(said(folder.path()).contains("no run.json is here"));
        assert!(said(&folder.path().join("none")).contains("cannot be read"));
        let cell = folder.path().join("cell");
        std::fs::create_dir(&cell).unwrap();
        for (text, part) in [
            ("{\"schema\": 1", "EOF"),
            ("{}", "schema"),
            ("{\"schema\": 2}", "version 2"),
            ("{\"schema\": 1}", "missing field `cell`"),
            ("{\"schema\": 1, \"error\": {}}", "missing field"),
            ("{\"schema\": 1, \"shards\": []}", "missing field `cell`"),
        ] {
            std::fs::write(cell.join("run.json"), text).unwrap();
            let message = said(folder.path());
            assert!(message.contains(part), "{message}");
            assert!(message.contains("run.json"), "{message}");
            assert_eq!(message, said(&cell));
            assert_eq!(message, said(&cell.join("run.json")));
        }
    }

    #[test]
    fn failed_cells_are_cells() {
        let folder = tempfile::tempdir().unwrap();
        let text = r#"{"schema": 1, "cell": "c", "model": "m", "dataset": "d", "device": "cpu", "scenario": "offline",
            "error": {"kind": "crash", "message": "it died", "phase": null, "repetition": 1, "stderr": ""}}"#;
        std::fs::write(folder.path().join("run.json"), text).unwrap();
        let cells = open(folder.path()).unwrap();
        assert!(matches!(&cells[..], [Cell::Failed { failure, .. }] if failure.cell == "c"));
        assert_eq!(cells[0].name(), "c");
    }
}
