//! One cell: a model, a data set and settings in, a record out.

mod analysis;
pub mod answer;
pub mod answered;
pub mod assemble;
pub mod child;
pub mod failure;
pub mod fetch;
pub mod figures;
mod fitting;
mod forward;
pub mod inputs;
pub mod isolate;
pub mod kept;
pub mod line;
mod measured;
pub mod profiling;
pub mod proof;
mod repetition;
mod replicas;
mod room;
pub mod samples;
pub mod scoring;
mod sections;
mod small_batches;
pub mod timed;
pub mod warm_up;
pub mod work;

use serde::{Deserialize, Serialize};

use crate::dataset::{DatasetError, QuestionSelection};
use crate::device::{DeviceChoice, DeviceError};
use crate::hub::Progress as HubProgress;
use crate::models::{self, ModelError, Precision};
use crate::ops::FormChoice;
use crate::record::CellOutput;
use crate::record::wire::{WireFailure, WireShard};
use crate::score::{ProtocolChoice, ScoreError, Summation};
use crate::windows::{WindowError, WindowSettings};
pub use answer::{AnswerError, AnswerSettings, Answers, Progress, Silent, WindowOrder};
pub use line::Line;
pub use timed::Timing;
pub use work::{Job, Work};

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
    /// The timed answers are not the scored ones.
    #[error("{}", .0.error.message)]
    TimedAnswers(Box<WireFailure>),
    /// No question falls to the shard: there is nothing to answer, and nothing wrong.
    #[error(
        "shard {}/{} has no question: the whole has {}", .0.shard, .0.of, .0.whole.questions
    )]
    EmptyShard(Box<WireShard>),
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
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
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
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
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
    /// Tokens of a batch at the most; absent where they are [`scoring::usual_batch_tokens`], or as many fewer
    /// as a device has memory for.
    pub batch_tokens: Option<usize>,
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
    /// How questions arrive on the clock.
    pub timing: Timing,
    /// Whether the hub must not be asked.
    pub offline: bool,
}

/// Runs a cell in this process, from its names to its record.
///
/// The program gives each cell a process of its own ([`isolate`]); this is for tests and for
/// programs that are one cell themselves.
///
/// # Errors
///
/// See [`CellError`]. Nothing is written.
pub fn run(
    spec: &CellSpec,
    hub_progress: &dyn HubProgress,
    progress: &dyn Progress,
) -> Result<CellOutput, CellError> {
    let job = Job {
        spec: spec.clone(),
        accuracy: true,
        profile: false,
        device_peak: false,
        turn: None,
    };
    let work = work::perform(&job, &models::load, hub_progress, progress)?;
    let works = [work];
    assemble::check(spec, &works).map_err(CellError::TimedAnswers)?;
    Ok(assemble::assemble(
        spec,
        &works,
        &assemble::About::default(),
    ))
}
