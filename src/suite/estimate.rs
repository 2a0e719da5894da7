//! How long cells will take, as far as that can be known before they run.

use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::Serialize;

use super::resolve::{CellPlan, RunSettings};
use crate::cell::CellSpec;
use crate::dataset::source::stem;
use crate::dataset::{DatasetSource, Shard, card as dataset_card};
use crate::device::DeviceChoice;
use crate::hub::RepoRef;
use crate::measure::environment::Environment;
use crate::measure::roofline::{self, Roofline};
use crate::measure::scenario::rules::Scenario;
use crate::models::card;
use crate::record::WireRecord;
use crate::record::folder::RECORD_FILE;
use crate::record::wire::WireProtocolTiming;

/// Tokens that a question takes with its passage, where no record tells: SQuAD's dev set has 182
/// with BERT's uncased tokeniser, windows that overlap counted twice.
pub const TOKENS_A_QUESTION: f64 = 182.0;

/// The part of the machine's peak that a forward pass is taken to reach, where no record tells.
pub const PEAK_FRACTION: f64 = 0.5;

/// Operations that a token takes for each parameter: a multiplication and an addition. Embeddings
/// take none, and attention some more.
const OPERATIONS: f64 = 2.0;

/// Seconds of a process before its first answer, and of its warm-up.
const START: Duration = Duration::from_secs(5);

/// Probes of a search for a rate.
const PROBES: f64 = 12.0;

/// What an estimate is made of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case", tag = "by")]
pub enum Basis {
    /// What the same cell took before.
    SameCell {
        /// Its record.
        record: PathBuf,
    },
    /// The speed of the same model with this dtype and as many threads, on this processor.
    SameModel {
        /// The record.
        record: PathBuf,
    },
    /// The model's parameters and the machine's peak.
    Peak,
    /// All repetitions are done.
    Done,
    /// There is none.
    None,
}

/// How long a cell will take, all its repetitions together that are still to be done.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Estimate {
    /// Seconds, where there is anything to go by. What must be fetched first is not counted.
    pub seconds: Option<f64>,
    /// What it goes by.
    #[serde(flatten)]
    pub basis: Basis,
}

/// The seconds of all cells that there is an estimate of, and the number of those without.
pub fn total(estimates: &[Estimate]) -> (f64, usize) {
    let known = estimates.iter().filter_map(|estimate| estimate.seconds);
    let seconds: Vec<f64> = known.collect();
    (seconds.iter().sum(), estimates.len() - seconds.len())
}

/// Records of earlier runs on this processor, the latest first.
#[derive(Debug, Default)]
pub struct Earlier {
    records: Vec<(PathBuf, WireRecord)>,
}

impl Earlier {
    /// The records in `folders`, their folders and theirs. What cannot be read is no help, and no
    /// harm.
    pub fn read(folders: &[&Path]) -> Self {
        let here = Environment::read().cpu_model;
        let mut records = Vec::new();
        for folder in folders {
            collect(folder, 2, &mut records);
        }
        records.retain(|(_, record)| record.environment.cpu_model == here);
        records.sort_by(|(_, a), (_, b)| b.started.cmp(&a.started));
        Self { records }
    }

    /// Those that `fits`, the latest first.
    fn find(&self, fits: impl Fn(&WireRecord) -> bool) -> Option<&(PathBuf, WireRecord)> {
        self.records.iter().find(|(_, record)| fits(record))
    }
}

fn collect(folder: &Path, depth: usize, records: &mut Vec<(PathBuf, WireRecord)>) {
    let path = folder.join(RECORD_FILE);
    if let Ok(bytes) = std::fs::read(&path)
        && let Ok(record) = serde_json::from_slice(&bytes)
    {
        records.push((path, record));
    }
    if depth == 0 {
        return;
    }
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let is_folder = entry.file_type().is_ok_and(|kind| kind.is_dir());
        if is_folder {
            collect(&entry.path(), depth - 1, records);
        }
    }
}

