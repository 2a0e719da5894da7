//! One cell: a model, a data set and settings in, a record out.

mod analysis;
pub mod answer;
mod sections;

use std::time::SystemTime;

use crate::analysis::wire::WireAnalysis;
use crate::analysis::{self as analyses, Analysis, MissingPrediction, NullScale};
use crate::dataset::{Dataset, DatasetError, QuestionSelection};
use crate::decode::{DecodeSettings, Decoder};
use crate::device::{DeviceChoice, DeviceError, OpenDevice};
use crate::hub::Progress as HubProgress;
use crate::measure::environment::Environment;
use crate::measure::memory::MemoryWatch;
use crate::measure::phases::PhaseClock;
use crate::models::files::ModelFiles;
use crate::models::{self, ModelDescription, ModelError, Precision, SpanModel};
use crate::ops::FormChoice;
use crate::record::folder::shortest;
use crate::record::wire::{self, WireAccuracy, WireEnvironment, WireMemory, WireRecord};
use crate::record::{CellOutput, QuestionResult};
use crate::score::{
    self, NoAnswerProbabilities, Predictions, Protocol, ProtocolChoice, ScoreError, Scored,
    Summation,
};
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
    /// How passages are cut, and whose way of choosing answers is followed.
    pub windows: WindowSettings,
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
    /// Seed of a shuffled order, of resamples and of folds.
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
                decoder: settings.windows.decoder,
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
            model: sections::wire_model(files, model.description()),
            dataset: sections::wire_dataset(dataset, answers),
            device: self.device.name.clone(),
            protocol: sections::wire_protocol(spec, answer_settings, dataset),
            accuracy: WireAccuracy::from(&scored.accuracy),
            analysis: Some(analysis),
            throughput: sections::wire_throughput(answers),
            latency_ms: sections::summary(&answers.latencies),
            batch_latency_ms: sections::summary(&answers.batch_latencies),
            memory: WireMemory {
                weights_bytes,
                rss_peak_bytes: peaks.resident,
                rss_anon_peak_bytes: peaks.anonymous,
                device_peak_bytes: None,
            },
            phases_s: serde_json::Map::new(),
            wall_s: 0.0,
            warnings: sections::warnings(dataset, &environment, &self.device),
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
    // The run's null_odds.json is what the official script takes for a no-answer probability file.
    let odds = pairs_of_odds(dataset, answers);
    let odds = NoAnswerProbabilities::new("this run", odds);
    // "No answer" is given already where it wins; no threshold is to give more of it.
    let no_answer = protocol
        .allows_no_answer()
        .then_some((&odds, f64::INFINITY));
    score::score(
        dataset,
        &Predictions::new("this run", texts),
        protocol,
        no_answer,
        summation,
    )
}

/// The null odds of each question, as `null_odds.json` has them.
fn pairs_of_odds<'a>(
    dataset: &'a Dataset,
    answers: &'a Answers,
) -> impl Iterator<Item = (String, f64)> + 'a {
    let questions = dataset.questions.iter().zip(&answers.answers);
    questions.filter_map(|(question, answer)| {
        let odds = answer.null_odds?;
        Some((question.id.clone(), shortest(odds)))
    })
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
