//! What a reader of merged figures should know.

use super::{Cell, NOT_MERGED};
use crate::dataset::MISPLACED;
use crate::record::common::ShardNumbers;
use crate::record::wire::WireRecord;

/// The devices of all shards, each once, in their order.
pub fn devices(cell: &Cell) -> String {
    let mut devices: Vec<&str> = Vec::new();
    for record in cell.records() {
        if !devices.contains(&record.device.as_str()) {
            devices.push(&record.device);
        }
    }
    devices.join(", ")
}

/// What was not merged, what differs between the shards' machines, and what each shard warns of.
pub fn warnings(cell: &Cell, misplaced_answers: usize) -> Vec<String> {
    let mut warnings = vec![format!(
        "not merged, as each shard was measured on its own: {}; see shards[] and each shard's run.json",
        NOT_MERGED.join(", ")
    )];
    for (what, value) in MACHINE {
        let groups = grouped(cell, |record| vec![value(record)]);
        if groups.len() > 1 {
            let groups = groups.iter().map(|(value, shards)| {
                let value = if value.is_empty() { "not known" } else { value };
                format!("{value} ({})", ShardNumbers(shards))
            });
            let groups: Vec<String> = groups.collect();
            warnings.push(format!(
                "the shards do not have the same {what}, which may turn answers that are close calls: {}",
                groups.join("; ")
            ));
        }
    }
    if misplaced_answers > 0 {
        warnings.push(format!(
            "{MISPLACED}: {misplaced_answers}; they are scored by their text"
        ));
    }
    for (warning, shards) in grouped(cell, |record| record.warnings.clone()) {
        // It counts those of one shard, and all were counted above.
        if !warning.contains(MISPLACED) {
            warnings.push(format!("{}: {warning}", ShardNumbers(&shards)));
        }
    }
    warnings
}

type Property = fn(&WireRecord) -> String;

/// What may differ between shards and is told.
const MACHINE: [(&str, Property); 6] = [
    ("device", |record| record.device.clone()),
    ("form of operations", |record| {
        format!("{} in {}", record.model.ops, record.model.compute_dtype)
    }),
    ("processor", |record| {
        record.environment.cpu_model.clone().unwrap_or_default()
    }),
    ("vector extensions", |record| {
        record.environment.cpu_features.join(" ")
    }),
    ("build of spanbench", |record| {
        let environment = &record.environment;
        let revision = environment.tool_revision.as_deref().unwrap_or("unknown");
        format!("{} {revision}", environment.tool_version)
    }),
    ("libraries", |record| {
        record.environment.libraries.clone().unwrap_or_default()
    }),
];

/// The texts that shards have, in the order in which they occur, each with the shards' numbers.
fn grouped(cell: &Cell, texts: impl Fn(&WireRecord) -> Vec<String>) -> Vec<(String, Vec<usize>)> {
    let mut groups: Vec<(String, Vec<usize>)> = Vec::new();
    for folder in cell.shards() {
        let Some(record) = &folder.record else {
            continue;
        };
        for text in texts(record) {
            match groups.iter_mut().find(|(known, _)| *known == text) {
                Some((_, shards)) => shards.push(folder.shard.shard),
                None => groups.push((text, vec![folder.shard.shard])),
            }
        }
    }
    groups
}