/// The estimate of each cell, of which so many repetitions are `done`. Nothing is fetched or
/// measured.
pub fn estimates(
    cells: &[CellPlan],
    run: &RunSettings,
    done: &[usize],
    earlier: &Earlier,
) -> Vec<Estimate> {
    let peak = |cell: &CellSpec| roofline::cached(cell.settings.threads);
    let cells = cells.iter().zip(done);
    let repetitions = |done| Repetitions {
        of: run.repetitions,
        done,
    };
    cells
        .map(|(cell, done)| estimate(cell, repetitions(*done), earlier, &peak))
        .collect()
}

/// How often a cell is measured, and how much of that is done.
#[derive(Debug, Clone, Copy)]
struct Repetitions {
    of: usize,
    done: usize,
}

impl Repetitions {
    fn left(self) -> usize {
        self.of.saturating_sub(self.done)
    }
}

fn estimate(
    cell: &CellPlan,
    repetitions: Repetitions,
    earlier: &Earlier,
    peak: &dyn Fn(&CellSpec) -> Option<Roofline>,
) -> Estimate {
    let none = Estimate {
        seconds: None,
        basis: Basis::None,
    };
    if repetitions.left() == 0 {
        return Estimate {
            seconds: Some(0.0),
            basis: Basis::Done,
        };
    }
    // Another program has another speed.
    if cell.program.is_some() {
        return none;
    }
    let spec = &cell.spec;
    if let Some((path, record)) = earlier.find(|record| is_same_cell(spec, record)) {
        return Estimate {
            seconds: Some(taken(record, repetitions)),
            basis: Basis::SameCell {
                record: path.clone(),
            },
        };
    }
    let Some(questions) = questions(spec, earlier) else {
        return none;
    };
    let similar = earlier.find(|record| is_same_model(spec, record));
    let (seconds_a_token, basis) = match similar {
        Some((path, record)) => (
            1.0 / record.throughput.tokens_per_s,
            Basis::SameModel {
                record: path.clone(),
            },
        ),
        None => match by_peak(spec, peak) {
            Some(seconds) => (seconds, Basis::Peak),
            None => return none,
        },
    };
    let each_s = tokens_a_question(spec, earlier) * seconds_a_token;
    let seconds = cell_s(spec, repetitions, questions, each_s);
    // A record of a fault may hold anything.
    if !seconds.is_finite() {
        return none;
    }
    Estimate {
        seconds: Some(seconds),
        basis,
    }
}

/// Seconds that so many repetitions of a cell with this record take: those after the first do
/// without the accuracy pass.
fn taken(record: &WireRecord, repetitions: Repetitions) -> f64 {
    let later = record.repetitions.get(1);
    let later = later.map_or(record.wall_s, |repetition| repetition.wall_s);
    let left = repetitions.left() as f64;
    if repetitions.done == 0 {
        record.wall_s + later * (left - 1.0)
    } else {
        later * left
    }
}

fn is_same_model(spec: &CellSpec, record: &WireRecord) -> bool {
    let settings = &spec.settings;
    record.model.id == model_id(&spec.model)
        && record.model.dtype == settings.precision.name()
        && is_device(settings.device, &record.device)
        && record.protocol.threads == settings.threads
}

fn is_same_cell(spec: &CellSpec, record: &WireRecord) -> bool {
    let settings = &spec.settings;
    let protocol = &record.protocol;
    let timing = WireProtocolTiming {
        turn_s: protocol.timing.turn_s,
        ..WireProtocolTiming::from(&settings.timing)
    };
    let ids = spec.questions.ids.as_ref().map(|ids| ids.sha256.as_str());
    is_same_model(spec, record)
        && is_dataset(&spec.dataset, &record.dataset.id)
        && protocol.timing == timing
        && protocol.scenario == settings.timing.scenario.name()
        && protocol.decode == settings.windows.decoder.name()
        && protocol.max_seq_len == settings.windows.max_seq_len
        && protocol.doc_stride == settings.windows.doc_stride
        && settings
            .batch_tokens
            .is_none_or(|tokens| tokens == protocol.batch_tokens)
        && protocol.ids_sha256.as_deref() == ids
        && protocol.sample == spec.questions.sample
        && protocol.limit == spec.questions.limit
        && protocol.shard == spec.questions.shard.map(|shard| shard.to_string())
}

