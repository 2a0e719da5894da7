//! A leaderboard for a terminal and as Markdown.

use super::columns::{aligned, plain};
use super::figure;
use super::markdown::escape;
use crate::leaderboard::wire::{
    WireBudget, WireChoice, WireFront, WireLeaderboard, WireRow, WireSpeeds, WireTable,
};
use crate::record::common::not_measured;

/// Doubts of a cell that are shown; the others are counted.
const DOUBTS_SHOWN: usize = 2;

/// Columns that hold names.
const NAMES: usize = 4;

/// A table as headings and cells of text, with what to know about it below.
#[derive(Debug)]
pub(super) struct Sheet {
    pub title: String,
    pub headings: Vec<&'static str>,
    pub rows: Vec<Vec<String>>,
    /// A sentence each.
    pub notes: Vec<String>,
}

/// The leaderboard in aligned columns, a line a cell.
///
/// A column that no row has a figure for is left out. `emphasis` is put before and after the
/// headings: escape sequences for a terminal that has them, or nothing.
pub fn text(board: &WireLeaderboard, emphasis: (&str, &str)) -> String {
    let (on, off) = emphasis;
    let mut text = String::new();
    for sheet in sheets(board) {
        let headings = sheet.headings.iter().map(ToString::to_string).collect();
        let rows = std::iter::once(headings).chain(sheet.rows);
        let rows: Vec<Vec<String>> = rows
            .map(|row| row.iter().map(|cell| plain(cell)).collect())
            .collect();
        let mut lines = vec![plain(&sheet.title), String::new()];
        let names = NAMES.min(sheet.headings.len());
        lines.extend(aligned(&rows, names));
        lines[2] = format!("{on}{}{off}", lines[2]);
        lines.extend(sheet.notes.iter().map(|note| plain(note)));
        text += if text.is_empty() { "" } else { "\n" };
        text += &(lines.join("\n") + "\n");
    }
    text
}

/// The leaderboard as a Markdown page of tables, below the `title` of what was run, if it has one,
/// and its `description`: plain text, an empty line begins a new paragraph.
pub fn markdown(board: &WireLeaderboard, title: Option<&str>, description: &str) -> String {
    let title = title.map(|title| format!(": {}", escape(title)));
    let mut page = format!("# Leaderboard{}\n", title.unwrap_or_default());
    for paragraph in description.split("\n\n").map(str::trim) {
        if !paragraph.is_empty() {
            page += &format!("\n{}\n", escape(paragraph));
        }
    }
    for sheet in sheets(board) {
        page += &format!("\n## {}\n\n", escape(&sheet.title));
        page += &format!("| {} |\n", sheet.headings.join(" | "));
        let rule = |(place, _)| if place < NAMES { "---|" } else { "--:|" };
        page += "|";
        page.extend(sheet.headings.iter().enumerate().map(rule));
        page += "\n";
        for row in &sheet.rows {
            let cells: Vec<String> = row.iter().map(|cell| escape(cell)).collect();
            page += &format!("| {} |\n", cells.join(" | "));
        }
        for (place, note) in sheet.notes.iter().enumerate() {
            page += if place == 0 { "\n" } else { "" };
            page += &format!("- {}\n", escape(note));
        }
    }
    page
}

/// Every table of the leaderboard.
pub(super) fn sheets(board: &WireLeaderboard) -> Vec<Sheet> {
    let mut sheets: Vec<Sheet> = board.tables.iter().map(table).collect();
    if !board.failures.is_empty() {
        sheets.push(Sheet {
            title: "Failed cells".to_owned(),
            headings: vec!["cell", "model", "device", "error", ""],
            rows: board.failures.iter().map(failed).collect(),
            notes: Vec::new(),
        });
    }
    sheets.extend(board.speeds.as_ref().map(speeds));
    if let Some(budget) = &board.budget {
        sheets.push(choices(board, budget));
    }
    sheets
}

