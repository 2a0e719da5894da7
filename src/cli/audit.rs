//! `spanbench audit`: do a checkpoint's published figures reproduce, and under which protocol?

use std::path::{Path, PathBuf};
use std::slice;
use std::time::Duration;

use clap::Args;
use serde_json::Value;
use spanbench::audit::{
    Answering, Claim, DEFAULT_TOLERANCE, Data, Figures, Given, NullThreshold, Published, Run,
    Scoring, WireAudit, WireTrial, runs,
};
use spanbench::dataset::Dataset;
use spanbench::decode::Decoder;
use spanbench::device::DeviceChoice;
use spanbench::models::{Precision, card, locate};
use spanbench::record::folder::replace_file;
use spanbench::record::{Cell, run};
use spanbench::render;
use spanbench::score::{self, Predictions, Protocol, ProtocolChoice, Summation};
use spanbench::suite::values::{positive, threads};
use spanbench::suite::{CellPlan, Options, RunOptions, RunSettings, file_name};

use super::progress::Bars;
use super::rounds::{self, Plan};
use super::{Ended, folders, terminal};

/// A checkpoint, what is published of it, and what is known of how that was measured.
#[derive(Debug, Args)]
#[command(
    after_help = "Exit codes: 0 reproduces as published, 1 does not (though maybe under another protocol), 2 bad input or failure."
)]
#[allow(clippy::struct_excessive_bools)] // each is a switch of its own
pub struct AuditArguments {
    /// A model card's name; with --exact-match or --f1 a directory or owner/name[@revision] too
    #[arg(value_name = "CARD")]
    model: String,
    /// Which of the card's published figures, from 1 [default: the first of the data set, or of one that is known here]
    #[arg(long, value_name = "N")]
    published: Option<usize>,
    /// The published exact match in percent, in place of the card's figures
    #[arg(long, value_name = "PERCENT", value_parser = percent)]
    exact_match: Option<f64>,
    /// The published F1 in percent, in place of the card's figures
    #[arg(long, value_name = "PERCENT", value_parser = percent)]
    f1: Option<f64>,
    /// The data that the figures are of, all of it [default: what the card says]
    #[arg(long, value_name = "D")]
    dataset: Option<String>,
    /// The scorer that they are of [default: what the card says, else what the data set asks for]
    #[arg(long, value_name = "P")]
    protocol: Option<Protocol>,
    /// The decoder that they are of: run_qa, google or pipeline [default: what the card says, else run_qa]
    #[arg(long, value_name = "WHOSE")]
    decode: Option<Decoder>,
    /// The tokens of a window that they are of [default: what the card says, else 384]
    #[arg(long, value_name = "N", value_parser = positive)]
    max_seq_len: Option<usize>,
    /// The stride that they are of [default: what the card says, else 128]
    #[arg(long, value_name = "N")]
    doc_stride: Option<usize>,
    /// The tokens of an answer that they are of [default: what the card says, else the decoder's]
    #[arg(long, value_name = "N", value_parser = positive)]
    max_answer_len: Option<usize>,
    /// How far EM or F1 may be from what was published, in points [default: 0.1]
    #[arg(long, value_name = "POINTS", value_parser = points)]
    tolerance: Option<f64>,
    /// Try every protocol, also after one that reproduces
    #[arg(long)]
    all: bool,
    /// Where to compute: auto (the best there is), cpu, cuda, cuda:N, cuda:N,M,… (a replica on each) or metal [default: auto]
    #[arg(long, value_name = "DEVICE")]
    device: Option<DeviceChoice>,
    /// What weights are kept in: f32, f16, bf16 or int8 [default: f32]
    #[arg(long, value_name = "DTYPE")]
    dtype: Option<Precision>,
    /// Threads that compute [default: every processor this process may use]
    #[arg(long, value_name = "N", value_parser = threads)]
    threads: Option<usize>,
    /// Ask no hub; use what is in the cache
    #[arg(long)]
    offline: bool,
    /// Where results go: audit.json, and a folder a run [default: reports/<UTC time>-audit-<model>]
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Leave runs as they are that an earlier audit into the same folder finished [default folder: the newest of this model]
    #[arg(long)]
    resume: bool,
    /// Print the audit as JSON in place of the table
    #[arg(long)]
    json: bool,
}

fn percent(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(value) if (0.0..=100.0).contains(&value) => Ok(value),
        Ok(_) => Err("must be from 0 to 100".to_owned()),
        Err(fault) => Err(fault.to_string()),
    }
}

