//! The scenarios' summary against MLPerf's LoadGen (`tests/goldens/loadgen`).

mod support;

use std::time::Duration;

use serde_json::{Map, Value};
use spanbench::measure::scenario::early_stopping::{
    max_over_bound, min_within_bound, percentile_estimate,
};
use spanbench::measure::scenario::loadgen::{LoadGenSummary, Measured, QueryTimes, late_allowed};
use spanbench::measure::scenario::log_summary::log_summary;
use spanbench::measure::scenario::rules::{Rules, Scenario};
use support::{json, project};

fn golden(name: &str) -> Value {
    json(&project("tests/goldens/loadgen").join(name))
}

/// A run of LoadGen with the latencies that it recorded.
struct Run {
    rules: Rules,
    queries: Vec<QueryTimes>,
    sample_latencies_ns: Vec<u64>,
    golden: Value,
}

impl Run {
    fn of(golden: Value) -> Self {
        let number = |name: &str| golden[name].as_u64().unwrap();
        let latencies = golden["sample_latencies_ns"].as_array().unwrap();
        let sample_latencies_ns: Vec<u64> =
            latencies.iter().map(|ns| ns.as_u64().unwrap()).collect();
        let named = |scenario: &Scenario| scenario.loadgen_name() == golden["scenario"];
        let scenario = Scenario::ALL.into_iter().find(named).unwrap();
        let samples_per_query = number("samples_per_query");
        // Queries before the last count with their latency alone.
        let samples = sample_latencies_ns.chunks(samples_per_query as usize);
        let mut queries: Vec<QueryTimes> = samples
            .map(|samples| QueryTimes {
                scheduled_ns: 0,
                issued_ns: 0,
                completed_ns: *samples.iter().max().unwrap(),
            })
            .collect();
        assert_eq!(queries.len() as u64, number("queries"));
        let last = |name: &str| golden["last_query"][name].as_u64().unwrap();
        let latency_ns = queries.pop().unwrap().completed_ns;
        queries.push(QueryTimes {
            scheduled_ns: last("scheduled_ns"),
            issued_ns: last("issued_ns"),
            completed_ns: last("completed_ns"),
        });
        assert_eq!(queries.last().unwrap().latency_ns(), latency_ns);
        let bound = Duration::from_nanos(number("target_latency_ns"));
        let rules = Rules {
            scenario,
            min_duration: Duration::from_millis(number("min_duration_ms")),
            min_queries: number("min_queries"),
            samples_per_query,
            percentile: golden["percentile"].as_f64().unwrap(),
            latency_bound: (scenario == Scenario::Server).then_some(bound),
            seed: number("seed"),
        };
        Self {
            rules,
            queries,
            sample_latencies_ns,
            golden,
        }
    }

    fn name(&self) -> &str {
        self.golden["name"].as_str().unwrap()
    }

    fn results(&self) -> &Map<String, Value> {
        self.golden["results"].as_object().unwrap()
    }

    fn summary(&self) -> LoadGenSummary {
        let measured = Measured {
            queries: &self.queries,
            sample_latencies_ns: &self.sample_latencies_ns,
            population: self.golden["population"].as_u64().unwrap() as usize,
            errors: self.results()["num_errors"].as_u64().unwrap(),
            warnings: 0,
        };
        LoadGenSummary::new(&self.rules, &measured).unwrap()
    }
}

fn runs() -> Vec<Run> {
    let Value::Array(runs) = golden("runs.json") else {
        panic!("no list of runs");
    };
    let runs: Vec<Run> = runs.into_iter().map(Run::of).collect();
    for scenario in Scenario::ALL {
        for verdict in ["VALID", "INVALID"] {
            let mut of_scenario = runs.iter().filter(|run| run.rules.scenario == scenario);
            assert!(of_scenario.any(|run| run.results()["result_validity"] == verdict));
        }
    }
    runs
}

