//! What can be compared: by accuracy, and by speed.

use crate::record::Record;
use crate::record::wire::{WireProtocol, WireRecord};

/// Records with the same key have accuracies that can be compared: the same questions, scored alike.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct AccuracyKey {
    dataset_sha256: String,
    pub selection: String,
    pub protocol: String,
}

/// Records with the same key have speeds that can be compared: the same machine, kind of device,
/// threads and scenario.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct SpeedKey {
    pub machine: String,
    pub device: String,
    pub threads: usize,
    pub scenario: String,
}

impl AccuracyKey {
    pub fn of(record: &Record) -> Self {
        let protocol = record.protocol();
        let summation = protocol.summation.as_deref();
        Self {
            dataset_sha256: record.dataset().sha256.clone(),
            selection: subset(protocol).unwrap_or_else(|| "all questions".to_owned()),
            protocol: match summation.filter(|name| *name != "plain") {
                Some(summation) => format!("{}, {summation} summation", protocol.name),
                None => protocol.name.clone(),
            },
        }
    }
}

impl SpeedKey {
    pub fn of(record: &WireRecord) -> Self {
        let device = record.device.split(':').next().unwrap_or_default();
        Self {
            machine: machine(record),
            device: device.to_owned(),
            threads: record.protocol.threads,
            scenario: scenario(&record.protocol),
        }
    }
}

/// What of the data set was asked, in words; nothing where all of it was.
pub fn subset(protocol: &WireProtocol) -> Option<String> {
    let ids = protocol.ids_sha256.as_ref();
    let seed = protocol.seed;
    let parts = [
        ids.map(|sha256| format!("ids of sha256 {sha256}")),
        protocol
            .sample
            .map(|n| format!("sample of {n}, seed {seed}")),
        protocol.limit.map(|n| format!("first {n}")),
        protocol.shard.as_ref().map(|part| format!("shard {part}")),
    ];
    let parts: Vec<String> = parts.into_iter().flatten().collect();
    (!parts.is_empty()).then(|| parts.join(", "))
}

/// The machine as far as records tell one from another.
fn machine(record: &WireRecord) -> String {
    let environment = &record.environment;
    let known = environment.cpu_model.as_deref();
    let processor = known.unwrap_or(&environment.architecture);
    let mut parts = vec![
        processor.to_owned(),
        format!("{} logical cores", environment.logical_cores),
    ];
    if let Some(bytes) = environment.memory_total_bytes {
        parts.push(format!("{:.1} GB", bytes as f64 / 1e9));
    }
    parts.extend(environment.platform.machine.clone());
    parts.join(", ")
}

/// The scenario with what else sets its pace.
fn scenario(protocol: &WireProtocol) -> String {
    let timing = &protocol.timing;
    match (protocol.scenario.as_str(), timing.rate_per_s) {
        ("server", Some(rate)) => format!("server, {rate} queries/s"),
        ("multi-stream", _) => {
            format!(
                "multi-stream, {} questions a query",
                timing.samples_per_query
            )
        }
        (name, _) => name.to_owned(),
    }
}

/// Whether questions/s say how many came, not how many the model can answer.
pub(super) fn is_paced(protocol: &WireProtocol) -> bool {
    protocol.scenario == "server" && !protocol.timing.find_rate
}
