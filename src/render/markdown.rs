//! The report that lies beside a record.

use std::fmt::Write;

use serde_json::Value;

use super::analysis::{self, Section};
use super::columns::plain;
use super::{COLUMNS, Shown, figure, measurement};
use crate::record::WireRecord;
use crate::record::wire::{WireAccuracy, WireDataset, WireLatencies, WireModel, WireProtocol};

/// A Markdown page about one record: the table, then everything behind it.
pub fn report(record: &WireRecord) -> String {
    let mut page = String::new();
    write_report(&mut page, record).expect("OK because writing to a String cannot fail");
    page
}

fn write_report(page: &mut String, record: &WireRecord) -> std::fmt::Result {
    writeln!(page, "# {}\n", escape(&record.cell))?;
    let shown = Shown::from(record);
    let (headings, cells): (Vec<_>, Vec<_>) = COLUMNS
        .iter()
        .map(|(heading, cell)| (*heading, escape(&cell(&shown))))
        .unzip();
    writeln!(page, "| {} |", headings.join(" | "))?;
    writeln!(page, "|{}", "---|".repeat(headings.len()))?;
    writeln!(page, "| {} |\n", cells.join(" | "))?;
    warnings(page, &record.warnings)?;
    for doubt in &record.doubts {
        writeln!(page, "> **Doubtful figures of speed:** {}\n", escape(doubt))?;
    }
    let accuracy = accuracy(&record.protocol.name, &record.accuracy);
    section(page, "Accuracy", &accuracy)?;
    if let Some(analysis) = &record.analysis {
        for table in analysis::sections(analysis) {
            write_table(page, &table)?;
        }
    }
    section(page, "Speed", &speed(record))?;
    latencies(page, record)?;
    section(page, "Memory", &memory(record))?;
    for table in measurement::sections(record) {
        write_table(page, &table)?;
    }
    section(page, "Phases", &phases(record))?;
    let mut inputs = inputs(&record.model, &record.dataset, &record.protocol);
    inputs.insert(0, row("started", &record.started));
    section(page, "What was run", &inputs)?;
    section(page, "Where", &environment(record))
}

pub(super) fn warnings(page: &mut String, warnings: &[String]) -> std::fmt::Result {
    for warning in warnings {
        writeln!(page, "> **Warning:** {}\n", escape(warning))?;
    }
    Ok(())
}

type Row = (String, String);

pub(super) fn row(name: &str, value: impl std::fmt::Display) -> Row {
    (name.to_owned(), format!("{value}"))
}

pub(super) fn write_table(page: &mut String, table: &Section) -> std::fmt::Result {
    writeln!(page, "## {}\n", escape(&table.title))?;
    writeln!(page, "| {} |", table.headings.join(" | "))?;
    writeln!(page, "|{}", "---|".repeat(table.headings.len()))?;
    for row in &table.rows {
        let cells: Vec<String> = row.iter().map(|cell| escape(cell)).collect();
        writeln!(page, "| {} |", cells.join(" | "))?;
    }
    writeln!(page)
}

pub(super) fn section(page: &mut String, title: &str, rows: &[Row]) -> std::fmt::Result {
    writeln!(page, "## {title}\n\n| | |\n|---|---|")?;
    for (name, value) in rows {
        writeln!(page, "| {} | {} |", escape(name), escape(value))?;
    }
    writeln!(page)
}

pub(super) fn accuracy(protocol: &str, accuracy: &WireAccuracy) -> Vec<Row> {
    let mut rows = vec![
        row("protocol", protocol),
        row("exact match", format!("{:.4} %", accuracy.exact_match)),
        row("F1", format!("{:.4} %", accuracy.f1)),
        row("questions scored", accuracy.total),
    ];
    for (name, value) in &accuracy.more {
        let text = match value.as_f64().filter(|_| !value.is_u64()) {
            Some(number) => format!("{number:.4}"),
            None => value.to_string(),
        };
        rows.push((name.clone(), text));
    }
    rows
}

fn speed(record: &WireRecord) -> Vec<Row> {
    let speed = &record.throughput;
    vec![
        row("questions/s, end to end", figure(speed.questions_per_s)),
        row("windows/s, forward pass", figure(speed.windows_per_s)),
        row("tokens/s, forward pass", figure(speed.tokens_per_s)),
        row("GFLOP/s", figure(speed.flops_per_s / 1e9)),
        row(
            "of the machine's peak",
            speed
                .peak_fraction
                .map_or("not measured (--roofline)".to_owned(), |share| {
                    format!("{:.1} %", 100.0 * share)
                }),
        ),
        row("padding", format!("{:.1} %", 100.0 * speed.padding_waste)),
    ]
}

