//! The leaderboard: ranks with intervals, fronts, budgets.

use super::Section;
use super::figures::signed;
use super::markup::{Markup, element};
use super::svg::Scale;
use super::svg::strip::{self, Interval};
use super::table::{Column, Field, Row, Table};
use crate::leaderboard::wire::{
    WireBudget, WireConditions, WireLeaderboard, WireRow, WireSpeeds, WireTable,
};
use crate::render::figure;
use crate::render::leaderboard::{letter, unmeasured};

/// The tables, then what is best within a budget, then speeds against a base. Nothing where there
/// is but one model to rank.
pub fn section(leaderboard: &WireLeaderboard) -> Option<Section> {
    let ranked = leaderboard
        .tables
        .iter()
        .map(|table| table.rows.len())
        .max()
        .unwrap_or_default();
    if ranked < 2 && leaderboard.budget.is_none() {
        return None;
    }
    let tables = leaderboard.tables.iter().enumerate();
    let mut content: Markup = tables
        .map(|(number, board)| table(number + 1, board))
        .collect();
    content.push(failures(&leaderboard.failures));
    if let Some(limits) = &leaderboard.budget {
        content.push(budget(limits, leaderboard));
    }
    if let Some(speeds) = &leaderboard.speeds {
        content.push(against_base(speeds));
    }
    Section::new("leaderboard", "Leaderboard", content)
}

fn table(number: usize, board: &WireTable) -> Markup {
    let what = format!(
        "{}, {}, {}: {} questions",
        board.dataset, board.selection, board.protocol, board.questions
    );
    let scores = board.rows.iter().flat_map(|row| {
        let interval = row
            .figures
            .f1_interval
            .map_or([None; 2], |ends| ends.map(Some));
        [row.figures.f1, interval[0], interval[1]]
    });
    let scale = Scale::linear(scores.flatten(), strip::ACROSS).within(0.0, 100.0);
    let best = board
        .rows
        .iter()
        .filter_map(|row| row.figures.f1)
        .fold(f64::NAN, f64::max);
    let mut columns = vec![
        Column::words("model"),
        Column::figures("rank by F1"),
        Column::figures("F1, %"),
        Column::drawings(strip::axis(&scale, "F1 and its 95 % interval, %")),
        Column::figures("EM, %"),
        Column::figures("questions/s"),
        Column::figures("p50, ms"),
        Column::figures("p99, ms"),
        Column::figures("peak, MB"),
        Column::figures("J per 1000 questions"),
        Column::figures("parameters, 10\u{2076}"),
        Column::words("on the front of F1 and"),
    ];
    if board.conditions.len() > 1 {
        columns.insert(1, Column::words("conditions"));
    }
    let rows = board.rows.iter().enumerate();
    let rows = rows.map(|(place, row)| board_row(board, place, row, &scale, best, columns.len()));
    let table = Table {
        id: &format!("board-{number}"),
        caption: &format!("Leaderboard: {what}"),
        rows: rows.collect(),
        columns,
        search: None,
        class: "wide",
    };
    let mut content = element("h3", &[], Markup::foreign(&what)).and(table.markup());
    let several = board.conditions.len() > 1;
    let conditions = board.conditions.iter().enumerate();
    let conditions = conditions.map(|(place, conditions)| {
        let of = several.then(|| format!("{}: ", letter(place)));
        let of = of.unwrap_or_default();
        let text = format!("{of}{}, {}", under(conditions), conditions.machine);
        element("li", &[], Markup::foreign(&text))
    });
    let list = element("ul", &[], conditions.collect());
    if !board.conditions.is_empty() {
        let text = "Conditions; speed, latency, memory and energy compare only within the same.";
        let text = Markup::text(text).and(list);
        content.push(element("div", &[("class", "hint")], text));
    }
    for line in unmeasured(board) {
        content.push(element("p", &[("class", "hint")], Markup::foreign(&line)));
    }
    if let Some(ranking) = &board.ranking {
        let text = format!(
            "Ranks over the {} questions that all rows have; in brackets the {:.0} % interval of the rank in {} resamples of {} {}. \
             A row on a front is one that no other of the same conditions beats in F1 and that figure.",
            ranking.common_questions,
            100.0 * ranking.confidence,
            ranking.resamples,
            ranking.unit_count,
            ranking.units
        );
        content.push(element("p", &[("class", "hint")], Markup::text(text)));
    }
    content
}

