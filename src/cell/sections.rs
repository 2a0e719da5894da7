//! The parts of a record that are read off a cell's inputs and answers.

use std::time::Duration;

use candle_core::Device;

use super::answer::AnswerSettings;
use super::{CellSpec, scoring};
use crate::bundled;
use crate::dataset::Dataset;
use crate::decode::Decoder;
use crate::device::OpenDevice;
use crate::models::ModelDescription;
use crate::models::files::ModelFiles;
use crate::models::quantization::{LIMIT, LayerLoss, Quantization};
use crate::record::wire::{
    ShardOf, WireCalibration, WireDataset, WireEnvironment, WireFile, WireLayerLoss, WireModel,
    WireProtocol, WireProtocolTiming, WireQuantization, WireShard,
};
use crate::score::{Protocol, ProtocolChoice};

pub(super) fn wire_model(files: &ModelFiles, description: &ModelDescription) -> WireModel {
    WireModel {
        id: files.id.clone(),
        revision: files.revision.clone(),
        architecture: description.architecture.to_owned(),
        parameters: description.parameters,
        dtype: description.dtype.to_owned(),
        compute_dtype: description.compute_dtype.to_owned(),
        ops: description.ops.to_owned(),
        instructions: description.instructions.map(str::to_owned),
        tf32: description.tf32,
        quantization: description.quantization.as_ref().map(wire_quantization),
        files: wire_files(files),
    }
}

fn wire_quantization(quantization: &Quantization) -> WireQuantization {
    let layer = |layer: &LayerLoss| WireLayerLoss {
        layer: layer.name.clone(),
        loss: layer.loss,
    };
    WireQuantization {
        weights: "int8, symmetric, a scale an output".to_owned(),
        activations: "uint8, asymmetric, a scale and a zero a token, dynamic".to_owned(),
        smoothing: "SmoothQuant, square root of the largest activation by the largest weight"
            .to_owned(),
        instructions: quantization.instructions.map(str::to_owned),
        dense_layers: quantization.layers,
        in_full: quantization.in_full.iter().map(layer).collect(),
        largest_layer_loss: quantization.largest.as_ref().map(layer),
        logit_loss: quantization.logit_loss,
        logit_loss_limit: LIMIT,
        calibration: WireCalibration {
            dataset: bundled::DATASET.to_owned(),
            windows: quantization.windows,
            tokens: quantization.tokens,
        },
    }
}

/// The files that were read.
pub(super) fn wire_files(files: &ModelFiles) -> Vec<WireFile> {
    let files = files.all().map(|file| WireFile {
        name: file.name.clone(),
        bytes: file.bytes.len() as u64,
        sha256: file.sha256.clone(),
    });
    files.collect()
}

pub(super) fn wire_dataset(dataset: &Dataset, counts: Option<(usize, usize)>) -> WireDataset {
    let (windows, tokens) = counts.unwrap_or_default();
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
        windows,
        tokens,
        misplaced_answers: dataset.misplaced_answers(),
    }
}

pub(super) fn wire_protocol(
    spec: &CellSpec,
    answering: &AnswerSettings,
    dataset: &Dataset,
    turn: Option<Duration>,
) -> WireProtocol {
    let (settings, questions) = (&spec.settings, &spec.questions);
    let decode = &answering.decode;
    let protocol = settings.protocol.resolve(dataset);
    WireProtocol {
        name: protocol.name().to_owned(),
        auto: settings.protocol == ProtocolChoice::Auto,
        auto_reason: settings.protocol.reason(dataset).map(str::to_owned),
        summation: (protocol == Protocol::SquadV2).then(|| settings.summation.name().to_owned()),
        scenario: settings.timing.scenario.to_string(),
        timing: WireProtocolTiming {
            turn_s: turn.map(|turn| turn.as_secs_f64()),
            ..(&settings.timing).into()
        },
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
        shard: questions.shard.map(|shard| shard.to_string()),
        threads: settings.threads,
        batch_tokens: answering.batch_tokens,
        window_order: settings.order.name().to_owned(),
        seed: settings.seed,
    }
}

/// The shard that the data set is, where no question has fallen to it.
pub(super) fn empty_shard(
    spec: &CellSpec,
    dataset: &Dataset,
    device: &Device,
    turn: Option<Duration>,
) -> Option<WireShard> {
    let part = dataset.part.as_ref()?;
    if !dataset.questions.is_empty() {
        return None;
    }
    let settings = &spec.settings;
    let answering = scoring::answer_settings(settings, settings.protocol.resolve(dataset), device);
    let about = ShardOf {
        cell: &spec.name,
        part,
        model: None,
        dataset: wire_dataset(dataset, None),
        protocol: wire_protocol(spec, &answering, dataset, turn),
        resamples: settings.resamples,
        folds: settings.folds,
    };
    Some(WireShard::new(about, dataset, &[]))
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
