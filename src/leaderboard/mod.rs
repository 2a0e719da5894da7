//! Many records side by side: what can be compared, ranks, Pareto fronts, speeds against a base,
//! and which model is best within a budget. Pure functions of records.

mod budget;
mod common;
mod figures;
mod groups;
mod names;
pub mod pareto;
pub mod ranks;
mod speeds;
mod table;
pub mod wire;

use std::cmp::Ordering;

use crate::analysis::intervals::FEWEST_PASSAGES;
use crate::dataset::source::stem;
use crate::record::Record;
use crate::record::run::{Cell, Run};
pub use budget::Percentile;
use groups::AccuracyKey;
pub use groups::subset;
use table::Table;
use wire::{SCHEMA, WireLeaderboard, WireRow, WireTable};

/// What can be wrong with a leaderboard that is asked for.
#[derive(Debug, thiserror::Error)]
pub enum LeaderboardError {
    /// The base is none of the models.
    #[error("--base {name}: none of the records is of it; there are: {models}")]
    UnknownBase {
        /// As asked for.
        name: String,
        /// What there is.
        models: String,
    },
    /// The base could be several models.
    #[error("--base {name}: that could be any of: {models}; name one of them as written here")]
    AmbiguousBase {
        /// As asked for.
        name: String,
        /// What it could be.
        models: String,
    },
}

/// What a leaderboard is made with.
#[derive(Debug, Clone, PartialEq)]
pub struct Settings {
    /// Bootstrap resamples of ranks and leads.
    pub resamples: usize,
    /// Seed of the draws.
    pub seed: u64,
    /// The percentile of latency that fronts and budgets are about.
    pub latency_percentile: Percentile,
    /// What speeds are compared with: a model's name or id, or a cell of it. None: that of the
    /// first record of a single run.
    pub base: Option<String>,
    /// How accurate a model must be for a mean of its speeds.
    pub floor: Floor,
    /// The budget.
    pub limits: Limits,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            resamples: 10_000,
            seed: 0,
            latency_percentile: Percentile::default(),
            base: None,
            floor: Floor::default(),
            limits: Limits::default(),
        }
    }
}

/// How accurate a model must be, in percent. With neither: F1 at least that of the base less 1 point.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Floor {
    /// F1 at least.
    pub min_f1: Option<f64>,
    /// Exact match at least.
    pub min_exact_match: Option<f64>,
}

/// The limits of a budget; bounds are within them.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Limits {
    /// Latency of questions, at [`Settings::latency_percentile`].
    pub max_latency_ms: Option<f64>,
    /// Peak of memory, in 10^6 bytes: the device's where it has its own, else the process's.
    pub max_memory_mb: Option<f64>,
    /// Questions a second, end to end.
    pub min_questions_per_s: Option<f64>,
    /// Joules for 1,000 questions.
    pub max_joules_per_1000: Option<f64>,
}