/// The name that the model called `name` has in records.
fn model_id(name: &str) -> String {
    let path = Path::new(name);
    if card::card(name).is_none() && path.is_dir() {
        let resolved = path.canonicalize().unwrap_or_else(|_| path.to_owned());
        let name = resolved.file_name().unwrap_or(path.as_os_str());
        return name.to_string_lossy().into_owned();
    }
    let repository = RepoRef::parse_model(name).ok();
    match repository.filter(|_| card::card(name).is_none() && name.contains('/')) {
        Some(reference) => reference.id().to_owned(),
        None => name.to_owned(),
    }
}

/// Whether the data set called `name` is that called `id` in records.
fn is_dataset(name: &str, id: &str) -> bool {
    if dataset_card::card(name).is_some() {
        return name == id;
    }
    match DatasetSource::parse(name) {
        Ok(DatasetSource::File(path)) => {
            let file = path.file_name().unwrap_or_default();
            stem(&file.to_string_lossy()) == id
        }
        Ok(DatasetSource::Hub(dataset)) => {
            let repository = id.split(':').next();
            repository == Some(dataset.repository.id())
        }
        _ => false,
    }
}

fn is_device(choice: DeviceChoice, name: &str) -> bool {
    match choice {
        // Which one it will be is known where the build has no other.
        DeviceChoice::Auto => cfg!(any(feature = "cuda", feature = "metal")) || name == "cpu",
        choice => choice.to_string() == name,
    }
}

/// How many questions the cell asks, by the data set's card or an earlier record of all of it.
fn questions(spec: &CellSpec, earlier: &Earlier) -> Option<usize> {
    let card = dataset_card::card(&spec.dataset).and_then(|card| card.questions);
    let all = card.or_else(|| {
        let is_whole = |record: &WireRecord| {
            let protocol = &record.protocol;
            is_dataset(&spec.dataset, &record.dataset.id)
                && protocol.limit.is_none()
                && protocol.sample.is_none()
                && protocol.ids_sha256.is_none()
                && protocol.shard.is_none()
        };
        let (_, record) = earlier.find(is_whole)?;
        Some(record.dataset.questions)
    });
    let chosen = [spec.questions.sample, spec.questions.limit];
    let fewest = chosen.into_iter().flatten().min();
    let whole = match (all, fewest) {
        (Some(all), Some(fewest)) => Some(all.min(fewest)),
        (all, fewest) => all.or(fewest),
    };
    let shards = spec.questions.shard.map_or(1, Shard::count);
    whole.map(|questions| questions.div_ceil(shards))
}

fn tokens_a_question(spec: &CellSpec, earlier: &Earlier) -> f64 {
    let found = earlier.find(|record| {
        is_dataset(&spec.dataset, &record.dataset.id) && record.dataset.questions > 0
    });
    found.map_or(TOKENS_A_QUESTION, |(_, record)| {
        record.dataset.tokens as f64 / record.dataset.questions as f64
    })
}

/// Seconds a token by the model's parameters and the processor's peak.
fn by_peak(spec: &CellSpec, peak: &dyn Fn(&CellSpec) -> Option<Roofline>) -> Option<f64> {
    if !is_device(spec.settings.device, "cpu") || spec.settings.device.to_string() == "metal" {
        return None;
    }
    let parameters = card::card(&spec.model)?.parameters?;
    let peak = peak(spec)?.matrix_peak_flops_per_s;
    Some(OPERATIONS * parameters as f64 / (peak * PEAK_FRACTION))
}

