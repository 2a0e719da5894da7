//! What one process does of a cell: loads the model, answers every question for its score, and
//! answers again on the clock.

use std::time::{Duration, SystemTime};

use candle_core::Device;
use serde::{Deserialize, Serialize};

use super::answer::Progress;
use super::answered::{self, Answered};
use super::fitting::Fitting;
use super::line::Line;
use super::measured::{self, Measured};
use super::profiling::{self, ProfiledPass};
use super::replicas::Replicas;
use super::scoring::{self, Scoring};
use super::small_batches::{self, SmallBatches};
use super::timed::TimedPass;
use super::warm_up::{self, WarmUp};
use super::{CellError, CellSpec, room, sections};
use crate::analysis::wire::WireAnalysis;
use crate::dataset::Dataset;
use crate::device::{DeviceError, OpenDevice};
use crate::hub::Progress as HubProgress;
use crate::measure::card_peak;
use crate::measure::device_memory::DeviceMemory;
use crate::measure::environment::Environment;
use crate::measure::gpu;
use crate::measure::memory::MemoryWatch;
use crate::measure::phases::PhaseClock;
use crate::measure::scenario::rules::Scenario;
use crate::models::files::ModelFiles;
use crate::models::{self, ModelDescription, ModelError, Precision, SpanModel};
use crate::ops::FormChoice;
use crate::record::QuestionResult;
use crate::record::wire::{
    ShardOf, WireAccuracy, WireCard, WireCardUse, WireDataset, WireEnergy, WireEnvironment,
    WireMemory, WireMemorySamples, WireModel, WireNoise, WireProtocol, WireShard, phases,
};
use crate::score::Protocol;
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
    /// Whether it is measured what devices other than the processor can do at the most.
    #[serde(default)]
    pub device_peak: bool,
    /// How long a turn is, where the process takes turns with those of other cells.
    pub turn: Option<Duration>,
}

/// What a process gives back.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Work {
    /// When it began, in UTC (RFC 3339).
    pub started: String,
    /// What answered.
    pub model: WireModel,
    /// Whether it was known from an earlier time which layers lose too much in eight bits.
    #[serde(default)]
    pub quantization_from_cache: Option<bool>,
    /// What was asked. Its windows and tokens are counted where the job is to score.
    pub dataset: WireDataset,
    /// `cpu`, `cuda:N`, `cuda:N,M`, `metal`.
    pub device: String,
    /// Every setting that can change a figure.
    pub protocol: WireProtocol,
    /// The score, where it was asked for.
    pub accuracy: Option<AccuracyPass>,
    /// What the shards of the cell are merged from, where the questions are one and scored.
    #[serde(default)]
    pub shard: Option<Box<WireShard>>,
    /// What was computed before the clock ran.
    pub warm_up: WarmUp,
    /// What was measured.
    pub timed: TimedPass,
    /// The profiled pass, where it was asked for.
    pub profiled: Option<ProfiledPass>,
    /// What devices other than the processor can do at the most, all together, in floating-point operations
    /// a second of what matrices are multiplied in; nothing where that was not asked for.
    #[serde(default)]
    pub device_peak_flops_per_s: Option<f64>,
    /// How much memory it took.
    pub memory: WireMemory,
    /// Anonymous memory over the timed pass.
    pub memory_samples: WireMemorySamples,
    /// How much energy the timed pass took.
    pub energy: WireEnergy,
    /// What else went on during it.
    pub noise: WireNoise,
    /// What the NVIDIA card did during it.
    #[serde(default)]
    pub cards: Vec<WireCardUse>,
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
    /// Windows that the questions were cut into.
    pub windows: usize,
    /// Tokens of all windows.
    pub tokens: usize,
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
    let mut process = Process::begin(job, progress)?;
    let dataset = process.load_dataset(spec, hub_progress)?;
    progress.phase("model_files");
    let files = models::locate::open(&spec.model, spec.settings.offline, hub_progress)?;
    process.end("model_files");
    pool.install(|| process.finish(job, &dataset, &files, load))
}

/// What goes along with a process from its first moment.
pub(super) struct Process<'a> {
    started: SystemTime,
    pub(super) clock: PhaseClock,
    pub(super) memory: MemoryWatch,
    pub(super) device_memory: DeviceMemory,
    pub(super) device: OpenDevice,
    pub(super) progress: &'a dyn Progress,
    /// How long a turn is, where others compute while this waits.
    turn: Option<Duration>,
}