fn board_row(
    board: &WireTable,
    place: usize,
    row: &WireRow,
    scale: &Scale,
    best: f64,
    columns: usize,
) -> Row {
    let figures = &row.figures;
    if let Some(error) = &row.error {
        let text = format!("failed: {}: {}", error.kind, error.message);
        let failed = Field::foreign(&text).over(columns - 1).class("failed");
        return Row {
            fields: vec![Field::foreign(&row.model), failed],
            properties: Vec::new(),
        };
    }
    let speed = |value: Option<f64>| doubtful(value, !row.doubts.is_empty());
    let interval = Interval {
        value: figures.f1,
        ends: figures.f1_interval.map(|[low, high]| (low, high)),
    };
    let says = format!("{}: F1 {:.2} %", row.model, figures.f1.unwrap_or(f64::NAN));
    let conditions = row
        .conditions
        .and_then(|number| board.conditions.get(number));
    let fronts = conditions.map(|c| c.fronts.as_slice()).unwrap_or_default();
    let fronts = fronts.iter().filter(|front| front.rows.contains(&place));
    let fronts: Vec<String> = fronts.map(|front| front_name(&front.figure)).collect();
    let rank = row.rank.map(|rank| {
        let interval = rank.lower.zip(rank.upper);
        let interval = interval.map(|(low, high)| format!(" ({low}\u{2013}{high})"));
        Field::text(format!("{}{}", rank.rank, interval.unwrap_or_default()))
            .sorted_by(rank.rank as f64)
    });
    let megabytes = figures.memory_peak_bytes.map(|bytes| bytes as f64 / 1e6);
    let mut fields = vec![
        Field::foreign(&row.model),
        rank.unwrap_or_else(|| Field::text("\u{2013}")),
        Field::figure(figures.f1, 2),
        Field::of(strip::strip(scale, interval, best, None, "", &says)),
        Field::figure(figures.exact_match, 2),
        speed(figures.questions_per_s),
        speed(figures.latency_p50_ms),
        speed(figures.latency_p99_ms),
        doubtful(megabytes, row.memory_doubtful),
        speed(figures.joules_per_1000_questions),
        Field::figure(figures.parameters.map(|count| count as f64 / 1e6), 1),
        Field::text(fronts.join(", ")),
    ];
    if board.conditions.len() > 1 {
        let letter = row.conditions.map(letter).unwrap_or_default();
        fields.insert(1, Field::text(letter));
    }
    Row {
        fields,
        properties: Vec::new(),
    }
}

/// A figure with a question mark where it should not be trusted.
fn doubtful(value: Option<f64>, is_doubtful: bool) -> Field {
    let mark = if is_doubtful { "?" } else { "" };
    value
        .filter(|value| value.is_finite())
        .map_or(Field::text("\u{2013}"), |value| {
            Field::text(figure(value) + mark).sorted_by(value)
        })
}

fn front_name(figure: &str) -> String {
    match figure {
        "questions_per_s" => "speed".to_owned(),
        "memory_peak_bytes" => "memory".to_owned(),
        "joules_per_1000_questions" => "energy".to_owned(),
        other => other
            .trim_end_matches("_ms")
            .replace("latency_p999", "p99.9")
            .replace("latency_", "")
            .replace('_', " "),
    }
}

/// How rows of the same conditions were timed.
pub fn under(conditions: &WireConditions) -> String {
    let threads = if conditions.threads == 1 {
        "thread"
    } else {
        "threads"
    };
    format!(
        "{}, {}, {} {threads}",
        conditions.scenario, conditions.device, conditions.threads
    )
}

