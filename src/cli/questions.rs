//! Which data set, and which of its questions: arguments that `run` and `score` share.

use std::path::PathBuf;

use clap::Args;
use spanbench::suite::values::positive;

/// Which questions of a data set count.
#[derive(Debug, Args)]
pub struct QuestionArguments {
    /// Only the questions whose ids are in FILE, one a line or as a JSON list
    #[arg(long, value_name = "FILE")]
    pub ids: Option<PathBuf>,
    /// Only N questions drawn at random (see --seed)
    #[arg(long, value_name = "N", value_parser = positive)]
    pub sample: Option<usize>,
    /// Only the first N questions
    #[arg(long, value_name = "N", value_parser = positive)]
    pub limit: Option<usize>,
    /// Seed of what is random: the sample, a shuffled order of windows, which questions are asked when, resamples and
    /// folds [default: 0]
    #[arg(long, value_name = "N")]
    pub seed: Option<u64>,
}
