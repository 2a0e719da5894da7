//! The result table for a terminal.

use super::COLUMNS;
use crate::record::WireRecord;

/// Lays records out in aligned columns, a line a record, under a line of headings.
///
/// `emphasis` is put before and after the headings: escape sequences for a
/// terminal that has them, or nothing.
pub fn table(records: &[WireRecord], emphasis: (&str, &str)) -> String {
    let rows: Vec<Vec<String>> = records
        .iter()
        .map(|record| {
            COLUMNS
                .iter()
                .map(|(_, cell)| plain(&cell(record)))
                .collect()
        })
        .collect();
    let widths: Vec<usize> = COLUMNS
        .iter()
        .enumerate()
        .map(|(column, (heading, _))| {
            let cells = rows.iter().map(|row| row[column].chars().count());
            cells.chain([heading.len()]).max().unwrap_or_default()
        })
        .collect();
    let headings: Vec<String> = COLUMNS.iter().map(|(name, _)| (*name).to_owned()).collect();
    let (on, off) = emphasis;
    let mut text = format!("{on}{}{off}\n", line(&headings, &widths));
    for row in &rows {
        text.push_str(&line(row, &widths));
        text.push('\n');
    }
    text
}

/// A name may hold anything, and a record is one line.
fn plain(cell: &str) -> String {
    let plain = cell.chars().map(|c| if c.is_control() { ' ' } else { c });
    plain.collect()
}

/// Names to the left, figures to the right.
fn line(cells: &[String], widths: &[usize]) -> String {
    const NAMES: usize = 3;
    let cells = cells.iter().zip(widths).enumerate();
    let padded = cells.map(|(column, (cell, width))| {
        if column < NAMES {
            format!("{cell:<width$}")
        } else {
            format!("{cell:>width$}")
        }
    });
    padded.collect::<Vec<_>>().join("  ")
}