/// Seconds of a cell: the pass over all questions that is scored in the first repetition, and a
/// timed one in each.
fn cell_s(spec: &CellSpec, repetitions: Repetitions, questions: usize, each_s: f64) -> f64 {
    let pass = questions as f64 * each_s;
    let rules = &spec.settings.timing.rules;
    let shortest = rules.min_duration.as_secs_f64();
    let samples = rules.min_samples(0) as f64;
    let timed = match spec.settings.timing.scenario {
        // Whole passes; a window a question at the least.
        Scenario::Offline if pass > 0.0 => {
            let passes = (shortest / pass).max(samples / questions as f64).ceil();
            pass * passes.max(1.0)
        }
        Scenario::Offline => shortest,
        Scenario::SingleStream | Scenario::MultiStream => shortest.max(samples * each_s),
        Scenario::Server => {
            let search = rules.for_search();
            let probe = search.min_duration.as_secs_f64();
            let probe = probe.max(search.min_queries as f64 * each_s);
            match spec.settings.timing.rate {
                Some(rate) => shortest.max(samples / rate),
                None => pass + PROBES * probe + shortest.max(samples * each_s),
            }
        }
    };
    let scored = if repetitions.done == 0 { pass } else { 0.0 };
    scored + repetitions.left() as f64 * (START.as_secs_f64() + timed)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::suite::{Options, RunOptions};

    fn plan(options: &Options) -> (CellPlan, RunSettings) {
        let run = RunOptions::default().resolve();
        (CellPlan::new("cell", options, &run).unwrap(), run)
    }

    fn all(of: usize) -> Repetitions {
        Repetitions { of, done: 0 }
    }

    #[test]
    fn a_pass_is_scored_and_others_are_timed() {
        let (offline, _) = plan(&Options::default());
        // 20 questions a second: a pass of 10 s is as long as is asked for; one of 1 s is not.
        assert_eq!(cell_s(&offline.spec, all(1), 200, 0.05), 10.0 + 5.0 + 10.0);
        assert_eq!(cell_s(&offline.spec, all(1), 20, 0.05), 1.0 + 5.0 + 5.0);
        assert_eq!(cell_s(&offline.spec, all(3), 20, 0.05), 1.0 + 30.0);
        let (stream, _) = plan(&Options {
            scenario: Some(Scenario::MultiStream),
            ..Options::default()
        });
        // 64 queries of 8 questions.
        assert_eq!(
            cell_s(&stream.spec, all(1), 20, 0.05),
            1.0 + 5.0 + 512.0 * 0.05
        );
        let (server, _) = plan(&Options {
            scenario: Some(Scenario::Server),
            rate: Some(2.0),
            ..Options::default()
        });
        assert_eq!(cell_s(&server.spec, all(1), 20, 0.05), 1.0 + 5.0 + 50.0);
        // The second and third of three: no pass is scored.
        let rest = Repetitions { of: 3, done: 1 };
        assert_eq!(cell_s(&offline.spec, rest, 200, 0.05), 30.0);
        assert!(cell_s(&offline.spec, all(1), 0, 0.05).is_finite());
    }

    #[test]
    fn without_a_record_or_a_peak_there_is_no_estimate() {
        let (cell, run) = plan(&Options::default());
        let earlier = Earlier::default();
        let found = estimate(&cell, all(1), &earlier, &|_| None);
        assert_eq!((found.seconds, found.basis), (None, Basis::None));
        let other = CellPlan {
            program: Some("other".into()),
            ..cell
        };
        assert_eq!(
            estimate(&other, all(1), &earlier, &|_| None).basis,
            Basis::None
        );
        let run = RunSettings {
            repetitions: 2,
            ..run
        };
        let done = estimates(&[other], &run, &[2], &earlier);
        assert_eq!((done[0].seconds, &done[0].basis), (Some(0.0), &Basis::Done));
        assert_eq!(total(&done), (0.0, 0));
        assert_eq!(total(&[]), (0.0, 0));
    }

    #[test]
    fn models_are_known_by_the_name_that_records_have() {
        assert_eq!(model_id("roberta-base-squad2"), "roberta-base-squad2");
        assert_eq!(model_id("owner/name@main"), "owner/name");
        let folder = tempfile::tempdir().unwrap();
        let model = folder.path().join("mine");
        std::fs::create_dir(&model).unwrap();
        assert_eq!(model_id(&format!("{}/", model.display())), "mine");
        assert!(is_dataset("squad", "squad") && !is_dataset("squad", "squad2"));
        assert!(is_dataset("hf:owner/name:en", "owner/name:en:validation"));
        assert!(!is_dataset("no/such.json", "such"));
    }
}
