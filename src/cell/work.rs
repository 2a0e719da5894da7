//! What one process does of a cell: loads the model, answers every question for its score, and
//! answers again on the clock.

use std::time::SystemTime;

use candle_core::Device;
use serde::{Deserialize, Serialize};

use super::answer::{AnswerSettings, Answers, Line, Progress};
use super::profiling::{self, ProfiledPass};
use super::timed::{self, TimedPass};
use super::warm_up::{self, WarmUp};
use super::{CellError, CellSettings, CellSpec, analysis, sections};
use crate::analysis::wire::WireAnalysis;
use crate::analysis::{self as analyses, Analysis, MissingPrediction, NullScale};
use crate::dataset::{Dataset, DatasetError};
use crate::decode::{DecodeSettings, Decoder};
use crate::device::{DeviceChoice, DeviceError, OpenDevice};
use crate::hub::Progress as HubProgress;
use crate::measure::energy::{Energy, EnergyMeter};
use crate::measure::environment::Environment;
use crate::measure::memory::{MemorySample, MemoryWatch, PhaseMemory};
use crate::measure::noise::{self, Noise};
use crate::measure::phases::PhaseClock;
use crate::measure::system_files::SystemFiles;
use crate::models::files::ModelFiles;
use crate::models::{self, ModelDescription, ModelError, Precision, SpanModel};
use crate::ops::FormChoice;
use crate::record::QuestionResult;
use crate::record::folder::shortest;
use crate::record::wire::{
    WireAccuracy, WireDataset, WireEnergy, WireEnvironment, WireGrowth, WireMemory,
    WireMemorySamples, WireModel, WireNoise, WireProtocol, phases,
};
use crate::score::{
    self, NoAnswerProbabilities, Predictions, Protocol, ScoreError, Scored, Summation,
};
use crate::tokenizer;
use crate::windows::{WindowError, WindowSettings, Windower};

/// What a process is asked for.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Job {
    /// The cell.
    pub spec: CellSpec,
    /// Whether every question is answered for its score first. Of a cell's repetitions only the
    /// first does so; the timed answers of all are compared with those.
    pub accuracy: bool,
    /// Whether a pass is profiled after the timed one.
    pub profile: bool,
}

/// What a process gives back.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Work {
    /// When it began, in UTC (RFC 3339).
    pub started: String,
    /// What answered.
    pub model: WireModel,
    /// What was asked. Its windows and tokens are counted where the job is to score.
    pub dataset: WireDataset,
    /// `cpu`, `cuda:N`, `metal`.
    pub device: String,
    /// Every setting that can change a figure.
    pub protocol: WireProtocol,
    /// The score, where it was asked for.
    pub accuracy: Option<AccuracyPass>,
    /// What was computed before the clock ran.
    pub warm_up: WarmUp,
    /// What was measured.
    pub timed: TimedPass,
    /// The profiled pass, where it was asked for.
    pub profiled: Option<ProfiledPass>,
    /// How much memory it took.
    pub memory: WireMemory,
    /// Anonymous memory over the timed pass.
    pub memory_samples: WireMemorySamples,
    /// How much energy the timed pass took.
    pub energy: WireEnergy,
    /// What else went on during it.
    pub noise: WireNoise,
    /// The machine and the build.
    pub environment: WireEnvironment,
    /// Consecutive phases in seconds.
    pub phases_s: serde_json::Map<String, serde_json::Value>,
    /// Seconds in all.
    pub wall_s: f64,
    /// What a reader of the figures should know.
    pub warnings: Vec<String>,
}

/// Every question's answer and what they score.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct AccuracyPass {
    /// The scorers' figures.
    pub accuracy: WireAccuracy,
    /// What they do not say.
    pub analysis: WireAnalysis,
    /// A line a question.
    pub questions: Vec<QuestionResult>,
}

/// What makes a span model of files: [`models::load`], or a test's own.
pub type Loader<'a> = &'a (
        dyn Fn(
    &ModelFiles,
    &Device,
    Precision,
    FormChoice,
) -> Result<Box<dyn SpanModel>, ModelError>
            + Sync
    );

/// Does the job, on threads of its own.
///
/// # Errors
///
/// See [`CellError`].
pub fn perform(
    job: &Job,
    load: Loader<'_>,
    hub_progress: &dyn HubProgress,
    progress: &dyn Progress,
) -> Result<Work, CellError> {
    let spec = &job.spec;
    let threads = spec.settings.threads;
    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads);
    let pool = pool
        .build()
        .map_err(|source| CellError::Threads { threads, source })?;
    // From here on every parallel loop, candle's and the tokeniser's too, is on these threads.
    let mut process = Process::begin(spec.settings.device, progress)?;
    let dataset = process.load_dataset(spec, hub_progress)?;
    progress.phase("model_files");
    let files = models::locate::open(&spec.model, spec.settings.offline, hub_progress)?;
    process.end("model_files");
    pool.install(|| process.finish(job, &dataset, &files, load))
}

