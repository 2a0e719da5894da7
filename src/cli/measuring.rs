//! How a cell is measured: scenario, repetitions, limits.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use clap::builder::PossibleValuesParser;
use spanbench::cell::Timing;
use spanbench::measure::scenario::rules::{Rules, Scenario};

use super::questions::positive;

/// How a cell is measured.
#[derive(Debug, Args)]
pub struct MeasuringArguments {
    /// How questions arrive: offline (all at once), single-stream (one after another), multi-stream (8 a query, one query
    /// after another) or server (at random times, see --rate)
    #[arg(long, value_name = "SCENARIO", default_value = "offline")]
    scenario: Scenario,
    /// Queries a second that arrive, with --scenario server
    #[arg(long, value_name = "R", value_parser = rate, alias = "target-qps")]
    rate: Option<f64>,
    /// Find the highest rate that holds the latency bound, with --scenario server
    #[arg(long)]
    find_rate: bool,
    /// What the 99th percentile of latency must not exceed, with --scenario server [default: 1s; 130ms with --mlperf]
    #[arg(long, value_name = "TIME", value_parser = time)]
    latency_bound: Option<Duration>,
    /// How long the timed pass lasts at least [default: 5s offline, else 10s]
    #[arg(long, value_name = "TIME", value_parser = humantime::parse_duration)]
    min_duration: Option<Duration>,
    /// Queries of the timed pass at the least; in the offline scenario windows [default: the data set; 100, or 64 of
    /// multi-stream]
    #[arg(long, value_name = "N", value_parser = positive)]
    min_queries: Option<usize>,
    /// MLPerf Inference's rules: ten minutes at least, its query counts and bounds, early stopping decides
    #[arg(long)]
    mlperf: bool,
    /// Measure each cell N times, each time in a new process, the cells in turn
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = positive)]
    pub repeat: usize,
    /// Keep the cells of a round in memory together and let them compute in turns of TIME: on a machine whose speed changes
    /// from one second to the next, only so can they be compared [default where given: 200ms]
    #[arg(long, value_name = "TIME", num_args = 0..=1, require_equals = true, default_missing_value = "200ms", value_parser = time)]
    turns: Option<Duration>,
    /// Measure the machine's own matrix peak and memory bandwidth, and say what part of the peak the model reaches: once a
    /// machine (cached), or anew (fresh)
    #[arg(long, value_name = "WHEN", num_args = 0..=1, require_equals = true, default_missing_value = "cached", value_parser = PossibleValuesParser::new(["cached", "fresh"]))]
    roofline: Option<String>,
    /// Answer the first 200 questions once more with every operation measured: a table, and trace.json for Perfetto
    #[arg(long)]
    pub profile: bool,
    /// How long the process of a cell may take
    #[arg(long, value_name = "TIME", default_value = "12h", value_parser = time)]
    pub time_limit: Duration,
    /// How long it may go on without any progress
    #[arg(long, value_name = "TIME", default_value = "15m", value_parser = time)]
    pub stall_limit: Duration,
    /// The program that runs the cells: another build of spanbench, to compare with this one [default: this one]
    #[arg(long, value_name = "PATH")]
    pub cell_program: Option<PathBuf>,
}

fn rate(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(rate) if rate > 0.0 && rate <= 1e9 => Ok(rate),
        Ok(_) => Err("must be above 0, in queries a second".to_owned()),
        Err(fault) => Err(fault.to_string()),
    }
}

fn time(text: &str) -> Result<Duration, String> {
    match humantime::parse_duration(text) {
        Ok(Duration::ZERO) => Err("must be longer than nothing".to_owned()),
        Ok(time) => Ok(time),
        Err(fault) => Err(format!("{fault}; write 90s, 10m or 1h30m")),
    }
}

impl MeasuringArguments {
    /// The scenario with its rules; settings that it would take no notice of are refused.
    pub fn timing(&self, seed: u64) -> anyhow::Result<Timing> {
        let scenario = self.scenario;
        if scenario == Scenario::Server {
            if self.rate.is_none() && !self.find_rate {
                anyhow::bail!(
                    "--scenario server needs --rate R (queries a second), or --find-rate to find the highest"
                );
            }
        } else {
            for (given, name) in [
                (self.rate.is_some(), "--rate"),
                (self.find_rate, "--find-rate"),
                (self.latency_bound.is_some(), "--latency-bound"),
            ] {
                if given {
                    anyhow::bail!(
                        "{name} has no meaning with --scenario {scenario}, in which no query waits for another; leave it out"
                    );
                }
            }
        }
        if self.rate.is_some() && self.find_rate {
            anyhow::bail!("--rate and --find-rate: give one of them; the other finds its own");
        }
        for (given, name) in [
            (self.min_duration.is_some(), "--min-duration"),
            (self.min_queries.is_some(), "--min-queries"),
            (self.latency_bound.is_some(), "--latency-bound"),
        ] {
            if given && self.mlperf {
                anyhow::bail!(
                    "{name} and --mlperf: the rules are MLPerf's, or your own; leave one out"
                );
            }
        }
        let rules = if self.mlperf {
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
            mlperf: self.mlperf,
            rate: self.rate,
            find_rate: self.find_rate,
        })
    }

    /// How long a turn is, where cells take turns.
    pub fn turn(&self) -> anyhow::Result<Option<Duration>> {
        if self.turns.is_some() && self.scenario != Scenario::Offline {
            anyhow::bail!(
                "--turns has no meaning with --scenario {}, whose latencies a wait would be part of; leave it out",
                self.scenario
            );
        }
        Ok(self.turns)
    }

    /// Whether the machine's peak is asked for; if so, whether anew.
    pub fn roofline(&self) -> Option<bool> {
        self.roofline.as_ref().map(|when| when == "fresh")
    }
}