fn failures(rows: &[WireRow]) -> Markup {
    let items = rows.iter().map(|row| {
        let error = row
            .error
            .as_ref()
            .map(|error| format!(": {}: {}", error.kind, error.message));
        let text = Markup::foreign(&row.cell).and(Markup::foreign(&error.unwrap_or_default()));
        element("li", &[], text)
    });
    let items: Markup = items.collect();
    if items.is_empty() {
        return items;
    }
    let heading = element("h3", &[], Markup::text("Failed, with no table to stand in"));
    heading.and(element("ul", &[], items))
}

fn budget(budget: &WireBudget, leaderboard: &WireLeaderboard) -> Markup {
    let limits = budget.limits.join(", ");
    let mut content = element(
        "h3",
        &[],
        Markup::text("Best within: ").and(Markup::foreign(&limits)),
    );
    let mut items = Markup::new();
    for choice in &budget.choices {
        let Some(table) = leaderboard.tables.get(choice.table) else {
            continue;
        };
        let model = |row: Option<usize>| {
            row.and_then(|row| table.rows.get(row))
                .map(|row| row.model.as_str())
        };
        let conditions = table.conditions.get(choice.conditions);
        let under = conditions
            .map(|c| format!(", {}, {}", under(c), c.machine))
            .unwrap_or_default();
        let mut text =
            Markup::foreign(&format!("{}{under}", table.dataset)).and(Markup::text(": "));
        text.push(match model(choice.best) {
            Some(best) => element("strong", &[], Markup::foreign(best)),
            None => Markup::text("no model is within the limits"),
        });
        if let (Some(second), Some(lead)) = (model(choice.runner_up), choice.lead) {
            let interval = lead
                .interval
                .map(|[low, high]| format!(" (95 % {} to {})", signed(low, 2), signed(high, 2)));
            let lead = format!(
                ", {} points of F1{} before ",
                signed(lead.f1_difference, 2),
                interval.unwrap_or_default()
            );
            text.push(Markup::text(lead).and(Markup::foreign(second)));
        }
        let outside = choice.outside.iter().filter_map(|outside| {
            let name = Markup::foreign(model(Some(outside.row))?);
            Some(element(
                "li",
                &[],
                name.and(Markup::text(": "))
                    .and(Markup::foreign(&outside.because.join("; "))),
            ))
        });
        let outside: Markup = outside.collect();
        if !outside.is_empty() {
            let summary = element(
                "summary",
                &[],
                Markup::text(format!("{} outside the limits", choice.outside.len())),
            );
            text.push(element(
                "details",
                &[],
                summary.and(element("ul", &[], outside)),
            ));
        }
        items.push(element("li", &[], text));
    }
    content.push(element("ul", &[], items));
    content
}

fn against_base(speeds: &WireSpeeds) -> Markup {
    let heading = Markup::text("Speed against ").and(Markup::foreign(&speeds.base));
    let rows = speeds.models.iter().map(|model| {
        let ratio = doubtful(model.ratio, model.doubtful);
        let why = model.left_out_because.as_deref().unwrap_or_default();
        Row {
            fields: vec![Field::foreign(&model.model), ratio, Field::foreign(why)],
            properties: Vec::new(),
        }
    });
    let table = Table {
        id: "board-speeds",
        caption: "Geometric means of ratios of questions/s",
        columns: vec![
            Column::words("model"),
            Column::figures("times as fast"),
            Column::words("left out because"),
        ],
        rows: rows.collect(),
        search: None,
        class: "",
    };
    let text = format!(
        "Geometric mean of ratios of questions/s over {} timed conditions, of models that pass: {}.",
        speeds.groups.len(),
        speeds.floor
    );
    let hint = element(
        "p",
        &[("class", "hint"), ("dir", "auto")],
        Markup::text(text),
    );
    element("h3", &[], heading).and(table.markup()).and(hint)
}