fn points(text: &str) -> Result<f64, String> {
    percent(text).map_err(|fault| format!("{fault}, in points"))
}

impl AuditArguments {
    fn given(&self) -> Given {
        Given {
            model: self.model.clone(),
            card: card::card(&self.model),
            number: self.published,
            exact_match: self.exact_match,
            f1: self.f1,
            dataset: self.dataset.clone(),
            scorer: self.protocol,
            decoder: self.decode,
            max_seq_len: self.max_seq_len,
            doc_stride: self.doc_stride,
            max_answer_len: self.max_answer_len,
        }
    }

    fn run_settings(&self) -> RunSettings {
        let options = RunOptions {
            offline: self.offline.then_some(true),
            ..RunOptions::default()
        };
        options.resolve()
    }
}

/// Runs the protocols, and ends with the verdict's exit code.
pub fn execute(arguments: &AuditArguments) -> anyhow::Result<()> {
    let mut claim = Claim::new(&arguments.given())?;
    claim.notes.iter().for_each(|note| terminal::note(note));
    let bars = Bars::new(None);
    let dataset = Dataset::open(&claim.dataset, arguments.offline, &bars)?;
    claim.check_questions(dataset.questions.len())?;
    let published = claim.protocol(Protocol::for_dataset(&dataset).0);
    published.scorer.check(&dataset)?;
    let precision = arguments.dtype.unwrap_or(Precision::F32);
    if precision != Precision::F32 {
        let name = precision.name();
        claim.unknown.push(format!(
            "the arithmetic: weights are kept in {name} here, and published figures are of f32 as a rule"
        ));
    }
    let language = dataset.language.as_ref();
    let data = Data {
        has_unanswerable: dataset.has_unanswerable,
        mlqa: language.and_then(|code| format!("mlqa:{code}").parse().ok()),
        max_positions: max_positions(arguments, &bars)?,
    };
    let name = format!("audit-{}", file_name(&arguments.model));
    let is_new = arguments.out.as_ref().is_none_or(|out| !out.exists());
    let base = folders::base(arguments.out.as_deref(), &name, arguments.resume)?;
    let auditing = Auditing {
        arguments,
        claim: &claim,
        published: &published,
        dataset: &dataset,
        settings: arguments.run_settings(),
        base: &base,
    };
    let audit = auditing.perform(&runs(&published, &data));
    if audit.is_err() && is_new {
        // Only where nothing was measured: a folder that holds something is not removed.
        let _ = std::fs::remove_dir(&base);
    }
    let audit = audit?;
    let text = serde_json::to_string_pretty(&audit)? + "\n";
    replace_file(&base.join("audit.json"), text.as_bytes())?;
    if arguments.json {
        terminal::print(&text)?;
    } else {
        terminal::print(&render::audit::text(&audit, terminal::emphasis()))?;
    }
    terminal::note(&format!("records: {}", base.display()));
    match audit.exit_code {
        0 => Ok(()),
        code => Err(Ended::Answer(code).into()),
    }
}

/// How long a window may be by the model's config.json, where that tells. RoBERTa counts two more
/// than there are; a run with too long a window is refused by the model itself.
fn max_positions(arguments: &AuditArguments, bars: &Bars) -> anyhow::Result<Option<usize>> {
    let files = locate::open(&arguments.model, arguments.offline, bars)?;
    // A config that is no JSON is told by the run.
    let config: Value = serde_json::from_slice(&files.config.bytes).unwrap_or_default();
    let positions = config["max_position_embeddings"].as_u64();
    Ok(positions.and_then(|count| usize::try_from(count).ok()))
}

/// An audit with all that it needs.
struct Auditing<'a> {
    arguments: &'a AuditArguments,
    claim: &'a Claim,
    published: &'a Published,
    dataset: &'a Dataset,
    settings: RunSettings,
    base: &'a Path,
}

