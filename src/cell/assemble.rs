//! What the processes of a cell measured, put into one record.

use std::collections::HashMap;

use super::failure::{Failure, FailureKind};
use super::figures;
use super::proof::{self, Proof};
use super::work::{AccuracyPass, Work};
use super::{CellSpec, repetition};
use crate::measure::roofline::{Roofline, WireRoofline};
use crate::measure::scenario::log_summary::log_summary;
use crate::measure::scenario::rules::Scenario;
use crate::record::folder::{SHARD_FILE, shard_json};
use crate::record::wire::{
    SCHEMA, WireFailure, WireInterval, WireProof, WireRecord, WireRepetition, WireSamples,
    WireShard,
};
use crate::record::{CellOutput, MoreFile, QuestionResult};
use crate::stats::order::{median, quantile_interval};

/// The level of intervals over repetitions.
const LEVEL: f64 = 0.95;

/// Checks the latest of a cell's processes against the first, which scored: the model, the data
/// and every timed answer have to be the same.
///
/// # Errors
///
/// Gives an error record where they are not.
pub fn check(spec: &CellSpec, works: &[Work]) -> Result<(), Box<WireFailure>> {
    let (first, latest) = (&works[0], &works[works.len() - 1]);
    let fail = |kind, message| WireFailure::new(spec, works.len(), failure(kind, message));
    if let Some(message) = changed(first, latest) {
        return Err(Box::new(fail(FailureKind::Changed, message)));
    }
    let proof = proof::prove(&scored(first).questions, &latest.timed.answers);
    if proof.differing == 0 {
        return Ok(());
    }
    Err(Box::new(WireFailure {
        proof: Some(WireProof::from(&proof)),
        ..fail(FailureKind::TimedAnswersDiffer, differing(&proof))
    }))
}

/// The score of a cell's first process.
fn scored(first: &Work) -> &AccuracyPass {
    let accuracy = first.accuracy.as_ref();
    accuracy.expect("OK because the first process of a cell is asked to score")
}

/// What a record says of the run that its cell is of.
#[derive(Debug, Clone, Default)]
pub struct About<'a> {
    /// The machine's peak, where it is known.
    pub roofline: Option<&'a Roofline>,
    /// What the cells of the run have in common and no other run has.
    pub run_id: Option<&'a str>,
    /// The command that was given.
    pub command: Option<&'a [String]>,
    /// Hash of what was asked for, see [`super::inputs::asked_sha256`].
    pub asked_sha256: Option<&'a str>,
}

/// Makes the record of `spec` from what its processes measured, each of them [`check`]ed.
///
/// # Panics
///
/// Panics where `works` is empty or the first has no score: those are no results of the cell.
pub fn assemble(spec: &CellSpec, works: &[Work], about: &About<'_>) -> CellOutput {
    let first = &works[0];
    // What was measured is the processor.
    let roofline = about.roofline.filter(|_| first.device == "cpu");
    let accuracy = scored(first);
    let answers = works.iter().flat_map(|work| &work.timed.answers);
    let proof = proof::prove(&accuracy.questions, answers);
    let repetitions: Vec<WireRepetition> = works
        .iter()
        .map(|work| repetition::repetition(spec, work, roofline))
        .collect();
    let samples = works.iter().enumerate().map(|(number, work)| WireSamples {
        schema: SCHEMA,
        repetition: number + 1,
        warm_up_ns: work.warm_up.passes_ns.clone(),
        memory: work.memory_samples.clone(),
        samples: work.timed.samples.clone(),
    });
    CellOutput {
        questions: questions(spec, accuracy, works),
        samples: samples.collect(),
        more: summaries(spec, first, works)
            .into_iter()
            .chain(trace(first))
            .chain(first.shard.as_deref().map(shard_file))
            .collect(),
        record: WireRecord {
            roofline: roofline.map(WireRoofline::of),
            run_id: about.run_id.map(str::to_owned),
            command: about.command.map(<[String]>::to_vec),
            asked_sha256: about.asked_sha256.map(str::to_owned),
            ..record(spec, first, accuracy, repetitions, &proof)
        },
    }
}

/// LoadGen's summary of each repetition.
fn summaries(spec: &CellSpec, first: &Work, works: &[Work]) -> Vec<MoreFile> {
    let timing = &spec.settings.timing;
    let system = format!("spanbench {} {}", first.model.id, first.device);
    let files = works.iter().enumerate().filter_map(|(number, work)| {
        let summary = repetition::loadgen(&timing.rules, &work.timed)?;
        let suffix = match number {
            0 => String::new(),
            number => format!("_{}", number + 1),
        };
        Some(MoreFile {
            name: format!("mlperf_log_summary{suffix}.txt"),
            content: log_summary(&summary, &system, work.timed.rate).into_bytes(),
        })
    });
    files.collect()
}

