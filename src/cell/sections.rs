//! The parts of a record that are read off a cell's inputs and answers.

use super::CellSpec;
use super::answer::{AnswerSettings, Answers};
use crate::dataset::Dataset;
use crate::decode::Decoder;
use crate::device::OpenDevice;
use crate::measure::latency::Latencies;
use crate::models::ModelDescription;
use crate::models::files::ModelFiles;
use crate::record::wire::{
    WireDataset, WireEnvironment, WireFile, WireLatencies, WireModel, WireProtocol, WireThroughput,
};
use crate::score::{Protocol, ProtocolChoice};

pub(super) fn wire_model(files: &ModelFiles, description: &ModelDescription) -> WireModel {
    let files_read = files.all().map(|file| WireFile {
        name: file.name.clone(),
        bytes: file.bytes.len() as u64,
        sha256: file.sha256.clone(),
    });
    WireModel {
        id: files.id.clone(),
        revision: files.revision.clone(),
        architecture: description.architecture.to_owned(),
        parameters: description.parameters,
        dtype: description.dtype.to_owned(),
        compute_dtype: description.compute_dtype.to_owned(),
        ops: description.ops.to_owned(),
        files: files_read.collect(),
    }
}

pub(super) fn wire_dataset(dataset: &Dataset, answers: &Answers) -> WireDataset {
    let files = dataset.files.iter().map(|file| WireFile {
        name: file.name.clone(),
        bytes: file.bytes,
        sha256: file.sha256.clone(),
    });
    WireDataset {
        id: dataset.id.clone(),
        revision: dataset.revision.clone(),
        language: dataset.language.clone(),
        sha256: dataset.sha256.clone(),
        files: files.collect(),
        questions: dataset.questions.len(),
        unanswerable: dataset.unanswerable(),
        windows: answers.windows.len(),
        tokens: answers.tokens,
        misplaced_answers: dataset.misplaced_answers(),
    }
}

pub(super) fn wire_protocol(
    spec: &CellSpec,
    answering: &AnswerSettings,
    dataset: &Dataset,
) -> WireProtocol {
    let (settings, questions) = (&spec.settings, &spec.questions);
    let decode = &answering.decode;
    let protocol = settings.protocol.resolve(dataset);
    WireProtocol {
        name: protocol.name().to_owned(),
        auto: settings.protocol == ProtocolChoice::Auto,
        auto_reason: settings.protocol.reason(dataset).map(str::to_owned),
        summation: (protocol == Protocol::SquadV2).then(|| settings.summation.name().to_owned()),
        scenario: "offline".to_owned(),
        decode: decode.decoder.name().to_owned(),
        max_seq_len: settings.windows.max_seq_len,
        doc_stride: settings.windows.doc_stride,
        max_question_len: (decode.decoder == Decoder::Google)
            .then_some(settings.windows.max_question_len),
        n_best: (decode.decoder != Decoder::Pipeline).then_some(decode.n_best),
        max_answer_len: decode.max_answer_len,
        null_threshold: decode.null_allowed.then_some(decode.null_threshold),
        ids_sha256: questions.ids.as_ref().map(|file| file.sha256.clone()),
        sample: questions.sample,
        limit: questions.limit,
        threads: settings.threads,
        batch_tokens: settings.batch_tokens,
        window_order: settings.order.name().to_owned(),
        seed: settings.seed,
    }
}

pub(super) fn wire_throughput(answers: &Answers) -> WireThroughput {
    let per_forward = |count: f64| count / answers.forward_s;
    WireThroughput {
        questions_per_s: answers.answers.len() as f64 / answers.end_to_end_s,
        windows_per_s: per_forward(answers.windows.len() as f64),
        tokens_per_s: per_forward(answers.tokens as f64),
        // Batches are packed: no padding is ever computed.
        padding_waste: 0.0,
        flops_per_s: per_forward(answers.flops as f64),
        peak_fraction: None,
        forward_s: answers.forward_s,
        end_to_end_s: answers.end_to_end_s,
    }
}

pub(super) fn summary(durations: &[std::time::Duration]) -> WireLatencies {
    let summary = Latencies::of(durations);
    summary
        .expect("OK because a data set holds a question, and a question has a window")
        .into()
}

pub(super) fn warnings(
    dataset: &Dataset,
    environment: &WireEnvironment,
    device: &OpenDevice,
) -> Vec<String> {
    let mut warnings: Vec<String> = dataset.misplaced_warning().into_iter().collect();
    warnings.extend(device.note.clone());
    if !environment.is_optimised() {
        warnings.push(format!(
            "a {} build (opt-level {}): its timings mean nothing; build with --release",
            environment.profile, environment.opt_level
        ));
    }
    warnings
}
