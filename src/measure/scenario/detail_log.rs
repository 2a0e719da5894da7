//! A run by the names of LoadGen's `mlperf_log_detail.txt`.
//!
//! Source: `PerformanceSummary::LogDetail` in `results.cc` of
//! <https://github.com/mlcommons/inference> (loadgen 6.0).

use serde::{Serialize, Serializer};

use super::early_stopping::PercentileEstimate;
use super::loadgen::{LatencyFigures, LoadGenSummary, PERCENTILES, Rates};
use super::rules::Scenario;

/// A value in LoadGen's detail log.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(untagged)]
pub enum Value {
    /// Words.
    Text(String),
    /// Whether something is met.
    Flag(bool),
    /// A number of queries, or nanoseconds.
    Count(u64),
    /// Queries or questions a second; JSON has `null` for what is not finite.
    Rate(f64),
}

impl LoadGenSummary {
    /// LoadGen's results by the names and in the order of `mlperf_log_detail.txt`.
    pub fn fields(&self) -> Vec<(String, Value)> {
        let mut fields = self.verdict_fields();
        let mut push = |name: &str, value| fields.push((name.to_owned(), value));
        let estimate_ns = |estimate: Option<PercentileEstimate>| {
            Value::Count(estimate.map_or(0, |estimate| estimate.latency_ns))
        };
        match self.rates {
            Rates::SingleStream {
                with_overhead_per_s,
                without_overhead_per_s,
            } => {
                let rate = Value::Rate(with_overhead_per_s);
                push("result_qps_with_loadgen_overhead", rate);
                let rate = Value::Rate(without_overhead_per_s);
                push("result_qps_without_loadgen_overhead", rate);
                push("early_stopping_latency_ss", estimate_ns(self.estimate));
                let estimate = estimate_ns(self.multi_stream_estimate);
                push("early_stopping_latency_ms", estimate);
            }
            Rates::MultiStream => {
                latency_fields(&mut fields, &self.query_latency, "query_", "per_query_");
                let estimate = estimate_ns(self.estimate);
                fields.push(("early_stopping_latency_ms".to_owned(), estimate));
            }
            Rates::Server {
                scheduled_per_s,
                completed_per_s,
            } => {
                let rate = Value::Rate(scheduled_per_s);
                push("result_scheduled_samples_per_sec", rate);
                let rate = Value::Rate(completed_per_s);
                push("result_completed_samples_per_sec", rate);
            }
            Rates::Offline { samples_per_s } => {
                push("result_samples_per_second", Value::Rate(samples_per_s));
            }
        }
        latency_fields(&mut fields, &self.sample_latency, "", "");
        fields.push(("num_errors".to_owned(), Value::Count(self.errors)));
        fields
    }

    fn verdict_fields(&self) -> Vec<(String, Value)> {
        let mut fields = Vec::new();
        let mut push = |name: &str, value| fields.push((name.to_owned(), value));
        push("result_validity", Value::Text(self.verdict().to_owned()));
        if self.rules.scenario == Scenario::Server {
            let met = Value::Flag(self.validity.performance_constraints);
            push("result_perf_constraints_met", met);
        }
        let met = Value::Flag(self.validity.min_duration);
        push("result_min_duration_met", met);
        let met = Value::Flag(self.validity.min_queries);
        push("result_min_queries_met", met);
        let met = Value::Flag(self.validity.early_stopping);
        push("early_stopping_met", met);
        if !self.validity.is_valid() {
            push("result_invalid_reason", Value::Text(self.invalid_reason()));
        }
        let result = self.early_stopping_result.replace('\n', " ");
        push("early_stopping_result", Value::Text(result));
        push("result_query_count", Value::Count(self.queries));
        if self.rules.scenario == Scenario::Server {
            let over = Value::Count(self.over_bound);
            push("result_overlatency_query_count", over);
        }
        fields
    }

    /// The recommendations in one line. LoadGen puts a space after each but that of too few queries.
    fn invalid_reason(&self) -> String {
        let mut reason = self.recommendations().join(" ");
        if self.validity.min_queries && !reason.is_empty() {
            reason.push(' ');
        }
        reason
    }
}

impl Serialize for LoadGenSummary {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.fields())
    }
}

/// Smallest, largest, mean and percentiles; `of_query` and `per_query` are what the names have besides.
fn latency_fields(
    fields: &mut Vec<(String, Value)>,
    latency: &LatencyFigures,
    of_query: &str,
    per_query: &str,
) {
    let extremes = [
        ("min", latency.min_ns),
        ("max", latency.max_ns),
        ("mean", latency.mean_ns),
    ];
    for (name, ns) in extremes {
        let name = format!("result_{name}_{of_query}latency_ns");
        fields.push((name, Value::Count(ns)));
    }
    for (share, ns) in PERCENTILES.into_iter().zip(latency.percentiles_ns) {
        let name = format!(
            "result_{:.2}_percentile_{per_query}latency_ns",
            share * 100.0
        );
        fields.push((name, Value::Count(ns)));
    }
}
