//! One process's measurements as a record has them, and what casts doubt on them.

use super::CellSpec;
use super::samples::Samples;
use super::timed::{TimedPass, Timing};
use super::work::Work;
use crate::measure::latency::Latencies;
use crate::measure::roofline::Roofline;
use crate::measure::scenario::loadgen::{LoadGenSummary, Measured, QueryTimes, late_allowed};
use crate::measure::scenario::rules::{Rules, Scenario};
use crate::record::wire::{
    WireLatencies, WireRepetition, WireScenario, WireSteadiness, WireThroughput,
};
use crate::stats::steady::{lag_1_autocorrelation, mser_5, outliers};
use crate::stats::trend::trend;

/// A drift below this is not worth a word, however clear it is, in percent.
const DRIFT_PERCENT: f64 = 5.0;

/// The probability below which a trend is taken for one.
const DRIFT_P: f64 = 0.01;

/// The share of severely slow passes from which on a figure is doubtful.
const SEVERE_SHARE: f64 = 0.05;

/// The shortest timed pass that is trusted, in seconds.
const SHORTEST_S: f64 = 1.0;

/// A process's measurements.
pub fn repetition(spec: &CellSpec, work: &Work, roofline: Option<&Roofline>) -> WireRepetition {
    let timing = &spec.settings.timing;
    let timed = &work.timed;
    let samples = &timed.samples;
    let offline = timing.scenario == Scenario::Offline;
    let steadiness = steadiness(work);
    let of_processor = roofline.map(|roofline| roofline.peak_of(&work.model.compute_dtype));
    let peak = of_processor.or(work.device_peak_flops_per_s);
    let throughput = throughput(timed, offline, peak);
    let mut doubts = Vec::new();
    doubts.extend(duration_doubt(timed));
    doubts.extend(peak_doubt(&throughput, roofline.is_some()));
    doubts.extend(steadiness_doubts(&steadiness));
    doubts.extend(work.noise.warnings.iter().cloned());
    let cards = work.cards.iter().flat_map(|card| &card.doubts);
    doubts.extend(cards.cloned());
    doubts.extend(work.memory.growth_doubt());
    let window_ns: Vec<u64> = if offline {
        samples.window_forward_ns().collect()
    } else {
        samples.window_latency_ns.clone()
    };
    WireRepetition {
        started: work.started.clone(),
        throughput,
        latency_ms: summary(question_latencies_ns(samples, offline)),
        window_latency_ms: summary(window_ns),
        batch_latency_ms: summary(samples.batch_ns.clone()),
        scenario: scenario(timing, timed),
        memory: work.memory.clone(),
        energy: work.energy.clone(),
        steadiness,
        noise: work.noise.clone(),
        cards: work.cards.clone(),
        quantization_from_cache: work.quantization_from_cache,
        cuda_graphs: work.warm_up.cuda_graphs.clone(),
        phases_s: work.phases_s.clone(),
        wall_s: work.wall_s,
        doubts,
    }
}

/// Of each question asked: in the offline scenario what it took, since all wait for all there; in
/// the others from when its query was due to its answer.
pub fn question_latencies_ns(samples: &Samples, offline: bool) -> Vec<u64> {
    if offline {
        samples.service_ns.clone()
    } else {
        samples.latencies_ns().collect()
    }
}

fn throughput(timed: &TimedPass, offline: bool, peak: Option<f64>) -> WireThroughput {
    let samples = &timed.samples;
    let per_forward = |count: f64| count / timed.forward_s;
    let end_to_end_s = if offline {
        timed.busy_s
    } else {
        timed.duration_s
    };
    let flops_per_s = per_forward(samples.flops() as f64);
    WireThroughput {
        questions_per_s: samples.questions() as f64 / end_to_end_s,
        windows_per_s: per_forward(samples.windows() as f64),
        tokens_per_s: per_forward(samples.tokens() as f64),
        padding_waste: samples.padding_waste(),
        flops_per_s,
        matrix_peak_flops_per_s: peak,
        peak_fraction: peak.map(|peak| flops_per_s / peak),
        forward_s: timed.forward_s,
        device_s: samples.device_s(),
        end_to_end_s,
    }
}