impl<'a> Process<'a> {
    fn begin(job: &Job, progress: &'a dyn Progress) -> Result<Self, DeviceError> {
        progress.phase("device");
        let (started, clock, memory) =
            (SystemTime::now(), PhaseClock::start(), MemoryWatch::start());
        let device = job.spec.settings.device.open()?;
        let mut process = Self {
            started,
            clock,
            memory,
            device_memory: DeviceMemory::follow(device.all()),
            device,
            progress,
            turn: job.turn,
        };
        process.end("device");
        Ok(process)
    }

    fn load_dataset(
        &mut self,
        spec: &CellSpec,
        hub_progress: &dyn HubProgress,
    ) -> Result<Dataset, CellError> {
        self.progress.phase("dataset");
        let mut dataset = Dataset::open(&spec.dataset, spec.settings.offline, hub_progress)?;
        dataset.select(&spec.questions)?;
        self.end("dataset");
        match sections::empty_shard(spec, &dataset, &self.device.device, self.turn) {
            Some(shard) => Err(CellError::EmptyShard(Box::new(shard))),
            None => Ok(dataset),
        }
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
        let models = self.device.all().map(|device| {
            let model = load(files, device, settings.precision, settings.ops)?;
            Ok::<_, ModelError>(Fitting::new(model))
        });
        let models = models.collect::<Result<Vec<_>, _>>()?;
        let model = Replicas::new(models);
        let windower = windower(files, model.description(), settings.windows)?;
        self.end("model_load");
        let mut line = Line {
            model: &model,
            windower: &windower,
            dataset,
            settings: scoring::answer_settings(settings, protocol, &self.device.device),
        };
        self.progress.phase("first_forward");
        let fewer_tokens = match settings.batch_tokens {
            Some(_) => None,
            None => room::fewer_tokens(&line, &self.device)?,
        };
        if let Some(fewer) = fewer_tokens {
            line.settings.batch_tokens = fewer;
        }
        line.first_forward()?;
        self.end("first_forward");
        let (accuracy, answered) = self.accuracy(job, &line, protocol)?.unzip();
        self.progress.phase("warm_up");
        let small = match settings.timing.scenario {
            Scenario::SingleStream | Scenario::Server => small_batches::prepare(&line)?,
            // Hardly a batch is a single question's.
            Scenario::Offline | Scenario::MultiStream => SmallBatches::default(),
        };
        let warm_up = WarmUp {
            cuda_graphs: small.graphs,
            ..warm_up::perform(&line, self.progress)?
        };
        self.end("warm_up");
        let measured = self.measure(&settings.timing, &line)?;
        let device_peak = self.device_peak(job, &line);
        let profiled = self.profile(job, &line)?;
        let mut work = self.work(spec, &line, files, accuracy, warm_up, measured, profiled);
        work.warnings.extend(fewer_tokens.map(room::note));
        work.warnings.extend(model.warnings());
        work.warnings.extend(small.warnings);
        let device_peak_flops_per_s = device_peak.unwrap_or_else(|fault| {
            work.warnings.push(fault);
            None
        });
        Ok(Work {
            device_peak_flops_per_s,
            shard: answered.and_then(|answered| shard(spec, &work, dataset, &answered)),
            ..work
        })
    }

    /// Every question answered and scored, where the job asks for that. It comes before what is
    /// measured, and what it needed is gone by then: of the answers is kept what shards are merged
    /// from, and nothing where there are no shards.
    fn accuracy(
        &mut self,
        job: &Job,
        line: &Line<'_>,
        protocol: Protocol,
    ) -> Result<Option<(AccuracyPass, Vec<Answered>)>, CellError> {
        if !job.accuracy {
            return Ok(None);
        }
        let dataset = line.dataset;
        let scoring = Scoring::of(&job.spec.settings, &line.settings, protocol);
        self.progress.phase("accuracy");
        // The pass is one phase of the cell; its parts are those of the timed pass.
        let answers = line.answer_all(&mut PhaseClock::start(), self.progress)?;
        self.end("accuracy");
        self.progress.phase("score");
        let mut answered = answered::answered(&answers);
        let scored = scoring.score(dataset, &answered)?;
        self.end("score");
        self.progress.phase("analysis");
        answered::add_reach(&mut answered, line, &answers, &scored, protocol);
        let pass = scoring.accuracy_pass(dataset, &answered, answers.tokens(), &scored);
        drop(answers);
        if dataset.part.is_none() {
            answered = Vec::new();
        }
        self.end("analysis");
        Ok(Some((pass, answered)))
    }

