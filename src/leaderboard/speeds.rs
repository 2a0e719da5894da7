//! Speeds against a base, of models that are accurate enough.

use super::wire::{WireModelSpeed, WireRow, WireSpeeds, WireTable};
use super::{Floor, LeaderboardError};
use crate::record::common::not_measured;

/// Without a floor asked for, a model may be less accurate than the base by this, in
/// percentage points of F1.
const ALLOWANCE: f64 = 1.0;

/// Geometric means of each model's ratios of questions/s to those of the base, over all
/// conditions of all tables that the base was timed on; every one of them weighs the same, and
/// within one all pairs of rows do. Nothing where no two models share one.
///
/// A model below the floor in any of them has no mean: what is fast because
/// it answers wrong must not win. Nor has one that was not timed on all of them: means over
/// other data are no comparison.
///
/// Source: Fleming and Wallace, "How Not to Lie with Statistics: The Correct Way to Summarize
/// Benchmark Results" (1986), for the geometric mean of ratios.
///
/// # Errors
///
/// Fails where `base` is no model of the tables, or several.
pub(super) fn speeds(
    tables: &[WireTable],
    first: Option<&str>,
    base: Option<&str>,
    floor: Floor,
) -> Result<Option<WireSpeeds>, LeaderboardError> {
    let models = models(tables);
    let base = match base {
        Some(name) => resolve(name, tables, &models)?,
        None => match first {
            Some(first) => first.to_owned(),
            None => return Ok(None),
        },
    };
    let groups: Vec<[usize; 2]> = (0..tables.len())
        .flat_map(|table| (0..tables[table].conditions.len()).map(move |c| [table, c]))
        .filter(|&group| !tables[group[0]].conditions[group[1]].paced)
        .filter(|&group| rows(tables, group, &base).any(|row| speed(row).is_some()))
        .collect();
    let shared = groups.iter().any(|&[table, conditions]| {
        let mut rows = tables[table].rows.iter();
        rows.any(|row| row.conditions == Some(conditions) && row.model != base)
    });
    // Merged shards that were asked for as the base are compared with by none, and each is told so.
    let base_shards = tables.iter().find_map(|table| shards(table, &base));
    let untimed = base_shards.filter(|_| groups.is_empty());
    if !shared && untimed.is_none() {
        return Ok(None);
    }
    let mut speeds: Vec<WireModelSpeed> = models
        .iter()
        .map(|model| model_speed(tables, &groups, &base, model, floor))
        .collect();
    if let Some(shards) = untimed {
        let because = format!("the base was {}", not_measured(shards));
        for speed in &mut speeds {
            (speed.ratio, speed.left_out_because) = (None, Some(because.clone()));
        }
    }
    let key = |speed: &WireModelSpeed| speed.ratio.unwrap_or(f64::NEG_INFINITY);
    speeds.sort_by(|a, b| key(b).total_cmp(&key(a)));
    Ok(Some(WireSpeeds {
        floor: floor.in_words(&base),
        base,
        groups,
        models: speeds,
    }))
}

/// The names of all models with figures, in the order of the rows.
pub(super) fn models(tables: &[WireTable]) -> Vec<String> {
    let mut models: Vec<String> = Vec::new();
    for row in tables.iter().flat_map(|table| &table.rows) {
        if row.error.is_none() && !models.contains(&row.model) {
            models.push(row.model.clone());
        }
    }
    models
}

/// The model called `name`: by its name here, its id or the name of a cell of it.
pub(super) fn resolve(
    name: &str,
    tables: &[WireTable],
    models: &[String],
) -> Result<String, LeaderboardError> {
    if models.iter().any(|model| model == name) {
        return Ok(name.to_owned());
    }
    let rows = tables.iter().flat_map(|table| &table.rows);
    let mut found: Vec<String> = rows
        .filter(|row| row.error.is_none() && (row.model_id == name || row.cell == name))
        .map(|row| row.model.clone())
        .collect();
    found.sort();
    found.dedup();
    match found.len() {
        1 => Ok(found.remove(0)),
        0 => Err(LeaderboardError::UnknownBase {
            name: name.to_owned(),
            models: models.join("; "),
        }),
        _ => Err(LeaderboardError::AmbiguousBase {
            name: name.to_owned(),
            models: found.join("; "),
        }),
    }
}

