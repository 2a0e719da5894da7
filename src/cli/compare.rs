//! `spanbench compare`: a candidate against a base, and whether it may take its place.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, bail};
use clap::Args;
use spanbench::bundled;
use spanbench::cell::failure::FailureKind;
use spanbench::device::DeviceChoice;
use spanbench::gate::{self, Gate, WireGateVerdict};
use spanbench::measure::scenario::rules::Scenario;
use spanbench::models::Precision;
use spanbench::ops::FormChoice;
use spanbench::record::folder::replace_file;
use spanbench::record::{Cell, CellRecord, baseline, run};
use spanbench::render;
use spanbench::render::html::{self, Page};
use spanbench::suite::{CellPlan, Options, RunOptions};

use super::cell_arguments::CellArguments;
use super::report::samples;
use super::rounds::{self, Plan};
use super::{Ended, folders, terminal};

/// Two records, or two models that are measured first.
#[derive(Debug, Args)]
#[command(
    mut_arg("repeat", |repeat| repeat.help("Measure each of the two N times, each time in a new process, both in each round [default: 5]")),
    mut_arg("turns", |turns| turns.help("Keep both in memory together and let them compute in turns of TIME, so that a machine whose speed changes from one second to the next changes both [default: 200ms offline, else none]")),
    after_help = "Exit codes: 0 pass, 1 regression, 2 bad input or failure, 3 not comparable or inconclusive."
)]
pub struct CompareArguments {
    /// What is compared with: a folder that `spanbench run` wrote (of a cell, or of several), a run.json, or the name of a
    /// baseline; with --run a model
    base: String,
    /// What is compared: the same
    candidate: String,
    /// Measure both first, side by side: 5 rounds (--repeat), taking turns (--turns)
    #[arg(long)]
    run: bool,
    /// The limits that the candidate must hold [default: EM and F1 drop by at most 1 point]
    #[arg(long, value_name = "FILE")]
    gate: Option<PathBuf>,
    /// Print the comparison and the verdict as JSON
    #[arg(long)]
    json: bool,
    /// Write them to a file too; its ending tells the format: .html, .md, .xml (JUnit), .json; may be repeated
    #[arg(short, long = "output", value_name = "FILE")]
    outputs: Vec<PathBuf>,
    /// Write them as JUnit XML too
    #[arg(long, value_name = "FILE")]
    junit: Option<PathBuf>,
    /// With --run: the data set [default: mixed-bag]
    #[arg(long, value_name = "D")]
    dataset: Option<String>,
    /// With --run: what the candidate's weights are kept in [default: as the base's]
    #[arg(long, value_name = "DTYPE")]
    candidate_dtype: Option<Precision>,
    /// With --run: where the candidate computes [default: where the base does]
    #[arg(long, value_name = "DEVICE")]
    candidate_device: Option<DeviceChoice>,
    /// With --run: the form of the candidate's operations [default: that of the base's]
    #[arg(long, value_name = "FORM")]
    candidate_ops: Option<FormChoice>,
    /// With --run: the program that runs the candidate, another build of spanbench [default: that of the base]
    #[arg(long, value_name = "PATH")]
    candidate_program: Option<PathBuf>,
    /// With --run: where results go [default: reports/<UTC time>-compare]
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    #[command(
        flatten,
        next_help_heading = "With --run, of both, as in spanbench run but for --repeat and --turns"
    )]
    cell: CellArguments,
}

/// How often each of two models is measured where nobody says.
const ROUNDS: usize = 5;

/// How long a turn is where nobody says.
const TURN: Duration = Duration::from_millis(200);

/// Compares, and ends with the verdict's exit code.
pub fn execute(arguments: &CompareArguments) -> anyhow::Result<()> {
    let gate = match &arguments.gate {
        Some(path) => Gate::read(path)?,
        None => Gate::default(),
    };
    let outputs = arguments.formats()?;
    let (base, candidate) = if arguments.run {
        measured(arguments)?
    } else {
        arguments.check_options()?;
        (read(&arguments.base)?, read(&arguments.candidate)?)
    };
    let gate_file = arguments
        .gate
        .as_ref()
        .map(|path| path.display().to_string());
    let verdict = gate::judge(&base, &candidate, &gate, gate_file.as_deref())?;
    let cells: Vec<Cell> = base.into_iter().chain(candidate).collect();
    for (path, format) in outputs {
        replace_file(path, format.of(&verdict, &cells)?.as_bytes())?;
        terminal::note(&format!("written: {}", path.display()));
    }
    summarise(&verdict)?;
    if arguments.json {
        terminal::print_json(&verdict)?;
    } else {
        terminal::print(&render::gate::text(&verdict, terminal::emphasis()))?;
    }
    match verdict.exit_code {
        0 => Ok(()),
        code => Err(Ended::Answer(code).into()),
    }
}

