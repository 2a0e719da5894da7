//! Merged shards as a table and as a page: accuracy as in any record, and each shard's own speed.

use super::analysis::{self, Section};
use super::columns::aligned;
use super::figure;
use super::markdown::{self, row};
use crate::record::wire::{WireMerged, WireMergedShard};

/// The table for a terminal: a line a cell, below it what a reader should know.
///
/// `emphasis` is put before and after the headings.
pub fn table(records: &[WireMerged], emphasis: (&str, &str)) -> String {
    let rows: Vec<Vec<String>> = std::iter::once(HEADINGS.map(str::to_owned).into())
        .chain(records.iter().map(cells))
        .collect();
    let (on, off) = emphasis;
    let mut lines = aligned(&rows, 3);
    lines[0] = format!("{on}{}{off}", lines[0]);
    let notes = records.iter().flat_map(|record| &record.warnings);
    lines.extend(notes.map(|warning| format!("? {warning}")));
    let printable = lines.into_iter().map(|line| {
        let kept = line.chars().filter(|c| !c.is_control() || *c == '\u{1b}');
        kept.collect::<String>()
    });
    printable.map(|line| line + "\n").collect()
}

const HEADINGS: [&str; 8] = [
    "model",
    "data set",
    "device",
    "shards",
    "questions",
    "EM %",
    "F1 %",
    "95 % of F1",
];

fn cells(record: &WireMerged) -> Vec<String> {
    let by_passage = record.analysis.intervals.by_passage.as_ref();
    vec![
        record.model.id.clone(),
        record.dataset.id.clone(),
        format!("{} {}", record.device, record.model.dtype),
        record.shards.len().to_string(),
        record.dataset.questions.to_string(),
        format!("{:.2}", record.accuracy.exact_match),
        format!("{:.2}", record.accuracy.f1),
        by_passage.map_or("-".to_owned(), |by| {
            format!("{:.1}–{:.1}", by.f1.lower, by.f1.upper)
        }),
    ]
}

/// A Markdown page about merged shards.
pub fn report(record: &WireMerged) -> String {
    let mut page = String::new();
    write_report(&mut page, record).expect("OK because writing to a String cannot fail");
    page
}

fn write_report(page: &mut String, record: &WireMerged) -> std::fmt::Result {
    let summary = Section::new(&record.cell, &HEADINGS, vec![cells(record)]);
    markdown::write_table(page, &summary)?;
    markdown::warnings(page, &record.warnings)?;
    let accuracy = markdown::accuracy(&record.protocol.name, &record.accuracy);
    markdown::section(page, "Accuracy", &accuracy)?;
    for table in analysis::sections(&record.analysis) {
        markdown::write_table(page, &table)?;
    }
    markdown::write_table(page, &shards(&record.shards))?;
    let mut inputs = vec![row("started", &record.started)];
    inputs.extend(markdown::inputs(
        &record.model,
        &record.dataset,
        &record.protocol,
    ));
    markdown::section(page, "What was run", &inputs)
}

/// Each shard on its machine.
pub(super) fn shards(shards: &[WireMergedShard]) -> Section {
    let rows = shards.iter().map(|shard| {
        let mut row = vec![shard.shard.to_string(), shard.questions.to_string()];
        match &shard.measured {
            None => row.push("nothing to answer".to_owned()),
            Some(measured) => row.extend([
                measured.environment.cpu_model.clone().unwrap_or_default(),
                format!("{}, {} threads", measured.device, measured.threads),
                figure(measured.throughput.questions_per_s),
                figure(measured.latency_ms.p50),
                figure(measured.latency_ms.p99),
                figure(measured.wall_s),
                measured.doubts.join("; "),
            ]),
        }
        row.resize(9, "-".to_owned());
        row
    });
    Section::new(
        "Shards, each on its own: not to be added up",
        &[
            "shard",
            "questions",
            "processor",
            "where",
            "questions/s",
            "p50 ms",
            "p99 ms",
            "seconds in all",
            "doubts",
        ],
        rows.collect(),
    )
}
