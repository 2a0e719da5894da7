//! Which data set, and which of its questions: arguments that `run` and `score` share.

use std::path::PathBuf;

use clap::Args;
use spanbench::dataset::selection::IdFile;
use spanbench::dataset::{DatasetError, QuestionSelection};

/// Which questions of a data set count.
#[derive(Debug, Args)]
pub struct QuestionArguments {
    /// Only the questions whose ids are in FILE, one a line or as a JSON list
    #[arg(long, value_name = "FILE")]
    ids: Option<PathBuf>,
    /// Only N questions drawn at random (see --seed)
    #[arg(long, value_name = "N", value_parser = positive)]
    sample: Option<usize>,
    /// Only the first N questions
    #[arg(long, value_name = "N", value_parser = positive)]
    limit: Option<usize>,
    /// Seed of what is random: the sample, a shuffled order of windows, which questions are asked when, resamples and folds
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub seed: u64,
}

impl QuestionArguments {
    /// Reads the file of ids, if there is one.
    pub fn selection(&self) -> Result<QuestionSelection, DatasetError> {
        Ok(QuestionSelection {
            ids: self.ids.as_deref().map(IdFile::read).transpose()?,
            sample: self.sample,
            limit: self.limit,
            seed: self.seed,
        })
    }
}

/// A number of at least one.
pub fn positive(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(0) => Err("must be at least 1".to_owned()),
        Ok(number) => Ok(number),
        Err(fault) => Err(format!("{fault}")),
    }
}
