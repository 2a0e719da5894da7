//! The result table for a terminal.

use std::collections::HashSet;

use super::columns::aligned;
use super::{COLUMNS, Shown, notes};
use crate::record::CellRecord;

/// Columns that hold names.
const NAMES: usize = 3;

/// Lays records out in aligned columns, a line a cell, under a line of headings; below them what
/// a reader of the figures should know. Where model, data set and device do not tell the cells
/// apart, their own names come first.
///
/// `emphasis` is put before and after the headings: escape sequences for a
/// terminal that has them, or nothing.
pub fn table(records: &[CellRecord], emphasis: (&str, &str)) -> String {
    let headings = COLUMNS.iter().map(|(name, _)| (*name).to_owned()).collect();
    let mut rows: Vec<Vec<String>> = std::iter::once(headings)
        .chain(records.iter().map(cells))
        .collect();
    let mut names = NAMES;
    if !is_told_apart(&rows) {
        let cells = records.iter().map(|record| match record {
            CellRecord::Finished(record) => record.cell.as_str(),
            CellRecord::Failed(failure) => failure.cell.as_str(),
        });
        for (row, name) in rows.iter_mut().zip(std::iter::once("cell").chain(cells)) {
            row.insert(0, name.to_owned());
        }
        names += 1;
    }
    let (on, off) = emphasis;
    let mut lines = aligned(&rows, names);
    lines[0] = format!("{on}{}{off}", lines[0]);
    lines.extend(records.iter().flat_map(notes::notes));
    lines.join("\n") + "\n"
}

/// Whether no two rows have the same names.
fn is_told_apart(rows: &[Vec<String>]) -> bool {
    let names: HashSet<&[String]> = rows.iter().map(|row| &row[..NAMES]).collect();
    names.len() == rows.len()
}

fn cells(record: &CellRecord) -> Vec<String> {
    match record {
        CellRecord::Finished(record) => {
            let shown = Shown::from(record.as_ref());
            COLUMNS.iter().map(|(_, cell)| cell(&shown)).collect()
        }
        CellRecord::Failed(failure) => {
            let names = [&failure.model, &failure.dataset, &failure.device];
            let mut cells: Vec<String> = names.map(Clone::clone).into();
            cells.push("failed".to_owned());
            cells.resize(COLUMNS.len(), "-".to_owned());
            cells
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::WireRecord;

    fn record(cell: &str) -> WireRecord {
        let text = include_str!("../../tests/support/record.json");
        let mut record: WireRecord = serde_json::from_str(text).unwrap();
        record.cell = cell.to_owned();
        record
    }

    fn first_words(records: &[WireRecord]) -> Vec<String> {
        let records = records.iter().cloned().map(Box::new);
        let records: Vec<_> = records.map(CellRecord::Finished).collect();
        let table = table(&records, ("", ""));
        let lines = table.lines().take(1 + records.len());
        let words = lines.map(|line| {
            line.split_whitespace()
                .next()
                .unwrap_or_default()
                .to_owned()
        });
        words.collect()
    }

    #[test]
    fn cells_that_nothing_else_tells_apart_are_named() {
        let (one, two) = (record("one"), record("two"));
        let model = one.model.id.clone();
        assert_eq!(first_words(std::slice::from_ref(&one)), ["model", &model]);
        assert_eq!(
            first_words(&[one.clone(), two.clone()]),
            ["cell", "one", "two"]
        );
        let mut other = two;
        other.model.dtype = "bf16".to_owned();
        assert_eq!(first_words(&[one, other]), ["model", &model, &model]);
    }
}
