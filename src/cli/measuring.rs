//! How a cell is measured: scenario, repetitions, limits.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use spanbench::measure::scenario::rules::Scenario;
use spanbench::suite::RunOptions;
use spanbench::suite::values::{RooflineChoice, positive, rate, some_time, time};

/// How a cell is measured.
#[derive(Debug, Args)]
pub struct MeasuringArguments {
    /// How questions arrive: offline (all at once), single-stream (one after another), multi-stream (8 a query, one query
    /// after another) or server (at random times, see --rate) [default: offline]
    #[arg(long, value_name = "SCENARIO")]
    pub scenario: Option<Scenario>,
    /// Queries a second that arrive, with --scenario server
    #[arg(long, value_name = "R", value_parser = rate, alias = "target-qps")]
    pub rate: Option<f64>,
    /// Find the highest rate that holds the latency bound, with --scenario server
    #[arg(long)]
    pub find_rate: bool,
    /// What the 99th percentile of latency must not exceed, with --scenario server [default: 1s; 130ms with --mlperf]
    #[arg(long, value_name = "TIME", value_parser = some_time)]
    pub latency_bound: Option<Duration>,
    /// How long the timed pass lasts at least [default: 5s offline, else 10s]
    #[arg(long, value_name = "TIME", value_parser = time)]
    pub min_duration: Option<Duration>,
    /// Queries of the timed pass at the least; in the offline scenario windows [default: the data set; 100, or 64 of
    /// multi-stream]
    #[arg(long, value_name = "N", value_parser = positive)]
    pub min_queries: Option<usize>,
    /// MLPerf Inference's rules: ten minutes at least, its query counts and bounds, early stopping decides
    #[arg(long)]
    pub mlperf: bool,
    /// Measure each cell N times, each time in a new process, the cells in turn [default: 1]
    #[arg(long, value_name = "N", value_parser = positive)]
    repeat: Option<usize>,
    /// Keep the cells of a round in memory together and let them compute in turns of TIME: on a machine whose speed changes
    /// from one second to the next, only so can they be compared [default where given: 200ms]
    #[arg(long, value_name = "TIME", num_args = 0..=1, require_equals = true, default_missing_value = "200ms", value_parser = some_time)]
    turns: Option<Duration>,
    /// Measure the machine's own matrix peak and memory bandwidth, and say what part of the peak the model reaches: once a
    /// machine (cached), or anew (fresh)
    #[arg(long, value_name = "WHEN", num_args = 0..=1, require_equals = true, default_missing_value = "cached")]
    roofline: Option<RooflineChoice>,
    /// Answer the first 200 questions once more with every operation measured: a table, and trace.json for Perfetto
    #[arg(long)]
    profile: bool,
    /// How long the process of a cell may take [default: 12h]
    #[arg(long, value_name = "TIME", value_parser = some_time)]
    time_limit: Option<Duration>,
    /// How long it may go on without any progress [default: 15m]
    #[arg(long, value_name = "TIME", value_parser = some_time)]
    stall_limit: Option<Duration>,
    /// The program that runs the cells: another build of spanbench, to compare with this one [default: this one]
    #[arg(long, value_name = "PATH")]
    pub cell_program: Option<PathBuf>,
}

impl MeasuringArguments {
    /// What was said of the run as a whole.
    pub fn run_options(&self, offline: bool) -> RunOptions {
        RunOptions {
            repeat: self.repeat,
            turns: self.turns,
            roofline: self.roofline,
            profile: self.profile.then_some(true),
            time_limit: self.time_limit,
            stall_limit: self.stall_limit,
            offline: offline.then_some(true),
        }
    }
}
