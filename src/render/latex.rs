//! A leaderboard as LaTeX tables.

use super::leaderboard::{Sheet, sheets, unmeasured};
use crate::leaderboard::wire::{WireLeaderboard, WireTable};

/// Columns of a leaderboard's table that a page of paper has room for.
const SHOWN: [&str; 9] = [
    "rank",
    "model",
    "EM %",
    "F1 %",
    "95 % of F1",
    "questions/s",
    "p99 ms",
    "peak MB",
    "M parameters",
];

/// A `table` with caption and label for each table of the leaderboard, set with booktabs:
/// `\usepackage{booktabs}` is all that a document needs.
///
/// What is wider than the text stands out into both margins alike. Letters outside Latin-1 are set as their code point, since a plain LaTeX
/// document has no font for them.
pub fn latex(board: &WireLeaderboard) -> String {
    let mut text = "% \\usepackage{booktabs}\n".to_owned();
    let tables = sheets(board).into_iter().zip(1..);
    for (sheet, number) in tables {
        // The tables of the data sets come first.
        text += &table(&sheet, number, board.tables.get(number - 1));
    }
    text
}

fn table(sheet: &Sheet, number: usize, data: Option<&WireTable>) -> String {
    let of_data = data.is_some();
    let headings = sheet.headings.iter().enumerate();
    let shown: Vec<usize> = headings
        .filter(|(_, heading)| !of_data || SHOWN.contains(heading))
        .map(|(place, _)| place)
        .collect();
    let alignment: String = shown
        .iter()
        .map(|&place| {
            if is_name(sheet, place, of_data) {
                'l'
            } else {
                'r'
            }
        })
        .collect();
    let line = |cells: &[String]| {
        let cells: Vec<String> = shown.iter().map(|&place| escape(&cells[place])).collect();
        format!("    {} \\\\\n", cells.join(" & "))
    };
    let headings: Vec<String> = sheet.headings.iter().map(ToString::to_string).collect();
    let rows: String = sheet.rows.iter().map(|row| line(row)).collect();
    let timed = data.filter(|table| !table.conditions.is_empty());
    let machine = sheet.notes.first().filter(|_| timed.is_some());
    let machine = machine.map_or_else(String::new, |note| format!(" Timed on: {note}."));
    let unmeasured = data.map(unmeasured).unwrap_or_default();
    let unmeasured: String = unmeasured.iter().map(|note| format!(" {note}.")).collect();
    let marked = sheet.rows.iter().flatten().any(|cell| cell.ends_with('?'));
    let marked = if marked {
        " ?: figures that are doubted."
    } else {
        ""
    };
    format!(
        "\\begin{{table}}\n  \\centering\n  \\scriptsize\n  \\setlength{{\\tabcolsep}}{{3pt}}\n  \
         \\caption{{{}}}\n  \\label{{tab:spanbench-{number}}}\n  \\makebox[\\linewidth]{{\\begin{{tabular}}{{{alignment}}}\n    \
         \\toprule\n{}    \\midrule\n{rows}    \\bottomrule\n  \\end{{tabular}}}}\n\\end{{table}}\n",
        escape(&format!("{}.{machine}{unmeasured}{marked}", sheet.title)),
        line(&headings),
    )
}

/// Whether a column holds words.
fn is_name(sheet: &Sheet, place: usize, of_data: bool) -> bool {
    if of_data {
        sheet.headings[place] == "model"
    } else {
        sheet.headings[place] != "times the base"
    }
}

/// Text that LaTeX sets as it stands.
fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '\\' => escaped.push_str("\\textbackslash{}"),
            '{' | '}' | '$' | '&' | '#' | '%' | '_' => escaped.extend(['\\', character]),
            '~' => escaped.push_str("\\textasciitilde{}"),
            '^' => escaped.push_str("\\textasciicircum{}"),
            '<' => escaped.push_str("\\textless{}"),
            '>' => escaped.push_str("\\textgreater{}"),
            '|' => escaped.push_str("\\textbar{}"),
            '"' => escaped.push_str("\\char34{}"),
            '`' => escaped.push_str("\\char96{}"),
            // Two of them would be set as another sign; a bracket may belong to a command before it.
            '-' | '\'' | ',' | '!' | '?' | '[' | ']' | '*' => {
                escaped.extend(['{', character, '}']);
            }
            '–' => escaped.push_str("--"),
            '’' => escaped.push('\''),
            ' '..='~' => escaped.push(character),
            '\u{c0}'..='\u{ff}' if character.is_alphabetic() => escaped.push(character),
            control if control.is_control() || control.is_whitespace() => escaped.push(' '),
            other => escaped.push_str(&format!("U+{:04X}", u32::from(other))),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::escape;

    #[test]
    fn text_is_no_command() {
        assert_eq!(
            escape("\\input{x} 50% $a_1$ #& ~^ <b> \"`|"),
            "\\textbackslash{}input\\{x\\} 50\\% \\$a\\_1\\$ \\#\\& \\textasciitilde{}\\textasciicircum{} \
             \\textless{}b\\textgreater{} \\char34{}\\char96{}\\textbar{}"
        );
        assert_eq!(escape("a--b\n\u{4e2d}é–"), "a{-}{-}b U+4E2Dé--");
    }
}