fn summary(nanoseconds: Vec<u64>) -> WireLatencies {
    let summary = Latencies::of_nanoseconds(nanoseconds);
    summary
        .expect("OK because a timed pass has a question, and a question has a window")
        .into()
}

/// The series of the forward passes, each pass's time for the work in it.
fn steadiness(work: &Work) -> WireSteadiness {
    let samples = &work.timed.samples;
    let passes = samples.batch_ns.iter().zip(&samples.batch_flops);
    let series: Vec<f64> = passes
        .map(|(&ns, &flops)| ns as f64 / (flops as f64).max(1.0))
        .collect();
    let state = mser_5(&series);
    let trend = trend(&series);
    let outliers = outliers(&series);
    WireSteadiness {
        method: "MSER-5".to_owned(),
        warm_up_passes: work.warm_up.passes_ns.len(),
        warm_up_steady: work.warm_up.steady,
        passes: series.len(),
        truncated: state.map(|state| state.truncated),
        steady: state.map(|state| state.found),
        drift_percent: trend.and_then(|trend| trend.drift_percent),
        drift_p: trend.map(|trend| trend.p),
        lag_1_autocorrelation: lag_1_autocorrelation(&series),
        slow_outliers: outliers.map(|found| found.high_mild + found.high_severe),
        severely_slow_outliers: outliers.map(|found| found.high_severe),
    }
}

fn peak_doubt(throughput: &WireThroughput, of_processor: bool) -> Option<String> {
    let share = throughput.peak_fraction.filter(|&share| share > 1.0)?;
    // That of other devices is measured each time.
    let remedy = if of_processor {
        ": --roofline=fresh"
    } else {
        ""
    };
    Some(format!(
        "the model reached {:.0} % of the machine's peak, so that was measured when the machine was slower{remedy}",
        100.0 * share
    ))
}

fn duration_doubt(timed: &TimedPass) -> Option<String> {
    (timed.duration_s < SHORTEST_S).then(|| {
        format!(
            "the timed pass took {:.2} s only; ask more questions or for a longer --min-duration",
            timed.duration_s
        )
    })
}

fn steadiness_doubts(steadiness: &WireSteadiness) -> Vec<String> {
    let mut doubts = Vec::new();
    if steadiness.warm_up_steady == Some(false) {
        doubts.push(format!(
            "the warm-up did not become steady in {} passes (MSER-5)",
            steadiness.warm_up_passes
        ));
    }
    if steadiness.warm_up_steady.is_none() && steadiness.steady.is_none() {
        doubts.push(format!(
            "{} passes of the warm-up and {} on the clock are too few to tell whether it was steady (MSER-5); ask more questions or for a longer --min-duration",
            steadiness.warm_up_passes, steadiness.passes
        ));
    }
    if steadiness.steady == Some(false) {
        doubts.push(format!(
            "the timed pass was not steady (MSER-5 over {} forward passes)",
            steadiness.passes
        ));
    }
    let drift = steadiness.drift_percent.zip(steadiness.drift_p);
    if let Some((percent, p)) = drift
        && p < DRIFT_P
        && percent.abs() > DRIFT_PERCENT
    {
        let direction = if percent > 0.0 { "slower" } else { "faster" };
        doubts.push(format!(
            "forward passes became {direction} by {:.0} % over the timed pass (Theil–Sen; Mann–Kendall p {p:.1e})",
            percent.abs()
        ));
    }
    let severe = steadiness.severely_slow_outliers.unwrap_or(0);
    // A single one shows in the largest latency and moves no other figure.
    if severe > 1 && severe as f64 > SEVERE_SHARE * steadiness.passes as f64 {
        doubts.push(format!(
            "{severe} of {} forward passes were severely slow (beyond Tukey's outer fence)",
            steadiness.passes
        ));
    }
    doubts
}