/// What goes along with a process from its first moment.
struct Process<'a> {
    started: SystemTime,
    clock: PhaseClock,
    memory: MemoryWatch,
    device: OpenDevice,
    progress: &'a dyn Progress,
}

impl<'a> Process<'a> {
    fn begin(device: DeviceChoice, progress: &'a dyn Progress) -> Result<Self, DeviceError> {
        progress.phase("device");
        let mut process = Self {
            started: SystemTime::now(),
            clock: PhaseClock::start(),
            memory: MemoryWatch::start(),
            device: device.open()?,
            progress,
        };
        process.end("device");
        Ok(process)
    }

    fn load_dataset(
        &mut self,
        spec: &CellSpec,
        hub_progress: &dyn HubProgress,
    ) -> Result<Dataset, DatasetError> {
        self.progress.phase("dataset");
        let mut dataset = Dataset::open(&spec.dataset, spec.settings.offline, hub_progress)?;
        dataset.select(&spec.questions)?;
        self.end("dataset");
        Ok(dataset)
    }

    fn finish(
        mut self,
        job: &Job,
        dataset: &Dataset,
        files: &ModelFiles,
        load: Loader<'_>,
    ) -> Result<Work, CellError> {
        let (spec, settings) = (&job.spec, &job.spec.settings);
        let protocol = settings.protocol.resolve(dataset);
        // The scorer would say so too, at the end of the run.
        protocol.check(dataset)?;
        self.progress.phase("model_load");
        let device = &self.device.device;
        let model = load(files, device, settings.precision, settings.ops)?;
        let windower = windower(files, model.description(), settings.windows)?;
        self.end("model_load");
        let line = Line {
            model: &*model,
            windower: &windower,
            dataset,
            settings: answer_settings(settings, protocol),
        };
        self.progress.phase("first_forward");
        line.first_forward()?;
        self.end("first_forward");
        let answers = self.answer_for_score(job, &line)?;
        self.progress.phase("warm_up");
        let warm_up = warm_up::perform(&line)?;
        self.end("warm_up");
        let measured = self.measure(settings, &line)?;
        let profiled = self.profile(job, &line)?;
        let counts = answers.as_ref().map(|a| (a.windows.len(), a.tokens()));
        let accuracy = answers.map(|answers| self.score(spec, &line, protocol, answers));
        let accuracy = accuracy.transpose()?;
        Ok(Work {
            profiled,
            ..self.work(spec, &line, files, counts, accuracy, warm_up, measured)
        })
    }

    fn profile(&mut self, job: &Job, line: &Line<'_>) -> Result<Option<ProfiledPass>, CellError> {
        if !job.profile {
            return Ok(None);
        }
        self.progress.phase("profile");
        let profiled = profiling::perform(line)?;
        self.end("profile");
        Ok(profiled)
    }

    /// The end of a phase.
    fn end(&mut self, phase: &'static str) {
        self.clock.end(phase);
        self.memory.mark(phase);
    }

    /// The timed pass, with what it took and what went on beside it.
    fn measure(&mut self, settings: &CellSettings, line: &Line<'_>) -> Result<Measured, CellError> {
        self.progress.phase("timed");
        let meter = EnergyMeter::open(&SystemFiles::here());
        let energy = meter.as_ref().map(EnergyMeter::read);
        let before = noise::Reading::now();
        let timed = timed::perform(line, &settings.timing, &mut self.clock, self.progress)?;
        let noise = Noise::between(&before, &noise::Reading::now());
        let samples = self.memory.samples();
        self.clock.end("idle");
        self.memory.mark("timed");
        let energy = match (&meter, energy) {
            (Ok(meter), Ok(Ok(first))) => meter
                .read()
                .map(|second| Energy::between(&first, &second))
                .map_err(|fault| fault.to_string()),
            (Ok(_), Ok(Err(fault))) => Err(fault.to_string()),
            (Err(fault), _) | (_, Err(fault)) => Err(fault.to_string()),
        };
        let questions = timed.samples.questions();
        Ok(Measured {
            energy: energy.map_or_else(WireEnergy::absent, |energy| {
                WireEnergy::new(&energy, questions)
            }),
            noise,
            samples,
            timed,
        })
    }

