//! The record as it stands in `run.json`. Version 1; fields are only ever added.

mod accuracy;
mod environment;
mod failure;
mod gpu;
mod host;
mod machine;
mod merged;
mod profile;
mod quantization;
mod scenario;
mod shard;
mod speed;

use serde::{Deserialize, Serialize};

use crate::analysis::wire::WireAnalysis;
use crate::measure::roofline::WireRoofline;
pub use accuracy::WireAccuracy;
pub use environment::WireEnvironment;
pub use failure::{WireError, WireFailure};
pub use gpu::{WireCard, WireCardUse};
pub use host::{WireLimits, WirePlatform, WireProcessor};
pub use machine::{
    WireEnergy, WireGrowth, WireMemory, WireMemorySamples, WireNoise, WirePhaseMemory,
};
pub use merged::{WireMeasuredShard, WireMerged, WireMergedShard};
pub use profile::{WireProfile, WireProfileRow};
pub use quantization::{WireCalibration, WireLayerLoss, WireQuantization};
pub use scenario::{WireDifference, WireProof, WireProtocolTiming, WireScenario};
pub use shard::{
    ShardOf, WireGold, WireReach, WireShard, WireShardAnswer, WireShardPassage, WireShardQuestion,
    WireWhole,
};
pub use speed::{
    WireCudaGraph, WireInterval, WireLatencies, WireRepetition, WireSamples, WireSteadiness,
    WireThroughput,
};

/// The version of the layout below.
pub const SCHEMA: u32 = 1;

/// One cell: a model, a data set, a device and settings, with what came of them.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct WireRecord {
    /// [`SCHEMA`].
    pub schema: u32,
    /// Name of the cell.
    pub cell: String,
    /// The run that the cell is of: cells with the same were measured in the same rounds. Older
    /// records lack it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run_id: Option<String>,
    /// The command that was given, its arguments one by one; older records lack it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub command: Option<Vec<String>>,
    /// Hash of what was asked for, by which `--resume` knows a cell; older records lack it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub asked_sha256: Option<String>,
    /// When the cell began, in UTC (RFC 3339).
    pub started: String,
    /// What answered.
    pub model: WireModel,
    /// What was asked.
    pub dataset: WireDataset,
    /// `cpu`, `cuda:N`, `cuda:N,M` or `metal`.
    pub device: String,
    /// Every setting that can change a figure.
    pub protocol: WireProtocol,
    /// The scorers' figures.
    pub accuracy: WireAccuracy,
    /// What the scores alone do not say; older records lack it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub analysis: Option<WireAnalysis>,
    /// How fast. This and the following figures are medians over the repetitions.
    pub throughput: WireThroughput,
    /// Of questions, in the offline scenario tokenising, the forward passes a question's windows
    /// were part of, and decoding; in the others from when the query was due to its answer.
    pub latency_ms: WireLatencies,
    /// Of windows: in the offline scenario the forward pass that a window was part of; in the
    /// others from when the query was due to the end of that pass. Older records lack it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub window_latency_ms: Option<WireLatencies>,
    /// Of forward passes.
    pub batch_latency_ms: WireLatencies,
    /// How much memory.
    pub memory: WireMemory,
    /// Consecutive phases of the first repetition in seconds; they add up to `wall_s`.
    pub phases_s: serde_json::Map<String, serde_json::Value>,
    /// Seconds of the first repetition, from its process's first act to its result.
    pub wall_s: f64,
    /// The proof that the timed answers are the scored ones; older records lack it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub proof: Option<WireProof>,
    /// Every repetition; older records lack them.
    #[serde(default)]
    pub repetitions: Vec<WireRepetition>,
    /// Energy of the timed pass; older records lack it.
    #[serde(default)]
    pub energy: WireEnergy,
    /// Every figure over the repetitions, where there are several.
    #[serde(default)]
    pub intervals: Vec<WireInterval>,
    /// The machine's own peak, where it was asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub roofline: Option<WireRoofline>,
    /// Where the forward passes' time goes, where it was asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub profile: Option<WireProfile>,
    /// Why the figures of speed and memory should not be trusted; empty where they may be.
    #[serde(default)]
    pub doubts: Vec<String>,
    /// The machine and the build.
    pub environment: WireEnvironment,
    /// What a reader of the figures should know.
    pub warnings: Vec<String>,
}

impl WireRecord {
    /// The measured peak of what computed, in what matrices are multiplied in; older records have that of the
    /// processor alone.
    pub fn matrix_peak_flops_per_s(&self) -> Option<f64> {
        let of_processor = self.roofline.as_ref();
        let of_processor = of_processor.map(|peaks| peaks.peak_of(&self.model.compute_dtype));
        self.throughput.matrix_peak_flops_per_s.or(of_processor)
    }
}

/// The model of a record.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct WireModel {
    /// The card's, directory's or repository's name.
    pub id: String,
    /// The commit, for models from the hub.
    pub revision: Option<String>,
    /// `model_type`.
    pub architecture: String,
    /// Weights of encoder and span head.
    pub parameters: u64,
    /// The dtype that weights are kept in.
    pub dtype: String,
    /// The dtype that matrices are multiplied in; older records lack it.
    #[serde(default)]
    pub compute_dtype: String,
    /// The form of the operations.
    pub ops: String,
    /// The vector instructions that the CPU form chose; absent of the portable form and in older
    /// records.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub instructions: Option<String>,
    /// Whether matrices in single precision are multiplied in TF32, which rounds them to ten bits; absent on
    /// devices that cannot.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tf32: Option<bool>,
    /// What was quantised and how; absent where nothing was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub quantization: Option<WireQuantization>,
    /// The files read.
    pub files: Vec<WireFile>,
}