/// The cells of a folder, or of a baseline of that name.
fn read(name: &str) -> anyhow::Result<Vec<Cell>> {
    let path = baseline::find(Path::new(baseline::FOLDER), name);
    if !path.exists() {
        let baselines = baseline::names(Path::new(baseline::FOLDER));
        bail!(
            "{name}: there is no such folder, nor a baseline of that name{}; name a folder that `spanbench run` wrote",
            match baselines.as_slice() {
                [] => String::new(),
                names => format!(" (there are {})", names.join(", ")),
            }
        );
    }
    Ok(run::open(&path)?)
}

/// Runs both models in the same rounds, and reads what they left.
fn measured(arguments: &CompareArguments) -> anyhow::Result<(Vec<Cell>, Vec<Cell>)> {
    let base = Options {
        model: Some(arguments.base.clone()),
        dataset: Some(
            arguments
                .dataset
                .clone()
                .unwrap_or_else(|| bundled::DATASET.to_owned()),
        ),
        ..arguments.cell.options()
    };
    let candidate = Options {
        model: Some(arguments.candidate.clone()),
        dtype: arguments.candidate_dtype.or(base.dtype),
        device: arguments.candidate_device.or(base.device),
        ops: arguments.candidate_ops.or(base.ops),
        cell_program: arguments
            .candidate_program
            .clone()
            .or_else(|| base.cell_program.clone()),
        ..base.clone()
    };
    let offline = base.scenario.is_none_or(|s| s == Scenario::Offline);
    let defaults = RunOptions {
        repeat: Some(ROUNDS),
        // Of latencies a wait would be part.
        turns: offline.then_some(TURN),
        ..RunOptions::default()
    };
    let run = arguments.cell.run_options().over(&defaults).resolve();
    let cells = vec![
        CellPlan::new("base", &base, &run)?,
        CellPlan::new("candidate", &candidate, &run)?,
    ];
    let name = "compare";
    let folders = folders::make(arguments.out.as_deref(), name, false, &cells)?;
    let plan = Plan {
        cells,
        run,
        resume: false,
        json: false,
        run_id: rounds::run_id(),
        command: rounds::command(),
    };
    let measured = rounds::measure(&plan, &folders)?;
    let is_refused = measured.records.iter().any(|(_, record)| {
        matches!(record, CellRecord::Failed(failure) if failure.error.kind == FailureKind::Refused)
    });
    measured.check(false)?;
    if is_refused {
        return Err(Ended::Failed.into());
    }
    let read = |index: usize| run::open(folders.cells[index].path());
    Ok((read(0)?, read(1)?))
}

/// What a file is to hold, by its ending.
#[derive(Debug, Clone, Copy)]
enum Format {
    Html,
    Markdown,
    Junit,
    Json,
}

impl Format {
    fn of(self, verdict: &WireGateVerdict, cells: &[Cell]) -> anyhow::Result<String> {
        Ok(match self {
            Self::Html => page(verdict, cells)?,
            Self::Markdown => render::gate::markdown(verdict),
            Self::Junit => render::junit::junit(&render::gate::suites(verdict)),
            Self::Json => serde_json::to_string_pretty(verdict)? + "\n",
        })
    }
}

/// The page with plots, of the cells of both sides.
fn page(verdict: &WireGateVerdict, cells: &[Cell]) -> anyhow::Result<String> {
    let compared = verdict.cells.iter();
    let comparisons: Vec<_> = compared
        .filter_map(|cell| cell.comparison.clone())
        .collect();
    let mut description = format!("The gate says: {}.", verdict.outcome.name());
    for cell in &verdict.cells {
        for check in &cell.checks {
            let (name, found, limit) = (&check.name, &check.found, &check.limit);
            let outcome = check.outcome.name();
            description += &format!("\n\n{}, {name}: {outcome}: {found}; {limit}", cell.cell);
        }
    }
    Ok(html::page(&Page {
        title: "Comparison",
        description: &description,
        cells,
        samples: &samples(cells)?,
        comparisons: &comparisons,
        leaderboard: None,
    }))
}

