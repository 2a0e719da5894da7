//! What a run amounts to, in LoadGen's terms: figures and verdicts.
//!
//! Percentiles are LoadGen's: of n ascending latencies the one at place
//! floor(n * p), counted from 0. [`super::super::latency`] has them by nearest
//! rank, at place ceil(n * p) - 1: where n * p is whole, LoadGen's is one
//! place further up, and elsewhere they are the same (but for the rounding of n * p).
//! Means are rounded down to nanoseconds.
//!
//! Source: `results.cc` of <https://github.com/mlcommons/inference> (loadgen
//! 6.0), and `IssueQueries` in `loadgen.cc` for the times it is given.

use super::early_stopping::{
    PercentileEstimate, min_within_bound, percentile_estimate, queries_for_estimate,
};
use super::rules::{Rules, Scenario};

/// The percentiles that LoadGen logs, as shares.
pub const PERCENTILES: [f64; 6] = [0.50, 0.90, 0.95, 0.97, 0.99, 0.999];

/// The percentile that single-stream runs estimate for multi-stream ones.
const MULTI_STREAM_PERCENTILE: f64 = 0.99;

/// When a query was asked and answered, in nanoseconds from the start of the run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct QueryTimes {
    /// When it was to be asked: its arrival in server, the start of the run in
    /// offline, elsewhere the time it was asked at.
    pub scheduled_ns: u64,
    /// When it was handed over.
    pub issued_ns: u64,
    /// When the last of its questions was answered.
    pub completed_ns: u64,
}

impl QueryTimes {
    /// From schedule to answer: waiting counts.
    pub fn latency_ns(&self) -> u64 {
        self.completed_ns.saturating_sub(self.scheduled_ns)
    }
}

/// What was measured in a run.
#[derive(Debug, Clone, Copy)]
pub struct Measured<'a> {
    /// The queries in the order they were issued in. Offline has one, however many passes it took.
    pub queries: &'a [QueryTimes],
    /// For each sample (a question; offline a window), in any order, the time from its query's
    /// schedule to its answer.
    pub sample_latencies_ns: &'a [u64],
    /// The number of samples in the data set.
    pub population: usize,
    /// What went wrong and does not stop the run, by number.
    pub errors: u64,
    /// What casts doubt on the figures, by number.
    pub warnings: u64,
}

/// Latencies in nanoseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LatencyFigures {
    /// The smallest.
    pub min_ns: u64,
    /// The largest.
    pub max_ns: u64,
    /// Arithmetic mean, rounded down.
    pub mean_ns: u64,
    /// Those of [`PERCENTILES`].
    pub percentiles_ns: [u64; 6],
    /// That of the rules.
    pub target_percentile_ns: u64,
}

impl LatencyFigures {
    /// Figures of ascending latencies; nothing where there are none.
    fn of(sorted_ns: &[u64], target: f64) -> Option<Self> {
        let sum: u128 = sorted_ns.iter().map(|&ns| u128::from(ns)).sum();
        Some(Self {
            min_ns: *sorted_ns.first()?,
            max_ns: *sorted_ns.last()?,
            mean_ns: (sum / sorted_ns.len() as u128) as u64,
            percentiles_ns: PERCENTILES.map(|share| percentile(sorted_ns, share)),
            target_percentile_ns: percentile(sorted_ns, target),
        })
    }
}

/// How many of `queries` latencies may be over a bound that the percentile `share` of them, as
/// LoadGen has it, does not exceed.
pub fn late_allowed(queries: usize, share: f64) -> usize {
    queries.saturating_sub(place(queries, share) + 1)
}

fn place(count: usize, share: f64) -> usize {
    #[allow(clippy::cast_sign_loss)] // what is below 0 becomes 0
    let place = (count as f64 * share) as usize;
    place.min(count.saturating_sub(1))
}

/// LoadGen's percentile of ascending latencies, of which there is one at least.
fn percentile(sorted_ns: &[u64], share: f64) -> u64 {
    sorted_ns[place(sorted_ns.len(), share)]
}

/// Queries or questions a second, as each scenario has them. They are infinite
/// or no number where no time passed, as LoadGen's are.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Rates {
    /// Offline.
    Offline {
        /// Questions a second, until the last answer.
        samples_per_s: f64,
    },
    /// Single-stream.
    SingleStream {
        /// All queries but the last in the time until the last was issued.
        with_overhead_per_s: f64,
        /// The inverse of the mean latency.
        without_overhead_per_s: f64,
    },
    /// LoadGen reports none.
    MultiStream,
    /// Server: all queries but the last.
    Server {
        /// In the time until the last was scheduled.
        scheduled_per_s: f64,
        /// In the time until the last was answered.
        completed_per_s: f64,
    },
}

