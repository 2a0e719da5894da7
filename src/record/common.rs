//! What the records of single runs and of merged shards have in common, and what only the former
//! have.

use std::fmt::Display;

use serde::Serialize;

use super::wire::{
    WireAccuracy, WireDataset, WireEnvironment, WireMerged, WireMergedShard, WireModel,
    WireProtocol, WireRecord,
};
use crate::analysis::wire::WireAnalysis;

/// What stands in the `run.json` of a finished cell.
///
/// Speed, latency, memory and energy are those of one machine at one time: whoever reads them
/// has to ask for [`Record::measured`], and to say what there is of merged shards, which have
/// none of their own.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(untagged)]
pub enum Record {
    /// Of a run on one machine.
    Single(Box<WireRecord>),
    /// Of shards, each measured on its own.
    Merged(Box<WireMerged>),
}

/// A machine that answered questions of a record.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Place<'a> {
    /// The shard's number, from 1; nothing of a single run.
    pub shard: Option<usize>,
    /// `cpu`, `cuda:N`, `cuda:N,M` or `metal`.
    pub device: &'a str,
    /// Threads that computed.
    pub threads: usize,
    /// The machine and the build.
    pub environment: &'a WireEnvironment,
}

impl Record {
    /// The record with its figures of speed, latency, memory and energy; nothing of merged shards.
    pub fn measured(&self) -> Option<&WireRecord> {
        match self {
            Self::Single(record) => Some(record),
            Self::Merged(_) => None,
        }
    }

    /// The shards that were merged; nothing of a single run.
    pub fn shards(&self) -> Option<&[WireMergedShard]> {
        match self {
            Self::Single(_) => None,
            Self::Merged(merged) => Some(&merged.shards),
        }
    }

    /// Why there is no speed, in words; nothing of a single run, which has it.
    pub fn unmeasured(&self) -> Option<String> {
        self.shards().map(|shards| not_measured(shards.len()))
    }

    /// The machine of a single run; of merged shards that of each which has questions.
    pub fn places(&self) -> Vec<Place<'_>> {
        match self {
            Self::Single(record) => vec![Place {
                shard: None,
                device: &record.device,
                threads: record.protocol.threads,
                environment: &record.environment,
            }],
            Self::Merged(merged) => {
                let shards = merged.shards.iter();
                let places = shards.filter_map(|shard| {
                    let measured = shard.measured.as_ref()?;
                    Some(Place {
                        shard: Some(shard.shard),
                        device: &measured.device,
                        threads: measured.threads,
                        environment: &measured.environment,
                    })
                });
                places.collect()
            }
        }
    }

    /// Name of the cell.
    pub fn cell(&self) -> &str {
        match self {
            Self::Single(record) => &record.cell,
            Self::Merged(merged) => &merged.cell,
        }
    }

    /// When it began, in UTC (RFC 3339); of merged shards the first.
    pub fn started(&self) -> &str {
        match self {
            Self::Single(record) => &record.started,
            Self::Merged(merged) => &merged.started,
        }
    }

    /// What answered.
    pub fn model(&self) -> &WireModel {
        match self {
            Self::Single(record) => &record.model,
            Self::Merged(merged) => &merged.model,
        }
    }

    /// What was asked.
    pub fn dataset(&self) -> &WireDataset {
        match self {
            Self::Single(record) => &record.dataset,
            Self::Merged(merged) => &merged.dataset,
        }
    }

    /// `cpu`, `cuda:N`, `cuda:N,M` or `metal`; of merged shards on different devices all, with commas.
    pub fn device(&self) -> &str {
        match self {
            Self::Single(record) => &record.device,
            Self::Merged(merged) => &merged.device,
        }
    }

    /// Every setting that can change a figure; of merged shards `threads` are the first one's.
    pub fn protocol(&self) -> &WireProtocol {
        match self {
            Self::Single(record) => &record.protocol,
            Self::Merged(merged) => &merged.protocol,
        }
    }

    /// The scorers' figures.
    pub fn accuracy(&self) -> &WireAccuracy {
        match self {
            Self::Single(record) => &record.accuracy,
            Self::Merged(merged) => &merged.accuracy,
        }
    }

    /// What the scores alone do not say; older records lack it.
    pub fn analysis(&self) -> Option<&WireAnalysis> {
        match self {
            Self::Single(record) => record.analysis.as_ref(),
            Self::Merged(merged) => Some(&merged.analysis),
        }
    }

    /// What a reader of the figures should know.
    pub fn warnings(&self) -> &[String] {
        match self {
            Self::Single(record) => &record.warnings,
            Self::Merged(merged) => &merged.warnings,
        }
    }

    /// Why the figures of speed and memory should not be trusted; of merged shards, which have
    /// none, nothing.
    pub fn doubts(&self) -> &[String] {
        self.measured().map_or(&[], |record| &record.doubts)
    }
}

/// Why so many merged shards have no speed.
pub(crate) fn not_measured(shards: usize) -> String {
    let s = if shards == 1 { "" } else { "s" };
    format!("merged from {shards} shard{s}, each measured on its own")
}

/// Numbers of shards, runs of them put together: `shard 3`, `shards 1–4, 7`.
pub(crate) struct ShardNumbers<'a>(pub &'a [usize]);

impl Display for ShardNumbers<'_> {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let runs = self.0.chunk_by(|a, b| a.checked_add(1) == Some(*b));
        let runs: Vec<String> = runs
            .map(|run| match run {
                [one] => one.to_string(),
                run => format!("{}–{}", run[0], run[run.len() - 1]),
            })
            .collect();
        let plural = if self.0.len() == 1 { "" } else { "s" };
        write!(formatter, "shard{plural} {}", runs.join(", "))
    }
}

#[cfg(test)]
mod tests {
    use super::ShardNumbers;

    #[test]
    fn numbers_are_put_together() {
        for (numbers, text) in [
            (&[3][..], "shard 3"),
            (&[1, 2, 3, 4, 7], "shards 1–4, 7"),
            (&[1, 3, 5, 6], "shards 1, 3, 5–6"),
        ] {
            assert_eq!(ShardNumbers(numbers).to_string(), text);
        }
    }
}
