//! How answers are scored and analysed: arguments that `run` and `score` share.

use clap::Args;
use spanbench::score::{ProtocolChoice, Summation};
use spanbench::suite::values::{folds, resamples};

/// The protocol and what goes with it.
#[derive(Debug, Args)]
pub struct ScoringArguments {
    /// How answers are scored: auto (by the data set), squad-v1, squad-v2, or mlqa:LANG (en es hi vi de ar zh) [default: auto]
    #[arg(long, value_name = "P")]
    pub protocol: Option<ProtocolChoice>,
    /// How squad-v2's script adds: plain, or compensated as sum() of Python 3.12 and 3.13 [default: plain]
    #[arg(long, value_name = "HOW")]
    pub summation: Option<Summation>,
    /// Bootstrap resamples for the 95 % intervals [default: 10000]
    #[arg(long, value_name = "N", value_parser = resamples)]
    pub resamples: Option<usize>,
    /// Parts, apart by article, over which the spread of EM and F1 is shown [default: 5]
    #[arg(long, value_name = "K", value_parser = folds)]
    pub folds: Option<usize>,
}

/// One line on the protocol that was chosen for the user, and why.
pub fn auto_note(dataset: &str, protocol: &str, reason: &str) -> String {
    format!("{dataset}: scored by {protocol}, {reason}")
}
