//! What the record of each cell tells besides: the tables of its report, folded.

use super::markup::{Markup, element};
use super::table::{Column, Field, Row, Table};
use super::{Finished, Section};
use crate::record::Record;
use crate::render::analysis::{Section as Tabulated, certainty};
use crate::render::{measurement, merged};

/// A fold for each cell.
pub fn section(finished: &[Finished<'_>]) -> Option<Section> {
    let cells = finished.iter().enumerate().map(|(number, cell)| {
        let record = &cell.run.record;
        let mut sections: Vec<Tabulated> = record.analysis().into_iter().map(certainty).collect();
        match record {
            Record::Single(record) => sections.extend(measurement::sections(record)),
            Record::Merged(merged) => sections.push(merged::shards(&merged.shards)),
        }
        sections.retain(|section| !section.rows.is_empty());
        let tables = sections.iter().enumerate().map(|(place, section)| {
            let id = format!("details-{}-{}", number + 1, place + 1);
            tabulated(&id, section, 3)
        });
        let tables: Markup = tables.collect();
        let summary = element("summary", &[], Markup::foreign(&cell.name));
        element("details", &[], summary.and(tables))
    });
    Section::new("details", "How it was measured", cells.collect())
}

/// A table of a report under a heading of its own.
pub fn tabulated(id: &str, section: &Tabulated, level: usize) -> Markup {
    let name = if level == 3 { "h3" } else { "h4" };
    let heading = element(name, &[], Markup::text(&section.title));
    let columns = section.headings.iter().enumerate().map(|(place, heading)| {
        if place == 0 {
            Column::words(heading)
        } else {
            Column::figures(heading)
        }
    });
    let rows = section.rows.iter().map(|row| Row {
        fields: row.iter().map(|cell| Field::foreign(cell)).collect(),
        properties: Vec::new(),
    });
    let table = Table {
        id,
        caption: &section.title,
        columns: columns.collect(),
        rows: rows.collect(),
        search: None,
        class: "",
    };
    heading.and(table.markup())
}
