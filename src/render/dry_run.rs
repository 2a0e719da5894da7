//! What a run would do, before it does it: for terminals, and as JSON.

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};

use super::columns::{aligned, plain};
use crate::suite::estimate::{Basis, Estimate, PEAK_FRACTION, TOKENS_A_QUESTION, total};
use crate::suite::{CellPlan, RunSettings, Suite};

/// Where a cell starts, in a run that goes on after an earlier one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Start {
    /// There is nothing of it.
    New,
    /// It is finished, and left as it is.
    Kept,
    /// After so many repetitions.
    After(usize),
    /// What there is of it is measured again, for this reason.
    Again(String),
    /// There are results, and what they are made from cannot be read, as this says.
    Unknown(String),
}

impl Start {
    /// Its repetitions that are done.
    pub fn done(&self, run: &RunSettings) -> usize {
        match self {
            Self::New | Self::Again(_) | Self::Unknown(_) => 0,
            Self::Kept => run.repetitions,
            Self::After(done) => *done,
        }
    }

    fn words(&self, run: &RunSettings) -> String {
        match self {
            Self::New => "new".to_owned(),
            Self::Kept => "kept".to_owned(),
            Self::After(done) => format!("after {done} of {} repetitions", run.repetitions),
            Self::Again(_) => "again".to_owned(),
            Self::Unknown(_) => "?".to_owned(),
        }
    }

    fn json(&self) -> Value {
        match self {
            Self::New => json!({"from": "new"}),
            Self::Kept => json!({"from": "kept"}),
            Self::After(done) => json!({"from": "repetitions", "done": done}),
            Self::Again(because) => json!({"from": "again", "because": because}),
            Self::Unknown(because) => json!({"from": "unknown", "because": because}),
        }
    }
}

/// A run that was planned.
#[derive(Debug, Clone, Copy)]
pub struct DryRun<'a> {
    /// The suite, where the run is one.
    pub suite: Option<&'a Suite>,
    /// The cells, in order.
    pub cells: &'a [CellPlan],
    /// Of the run as a whole.
    pub run: &'a RunSettings,
    /// Where each cell starts, where the run is to go on after an earlier one.
    pub starts: Option<&'a [Start]>,
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
        let origin = plain(&suite.origin);
        text += &format!("suite {}: {count}, from {origin}\n", suite.name);
    }
    let mut heading = vec!["cell".to_owned()];
    heading.extend(differing.iter().map(|key| (*key).to_owned()));
    heading.extend(plan.starts.map(|_| "resume".to_owned()));
    let names = heading.len();
    heading.extend(["time".to_owned(), "by".to_owned()]);
    let rows = plan.cells.iter().zip(plan.estimates).enumerate();
    let rows = rows.map(|(place, (cell, estimate))| {
        let entries = cell.options.entries();
        let value = |key: &&str| {
            let found = entries.iter().find(|(known, _)| known == key);
            found.map_or("-".to_owned(), |(_, value)| value.clone())
        };
        let mut row = vec![cell.spec.name.clone()];
        row.extend(differing.iter().map(value));
        let start = plan.starts.map(|starts| starts[place].words(plan.run));
        row.extend(start);
        row.push(match (&estimate.basis, estimate.seconds) {
            (Basis::Done, _) => "-".to_owned(),
            (_, Some(seconds)) => duration(seconds),
            (_, None) => "?".to_owned(),
        });
        row.push(basis(&estimate.basis).to_owned());
        row
    });
    let rows: Vec<Vec<String>> = std::iter::once(heading).chain(rows).collect();
    for line in aligned(&rows, names) {
        text += &format!("{line}\n");
    }
    text += &again(plan);
    // What is not done takes no room.
    let shared = shared.iter().filter(|(_, value)| value != "false");
    let shared = shared.map(|(key, value)| format!("{key} {value}"));
    let shared = shared.collect::<Vec<_>>().join(", ");
    text += &format!("all: {}\n", plain(&shared));
    text += &format!("{}\n", run_line(plan.run));
    text + &summary(plan)
}

/// Why cells run again that were run before, or why that is not known: each reason once, with its
/// cells.
fn again(plan: &DryRun<'_>) -> String {
    let mut reasons: Vec<(String, Vec<&str>)> = Vec::new();
    let starts = plan.starts.into_iter().flatten();
    for (start, cell) in starts.zip(plan.cells) {
        let reason = match start {
            Start::New | Start::Kept | Start::After(_) => continue,
            Start::Again(reason) => format!("again: {reason}"),
            Start::Unknown(reason) => format!("not known: {reason}"),
        };
        let name = cell.spec.name.as_str();
        match reasons.iter_mut().find(|(known, _)| *known == reason) {
            Some((_, names)) => names.push(name),
            None => reasons.push((reason, vec![name])),
        }
    }
    let lines = reasons.iter().map(|(reason, names)| {
        let line = format!("{reason}: {}", names.join(", "));
        plain(&line) + "\n"
    });
    lines.collect()
}

