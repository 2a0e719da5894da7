//! The record of a cell that failed.

use serde::{Deserialize, Serialize};

use super::{SCHEMA, WireProof};
use crate::cell::CellSpec;
use crate::cell::failure::{Failure, FailureKind};

/// A cell that was begun and gave no figures: what stands in `run.json` in place of a record.
///
/// It has `error` and none of a record's figures: a cell that failed has no speed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct WireFailure {
    /// [`SCHEMA`].
    pub schema: u32,
    /// Name of the cell.
    pub cell: String,
    /// What went wrong.
    pub error: WireError,
    /// The model, as asked for.
    pub model: String,
    /// The data set, as asked for.
    pub dataset: String,
    /// The device, as asked for.
    pub device: String,
    /// The scenario, as asked for.
    pub scenario: String,
    /// Where timed answers differed from the scored ones.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub proof: Option<WireProof>,
}

/// What went wrong in a cell.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WireError {
    /// The sort: `crash`, `out-of-memory`, `time-limit`, `stalled`, `not-finite`, `model`,
    /// `timed-answers-differ`, `changed`, `refused`, `accuracy-missed`.
    pub kind: FailureKind,
    /// In one line.
    pub message: String,
    /// What the process was at.
    pub phase: Option<String>,
    /// The repetition that failed, from 1.
    pub repetition: usize,
    /// The end of what the process wrote to standard error.
    pub stderr: String,
}

impl WireFailure {
    /// The record of `failure`, in the repetition of that number (from 1).
    pub fn new(spec: &CellSpec, repetition: usize, failure: Failure) -> Self {
        Self {
            schema: SCHEMA,
            cell: spec.name.clone(),
            error: WireError {
                kind: failure.kind,
                message: failure.message,
                phase: failure.phase,
                repetition,
                stderr: failure.stderr,
            },
            model: spec.model.clone(),
            dataset: spec.dataset.clone(),
            device: spec.settings.device.to_string(),
            scenario: spec.settings.timing.scenario.to_string(),
            proof: None,
        }
    }
}