/// Whether two numbers differ by one in the last of the six digits that LoadGen
/// prints at the most: its trace does not tell the start of the run to the nanosecond.
fn close(found: f64, expected: f64) -> bool {
    let unit = if expected == 0.0 {
        1e-6
    } else {
        10_f64.powf(expected.abs().log10().floor() - 5.0)
    };
    (found - expected).abs() <= 1.5 * unit
}

#[test]
fn results_are_loadgens() {
    for run in runs() {
        let found = serde_json::to_value(run.summary()).unwrap();
        let found = found.as_object().unwrap();
        let names: Vec<&String> = found.keys().collect();
        let expected: Vec<&String> = run.results().keys().collect();
        assert_eq!(names, expected, "{}", run.name());
        for (name, expected) in run.results() {
            let found = &found[name];
            let what = format!("{}: {name}: {found}, LoadGen {expected}", run.name());
            if name.contains("per_sec") || name.contains("qps") {
                assert!(
                    close(found.as_f64().unwrap(), expected.as_f64().unwrap()),
                    "{what}"
                );
            } else {
                assert_eq!(found, expected, "{what}");
            }
        }
    }
}

#[test]
fn text_is_loadgens() {
    for run in runs() {
        let text = log_summary(&run.summary(), "PySUT", run.golden["target_qps"].as_f64());
        let expected = run.golden["summary"].as_str().unwrap();
        assert_eq!(
            text.lines().count(),
            expected.lines().count(),
            "{}:\n{text}",
            run.name()
        );
        for (found, expected) in text.lines().zip(expected.lines()) {
            let what = format!("{}:\n{found}\nLoadGen:\n{expected}", run.name());
            let (name, value) = expected.rsplit_once(": ").unwrap_or((expected, ""));
            if name.contains("second") || name.contains("QPS w") {
                let (found_name, found) = found.rsplit_once(": ").unwrap();
                assert_eq!(found_name, name);
                let (found, value): (f64, f64) = (found.parse().unwrap(), value.parse().unwrap());
                // Two decimal places or six digits.
                assert!(
                    close(found, value) || (found - value).abs() < 0.011,
                    "{what}"
                );
            } else if name == "max_query_count " {
                // Limited in LoadGen to end runs early; spanbench has no such limit.
                assert_eq!(found, "max_query_count : 0");
            } else {
                assert_eq!(found, expected, "{what}");
            }
        }
        assert!(text.ends_with('\n') && !text.ends_with("\n\n"));
    }
}

/// `early_stopping.cc` and SciPy.
#[test]
fn finder_is_loadgens() {
    let table = golden("early_stopping.json");
    let table = table.as_array().unwrap();
    assert!(table.len() > 200);
    for row in table {
        let percentile = row[0].as_f64().unwrap();
        let [over, within] = [1, 2].map(|column| row[column].as_u64().unwrap());
        assert_eq!(min_within_bound(over, percentile), Some(within), "{row}");
        assert_eq!(
            max_over_bound(over + within, percentile),
            Some(over),
            "{row}"
        );
        let before = max_over_bound(over + within - 1, percentile);
        assert_eq!(before, over.checked_sub(1), "{row}");
    }
}