fn rows<'a>(
    tables: &'a [WireTable],
    [table, conditions]: [usize; 2],
    model: &'a str,
) -> impl Iterator<Item = &'a WireRow> {
    let rows = tables[table].rows.iter();
    rows.filter(move |row| row.conditions == Some(conditions) && row.model == model)
}

/// The number of shards that a row of `model` was merged from.
fn shards(table: &WireTable, model: &str) -> Option<usize> {
    let mut rows = table.rows.iter().filter(|row| row.model == model);
    rows.find_map(|row| row.shards)
}

/// Questions a second, where a ratio can be made of them.
fn speed(row: &WireRow) -> Option<f64> {
    row.figures.questions_per_s.filter(|speed| *speed > 0.0)
}

fn model_speed(
    tables: &[WireTable],
    groups: &[[usize; 2]],
    base: &str,
    model: &str,
    floor: Floor,
) -> WireModelSpeed {
    let mut doubtful = false;
    let mut logarithms = Vec::with_capacity(groups.len());
    let mut left_out_because = None;
    for &group in groups {
        let bases: Vec<&WireRow> = rows(tables, group, base).collect();
        let own: Vec<&WireRow> = rows(tables, group, model).collect();
        doubtful |= bases.iter().chain(&own).any(|row| !row.doubts.is_empty());
        let table = &tables[group[0]];
        match mean_log_ratio(table, model, &own, &bases, floor) {
            Ok(logarithm) => logarithms.push(logarithm),
            Err(reason) => {
                left_out_because = Some(reason);
                break;
            }
        }
    }
    let mean = logarithms.iter().sum::<f64>() / logarithms.len() as f64;
    WireModelSpeed {
        model: model.to_owned(),
        ratio: left_out_because.is_none().then(|| mean.exp()),
        left_out_because,
        doubtful,
    }
}

/// The mean logarithm of the ratios of all pairs of rows, or why there is none.
fn mean_log_ratio(
    table: &WireTable,
    model: &str,
    own: &[&WireRow],
    bases: &[&WireRow],
    floor: Floor,
) -> Result<f64, String> {
    let dataset = &table.dataset;
    if own.is_empty() {
        return Err(match shards(table, model) {
            Some(shards) => format!("{}, on {dataset}", not_measured(shards)),
            None => format!("not timed on {dataset} under the same conditions"),
        });
    }
    let base_f1 = bases.iter().filter_map(|row| row.figures.f1);
    let base_f1 = base_f1.fold(f64::INFINITY, f64::min);
    for row in own {
        floor
            .holds(row, base_f1)
            .map_err(|reason| format!("{reason} on {dataset}"))?;
    }
    let mean = |rows: &[&WireRow]| {
        let logarithms: Option<Vec<f64>> = rows.iter().map(|row| speed(row).map(f64::ln)).collect();
        logarithms.map(|values| values.iter().sum::<f64>() / values.len() as f64)
    };
    let unknown = || format!("no questions/s are known on {dataset}");
    Ok(mean(own).ok_or_else(unknown)? - mean(bases).ok_or_else(unknown)?)
}

impl Floor {
    fn in_words(self, base: &str) -> String {
        match (self.min_f1, self.min_exact_match) {
            (Some(f1), Some(exact)) => format!("F1 at least {f1} and EM at least {exact}"),
            (Some(f1), None) => format!("F1 at least {f1}"),
            (None, Some(exact)) => format!("EM at least {exact}"),
            (None, None) => format!("F1 at least that of {base} less {ALLOWANCE} point"),
        }
    }

    /// Whether `row` is accurate enough, or why it is not.
    fn holds(self, row: &WireRow, base_f1: f64) -> Result<(), String> {
        let default = self
            .min_exact_match
            .is_none()
            .then_some(base_f1 - ALLOWANCE);
        let limits = [
            ("F1", row.figures.f1, self.min_f1.or(default)),
            ("EM", row.figures.exact_match, self.min_exact_match),
        ];
        for (name, figure, limit) in limits {
            let Some(limit) = limit else { continue };
            match figure {
                Some(figure) if figure >= limit => {}
                Some(figure) => return Err(format!("{name} {figure:.2} is below {limit:.2}")),
                None => return Err(format!("{name} is not known")),
            }
        }
        Ok(())
    }
}
