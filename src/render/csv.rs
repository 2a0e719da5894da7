//! A leaderboard as CSV (RFC 4180): a line a cell, under a line of headings.

use crate::leaderboard::wire::{WireLeaderboard, WireRow, WireTable};

/// A field: text that stands in a record, or what is made here.
enum Field {
    /// Text of records, which may hold anything.
    Text(String),
    /// A number or a word of ours; empty where it is not known.
    Plain(String),
}

/// A column: its heading and the field of a row. A row without a table is a failed cell's.
type Column = (&'static str, fn(Option<&WireTable>, &WireRow) -> Field);

/// The headings are stable: columns are only ever added, at the end.
const COLUMNS: [Column; 44] = [
    ("dataset", |t, _| text(t.map(|t| &t.dataset))),
    ("dataset_sha256", |t, _| text(t.map(|t| &t.dataset_sha256))),
    ("questions", |t, _| number(t.map(|t| t.questions))),
    ("selection", |t, _| text(t.map(|t| &t.selection))),
    ("protocol", |t, _| text(t.map(|t| &t.protocol))),
    ("cell", |_, r| text(Some(&r.cell))),
    ("path", |_, r| text(Some(&r.path))),
    ("model", |_, r| text(Some(&r.model))),
    ("model_id", |_, r| text(Some(&r.model_id))),
    ("revision", |_, r| text(r.revision.as_ref())),
    ("architecture", |_, r| text(r.architecture.as_ref())),
    ("dtype", |_, r| text(r.dtype.as_ref())),
    ("device", |_, r| text(Some(&r.device))),
    ("machine", |t, r| text(conditions(t, r).map(|c| &c.machine))),
    ("threads", |t, r| {
        number(conditions(t, r).map(|c| c.threads))
    }),
    ("scenario", |t, r| {
        text(conditions(t, r).map(|c| &c.scenario))
    }),
    ("rank", |_, r| number(r.rank.map(|rank| rank.rank))),
    ("rank_lower", |_, r| {
        number(r.rank.and_then(|rank| rank.lower))
    }),
    ("rank_upper", |_, r| {
        number(r.rank.and_then(|rank| rank.upper))
    }),
    ("exact_match_percent", |_, r| number(r.figures.exact_match)),
    ("exact_match_lower_percent", |_, r| {
        number(r.figures.exact_match_interval.map(|ends| ends[0]))
    }),
    ("exact_match_upper_percent", |_, r| {
        number(r.figures.exact_match_interval.map(|ends| ends[1]))
    }),
    ("f1_percent", |_, r| number(r.figures.f1)),
    ("f1_lower_percent", |_, r| {
        number(r.figures.f1_interval.map(|ends| ends[0]))
    }),
    ("f1_upper_percent", |_, r| {
        number(r.figures.f1_interval.map(|ends| ends[1]))
    }),
    ("intervals_by", |_, r| text(r.figures.intervals_by.as_ref())),
    ("questions_per_s", |_, r| number(r.figures.questions_per_s)),
    ("windows_per_s", |_, r| number(r.figures.windows_per_s)),
    ("latency_p50_ms", |_, r| number(r.figures.latency_p50_ms)),
    ("latency_p90_ms", |_, r| number(r.figures.latency_p90_ms)),
    ("latency_p95_ms", |_, r| number(r.figures.latency_p95_ms)),
    ("latency_p99_ms", |_, r| number(r.figures.latency_p99_ms)),
    ("latency_p999_ms", |_, r| number(r.figures.latency_p999_ms)),
    ("memory_peak_bytes", |_, r| {
        number(r.figures.memory_peak_bytes)
    }),
    ("memory_peak_of", |_, r| {
        text(r.figures.memory_peak_of.as_ref())
    }),
    ("joules_per_1000_questions", |_, r| {
        number(r.figures.joules_per_1000_questions)
    }),
    ("parameters", |_, r| number(r.figures.parameters)),
    ("model_bytes", |_, r| number(r.figures.model_bytes)),
    ("speed_doubtful", |_, r| {
        number(known(r, !r.doubts.is_empty()))
    }),
    ("memory_doubtful", |_, r| {
        number(known(r, r.memory_doubtful))
    }),
    ("doubts", |_, r| text(Some(&r.doubts.join("; ")))),
    ("error_kind", |_, r| text(r.error.as_ref().map(|e| &e.kind))),
    ("error", |_, r| text(r.error.as_ref().map(|e| &e.message))),
    ("shards", |_, r| number(r.shards)),
];

/// Every cell of the leaderboard. Numbers have all their digits; what is not known is empty.
///
/// Text that a spreadsheet would take for a formula has an apostrophe before it.
pub fn csv(board: &WireLeaderboard) -> String {
    let headings: Vec<&str> = COLUMNS.iter().map(|(heading, _)| *heading).collect();
    let mut lines = headings.join(",") + "\r\n";
    let of_tables = board.tables.iter();
    let of_tables =
        of_tables.flat_map(|table| table.rows.iter().map(move |row| (Some(table), row)));
    let failures = board.failures.iter().map(|row| (None, row));
    for (table, row) in of_tables.chain(failures) {
        let fields = COLUMNS.iter().map(|(_, field)| written(field(table, row)));
        lines += &fields.collect::<Vec<_>>().join(",");
        lines += "\r\n";
    }
    lines
}

fn conditions<'a>(
    table: Option<&'a WireTable>,
    row: &WireRow,
) -> Option<&'a crate::leaderboard::wire::WireConditions> {
    table?.conditions.get(row.conditions?)
}

/// A fact about figures of speed and memory, which failed cells and merged shards do not have.
fn known(row: &WireRow, fact: bool) -> Option<bool> {
    (row.error.is_none() && row.shards.is_none()).then_some(fact)
}

fn text(text: Option<&String>) -> Field {
    Field::Text(text.cloned().unwrap_or_default())
}

fn number(value: Option<impl std::fmt::Display>) -> Field {
    Field::Plain(value.map_or_else(String::new, |value| value.to_string()))
}

fn written(field: Field) -> String {
    let text = match field {
        Field::Plain(text) => return text,
        Field::Text(text) => guarded(&text),
    };
    if text.contains(['"', ',', '\r', '\n']) {
        format!("\"{}\"", text.replace('"', "\"\""))
    } else {
        text
    }
}

/// Source: OWASP, "CSV Injection": what spreadsheets begin formulas with, in either width, and
/// white space that they take off before.
fn guarded(text: &str) -> String {
    const STARTS: [char; 8] = ['=', '+', '-', '@', '＝', '＋', '－', '＠'];
    let text = text.replace('\0', "\u{fffd}");
    let bare = text.trim_start_matches(|c: char| c.is_whitespace() || c.is_control());
    if bare.starts_with(STARTS) {
        format!("'{text}")
    } else {
        text
    }
}