/// The trace of the profiled pass.
fn trace(first: &Work) -> Option<MoreFile> {
    let profiled = first.profiled.as_ref()?;
    Some(MoreFile {
        name: "trace.json".to_owned(),
        content: profiled.trace.clone().into_bytes(),
    })
}

/// What the shards of the cell are merged from.
fn shard_file(shard: &WireShard) -> MoreFile {
    MoreFile {
        name: SHARD_FILE.to_owned(),
        content: shard_json(shard),
    }
}

fn failure(kind: FailureKind, message: String) -> Failure {
    Failure {
        kind,
        message,
        phase: None,
        stderr: String::new(),
    }
}

/// What is not the same in two processes of a cell.
fn changed(first: &Work, work: &Work) -> Option<String> {
    if first.model != work.model {
        return Some("the model's files changed between repetitions".to_owned());
    }
    if first.dataset.sha256 != work.dataset.sha256 {
        return Some("the data set's files changed between repetitions".to_owned());
    }
    (first.device != work.device).then(|| {
        let (first, now) = (&first.device, &work.device);
        format!("the device changed between repetitions, from {first} to {now}")
    })
}

fn differing(proof: &Proof) -> String {
    let Proof {
        compared,
        differing,
        ..
    } = proof;
    let example = proof.examples.first().map_or(String::new(), |example| {
        format!(
            ", the first of them question \"{}\": \"{}\" was scored and \"{}\" timed",
            example.id, example.scored, example.timed
        )
    });
    format!("{differing} of {compared} timed answers are not those that were scored{example}")
}

fn record(
    spec: &CellSpec,
    first: &Work,
    accuracy: &AccuracyPass,
    repetitions: Vec<WireRepetition>,
    proof: &Proof,
) -> WireRecord {
    let mut doubts: Vec<String> = Vec::new();
    for (number, repetition) in repetitions.iter().enumerate() {
        for doubt in &repetition.doubts {
            if repetitions.len() == 1 {
                doubts.push(doubt.clone());
            } else {
                doubts.push(format!("repetition {}: {doubt}", number + 1));
            }
        }
    }
    let typical = figures::medians(&repetitions);
    WireRecord {
        schema: SCHEMA,
        cell: spec.name.clone(),
        run_id: None,
        command: None,
        asked_sha256: None,
        started: first.started.clone(),
        model: first.model.clone(),
        dataset: first.dataset.clone(),
        device: first.device.clone(),
        protocol: first.protocol.clone(),
        accuracy: accuracy.accuracy.clone(),
        analysis: Some(accuracy.analysis.clone()),
        throughput: typical.throughput,
        latency_ms: typical.latency_ms,
        window_latency_ms: Some(typical.window_latency_ms),
        batch_latency_ms: typical.batch_latency_ms,
        memory: typical.memory,
        energy: typical.energy,
        phases_s: first.phases_s.clone(),
        wall_s: first.wall_s,
        proof: Some(WireProof::from(proof)),
        intervals: intervals(&repetitions),
        repetitions,
        roofline: None,
        profile: first.profiled.as_ref().map(|pass| pass.profile.clone()),
        doubts,
        environment: first.environment.clone(),
        warnings: first.warnings.clone(),
    }
}

/// Every figure over the repetitions, where there are several.
fn intervals(repetitions: &[WireRepetition]) -> Vec<WireInterval> {
    if repetitions.len() < 2 {
        return Vec::new();
    }
    let of = |(name, figure): &(&str, figures::Figure)| {
        let values: Option<Vec<f64>> = repetitions.iter().map(figure).collect();
        let values = values?;
        let mut sorted = values.clone();
        sorted.sort_by(f64::total_cmp);
        let found = quantile_interval(&sorted, 0.5, LEVEL)?;
        Some(WireInterval {
            figure: (*name).to_owned(),
            median: median(&values)?,
            values,
            lower: found.interval.lower,
            upper: found.interval.upper,
            coverage: found.coverage,
        })
    };
    figures::ALL.iter().filter_map(of).collect()
}

/// The scored questions, with the median of the latencies that each had on the clock.
fn questions(spec: &CellSpec, accuracy: &AccuracyPass, works: &[Work]) -> Vec<QuestionResult> {
    let offline = spec.settings.timing.scenario == Scenario::Offline;
    let mut latencies: HashMap<usize, Vec<f64>> = HashMap::new();
    for work in works {
        let samples = &work.timed.samples;
        let of_query = repetition::question_latencies_ns(samples, offline);
        for (&question, nanoseconds) in samples.question.iter().zip(of_query) {
            let milliseconds = nanoseconds as f64 / 1e6;
            latencies.entry(question).or_default().push(milliseconds);
        }
    }
    let questions = accuracy.questions.iter().enumerate();
    questions
        .map(|(index, question)| QuestionResult {
            latency_ms: latencies.get(&index).and_then(|own| median(own)),
            ..question.clone()
        })
        .collect()
}
