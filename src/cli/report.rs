//! `spanbench report`: many records side by side.

use std::path::{Path, PathBuf};

use anyhow::bail;
use clap::{Args, ValueEnum};
use serde::Serialize;
use spanbench::compare::{self, WireComparison};
use spanbench::leaderboard::wire::WireLeaderboard;
use spanbench::leaderboard::{self, Floor, Limits, Percentile, Settings};
use spanbench::record::folder::replace_file;
use spanbench::record::{Cell, Record, Run, WireFailure, WireSamples, run, wire};
use spanbench::render::html::{self, Page};
use spanbench::render::{csv, junit, latex, leaderboard as board, model_index};

use spanbench::suite::manifest::WireManifest;

use super::{Ended, terminal};

/// What to report on, and how.
#[derive(Debug, Args)]
#[command(
    after_help = "Exit codes: 0 good, 1 no model is within the budget of any table, 2 bad input or failure."
)]
pub struct ReportArguments {
    /// Folders that `spanbench run` wrote: of a cell, or of several cells
    #[arg(value_name = "RUN", required = true)]
    runs: Vec<PathBuf>,
    /// The file to write; its ending tells the format: .html (a page with plots), .md, .csv, .tex, .yaml (a model card's
    /// model-index), .xml (JUnit), .json (the records)
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Print the leaderboard as JSON
    #[arg(long, conflicts_with = "output")]
    json: bool,
    /// What speeds are compared with: a model's name, or a cell's; without it the first record's model
    #[arg(long, value_name = "NAME")]
    base: Option<String>,
    /// Compare speeds only of models with this F1 in percent; without a floor F1 must not be
    /// more than 1 point below the base's
    #[arg(long, value_name = "PERCENT", value_parser = bound)]
    min_f1: Option<f64>,
    /// Compare speeds only of models with this exact match in percent
    #[arg(long, value_name = "PERCENT", value_parser = bound)]
    min_exact_match: Option<f64>,
    /// Name the most accurate model with at most this latency of questions, at --latency-percentile
    #[arg(long, value_name = "MS", value_parser = bound)]
    max_latency_ms: Option<f64>,
    /// The percentile of latency that fronts and --max-latency-ms are about
    #[arg(long, value_enum, value_name = "P", default_value = "99")]
    latency_percentile: LatencyPercentile,
    /// Name the most accurate model with at most this peak of memory (10^6 bytes; of the device
    /// where that has its own)
    #[arg(long, value_name = "MB", value_parser = bound)]
    max_memory_mb: Option<f64>,
    /// Name the most accurate model with at least this speed, end to end
    #[arg(long, value_name = "N", value_parser = bound)]
    min_questions_per_s: Option<f64>,
    /// Name the most accurate model with at most this energy for 1,000 questions
    #[arg(long, value_name = "J", value_parser = bound)]
    max_joules_per_1000: Option<f64>,
    /// Bootstrap resamples of ranks and leads
    #[arg(long, value_name = "N", default_value_t = 10_000, value_parser = resamples)]
    resamples: usize,
    /// Seed of the resamples
    #[arg(long, value_name = "N", default_value_t = 0)]
    seed: u64,
    /// Where the results of a model-index are published, its `source`
    #[arg(long, value_name = "URL")]
    source_url: Option<String>,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum LatencyPercentile {
    #[value(name = "50")]
    P50,
    #[value(name = "90")]
    P90,
    #[value(name = "95")]
    P95,
    #[value(name = "99")]
    P99,
    #[value(name = "99.9")]
    P999,
}

/// A limit: a number that is not negative.
fn bound(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(number) if number.is_finite() && number >= 0.0 => Ok(number),
        _ => Err("must be a number from 0 on".to_owned()),
    }
}

/// Counters of resamples have 32 bits.
fn resamples(text: &str) -> Result<usize, String> {
    match text.parse::<u32>() {
        Ok(number) if number <= 10_000_000 => Ok(number as usize),
        _ => Err("must be a whole number up to 10,000,000".to_owned()),
    }
}

/// What a file is to hold, by its ending.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Format {
    Html,
    Markdown,
    Csv,
    Latex,
    ModelIndex,
    Junit,
    Records,
}