/// The leaderboard of `cells`.
///
/// # Errors
///
/// Fails where the base that was asked for is no model of the cells, or several.
pub fn leaderboard(
    cells: &[Cell],
    settings: &Settings,
) -> Result<WireLeaderboard, LeaderboardError> {
    let runs: Vec<&Run> = cells
        .iter()
        .filter_map(|cell| match cell {
            Cell::Finished(run) => Some(run.as_ref()),
            Cell::Failed { .. } => None,
        })
        .collect();
    let records: Vec<&Record> = runs.iter().map(|run| &run.record).collect();
    let names = names::names(&records);
    let mut sources: Vec<(Table<'_>, Vec<String>)> = grouped(&runs, &names);
    let ids: Vec<&str> = sources.iter().map(|(table, _)| table.dataset()).collect();
    let (mut placed, failures) = failures(cells, &ids);
    let tables: Vec<WireTable> = sources
        .iter()
        .zip(&mut placed)
        .map(|((table, names), failed)| table.wire(names, std::mem::take(failed), settings))
        .collect();
    for ((source, _), table) in sources.iter_mut().zip(&tables) {
        source.runs.resize(table.rows.len(), None);
    }
    let sources: Vec<Table<'_>> = sources.into_iter().map(|(table, _)| table).collect();
    // Merged shards have no speed to compare others' with.
    let mut timed = runs.iter().zip(&names);
    let first = timed.find(|(run, _)| run.record.measured().is_some());
    let first = first.map(|(_, name)| name.as_str());
    let speeds = speeds::speeds(&tables, first, settings.base.as_deref(), settings.floor)?;
    let budget = budget::budget(&tables, &sources, settings);
    Ok(WireLeaderboard {
        schema: SCHEMA,
        tables,
        failures,
        speeds,
        budget,
    })
}

/// The model of `board` that is called `name`: by its name there, its id or a cell of it.
///
/// # Errors
///
/// Fails where it is none of them, or several.
pub fn model_called(board: &WireLeaderboard, name: &str) -> Result<String, LeaderboardError> {
    speeds::resolve(name, &board.tables, &speeds::models(&board.tables))
}

/// The runs by what makes their accuracy comparable, tables in the order of their first run, runs
/// by falling F1, with the names of their models.
fn grouped<'a>(runs: &[&'a Run], names: &[String]) -> Vec<(Table<'a>, Vec<String>)> {
    let mut tables: Vec<(AccuracyKey, Vec<(&'a Run, &String)>)> = Vec::new();
    for (run, name) in runs.iter().zip(names) {
        let key = AccuracyKey::of(&run.record);
        match tables.iter_mut().find(|(known, _)| *known == key) {
            Some((_, rows)) => rows.push((run, name)),
            None => tables.push((key, vec![(run, name)])),
        }
    }
    let table = |(key, mut rows): (AccuracyKey, Vec<(&'a Run, &String)>)| {
        let f1 = |run: &Run| run.record.accuracy().f1;
        let falling = |a: &Run, b: &Run| f1(b).partial_cmp(&f1(a)).unwrap_or(Ordering::Equal);
        rows.sort_by(|(a, _), (b, _)| falling(a, b));
        let names = rows.iter().map(|(_, name)| (*name).clone()).collect();
        let runs = rows.into_iter().map(|(run, _)| Some(run)).collect();
        (Table { key, runs }, names)
    };
    tables.into_iter().map(table).collect()
}

/// The rows of failed cells: of each table whose data set they name, and those of none or of
/// several. An error record tells its data set only as it was asked for.
fn failures(cells: &[Cell], datasets: &[&str]) -> (Vec<Vec<WireRow>>, Vec<WireRow>) {
    let mut placed: Vec<Vec<WireRow>> = vec![Vec::new(); datasets.len()];
    let mut others = Vec::new();
    for cell in cells {
        let Cell::Failed { path, failure } = cell else {
            continue;
        };
        let row = table::failed_row(path, failure);
        let mut tables = (0..datasets.len()).filter(|&t| names_data(&failure.dataset, datasets[t]));
        match (tables.next(), tables.next()) {
            (Some(table), None) => placed[table].push(row),
            _ => others.push(row),
        }
    }
    (placed, others)
}

/// Whether a data set asked for as `asked` is the one with that id: a card's name, a file's, or
/// `hf:owner/name[@revision][:config][:split]`.
fn names_data(asked: &str, id: &str) -> bool {
    if let Some(repository) = asked.strip_prefix("hf:") {
        let mut parts = repository.split(':');
        let name = parts.next().unwrap_or_default();
        let name = name.split('@').next().unwrap_or_default();
        let mut of_id = id.split(':');
        return of_id.next() == Some(name) && parts.all(|part| of_id.any(|own| own == part));
    }
    let file = asked.rsplit(['/', '\\']).next().unwrap_or(asked);
    asked == id || stem(file) == id
}