    /// What the devices can do in the dtype that the model multiplies in, where the job asks for it; or why
    /// that could not be measured.
    fn device_peak(&mut self, job: &Job, line: &Line<'_>) -> Result<Option<f64>, String> {
        // What the processor can do is measured once for all cells.
        if !job.device_peak || self.device.device.is_cpu() {
            return Ok(None);
        }
        let Some(dtype) = card_peak::dtype(line.model.description().compute_dtype) else {
            return Ok(None);
        };
        self.progress.phase("device_peak");
        let peaks = self.device.all();
        let peaks = peaks.map(|device| card_peak::matrix_peak_flops_per_s(device, dtype));
        let peak = peaks.sum::<Result<f64, _>>();
        self.end("device_peak");
        match peak {
            Ok(peak) => Ok(Some(peak)),
            Err(fault) => Err(format!("--roofline: {}: {fault}", self.device.name)),
        }
    }

    fn profile(&mut self, job: &Job, line: &Line<'_>) -> Result<Option<ProfiledPass>, CellError> {
        if !job.profile {
            return Ok(None);
        }
        self.progress.phase("profile");
        let profiled = profiling::perform(line, self.progress)?;
        self.end("profile");
        Ok(profiled)
    }

    /// The end of a phase.
    pub(super) fn end(&mut self, phase: &'static str) {
        self.clock.end(phase);
        self.memory.mark(phase);
        self.device_memory.mark(measured::is_of_all(phase));
    }

    #[allow(clippy::too_many_arguments)]
    fn work(
        mut self,
        spec: &CellSpec,
        line: &Line<'_>,
        files: &ModelFiles,
        accuracy: Option<AccuracyPass>,
        warm_up: WarmUp,
        measured: Measured,
        profiled: Option<ProfiledPass>,
    ) -> Work {
        let turns = self.turn.is_some();
        let protocol = sections::wire_protocol(spec, &line.settings, line.dataset, self.turn);
        let counts = accuracy.as_ref().map(|pass| (pass.windows, pass.tokens));
        let environment = WireEnvironment {
            cards: self
                .device
                .all()
                .filter_map(gpu::card)
                .map(WireCard::from)
                .collect(),
            ..WireEnvironment::new(Environment::read(), spec.settings.threads)
        };
        let description = line.model.description();
        let quantization = description.quantization.as_ref();
        let mut warnings = sections::warnings(line.dataset, &environment, &self.device);
        warnings.extend(quantization.and_then(|found| found.cache_fault.clone()));
        let work = Work {
            started: humantime::format_rfc3339_millis(self.started).to_string(),
            model: sections::wire_model(files, description),
            quantization_from_cache: quantization.and_then(|found| found.from_cache),
            dataset: sections::wire_dataset(line.dataset, counts),
            device: self.device.name.clone(),
            protocol,
            accuracy,
            shard: None,
            warm_up,
            profiled,
            device_peak_flops_per_s: None,
            memory: measured::wire_memory(
                (&self.memory, &self.device_memory),
                description.weights_bytes,
                &measured.samples,
            ),
            memory_samples: measured.samples.as_slice().into(),
            energy: measured.energy,
            noise: WireNoise::new(&measured.noise, environment.cores_used, turns),
            cards: measured.cards,
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
}

/// What the cell's shards are merged from, where the questions are one.
fn shard(
    spec: &CellSpec,
    work: &Work,
    dataset: &Dataset,
    answered: &[Answered],
) -> Option<Box<WireShard>> {
    let about = ShardOf {
        cell: &spec.name,
        part: dataset.part.as_ref()?,
        model: Some(work.model.clone()),
        dataset: work.dataset.clone(),
        protocol: work.protocol.clone(),
        resamples: spec.settings.resamples,
        folds: spec.settings.folds,
    };
    Some(Box::new(WireShard::new(about, dataset, answered)))
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
