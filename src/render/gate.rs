//! A gate's verdict for a terminal, for a pull request, and for servers of continuous integration.

use super::columns::aligned;
use super::{comparison, junit};
use crate::gate::wire::WireCellVerdict;
use crate::gate::{Check, OnInconclusive, Outcome, WireGateVerdict};

/// The verdict for a terminal: of each cell the comparison and the limits, then what all of it
/// comes to. `emphasis` is put around headings.
pub fn text(verdict: &WireGateVerdict, emphasis: (&str, &str)) -> String {
    let (on, off) = emphasis;
    let mut text = String::new();
    for cell in &verdict.cells {
        text += &format!("{on}{}{off}\n", comparison::plain(&cell.cell));
        if let Some(comparison) = &cell.comparison {
            text += &comparison::text(comparison, emphasis);
        }
        text += "\n";
        text += &limits(&cell.checks, emphasis);
        text += "\n";
    }
    let outcome = verdict.outcome.name();
    text + &format!("{on}{outcome}{off}{}\n", counted(verdict))
}

fn limits(checks: &[Check], (on, off): (&str, &str)) -> String {
    let headings = ["gate", "limit", "found", "outcome"].map(str::to_owned);
    let mut rows = vec![headings.to_vec()];
    rows.extend(checks.iter().map(|check| {
        let outcome = check.outcome.name().to_owned();
        let texts = [&check.name, &check.limit, &check.found].map(|text| comparison::plain(text));
        texts.into_iter().chain([outcome]).collect()
    }));
    let mut lines = aligned(&rows, 4);
    lines[0] = format!("{on}{}{off}", lines[0]);
    let remedies = checks.iter().filter_map(|check| {
        let remedy = check.remedy.as_ref()?;
        Some(format!(
            "  {}: {}",
            comparison::plain(&check.name),
            comparison::plain(remedy)
        ))
    });
    lines.extend(remedies);
    lines.join("\n") + "\n"
}

/// How many of several cells do not pass.
fn counted(verdict: &WireGateVerdict) -> String {
    let cells = verdict.cells.len();
    if cells < 2 {
        return String::new();
    }
    let mut parts = Vec::new();
    for outcome in [
        Outcome::Regression,
        Outcome::NotComparable,
        Outcome::Inconclusive,
        Outcome::Pass,
    ] {
        let count = verdict
            .cells
            .iter()
            .filter(|c| c.outcome == outcome)
            .count();
        if count > 0 {
            parts.push(format!("{count} {}", outcome.name()));
        }
    }
    format!(": of {cells} cells {}", parts.join(", "))
}

/// The verdict as Markdown: what GitHub shows as a job's summary.
pub fn markdown(verdict: &WireGateVerdict) -> String {
    let mark = match verdict.outcome {
        Outcome::Pass => "✅",
        Outcome::Regression => "❌",
        Outcome::Inconclusive | Outcome::NotComparable => "⚠️",
    };
    let outcome = verdict.outcome.name();
    let mut text = format!("## {mark} spanbench: {outcome}{}\n", counted(verdict));
    for cell in &verdict.cells {
        text += &format!("\n### {}\n\n", comparison::literal(&cell.cell));
        text += "| gate | limit | found | outcome |\n|---|---|---|---|\n";
        for check in &cell.checks {
            let texts = [&check.name, &check.limit, &check.found];
            let [name, limit, found] = texts.map(|text| comparison::literal(text));
            let outcome = check.outcome.name();
            let remedy = check.remedy.as_ref();
            let remedy = remedy.map(|remedy| format!(": {}", comparison::literal(remedy)));
            let remedy = remedy.unwrap_or_default();
            text += &format!("| {name} | {limit} | {found} | {outcome}{remedy} |\n");
        }
        if let Some(comparison) = &cell.comparison {
            text += &format!("\n{}", comparison::markdown(comparison));
        }
    }
    text
}

/// A suite a cell, a case a limit.
pub fn suites(verdict: &WireGateVerdict) -> Vec<junit::Suite> {
    let cells = verdict.cells.iter();
    let of = |cell| suite(cell, verdict.on_inconclusive);
    cells.map(of).collect()
}

fn suite(cell: &WireCellVerdict, on_inconclusive: OnInconclusive) -> junit::Suite {
    let cases = cell.checks.iter().map(|check| {
        let message = format!("{}: {} ({})", check.name, check.found, check.limit);
        let kind = check.outcome.name().to_owned();
        junit::Case {
            name: format!("{}: {}", check.name, check.limit),
            class_name: cell.cell.clone(),
            seconds: None,
            outcome: match (check.outcome, on_inconclusive) {
                (Outcome::Pass, _) | (Outcome::Inconclusive, OnInconclusive::Pass) => {
                    junit::Outcome::Passed
                }
                (Outcome::Regression, _) | (Outcome::Inconclusive, OnInconclusive::Fail) => {
                    junit::Outcome::Failed { kind, message }
                }
                (Outcome::Inconclusive | Outcome::NotComparable, _) => {
                    junit::Outcome::Error { kind, message }
                }
            },
            output: match &check.remedy {
                Some(remedy) => format!("{}\n{remedy}", check.found),
                None => check.found.clone(),
            },
        }
    });
    junit::Suite {
        name: cell.cell.clone(),
        cases: cases.collect(),
    }
}
