//! Whether shards are all there, once, and of one whole.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::{Difference, MergeError, ShardFolder};
use crate::record::wire::{WireModel, WireRecord};

/// The longest value that a message quotes, in characters.
const QUOTED: usize = 80;

/// A cell with all of its shards.
#[derive(Debug, Clone, PartialEq)]
pub struct Cell {
    name: String,
    shards: Vec<ShardFolder>,
}

impl Cell {
    /// Its name: one that a folder can have.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its shards, in their order; one at least has a question.
    pub fn shards(&self) -> &[ShardFolder] {
        &self.shards
    }

    /// The records of the shards that have questions, in their order.
    pub(super) fn records(&self) -> impl Iterator<Item = &WireRecord> {
        let records = self.shards.iter();
        records.filter_map(|folder| folder.record.as_deref())
    }

    /// What answered.
    pub(super) fn model(&self) -> &WireModel {
        let record = self.records().next();
        let record = record.expect("OK because a cell without any question is not made");
        &record.model
    }
}

/// Puts the shards of each cell together, cells in the order of their names.
///
/// # Errors
///
/// Fails where a shard of a cell is missing or there twice, and where two are not of one whole:
/// other model files, data or settings. Threads, devices, machines and builds may differ.
pub fn cells(folders: Vec<ShardFolder>) -> Result<Vec<Cell>, MergeError> {
    let mut by_name: BTreeMap<String, Vec<ShardFolder>> = BTreeMap::new();
    for folder in folders {
        let name = folder.shard.cell.clone();
        by_name.entry(name).or_default().push(folder);
    }
    by_name
        .into_iter()
        .map(|(name, shards)| cell(name, shards))
        .collect()
}

fn cell(name: String, mut shards: Vec<ShardFolder>) -> Result<Cell, MergeError> {
    shards.sort_by_key(|folder| folder.shard.shard);
    check_same(&name, &shards)?;
    let path = |folder: &ShardFolder| folder.path.display().to_string();
    for pair in shards.windows(2) {
        if pair[0].shard.shard == pair[1].shard.shard {
            return Err(MergeError::Twice {
                cell: name,
                shard: pair[0].shard.shard,
                first: path(&pair[0]),
                second: path(&pair[1]),
            });
        }
    }
    let of = shards[0].shard.of;
    if shards.len() < of {
        let which = missing(&shards, of);
        return Err(MergeError::Missing {
            cell: name,
            which,
            of,
        });
    }
    if shards.iter().all(|folder| folder.record.is_none()) {
        return Err(shards[0].damaged("no shard has a question".to_owned()));
    }
    Ok(Cell { name, shards })
}

/// The numbers that no shard has: the first few of them.
fn missing(shards: &[ShardFolder], of: usize) -> String {
    const NAMED: usize = 8;
    let here = |number: &usize| {
        let found = shards.binary_search_by_key(number, |folder| folder.shard.shard);
        found.is_ok()
    };
    // Of a number of shards that is wrong altogether not all are gone through.
    let numbers = (1..=of).filter(|number| !here(number)).take(NAMED);
    let numbers: Vec<String> = numbers.map(|number| number.to_string()).collect();
    let others = of - shards.len() - numbers.len();
    match (&numbers[..], others) {
        ([number], 0) => format!("{number} is"),
        (numbers, 0) => format!("{} are", numbers.join(", ")),
        (numbers, others) => format!("{} and {others} others are", numbers.join(", ")),
    }
}

fn check_same(name: &str, shards: &[ShardFolder]) -> Result<(), MergeError> {
    // The first that has questions knows its model.
    let first = shards.iter().find(|folder| folder.record.is_some());
    let first = first.unwrap_or(&shards[0]);
    let expected = identity(first);
    for other in shards {
        let mut found = identity(other);
        if other.shard.model.is_none() {
            // No model was loaded for no question.
            found["model"].clone_from(&expected["model"]);
        }
        if let Some((what, one, value)) = difference("", &expected, &found) {
            return Err(MergeError::Differs(Box::new(Difference {
                cell: name.to_owned(),
                what: what.trim_start_matches('.').to_owned(),
                first: (first.path.display().to_string(), one),
                second: (other.path.display().to_string(), value),
            })));
        }
    }
    Ok(())
}

/// All that has to be the same in all shards of a whole.
fn identity(folder: &ShardFolder) -> Value {
    let shard = &folder.shard;
    let mut protocol = json!(shard.protocol);
    if let Some(fields) = protocol.as_object_mut() {
        // Machines have different numbers of processors, and that changes no answer.
        fields.remove("threads");
        fields.remove("shard");
    }
    json!({
        "number of shards": shard.of,
        "dataset": { "sha256": shard.dataset.sha256 },
        "whole": shard.whole,
        "model": shard.model.as_ref().map(|model| json!({
            "files": model.files,
            "architecture": model.architecture,
            "parameters": model.parameters,
            "dtype": model.dtype,
        })),
        "protocol": protocol,
        "resamples": shard.resamples,
        "folds": shard.folds,
        "question_language": shard.question_language,
    })
}

/// The first field in which two values differ, with what it is in each.
fn difference(path: &str, one: &Value, other: &Value) -> Option<(String, String, String)> {
    if one == other {
        return None;
    }
    match (one, other) {
        (Value::Object(fields), Value::Object(others)) => {
            let names = fields.keys();
            let names = names.chain(others.keys().filter(|name| !fields.contains_key(*name)));
            names.into_iter().find_map(|name| {
                let of = |fields: &Map<String, Value>| fields.get(name).cloned();
                let (one, other) = (of(fields), of(others));
                difference(
                    &format!("{path}.{name}"),
                    &one.unwrap_or_default(),
                    &other.unwrap_or_default(),
                )
            })
        }
        (Value::Array(entries), Value::Array(others)) if entries.len() == others.len() => {
            let mut pairs = entries.iter().zip(others).enumerate();
            pairs.find_map(|(index, (one, other))| {
                difference(&format!("{path}[{index}]"), one, other)
            })
        }
        _ => Some((path.to_owned(), quoted(one), quoted(other))),
    }
}

/// A value for a message: JSON, which is one line, cut short.
fn quoted(value: &Value) -> String {
    let text = value.to_string();
    if text.chars().count() <= QUOTED {
        return text;
    }
    text.chars().take(QUOTED).chain(['…']).collect()
}