fn latencies(page: &mut String, record: &WireRecord) -> std::fmt::Result {
    writeln!(page, "## Latency in ms\n")?;
    writeln!(page, "| | n | mean | p50 | p90 | p95 | p99 | p99.9 | max |")?;
    writeln!(page, "|---|---|---|---|---|---|---|---|---|")?;
    let of = [
        ("question", Some(&record.latency_ms)),
        ("window", record.window_latency_ms.as_ref()),
        ("batch", Some(&record.batch_latency_ms)),
    ];
    for (name, latencies) in of.into_iter().filter_map(|(name, of)| Some((name, of?))) {
        let WireLatencies {
            n,
            mean,
            p50,
            p90,
            p95,
            p99,
            p999,
            max,
        } = latencies;
        let figures = [mean, p50, p90, p95, p99, p999, max].map(|value| figure(*value));
        writeln!(page, "| {name} | {n} | {} |", figures.join(" | "))?;
    }
    writeln!(page)
}

fn memory(record: &WireRecord) -> Vec<Row> {
    let megabytes = |bytes: u64| format!("{:.1} MB", bytes as f64 / 1e6);
    let known = |bytes: Option<u64>| bytes.map_or("not known".to_owned(), megabytes);
    let memory = &record.memory;
    vec![
        row("weights", megabytes(memory.weights_bytes)),
        row("peak resident", known(memory.rss_peak_bytes)),
        row("of it anonymous", known(memory.rss_anon_peak_bytes)),
        row(
            "activations, windows and answers",
            known(memory.activations_peak_bytes),
        ),
    ]
}

fn phases(record: &WireRecord) -> Vec<Row> {
    let seconds = |value: &Value| format!("{:.3} s", value.as_f64().unwrap_or_default());
    let phases = record.phases_s.iter();
    let mut rows: Vec<Row> = phases
        .map(|(name, value)| (name.clone(), seconds(value)))
        .collect();
    rows.push(row("all", format!("{:.3} s", record.wall_s)));
    rows
}

pub(super) fn inputs(
    model: &WireModel,
    dataset: &WireDataset,
    protocol: &WireProtocol,
) -> Vec<Row> {
    let mut rows = vec![
        row("model", &model.id),
        row("revision", model.revision.as_deref().unwrap_or("none")),
        row("architecture", &model.architecture),
        row("parameters", model.parameters),
        row(
            "weights, computed in",
            format!(
                "{}, {}, {} ops{}",
                model.dtype,
                model.compute_dtype,
                model.ops,
                model
                    .instructions
                    .as_ref()
                    .map_or(String::new(), |set| format!(" ({set})"))
            ),
        ),
    ];
    for file in &model.files {
        rows.push(row(
            &file.name,
            format!("{} bytes, sha256 {}", file.bytes, file.sha256),
        ));
    }
    rows.extend([
        row("data set", &dataset.id),
        row("sha256", &dataset.sha256),
        row("revision", dataset.revision.as_deref().unwrap_or("none")),
        row("questions", dataset.questions),
        row("unanswerable", dataset.unanswerable),
        row("windows", dataset.windows),
        row("tokens", dataset.tokens),
        row("shard", protocol.shard.as_deref().unwrap_or("all")),
        row("scenario", &protocol.scenario),
        row("decoding", &protocol.decode),
        row(
            "window length, doc stride",
            format!("{}, {}", protocol.max_seq_len, protocol.doc_stride),
        ),
        row(
            "n-best",
            protocol
                .n_best
                .map_or("all spans".to_owned(), |count| count.to_string()),
        ),
        row("answer length at the most", protocol.max_answer_len),
        row("threads", protocol.threads),
        row(
            "batch",
            format!(
                "up to {} tokens, {}",
                protocol.batch_tokens, protocol.window_order
            ),
        ),
    ]);
    rows
}

fn environment(record: &WireRecord) -> Vec<Row> {
    let environment = &record.environment;
    let unknown = || "not known".to_owned();
    let gigabytes = |bytes: u64| format!("{:.1} GB", bytes as f64 / 1e9);
    vec![
        row(
            "processor",
            environment.cpu_model.clone().unwrap_or_else(unknown),
        ),
        row("vector extensions", environment.cpu_features.join(" ")),
        row("logical cores", environment.logical_cores),
        row(
            "memory",
            environment
                .memory_total_bytes
                .map_or_else(unknown, gigabytes),
        ),
        row("system", &environment.os),
        row("kernel", environment.kernel.clone().unwrap_or_else(unknown)),
        row("spanbench", &environment.tool_version),
        row(
            "revision",
            environment.tool_revision.clone().unwrap_or_else(unknown),
        ),
        row("compiler", &environment.compiler),
        row(
            "target",
            format!("{}, cpu {}", environment.target, environment.target_cpu),
        ),
        row(
            "build",
            format!(
                "{}, opt-level {}",
                environment.profile, environment.opt_level
            ),
        ),
        row(
            "libraries",
            environment.libraries.clone().unwrap_or_else(unknown),
        ),
    ]
}

/// Text that Markdown takes literally, on one line of a table.
pub(super) fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in plain(text).chars() {
        match character {
            '\\' | '|' | '*' | '_' | '`' | '[' | ']' | '#' => escaped.extend(['\\', character]),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '&' => escaped.push_str("&amp;"),
            other => escaped.push(other),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::escape;

    #[test]
    fn names_cannot_break_out_of_the_table() {
        assert_eq!(escape("a|b\n<i>"), "a\\|b &lt;i&gt;");
        assert_eq!(escape("a\u{202e}b"), "a\u{fffd}b");
    }
}
