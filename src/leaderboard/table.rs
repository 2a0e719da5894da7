//! One table: its rows, ranks and fronts.

use super::common::Common;
use super::figures::{doubts, figures};
use super::groups::{AccuracyKey, SpeedKey, is_paced};
use super::pareto::{Standing, standings};
use super::ranks::ranks;
use super::wire::{
    WireConditions, WireDominated, WireFigures, WireFront, WireRank, WireRanking, WireRow,
    WireRowError, WireTable,
};
use super::{Percentile, Settings};
use crate::record::run::Run;
use crate::record::wire::WireFailure;
use crate::stats::CONFIDENCE;

/// The runs of a table.
#[derive(Debug)]
pub(super) struct Table<'a> {
    pub key: AccuracyKey,
    /// A run a row; none of failed cells, which stand behind all others.
    pub runs: Vec<Option<&'a Run>>,
}

impl Table<'_> {
    /// The data set's id.
    pub fn dataset(&self) -> &str {
        let mut runs = self.runs.iter().copied().flatten();
        runs.next().map_or("", |run| &run.record.dataset().id)
    }

    /// The table's rows in its order, with the names of their models.
    pub fn wire(&self, names: &[String], failures: Vec<WireRow>, settings: &Settings) -> WireTable {
        let runs: Vec<&Run> = self.runs.iter().copied().flatten().collect();
        let mut keys: Vec<SpeedKey> = Vec::new();
        let mut conditions: Vec<WireConditions> = Vec::new();
        let mut rows: Vec<WireRow> = Vec::with_capacity(self.runs.len());
        for (run, name) in runs.iter().zip(names) {
            let Some(record) = run.record.measured() else {
                rows.push(row(run, name, None));
                continue;
            };
            let key = SpeedKey::of(record);
            let place = keys.iter().position(|known| *known == key);
            let place = place.unwrap_or_else(|| {
                conditions.push(WireConditions {
                    machine: key.machine.clone(),
                    device: key.device.clone(),
                    threads: key.threads,
                    scenario: key.scenario.clone(),
                    paced: is_paced(&record.protocol),
                    fronts: Vec::new(),
                });
                keys.push(key);
                keys.len() - 1
            });
            rows.push(row(run, name, Some(place)));
        }
        for (place, conditions) in conditions.iter_mut().enumerate() {
            conditions.fronts = fronts(&rows, place, conditions.paced, settings.latency_percentile);
        }
        let ranking = rank(&mut rows, &runs, settings);
        rows.extend(failures);
        let dataset = runs.first().map(|run| run.record.dataset());
        WireTable {
            dataset: dataset.map_or_else(String::new, |dataset| dataset.id.clone()),
            dataset_sha256: dataset.map_or_else(String::new, |dataset| dataset.sha256.clone()),
            questions: dataset.map_or(0, |dataset| dataset.questions),
            selection: self.key.selection.clone(),
            protocol: self.key.protocol.clone(),
            conditions,
            rows,
            ranking,
        }
    }
}

/// The row of a run; of merged shards, which were timed on no one machine, without conditions.
fn row(run: &Run, name: &str, conditions: Option<usize>) -> WireRow {
    let (record, model) = (&run.record, run.record.model());
    let measured = record.measured();
    let repetitions = measured.iter().flat_map(|record| &record.repetitions);
    WireRow {
        cell: record.cell().to_owned(),
        path: run.path.display().to_string(),
        model: name.to_owned(),
        model_id: model.id.clone(),
        revision: model.revision.clone(),
        architecture: Some(model.architecture.clone()),
        dtype: Some(model.dtype.clone()),
        device: record.device().to_owned(),
        conditions,
        rank: None,
        figures: figures(record),
        doubts: measured.map(doubts).unwrap_or_default(),
        memory_doubtful: repetitions.into_iter().any(|r| r.memory.grows()),
        shards: record.shards().map(<[_]>::len),
        error: None,
    }
}

/// The row of a failed cell.
pub(super) fn failed_row(path: &std::path::Path, failure: &WireFailure) -> WireRow {
    WireRow {
        cell: failure.cell.clone(),
        path: path.display().to_string(),
        model: failure.model.clone(),
        model_id: failure.model.clone(),
        revision: None,
        architecture: None,
        dtype: None,
        device: failure.device.clone(),
        conditions: None,
        rank: None,
        figures: WireFigures::default(),
        doubts: Vec::new(),
        memory_doubtful: false,
        shards: None,
        error: Some(WireRowError {
            kind: failure.error.kind.name().to_owned(),
            message: failure.error.message.clone(),
        }),
    }
}

/// Gives every row its rank on the questions that all of them have.
fn rank(rows: &mut [WireRow], runs: &[&Run], settings: &Settings) -> Option<WireRanking> {
    let common = Common::of(runs);
    if rows.len() < 2 || common.questions == 0 {
        return None;
    }
    let sums: Vec<Vec<f64>> = common.sums.iter().map(|(_, sums)| sums.clone()).collect();
    let ranks = ranks(&sums, settings.resamples, settings.seed);
    for (row, rank) in rows.iter_mut().zip(&ranks) {
        row.rank = Some(WireRank {
            rank: rank.rank,
            lower: rank.interval.map(|[lower, _]| lower),
            upper: rank.interval.map(|[_, upper]| upper),
        });
    }
    let resampled = ranks.iter().all(|rank| rank.interval.is_some());
    Some(WireRanking {
        common_questions: common.questions,
        units: common.units.to_owned(),
        unit_count: common.sums.len(),
        resamples: if resampled { settings.resamples } else { 0 },
        seed: settings.seed,
        confidence: CONFIDENCE,
    })
}

/// The fronts of the rows of one conditions.
fn fronts(
    rows: &[WireRow],
    conditions: usize,
    paced: bool,
    percentile: Percentile,
) -> Vec<WireFront> {
    let places: Vec<usize> = (0..rows.len())
        .filter(|&place| rows[place].conditions == Some(conditions))
        .collect();
    let front = |figure: &str, higher_is_better: bool, of: &dyn Fn(&WireFigures) -> Option<f64>| {
        let sign = if higher_is_better { 1.0 } else { -1.0 };
        let points: Vec<Option<[f64; 2]>> = places
            .iter()
            .map(|&place| {
                let figures = &rows[place].figures;
                Some([figures.f1?, sign * of(figures)?])
            })
            .collect();
        let mut front = WireFront {
            figure: figure.to_owned(),
            higher_is_better,
            rows: Vec::new(),
            dominated: Vec::new(),
            unknown: Vec::new(),
        };
        for (&row, standing) in places.iter().zip(standings(&points)) {
            match standing {
                Standing::Front => front.rows.push(row),
                Standing::DominatedBy(by) => front.dominated.push(WireDominated {
                    row,
                    by: places[by],
                }),
                Standing::Unknown => front.unknown.push(row),
            }
        }
        front
    };
    // How many questions came says nothing about the model.
    let speed = (!paced).then(|| front("questions_per_s", true, &|f| f.questions_per_s));
    let latency = front(percentile.figure(), false, &|f| percentile.of(f));
    let memory = front("memory_peak_bytes", false, &|f| {
        f.memory_peak_bytes.map(|bytes| bytes as f64)
    });
    let energy = front("joules_per_1000_questions", false, &|f| {
        f.joules_per_1000_questions
    });
    speed.into_iter().chain([latency, memory, energy]).collect()
}
