//! A comparison for a terminal and, as Markdown, for a pull request.

mod sections;

use super::analysis::Section;
use super::columns::aligned;
use super::markdown::escape;
use crate::compare::wire::WireComparison;
use sections::{accuracy, causes, differences, flips, headline, notes, performance, sides, slices};

/// Flips and slices that a terminal shows; there are more in the JSON.
const SHOWN_TEXT: usize = 8;

/// Flips and slices that a page shows: a comment on a pull request has an end.
const SHOWN_PAGE: usize = 100;

/// Characters of a question, an answer or a value that are shown.
const LONGEST_TEXT: usize = 40;
const LONGEST_PAGE: usize = 200;

/// The comparison in aligned columns, the verdicts first.
///
/// `emphasis` is put before and after the verdicts and headings: escape sequences
/// for a terminal that has them, or nothing.
pub fn text(comparison: &WireComparison, emphasis: (&str, &str)) -> String {
    let (on, off) = emphasis;
    let bold = |line: &str| format!("{on}{}{off}", plain(line));
    let mut lines: Vec<String> = headline(comparison).iter().map(|line| bold(line)).collect();
    lines.push(String::new());
    lines.extend(aligned(&printable(sides(comparison)), 6));
    let mut sections = vec![accuracy(comparison), performance(comparison)];
    sections.push(causes(comparison));
    sections.push(slices(comparison, SHOWN_TEXT));
    sections.push(flips(comparison, SHOWN_TEXT, LONGEST_TEXT));
    sections.push(differences(comparison, LONGEST_TEXT));
    for section in sections.iter().filter(|section| !section.rows.is_empty()) {
        let headings = section.headings.iter().map(ToString::to_string).collect();
        let rows: Vec<Vec<String>> = std::iter::once(headings)
            .chain(section.rows.iter().cloned())
            .collect();
        let rows = printable(rows);
        lines.extend([String::new(), plain(&section.title)]);
        let table = lines.len();
        lines.extend(aligned(&rows, names(section)));
        lines[table] = format!("{on}{}{off}", lines[table]);
    }
    let notes = notes(comparison);
    if !notes.is_empty() {
        lines.push(String::new());
        lines.extend(notes.iter().map(|note| plain(note)));
    }
    lines.join("\n") + "\n"
}

fn printable(rows: Vec<Vec<String>>) -> Vec<Vec<String>> {
    let rows = rows.into_iter();
    rows.map(|row| row.iter().map(|cell| plain(cell)).collect())
        .collect()
}

/// The comparison as Markdown: the verdicts, tables, and folded what is long.
pub fn markdown(comparison: &WireComparison) -> String {
    let mut page = String::from("# Comparison\n\n");
    for line in headline(comparison) {
        page += &format!("**{}**\n\n", escape(&line));
    }
    page += "| | model | dtype | data set | device | cell |\n|---|---|---|---|---|---|\n";
    for row in sides(comparison) {
        page += &row_of(&row);
    }
    page += "\n";
    for section in [accuracy(comparison), performance(comparison)] {
        page += &table("##", &section);
    }
    for note in notes(comparison) {
        page += &format!("> {}\n\n", literal(&note));
    }
    page += &table("##", &causes(comparison));
    for (title, section) in [
        ("Flips", flips(comparison, SHOWN_PAGE, LONGEST_PAGE)),
        ("Slices", slices(comparison, SHOWN_PAGE)),
        ("What differs", differences(comparison, LONGEST_PAGE)),
    ] {
        if !section.rows.is_empty() {
            page += &format!("<details><summary>{title}</summary>\n\n");
            page += &table("###", &section);
            page += "</details>\n\n";
        }
    }
    page
}

fn table(level: &str, section: &Section) -> String {
    if section.rows.is_empty() {
        return String::new();
    }
    let names = names(section);
    let rule = (0..section.headings.len()).map(|place| if place < names { "---|" } else { "--:|" });
    let mut table = format!("{level} {}\n\n", escape(&section.title));
    table += &format!(
        "| {} |\n|{}\n",
        section.headings.join(" | "),
        rule.collect::<String>()
    );
    section.rows.iter().for_each(|row| table += &row_of(row));
    table + "\n"
}

fn row_of(cells: &[String]) -> String {
    let cells: Vec<String> = cells.iter().map(|cell| literal(cell)).collect();
    format!("| {} |\n", cells.join(" | "))
}

/// A cell whose text is taken literally, by Markdown and by what a code forge makes of names,
/// numbers and formulas: those are left alone within code.
pub(super) fn literal(cell: &str) -> String {
    let is_forges = |c| matches!(c, '@' | '#' | '$' | '~');
    let cell = plain(cell);
    if cell.contains(is_forges) || cell.contains("www.") {
        let escaped = escape(&cell).replace('~', "\\~").replace('$', "\\$");
        format!("<code>{escaped}</code>")
    } else {
        escape(&cell)
    }
}

/// How many columns of a section hold names: those before the first that holds figures.
fn names(section: &Section) -> usize {
    let figures = ["base", "lost", "questions"];
    let first = section
        .headings
        .iter()
        .position(|heading| figures.contains(heading));
    first.unwrap_or(section.headings.len())
}

/// One line of any text: without control characters and such as turn the direction of
/// writing, which would lay a line out as something else.
pub(super) fn plain(text: &str) -> String {
    let turns = |c: char| matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{200e}' | '\u{200f}' | '\u{61c}');
    let breaks = |c: char| c.is_control() || matches!(c, '\u{2028}' | '\u{2029}');
    text.chars()
        .map(|c| if breaks(c) || turns(c) { ' ' } else { c })
        .collect()
}
