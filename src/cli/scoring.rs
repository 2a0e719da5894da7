//! How answers are scored and analysed: arguments that `run` and `score` share.

use clap::Args;
use spanbench::score::{ProtocolChoice, Summation};

use super::questions::positive;

/// The protocol and what goes with it.
#[derive(Debug, Args)]
pub struct ScoringArguments {
    /// How answers are scored: auto (by the data set), squad-v1, squad-v2, or mlqa:LANG (en es hi vi de ar zh)
    #[arg(long, value_name = "P", default_value = "auto")]
    pub protocol: ProtocolChoice,
    /// How squad-v2's script adds: plain, or compensated as sum() of Python 3.12 and 3.13
    #[arg(long, value_name = "HOW", default_value = "plain")]
    pub summation: Summation,
    /// Bootstrap resamples for the 95 % intervals
    #[arg(long, value_name = "N", default_value_t = 10_000, value_parser = resamples)]
    pub resamples: usize,
    /// Parts, apart by article, over which the spread of EM and F1 is shown
    #[arg(long, value_name = "K", default_value_t = 5, value_parser = folds)]
    pub folds: usize,
}

/// A number of resamples that fit a memory.
fn resamples(text: &str) -> Result<usize, String> {
    match positive(text)? {
        number if number > 1_000_000 => Err("must be at most 1000000".to_owned()),
        number => Ok(number),
    }
}

/// A number of folds: one has no spread.
fn folds(text: &str) -> Result<usize, String> {
    match positive(text)? {
        1 => Err("must be at least 2".to_owned()),
        number if number > 1000 => Err("must be at most 1000".to_owned()),
        number => Ok(number),
    }
}

/// One line on the protocol that was chosen for the user, and why.
pub fn auto_note(dataset: &str, protocol: &str, reason: &str) -> String {
    format!("{dataset}: scored by {protocol}, {reason}")
}