impl Auditing<'_> {
    /// Makes one run after another until one reproduces.
    fn perform(&self, runs: &[Run]) -> anyhow::Result<WireAudit> {
        let mut trials: Vec<WireTrial> = Vec::new();
        let mut untried = 0;
        // Runs whose windows show every passage whole.
        let mut whole: Vec<Answering> = Vec::new();
        let mut inputs = None;
        for (number, planned) in runs.iter().enumerate() {
            let answering = &planned.answering;
            if whole.iter().any(|done| done.is_only_longer_in(answering)) {
                continue;
            }
            if !self.arguments.all && trials.iter().any(|trial| trial.reproduces) {
                untried += planned.scorings.len();
                continue;
            }
            let done = self.run(planned)?;
            if number == 0 && done.is_none() {
                return Err(Ended::Failed.into());
            }
            let found = self.trials(planned, done.as_ref())?;
            self.tell(planned, &found[0]);
            trials.extend(found);
            if let Some(run) = done {
                if run.questions.iter().all(|question| question.windows <= 1) {
                    whole.push(*answering);
                }
                let record = run.record;
                inputs.get_or_insert_with(|| (record.model().clone(), record.dataset().clone()));
            }
        }
        let Some(inputs) = inputs else {
            return Err(Ended::Failed.into());
        };
        let tolerance = self.tolerance();
        Ok(WireAudit::new(
            self.claim, inputs, tolerance, trials, untried,
        ))
    }

    fn tolerance(&self) -> f64 {
        self.arguments.tolerance.unwrap_or(DEFAULT_TOLERANCE)
    }

    /// Measures it, and gives what there is; nothing where it failed, which has been told.
    fn run(&self, planned: &Run) -> anyhow::Result<Option<run::Run>> {
        let arguments = self.arguments;
        let scorer = planned.scorings[0].scorer;
        let name = planned.answering.name(scorer);
        let options = Options {
            model: Some(arguments.model.clone()),
            dataset: Some(self.claim.dataset.clone()),
            device: arguments.device,
            dtype: arguments.dtype,
            threads: arguments.threads,
            protocol: Some(ProtocolChoice::Named(scorer)),
            // Speed is not what is asked.
            min_duration: Some(Duration::ZERO),
            ..planned.answering.options()
        };
        let cell = CellPlan::new(&name, &options, &self.settings)?;
        let path = self.base.join(&name);
        let folders = folders::make(Some(&path), &name, false, slice::from_ref(&cell))?;
        let plan = Plan {
            cells: vec![cell],
            run: self.settings.clone(),
            resume: arguments.resume,
            json: false,
            run_id: rounds::run_id(),
            command: rounds::command(),
        };
        let measured = rounds::measure(&plan, &folders)?;
        let is_whole = measured.is_whole;
        measured.check(true)?;
        if !is_whole {
            return Ok(None);
        }
        match run::open(&path)?.pop() {
            Some(Cell::Finished(run)) => Ok(Some(*run)),
            _ => Ok(None),
        }
    }

    /// A trial for each way in which the run's answers are scored.
    fn trials(&self, planned: &Run, done: Option<&run::Run>) -> anyhow::Result<Vec<WireTrial>> {
        let own = planned.scorings[0];
        let mut trials = Vec::new();
        for &scored in &planned.scorings {
            let figures = match done {
                Some(run) => self.figures(run, own, scored)?,
                None => None,
            };
            trials.push(WireTrial::new(
                self.claim,
                self.published,
                self.tolerance(),
                (&planned.answering, scored),
                figures,
                done.map(|run| run.path.display().to_string()),
            ));
        }
        Ok(trials)
    }

    /// The figures of a run with the scorer `own` as `scored` gives them.
    fn figures(
        &self,
        run: &run::Run,
        own: Scoring,
        scored: Scoring,
    ) -> anyhow::Result<Option<Figures>> {
        let accuracy = run.record.accuracy();
        if scored.null_threshold == Some(NullThreshold::Best) {
            let best = |name| accuracy.more.get(name).and_then(Value::as_f64);
            let best = best("best_exact").zip(best("best_f1"));
            return Ok(best.map(|(exact_match, f1)| Figures { exact_match, f1 }));
        }
        if scored.scorer == own.scorer {
            return Ok(Some(Figures {
                exact_match: accuracy.exact_match,
                f1: accuracy.f1,
            }));
        }
        // Another scorer of the same answers.
        let predictions = Predictions::read(&run.path.join("predictions.json"))?;
        let rescored = score::score(
            self.dataset,
            &predictions,
            scored.scorer,
            None,
            Summation::Plain,
        )?;
        Ok(Some(Figures {
            exact_match: rescored.accuracy.exact_match(),
            f1: rescored.accuracy.f1(),
        }))
    }

    /// A line a run, which may have taken hours.
    fn tell(&self, planned: &Run, trial: &WireTrial) {
        if let Some(found) = trial.figures {
            let name = planned.answering.name(planned.scorings[0].scorer);
            let distance = self.claim.figures.distance(found);
            terminal::note(&format!(
                "{name}: EM {:.2}, F1 {:.2}, off by {distance:.2}",
                found.exact_match, found.f1
            ));
        }
    }
}
