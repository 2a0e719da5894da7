//! What a run leaves behind: the record, the answers and a line a question.

pub mod baseline;
pub mod common;
pub mod folder;
pub mod listing;
pub mod run;
pub mod wire;

pub use common::Record;
pub use folder::{Folder, FolderError};
pub use run::{Cell, ReadError, Run};
pub use wire::{WireFailure, WireRecord, WireSamples};

use crate::analysis::ErrorKind;
use crate::score::QuestionScore;
use serde::{Deserialize, Serialize};

/// One question's result: a line of `questions.jsonl`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct QuestionResult {
    /// The question's id.
    pub id: String,
    /// The question as written.
    pub question: String,
    /// Its gold answers as annotated, each text once; none where the passage holds none.
    pub golds: Vec<String>,
    /// Number of its passage in the data set.
    pub passage: usize,
    /// The answer given; empty for "no answer".
    pub answer: String,
    /// What it scored.
    pub score: QuestionScore,
    /// The kind of error; nothing where the answer is an exact match.
    pub error: Option<ErrorKind>,
    /// Where the answer stands in the passage, in code points, the end exclusive.
    pub span: Option<(usize, usize)>,
    /// What the window shows of the passage that the answer was taken from, in code points, the
    /// end exclusive; nothing for "no answer".
    pub window: Option<(usize, usize)>,
    /// Start logit plus end logit of the span answered with; a probability for the pipeline.
    pub span_score: f32,
    /// Distance to the best span of another text.
    pub margin: Option<f32>,
    /// Null score less best span score, where "no answer" was allowed.
    pub null_odds: Option<f32>,
    /// The number of windows.
    pub windows: usize,
    /// Median latency in the timed pass, in milliseconds; nothing where that did not ask it.
    pub latency_ms: Option<f64>,
}

/// All that one cell leaves behind.
#[derive(Debug, Clone)]
pub struct CellOutput {
    /// The record.
    pub record: WireRecord,
    /// One entry a question, in the data set's order.
    pub questions: Vec<QuestionResult>,
    /// The raw samples of each repetition.
    pub samples: Vec<WireSamples>,
    /// Files that only some runs have.
    pub more: Vec<MoreFile>,
}

/// A file that only some runs have: LoadGen's summary, a trace.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MoreFile {
    /// Its name in the folder.
    pub name: String,
    /// What is in it.
    pub content: Vec<u8>,
}

/// What stands in a `run.json`: a record, or that there is none and why.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(untagged)]
pub enum CellRecord {
    /// The cell has figures.
    Finished(Box<WireRecord>),
    /// It failed while it was measured.
    Failed(Box<WireFailure>),
}
