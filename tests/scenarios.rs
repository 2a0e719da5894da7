//! Scenarios on a stub model whose service time is known.

mod support;

use std::time::{Duration, Instant};

use spanbench::bundled;
use spanbench::cell::timed::{self, TimedPass, Timing};
use spanbench::cell::{AnswerSettings, Line, Silent, WindowOrder};
use spanbench::dataset::Dataset;
use spanbench::decode::DecodeSettings;
use spanbench::measure::phases::PhaseClock;
use spanbench::measure::scenario::find_rate::{self, Probe};
use spanbench::measure::scenario::rules::{Rules, Scenario};
use spanbench::measure::scenario::schedule::PoissonArrivals;
use spanbench::models::SpanModel;
use spanbench::tokenizer;
use spanbench::windows::{WindowSettings, Windower};
use support::stub::Stub;

const SERVICE: Duration = Duration::from_millis(4);

const DATA: &str = r#"{"data": [{"paragraphs": [{"context": "The sky is blue and the sea is green.", "qas": [
    {"id": "a", "question": "What is blue?", "answers": [{"text": "The sky", "answer_start": 0}]},
    {"id": "b", "question": "What is green?", "answers": [{"text": "the sea", "answer_start": 20}]},
    {"id": "c", "question": "Which colour has the sky?", "answers": [{"text": "blue", "answer_start": 11}]}]}]}]}"#;

/// A model that takes [`SERVICE`] for a pass, whatever is in it.
fn slow() -> impl SpanModel {
    Stub::new(|_, position, _| {
        if position == 0 {
            let started = Instant::now();
            while started.elapsed() < SERVICE {
                std::hint::spin_loop();
            }
        }
        (position as f32, position as f32)
    })
}

/// A timed pass in which a forward pass holds one question.
fn run(timing: &Timing) -> TimedPass {
    with_line(|line| {
        let tokens_of = timed::tokens_of_questions(line).unwrap();
        let clock = &mut PhaseClock::start();
        timed::perform(line, timing, &tokens_of, clock, &Silent).unwrap()
    })
}

