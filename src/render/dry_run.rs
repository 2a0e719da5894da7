//! What a run would do, before it does it: for terminals, and as JSON.

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};

use super::columns::aligned;
use crate::suite::estimate::{Basis, Estimate, PEAK_FRACTION, TOKENS_A_QUESTION, total};
use crate::suite::{CellPlan, RunSettings, Suite};

/// A run that was planned.
#[derive(Debug, Clone, Copy)]
pub struct DryRun<'a> {
    /// The suite, where the run is one.
    pub suite: Option<&'a Suite>,
    /// The cells, in order.
    pub cells: &'a [CellPlan],
    /// Of the run as a whole.
    pub run: &'a RunSettings,
    /// An estimate a cell.
    pub estimates: &'a [Estimate],
}

/// Options with their values.
type Entries = Vec<(&'static str, String)>;

/// The cells in columns, with the options in which they differ; below, what they share and where
/// the estimates are from.
pub fn text(plan: &DryRun<'_>) -> String {
    let (differing, shared) = split(plan.cells);
    let mut text = String::new();
    if let Some(suite) = plan.suite {
        let count = cells(plan.cells.len());
        let origin = one_line(&suite.origin);
        text += &format!("suite {}: {count}, from {origin}\n", suite.name);
    }
    let mut heading = vec!["cell".to_owned()];
    heading.extend(differing.iter().map(|key| (*key).to_owned()));
    let names = heading.len();
    heading.extend(["time".to_owned(), "by".to_owned()]);
    let rows = plan.cells.iter().zip(plan.estimates);
    let rows = rows.map(|(cell, estimate)| {
        let entries = cell.options.entries();
        let value = |key: &&str| {
            let found = entries.iter().find(|(known, _)| known == key);
            found.map_or("-".to_owned(), |(_, value)| value.clone())
        };
        let mut row = vec![cell.spec.name.clone()];
        row.extend(differing.iter().map(value));
        row.push(estimate.seconds.map_or("?".to_owned(), duration));
        row.push(basis(&estimate.basis).to_owned());
        row
    });
    let rows: Vec<Vec<String>> = std::iter::once(heading).chain(rows).collect();
    for line in aligned(&rows, names) {
        text += &format!("{line}\n");
    }
    // What is not done takes no room.
    let shared = shared.iter().filter(|(_, value)| value != "false");
    let shared = shared.map(|(key, value)| format!("{key} {value}"));
    let shared = shared.collect::<Vec<_>>().join(", ");
    text += &format!("all: {}\n", one_line(&shared));
    text += &format!("{}\n", run_line(plan.run));
    text + &summary(plan)
}

/// One JSON document.
pub fn json(plan: &DryRun<'_>) -> Value {
    let cells = plan.cells.iter().zip(plan.estimates);
    let cells = cells.map(|(cell, estimate)| {
        let options = cell.options.entries().into_iter();
        let options: Map<String, Value> = options
            .map(|(key, value)| (key.to_owned(), value.into()))
            .collect();
        json!({
            "name": cell.spec.name,
            "options": options,
            "expected": cell.expected,
            "prose": cell.prose,
            "estimate": estimate,
        })
    });
    let suite = plan.suite.map(|suite| {
        json!({
            "name": suite.name,
            "description": suite.description,
            "origin": suite.origin,
            "sha256": suite.sha256,
        })
    });
    let (seconds, unknown) = total(plan.estimates);
    json!({
        "schema": 1,
        "suite": suite,
        "repetitions": plan.run.repetitions,
        "cells": cells.collect::<Vec<_>>(),
        "estimate_s": seconds,
        "cells_without_estimate": unknown,
    })
}

/// The options in which the cells differ, and what is said of all of them.
fn split(cells: &[CellPlan]) -> (Vec<&'static str>, Entries) {
    let all: Vec<Entries> = cells.iter().map(|cell| cell.options.entries()).collect();
    let keys: BTreeSet<&'static str> = all.iter().flatten().map(|(key, _)| *key).collect();
    let (mut differing, mut shared) = (Vec::new(), Entries::new());
    for key in crate::suite::Options::KEYS {
        if !keys.contains(key) {
            continue;
        }
        let value = |entries: &Entries| {
            let found = entries.iter().find(|(known, _)| known == key);
            found.map(|(_, value)| value.clone())
        };
        let values: BTreeSet<Option<String>> = all.iter().map(value).collect();
        match values.into_iter().collect::<Vec<_>>().as_slice() {
            [Some(value)] => shared.push((key, value.clone())),
            _ => differing.push(*key),
        }
    }
    (differing, shared)
}

fn run_line(run: &RunSettings) -> String {
    let repetitions = run.repetitions;
    let mut parts = vec![match repetitions {
        1 => "measured once".to_owned(),
        _ => format!("measured {repetitions} times"),
    }];
    if let Some(turn) = run.turn {
        let turn = humantime::format_duration(turn);
        parts.push(format!("in turns of {turn}"));
    }
    if run.roofline.is_some() {
        parts.push("with the machine's peak".to_owned());
    }
    if run.profile {
        parts.push("with a profile".to_owned());
    }
    if run.offline {
        parts.push("without the hub".to_owned());
    }
    format!("run: {}", parts.join(", "))
}

fn basis(basis: &Basis) -> &'static str {
    match basis {
        Basis::SameCell { .. } => "same cell",
        Basis::SameModel { .. } => "same model",
        Basis::Peak => "peak",
        Basis::None => "-",
    }
}

