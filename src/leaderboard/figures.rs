//! A record's figures as they stand in a row.

use super::wire::WireFigures;
use crate::analysis::wire::WireInterval;
use crate::record::{Record, WireRecord};

/// The figures of `record`; those that it lacks or that are no numbers are absent.
pub(super) fn figures(record: &Record) -> WireFigures {
    let intervals = record.analysis().map(|analysis| &analysis.intervals);
    let by_passage = intervals.and_then(|intervals| intervals.by_passage);
    let by_question = intervals.and_then(|intervals| intervals.by_question);
    let interval = by_passage
        .map(|by| (by, "passages"))
        .or(by_question.map(|by| (by, "questions")));
    let ends = |interval: WireInterval| [interval.lower, interval.upper];
    let files = record.model().files.iter();
    let model_bytes = files.fold(0_u64, |sum, file| sum.saturating_add(file.bytes));
    let measured = record.measured().map(measured).unwrap_or_default();
    WireFigures {
        exact_match: finite(record.accuracy().exact_match),
        exact_match_interval: interval.map(|(by, _)| ends(by.exact_match)),
        f1: finite(record.accuracy().f1),
        f1_interval: interval.map(|(by, _)| ends(by.f1)),
        intervals_by: interval.map(|(_, units)| units.to_owned()),
        parameters: Some(record.model().parameters),
        model_bytes: Some(model_bytes).filter(|bytes| *bytes > 0),
        ..measured
    }
}

/// What was measured; all else is absent.
fn measured(record: &WireRecord) -> WireFigures {
    let latency = |value: f64| finite(value).filter(|_| record.latency_ms.n > 0);
    let (memory, throughput) = (&record.memory, &record.throughput);
    let peak = memory
        .device_peak_bytes
        .map(|bytes| (bytes, "device"))
        .or(memory.rss_peak_bytes.map(|bytes| (bytes, "resident")));
    WireFigures {
        questions_per_s: finite(throughput.questions_per_s),
        windows_per_s: finite(throughput.windows_per_s),
        latency_p50_ms: latency(record.latency_ms.p50),
        latency_p90_ms: latency(record.latency_ms.p90),
        latency_p95_ms: latency(record.latency_ms.p95),
        latency_p99_ms: latency(record.latency_ms.p99),
        latency_p999_ms: latency(record.latency_ms.p999),
        memory_peak_bytes: peak.map(|(bytes, _)| bytes),
        memory_peak_of: peak.map(|(_, of)| of.to_owned()),
        joules_per_1000_questions: record.energy.per_question_j.and_then(|j| finite(1e3 * j)),
        ..WireFigures::default()
    }
}

/// Why the figures of speed should not be trusted: the record's doubts, and passes that are not
/// what was asked for.
pub(super) fn doubts(record: &WireRecord) -> Vec<String> {
    let mut doubts = record.doubts.clone();
    for (number, repetition) in record.repetitions.iter().enumerate() {
        let scenario = &repetition.scenario;
        if !scenario.valid {
            let reasons = scenario.invalid_because.join("; ");
            doubts.push(format!("repetition {} is not valid: {reasons}", number + 1));
        }
    }
    doubts
}

fn finite(value: f64) -> Option<f64> {
    Some(value).filter(|value| value.is_finite())
}
