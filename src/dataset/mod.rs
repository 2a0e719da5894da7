//! Questions, the passages they are asked of, and their gold answers.

pub mod characters;
pub mod squad;

use std::fmt;
use std::path::Path;

use sha2::{Digest, Sha256};

use crate::bundled;
use crate::hash::hex;

/// What can be wrong with a data set.
#[derive(Debug, thiserror::Error)]
pub enum DatasetError {
    /// The file could not be read.
    #[error("{path}: the data set cannot be read; check the path and its permissions")]
    Unreadable {
        /// The file.
        path: String,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// The name is no bundled data set, and no file has it.
    #[error(
        "data set \"{name}\": no such file, and no bundled data set of that name ({bundled}); data sets from the hub (hf:…) are not supported yet"
    )]
    Unknown {
        /// What was asked for.
        name: String,
        /// The bundled names.
        bundled: &'static str,
    },
    /// The file is not text.
    #[error("{path}: byte {byte}: not UTF-8; a data set is a JSON file in UTF-8")]
    NotUtf8 {
        /// The file.
        path: String,
        /// Offset of the first bad byte.
        byte: usize,
    },
    /// The file is not JSON, or JSON of another shape.
    #[error("{path}: at {place}: not a SQuAD-format data set")]
    Malformed {
        /// The file.
        path: String,
        /// JSON path of the fault, or "the top level".
        place: String,
        /// What the parser said, with line and column.
        #[source]
        source: serde_json::Error,
    },
    /// The file is well-formed and its content cannot be used.
    #[error("{path}: at {place}: {fault}")]
    Unusable {
        /// The file.
        path: String,
        /// JSON path of the fault.
        place: String,
        /// What is wrong and what to do about it.
        fault: String,
    },
}

/// Where a question stands in its file, for messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Place {
    /// Index into `data`.
    pub article: usize,
    /// Index into the article's `paragraphs`.
    pub paragraph: usize,
    /// Index into the paragraph's `qas`.
    pub question: usize,
}

impl fmt::Display for Place {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            article,
            paragraph,
            question,
        } = self;
        write!(
            formatter,
            "data[{article}].paragraphs[{paragraph}].qas[{question}]"
        )
    }
}

/// A gold answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GoldAnswer {
    /// The answer as annotated.
    pub text: String,
    /// Offset of its first character in the passage, in Unicode code points.
    pub start: Option<usize>,
}

/// One question.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Question {
    /// Unique within the data set.
    pub id: String,
    /// The question as written.
    pub text: String,
    /// Index of its passage in [`Dataset::passages`].
    pub passage: usize,
    /// Gold answers; none where the passage does not hold the answer.
    pub answers: Vec<GoldAnswer>,
    /// Gold answers whose text is not at their offset (scored by their text all the same).
    pub misplaced_answers: usize,
    /// Where it stands in its file.
    pub place: Place,
}

/// A data set in memory.
#[derive(Debug, Clone, Default)]
pub struct Dataset {
    /// Name for tables and records: the file's stem, or a bundled name.
    pub id: String,
    /// The file it was read from, for messages.
    pub origin: String,
    /// SHA-256 of the file's bytes, in hexadecimal.
    pub sha256: String,
    /// The texts asked about.
    pub passages: Vec<String>,
    /// The questions, in the file's order.
    pub questions: Vec<Question>,
    /// Whether some question of the file has no answer in its passage; that a
    /// limit keeps none of them does not make it another kind of data set.
    pub has_unanswerable: bool,
}

impl Dataset {
    /// Finds a data set by its bundled name or its file.
    ///
    /// # Errors
    ///
    /// See [`DatasetError`].
    pub fn open(name: &str) -> Result<Self, DatasetError> {
        if name == bundled::DATASET {
            return Self::from_bytes(name, bundled::DATASET_PATH, bundled::DATASET_JSON);
        }
        let path = Path::new(name);
        if path.exists() {
            return Self::read(path);
        }
        Err(DatasetError::Unknown {
            name: name.to_owned(),
            bundled: bundled::DATASET,
        })
    }

    /// Reads a data set in SQuAD format from `path`.
    ///
    /// # Errors
    ///
    /// See [`DatasetError`]; each names the file and the place.
    pub fn read(path: &Path) -> Result<Self, DatasetError> {
        let origin = path.display().to_string();
        let bytes = std::fs::read(path).map_err(|source| DatasetError::Unreadable {
            path: origin.clone(),
            source,
        })?;
        let stem = path.file_stem().unwrap_or(path.as_os_str());
        Self::from_bytes(&stem.to_string_lossy(), &origin, &bytes)
    }

    /// Reads a data set in SQuAD format from memory; `origin` names it in messages.
    ///
    /// # Errors
    ///
    /// See [`DatasetError`].
    pub fn from_bytes(id: &str, origin: &str, bytes: &[u8]) -> Result<Self, DatasetError> {
        let text = std::str::from_utf8(bytes).map_err(|fault| DatasetError::NotUtf8 {
            path: origin.to_owned(),
            byte: fault.valid_up_to(),
        })?;
        let mut dataset = squad::parse(origin, text.trim_start_matches('\u{feff}'))?;
        id.clone_into(&mut dataset.id);
        dataset.sha256 = hex(&Sha256::digest(bytes));
        Ok(dataset)
    }

    /// Keeps the first `count` questions.
    pub fn truncate(&mut self, count: usize) {
        self.questions.truncate(count);
    }

    /// Gold answers whose text is not at their offset.
    pub fn misplaced_answers(&self) -> usize {
        self.questions.iter().map(|q| q.misplaced_answers).sum()
    }

    /// One line on gold answers that are not at their offset, if there are any.
    pub fn misplaced_warning(&self) -> Option<String> {
        let first = self.questions.iter().find(|q| q.misplaced_answers > 0)?;
        Some(format!(
            "{}: gold answers that are not at their answer_start: {} (the first at {}); they are scored by their text",
            self.origin,
            self.misplaced_answers(),
            first.place
        ))
    }

    /// The passage that `question` asks about.
    pub fn passage(&self, question: &Question) -> &str {
        &self.passages[question.passage]
    }
}
