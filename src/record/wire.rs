//! The record as it stands in `run.json`. Version 1; fields are only ever added.

use serde::{Deserialize, Serialize};

use crate::analysis::wire::WireAnalysis;
use crate::measure::environment::Environment;
use crate::measure::latency::Latencies;
use crate::score::{Accuracy, squad_v2};

/// The version of the layout below.
pub const SCHEMA: u32 = 1;

/// One cell: a model, a data set, a device and settings, with what came of them.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct WireRecord {
    /// [`SCHEMA`].
    pub schema: u32,
    /// Name of the cell.
    pub cell: String,
    /// When the cell began, in UTC (RFC 3339).
    pub started: String,
    /// What answered.
    pub model: WireModel,
    /// What was asked.
    pub dataset: WireDataset,
    /// `cpu`.
    pub device: String,
    /// Every setting that can change a figure.
    pub protocol: WireProtocol,
    /// The scorers' figures.
    pub accuracy: WireAccuracy,
    /// What the scores alone do not say; older records lack it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub analysis: Option<WireAnalysis>,
    /// How fast.
    pub throughput: WireThroughput,
    /// Of questions: tokenising, the forward passes a question's windows were part of, decoding.
    pub latency_ms: WireLatencies,
    /// Of forward passes.
    pub batch_latency_ms: WireLatencies,
    /// How much memory.
    pub memory: WireMemory,
    /// Consecutive phases in seconds; they add up to `wall_s`.
    pub phases_s: serde_json::Map<String, serde_json::Value>,
    /// Seconds from the cell's start to the record.
    pub wall_s: f64,
    /// The machine and the build.
    pub environment: WireEnvironment,
    /// What a reader of the figures should know.
    pub warnings: Vec<String>,
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
    /// `offline`: everything at once.
    pub scenario: String,
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
    /// Threads that compute.
    pub threads: usize,
    /// Tokens of a batch at the most.
    pub batch_tokens: usize,
    /// The order in which windows are computed.
    pub window_order: String,
    /// Seed of what is random: a sample of questions, a shuffled window order, resamples and folds.
    pub seed: u64,
}

/// The scorers' figures, in percent, by the official scripts' own names.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct WireAccuracy {
    /// Exact match over all questions.
    pub exact_match: f64,
    /// Token F1 over all questions.
    pub f1: f64,
    /// Questions scored.
    pub total: usize,
    /// What else the protocol's script prints.
    #[serde(flatten)]
    pub more: serde_json::Map<String, serde_json::Value>,
}

/// How fast a cell was.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct WireThroughput {
    /// Questions by `end_to_end_s`.
    pub questions_per_s: f64,
    /// Windows by `forward_s`.
    pub windows_per_s: f64,
    /// Tokens by `forward_s`.
    pub tokens_per_s: f64,
    /// Share of the tokens computed that were padding.
    pub padding_waste: f64,
    /// Floating-point operations of matrix products by `forward_s`.
    pub flops_per_s: f64,
    /// Of the machine's measured peak; absent until that is measured.
    pub peak_fraction: Option<f64>,
    /// Seconds of all forward passes but the first, discarded one.
    pub forward_s: f64,
    /// Seconds of tokenising, forward passes and decoding.
    pub end_to_end_s: f64,
}

/// Latencies in milliseconds, percentiles by nearest rank.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct WireLatencies {
    /// The number of values.
    pub n: usize,
    /// Arithmetic mean.
    pub mean: f64,
    /// Median.
    pub p50: f64,
    /// 90th percentile.
    pub p90: f64,
    /// 95th percentile.
    pub p95: f64,
    /// 99th percentile.
    pub p99: f64,
    /// 99.9th percentile.
    pub p999: f64,
    /// The largest value.
    pub max: f64,
}

/// Memory in bytes; absent where the system does not tell.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct WireMemory {
    /// The weights as computed with.
    pub weights_bytes: u64,
    /// Most resident pages, mapped files included, since the process began.
    pub rss_peak_bytes: Option<u64>,
    /// Most anonymous pages, sampled: see `measure::memory`.
    pub rss_anon_peak_bytes: Option<u64>,
    /// Most memory of the accelerator; absent on the CPU.
    pub device_peak_bytes: Option<u64>,
}

