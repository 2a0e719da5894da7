//! Every cell's figures in a row, as in the table of a terminal.

use super::Section;
use super::markup::{Markup, element};
use super::table::{Column, Field, Row, Table};
use crate::record::{Cell, Record, WireFailure};
use crate::render::{COLUMNS, Shown};

/// Columns of names; the others hold figures.
const NAMES: usize = 3;

/// The result table, and what there is to be known of its rows.
pub fn section(cells: &[Cell]) -> Option<Section> {
    if cells.is_empty() {
        return None;
    }
    let mut columns = vec![Column::words("cell")];
    columns.extend(COLUMNS.iter().enumerate().map(|(place, (heading, _))| {
        if place < NAMES {
            Column::words(heading)
        } else {
            Column::figures(heading)
        }
    }));
    let rows = cells.iter().map(|cell| Row {
        fields: match cell {
            Cell::Finished(run) => finished(&run.record, label(cell, cells)),
            Cell::Failed { failure, .. } => failed(failure, label(cell, cells)),
        },
        properties: Vec::new(),
    });
    let table = Table {
        id: "cells",
        caption: "Results of all cells",
        columns,
        rows: rows.collect(),
        search: (cells.len() > 8).then(Vec::new),
        class: "wide",
    };
    let notes: Markup = cells
        .iter()
        .map(|cell| notes(cell, label(cell, cells)))
        .collect();
    let notes = if notes.is_empty() {
        notes
    } else {
        element("ul", &[("class", "notes")], notes)
    };
    let question_mark = cells
        .iter()
        .any(|cell| matches!(cell, Cell::Finished(run) if !run.record.doubts().is_empty()));
    let mut content = table.markup();
    if question_mark {
        let text = "A question mark follows figures that should not be trusted; why stands below.";
        content.push(element("p", &[("class", "hint")], Markup::text(text)));
    }
    Section::new("results", "Results", content.and(notes))
}

/// A cell's name, with its folder where another has the same.
fn label(cell: &Cell, cells: &[Cell]) -> Markup {
    let name = Markup::foreign(cell.name());
    if cells
        .iter()
        .filter(|other| other.name() == cell.name())
        .count()
        < 2
    {
        return name;
    }
    let path = Markup::foreign(&cell.path().display().to_string());
    name.and(element("small", &[], path))
}

fn finished(record: &Record, label: Markup) -> Vec<Field> {
    let shown = Shown::from(record);
    let mut fields = vec![Field::of(label)];
    fields.extend(COLUMNS.iter().enumerate().map(|(place, (_, text))| {
        let text = text(&shown);
        if place < NAMES {
            Field::foreign(&text)
        } else {
            Field::text(text)
        }
    }));
    fields
}

fn failed(failure: &WireFailure, label: Markup) -> Vec<Field> {
    let names = [&failure.model, &failure.dataset, &failure.device];
    let mut fields = vec![Field::of(label)];
    fields.extend(names.map(|name| Field::foreign(name)));
    let error = &failure.error;
    let kind = element(
        "strong",
        &[],
        Markup::text(format!("failed: {}", error.kind.name())),
    );
    let message = Markup::text(": ").and(super::prose::prose(&error.message));
    let rest = COLUMNS.len() - NAMES;
    fields.push(Field::of(kind.and(message)).over(rest).class("failed"));
    fields
}

/// What a reader of a row should know.
fn notes(cell: &Cell, name: Markup) -> Markup {
    let mut lines = match cell {
        Cell::Finished(run) => {
            let record = &run.record;
            let mut lines: Vec<String> = record.doubts().to_vec();
            lines.extend_from_slice(record.warnings());
            let repetitions = record.measured().into_iter().flat_map(|r| &r.repetitions);
            for (number, repetition) in repetitions.enumerate() {
                let scenario = &repetition.scenario;
                if !scenario.valid {
                    let because = scenario.invalid_because.join("; ");
                    lines.push(format!(
                        "repetition {}: {} INVALID: {because}",
                        number + 1,
                        scenario.name
                    ));
                }
            }
            lines
        }
        Cell::Failed { failure, .. } if !failure.error.stderr.trim().is_empty() => {
            vec![failure.error.stderr.trim().to_owned()]
        }
        Cell::Failed { .. } => return Markup::new(),
    };
    lines.dedup();
    if lines.is_empty() {
        return Markup::new();
    }
    let count = lines.len();
    let lines = lines
        .iter()
        .map(|line| element("li", &[], super::prose::prose(line)));
    let list = element("ul", &[], lines.collect());
    let name = element("strong", &[], name);
    if count <= 3 {
        return element("li", &[], name.and(list));
    }
    let count = element(
        "span",
        &[("class", "count")],
        Markup::text(format!(" {count} notes")),
    );
    let summary = element("summary", &[], name.and(count));
    element("li", &[], element("details", &[], summary.and(list)))
}