impl Format {
    const ENDINGS: [(&str, Self); 8] = [
        ("html", Self::Html),
        ("md", Self::Markdown),
        ("csv", Self::Csv),
        ("tex", Self::Latex),
        ("yaml", Self::ModelIndex),
        ("yml", Self::ModelIndex),
        ("xml", Self::Junit),
        ("json", Self::Records),
    ];

    fn of(path: &Path) -> anyhow::Result<Self> {
        let ending = path.extension().unwrap_or_default().to_string_lossy();
        let known = Self::ENDINGS.iter();
        let mut known = known.filter(|(name, _)| ending.eq_ignore_ascii_case(name));
        if let Some((_, format)) = known.next() {
            return Ok(*format);
        }
        let endings: Vec<String> = Self::ENDINGS.iter().map(|(e, _)| format!(".{e}")).collect();
        bail!(
            "{}: the ending tells the format, and there are: {}",
            path.display(),
            endings.join(", ")
        )
    }
}

/// Reads the runs, and writes or prints the report.
pub fn execute(arguments: &ReportArguments) -> anyhow::Result<()> {
    let output = arguments.output.as_deref();
    // Before an hour's records are read.
    let output = output.map(|path| Format::of(path).map(|format| (path, format)));
    let output = output.transpose()?;
    let mut cells = Vec::new();
    for path in &arguments.runs {
        cells.extend(open(path)?);
    }
    let board = leaderboard::leaderboard(&cells, &arguments.settings())?;
    match output {
        Some((path, format)) => {
            let text = arguments.file(format, &cells, &board)?;
            replace_file(path, text.as_bytes())?;
            terminal::note(&format!("written: {}", path.display()));
        }
        None if arguments.json => terminal::print_json(&board)?,
        None => terminal::print(&board::text(&board, terminal::emphasis()))?,
    }
    let budget = board.budget.as_ref();
    if budget.is_some_and(|budget| budget.choices.iter().all(|choice| choice.best.is_none())) {
        terminal::note("no model is within the budget");
        return Err(Ended::Answer(1).into());
    }
    Ok(())
}

/// The cells of a run, of a suite in the suite's order: what its author put first is the base.
fn open(path: &Path) -> anyhow::Result<Vec<Cell>> {
    let mut cells = run::open(path)?;
    if let Some(manifest) = WireManifest::read(path) {
        let place = |cell: &Cell| {
            let mut named = manifest.cells.iter();
            named.position(|named| named.name == cell.name())
        };
        // Those that are none of the suite's stay in the order of their names, behind it.
        cells.sort_by_key(|cell| place(cell).unwrap_or(usize::MAX));
    }
    Ok(cells)
}

impl ReportArguments {
    fn settings(&self) -> Settings {
        Settings {
            resamples: self.resamples,
            seed: self.seed,
            latency_percentile: match self.latency_percentile {
                LatencyPercentile::P50 => Percentile::P50,
                LatencyPercentile::P90 => Percentile::P90,
                LatencyPercentile::P95 => Percentile::P95,
                LatencyPercentile::P99 => Percentile::P99,
                LatencyPercentile::P999 => Percentile::P999,
            },
            base: self.base.clone(),
            floor: Floor {
                min_f1: self.min_f1,
                min_exact_match: self.min_exact_match,
            },
            limits: Limits {
                max_latency_ms: self.max_latency_ms,
                max_memory_mb: self.max_memory_mb,
                min_questions_per_s: self.min_questions_per_s,
                max_joules_per_1000: self.max_joules_per_1000,
            },
        }
    }

