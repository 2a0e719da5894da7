//! How a cell can fail that was accepted: what an error record says.

use serde::{Deserialize, Serialize};

/// What sort of failure it was.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FailureKind {
    /// The process ended by a signal, a panic or an exit code of its own.
    Crash,
    /// It was ended for want of memory, or could not get any.
    OutOfMemory,
    /// It took longer than allowed.
    TimeLimit,
    /// It made no progress for longer than allowed.
    Stalled,
    /// The model gave logits that are no numbers.
    NotFinite,
    /// The model failed otherwise.
    Model,
    /// The timed answers are not those that were scored.
    TimedAnswersDiffer,
    /// Repetitions were not of the same cell: files changed in between.
    Changed,
    /// Its input is at fault, and nothing was measured: told of one cell among several.
    Refused,
    /// EM or F1 is not what the suite expects.
    #[serde(rename = "accuracy-missed")]
    Accuracy,
}

impl FailureKind {
    /// Its name in records and tables.
    pub fn name(self) -> &'static str {
        match self {
            Self::Crash => "crash",
            Self::OutOfMemory => "out of memory",
            Self::TimeLimit => "time limit",
            Self::Stalled => "stalled",
            Self::NotFinite => "logits not finite",
            Self::Model => "model failed",
            Self::TimedAnswersDiffer => "timed answers differ",
            Self::Changed => "inputs changed",
            Self::Refused => "refused",
            Self::Accuracy => "accuracy missed",
        }
    }
}

/// A failure with its circumstances.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// What sort.
    pub kind: FailureKind,
    /// What happened, in one line.
    pub message: String,
    /// What the process was at.
    pub phase: Option<String>,
    /// The end of what it wrote to standard error.
    pub stderr: String,
}