/// Rates to the last digit, where all times are known.
#[test]
fn rates_are_exact() {
    let query = |scheduled_ns, completed_ns| QueryTimes {
        scheduled_ns,
        issued_ns: scheduled_ns + 10,
        completed_ns,
    };
    let queries = [query(0, 300), query(1_000, 1_500), query(3_000, 4_000)];
    for (scenario, expected) in [
        (
            Scenario::Server,
            &[
                ("result_scheduled_samples_per_sec", 2.0 / 3e-6),
                ("result_completed_samples_per_sec", 2.0 / 4e-6),
            ][..],
        ),
        (
            Scenario::SingleStream,
            &[
                ("result_qps_with_loadgen_overhead", 2.0 / 3.01e-6),
                ("result_qps_without_loadgen_overhead", 1.0 / 600e-9),
            ],
        ),
        (
            Scenario::Offline,
            &[("result_samples_per_second", 3.0 / 1e-6)],
        ),
    ] {
        let measured = measured(&queries, &[300, 500, 1_000]);
        let summary = LoadGenSummary::new(&Rules::quick(scenario), &measured).unwrap();
        let fields = serde_json::to_value(&summary).unwrap();
        for (name, rate) in expected {
            let found = fields[name].as_f64().unwrap();
            assert!(
                (found / rate - 1.0).abs() < 1e-12,
                "{name}: {found}, {rate}"
            );
        }
    }
}

fn measured<'a>(queries: &'a [QueryTimes], sample_latencies_ns: &'a [u64]) -> Measured<'a> {
    Measured {
        queries,
        sample_latencies_ns,
        population: 3,
        errors: 0,
        warnings: 0,
    }
}

#[test]
fn nothing_asked_has_no_summary() {
    for scenario in Scenario::ALL {
        let rules = Rules::mlperf(scenario);
        assert_eq!(LoadGenSummary::new(&rules, &measured(&[], &[])), None);
    }
}

/// No time at all, times beyond any clock, rules that make no sense: no panic, and JSON that can be read.
#[test]
fn odd_runs_are_summed_up() {
    let instant = QueryTimes {
        scheduled_ns: 0,
        issued_ns: 0,
        completed_ns: 0,
    };
    let backwards = QueryTimes {
        scheduled_ns: 9,
        issued_ns: 5,
        completed_ns: 3,
    };
    let endless = QueryTimes {
        scheduled_ns: 0,
        issued_ns: u64::MAX,
        completed_ns: u64::MAX,
    };
    for scenario in Scenario::ALL {
        for query in [instant, backwards, endless] {
            for percentile in [0.0, 0.9, 1.0, -1.0, f64::NAN, f64::INFINITY] {
                let rules = Rules {
                    percentile,
                    latency_bound: None,
                    ..Rules::quick(scenario)
                };
                let queries = [query; 100];
                let latencies = [query.latency_ns(); 100];
                let summary = LoadGenSummary::new(&rules, &measured(&queries, &latencies)).unwrap();
                assert_eq!(summary.sample_latency.mean_ns, query.latency_ns());
                let text = log_summary(&summary, "two\nlines", None);
                assert!(text.contains("SUT name : two lines\n") && !text.contains("NaN"));
                let json = serde_json::to_string(&summary).unwrap();
                assert!(serde_json::from_str::<Value>(&json).is_ok());
                let proper = percentile == 0.9 || scenario == Scenario::Offline;
                assert_eq!(
                    summary.validity.early_stopping, proper,
                    "{scenario} {percentile}"
                );
            }
        }
    }
}

/// Each scenario measures its duration by one of the last query's times; exactly enough is enough.
#[test]
fn durations_are_the_scenarios() {
    for (scenario, measure) in [
        (Scenario::Server, 0),
        (Scenario::SingleStream, 1),
        (Scenario::MultiStream, 1),
        (Scenario::Offline, 2),
    ] {
        let rules = Rules {
            min_duration: Duration::from_secs(10),
            ..Rules::quick(scenario)
        };
        for short in 0..3 {
            let mut times = [10_000_000_000; 3];
            times[short] -= 1;
            let [scheduled_ns, issued_ns, completed_ns] = times;
            let last = QueryTimes {
                scheduled_ns,
                issued_ns,
                completed_ns,
            };
            // An offline query is scheduled at the start: its answers' latencies are their times.
            let summary = LoadGenSummary::new(&rules, &measured(&[last], &[completed_ns]));
            let met = summary.unwrap().validity.min_duration;
            assert_eq!(met, short != measure, "{scenario} {short}");
        }
    }
}