    /// The cell that others are compared with: the one that `--base` calls, else the first of the
    /// leaderboard's base.
    fn base<'a>(
        &self,
        runs: &[&'a Run],
        board: &WireLeaderboard,
    ) -> anyhow::Result<Option<&'a Run>> {
        let Some(name) = &self.base else {
            return Ok(runs.first().copied());
        };
        let model = leaderboard::model_called(board, name)?;
        let rows = board.tables.iter().flat_map(|table| &table.rows);
        let of_model = rows.filter(|row| row.model == model);
        let paths: Vec<&str> = of_model.map(|row| row.path.as_str()).collect();
        let is_of_model = |run: &&&Run| {
            let path = run.path.display().to_string();
            paths.contains(&path.as_str())
        };
        let of_model = runs.iter().filter(is_of_model);
        // Of equal keys the first.
        Ok(of_model
            .min_by_key(|run| run.record.cell() != name)
            .copied())
    }

    /// The page with plots: each cell is compared with the base where it is of the same data.
    fn page(&self, cells: &[Cell], board: &WireLeaderboard) -> anyhow::Result<String> {
        let runs = cells.iter().filter_map(|cell| match cell {
            Cell::Finished(run) => Some(&**run),
            Cell::Failed { .. } => None,
        });
        let runs: Vec<&Run> = runs.collect();
        let settings = compare::Settings {
            resamples: self.resamples.max(1),
            seed: self.seed,
            ..compare::Settings::default()
        };
        let mut comparisons = Vec::new();
        if let Some(base) = self.base(&runs, board)? {
            let others = runs.iter().filter(|run| !std::ptr::eq(**run, base));
            let same =
                others.filter(|run| run.record.dataset().sha256 == base.record.dataset().sha256);
            let found =
                same.map(|run| WireComparison::from(&compare::compare(base, run, &settings)));
            comparisons.extend(found);
        }
        let (title, description) = self.suites();
        Ok(html::page(&Page {
            title: title.as_deref().unwrap_or("spanbench"),
            description: &description,
            cells,
            samples: &samples(cells)?,
            comparisons: &comparisons,
            leaderboard: Some(board),
        }))
    }

    /// The names of the suites whose folders are named, where there are any, and what they say of
    /// themselves, in Markdown.
    fn suites(&self) -> (Option<String>, String) {
        let manifests = self.runs.iter().filter_map(|run| WireManifest::read(run));
        let manifests: Vec<WireManifest> = manifests.collect();
        let names: Vec<&str> = manifests.iter().map(|m| m.name.as_str()).collect();
        let prose: Vec<String> = manifests.iter().map(WireManifest::prose).collect();
        let title = (!names.is_empty()).then(|| names.join(", "));
        (title, prose.join("\n\n"))
    }

    /// What the file is to hold.
    fn file(
        &self,
        format: Format,
        cells: &[Cell],
        board: &WireLeaderboard,
    ) -> anyhow::Result<String> {
        Ok(match format {
            Format::Html => self.page(cells, board)?,
            Format::Markdown => {
                let (title, description) = self.suites();
                board::markdown(board, title.as_deref(), &description)
            }
            Format::Csv => csv::csv(board),
            Format::Latex => latex::latex(board),
            Format::ModelIndex => {
                let records: Vec<&Record> = cells.iter().filter_map(finished).collect();
                model_index::model_index(&records, self.source_url.as_deref())?
            }
            Format::Junit => junit::junit(&junit::suites(board)),
            Format::Records => records(cells)?,
        })
    }
}

/// The raw samples of each cell; of one that failed none.
pub fn samples(cells: &[Cell]) -> anyhow::Result<Vec<Vec<WireSamples>>> {
    let samples = cells.iter().map(|cell| match cell {
        Cell::Finished(run) => Ok(run.samples()?),
        Cell::Failed { .. } => Ok(Vec::new()),
    });
    samples.collect()
}

fn finished(cell: &Cell) -> Option<&Record> {
    match cell {
        Cell::Finished(run) => Some(&run.record),
        Cell::Failed { .. } => None,
    }
}

/// What stands in a cell's `run.json`.
#[derive(Serialize)]
#[serde(untagged)]
enum Written<'a> {
    Finished(&'a Record),
    Failed(&'a WireFailure),
}

/// What `run --json` prints of several cells.
fn records(cells: &[Cell]) -> anyhow::Result<String> {
    let records: Vec<Written<'_>> = cells
        .iter()
        .map(|cell| match cell {
            Cell::Finished(run) => Written::Finished(&run.record),
            Cell::Failed { failure, .. } => Written::Failed(failure),
        })
        .collect();
    let document = serde_json::json!({ "schema": wire::SCHEMA, "records": records });
    Ok(serde_json::to_string_pretty(&document)? + "\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn endings_tell_the_format() {
        assert_eq!(Format::of(Path::new("a.b/c.MD")).unwrap(), Format::Markdown);
        for path in ["report", "a.pdf", ".csv"] {
            let message = Format::of(Path::new(path)).unwrap_err().to_string();
            assert!(message.contains(".html, .md, .csv, .tex"), "{message}");
        }
    }
}