/// Which rules a run fulfils.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(clippy::struct_excessive_bools)] // four verdicts, each by itself
pub struct Validity {
    /// It was long enough.
    pub min_duration: bool,
    /// It asked enough.
    pub min_queries: bool,
    /// The percentile of latency is within the bound; true where there is none.
    pub performance_constraints: bool,
    /// There are enough queries for the percentile; see [`super::early_stopping`].
    pub early_stopping: bool,
}

impl Validity {
    /// Whether the run counts.
    pub fn is_valid(self) -> bool {
        self.min_duration && self.min_queries && self.performance_constraints && self.early_stopping
    }
}

/// A run in LoadGen's terms.
///
/// Serialises to the object of [`LoadGenSummary::fields`].
#[derive(Debug, Clone, PartialEq)]
pub struct LoadGenSummary {
    /// The rules it was held to.
    pub rules: Rules,
    /// Which of them it fulfils.
    pub validity: Validity,
    /// The number of queries.
    pub queries: u64,
    /// The number of samples.
    pub samples: u64,
    /// Server: how many queries were over the bound.
    pub over_bound: u64,
    /// Of samples.
    pub sample_latency: LatencyFigures,
    /// Of queries.
    pub query_latency: LatencyFigures,
    /// How fast it went.
    pub rates: Rates,
    /// The percentile of the rules as early stopping estimates it: single- and multi-stream.
    pub estimate: Option<PercentileEstimate>,
    /// Single-stream: the same for p99, which stands for a multi-stream run.
    pub multi_stream_estimate: Option<PercentileEstimate>,
    /// What LoadGen says of early stopping, in one or more lines; empty for offline.
    pub early_stopping_result: String,
    /// The number of samples in the data set.
    pub population: usize,
    /// As in [`Measured`].
    pub errors: u64,
    /// As in [`Measured`].
    pub warnings: u64,
}

impl LoadGenSummary {
    /// Sums up a run; nothing where no question was asked.
    pub fn new(rules: &Rules, measured: &Measured<'_>) -> Option<Self> {
        let mut samples_ns = measured.sample_latencies_ns.to_vec();
        samples_ns.sort_unstable();
        let latencies = measured.queries.iter().map(QueryTimes::latency_ns);
        let mut queries_ns: Vec<u64> = latencies.collect();
        queries_ns.sort_unstable();
        let sample_latency = LatencyFigures::of(&samples_ns, rules.percentile)?;
        let query_latency = LatencyFigures::of(&queries_ns, rules.percentile)?;
        let bound_ns = bound_ns(rules);
        let over_bound = match rules.scenario {
            Scenario::Server => samples_ns.iter().filter(|&&ns| ns > bound_ns).count() as u64,
            _ => 0,
        };
        let stopping = EarlyStopping::of(rules, &queries_ns, over_bound);
        let (queries, samples) = (queries_ns.len() as u64, samples_ns.len() as u64);
        let last = measured.queries.last()?;
        Some(Self {
            rules: *rules,
            validity: Validity {
                min_duration: duration_ns(rules.scenario, last, &sample_latency)
                    >= rules.min_duration.as_nanos(),
                min_queries: samples >= rules.min_samples(measured.population)
                    && (rules.scenario == Scenario::Offline || queries >= rules.min_queries),
                performance_constraints: rules.scenario != Scenario::Server
                    || sample_latency.target_percentile_ns <= bound_ns,
                early_stopping: stopping.met,
            },
            queries,
            samples,
            over_bound,
            sample_latency,
            query_latency,
            rates: rates(rules.scenario, samples, last, &sample_latency),
            estimate: stopping.estimate,
            multi_stream_estimate: stopping.multi_stream_estimate,
            early_stopping_result: stopping.result,
            population: measured.population,
            errors: measured.errors,
            warnings: measured.warnings,
        })
    }

    /// What LoadGen advises for each rule that is missed, early stopping aside.
    pub fn recommendations(&self) -> Vec<&'static str> {
        let mut advice = Vec::new();
        if !self.validity.performance_constraints {
            advice.push("Reduce target QPS to improve latency.");
        }
        if !self.validity.min_duration {
            advice.push(match self.rules.scenario {
                Scenario::SingleStream | Scenario::MultiStream => {
                    "Decrease the expected latency so the loadgen pre-generates more queries."
                }
                Scenario::Server => {
                    "Increase the target QPS so the loadgen pre-generates more queries."
                }
                Scenario::Offline => {
                    "Increase expected QPS so the loadgen pre-generates a larger (coalesced) query."
                }
            });
        }
        if !self.validity.min_queries {
            advice.push("The test exited early, before enough queries were issued.");
        }
        advice
    }

    /// `VALID` or `INVALID`.
    pub fn verdict(&self) -> &'static str {
        if self.validity.is_valid() {
            "VALID"
        } else {
            "INVALID"
        }
    }
}

