//! Text in aligned columns, for terminals.

/// Lays rows out two spaces apart, the first `names` columns to the left and
/// figures to the right. All rows have as many cells as the first.
///
/// A cell may hold anything, and a row is one line: see [`plain`].
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

/// Names may hold anything: a line stays one and reads from left to right, and a terminal is told
/// nothing but text.
pub fn plain(text: &str) -> String {
    let plain = |c: char| match c {
        '\u{061c}'
        | '\u{200e}'
        | '\u{200f}'
        | '\u{202a}'..='\u{202e}'
        | '\u{2066}'..='\u{2069}' => '\u{fffd}',
        '\u{2028}' | '\u{2029}' => ' ',
        c if c.is_control() => ' ',
        c => c,
    };
    text.chars().map(plain).collect()
}

#[cfg(test)]
mod tests {
    use super::{aligned, plain};

    #[test]
    fn names_stand_left_and_figures_right() {
        let rows = [["a", "1.5"], ["b\u{1b}[1m", "10"]];
        let rows = rows.map(|row| row.map(str::to_owned).to_vec());
        assert_eq!(aligned(&rows, 1), ["a      1.5", "b [1m   10"]);
        assert!(aligned(&[], 1).is_empty());
    }

    #[test]
    fn names_cannot_turn_a_line_around_or_break_it() {
        let hostile = "a\u{202e}b\u{2067}c\nd\u{2028}e\u{9b}f";
        assert_eq!(plain(hostile), "a\u{fffd}b\u{fffd}c d e f");
    }
}
