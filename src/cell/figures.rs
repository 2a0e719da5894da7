//! The figures of a repetition, by the names that they have in a record.

use crate::record::wire::{WireEnergy, WireLatencies, WireMemory, WireRepetition, WireThroughput};
use crate::stats::order::median;

/// Reads one figure off a repetition.
pub type Figure = fn(&WireRepetition) -> Option<f64>;

/// Every figure that is a measurement, with its place in the record.
pub const ALL: &[(&str, Figure)] = &[
    ("throughput.questions_per_s", |r| {
        Some(r.throughput.questions_per_s)
    }),
    ("throughput.windows_per_s", |r| {
        Some(r.throughput.windows_per_s)
    }),
    ("throughput.tokens_per_s", |r| {
        Some(r.throughput.tokens_per_s)
    }),
    ("throughput.flops_per_s", |r| Some(r.throughput.flops_per_s)),
    ("throughput.peak_fraction", |r| r.throughput.peak_fraction),
    ("latency_ms.mean", |r| Some(r.latency_ms.mean)),
    ("latency_ms.p50", |r| Some(r.latency_ms.p50)),
    ("latency_ms.p90", |r| Some(r.latency_ms.p90)),
    ("latency_ms.p95", |r| Some(r.latency_ms.p95)),
    ("latency_ms.p99", |r| Some(r.latency_ms.p99)),
    ("latency_ms.p999", |r| Some(r.latency_ms.p999)),
    ("latency_ms.max", |r| Some(r.latency_ms.max)),
    ("window_latency_ms.mean", |r| Some(r.window_latency_ms.mean)),
    ("window_latency_ms.p50", |r| Some(r.window_latency_ms.p50)),
    ("window_latency_ms.p90", |r| Some(r.window_latency_ms.p90)),
    ("window_latency_ms.p95", |r| Some(r.window_latency_ms.p95)),
    ("window_latency_ms.p99", |r| Some(r.window_latency_ms.p99)),
    ("window_latency_ms.p999", |r| Some(r.window_latency_ms.p999)),
    ("window_latency_ms.max", |r| Some(r.window_latency_ms.max)),
    ("batch_latency_ms.mean", |r| Some(r.batch_latency_ms.mean)),
    ("batch_latency_ms.p50", |r| Some(r.batch_latency_ms.p50)),
    ("batch_latency_ms.p90", |r| Some(r.batch_latency_ms.p90)),
    ("batch_latency_ms.p95", |r| Some(r.batch_latency_ms.p95)),
    ("batch_latency_ms.p99", |r| Some(r.batch_latency_ms.p99)),
    ("batch_latency_ms.p999", |r| Some(r.batch_latency_ms.p999)),
    ("batch_latency_ms.max", |r| Some(r.batch_latency_ms.max)),
    ("memory.rss_peak_bytes", |r| bytes(r.memory.rss_peak_bytes)),
    ("memory.rss_anon_peak_bytes", |r| {
        bytes(r.memory.rss_anon_peak_bytes)
    }),
    ("memory.activations_peak_bytes", |r| {
        bytes(r.memory.activations_peak_bytes)
    }),
    ("memory.device_peak_bytes", |r| {
        bytes(r.memory.device_peak_bytes)
    }),
    ("energy.packages_j", |r| r.energy.packages_j),
    ("energy.memory_j", |r| r.energy.memory_j),
    ("energy.cards_j", |r| r.energy.cards_j),
    ("energy.per_question_j", |r| r.energy.per_question_j),
];

fn bytes(bytes: Option<u64>) -> Option<f64> {
    bytes.map(|bytes| bytes as f64)
}

/// The figures of a typical repetition: each is the median over all.
#[derive(Debug, Clone, PartialEq)]
pub struct Medians {
    /// How fast.
    pub throughput: WireThroughput,
    /// Of questions.
    pub latency_ms: WireLatencies,
    /// Of windows.
    pub window_latency_ms: WireLatencies,
    /// Of forward passes.
    pub batch_latency_ms: WireLatencies,
    /// How much memory.
    pub memory: WireMemory,
    /// How much energy.
    pub energy: WireEnergy,
}

/// The median of every figure over `repetitions`, of which there is one at least.
pub fn medians(repetitions: &[WireRepetition]) -> Medians {
    let of = |figure: &dyn Fn(&WireRepetition) -> f64| {
        let values: Vec<f64> = repetitions.iter().map(figure).collect();
        median(&values).unwrap_or(values[0])
    };
    let known = |figure: &dyn Fn(&WireRepetition) -> Option<f64>| {
        let values: Option<Vec<f64>> = repetitions.iter().map(figure).collect();
        values.and_then(|values| median(&values))
    };
    #[allow(clippy::cast_sign_loss)] // sizes are not below 0
    let whole = |figure: &dyn Fn(&WireRepetition) -> Option<u64>| {
        known(&|r| bytes(figure(r))).map(|median| median.round() as u64)
    };
    let latencies = |which: &dyn Fn(&WireRepetition) -> &WireLatencies| WireLatencies {
        n: repetitions.iter().map(|r| which(r).n).sum(),
        mean: of(&|r| which(r).mean),
        p50: of(&|r| which(r).p50),
        p90: of(&|r| which(r).p90),
        p95: of(&|r| which(r).p95),
        p99: of(&|r| which(r).p99),
        p999: of(&|r| which(r).p999),
        max: of(&|r| which(r).max),
    };
    Medians {
        throughput: WireThroughput {
            questions_per_s: of(&|r| r.throughput.questions_per_s),
            windows_per_s: of(&|r| r.throughput.windows_per_s),
            tokens_per_s: of(&|r| r.throughput.tokens_per_s),
            padding_waste: of(&|r| r.throughput.padding_waste),
            flops_per_s: of(&|r| r.throughput.flops_per_s),
            matrix_peak_flops_per_s: known(&|r| r.throughput.matrix_peak_flops_per_s),
            peak_fraction: known(&|r| r.throughput.peak_fraction),
            forward_s: of(&|r| r.throughput.forward_s),
            device_s: known(&|r| r.throughput.device_s),
            end_to_end_s: of(&|r| r.throughput.end_to_end_s),
        },
        latency_ms: latencies(&|r| &r.latency_ms),
        window_latency_ms: latencies(&|r| &r.window_latency_ms),
        batch_latency_ms: latencies(&|r| &r.batch_latency_ms),
        memory: WireMemory {
            rss_peak_bytes: whole(&|r| r.memory.rss_peak_bytes),
            rss_anon_peak_bytes: whole(&|r| r.memory.rss_anon_peak_bytes),
            activations_peak_bytes: whole(&|r| r.memory.activations_peak_bytes),
            device_peak_bytes: whole(&|r| r.memory.device_peak_bytes),
            ..repetitions[0].memory.clone()
        },
        energy: WireEnergy {
            packages_j: known(&|r| r.energy.packages_j),
            memory_j: known(&|r| r.energy.memory_j),
            cards_j: known(&|r| r.energy.cards_j),
            per_question_j: known(&|r| r.energy.per_question_j),
            ..repetitions[0].energy.clone()
        },
    }
}
