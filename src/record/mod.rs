//! What a run leaves behind: the record, the answers and a line a question.

pub mod folder;
pub mod wire;

pub use folder::{Folder, FolderError};
pub use wire::WireRecord;

use crate::analysis::ErrorKind;
use crate::score::QuestionScore;

/// One question's result: a line of `questions.jsonl`.
#[derive(Debug, Clone, PartialEq)]
pub struct QuestionResult {
    /// The question's id.
    pub id: String,
    /// The answer given; empty for "no answer".
    pub answer: String,
    /// What it scored.
    pub score: QuestionScore,
    /// The kind of error; nothing where the answer is an exact match.
    pub error: Option<ErrorKind>,
    /// Where the answer stands in the passage, in code points, the end exclusive.
    pub span: Option<(usize, usize)>,
    /// Start logit plus end logit of the span answered with; a probability for the pipeline.
    pub span_score: f32,
    /// Distance to the best span of another text.
    pub margin: Option<f32>,
    /// Null score less best span score, where "no answer" was allowed.
    pub null_odds: Option<f32>,
    /// The number of windows.
    pub windows: usize,
    /// Tokenising, the forward passes its windows were part of, and decoding, in milliseconds.
    pub latency_ms: f64,
}

/// All that one cell leaves behind.
#[derive(Debug, Clone)]
pub struct CellOutput {
    /// The record.
    pub record: WireRecord,
    /// One entry a question, in the data set's order.
    pub questions: Vec<QuestionResult>,
}
