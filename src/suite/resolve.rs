//! Options to the cell and the run that they mean.

use std::path::PathBuf;
use std::time::Duration;

use super::options::{Options, RunOptions};
use super::values::RooflineChoice;
use crate::cell::{CellSettings, CellSpec, Timing};
use crate::dataset::selection::IdFile;
use crate::dataset::{DatasetError, QuestionSelection, Shard};
use crate::decode::{DecodeSettings, Decoder};
use crate::measure::scenario::rules::{Rules, Scenario};
use crate::windows::WindowSettings;

/// Options that do not go together, or a file of theirs that is at fault.
#[derive(Debug, thiserror::Error)]
pub enum OptionsError {
    /// An option that another takes no notice of.
    #[error("--{option} has no meaning with --{other}, {reason}; leave it out")]
    NoMeaning {
        /// The option.
        option: &'static str,
        /// The other with its value.
        other: String,
        /// What the other does.
        reason: &'static str,
    },
    /// The server scenario without a rate.
    #[error(
        "--scenario server needs --rate R (queries a second), or --find-rate to find the highest"
    )]
    NoRate,
    /// A rate that is given and looked for.
    #[error("--rate and --find-rate: give one of them; the other finds its own")]
    TwoRates,
    /// Rules of one's own beside MLPerf's.
    #[error("--{option} and --mlperf: the rules are MLPerf's, or your own; leave one out")]
    OwnRules {
        /// One's own rule.
        option: &'static str,
    },
    /// The file of ids.
    #[error(transparent)]
    Ids(#[from] DatasetError),
}

impl Options {
    /// The cell called `name` that is meant.
    ///
    /// # Errors
    ///
    /// Fails where an option is given that another takes no notice of, or the file of ids is at
    /// fault.
    pub fn resolve(&self, name: &str, offline: bool) -> Result<CellSpec, OptionsError> {
        const DEFAULT: &str = "OK because the defaults say it";
        let all = self.clone().over(&Self::defaults());
        let decoder = all.decode.expect(DEFAULT);
        let seed = all.seed.expect(DEFAULT);
        self.check_decoder(decoder)?;
        let decode = DecodeSettings::new(decoder);
        let windows = WindowSettings::default();
        Ok(CellSpec {
            name: name.to_owned(),
            model: all.model.expect(DEFAULT),
            dataset: all.dataset.expect(DEFAULT),
            questions: QuestionSelection {
                ids: all.ids.as_deref().map(IdFile::read).transpose()?,
                sample: all.sample,
                limit: all.limit,
                seed,
                shard: None,
            },
            settings: CellSettings {
                windows: WindowSettings {
                    max_seq_len: all.max_seq_len.expect(DEFAULT),
                    doc_stride: all.doc_stride.expect(DEFAULT),
                    max_question_len: all.max_question_len.unwrap_or(windows.max_question_len),
                    decoder,
                },
                n_best: all.n_best.unwrap_or(decode.n_best),
                max_answer_len: all.max_answer_len.unwrap_or(decode.max_answer_len),
                protocol: all.protocol.expect(DEFAULT),
                summation: all.summation.expect(DEFAULT),
                resamples: all.resamples.expect(DEFAULT),
                folds: all.folds.expect(DEFAULT),
                threads: all.threads.unwrap_or_else(default_threads),
                batch_tokens: all.batch_tokens,
                order: all.window_order.expect(DEFAULT),
                seed,
                device: all.device.expect(DEFAULT),
                precision: all.dtype.expect(DEFAULT),
                ops: all.ops.expect(DEFAULT),
                timing: self.timing(all.scenario.expect(DEFAULT), seed)?,
                offline,
            },
        })
    }

    /// Settings that the decoder would take no notice of are refused.
    fn check_decoder(&self, decoder: Decoder) -> Result<(), OptionsError> {
        let refuse = |option, reason| {
            Err(OptionsError::NoMeaning {
                option,
                other: format!("decode {decoder}"),
                reason,
            })
        };
        if self.n_best.is_some() && decoder == Decoder::Pipeline {
            return refuse("n-best", "which looks at all spans");
        }
        if self.max_question_len.is_some() && decoder != Decoder::Google {
            return refuse("max-question-len", "which keeps questions whole");
        }
        Ok(())
    }

