//! The result table for a terminal.

use super::COLUMNS;
use super::columns::aligned;
use crate::record::WireRecord;

/// Lays records out in aligned columns, a line a record, under a line of headings.
///
/// `emphasis` is put before and after the headings: escape sequences for a
/// terminal that has them, or nothing.
pub fn table(records: &[WireRecord], emphasis: (&str, &str)) -> String {
    /// Columns that hold names.
    const NAMES: usize = 3;
    let headings = COLUMNS.iter().map(|(name, _)| (*name).to_owned()).collect();
    let cells = |record| COLUMNS.iter().map(|(_, cell)| cell(record)).collect();
    let rows: Vec<Vec<String>> = std::iter::once(headings)
        .chain(records.iter().map(cells))
        .collect();
    let (on, off) = emphasis;
    let mut lines = aligned(&rows, NAMES);
    lines[0] = format!("{on}{}{off}", lines[0]);
    lines.join("\n") + "\n"
}