fn with_line<T>(work: impl FnOnce(&Line<'_>) -> T) -> T {
    let dataset = Dataset::from_bytes("d", "d.json", DATA.into()).unwrap();
    let model = slow();
    let files = bundled::model();
    let source = tokenizer::from_json("tokenizer.json", &files.tokenizer[0].bytes).unwrap();
    let windows = WindowSettings::default();
    let windower = Windower::new(source, model.description().tables, windows).unwrap();
    let line = Line {
        model: &model,
        windower: &windower,
        dataset: &dataset,
        settings: AnswerSettings {
            windows,
            decode: DecodeSettings::default(),
            batch_tokens: 1,
            order: WindowOrder::AsGiven,
            seed: 0,
        },
    };
    work(&line)
}

fn timing(scenario: Scenario, queries: u64, rate: Option<f64>) -> Timing {
    Timing {
        scenario,
        rules: Rules {
            min_duration: Duration::ZERO,
            min_queries: queries,
            latency_bound: rate.map(|_| Duration::from_millis(60)),
            seed: 11,
            ..Rules::quick(scenario)
        },
        mlperf: false,
        rate,
        find_rate: false,
    }
}

fn mean_s(nanoseconds: impl Iterator<Item = u64>) -> f64 {
    let values: Vec<u64> = nanoseconds.collect();
    values.iter().sum::<u64>() as f64 / values.len() as f64 / 1e9
}

const QUERIES: usize = 1500;

/// The mean wait of a queue by Lindley's recursion: each query's from that of the one before.
fn lindley_wait_s(arrivals: impl Iterator<Item = f64>, services: impl Iterator<Item = f64>) -> f64 {
    let (mut free, mut waited, mut count) = (0.0_f64, 0.0, 0.0);
    for (arrival, service) in arrivals.zip(services) {
        let begin = free.max(arrival);
        waited += begin - arrival;
        free = begin + service;
        count += 1.0;
    }
    waited / count
}

/// Pollaczek and Khinchine's mean wait of an M/D/1 queue.
fn md1_wait_s(rate: f64, service_s: f64) -> f64 {
    rate * service_s * service_s / (2.0 * (1.0 - rate * service_s))
}

/// So short a schedule need not be typical: this finds one that is.
fn typical_seed(rate: f64) -> u64 {
    let service = SERVICE.as_secs_f64() * 1.02;
    let is_typical = |seed: &u64| {
        let arrivals = PoissonArrivals::new(*seed, rate).unwrap().take(QUERIES);
        let arrivals = arrivals.map(|arrival| arrival.as_secs_f64());
        let wait = lindley_wait_s(arrivals, std::iter::repeat(service));
        (wait / md1_wait_s(rate, service) - 1.0).abs() < 0.01
    };
    (0..1000).find(is_typical).unwrap()
}

#[test]
fn latencies_include_queueing_as_in_an_m_d_1_queue() {
    let rate = 125.0;
    let mut timing = timing(Scenario::Server, QUERIES as u64, Some(rate));
    timing.rules.seed = typical_seed(rate);
    let pass = run(&timing);
    let samples = &pass.samples;
    let seconds = |ns: u64| ns as f64 / 1e9;
    let times = samples.issued_ns.iter().zip(&samples.completed_ns);
    let services: Vec<f64> = times.map(|(issued, done)| seconds(done - issued)).collect();
    let service = services.iter().sum::<f64>() / QUERIES as f64;
    let waits = samples.issued_ns.iter().zip(&samples.scheduled_ns);
    let wait = mean_s(waits.map(|(issued, scheduled)| issued - scheduled));

    // Whatever the machine did meanwhile, a query waits for those before it, and for the
    // system to wake the server, which a busy one does late.
    let arrivals = samples.scheduled_ns.iter().map(|&ns| seconds(ns));
    let expected = lindley_wait_s(arrivals, services.iter().copied());
    let message = format!("waited {wait} s, expected {expected} s, service {service} s");
    assert!(
        wait > 0.98 * expected && wait < expected + 0.001,
        "{message}"
    );

    let spread = services.iter().map(|s| (s - service).powi(2)).sum::<f64>();
    let spread = (spread / QUERIES as f64).sqrt() / service;
    if spread < 0.05 {
        let expected = md1_wait_s(rate, service);
        let message = format!("waited {wait} s, M/D/1 {expected} s, service {service} s");
        assert!((wait / expected - 1.0).abs() < 0.1, "{message}");
    } else {
        // Then it is no M/D/1 queue. One on a virtual clock is tested beside its code.
        support::skipped(&format!(
            "services scatter by {spread:.2}, the machine is busy"
        ));
    }
    let latency = mean_s(samples.latencies_ns());
    assert!(
        (latency - wait - service).abs() < 1e-6,
        "{message}, latency {latency} s"
    );
    // Every question is one window, which is ready a little before its answer.
    let window = mean_s(samples.window_latency_ns.iter().copied());
    assert!(
        window < latency && window > latency - 0.002,
        "{window} of {latency}"
    );
}

#[test]
fn half_the_offline_rate_holds_the_bound_and_more_than_all_of_it_does_not() {
    let offline = run(&timing(Scenario::Offline, 150, None));
    let ceiling = offline.samples.questions() as f64 / offline.duration_s;
    let half = timing(Scenario::Server, 300, Some(0.5 * ceiling));
    let pass = run(&half);
    assert!(
        pass.holds_bound(&half.rules),
        "{} late",
        pass.late(&half.rules)
    );
    assert_eq!(pass.unanswered, 0);
    let over = timing(Scenario::Server, 600, Some(1.2 * ceiling));
    let pass = run(&over);
    assert!(!pass.holds_bound(&over.rules));
    assert!(
        pass.late(&over.rules) > 60,
        "{} late",
        pass.late(&over.rules)
    );
}

/// Ten times what can be answered: given up long before the schedule's end, and said so.
#[test]
fn a_hopeless_rate_is_given_up() {
    let timing = timing(Scenario::Server, 5000, Some(2500.0));
    let began = Instant::now();
    let pass = run(&timing);
    assert!(pass.unanswered > 3000, "{}", pass.unanswered);
    assert!(began.elapsed() < Duration::from_secs(10));
    assert!(!pass.holds_bound(&timing.rules));
    assert_eq!(pass.samples.questions() + pass.unanswered, 5000);
}

#[test]
fn the_highest_rate_is_found_and_confirmed() {
    let timing = timing(Scenario::Server, 400, Some(1.0));
    let search = with_line(|line| {
        let tokens_of = timed::tokens_of_questions(line).unwrap();
        let ceiling = timed::offline_rate(line, &Silent).unwrap();
        find_rate::highest_rate(ceiling, |probe| match probe {
            Probe::Search(rate) => timed::holds_at(line, &timing, rate, &tokens_of, &Silent),
            Probe::Confirmation(rate) => {
                let rate = Some(rate);
                let pass = run(&Timing { rate, ..timing });
                Ok(timed::is_confirmed(&timing, &pass))
            }
        })
    });
    let search = search.unwrap();
    let rate = search.rate.unwrap();
    // Nothing beyond 1 / service can be held, and a bound of 60 ms is fifteen services.
    assert!((100.0..260.0).contains(&rate), "{search:?}");
    assert!(search.tried.iter().any(|tried| !tried.held), "{search:?}");
}

#[test]
fn streams_ask_as_many_questions_a_query_as_they_should() {
    let pass = run(&timing(Scenario::SingleStream, 20, None));
    assert_eq!(pass.samples.questions(), 20);
    let pass = run(&timing(Scenario::MultiStream, 5, None));
    assert_eq!(pass.samples.questions(), 40);
    let latencies: Vec<u64> = pass.samples.latencies_ns().collect();
    for query in latencies.chunks(8) {
        // All of a query's questions have its latency: eight passes.
        assert!(query.iter().all(|&latency| latency == query[0]));
        assert!(query[0] >= 8 * 4_000_000);
    }
    // With replacement: of three questions all are asked, in no fixed turn.
    let mut asked = pass.samples.question.clone();
    assert!(asked.windows(2).any(|pair| pair[0] == pair[1]));
    asked.sort_unstable();
    asked.dedup();
    assert_eq!(asked, [0, 1, 2]);
}

#[test]
fn offline_passes_repeat_until_it_was_long_enough() {
    let mut timing = timing(Scenario::Offline, 1, None);
    timing.rules.min_duration = Duration::from_millis(60);
    let pass = run(&timing);
    assert_eq!(pass.samples.questions() % 3, 0);
    assert!(pass.samples.questions() >= 6 && pass.duration_s >= 0.06);
    assert_eq!(
        pass.answers
            .iter()
            .map(|answer| answer.times)
            .sum::<usize>(),
        pass.samples.questions()
    );
    assert_eq!(pass.answers.len(), 3, "the same answer every time");
}
