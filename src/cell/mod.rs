//! One cell: a model, a data set and settings in, a record out.

mod analysis;
pub mod answer;

use std::time::SystemTime;

use crate::analysis::wire::WireAnalysis;
use crate::analysis::{self as analyses, Analysis, MissingPrediction, NullScale};
use crate::dataset::{Dataset, DatasetError, QuestionSelection};
use crate::decode::{DecodeSettings, Decoder};
use crate::device::{DeviceChoice, DeviceError, OpenDevice};
use crate::hub::Progress as HubProgress;
use crate::measure::environment::Environment;
use crate::measure::latency::Latencies;
use crate::measure::memory::MemoryWatch;
use crate::measure::phases::PhaseClock;
use crate::models::files::ModelFiles;
use crate::models::{self, ModelDescription, ModelError, Precision, SpanModel};
use crate::ops::FormChoice;
use crate::record::wire::{
    self, WireAccuracy, WireDataset, WireEnvironment, WireFile, WireMemory, WireModel,
    WireProtocol, WireRecord, WireThroughput,
};
use crate::record::{CellOutput, QuestionResult};
use crate::score::{self, Predictions, Protocol, ProtocolChoice, ScoreError, Scored, Summation};
use crate::tokenizer;
use crate::windows::{WindowError, WindowSettings, Windower};
pub use answer::{AnswerError, AnswerSettings, Answers, Progress, Silent, WindowOrder};