/// Both the queries and their questions must be enough; of offline's one query, the questions.
#[test]
fn queries_and_questions_are_counted() {
    let query = QueryTimes {
        scheduled_ns: 0,
        issued_ns: 0,
        completed_ns: 1,
    };
    for (scenario, queries, samples, met) in [
        (Scenario::SingleStream, 100, 100, true),
        (Scenario::SingleStream, 99, 100, false),
        (Scenario::SingleStream, 100, 99, false),
        (Scenario::MultiStream, 64, 512, true),
        (Scenario::MultiStream, 63, 512, false),
        (Scenario::MultiStream, 64, 511, false),
        (Scenario::Server, 99, 99, false),
        (Scenario::Offline, 1, 3, true),
        (Scenario::Offline, 1, 2, false),
    ] {
        let (queries, samples) = (vec![query; queries], vec![1; samples]);
        let summary = LoadGenSummary::new(&Rules::quick(scenario), &measured(&queries, &samples));
        assert_eq!(summary.unwrap().validity.min_queries, met, "{scenario}");
    }
    for (samples, met) in [(10_832, false), (10_833, true)] {
        let (rules, samples) = (Rules::mlperf(Scenario::Offline), vec![1; samples]);
        let summary = LoadGenSummary::new(&rules, &measured(&[query], &samples));
        assert_eq!(summary.unwrap().validity.min_queries, met);
    }
}

/// A latency that equals the bound is within it; one more nanosecond is over it.
#[test]
fn bounds_are_inclusive() {
    let rules = Rules {
        latency_bound: Some(Duration::from_nanos(500)),
        percentile: 0.9,
        ..Rules::quick(Scenario::Server)
    };
    for (latency_ns, over, met) in [(500, 0, true), (501, 200, false)] {
        let query = QueryTimes {
            scheduled_ns: 20_000_000_000,
            issued_ns: 20_000_000_000,
            completed_ns: 20_000_000_000 + latency_ns,
        };
        let (queries, latencies) = ([query; 200], [latency_ns; 200]);
        let summary = LoadGenSummary::new(&rules, &measured(&queries, &latencies)).unwrap();
        assert_eq!(
            (summary.over_bound, summary.validity.is_valid()),
            (over, met)
        );
    }
}

/// As many late queries as are allowed leave the percentile within the bound; one more does not.
#[test]
fn late_queries_are_allowed_as_far_as_the_percentile_goes() {
    let rules = Rules {
        latency_bound: Some(Duration::from_nanos(500)),
        ..Rules::quick(Scenario::Server)
    };
    for queries in 1..500 {
        let allowed = late_allowed(queries, rules.percentile);
        assert_eq!(allowed, queries - 1 - queries * 99 / 100, "{queries}");
        for late in [allowed, allowed + 1] {
            let latencies: Vec<u64> = (0..queries)
                .map(|number| if number < late { 501 } else { 500 })
                .collect();
            let times = latencies.iter().map(|&latency_ns| QueryTimes {
                scheduled_ns: 0,
                issued_ns: 0,
                completed_ns: latency_ns,
            });
            let times: Vec<_> = times.collect();
            let summary = LoadGenSummary::new(&rules, &measured(&times, &latencies)).unwrap();
            let holds = summary.validity.performance_constraints;
            assert_eq!(holds, late == allowed || late > queries, "{queries} {late}");
        }
    }
}

/// The estimate is never below the percentile itself.
#[test]
fn estimates_are_conservative() {
    let latencies: Vec<u64> = (0..3000).collect();
    for count in 64..latencies.len() {
        for percentile in [0.9, 0.95, 0.99] {
            let place = count as f64 * percentile;
            if let Some(estimate) = percentile_estimate(&latencies[..count], percentile) {
                assert!(
                    estimate.latency_ns as f64 >= place.floor(),
                    "{count} {percentile}"
                );
            }
        }
    }
}