/// One JSON document.
pub fn json(plan: &DryRun<'_>) -> Value {
    let cells = plan.cells.iter().zip(plan.estimates).enumerate();
    let cells = cells.map(|(place, (cell, estimate))| {
        let options = cell.options.entries().into_iter();
        let options: Map<String, Value> = options
            .map(|(key, value)| (key.to_owned(), value.into()))
            .collect();
        let mut cell = json!({
            "name": cell.spec.name,
            "options": options,
            "expected": cell.expected,
            "prose": cell.prose,
            "estimate": estimate,
        });
        if let Some(starts) = plan.starts {
            cell["resume"] = starts[place].json();
        }
        cell
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
        Basis::Done | Basis::None => "-",
    }
}

/// The time in all, and where the estimates are from.
fn summary(plan: &DryRun<'_>) -> String {
    let (seconds, unknown) = total(plan.estimates);
    let done = plan.estimates.iter().filter(|e| e.basis == Basis::Done);
    let done = done.count();
    let known = plan.estimates.len() - unknown - done;
    let mut text = match (known, unknown) {
        (0, 0) => "time: none; every cell is kept\n".to_owned(),
        (0, _) => "time: no estimate; no earlier record is of these models, and the processor's peak was not measured (--roofline)\n".to_owned(),
        (_, 0) => {
            let of = if done > 0 { "for the rest" } else { "in all" };
            format!("time: about {} {of}, downloads aside\n", duration(seconds))
        }
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
        let record = plain(&record.display().to_string());
        text += &format!("same cell: what it took when it was last run, such as {record}\n");
    }
    if let Some(Estimate {
        basis: Basis::SameModel { record },
        ..
    }) = uses(|basis| matches!(basis, Basis::SameModel { .. }))
    {
        let record = plain(&record.display().to_string());
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
            starts: None,
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
    fn a_run_that_goes_on_says_where_from() {
        let (cells, run) = two_cells();
        let run = RunSettings {
            repetitions: 3,
            ..run
        };
        let of = |starts: [Start; 2], seconds: [Option<f64>; 2]| {
            let estimates = seconds.map(|seconds| Estimate {
                seconds,
                basis: match seconds {
                    Some(0.0) => Basis::Done,
                    Some(_) => Basis::Peak,
                    None => Basis::None,
                },
            });
            let plan = DryRun {
                suite: None,
                cells: &cells,
                run: &run,
                starts: Some(&starts),
                estimates: &estimates,
            };
            (text(&plan), json(&plan))
        };
        let again = Start::Again("it is\u{1b} old".to_owned());
        let (told, document) = of([Start::Kept, again], [Some(0.0), Some(60.0)]);
        let rows: Vec<Vec<&str>> = told
            .lines()
            .map(|line| line.split_whitespace().collect())
            .collect();
        assert_eq!(rows[0].join(" "), "cell dtype limit resume time by");
        assert_eq!(rows[1].join(" "), "a f32 - kept - -");
        assert_eq!(rows[2].join(" "), "b [31m bf16 20 again 60 s peak");
        assert!(told.contains("\nagain: it is  old: b [31m\n"), "{told}");
        assert!(told.contains("about 60 s for the rest"), "{told}");
        assert_eq!(document["cells"][0]["resume"]["from"], "kept");
        assert_eq!(document["cells"][1]["resume"]["from"], "again");
        let (told, document) = of([Start::After(2), Start::New], [Some(9.0), None]);
        assert!(told.contains(" after 2 of 3 repetitions "), "{told}");
        assert!(told.contains("about 9 s for 1 cell"), "{told}");
        assert_eq!(document["cells"][0]["resume"]["done"], 2);
        let unknown = Start::Unknown("m: is not here".to_owned());
        let (told, document) = of([unknown, Start::New], [Some(9.0), None]);
        assert!(told.contains("\nnot known: m: is not here: a\n"), "{told}");
        assert_eq!(document["cells"][0]["resume"]["from"], "unknown");
        let (told, _) = of([Start::Kept, Start::Kept], [Some(0.0), Some(0.0)]);
        assert!(told.contains("every cell is kept"), "{told}");
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