/// A file of a record's model or data set.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct WireFile {
    /// Name within the model or repository; of a local data set its id.
    pub name: String,
    /// Size.
    pub bytes: u64,
    /// SHA-256 in hexadecimal.
    pub sha256: String,
}

/// The data set of a record.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct WireDataset {
    /// The card's or repository's name, or the file's stem.
    pub id: String,
    /// The commit, for data sets of the hub.
    #[serde(default)]
    pub revision: Option<String>,
    /// ISO code, where the card or name tells.
    #[serde(default)]
    pub language: Option<String>,
    /// Of one file its SHA-256; of several that of their hexadecimal SHA-256s, a line each.
    pub sha256: String,
    /// The files read.
    #[serde(default)]
    pub files: Vec<WireFile>,
    /// Questions asked (after `--ids`, `--sample` and `--limit`).
    pub questions: usize,
    /// Questions without an answer among them.
    pub unanswerable: usize,
    /// Windows they were cut into.
    pub windows: usize,
    /// Tokens of all windows.
    pub tokens: usize,
    /// Gold answers whose text is not at their offset.
    pub misplaced_answers: usize,
}

/// The settings of a record.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct WireProtocol {
    /// The scorer.
    pub name: String,
    /// Whether it was chosen by the data set.
    pub auto: bool,
    /// Why it was chosen, where it was.
    #[serde(default)]
    pub auto_reason: Option<String>,
    /// `offline`, `single-stream`, `multi-stream` or `server`.
    pub scenario: String,
    /// How long it was to go on and what it had to hold; older records lack it.
    #[serde(default)]
    pub timing: WireProtocolTiming,
    /// How the scorer's script adds, `plain` or `compensated`, where it calls `sum()`.
    #[serde(default)]
    pub summation: Option<String>,
    /// `run_qa`, `google` or `pipeline`.
    pub decode: String,
    /// Tokens of a window at the most.
    pub max_seq_len: usize,
    /// Tokens that two windows share; for `google` the step from one to the next.
    pub doc_stride: usize,
    /// Tokens of a question at the most, for `google`.
    #[serde(default)]
    pub max_question_len: Option<usize>,
    /// Best starts and ends paired; absent for `pipeline`, which looks at all.
    pub n_best: Option<usize>,
    /// Tokens of an answer at the most.
    pub max_answer_len: usize,
    /// Above which null odds mean "no answer"; absent where none is allowed.
    pub null_threshold: Option<f32>,
    /// SHA-256 of the file of `--ids`.
    #[serde(default)]
    pub ids_sha256: Option<String>,
    /// `--sample`.
    #[serde(default)]
    pub sample: Option<usize>,
    /// `--limit`.
    pub limit: Option<usize>,
    /// `--shard`, as `I/N`; absent where all of the questions are meant.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shard: Option<String>,
    /// Threads that compute.
    pub threads: usize,
    /// Tokens of a batch at the most.
    pub batch_tokens: usize,
    /// The order in which windows are computed.
    pub window_order: String,
    /// Seed of what is random: a sample of questions, a shuffled window order, which questions are
    /// asked when, resamples and folds.
    pub seed: u64,
}

/// A line of `questions.jsonl`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct WireQuestion {
    /// The question's id.
    pub id: String,
    /// The question as written; older records lack it.
    #[serde(default)]
    pub question: Option<String>,
    /// Its gold answers as annotated, each text once; empty where the passage holds none. Older
    /// records lack them.
    #[serde(default)]
    pub golds: Option<Vec<String>>,
    /// Number of its passage in the data set: questions with the same number share it. Older
    /// records lack it.
    #[serde(default)]
    pub passage: Option<usize>,
    /// 1 or 0.
    pub exact_match: f64,
    /// Between 0 and 1.
    pub f1: f64,
    /// The answer given.
    pub answer: String,
    /// The kind of error; absent where the answer is an exact match.
    #[serde(default)]
    pub error: Option<String>,
    /// First and past-the-end code point of the answer in the passage, where it is a part of it.
    #[serde(default)]
    pub span: Option<[usize; 2]>,
    /// What the window shows of the passage that the answer was taken from: first and past-the-end
    /// code point; absent for "no answer" and in older records.
    #[serde(default)]
    pub window: Option<[usize; 2]>,
    /// Start logit plus end logit; for the pipeline a probability.
    pub score: f32,
    /// Distance to the best span of another text.
    pub margin: Option<f32>,
    /// Null score less best span score, where "no answer" was allowed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub null_odds: Option<f32>,
    /// The number of windows.
    pub windows: usize,
    /// Median latency in the timed pass, in milliseconds; null where that did not ask it.
    pub latency_ms: Option<f64>,
}

/// Seconds by phase, in the order in which the phases ended.
pub fn phases(phases: &[(&'static str, f64)]) -> serde_json::Map<String, serde_json::Value> {
    phases
        .iter()
        .map(|&(name, seconds)| (name.to_owned(), seconds.into()))
        .collect()
}
