//! Questions, the passages they are asked of, and their gold answers.
//!
//! The way of a data set, one stage a source file:
//!
//! ```text
//! name ─► source (bundled, card, file or hub) ─► content (gzip, format)
//!     ─► squad | lines | parquet ─► builder (checks) ─► Dataset ─► selection ─► shard
//! ```

mod builder;
pub mod card;
pub mod characters;
mod content;
mod error;
pub mod hub;
mod lines;
mod parquet;
mod rows;
pub mod selection;
pub mod shard;
pub mod source;
mod squad;

use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, Visitor};

use crate::score::Protocol;
pub use error::DatasetError;
pub use selection::QuestionSelection;
pub use shard::{Part, Shard};
pub use source::DatasetSource;

/// Where a question stands in its file, for messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// In a SQuAD document.
    Document {
        /// Index into `data`.
        article: usize,
        /// Index into the article's `paragraphs`.
        paragraph: usize,
        /// Index into the paragraph's `qas`.
        question: usize,
    },
    /// In a file of JSON lines.
    Line {
        /// The line, from 1.
        line: usize,
        /// Index into the line's `qas`, where it holds several questions.
        question: Option<usize>,
    },
    /// In a table.
    Row {
        /// The row, from 1.
        row: usize,
    },
}

impl Place {
    /// A field of the question, for messages.
    pub(crate) fn field(self, name: &str) -> String {
        match self {
            Self::Document { .. }
            | Self::Line {
                question: Some(_), ..
            } => format!("{self}.{name}"),
            Self::Line { question: None, .. } => format!("{self}, {name}"),
            Self::Row { .. } => format!("{self}, column {name}"),
        }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Document {
                article,
                paragraph,
                question,
            } => write!(
                formatter,
                "data[{article}].paragraphs[{paragraph}].qas[{question}]"
            ),
            Self::Line {
                line,
                question: Some(question),
            } => write!(formatter, "line {line}, qas[{question}]"),
            Self::Line {
                line,
                question: None,
            } => write!(formatter, "line {line}"),
            Self::Row { row } => write!(formatter, "row {row}"),
        }
    }
}

/// A gold answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GoldAnswer {
    /// The answer as annotated.
    pub text: String,
    /// Offset of its first character in the passage, in Unicode code points, where the file
    /// gives one and the text does stand there.
    pub start: Option<usize>,
}

/// A text that questions are asked of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Passage {
    /// The text.
    pub text: String,
    /// Index of its article in [`Dataset::articles`].
    pub article: usize,
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
    /// Its language, where the file gives one question by question.
    pub language: Option<String>,
    /// Gold answers whose text is not at their offset (scored by their text all the same).
    pub misplaced_answers: usize,
    /// Index of its file in [`Dataset::files`].
    pub file: usize,
    /// Where it stands in its file.
    pub place: Place,
}

/// A file that a data set was read from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DatasetFile {
    /// Its name, within its repository for files of the hub.
    pub name: String,
    /// Its size as stored.
    pub bytes: u64,
    /// SHA-256 of its bytes as stored, in hexadecimal.
    pub sha256: String,
}

/// What a warning about misplaced gold answers says of them.
pub(crate) const MISPLACED: &str = "gold answers that are not at their answer_start";

/// A data set in memory.
#[derive(Debug, Clone, Default)]
pub struct Dataset {
    /// Name for tables and records: the file's stem, a card's or a repository's name.
    pub id: String,
    /// The file or repository it was read from, for messages.
    pub origin: String,
    /// Of one file its SHA-256; of several the SHA-256 of their hexadecimal SHA-256s, a line each.
    pub sha256: String,
    /// The files it was read from.
    pub files: Vec<DatasetFile>,
    /// The commit, for data sets of the hub.
    pub revision: Option<String>,
    /// ISO code of the passages' language, where its card or name tells.
    pub language: Option<String>,
    /// ISO code of the questions' language, where that is another.
    pub question_language: Option<String>,
    /// The protocol that its card or name asks for.
    pub protocol: Option<Protocol>,
    /// Titles of the articles; empty where the file gives none.
    pub articles: Vec<String>,
    /// The texts asked about.
    pub passages: Vec<Passage>,
    /// The questions, in the file's order.
    pub questions: Vec<Question>,
    /// Whether some question of the file has no answer in its passage; that a
    /// selection keeps none of them does not make it another kind of data set.
    pub has_unanswerable: bool,
    /// What part of a selection the questions are, where they are a shard.
    pub part: Option<Part>,
}

impl Dataset {
    /// Gold answers whose text is not at their offset.
    pub fn misplaced_answers(&self) -> usize {
        self.questions.iter().map(|q| q.misplaced_answers).sum()
    }

    /// One line on gold answers that are not at their offset, if there are any.
    pub fn misplaced_warning(&self) -> Option<String> {
        let first = self.questions.iter().find(|q| q.misplaced_answers > 0)?;
        Some(format!(
            "{}: {MISPLACED}: {} (the first at {}); they are scored by their text",
            self.origin,
            self.misplaced_answers(),
            self.place(first)
        ))
    }

    /// Where `question` stands, with its file where there are several.
    pub fn place(&self, question: &Question) -> String {
        match self.files.as_slice() {
            [_, _, ..] => format!("{}, {}", self.files[question.file].name, question.place),
            _ => question.place.to_string(),
        }
    }

    /// The passage that `question` asks about.
    pub fn passage(&self, question: &Question) -> &str {
        &self.passages[question.passage].text
    }

    /// Questions that have no answer in their passage.
    pub fn unanswerable(&self) -> usize {
        let questions = self.questions.iter();
        questions.filter(|q| q.answers.is_empty()).count()
    }
}

/// An offset: a whole number, also where it is written as `4.0`.
struct WireOffset(i64);

impl<'de> Deserialize<'de> for WireOffset {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct OffsetVisitor;
        impl Visitor<'_> for OffsetVisitor {
            type Value = WireOffset;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("an offset: a whole number")
            }

            fn visit_i64<E>(self, number: i64) -> Result<WireOffset, E> {
                Ok(WireOffset(number))
            }

            fn visit_u64<E>(self, number: u64) -> Result<WireOffset, E> {
                Ok(WireOffset(i64::try_from(number).unwrap_or(i64::MAX)))
            }

            fn visit_f64<E: serde::de::Error>(self, number: f64) -> Result<WireOffset, E> {
                if number.fract() == 0.0 {
                    // Beyond the range of passages it is misplaced all the same.
                    Ok(WireOffset(number as i64))
                } else {
                    Err(E::invalid_value(
                        serde::de::Unexpected::Float(number),
                        &self,
                    ))
                }
            }
        }
        deserializer.deserialize_any(OffsetVisitor)
    }
}

/// A question's id: text, or a whole number as some data sets have it.
struct WireId(String);

impl<'de> Deserialize<'de> for WireId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct IdVisitor;
        impl Visitor<'_> for IdVisitor {
            type Value = WireId;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("an id: text or a whole number")
            }

            fn visit_str<E>(self, text: &str) -> Result<WireId, E> {
                Ok(WireId(text.to_owned()))
            }

            fn visit_u64<E>(self, number: u64) -> Result<WireId, E> {
                Ok(WireId(number.to_string()))
            }

            fn visit_i64<E>(self, number: i64) -> Result<WireId, E> {
                Ok(WireId(number.to_string()))
            }
        }
        deserializer.deserialize_any(IdVisitor)
    }
}
