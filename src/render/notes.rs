//! The lines below a result table: how scenarios went, and which figures are doubtful.

use crate::record::CellRecord;

use super::columns::{aligned, plain};
use super::measurement;
use crate::record::wire::{WireRecord, WireScenario};

/// Doubts of a record that are shown; the others are counted.
const SHOWN: usize = 4;

/// What a reader of one cell's figures should know, a line each.
pub fn notes(record: &CellRecord) -> Vec<String> {
    match record {
        CellRecord::Failed(failure) => {
            let (cell, error) = (&failure.cell, &failure.error);
            let kind = error.kind.name();
            vec![plain(&format!("failed: {cell}: {kind}: {}", error.message))]
        }
        CellRecord::Finished(record) => {
            let mut lines = scenario_lines(record);
            lines.extend(roofline_line(record));
            lines.extend(profile_lines(record));
            lines.extend(doubt_lines(record));
            lines.iter().map(|line| plain(line)).collect()
        }
    }
}

/// How the scenario went, in scenarios where the table's columns do not say it.
fn scenario_lines(record: &WireRecord) -> Vec<String> {
    let many = record.repetitions.len() > 1;
    let repetitions = record.repetitions.iter().enumerate();
    let told = repetitions.filter(|(_, r)| r.scenario.name != "offline" || !r.scenario.valid);
    told.map(|(number, repetition)| {
        let scenario = &repetition.scenario;
        let which = if many {
            format!(" (repetition {})", number + 1)
        } else {
            String::new()
        };
        format!("{}{which}: {}", scenario.name, verdict(record, scenario))
    })
    .collect()
}

fn verdict(record: &WireRecord, scenario: &WireScenario) -> String {
    let mut parts = vec![format!("{} queries", scenario.queries)];
    if let Some(rate) = scenario.rate_per_s {
        parts.push(format!("{rate:.2} a second arrived"));
    }
    if let Some(latency) = scenario.percentile_latency_ms {
        let percentile = 100.0 * record.protocol.timing.percentile;
        parts.push(format!("p{percentile} {latency:.1} ms"));
    }
    if let Some(bound) = record.protocol.timing.latency_bound_ms {
        parts.push(format!("bound {bound:.0} ms"));
    }
    let verdict = if scenario.valid {
        "valid".to_owned()
    } else {
        format!("INVALID: {}", scenario.invalid_because.join("; "))
    };
    parts.push(verdict);
    parts.join(", ")
}

fn roofline_line(record: &WireRecord) -> Option<String> {
    let peak = record.matrix_peak_flops_per_s()? / 1e9;
    let share = 100.0 * record.throughput.peak_fraction?;
    let reached = record.throughput.flops_per_s / 1e9;
    Some(format!(
        "{}: {reached:.0} of the machine's {peak:.0} GFLOP/s, {share:.0} %",
        record.cell
    ))
}

/// The profile as a table of its own.
fn profile_lines(record: &WireRecord) -> Vec<String> {
    let Some(profile) = &record.profile else {
        return Vec::new();
    };
    let section = measurement::profile(profile);
    let headings = section.headings.iter().map(ToString::to_string).collect();
    let rows: Vec<Vec<String>> = std::iter::once(headings).chain(section.rows).collect();
    let mut lines = vec![format!("{}: {}", record.cell, section.title)];
    lines.extend(
        aligned(&rows, 1)
            .into_iter()
            .map(|line| format!("  {line}")),
    );
    lines
}

fn doubt_lines(record: &WireRecord) -> Vec<String> {
    let doubts = record.doubts.iter().take(SHOWN);
    let mut lines: Vec<String> = doubts
        .map(|doubt| format!("? {}: {doubt}", record.cell))
        .collect();
    let more = record.doubts.len().saturating_sub(SHOWN);
    if more > 0 {
        lines.push(format!("? {}: and {more} more, see run.json", record.cell));
    }
    lines
}