impl CompareArguments {
    /// The files to write with their formats: before anything is measured.
    fn formats(&self) -> anyhow::Result<Vec<(&Path, Format)>> {
        let mut formats = Vec::new();
        for path in &self.outputs {
            let ending = path.extension().unwrap_or_default().to_string_lossy();
            let format = match ending.to_ascii_lowercase().as_str() {
                "html" => Format::Html,
                "md" => Format::Markdown,
                "xml" => Format::Junit,
                "json" => Format::Json,
                _ => bail!(
                    "{}: the ending tells the format, and there are: .html, .md, .xml (JUnit), .json",
                    path.display()
                ),
            };
            formats.push((path.as_path(), format));
        }
        let junit = self.junit.as_deref();
        formats.extend(junit.map(|path| (path, Format::Junit)));
        Ok(formats)
    }

    /// Options of a run have no meaning where nothing is run.
    fn check_options(&self) -> anyhow::Result<()> {
        let given = self.cell.options().entries().into_iter();
        let given = given.chain(self.cell.run_options().entries());
        let mut given = given.map(|(name, _)| name);
        let candidate = [
            (self.dataset.is_some(), "dataset"),
            (self.candidate_dtype.is_some(), "candidate-dtype"),
            (self.candidate_device.is_some(), "candidate-device"),
            (self.candidate_ops.is_some(), "candidate-ops"),
            (self.candidate_program.is_some(), "candidate-program"),
            (self.out.is_some(), "out"),
        ];
        let mut candidate = candidate.iter().filter(|(given, _)| *given);
        let first = candidate.next().map(|(_, name)| *name);
        if let Some(name) = first.or_else(|| given.next()) {
            bail!(
                "--{name} has no meaning where records are compared that are there already; leave it out, or measure anew with --run"
            );
        }
        Ok(())
    }
}

/// The most that GitHub shows of a step's summary.
const SUMMARY_BYTES: usize = 1 << 20;

/// Adds the verdict to the summary of a step of GitHub Actions, where this runs in one.
fn summarise(verdict: &WireGateVerdict) -> anyhow::Result<()> {
    let Some(path) = std::env::var_os("GITHUB_STEP_SUMMARY").filter(|path| !path.is_empty()) else {
        return Ok(());
    };
    let mut text = render::gate::markdown(verdict);
    if text.len() > SUMMARY_BYTES {
        let short = WireGateVerdict {
            cells: verdict.cells.iter().map(without_comparison).collect(),
            ..verdict.clone()
        };
        text = render::gate::markdown(&short);
        terminal::note(
            "the summary for GitHub has the limits alone: with the questions it would be too long to be shown",
        );
    }
    let append = || {
        let mut file = std::fs::OpenOptions::new();
        let mut file = file.append(true).create(true).open(&path)?;
        file.write_all(text.as_bytes())
    };
    let written: std::io::Result<()> = append();
    written.with_context(|| {
        format!(
            "{}: GITHUB_STEP_SUMMARY names a file that cannot be written",
            PathBuf::from(&path).display()
        )
    })
}

fn without_comparison(cell: &gate::wire::WireCellVerdict) -> gate::wire::WireCellVerdict {
    gate::wire::WireCellVerdict {
        comparison: None,
        ..cell.clone()
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;
    use crate::cli::Cli;

    /// What differs from `run` in its defaults is told so, and is what holds.
    #[test]
    fn the_help_tells_the_defaults_of_compare() {
        let command = Cli::command();
        let compare = command.find_subcommand("compare").unwrap();
        let help = |name: &str| {
            let mut all = compare.get_arguments();
            let argument = all.find(|argument| argument.get_long() == Some(name));
            argument.unwrap().get_help().unwrap().to_string()
        };
        let repeat = help("repeat");
        assert!(
            repeat.ends_with(&format!("[default: {ROUNDS}]")),
            "{repeat}"
        );
        let turn = humantime::format_duration(TURN);
        let turns = help("turns");
        assert!(
            turns.contains(&format!("[default: {turn} offline,")),
            "{turns}"
        );
        let run = command.find_subcommand("run").unwrap();
        let of_run = run.get_arguments().find(|a| a.get_long() == Some("repeat"));
        assert!(
            of_run
                .unwrap()
                .get_help()
                .unwrap()
                .to_string()
                .ends_with("[default: 1]")
        );
    }
}