/// A column: its heading and a row's text.
type Column = (&'static str, fn(&WireTable, &WireRow) -> String);

const COLUMNS: [Column; 16] = [
    ("rank", |_, row| rank(row)),
    ("model", |_, row| row.model.clone()),
    ("dtype", |_, row| row.dtype.clone().unwrap_or_else(dash)),
    ("where", |table, row| place(table, row)),
    ("EM %", |_, r| share(r.figures.exact_match)),
    ("95 % of EM", |_, r| {
        interval(r.figures.exact_match_interval)
    }),
    ("F1 %", |_, r| share(r.figures.f1)),
    ("95 % of F1", |_, r| interval(r.figures.f1_interval)),
    ("questions/s", |_, r| doubtful(r, r.figures.questions_per_s)),
    ("windows/s", |_, r| doubtful(r, r.figures.windows_per_s)),
    ("p50 ms", |_, r| doubtful(r, r.figures.latency_p50_ms)),
    ("p99 ms", |_, r| doubtful(r, r.figures.latency_p99_ms)),
    ("peak MB", |_, row| {
        let bytes = row.figures.memory_peak_bytes;
        let mark = if row.memory_doubtful { "?" } else { "" };
        bytes.map_or_else(dash, |bytes| figure(bytes as f64 / 1e6) + mark)
    }),
    ("J/1,000 questions", |_, r| {
        doubtful(r, r.figures.joules_per_1000_questions)
    }),
    ("M parameters", |_, row| millions(row.figures.parameters)),
    ("model MB", |_, row| millions(row.figures.model_bytes)),
];

fn table(table: &WireTable) -> Sheet {
    let shown: Vec<&Column> = COLUMNS
        .iter()
        .enumerate()
        .filter(|(place, (_, cell))| {
            *place < NAMES || table.rows.iter().any(|row| cell(table, row) != "-")
        })
        .map(|(_, column)| column)
        .collect();
    let cells = |row: &WireRow| shown.iter().map(|(_, cell)| cell(table, row)).collect();
    Sheet {
        title: format!(
            "{}: {} questions ({}), {}",
            table.dataset, table.questions, table.selection, table.protocol
        ),
        headings: shown.iter().map(|(heading, _)| *heading).collect(),
        rows: table.rows.iter().map(cells).collect(),
        notes: notes(table),
    }
}

fn dash() -> String {
    "-".to_owned()
}

fn rank(row: &WireRow) -> String {
    if row.error.is_some() {
        return "failed".to_owned();
    }
    row.rank
        .map_or_else(dash, |rank| match (rank.lower, rank.upper) {
            (Some(lower), Some(upper)) => {
                format!("{} ({lower}–{upper})", rank.rank)
            }
            _ => rank.rank.to_string(),
        })
}

/// The letter of a row's conditions, where there are several, and its device; of merged shards
/// their number.
fn place(table: &WireTable, row: &WireRow) -> String {
    match (row.conditions, row.shards) {
        (Some(place), _) if table.conditions.len() > 1 => {
            format!("{} {}", letter(place), row.device)
        }
        (None, Some(1)) => format!("{}, 1 shard", row.device),
        (None, Some(shards)) => format!("{}, {shards} shards", row.device),
        _ => row.device.clone(),
    }
}

/// A, B, …, Z, A2, ….
pub(super) fn letter(place: usize) -> String {
    let letter = char::from(b'A' + (place % 26) as u8);
    match place / 26 {
        0 => letter.to_string(),
        round => format!("{letter}{}", round + 1),
    }
}

fn share(value: Option<f64>) -> String {
    value.map_or_else(dash, |value| format!("{value:.2}"))
}

fn interval(ends: Option<[f64; 2]>) -> String {
    ends.map_or_else(dash, |[lower, upper]| format!("{lower:.1}–{upper:.1}"))
}

fn doubtful(row: &WireRow, value: Option<f64>) -> String {
    let mark = if row.doubts.is_empty() { "" } else { "?" };
    value.map_or_else(dash, |value| figure(value) + mark)
}

fn millions(count: Option<u64>) -> String {
    count.map_or_else(dash, |count| figure(count as f64 / 1e6))
}

fn notes(table: &WireTable) -> Vec<String> {
    let mut notes = Vec::new();
    for (place, conditions) in table.conditions.iter().enumerate() {
        let of = if table.conditions.len() > 1 {
            format!("{}: ", letter(place))
        } else {
            String::new()
        };
        notes.push(format!(
            "{of}{}; {}, {} threads, {}",
            conditions.machine, conditions.device, conditions.threads, conditions.scenario
        ));
        let fronts = conditions.fronts.iter();
        notes.extend(fronts.filter_map(|front| Some(of.clone() + &front_line(table, front)?)));
    }
    if let Some(ranking) = &table.ranking {
        notes.push(format!(
            "rank: by F1, with {} % intervals from {} paired resamples of {} {} ({} common questions)",
            100.0 * ranking.confidence,
            ranking.resamples,
            ranking.unit_count,
            ranking.units,
            ranking.common_questions
        ));
    }
    notes.extend(unmeasured(table));
    for row in &table.rows {
        if let Some(error) = &row.error {
            notes.push(format!(
                "failed: {}: {}: {}",
                row.cell, error.kind, error.message
            ));
        }
        let doubts = row.doubts.iter().take(DOUBTS_SHOWN);
        notes.extend(doubts.map(|doubt| format!("? {}: {doubt}", row.model)));
        let more = row.doubts.len().saturating_sub(DOUBTS_SHOWN);
        if more > 0 {
            notes.push(format!("? {}: and {more} more, see run.json", row.model));
        }
    }
    notes
}

/// Which rows have accuracy alone and why, a line each.
pub(super) fn unmeasured(table: &WireTable) -> Vec<String> {
    let line = |row: &WireRow| {
        let why = not_measured(row.shards?);
        Some(format!(
            "{} ({}): {why}: no speed, latency, memory or energy, and so in no front, mean of speeds or budget",
            row.model, row.cell
        ))
    };
    table.rows.iter().filter_map(line).collect()
}

/// The front and who is behind whom; nothing where no row has the figure.
fn front_line(table: &WireTable, front: &WireFront) -> Option<String> {
    if front.rows.is_empty() {
        return None;
    }
    let name = |row: &usize| table.rows[*row].model.as_str();
    let names: Vec<&str> = front.rows.iter().map(name).collect();
    let mut line = format!(
        "Pareto front, F1 against {}: {}",
        words(&front.figure),
        names.join("; ")
    );
    let behind = front.dominated.iter();
    let behind: Vec<String> = behind
        .map(|d| format!("{} by {}", name(&d.row), name(&d.by)))
        .collect();
    if !behind.is_empty() {
        line += &format!(" / dominated: {}", behind.join("; "));
    }
    let unknown: Vec<&str> = front.unknown.iter().map(name).collect();
    if !unknown.is_empty() {
        line += &format!(" / not known: {}", unknown.join("; "));
    }
    Some(line)
}

/// A figure's name for people.
fn words(figure: &str) -> String {
    match figure {
        "questions_per_s" => "questions/s".to_owned(),
        "memory_peak_bytes" => "peak memory".to_owned(),
        "joules_per_1000_questions" => "energy".to_owned(),
        latency => {
            let percentile = latency.trim_start_matches("latency_p");
            let percentile = percentile.trim_end_matches("_ms").replace("999", "99.9");
            format!("p{percentile} latency")
        }
    }
}

fn failed(row: &WireRow) -> Vec<String> {
    let error = row.error.as_ref();
    vec![
        row.cell.clone(),
        row.model.clone(),
        row.device.clone(),
        error.map_or_else(dash, |error| error.kind.clone()),
        error.map_or_else(dash, |error| error.message.clone()),
    ]
}

fn speeds(speeds: &WireSpeeds) -> Sheet {
    let rows = speeds.models.iter().map(|model| {
        let mark = if model.doubtful { "?" } else { "" };
        vec![
            model.model.clone(),
            model
                .ratio
                .map_or_else(dash, |ratio| format!("{ratio:.3}{mark}")),
            model.left_out_because.clone().unwrap_or_default(),
        ]
    });
    let groups = match speeds.groups.len() {
        0 => "no table".to_owned(),
        1 => "one table".to_owned(),
        count => format!("{count} tables"),
    };
    Sheet {
        title: format!(
            "Speed against {}: geometric mean of ratios of questions/s over {groups}",
            speeds.base
        ),
        headings: vec!["model", "times the base", "left out because"],
        rows: rows.collect(),
        notes: vec![format!("floor: {}", speeds.floor)],
    }
}

fn choices(board: &WireLeaderboard, budget: &WireBudget) -> Sheet {
    let rows = budget.choices.iter().map(|choice| {
        let table = &board.tables[choice.table];
        let mark = |row: usize| {
            let row = &table.rows[row];
            if row.doubts.is_empty() && !row.memory_doubtful {
                row.model.clone()
            } else {
                format!("{} ?", row.model)
            }
        };
        let name = |row: Option<usize>| row.map(mark);
        let conditions = &table.conditions[choice.conditions];
        vec![
            table.dataset.clone(),
            if table.conditions.len() > 1 {
                letter(choice.conditions)
            } else {
                conditions.device.clone()
            },
            name(choice.best).unwrap_or_else(|| "none fits".to_owned()),
            name(choice.runner_up).unwrap_or_else(dash),
            choice.lead.map_or_else(dash, |lead| {
                let interval = lead.interval.map_or_else(String::new, |[lower, upper]| {
                    format!(" ({lower:+.2} to {upper:+.2})")
                });
                format!("{:+.2}{interval}", lead.f1_difference)
            }),
        ]
    });
    let outside = budget
        .choices
        .iter()
        .flat_map(|choice| outside(board, choice));
    Sheet {
        title: format!("Best within {}", budget.limits.join(", ")),
        headings: vec![
            "data set",
            "where",
            "best F1",
            "runner-up",
            "lead in F1 (95 %)",
        ],
        rows: rows.collect(),
        notes: outside.collect(),
    }
}

/// Why rows are not within the budget, a line each.
fn outside(board: &WireLeaderboard, choice: &WireChoice) -> Vec<String> {
    let table = &board.tables[choice.table];
    let rows = choice.outside.iter();
    rows.map(|outside| {
        let row = &table.rows[outside.row];
        let reasons = outside.because.join(", ");
        format!("outside: {} on {}: {reasons}", row.model, table.dataset)
    })
    .collect()
}