/// How the pass went by the rules asked for, and by LoadGen's.
fn scenario(timing: &Timing, timed: &TimedPass) -> WireScenario {
    let samples = &timed.samples;
    let rules = &timing.rules;
    let loadgen = loadgen(rules, timed);
    let queries = samples.questions() / rules.questions_per_query();
    let validity = loadgen.as_ref().map(|summary| summary.validity);
    let is_server = timing.scenario == Scenario::Server;
    let late = is_server.then(|| timed.late(rules));
    let mut invalid_because = Vec::new();
    if let Some(validity) = validity {
        if !validity.min_duration {
            invalid_because.push(format!(
                "it lasted less than {}",
                humantime::format_duration(rules.min_duration)
            ));
        }
        if !validity.min_queries {
            invalid_because.push(format!("it had less than {} queries", rules.min_queries));
        }
        if timing.mlperf && !validity.early_stopping {
            invalid_because.push(
                "it had too few queries for the percentile (early stopping, see loadgen)"
                    .to_owned(),
            );
        }
    }
    if let Some(bound) = rules.latency_bound
        && !timed.holds_bound(rules)
    {
        let due = queries + timed.unanswered;
        invalid_because.push(format!(
            "{} of {due} queries took longer than {}, and at most {} may",
            late.unwrap_or_default(),
            humantime::format_duration(bound),
            late_allowed(due, rules.percentile)
        ));
    }
    if timing.find_rate
        && timed
            .found_rate
            .as_ref()
            .is_none_or(|found| found.rate.is_none())
    {
        invalid_because.push("no rate was found that holds the bound".to_owned());
    }
    let target = loadgen
        .as_ref()
        .map(|l| l.query_latency.target_percentile_ns);
    WireScenario {
        name: timing.scenario.to_string(),
        queries,
        questions: samples.questions(),
        windows: samples.windows(),
        duration_s: timed.duration_s,
        rate_per_s: timed.rate,
        percentile_latency_ms: target
            .filter(|_| timing.scenario != Scenario::Offline)
            .map(|ns| ns as f64 / 1e6),
        late,
        unanswered: timed.unanswered,
        valid: invalid_because.is_empty(),
        invalid_because,
        found_rate: timed.found_rate.clone(),
        loadgen: loadgen.map_or_else(serde_json::Map::new, |summary| {
            let fields = summary.fields().into_iter();
            fields
                .map(|(key, value)| (key, serde_json::json!(value)))
                .collect()
        }),
    }
}

/// The pass in LoadGen's terms. In the offline scenario its samples are windows, as MLPerf's
/// are; in the others a query is a question with all its windows.
pub fn loadgen(rules: &Rules, timed: &TimedPass) -> Option<LoadGenSummary> {
    let samples = &timed.samples;
    let moments = samples
        .scheduled_ns
        .iter()
        .zip(&samples.issued_ns)
        .zip(&samples.completed_ns);
    let mut queries: Vec<QueryTimes> = moments
        .map(|((&scheduled_ns, &issued_ns), &completed_ns)| QueryTimes {
            scheduled_ns,
            issued_ns,
            completed_ns,
        })
        .collect();
    let latencies: Vec<u64> = if rules.scenario == Scenario::Offline {
        let last = queries.iter().map(|query| query.completed_ns).max()?;
        queries = vec![QueryTimes {
            scheduled_ns: 0,
            issued_ns: 0,
            completed_ns: last,
        }];
        let of_window = samples.completed_ns.iter().zip(&samples.windows_of);
        of_window
            .flat_map(|(&ns, &windows)| std::iter::repeat_n(ns, windows))
            .collect()
    } else {
        samples.latencies_ns().collect()
    };
    let queries = queries.into_iter().step_by(rules.questions_per_query());
    let queries: Vec<QueryTimes> = queries.collect();
    LoadGenSummary::new(
        rules,
        &Measured {
            queries: &queries,
            sample_latencies_ns: &latencies,
            population: timed.population,
            errors: 0,
            warnings: 0,
        },
    )
}
