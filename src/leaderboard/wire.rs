//! A leaderboard as `spanbench report --json` prints it. Version 1; fields are only ever added.
//! What is not known is null. Rows are meant by their place in their table, from 0.

use serde::{Deserialize, Serialize};

/// The version of the layout below.
pub const SCHEMA: u32 = 1;

/// Many records, in tables of what can be compared.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct WireLeaderboard {
    /// [`SCHEMA`].
    pub schema: u32,
    /// A table for each data set, selection of questions and scoring protocol.
    pub tables: Vec<WireTable>,
    /// Failed cells that no single table can be named for: they tell their data set as asked for.
    pub failures: Vec<WireRow>,
    /// Speeds against a base; null where there is nothing to compare.
    pub speeds: Option<WireSpeeds>,
    /// Which model is best within the limits asked for; null where there are none.
    pub budget: Option<WireBudget>,
}

/// Rows whose accuracy can be compared.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct WireTable {
    /// The data set's name.
    pub dataset: String,
    /// The data set's hash.
    pub dataset_sha256: String,
    /// Questions asked.
    pub questions: usize,
    /// Which questions those are, in words: `all questions`, `first 100`, ….
    pub selection: String,
    /// The scoring protocol.
    pub protocol: String,
    /// Under what rows were timed: speed, latency, memory and energy are compared only among rows
    /// of the same entry.
    pub conditions: Vec<WireConditions>,
    /// The rows by falling F1; failed cells behind all others.
    pub rows: Vec<WireRow>,
    /// How the ranks came about; null where no two rows have common questions.
    pub ranking: Option<WireRanking>,
}

/// Under what some rows of a table were timed, and their Pareto fronts.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct WireConditions {
    /// The machine, as far as it is known.
    pub machine: String,
    /// The kind of device: `cpu`, `cuda` or `metal`.
    pub device: String,
    /// Threads that computed.
    pub threads: usize,
    /// `offline`, `single-stream`, `multi-stream` or `server`, with what else sets its pace.
    pub scenario: String,
    /// Whether questions came at a set rate: then questions/s say nothing about the models, and
    /// there is no front of them.
    pub paced: bool,
    /// Pareto fronts of F1 against one figure each: questions/s, latency, memory, energy.
    pub fronts: Vec<WireFront>,
}

/// A cell in a table.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct WireRow {
    /// The cell's name.
    pub cell: String,
    /// Its folder.
    pub path: String,
    /// The model, by a name that is its own in the whole leaderboard: the id, with dtype, form of the
    /// operations or revision where several have the same.
    pub model: String,
    /// The model's id.
    pub model_id: String,
    /// Its commit, for models of the hub.
    pub revision: Option<String>,
    /// `model_type`; null of failed cells.
    pub architecture: Option<String>,
    /// The dtype that weights are kept in; null of failed cells.
    pub dtype: Option<String>,
    /// The device.
    pub device: String,
    /// The place of its conditions in the table; null of failed cells and of merged shards.
    pub conditions: Option<usize>,
    /// Where it stands by F1; null of failed cells.
    pub rank: Option<WireRank>,
    /// Its figures; of failed cells all null.
    pub figures: WireFigures,
    /// Why its figures of speed should not be trusted; empty where they may be.
    pub doubts: Vec<String>,
    /// Whether its figures of memory should not be trusted.
    pub memory_doubtful: bool,
    /// The number of shards that it was merged from, which have accuracy and no speed, latency,
    /// memory or energy; absent of a single run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shards: Option<usize>,
    /// Why there are no figures.
    pub error: Option<WireRowError>,
}

/// Why a cell has no figures.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WireRowError {
    /// The sort, as in the error record.
    pub kind: String,
    /// In one line.
    pub message: String,
}

/// A rank by F1, 1 the best. Rows of equal F1 share the better rank.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct WireRank {
    /// On the common questions.
    pub rank: usize,
    /// The 2.5 percentile of its ranks in the resamples; null where there were none.
    pub lower: Option<usize>,
    /// The 97.5 percentile.
    pub upper: Option<usize>,
}

/// How the intervals of ranks came about: a paired bootstrap.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct WireRanking {
    /// Questions that every row with figures has.
    pub common_questions: usize,
    /// What was drawn as a whole: `passages`, or `questions` where passages are unknown or fewer
    /// than ten.
    pub units: String,
    /// How many of them there are.
    pub unit_count: usize,
    /// Resamples; 0 where there are too few units.
    pub resamples: usize,
    /// The seed of the draws.
    pub seed: u64,
    /// Of the intervals: 0.95.
    pub confidence: f64,
}