    fn answer_for_score(
        &mut self,
        job: &Job,
        line: &Line<'_>,
    ) -> Result<Option<Answers>, CellError> {
        if !job.accuracy {
            return Ok(None);
        }
        self.progress.phase("accuracy");
        // The pass is one phase of the cell; its parts are those of the timed pass.
        let answers = line.answer_all(&mut PhaseClock::start(), self.progress)?;
        self.end("accuracy");
        Ok(Some(answers))
    }

    fn score(
        &mut self,
        spec: &CellSpec,
        line: &Line<'_>,
        protocol: Protocol,
        answers: Answers,
    ) -> Result<AccuracyPass, ScoreError> {
        let (settings, dataset) = (&spec.settings, line.dataset);
        self.progress.phase("score");
        let scored = score_answers(dataset, &answers, protocol, settings.summation)?;
        self.end("score");
        self.progress.phase("analysis");
        let analysis_settings = analysis_settings(settings, &line.settings);
        let analysis = analysis::analyze(
            dataset,
            &answers,
            &scored,
            protocol,
            &line.settings,
            &analysis_settings,
        );
        self.end("analysis");
        Ok(AccuracyPass {
            accuracy: WireAccuracy::from(&scored.accuracy),
            analysis: WireAnalysis::new(&analysis, &analysis_settings),
            questions: question_results(dataset, answers, &scored, &analysis),
        })
    }

    #[allow(clippy::too_many_arguments)]
    fn work(
        mut self,
        spec: &CellSpec,
        line: &Line<'_>,
        files: &ModelFiles,
        counts: Option<(usize, usize)>,
        accuracy: Option<AccuracyPass>,
        warm_up: WarmUp,
        measured: Measured,
    ) -> Work {
        let environment = WireEnvironment::new(Environment::read(), spec.settings.threads);
        let description = line.model.description();
        let warnings = sections::warnings(line.dataset, &environment, &self.device);
        let work = Work {
            started: humantime::format_rfc3339_millis(self.started).to_string(),
            model: sections::wire_model(files, description),
            dataset: sections::wire_dataset(line.dataset, counts),
            device: self.device.name.clone(),
            protocol: sections::wire_protocol(spec, &line.settings, line.dataset),
            accuracy,
            warm_up,
            profiled: None,
            memory: self.wire_memory(description.weights_bytes, &measured.samples),
            memory_samples: measured.samples.as_slice().into(),
            energy: measured.energy,
            noise: WireNoise::new(&measured.noise, environment.cores_used),
            timed: measured.timed,
            environment,
            phases_s: serde_json::Map::new(),
            wall_s: 0.0,
            warnings,
        };
        self.clock.end("record");
        Work {
            phases_s: phases(self.clock.phases()),
            wall_s: self.clock.wall_s(),
            ..work
        }
    }

    fn wire_memory(&self, weights_bytes: u64, samples: &[MemorySample]) -> WireMemory {
        let peaks = self.memory.peaks();
        let phases = self.memory.phases();
        let anonymous = |phase: &str, figure: fn(&PhaseMemory) -> Option<u64>| {
            phases.iter().find(|p| p.phase == phase).and_then(figure)
        };
        let loaded = anonymous("model_load", |phase| phase.anonymous_end);
        let passes = ["first_forward", "accuracy", "timed"];
        let passes = passes.map(|phase| anonymous(phase, |phase| phase.anonymous_peak));
        let most = passes.into_iter().flatten().max();
        WireMemory {
            weights_bytes,
            rss_peak_bytes: peaks.resident,
            rss_anon_peak_bytes: peaks.anonymous,
            activations_peak_bytes: most
                .zip(loaded)
                .map(|(most, loaded)| most.saturating_sub(loaded)),
            device_peak_bytes: None,
            phases: phases.iter().map(Into::into).collect(),
            growth: WireGrowth::of(samples),
        }
    }
}

fn answer_settings(settings: &CellSettings, protocol: Protocol) -> AnswerSettings {
    AnswerSettings {
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
    }
}

/// The timed pass with what was measured beside it.
struct Measured {
    timed: TimedPass,
    energy: WireEnergy,
    noise: Noise,
    samples: Vec<MemorySample>,
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
    let questions = dataset.questions.iter().zip(answers.answers);
    questions
        .zip(scored.per_question.iter().zip(answers.windows_of))
        .zip(&analysis.errors)
        .map(
            |(((question, answer), (score, windows)), &error)| QuestionResult {
                id: question.id.clone(),
                error,
                span: analysis::span(&answer),
                answer: answer.text,
                score: score.unwrap_or_default(),
                span_score: answer.score,
                margin: answer.margin,
                null_odds: answer.null_odds,
                windows,
                latency_ms: None,
            },
        )
        .collect()
}
