//! A run as the text of LoadGen's `mlperf_log_summary.txt`, for scripts that read that.
//!
//! Words and layout are the format. What spanbench has not is given as
//! LoadGen's own default: no limit on duration or queries (0), nothing logged for accuracy.
//!
//! Source: `LogSummary` in `results.cc` and `test_settings_internal.cc` of
//! <https://github.com/mlcommons/inference> (loadgen 6.0).

use std::fmt::Display;

use super::loadgen::{LatencyFigures, LoadGenSummary, PERCENTILES, Rates, bound_ns};
use super::rules::Scenario;

const RULE: &str = "================================================";

/// The text of `mlperf_log_summary.txt`.
///
/// `system` is the name of what was measured; `target_qps` the rate that
/// server runs were to have, in queries a second (elsewhere LoadGen prints what
/// its user expected; where that is nothing, 0 is printed).
pub fn log_summary(summary: &LoadGenSummary, system: &str, target_qps: Option<f64>) -> String {
    let mut text = Text(String::new());
    text.heading("MLPerf Results Summary");
    // A name of several lines would be read as fields.
    text.line(format!("SUT name : {}", system.replace(['\n', '\r'], " ")));
    let scenario = summary.rules.scenario.loadgen_name();
    text.line(format!("Scenario : {scenario}"));
    text.line("Mode     : PerformanceOnly");
    text.result(summary);
    text.verdict(summary);
    text.line("");
    text.heading("Additional Stats");
    text.additional(summary);
    text.line("");
    text.heading("Test Parameters Used");
    text.parameters(summary, target_qps);
    text.line(format!("\n{}", counted(summary.warnings, "warning")));
    text.line(format!("\n{}", counted(summary.errors, "ERROR")));
    text.0
}

/// How many warnings or errors there were.
fn counted(count: u64, what: &str) -> String {
    match count {
        0 => format!("No {}s encountered during test.", what.to_lowercase()),
        1 => format!("1 {what} encountered. See detailed log."),
        _ => {
            let plural = if what == "ERROR" {
                "ERRORS"
            } else {
                "warnings"
            };
            format!("{count} {plural} encountered. See detailed log.")
        }
    }
}

struct Text(String);

impl Text {
    fn line(&mut self, line: impl Display) {
        self.0 += &format!("{line}\n");
    }

    fn heading(&mut self, title: &str) {
        self.line(format!("{RULE}\n{title}\n{RULE}"));
    }

    /// The figure of the scenario.
    fn result(&mut self, summary: &LoadGenSummary) {
        let percentile = |latency: &LatencyFigures| {
            let name = fixed(summary.rules.percentile * 100.0, 1);
            let ns = latency.target_percentile_ns;
            format!("{name}th percentile latency (ns) : {ns}")
        };
        self.line(match summary.rates {
            Rates::SingleStream { .. } => percentile(&summary.sample_latency),
            Rates::MultiStream => percentile(&summary.query_latency),
            Rates::Server {
                completed_per_s, ..
            } => format!(
                "Completed samples per second    : {}",
                fixed(completed_per_s, 2)
            ),
            Rates::Offline { samples_per_s } => {
                format!("Samples per second: {}", general(samples_per_s))
            }
        });
    }

    fn verdict(&mut self, summary: &LoadGenSummary) {
        let validity = summary.validity;
        let met = |met| if met { "Yes" } else { "NO" };
        self.line(format!("Result is : {}", summary.verdict()));
        if summary.rules.scenario == Scenario::Server {
            let met = met(validity.performance_constraints);
            self.line(format!("  Performance constraints satisfied : {met}"));
        }
        let duration = met(validity.min_duration);
        self.line(format!("  Min duration satisfied : {duration}"));
        let queries = met(validity.min_queries);
        self.line(format!("  Min queries satisfied : {queries}"));
        let stopping = met(validity.early_stopping);
        self.line(format!("  Early stopping satisfied: {stopping}"));
        if !validity.is_valid() {
            self.line("Recommendations:");
            for advice in summary.recommendations() {
                self.line(format!(" * {advice}"));
            }
            if !validity.min_queries {
                self.line("   See the detailed log for why this may have occurred.");
            }
        }
        if summary.rules.scenario != Scenario::Offline {
            self.line("Early Stopping Result:");
            self.line(&summary.early_stopping_result);
        }
    }

    fn additional(&mut self, summary: &LoadGenSummary) {
        match summary.rates {
            Rates::SingleStream {
                with_overhead_per_s,
                without_overhead_per_s,
            } => {
                let rate = fixed(with_overhead_per_s, 2);
                self.line(format!("QPS w/ loadgen overhead         : {rate}"));
                let rate = fixed(without_overhead_per_s, 2);
                self.line(format!("QPS w/o loadgen overhead        : {rate}\n"));
            }
            Rates::Server {
                scheduled_per_s, ..
            } => {
                let rate = fixed(scheduled_per_s, 2);
                self.line(format!("Scheduled samples per second : {rate}"));
            }
            Rates::MultiStream => {
                self.line("Per-query latency:  ");
                return self.latency(&summary.query_latency);
            }
            Rates::Offline { .. } => {}
        }
        self.latency(&summary.sample_latency);
    }

