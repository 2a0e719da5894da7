//! Scenarios and the proof of their answers as they stand in a record.

use serde::{Deserialize, Serialize};

use crate::cell::proof::Proof;
use crate::cell::timed::Timing;
use crate::measure::scenario::find_rate::FoundRate;

/// How questions arrived, as asked for.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct WireProtocolTiming {
    /// Whether a run is valid only by all of MLPerf's rules (`--mlperf`), early stopping included.
    pub mlperf: bool,
    /// Seconds that the timed pass was to last at least.
    pub min_duration_s: f64,
    /// Seconds of a turn, where cells took turns.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub turn_s: Option<f64>,
    /// Queries that it was to have at least; in the offline scenario windows.
    pub min_queries: u64,
    /// Questions of a query.
    pub samples_per_query: u64,
    /// The percentile of latency that counts, as a share.
    pub percentile: f64,
    /// What it must not exceed, for the server scenario.
    pub latency_bound_ms: Option<f64>,
    /// Queries a second that were to arrive, for the server scenario.
    pub rate_per_s: Option<f64>,
    /// Whether a rate was to be found.
    pub find_rate: bool,
}

impl From<&Timing> for WireProtocolTiming {
    fn from(timing: &Timing) -> Self {
        let rules = &timing.rules;
        Self {
            mlperf: timing.mlperf,
            turn_s: None,
            min_duration_s: rules.min_duration.as_secs_f64(),
            min_queries: rules.min_queries,
            samples_per_query: rules.samples_per_query,
            percentile: rules.percentile,
            latency_bound_ms: rules.latency_bound.map(|bound| bound.as_secs_f64() * 1e3),
            rate_per_s: timing.rate,
            find_rate: timing.find_rate,
        }
    }
}

/// How a timed pass went.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct WireScenario {
    /// `offline`, `single-stream`, `multi-stream` or `server`.
    pub name: String,
    /// Queries answered.
    pub queries: usize,
    /// Questions answered.
    pub questions: usize,
    /// Windows computed.
    pub windows: usize,
    /// Seconds from the first query to the last answer.
    pub duration_s: f64,
    /// Queries a second that arrived, for the server scenario.
    pub rate_per_s: Option<f64>,
    /// The latency at the percentile that counts, in milliseconds.
    pub percentile_latency_ms: Option<f64>,
    /// Queries over the bound, unanswered ones included.
    pub late: Option<usize>,
    /// Queries that were due and given up, the bound being missed whatever came of them.
    pub unanswered: usize,
    /// Whether the pass fulfils the rules asked for.
    pub valid: bool,
    /// Where it does not.
    pub invalid_because: Vec<String>,
    /// The search for a rate, where there was one.
    pub found_rate: Option<FoundRate>,
    /// MLPerf LoadGen's own fields for this pass, by its rules: it has more of them, early
    /// stopping above all.
    pub loadgen: serde_json::Map<String, serde_json::Value>,
}

/// The proof that timed answers are the scored ones.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct WireProof {
    /// Timed answers, of all repetitions, each compared with the scored one.
    pub compared: usize,
    /// Questions they were answers to.
    pub questions: usize,
    /// Answers that differ; a record with any is an error record.
    pub differing: usize,
    /// The largest difference of a span score among equal answers.
    pub largest_score_difference: f64,
    /// Some that differ.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub examples: Vec<WireDifference>,
}

/// A timed answer that was not the scored one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WireDifference {
    /// The question's id.
    pub id: String,
    /// What was scored.
    pub scored: String,
    /// What was answered on the clock.
    pub timed: String,
}

impl From<&Proof> for WireProof {
    fn from(proof: &Proof) -> Self {
        let examples = proof.examples.iter().map(|example| WireDifference {
            id: example.id.clone(),
            scored: example.scored.clone(),
            timed: example.timed.clone(),
        });
        Self {
            compared: proof.compared,
            questions: proof.questions,
            differing: proof.differing,
            largest_score_difference: proof.largest_score_difference,
            examples: examples.collect(),
        }
    }
}