/// The figures of a row.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct WireFigures {
    /// In percent.
    pub exact_match: Option<f64>,
    /// 95 % bootstrap interval.
    pub exact_match_interval: Option<[f64; 2]>,
    /// In percent.
    pub f1: Option<f64>,
    /// 95 % bootstrap interval.
    pub f1_interval: Option<[f64; 2]>,
    /// What the intervals resample: `passages`, or `questions` where there are fewer than ten.
    pub intervals_by: Option<String>,
    /// Questions a second, end to end.
    pub questions_per_s: Option<f64>,
    /// Windows a second of forward passes.
    pub windows_per_s: Option<f64>,
    /// Median latency of questions.
    pub latency_p50_ms: Option<f64>,
    /// 90th percentile.
    pub latency_p90_ms: Option<f64>,
    /// 95th percentile.
    pub latency_p95_ms: Option<f64>,
    /// 99th percentile.
    pub latency_p99_ms: Option<f64>,
    /// 99.9th percentile.
    pub latency_p999_ms: Option<f64>,
    /// Peak of the device's memory where it has its own, else of the process's resident pages.
    pub memory_peak_bytes: Option<u64>,
    /// What the peak is of: `device` or `resident`.
    pub memory_peak_of: Option<String>,
    /// Joules for a thousand questions.
    pub joules_per_1000_questions: Option<f64>,
    /// Weights of encoder and span head.
    pub parameters: Option<u64>,
    /// Bytes of the model's files.
    pub model_bytes: Option<u64>,
}

/// A Pareto front: F1, higher is better, against one other figure.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WireFront {
    /// The other figure: `questions_per_s`, `latency_pNN_ms`, `memory_peak_bytes` or
    /// `joules_per_1000_questions`.
    pub figure: String,
    /// Whether more of it is better.
    pub higher_is_better: bool,
    /// Rows that no other row of the same conditions dominates, by falling F1.
    pub rows: Vec<usize>,
    /// The other rows: each with one of the front that is at least as good in both and better in
    /// one.
    pub dominated: Vec<WireDominated>,
    /// Rows that lack the figure.
    pub unknown: Vec<usize>,
}

/// A row that is not on a front.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct WireDominated {
    /// The row.
    pub row: usize,
    /// A row of the front that dominates it.
    pub by: usize,
}

/// Geometric means of ratios of questions/s to a base, of models that are accurate enough.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct WireSpeeds {
    /// The base's name, as in the rows.
    pub base: String,
    /// How accurate a model must be to have a mean, in words.
    pub floor: String,
    /// What the base was timed on: `[table, conditions]`. The mean is over all of them.
    pub groups: Vec<[usize; 2]>,
    /// The models, the fastest first; those without a mean behind all others.
    pub models: Vec<WireModelSpeed>,
}

/// A model's speed against the base.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct WireModelSpeed {
    /// The model's name, as in the rows.
    pub model: String,
    /// Geometric mean of its ratios: above 1 it is faster than the base.
    pub ratio: Option<f64>,
    /// Why it has none.
    pub left_out_because: Option<String>,
    /// Whether one of the figures should not be trusted.
    pub doubtful: bool,
}

/// Limits, and the best model within them.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct WireBudget {
    /// Each limit, such as `p99 latency at most 50 ms`.
    pub limits: Vec<String>,
    /// An answer for each conditions of each table.
    pub choices: Vec<WireChoice>,
}

/// Which model is best within a budget.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct WireChoice {
    /// The table.
    pub table: usize,
    /// The conditions.
    pub conditions: usize,
    /// The row of the highest F1 within all limits; of equal ones the first. Null: none is.
    pub best: Option<usize>,
    /// The next of another model within the limits.
    pub runner_up: Option<usize>,
    /// By how much the best leads the runner-up.
    pub lead: Option<WireLead>,
    /// All rows within the limits, by falling F1.
    pub within: Vec<usize>,
    /// The rows that are not.
    pub outside: Vec<WireOutside>,
}

/// A difference of F1 over the common questions, in percentage points.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct WireLead {
    /// The best less the runner-up.
    pub f1_difference: f64,
    /// Its 95 % paired bootstrap interval; null where there are too few questions.
    pub interval: Option<[f64; 2]>,
}

/// A row that is not within a budget.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct WireOutside {
    /// The row.
    pub row: usize,
    /// Why: `p99 latency 81.2 ms`, `memory is not known`, ….
    pub because: Vec<String>,
    /// Whether it is outside only because a figure is not known.
    pub unknown: bool,
}
