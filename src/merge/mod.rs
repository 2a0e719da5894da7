//! Shards to one record: what a single run would have said of accuracy, and no speed.
//!
//! ```text
//! folders ─► folders.rs: ShardFolder[] ─► whole.rs: Cell[] (all there? of one whole?)
//!     ─► answers.rs: Dataset, Answered[] ─► cell::scoring, as in a run ─► Merged
//! ```

mod answers;
mod folders;
mod notes;
mod whole;

use crate::cell::scoring::Scoring;
use crate::decode::Decoder;
use crate::record::QuestionResult;
use crate::record::run::ReadError;
use crate::record::wire::{
    SCHEMA, WireDataset, WireMeasuredShard, WireMerged, WireMergedShard, WireProtocol,
};
use crate::score::{ScoreError, Summation};
pub use folders::{ShardFolder, find};
pub use whole::{Cell, cells};

/// What can go wrong when shards are merged.
#[derive(Debug, thiserror::Error)]
pub enum MergeError {
    /// A file is not to be read, or not what spanbench writes.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// A folder is no shard's.
    #[error(
        "{path}: no shard.json is here, nor in a folder of it{why}; name folders that `spanbench run --shard I/N` wrote"
    )]
    NoShard {
        /// The folder.
        path: String,
        /// What is there instead.
        why: String,
    },
    /// A shard has no record beside it.
    #[error(
        "{path}: shard {shard}/{of} is not finished: no run.json is here; run it again (--resume)"
    )]
    NotFinished {
        /// The folder.
        path: String,
        /// Which shard.
        shard: usize,
        /// Of how many.
        of: usize,
    },
    /// What one folder's files say does not fit together.
    #[error("{path}: {fault}; was it written by spanbench and left as it was?")]
    Damaged {
        /// The file.
        path: String,
        /// What is wrong.
        fault: String,
    },
    /// Shards are not there.
    #[error(
        "{cell}: of its {of} shards {which} missing; name the folders of all, and run again what failed"
    )]
    Missing {
        /// The cell.
        cell: String,
        /// "3 is", "3, 5 are".
        which: String,
        /// How many there should be.
        of: usize,
    },
    /// A shard is there twice.
    #[error("{cell}: shard {shard} is there twice: in {first} and in {second}; leave one out")]
    Twice {
        /// The cell.
        cell: String,
        /// Which shard.
        shard: usize,
        /// A folder.
        first: String,
        /// The other.
        second: String,
    },
    /// Two shards are not of one whole.
    #[error(
        "{}: shards are not of one whole: {} is {} in {} and {} in {}", .0.cell, .0.what, .0.first.1, .0.first.0, .0.second.1, .0.second.0
    )]
    Differs(Box<Difference>),
    /// The merged answers cannot be scored.
    #[error(transparent)]
    Score(#[from] ScoreError),
}

/// In what two shards differ.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    /// The cell.
    pub cell: String,
    /// The field.
    pub what: String,
    /// A folder, and what the field is there.
    pub first: (String, String),
    /// Another folder, and what the field is there.
    pub second: (String, String),
}

/// Shards merged.
#[derive(Debug, Clone, PartialEq)]
pub struct Merged {
    /// The record.
    pub record: WireMerged,
    /// One entry a question, in the whole's order.
    pub questions: Vec<QuestionResult>,
}

/// What a single run's record has and a merged one cannot have: it is of one machine at one time.
const NOT_MERGED: [&str; 15] = [
    "throughput",
    "latency_ms",
    "window_latency_ms",
    "batch_latency_ms",
    "memory",
    "energy",
    "phases_s",
    "wall_s",
    "proof",
    "repetitions",
    "intervals",
    "roofline",
    "profile",
    "doubts",
    "environment",
];

/// Merges the shards of one cell, on the current rayon pool: scores and analyses their answers
/// as a run does its own.
///
/// # Errors
///
/// See [`MergeError`].
pub fn merge(cell: &Cell) -> Result<Merged, MergeError> {
    let (scoring, model) = (scoring(cell)?, cell.model());
    let whole = answers::whole(cell)?;
    let scored = scoring.score(&whole.dataset, &whole.answered)?;
    let pass = scoring.accuracy_pass(&whole.dataset, &whole.answered, whole.tokens, &scored);
    let mut questions = pass.questions;
    for question in &mut questions {
        question.passage = whole.passage_numbers[question.passage];
    }
    let first = &cell.shards()[0].shard;
    let measured = cell.records().map(|record| record.started.as_str());
    let record = WireMerged {
        schema: SCHEMA,
        cell: cell.name().to_owned(),
        started: measured.min().unwrap_or_default().to_owned(),
        model: model.clone(),
        dataset: WireDataset {
            questions: questions.len(),
            unanswerable: whole.dataset.unanswerable(),
            windows: pass.windows,
            tokens: pass.tokens,
            misplaced_answers: whole.misplaced_answers,
            ..first.dataset.clone()
        },
        device: notes::devices(cell),
        protocol: WireProtocol {
            shard: None,
            ..first.protocol.clone()
        },
        accuracy: pass.accuracy,
        analysis: pass.analysis,
        not_merged: NOT_MERGED.map(str::to_owned).into(),
        shards: cell.shards().iter().map(merged_shard).collect(),
        warnings: notes::warnings(cell, whole.misplaced_answers),
    };
    Ok(Merged { record, questions })
}

/// How the shards' answers are scored: all by the same settings, as was checked.
fn scoring(cell: &Cell) -> Result<Scoring, MergeError> {
    let folder = &cell.shards()[0];
    let (shard, protocol) = (&folder.shard, &folder.shard.protocol);
    let summation = protocol.summation.as_deref();
    let decoder: Result<Decoder, _> = protocol.decode.parse();
    Ok(Scoring {
        protocol: protocol.name.parse()?,
        summation: summation.map_or(Ok(Summation::default()), str::parse)?,
        decoder: decoder.map_err(|fault| folder.damaged(fault.to_string()))?,
        null_threshold: protocol.null_threshold,
        seed: protocol.seed,
        resamples: shard.resamples,
        folds: shard.folds,
    })
}

fn merged_shard(folder: &ShardFolder) -> WireMergedShard {
    WireMergedShard {
        shard: folder.shard.shard,
        path: folder.path.display().to_string(),
        questions: folder.shard.questions.len(),
        measured: folder.record.as_deref().map(WireMeasuredShard::from),
    }
}