/// The bound on latency, rounded down; without one nothing is over it.
pub(super) fn bound_ns(rules: &Rules) -> u64 {
    let bound = rules.latency_bound.map(|bound| bound.as_nanos());
    bound.map_or(u64::MAX, |ns| u64::try_from(ns).unwrap_or(u64::MAX))
}

/// How long the run was by the scenario's measure; see [`Rules::min_duration`].
fn duration_ns(scenario: Scenario, last: &QueryTimes, samples: &LatencyFigures) -> u128 {
    u128::from(match scenario {
        Scenario::Offline => samples.max_ns,
        Scenario::Server => last.scheduled_ns,
        Scenario::SingleStream | Scenario::MultiStream => last.issued_ns,
    })
}

fn seconds(ns: u64) -> f64 {
    ns as f64 / 1e9
}

fn rates(scenario: Scenario, samples: u64, last: &QueryTimes, latency: &LatencyFigures) -> Rates {
    // The last query opens a span that is not counted: 1001 arrivals at 1000 a second take 1 s.
    let but_last = samples.saturating_sub(1) as f64;
    match scenario {
        Scenario::Offline => Rates::Offline {
            samples_per_s: samples as f64 / seconds(latency.max_ns),
        },
        Scenario::SingleStream => Rates::SingleStream {
            with_overhead_per_s: but_last / seconds(last.issued_ns),
            without_overhead_per_s: 1.0 / seconds(latency.mean_ns),
        },
        Scenario::MultiStream => Rates::MultiStream,
        Scenario::Server => Rates::Server {
            scheduled_per_s: but_last / seconds(last.scheduled_ns),
            completed_per_s: but_last / seconds(last.completed_ns),
        },
    }
}

/// What early stopping says of a run.
struct EarlyStopping {
    met: bool,
    estimate: Option<PercentileEstimate>,
    multi_stream_estimate: Option<PercentileEstimate>,
    result: String,
}

impl EarlyStopping {
    fn of(rules: &Rules, queries_ns: &[u64], over_bound: u64) -> Self {
        let mut stopping = Self {
            met: true,
            estimate: None,
            multi_stream_estimate: None,
            result: String::new(),
        };
        match rules.scenario {
            Scenario::Offline => {}
            Scenario::Server => {
                stopping.judge(queries_ns.len() as u64, over_bound, rules.percentile);
            }
            Scenario::MultiStream => stopping.estimate(queries_ns, rules.percentile),
            Scenario::SingleStream => {
                stopping.estimate(queries_ns, rules.percentile);
                if stopping.met {
                    stopping.estimate_multi_stream(queries_ns);
                }
            }
        }
        stopping
    }

    fn judge(&mut self, queries: u64, over_bound: u64, percentile: f64) {
        let needed = min_within_bound(over_bound, percentile)
            .map_or(u64::MAX, |within| within.saturating_add(over_bound));
        self.met = queries >= needed;
        self.result = if self.met {
            " * Run successful.".to_owned()
        } else {
            format!(
                " * Run unsuccessful.\n * Processed {queries} queries.\n \
                 * Would need to run at least {} more queries,\n \
                 with the run being successful if every additional\n query were under latency.",
                needed - queries
            )
        };
    }

    fn estimate(&mut self, queries_ns: &[u64], percentile: f64) {
        let needed = queries_for_estimate(percentile).unwrap_or(u64::MAX);
        let queries = queries_ns.len();
        self.estimate = percentile_estimate(queries_ns, percentile);
        self.met = self.estimate.is_some();
        self.result = match self.estimate {
            Some(estimate) => format!(
                " * Processed at least {needed} queries ({queries}).\n \
                 * Would discard {} highest latency queries.\n \
                 * Early stopping {:.1}th percentile estimate: {}",
                estimate.discarded,
                percentile * 100.0,
                estimate.latency_ns
            ),
            None => format!(
                " * Only processed {queries} queries.\n \
                 * Need to process at least {needed} queries for early stopping."
            ),
        };
    }

    fn estimate_multi_stream(&mut self, queries_ns: &[u64]) {
        let percentile = MULTI_STREAM_PERCENTILE;
        self.multi_stream_estimate = percentile_estimate(queries_ns, percentile);
        let name = format!("{:.1}th percentile", percentile * 100.0);
        self.result += &match self.multi_stream_estimate {
            Some(estimate) => format!(
                "\n * Early stopping {name} estimate: {}",
                estimate.latency_ns
            ),
            None => format!(
                "\n * Not enough queries processed for {name}\n \
                 early stopping estimate (would need to process at\n least {} total queries).",
                queries_for_estimate(percentile).unwrap_or(u64::MAX)
            ),
        };
    }
}
