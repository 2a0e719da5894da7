//! Speed and memory as they stand in a record.

use serde::{Deserialize, Serialize};

use super::{WireCardUse, WireEnergy, WireMemory, WireMemorySamples, WireNoise, WireScenario};
use crate::cell::samples::Samples;
use crate::measure::latency::Latencies;

/// How fast a cell was.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct WireThroughput {
    /// Questions by `end_to_end_s`; in scenarios other than offline by the time that passed.
    pub questions_per_s: f64,
    /// Windows by `forward_s`.
    pub windows_per_s: f64,
    /// Tokens by `forward_s`.
    pub tokens_per_s: f64,
    /// Share of the tokens computed that were padding.
    pub padding_waste: f64,
    /// Floating-point operations of matrix products by `forward_s`.
    pub flops_per_s: f64,
    /// The measured peak of what computed, in the dtype that matrices are multiplied in (`--roofline`); absent
    /// where that was not asked for.
    #[serde(default)]
    pub matrix_peak_flops_per_s: Option<f64>,
    /// `flops_per_s` by that peak.
    pub peak_fraction: Option<f64>,
    /// Seconds of the timed forward passes.
    pub forward_s: f64,
    /// What NVIDIA cards were busy with these passes by CUDA events, all cards together; absent elsewhere.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub device_s: Option<f64>,
    /// Seconds of tokenising, forward passes and decoding; in scenarios other than offline the
    /// time that passed.
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

/// One process's measurements: a repetition of a cell.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct WireRepetition {
    /// When it began, in UTC (RFC 3339).
    pub started: String,
    /// How fast.
    pub throughput: WireThroughput,
    /// Of questions.
    pub latency_ms: WireLatencies,
    /// Of windows.
    pub window_latency_ms: WireLatencies,
    /// Of forward passes.
    pub batch_latency_ms: WireLatencies,
    /// How the scenario went.
    pub scenario: WireScenario,
    /// How much memory.
    pub memory: WireMemory,
    /// How much energy the timed pass took, where the machine tells.
    pub energy: WireEnergy,
    /// Whether the timed pass was steady.
    pub steadiness: WireSteadiness,
    /// What else went on while it ran.
    pub noise: WireNoise,
    /// What each NVIDIA card did during the timed pass; absent elsewhere.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub cards: Vec<WireCardUse>,
    /// Whether it was known from an earlier load which layers lose too much in eight bits; absent in
    /// other precisions and where that is not kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub quantization_from_cache: Option<bool>,
    /// Shapes of small batches that a CUDA device recorded before the clock ran; absent where it recorded none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub cuda_graphs: Vec<WireCudaGraph>,
    /// Consecutive phases in seconds; they add up to `wall_s`.
    pub phases_s: serde_json::Map<String, serde_json::Value>,
    /// Seconds from the process's first act to its result.
    pub wall_s: f64,
    /// Why its figures should not be trusted; empty where they may be.
    pub doubts: Vec<String>,
}

/// A shape of small batches whose kernels a CUDA device can start all together: a CUDA graph.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct WireCudaGraph {
    /// Tokens that such batches are filled up to.
    pub tokens: usize,
    /// Windows of such batches.
    pub windows: usize,
    /// The least that a batch took whose kernels were started one after another.
    pub launched_ms: f64,
    /// The least that it took when they were started all together.
    pub replayed_ms: f64,
    /// Whether such batches were computed so, because it takes less time.
    pub used: bool,
}

/// A line of `samples.jsonl`: the raw samples of a repetition.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct WireSamples {
    /// The record's version.
    pub schema: u32,
    /// The repetition, from 1.
    pub repetition: usize,
    /// Each pass of the warm-up.
    pub warm_up_ns: Vec<u64>,
    /// Anonymous memory over the timed pass.
    pub memory: WireMemorySamples,
    /// Questions, windows and forward passes.
    #[serde(flatten)]
    pub samples: Samples,
}

/// A figure over the repetitions: their median, with an interval of the median by order statistics.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct WireInterval {
    /// The figure's place in the record, such as `throughput.windows_per_s`.
    pub figure: String,
    /// Its value in each repetition.
    pub values: Vec<f64>,
    /// Their median.
    pub median: f64,
    /// Lower end of the interval.
    pub lower: f64,
    /// Upper end of the interval.
    pub upper: f64,
    /// The probability with which such an interval holds the median, whatever the distribution.
    pub coverage: f64,
}

/// Whether a timed pass was steady. The series is that of the forward passes, each pass's time
/// for the floating-point operations in it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct WireSteadiness {
    /// `MSER-5`.
    pub method: String,
    /// Passes of the warm-up before the clock ran.
    pub warm_up_passes: usize,
    /// Whether they became steady; null where there were too few to tell.
    pub warm_up_steady: Option<bool>,
    /// Passes of the series.
    pub passes: usize,
    /// Passes at its beginning that are not steady; null where there are too few to tell.
    pub truncated: Option<usize>,
    /// Whether the series is steady: the cut lies in its first half.
    pub steady: Option<bool>,
    /// Change over the whole series by the Theil–Sen line, in percent of the median.
    pub drift_percent: Option<f64>,
    /// Probability of as clear a trend where there is none (Mann–Kendall).
    pub drift_p: Option<f64>,
    /// Correlation of neighbours in the series.
    pub lag_1_autocorrelation: Option<f64>,
    /// Passes outside Tukey's inner fences (1.5 interquartile ranges), slow ones.
    pub slow_outliers: Option<usize>,
    /// Of them outside the outer fences (3 interquartile ranges).
    pub severely_slow_outliers: Option<usize>,
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