    /// The scenario with its rules; settings that it would take no notice of are refused.
    fn timing(&self, scenario: Scenario, seed: u64) -> Result<Timing, OptionsError> {
        let find_rate = self.find_rate == Some(true);
        let mlperf = self.mlperf == Some(true);
        if scenario == Scenario::Server {
            if self.rate.is_none() && !find_rate {
                return Err(OptionsError::NoRate);
            }
        } else {
            let given = [
                (self.rate.is_some(), "rate"),
                (find_rate, "find-rate"),
                (self.latency_bound.is_some(), "latency-bound"),
            ];
            if let Some((_, option)) = given.into_iter().find(|(given, _)| *given) {
                return Err(OptionsError::NoMeaning {
                    option,
                    other: format!("scenario {scenario}"),
                    reason: "in which no query waits for another",
                });
            }
        }
        if self.rate.is_some() && find_rate {
            return Err(OptionsError::TwoRates);
        }
        let own = [
            (self.min_duration.is_some(), "min-duration"),
            (self.min_queries.is_some(), "min-queries"),
            (self.latency_bound.is_some(), "latency-bound"),
        ];
        match own.into_iter().find(|(given, _)| *given) {
            Some((_, option)) if mlperf => return Err(OptionsError::OwnRules { option }),
            _ => {}
        }
        let rules = if mlperf {
            Rules::mlperf(scenario)
        } else {
            Rules::quick(scenario)
        };
        Ok(Timing {
            scenario,
            rules: Rules {
                min_duration: self.min_duration.unwrap_or(rules.min_duration),
                min_queries: self.min_queries.map_or(rules.min_queries, |n| n as u64),
                latency_bound: self.latency_bound.or(rules.latency_bound),
                seed,
                ..rules
            },
            mlperf,
            rate: self.rate,
            find_rate,
        })
    }
}

/// Every processor that the system, its control groups and affinity leave to this process.
fn default_threads() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

/// How a run goes, whatever its cells.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunSettings {
    /// How often each cell is measured.
    pub repetitions: usize,
    /// How long a turn is, where the cells of a round compute in turns.
    pub turn: Option<Duration>,
    /// Whether the machine's peak is wanted; if so, whether it is measured anew.
    pub roofline: Option<bool>,
    /// Whether a pass is profiled.
    pub profile: bool,
    /// How long the process of a cell may take.
    pub time_limit: Duration,
    /// How long it may go on without any progress.
    pub stall_limit: Duration,
    /// Whether the hub must not be asked.
    pub offline: bool,
}

impl RunOptions {
    /// The run that is meant.
    pub fn resolve(&self) -> RunSettings {
        const DEFAULT: &str = "OK because the defaults say it";
        let all = self.clone().over(&Self::defaults());
        RunSettings {
            repetitions: all.repeat.expect(DEFAULT),
            turn: all.turns,
            roofline: all.roofline.map(|when| when == RooflineChoice::Fresh),
            profile: all.profile.expect(DEFAULT),
            time_limit: all.time_limit.expect(DEFAULT),
            stall_limit: all.stall_limit.expect(DEFAULT),
            offline: all.offline.expect(DEFAULT),
        }
    }
}

impl RunSettings {
    /// Whether `cell` can be run so: turns are for cells that nobody waits for.
    ///
    /// # Errors
    ///
    /// Says why it cannot.
    pub fn check(&self, cell: &CellSpec) -> Result<(), OptionsError> {
        let scenario = cell.settings.timing.scenario;
        if self.turn.is_some() && scenario != Scenario::Offline {
            return Err(OptionsError::NoMeaning {
                option: "turns",
                other: format!("scenario {scenario}"),
                reason: "whose latencies a wait would be part of",
            });
        }
        Ok(())
    }
}

/// A cell that is to be run.
#[derive(Debug, Clone, PartialEq)]
pub struct CellPlan {
    /// What it is made of.
    pub spec: CellSpec,
    /// The program that runs it, where that is not this one.
    pub program: Option<PathBuf>,
    /// The accuracy that it must reach.
    pub expected: Option<super::expect::Expected>,
    /// What its author says of it, in Markdown.
    pub prose: Option<String>,
    /// What was said of it, the defaults included.
    pub options: Options,
}

impl CellPlan {
    /// Leaves it a part of its questions, of which no accuracy is expected.
    pub fn take_shard(&mut self, shard: Shard) {
        self.spec.questions.shard = Some(shard);
        self.expected = None;
    }

    /// The cell called `name` that `options` mean, in a run with these settings.
    ///
    /// # Errors
    ///
    /// See [`Options::resolve`] and [`RunSettings::check`].
    pub fn new(name: &str, options: &Options, run: &RunSettings) -> Result<Self, OptionsError> {
        let spec = options.resolve(name, run.offline)?;
        run.check(&spec)?;
        Ok(Self {
            spec,
            program: options.cell_program.clone(),
            expected: None,
            prose: None,
            options: options.clone().over(&Options::defaults()),
        })
    }
}
