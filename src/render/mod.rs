//! Records as text: pure functions, each from records to one format.

pub mod analysis;
pub mod audit;
pub mod columns;
pub mod comparison;
pub mod csv;
pub mod dry_run;
pub mod gate;
pub mod html;
pub mod junit;
pub mod latex;
pub mod leaderboard;
pub mod listing;
pub mod markdown;
pub mod measurement;
pub mod merged;
pub mod model_index;
pub mod notes;
pub mod table;

use crate::analysis::wire::WireAnalysis;
use crate::record::wire::{WireAccuracy, WireDataset, WireModel};
use crate::record::{Record, WireRecord};

/// What a row of a result table is made of.
struct Shown<'a> {
    model: &'a WireModel,
    dataset: &'a WireDataset,
    device: &'a str,
    accuracy: &'a WireAccuracy,
    analysis: Option<&'a WireAnalysis>,
    /// Nothing of merged shards.
    measured: Option<&'a WireRecord>,
}

impl<'a> From<&'a Record> for Shown<'a> {
    fn from(record: &'a Record) -> Self {
        Self {
            model: record.model(),
            dataset: record.dataset(),
            device: record.device(),
            accuracy: record.accuracy(),
            analysis: record.analysis(),
            measured: record.measured(),
        }
    }
}

impl<'a> From<&'a WireRecord> for Shown<'a> {
    fn from(record: &'a WireRecord) -> Self {
        Self {
            model: &record.model,
            dataset: &record.dataset,
            device: &record.device,
            accuracy: &record.accuracy,
            analysis: record.analysis.as_ref(),
            measured: Some(record),
        }
    }
}

/// The columns of a result table, each with its heading and the text of a record's figure.
type Column = (&'static str, fn(&Shown<'_>) -> String);

/// The figures of a result table: accuracy and speed of the same answers, and what they took.
const COLUMNS: &[Column] = &[
    ("model", |r| r.model.id.clone()),
    ("data set", |r| r.dataset.id.clone()),
    ("device", |r| format!("{} {}", r.device, r.model.dtype)),
    ("questions", |r| r.dataset.questions.to_string()),
    ("EM %", |r| format!("{:.2}", r.accuracy.exact_match)),
    ("F1 %", |r| format!("{:.2}", r.accuracy.f1)),
    ("95 % of F1", |r| {
        let intervals = r.analysis.map(|analysis| &analysis.intervals);
        let by_passage = intervals.and_then(|intervals| intervals.by_passage);
        by_passage.map_or("-".to_owned(), |by| {
            format!("{:.1}–{:.1}", by.f1.lower, by.f1.upper)
        })
    }),
    ("questions/s", |r| {
        doubtful(r, |r| r.throughput.questions_per_s)
    }),
    ("windows/s", |r| doubtful(r, |r| r.throughput.windows_per_s)),
    ("p50 ms", |r| doubtful(r, |r| r.latency_ms.p50)),
    ("p99 ms", |r| doubtful(r, |r| r.latency_ms.p99)),
    ("peak MB", |r| {
        let bytes = r.measured.and_then(|r| r.memory.rss_peak_bytes);
        let mut repetitions = r.measured.iter().flat_map(|r| &r.repetitions);
        let mark = if repetitions.any(|r| r.memory.grows()) {
            "?"
        } else {
            ""
        };
        bytes.map_or("-".to_owned(), |bytes| figure(bytes as f64 / 1e6) + mark)
    }),
];

/// A figure with three significant digits, and a question mark where it should not be trusted; a
/// dash where nothing was measured.
fn doubtful(shown: &Shown<'_>, value: fn(&WireRecord) -> f64) -> String {
    let Some(record) = shown.measured else {
        return "-".to_owned();
    };
    let mark = if record.doubts.is_empty() { "" } else { "?" };
    figure(value(record)) + mark
}

/// A figure with three significant digits, or all of them before the point.
fn figure(value: f64) -> String {
    let decimals = match value.abs() {
        size if size >= 99.95 => 0,
        size if size >= 9.995 => 1,
        _ => 2,
    };
    format!("{value:.decimals$}")
}

#[cfg(test)]
mod tests {
    use super::figure;

    #[test]
    fn figures_have_three_digits() {
        for (value, text) in [
            (0.0, "0.00"),
            (1.234, "1.23"),
            (9.999, "10.0"),
            (45.67, "45.7"),
            (99.96, "100"),
            (1234.5, "1234"),
        ] {
            assert_eq!(figure(value), text);
        }
    }
}
