//! The record of shards that were merged.

use serde::{Deserialize, Serialize};

use super::{
    WireAccuracy, WireDataset, WireEnergy, WireEnvironment, WireLatencies, WireMemory, WireModel,
    WireProtocol, WireRecord, WireThroughput,
};
use crate::analysis::wire::WireAnalysis;

/// What stands in `run.json` of merged shards: for accuracy what a single run's record says, and
/// no speed. It has `shards`, which no other record has, and none of the fields in `not_merged`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct WireMerged {
    /// [`super::SCHEMA`].
    pub schema: u32,
    /// Name of the cell.
    pub cell: String,
    /// When the first of the shards began, in UTC (RFC 3339).
    pub started: String,
    /// What answered: the same files for all shards.
    pub model: WireModel,
    /// What was asked, all shards together.
    pub dataset: WireDataset,
    /// Where: `cpu`, `cuda:N`, `cuda:N,M` or `metal`; of shards on different devices all, with commas.
    pub device: String,
    /// Every setting that can change an answer; `threads` are those of the first shard.
    pub protocol: WireProtocol,
    /// The scorers' figures, over all questions.
    pub accuracy: WireAccuracy,
    /// What the scores alone do not say, over all questions.
    pub analysis: WireAnalysis,
    /// Fields of a single run's record that cannot be made of those of shards.
    pub not_merged: Vec<String>,
    /// The shards, in their order.
    pub shards: Vec<WireMergedShard>,
    /// What a reader of the figures should know.
    pub warnings: Vec<String>,
}

/// One shard of a merged record.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct WireMergedShard {
    /// Which, from 1.
    pub shard: usize,
    /// Its folder, as it was found.
    pub path: String,
    /// Its questions.
    pub questions: usize,
    /// What was measured on its machine; absent where it has no question.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub measured: Option<WireMeasuredShard>,
}

/// What was measured of one shard, as in the record in its own folder. It is of the shard's
/// questions on the shard's machine, and no part of a figure of the whole.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct WireMeasuredShard {
    /// The command that was given, its arguments one by one; older records lack it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub command: Option<Vec<String>>,
    /// When it began, in UTC (RFC 3339).
    pub started: String,
    /// `cpu`, `cuda:N`, `cuda:N,M` or `metal`.
    pub device: String,
    /// Threads that computed.
    pub threads: usize,
    /// How fast.
    pub throughput: WireThroughput,
    /// Of questions.
    pub latency_ms: WireLatencies,
    /// How much memory.
    pub memory: WireMemory,
    /// How much energy the timed pass took.
    pub energy: WireEnergy,
    /// Seconds of the first repetition, from its process's first act to its result.
    pub wall_s: f64,
    /// Why the figures of speed and memory should not be trusted.
    pub doubts: Vec<String>,
    /// The machine and the build.
    pub environment: WireEnvironment,
}

impl From<&WireRecord> for WireMeasuredShard {
    fn from(record: &WireRecord) -> Self {
        Self {
            command: record.command.clone(),
            started: record.started.clone(),
            device: record.device.clone(),
            threads: record.protocol.threads,
            throughput: record.throughput.clone(),
            latency_ms: record.latency_ms,
            memory: record.memory.clone(),
            energy: record.energy.clone(),
            wall_s: record.wall_s,
            doubts: record.doubts.clone(),
            environment: record.environment.clone(),
        }
    }
}