/// The machine and the build.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct WireEnvironment {
    /// The processor's name.
    pub cpu_model: Option<String>,
    /// Instruction-set family.
    pub architecture: String,
    /// Vector extensions the processor has.
    pub cpu_features: Vec<String>,
    /// Logical processors this process may use.
    pub logical_cores: usize,
    /// Logical processors that computed: one a thread, as far as there are.
    pub cores_used: usize,
    /// Physical memory.
    pub memory_total_bytes: Option<u64>,
    /// The distribution.
    pub os: String,
    /// The kernel's release.
    pub kernel: Option<String>,
    /// Version of spanbench.
    pub tool_version: String,
    /// Its git commit.
    pub tool_revision: Option<String>,
    /// `rustc --version`.
    pub compiler: String,
    /// Target triple.
    pub target: String,
    /// `-C target-cpu`.
    pub target_cpu: String,
    /// `release` or `debug`.
    pub profile: String,
    /// Optimisation level.
    pub opt_level: String,
    /// Cargo features.
    pub features: String,
    /// Versions of the libraries that compute.
    pub libraries: Option<String>,
}

impl From<&Accuracy> for WireAccuracy {
    fn from(accuracy: &Accuracy) -> Self {
        let mut more = serde_json::Map::new();
        let total = match accuracy {
            Accuracy::SquadV1(accuracy) | Accuracy::Mlqa(accuracy) => accuracy.total,
            Accuracy::SquadV2(accuracy) => {
                add_squad_v2(accuracy, &mut more);
                accuracy.all.total
            }
        };
        Self {
            exact_match: accuracy.exact_match(),
            f1: accuracy.f1(),
            total,
            more,
        }
    }
}

/// The keys that `evaluate-v2.0.py --out-image-dir` prints besides `f1` and `total`.
fn add_squad_v2(
    accuracy: &squad_v2::SquadV2,
    more: &mut serde_json::Map<String, serde_json::Value>,
) {
    more.insert("exact".to_owned(), accuracy.all.exact.into());
    for (name, group) in [
        ("HasAns", accuracy.has_answer),
        ("NoAns", accuracy.no_answer),
    ] {
        if let Some(group) = group {
            more.insert(format!("{name}_exact"), group.exact.into());
            more.insert(format!("{name}_f1"), group.f1.into());
            more.insert(format!("{name}_total"), group.total.into());
        }
    }
    if let Some((exact, f1)) = accuracy.best {
        for (name, best) in [("exact", exact), ("f1", f1)] {
            more.insert(format!("best_{name}"), best.score.into());
            more.insert(format!("best_{name}_thresh"), best.threshold.into());
        }
    }
    if let Some(average) = accuracy.average_precisions {
        for (name, value) in [
            ("exact", average.exact),
            ("f1", average.f1),
            ("oracle", average.oracle),
        ] {
            more.insert(format!("pr_{name}_ap"), value.into());
        }
    }
}

impl From<Latencies> for WireLatencies {
    fn from(latencies: Latencies) -> Self {
        let Latencies {
            n,
            mean,
            p50,
            p90,
            p95,
            p99,
            p999,
            max,
        } = latencies;
        Self {
            n,
            mean,
            p50,
            p90,
            p95,
            p99,
            p999,
            max,
        }
    }
}

impl WireEnvironment {
    /// Whether timings of the build mean anything.
    pub fn is_optimised(&self) -> bool {
        matches!(self.opt_level.as_str(), "2" | "3")
    }

    /// The environment of a run on `threads` threads.
    pub fn new(environment: Environment, threads: usize) -> Self {
        let build = environment.build;
        let features = environment.cpu_features.iter();
        Self {
            cpu_model: environment.cpu_model,
            architecture: environment.architecture.to_owned(),
            cpu_features: features.map(ToString::to_string).collect(),
            logical_cores: environment.logical_cores,
            cores_used: threads.min(environment.logical_cores),
            memory_total_bytes: environment.memory_total_bytes,
            os: environment.os,
            kernel: environment.kernel,
            tool_version: build.version.to_owned(),
            tool_revision: build.revision.map(str::to_owned),
            compiler: build.compiler.to_owned(),
            target: build.target.to_owned(),
            target_cpu: build.target_cpu.to_owned(),
            profile: build.profile.to_owned(),
            opt_level: build.opt_level.to_owned(),
            features: build.features.to_owned(),
            libraries: build.libraries.map(str::to_owned),
        }
    }
}

/// A line of `questions.jsonl`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct WireQuestion {
    /// The question's id.
    pub id: String,
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
    /// Start logit plus end logit; for the pipeline a probability.
    pub score: f32,
    /// Distance to the best span of another text.
    pub margin: Option<f32>,
    /// Null score less best span score, where "no answer" was allowed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub null_odds: Option<f32>,
    /// The number of windows.
    pub windows: usize,
    /// In milliseconds.
    pub latency_ms: f64,
}

/// Seconds by phase, in the order in which the phases ended.
pub fn phases(phases: &[(&'static str, f64)]) -> serde_json::Map<String, serde_json::Value> {
    phases
        .iter()
        .map(|&(name, seconds)| (name.to_owned(), seconds.into()))
        .collect()
}
