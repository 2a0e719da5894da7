//! The result table for a terminal.

use super::columns::aligned;
use super::{COLUMNS, notes};
use crate::record::CellRecord;

/// Columns that hold names.
const NAMES: usize = 3;

/// Lays records out in aligned columns, a line a cell, under a line of headings; below them what
/// a reader of the figures should know.
///
/// `emphasis` is put before and after the headings: escape sequences for a
/// terminal that has them, or nothing.
pub fn table(records: &[CellRecord], emphasis: (&str, &str)) -> String {
    let headings = COLUMNS.iter().map(|(name, _)| (*name).to_owned()).collect();
    let rows: Vec<Vec<String>> = std::iter::once(headings)
        .chain(records.iter().map(cells))
        .collect();
    let (on, off) = emphasis;
    let mut lines = aligned(&rows, NAMES);
    lines[0] = format!("{on}{}{off}", lines[0]);
    lines.extend(records.iter().flat_map(notes::notes));
    lines.join("\n") + "\n"
}

fn cells(record: &CellRecord) -> Vec<String> {
    match record {
        CellRecord::Finished(record) => COLUMNS.iter().map(|(_, cell)| cell(record)).collect(),
        CellRecord::Failed(failure) => {
            let names = [&failure.model, &failure.dataset, &failure.device];
            let mut cells: Vec<String> = names.map(|name| printable(name)).into();
            cells.push("failed".to_owned());
            cells.resize(COLUMNS.len(), "-".to_owned());
            cells
        }
    }
}

/// A name as asked for may hold anything.
fn printable(name: &str) -> String {
    name.chars().filter(|c| !c.is_control()).collect()
}