    fn latency(&mut self, latency: &LatencyFigures) {
        for (name, ns) in [
            ("Min latency (ns) ", latency.min_ns),
            ("Max latency (ns) ", latency.max_ns),
            ("Mean latency (ns)", latency.mean_ns),
        ] {
            self.line(format!("{name}               : {ns}"));
        }
        for (share, ns) in PERCENTILES.into_iter().zip(latency.percentiles_ns) {
            let name = fixed(share * 100.0, 2);
            self.line(format!("{name} percentile latency (ns)   : {ns}"));
        }
    }

    fn parameters(&mut self, summary: &LoadGenSummary, target_qps: Option<f64>) {
        let rules = &summary.rules;
        let offline = rules.scenario == Scenario::Offline;
        let server = rules.scenario == Scenario::Server;
        let samples_per_query = if offline {
            summary.samples
        } else {
            rules.samples_per_query
        };
        let target_qps = general(target_qps.unwrap_or(0.0));
        let has_bound = server && rules.latency_bound.is_some();
        let target_ns = if has_bound { bound_ns(rules) } else { 0 };
        let min_queries = if offline { 1 } else { rules.min_queries };
        let min_ms = rules.min_duration.as_millis();
        let (seed, population) = (rules.seed, summary.population);
        self.line(format!("samples_per_query : {samples_per_query}"));
        self.line(format!("target_qps : {target_qps}"));
        self.line(format!("target_latency (ns): {target_ns}"));
        self.line(format!("max_async_queries : {}", u8::from(!server)));
        self.line(format!("min_duration (ms): {min_ms}"));
        self.line("max_duration (ms): 0");
        self.line(format!("min_query_count : {min_queries}"));
        self.line("max_query_count : 0");
        for name in ["qsl_rng_seed", "sample_index_rng_seed", "schedule_rng_seed"] {
            self.line(format!("{name} : {seed}"));
        }
        for name in [
            "accuracy_log_rng_seed",
            "accuracy_log_probability",
            "accuracy_log_sampling_target",
            "print_timestamps",
            "performance_issue_unique",
            "performance_issue_same",
            "performance_issue_same_index",
        ] {
            self.line(format!("{name} : 0"));
        }
        for name in ["performance_sample_count", "accuracy_sample_count"] {
            self.line(format!("{name} : {population}"));
        }
    }
}

/// With so many decimal places, as C's `%.*f`.
fn fixed(value: f64, places: usize) -> String {
    format!("{value:.places$}").to_lowercase()
}

/// With six significant digits, as C's `%g`.
fn general(value: f64) -> String {
    let scientific = format!("{value:.5e}");
    let Some((mantissa, exponent)) = scientific.split_once('e') else {
        // What is not finite has no exponent.
        return scientific.to_lowercase();
    };
    let trimmed = |digits: &str| {
        if digits.contains('.') {
            digits
                .trim_end_matches('0')
                .trim_end_matches('.')
                .to_owned()
        } else {
            digits.to_owned()
        }
    };
    match exponent.parse::<i32>() {
        Ok(exponent @ -4..=5) => {
            let places = usize::try_from(5 - exponent).unwrap_or(0);
            trimmed(&format!("{value:.places$}"))
        }
        Ok(exponent) => {
            let sign = if exponent < 0 { '-' } else { '+' };
            format!("{}e{sign}{:02}", trimmed(mantissa), exponent.abs())
        }
        Err(_) => scientific,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As C's `printf("%g")` has them.
    #[test]
    fn numbers_are_cs() {
        for (value, expected) in [
            (0.0, "0"),
            (800.0, "800"),
            (655.839_12, "655.839"),
            (81_081.29, "81081.3"),
            (999_999.4, "999999"),
            (999_999.5, "1e+06"),
            (1_234_567.0, "1.23457e+06"),
            (100_000.0, "100000"),
            (0.000_1, "0.0001"),
            (0.000_012_34, "1.234e-05"),
            (1e300, "1e+300"),
            (-2.5, "-2.5"),
            (f64::INFINITY, "inf"),
            (f64::NAN, "nan"),
        ] {
            assert_eq!(general(value), expected);
        }
        assert_eq!(fixed(f64::NAN, 2), "nan");
        assert_eq!(fixed(2181.456, 2), "2181.46");
    }

    #[test]
    fn errors_are_counted_in_words() {
        let words = [0, 1, 2].map(|count| counted(count, "ERROR"));
        assert!(words[0].starts_with("No errors ") && words[1].starts_with("1 ERROR "));
        assert!(words[2].starts_with("2 ERRORS "));
        assert!(counted(3, "warning").starts_with("3 warnings "));
    }
}
