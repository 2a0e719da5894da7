//! Text in aligned columns, for terminals.

/// Lays rows out two spaces apart, the first `names` columns to the left and
/// figures to the right. All rows have as many cells as the first.
///
/// A cell may hold anything, and a row is one line: control characters become spaces.
pub fn aligned(rows: &[Vec<String>], names: usize) -> Vec<String> {
    let rows: Vec<Vec<String>> = rows
        .iter()
        .map(|row| row.iter().map(|cell| plain(cell)).collect())
        .collect();
    let columns = rows.first().map_or(0, Vec::len);
    let widths: Vec<usize> = (0..columns)
        .map(|column| {
            let cells = rows.iter().map(|row| row[column].chars().count());
            cells.max().unwrap_or_default()
        })
        .collect();
    let line = |row: &Vec<String>| {
        let cells = row.iter().zip(&widths).enumerate();
        let cells = cells.map(|(column, (cell, width))| {
            if column < names {
                format!("{cell:<width$}")
            } else {
                format!("{cell:>width$}")
            }
        });
        cells.collect::<Vec<_>>().join("  ").trim_end().to_owned()
    };
    rows.iter().map(line).collect()
}

fn plain(cell: &str) -> String {
    let plain = cell.chars().map(|c| if c.is_control() { ' ' } else { c });
    plain.collect()
}

#[cfg(test)]
mod tests {
    use super::aligned;

    #[test]
    fn names_stand_left_and_figures_right() {
        let rows = [["a", "1.5"], ["b\u{1b}[1m", "10"]];
        let rows = rows.map(|row| row.map(str::to_owned).to_vec());
        assert_eq!(aligned(&rows, 1), ["a      1.5", "b [1m   10"]);
        assert!(aligned(&[], 1).is_empty());
    }
}
