//! Which data set, and which of its questions: arguments that `run` and `score` share.

use std::path::PathBuf;

use clap::Args;
use spanbench::dataset::Shard;
use spanbench::suite::values::positive;

use super::job_array::{self, ShardChoice};
use super::terminal;

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
    /// Only shard I of N, I from 1: a part of those, in one run of questions; `spanbench merge` makes one record of all N.
    /// auto takes I and N from the array job of Slurm or the Indexed Job of Kubernetes that this is a task of
    #[arg(long, value_name = "I/N", value_parser = job_array::shard)]
    shard: Option<ShardChoice>,
    /// Seed of what is random: the sample, a shuffled order of windows, which questions are asked when, resamples and
    /// folds [default: 0]
    #[arg(long, value_name = "N")]
    pub seed: Option<u64>,
}

impl QuestionArguments {
    /// The shard; where the environment chooses it, that is told.
    pub fn shard(&self) -> anyhow::Result<Option<Shard>> {
        match self.shard {
            None => Ok(None),
            Some(ShardChoice::Given(shard)) => Ok(Some(shard)),
            Some(ShardChoice::Auto) => {
                let (shard, note) = job_array::from_environment(|name| std::env::var(name).ok())?;
                terminal::note(&note);
                Ok(Some(shard))
            }
        }
    }
}
