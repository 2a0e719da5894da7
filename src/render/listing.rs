//! Runs under a folder, a line a cell.

use super::columns::aligned;
use super::figure;
use crate::record::listing::{Listed, State};

const HEADINGS: [&str; 10] = [
    "folder",
    "when",
    "model",
    "data set",
    "device",
    "scenario",
    "state",
    "EM %",
    "F1 %",
    "questions/s",
];

/// Columns that hold names.
const NAMES: usize = 7;

/// The cells in aligned columns, under a line of headings.
pub fn text(listed: &[Listed]) -> String {
    let headings = HEADINGS.map(str::to_owned).to_vec();
    let rows = std::iter::once(headings).chain(listed.iter().map(row));
    let lines = aligned(&rows.collect::<Vec<_>>(), NAMES);
    lines.iter().map(|line| format!("{line}\n")).collect()
}

fn row(cell: &Listed) -> Vec<String> {
    let name = |name: &Option<String>| name.clone().unwrap_or_else(dash);
    let percent = |value: Option<f64>| value.map_or_else(dash, |value| format!("{value:.2}"));
    let mark = if cell.is_doubtful { "?" } else { "" };
    let device = match (&cell.device, &cell.dtype) {
        (Some(device), Some(dtype)) => format!("{device} {dtype}"),
        (device, _) => name(device),
    };
    vec![
        cell.path.display().to_string(),
        cell.when.clone(),
        name(&cell.model),
        name(&cell.dataset),
        device,
        name(&cell.scenario),
        state(&cell.state),
        percent(cell.exact_match),
        percent(cell.f1),
        cell.questions_per_s
            .map_or_else(dash, |speed| figure(speed) + mark),
    ]
}

fn dash() -> String {
    "-".to_owned()
}

fn state(state: &State) -> String {
    match state {
        State::Finished => "finished".to_owned(),
        State::Merged => "merged".to_owned(),
        State::Failed(kind) => format!("failed: {kind}"),
        State::Unfinished { done: 0 } => "not begun".to_owned(),
        State::Unfinished { done: 1 } => "unfinished: 1 repetition".to_owned(),
        State::Unfinished { done } => format!("unfinished: {done} repetitions"),
        State::Unreadable => "unreadable".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_is_a_line_whatever_its_names_hold() {
        let hostile = "m\u{1b}[31m\n\u{202e}x";
        let cell = Listed {
            path: format!("reports/{hostile}").into(),
            when: "2026-11-22T10:00:00Z".to_owned(),
            model: Some(hostile.to_owned()),
            dataset: None,
            device: Some("cpu".to_owned()),
            dtype: Some("f32".to_owned()),
            scenario: Some("offline".to_owned()),
            exact_match: Some(50.0),
            f1: Some(61.25),
            questions_per_s: Some(7.0),
            is_doubtful: true,
            state: State::Failed(hostile.to_owned()),
        };
        let text = text(&[cell]);
        assert_eq!(text.lines().count(), 2, "{text}");
        let lines: Vec<&str> = text.lines().collect();
        assert!(lines[0].starts_with("folder ") && lines[0].ends_with("questions/s"));
        let end = lines[1].split_whitespace().rev().take(3);
        assert_eq!(end.collect::<Vec<_>>(), ["7.00?", "61.25", "50.00"]);
        assert!(
            lines[1].contains("  cpu f32  offline   failed: m [31m"),
            "{text}"
        );
        assert!(!text.contains(['\u{1b}', '\u{202e}']));
    }
}
