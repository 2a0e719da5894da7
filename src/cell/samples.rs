//! The raw samples of a timed pass: what every latency is made from.

use serde::{Deserialize, Serialize};

/// Columns of nanoseconds and counts; times are since the pass began.
///
/// There is a column for questions asked, in the order in which they were due; one for the
/// windows, question by question; and one for forward passes. Small files and quick to read,
/// since a server answers a million questions in a run.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Samples {
    /// Of each question asked, its place in the data set.
    pub question: Vec<usize>,
    /// Its number of windows.
    pub windows_of: Vec<usize>,
    /// When its query was due.
    pub scheduled_ns: Vec<u64>,
    /// When work on its query began.
    pub issued_ns: Vec<u64>,
    /// When its query was answered.
    pub completed_ns: Vec<u64>,
    /// Its tokenising, the forward passes its windows were part of, and its decoding.
    pub service_ns: Vec<u64>,
    /// Of each window, from when its query was due to the end of its forward pass.
    pub window_latency_ns: Vec<u64>,
    /// The forward pass that it was part of, counted from 0.
    pub window_batch: Vec<usize>,
    /// Of each forward pass, when it began.
    pub batch_started_ns: Vec<u64>,
    /// How long it took.
    pub batch_ns: Vec<u64>,
    /// How long the device was busy with it by its own clock; empty where the device has none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub batch_device_ns: Vec<u64>,
    /// Its windows.
    pub batch_windows: Vec<usize>,
    /// Its tokens.
    pub batch_tokens: Vec<usize>,
    /// Tokens that were computed besides, to fill it up; empty where there were none in any.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub batch_filling: Vec<usize>,
    /// The floating-point operations of its matrix products.
    pub batch_flops: Vec<u64>,
}

impl Samples {
    /// Questions asked.
    pub fn questions(&self) -> usize {
        self.question.len()
    }

    /// Windows computed.
    pub fn windows(&self) -> usize {
        self.window_batch.len()
    }

    /// Forward passes.
    pub fn batches(&self) -> usize {
        self.batch_ns.len()
    }

    /// Seconds that the device was busy with all of them by its own clock, where it has one.
    pub fn device_s(&self) -> Option<f64> {
        let all = self.batch_device_ns.len() == self.batches() && self.batches() > 0;
        all.then(|| self.batch_device_ns.iter().sum::<u64>() as f64 / 1e9)
    }

    /// Tokens computed.
    pub fn tokens(&self) -> usize {
        self.batch_tokens.iter().sum()
    }

    /// The share of all tokens computed that were there to fill batches up.
    pub fn padding_waste(&self) -> f64 {
        let filling: usize = self.batch_filling.iter().sum();
        filling as f64 / (filling + self.tokens()).max(1) as f64
    }

    /// Floating-point operations of the matrix products.
    pub fn flops(&self) -> u64 {
        self.batch_flops.iter().sum()
    }

    /// Of each question, from when its query was due to its answer.
    pub fn latencies_ns(&self) -> impl Iterator<Item = u64> {
        let times = self.completed_ns.iter().zip(&self.scheduled_ns);
        times.map(|(completed, scheduled)| completed - scheduled)
    }

    /// Of each window, how long its forward pass took.
    pub fn window_forward_ns(&self) -> impl Iterator<Item = u64> {
        self.window_batch.iter().map(|&batch| self.batch_ns[batch])
    }
}