/// What can go wrong in a cell.
#[derive(Debug, thiserror::Error)]
pub enum CellError {
    /// The data set is at fault.
    #[error(transparent)]
    Dataset(#[from] DatasetError),
    /// The device is not to be had.
    #[error(transparent)]
    Device(#[from] DeviceError),
    /// The model is at fault.
    #[error(transparent)]
    Model(#[from] ModelError),
    /// The tokeniser or the settings are at fault.
    #[error(transparent)]
    Windows(#[from] WindowError),
    /// Answering failed.
    #[error(transparent)]
    Answer(#[from] AnswerError),
    /// Scoring failed.
    #[error(transparent)]
    Score(#[from] ScoreError),
    /// The threads could not be started.
    #[error("{threads} threads could not be started; ask for fewer with --threads N")]
    Threads {
        /// How many were asked for.
        threads: usize,
        /// What the thread library said.
        #[source]
        source: rayon::ThreadPoolBuildError,
    },
}

/// What a cell is made of.
#[derive(Debug, Clone, PartialEq)]
pub struct CellSpec {
    /// Its name, which is also that of its folder.
    pub name: String,
    /// A card, a directory or a repository.
    pub model: String,
    /// A card's name, a file, or a name on the hub.
    pub dataset: String,
    /// Which of its questions are asked.
    pub questions: QuestionSelection,
    /// Everything else.
    pub settings: CellSettings,
}

/// The settings of a cell.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct CellSettings {
    /// How passages are cut.
    pub windows: WindowSettings,
    /// Whose way of choosing answers is followed, its windows included.
    pub decoder: Decoder,
    /// Best starts and ends of a window that are paired.
    pub n_best: usize,
    /// Tokens of an answer at the most.
    pub max_answer_len: usize,
    /// The scorer.
    pub protocol: ProtocolChoice,
    /// How its script adds.
    pub summation: Summation,
    /// Bootstrap resamples of the analysis.
    pub resamples: usize,
    /// Folds of the analysis.
    pub folds: usize,
    /// Threads that compute.
    pub threads: usize,
    /// Tokens of a batch at the most.
    pub batch_tokens: usize,
    /// The order in which windows are computed.
    pub order: WindowOrder,
    /// Seed of a shuffled order.
    pub seed: u64,
    /// Where to compute.
    pub device: DeviceChoice,
    /// What weights are kept in.
    pub precision: Precision,
    /// The form of the operations.
    pub ops: FormChoice,
    /// Whether the hub must not be asked.
    pub offline: bool,
}

/// Runs a cell from its names to its record.
///
/// # Errors
///
/// See [`CellError`]. Nothing is written.
pub fn run(
    spec: &CellSpec,
    hub_progress: &dyn HubProgress,
    progress: &dyn Progress,
) -> Result<CellOutput, CellError> {
    let threads = spec.settings.threads;
    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads);
    let pool = pool
        .build()
        .map_err(|source| CellError::Threads { threads, source })?;
    // From here on every parallel loop, candle's and the tokeniser's too, is on these threads.
    let mut run = Run::begin(spec.settings.device)?;
    let dataset = run.load_dataset(spec, hub_progress)?;
    let files = models::locate::open(&spec.model, spec.settings.offline, hub_progress)?;
    run.clock.end("model_files");
    pool.install(|| run.finish(spec, &dataset, &files, progress))
}

/// What goes along with a cell from its first moment.
struct Run {
    started: SystemTime,
    clock: PhaseClock,
    memory: MemoryWatch,
    device: OpenDevice,
}

impl Run {
    fn begin(device: DeviceChoice) -> Result<Self, DeviceError> {
        let mut run = Self {
            started: SystemTime::now(),
            clock: PhaseClock::start(),
            memory: MemoryWatch::start(),
            device: device.open()?,
        };
        run.clock.end("device");
        Ok(run)
    }

    fn load_dataset(
        &mut self,
        spec: &CellSpec,
        progress: &dyn HubProgress,
    ) -> Result<Dataset, DatasetError> {
        let mut dataset = Dataset::open(&spec.dataset, spec.settings.offline, progress)?;
        dataset.select(&spec.questions)?;
        self.clock.end("dataset");
        Ok(dataset)
    }

    fn finish(
        mut self,
        spec: &CellSpec,
        dataset: &Dataset,
        files: &ModelFiles,
        progress: &dyn Progress,
    ) -> Result<CellOutput, CellError> {
        let settings = &spec.settings;
        let protocol = settings.protocol.resolve(dataset);
        // The scorer would say so too, at the end of the run.
        protocol.check(dataset)?;
        let device = &self.device.device;
        let model = models::load(files, device, settings.precision, settings.ops)?;
        let windower = windower(files, model.description(), settings.windows)?;
        self.clock.end("model_load");
        let answer_settings = AnswerSettings {
            windows: settings.windows,
            decode: DecodeSettings {
                decoder: settings.decoder,
                n_best: settings.n_best,
                max_answer_len: settings.max_answer_len,
                null_allowed: protocol.allows_no_answer(),
                null_threshold: 0.0,
            },
            batch_tokens: settings.batch_tokens,
            order: settings.order,
            seed: settings.seed,
        };
        let answers = answer::answer(
            &*model,
            &windower,
            dataset,
            &answer_settings,
            &mut self.clock,
            progress,
        )?;
        let scored = score_answers(dataset, &answers, protocol, settings.summation)?;
        self.clock.end("score");
        let analysis_settings = analysis_settings(settings, &answer_settings);
        let analysis = analysis::analyze(
            dataset,
            &answers,
            &scored,
            protocol,
            &answer_settings,
            &analysis_settings,
        );
        self.clock.end("analysis");
        let record = self.record(
            spec,
            dataset,
            files,
            &*model,
            &answer_settings,
            &answers,
            &scored,
            WireAnalysis::new(&analysis, &analysis_settings),
        );
        Ok(CellOutput {
            record,
            questions: question_results(dataset, answers, &scored, &analysis),
        })
    }

    #[allow(clippy::too_many_arguments)]
    fn record(
        &mut self,
        spec: &CellSpec,
        dataset: &Dataset,
        files: &ModelFiles,
        model: &dyn SpanModel,
        answer_settings: &AnswerSettings,
        answers: &Answers,
        scored: &Scored,
        analysis: WireAnalysis,
    ) -> WireRecord {
        let environment = WireEnvironment::new(Environment::read(), spec.settings.threads);
        let peaks = self.memory.peaks();
        let weights_bytes = model.description().weights_bytes;
        let record = WireRecord {
            schema: wire::SCHEMA,
            cell: spec.name.clone(),
            started: humantime::format_rfc3339_millis(self.started).to_string(),
            model: wire_model(files, model.description()),
            dataset: wire_dataset(dataset, answers),
            device: self.device.name.clone(),
            protocol: wire_protocol(spec, answer_settings, dataset),
            accuracy: WireAccuracy::from(&scored.accuracy),
            analysis: Some(analysis),
            throughput: wire_throughput(answers),
            latency_ms: summary(&answers.latencies),
            batch_latency_ms: summary(&answers.batch_latencies),
            memory: WireMemory {
                weights_bytes,
                rss_peak_bytes: peaks.resident,
                rss_anon_peak_bytes: peaks.anonymous,
                device_peak_bytes: None,
            },
            phases_s: serde_json::Map::new(),
            wall_s: 0.0,
            warnings: warnings(dataset, &environment, &self.device),
            environment,
        };
        self.clock.end("record");
        WireRecord {
            phases_s: wire::phases(self.clock.phases()),
            wall_s: self.clock.wall_s(),
            ..record
        }
    }
}

fn windower(
    files: &ModelFiles,
    description: &ModelDescription,
    settings: WindowSettings,
) -> Result<Windower, WindowError> {
    if let Some(positions) = description.max_positions
        && settings.max_seq_len > positions
    {
        return Err(WindowError::BadSettings(format!(
            "{}: the model has {positions} positions; --max-seq-len {} must not be more",
            files.config.path, settings.max_seq_len
        )));
    }
    let source = tokenizer::read(description.architecture, &files.config, &files.tokenizer)?;
    Windower::new(source, description.tables, settings)
}

fn score_answers(
    dataset: &Dataset,
    answers: &Answers,
    protocol: Protocol,
    summation: Summation,
) -> Result<Scored, ScoreError> {
    let pairs = dataset.questions.iter().zip(&answers.answers);
    let texts = pairs.map(|(question, answer)| (question.id.clone(), answer.text.clone()));
    score::score(
        dataset,
        &Predictions::new("this run", texts),
        protocol,
        None,
        summation,
    )
}

fn analysis_settings(settings: &CellSettings, answering: &AnswerSettings) -> analyses::Settings {
    let decode = &answering.decode;
    analyses::Settings {
        seed: settings.seed,
        resamples: settings.resamples,
        folds: settings.folds,
        null_scale: match decode.decoder {
            Decoder::RunQa | Decoder::Google => NullScale::LogitDifference,
            Decoder::Pipeline => NullScale::ProbabilityDifference,
        },
        threshold: decode
            .null_allowed
            .then_some(f64::from(decode.null_threshold)),
        missing: MissingPrediction::default(),
        ..analyses::Settings::default()
    }
}

fn question_results(
    dataset: &Dataset,
    answers: Answers,
    scored: &Scored,
    analysis: &Analysis,
) -> Vec<QuestionResult> {
    let measured = answers.windows_of.iter().zip(&answers.latencies);
    let questions = dataset.questions.iter().zip(answers.answers);
    questions
        .zip(scored.per_question.iter().zip(measured))
        .zip(&analysis.errors)
        .map(
            |(((question, answer), (score, (&windows, latency))), &error)| QuestionResult {
                id: question.id.clone(),
                error,
                span: analysis::span(&answer),
                answer: answer.text,
                score: score.unwrap_or_default(),
                span_score: answer.score,
                margin: answer.margin,
                null_odds: answer.null_odds,
                windows,
                latency_ms: latency.as_secs_f64() * 1e3,
            },
        )
        .collect()
}

fn wire_model(files: &ModelFiles, description: &ModelDescription) -> WireModel {
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

fn wire_dataset(dataset: &Dataset, answers: &Answers) -> WireDataset {
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

fn wire_protocol(spec: &CellSpec, answering: &AnswerSettings, dataset: &Dataset) -> WireProtocol {
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

fn wire_throughput(answers: &Answers) -> WireThroughput {
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

fn summary(durations: &[std::time::Duration]) -> wire::WireLatencies {
    let summary = Latencies::of(durations);
    summary
        .expect("OK because a data set holds a question, and a question has a window")
        .into()
}

fn warnings(dataset: &Dataset, environment: &WireEnvironment, device: &OpenDevice) -> Vec<String> {
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