/// The time in all, and where the estimates are from.
fn summary(plan: &DryRun<'_>) -> String {
    let (seconds, unknown) = total(plan.estimates);
    let known = plan.estimates.len() - unknown;
    let mut text = match (known, unknown) {
        (0, _) => "time: no estimate; no earlier record is of these models, and the processor's peak was not measured (--roofline)\n".to_owned(),
        (_, 0) => format!("time: about {} in all, downloads aside\n", duration(seconds)),
        (_, unknown) => format!(
            "time: about {} for {}, downloads aside; no estimate for {}\n",
            duration(seconds),
            cells(known),
            cells(unknown)
        ),
    };
    let uses = |sort: fn(&Basis) -> bool| plan.estimates.iter().find(|e| sort(&e.basis));
    if let Some(Estimate {
        basis: Basis::SameCell { record },
        ..
    }) = uses(|basis| matches!(basis, Basis::SameCell { .. }))
    {
        let record = one_line(&record.display().to_string());
        text += &format!("same cell: what it took when it was last run, such as {record}\n");
    }
    if let Some(Estimate {
        basis: Basis::SameModel { record },
        ..
    }) = uses(|basis| matches!(basis, Basis::SameModel { .. }))
    {
        let record = one_line(&record.display().to_string());
        text += &format!(
            "same model: by the tokens a second of its latest record with the dtype, device and threads, such as {record}\n"
        );
    }
    if uses(|basis| *basis == Basis::Peak).is_some() {
        text += &format!(
            "peak: a rough figure; 2 operations a parameter and token at {:.0} % of the machine's measured peak, {TOKENS_A_QUESTION} tokens a question where no record tells\n",
            PEAK_FRACTION * 100.0
        );
    }
    text
}

/// A number of cells.
fn cells(count: usize) -> String {
    let noun = if count == 1 { "cell" } else { "cells" };
    format!("{count} {noun}")
}

fn one_line(text: &str) -> String {
    let plain = text.chars().map(|c| if c.is_control() { ' ' } else { c });
    plain.collect()
}

/// Seconds as people say them, two digits or three.
fn duration(seconds: f64) -> String {
    if seconds < 99.5 {
        format!("{:.0} s", seconds.max(1.0))
    } else if seconds < 99.5 * 60.0 {
        format!("{:.0} min", seconds / 60.0)
    } else if seconds < 99.5 * 3600.0 {
        format!("{:.1} h", seconds / 3600.0)
    } else {
        format!("{:.1} days", seconds / 86400.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::models::Precision;
    use crate::suite::{Options, RunOptions};

    fn two_cells() -> (Vec<CellPlan>, RunSettings) {
        let run = RunOptions::default().resolve();
        let cell = |name, dtype, limit| {
            let options = Options {
                dtype: Some(dtype),
                limit,
                ..Options::default()
            };
            CellPlan::new(name, &options, &run).unwrap()
        };
        let cells = vec![
            cell("a", Precision::F32, None),
            cell("b\u{1b}[31m", Precision::Bf16, Some(20)),
        ];
        (cells, run)
    }

    #[test]
    fn columns_tell_in_what_the_cells_differ() {
        let (cells, run) = two_cells();
        let estimates = [
            Estimate {
                seconds: Some(74.6),
                basis: Basis::SameCell {
                    record: "reports/x/run.json".into(),
                },
            },
            Estimate {
                seconds: None,
                basis: Basis::None,
            },
        ];
        let plan = DryRun {
            suite: None,
            cells: &cells,
            run: &run,
            estimates: &estimates,
        };
        let text = text(&plan);
        let lines: Vec<&str> = text.lines().collect();
        let words = |line: &str| {
            let words = line.split_whitespace().map(str::to_owned);
            words.collect::<Vec<_>>().join(" ")
        };
        assert_eq!(words(lines[0]), "cell dtype limit time by");
        assert_eq!(words(lines[1]), "a f32 - 75 s same cell");
        assert_eq!(words(lines[2]), "b [31m bf16 20 ? -");
        assert!(
            lines[3].starts_with("all: model minilm-l6-squad, dataset mixed-bag, device auto,")
        );
        assert_eq!(lines[4], "run: measured once");
        assert_eq!(
            lines[5],
            "time: about 75 s for 1 cell, downloads aside; no estimate for 1 cell"
        );
        assert!(lines[6].ends_with("reports/x/run.json"), "{text}");
        let json = json(&plan);
        assert_eq!(json["cells"][0]["estimate"]["by"], "same-cell");
        assert_eq!(json["cells"][1]["estimate"]["seconds"], Value::Null);
        assert_eq!(json["cells"][1]["options"]["limit"], "20");
        assert_eq!(json["estimate_s"], 74.6);
    }

    #[test]
    fn times_are_told_as_people_tell_them() {
        for (seconds, text) in [
            (0.2, "1 s"),
            (75.0, "75 s"),
            (600.0, "10 min"),
            (5400.0, "90 min"),
            (7200.0, "2.0 h"),
            (864_000.0, "10.0 days"),
        ] {
            assert_eq!(duration(seconds), text);
        }
    }
}
