//! The timed pass: questions answered as the scenario has them arrive.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use super::answer::{AnswerError, Answers, Progress, Silent};
use super::forward::BatchTime;
use super::line::Line;
use super::repetition;
use super::samples::Samples;
use crate::decode::Answer;
use crate::measure::phases::PhaseClock;
use crate::measure::scenario::find_rate::FoundRate;
use crate::measure::scenario::loadgen::{QueryTimes, late_allowed};
use crate::measure::scenario::rules::{Rules, Scenario};
use crate::measure::scenario::run::{self, Clock, MonotonicClock};
use crate::measure::scenario::schedule::{PoissonArrivals, SampleIndices};

/// How questions arrive in the timed pass.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Timing {
    /// The scenario.
    pub scenario: Scenario,
    /// How long it goes on, and what it must hold.
    pub rules: Rules,
    /// Queries a second, for the server scenario.
    pub rate: Option<f64>,
    /// Whether the server scenario is to look for the highest rate that holds the bound.
    pub find_rate: bool,
    /// Whether a run is valid only by all of MLPerf's rules, early stopping included.
    pub mlperf: bool,
}

/// An answer of the timed pass, with how often the question had this very answer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TimedAnswer {
    /// The question's place in the data set.
    pub question: usize,
    /// The answer.
    pub text: String,
    /// Its span score.
    pub score: f32,
    /// How often it was given.
    pub times: usize,
}

/// What the timed pass gave.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct TimedPass {
    /// Every query, window and forward pass.
    pub samples: Samples,
    /// Every answer.
    pub answers: Vec<TimedAnswer>,
    /// What there is to ask: windows in the offline scenario, questions in the others.
    pub population: usize,
    /// Seconds from the first query's beginning to the last answer.
    pub duration_s: f64,
    /// Seconds of tokenising, of the forward passes and of choosing answers.
    pub busy_s: f64,
    /// Seconds of the forward passes.
    pub forward_s: f64,
    /// Queries a second that were due, for the server scenario.
    pub rate: Option<f64>,
    /// Queries that were due and given up, since no bound could be held any more.
    pub unanswered: usize,
    /// The search for a rate, where there was one.
    pub found_rate: Option<FoundRate>,
}

/// Runs the timed pass on the current rayon pool.
///
/// The phases `tokenize`, `forward`, `decode` and `idle` are given to `clock`. `tokens_of` is that
/// of [`tokens_of_questions`] for the server scenario, and not looked at in the others.
///
/// # Errors
///
/// See [`AnswerError`].
pub fn perform(
    line: &Line<'_>,
    timing: &Timing,
    tokens_of: &[usize],
    clock: &mut PhaseClock,
    progress: &dyn Progress,
) -> Result<TimedPass, AnswerError> {
    match timing.scenario {
        Scenario::Offline => offline(line, &timing.rules, clock, progress),
        Scenario::SingleStream | Scenario::MultiStream => streams(line, timing, clock, progress),
        Scenario::Server => {
            // No rate is an improper one, and refused as such.
            let rate = timing.rate.unwrap_or(f64::NAN);
            server(line, &timing.rules, rate, tokens_of, clock, progress)
        }
    }
}

/// Questions a second that the line answers where all are there at once: no server does more.
///
/// # Errors
///
/// See [`AnswerError`].
pub fn offline_rate(line: &Line<'_>, progress: &dyn Progress) -> Result<f64, AnswerError> {
    let pass = offline(line, &Rules::once(), &mut PhaseClock::start(), progress)?;
    Ok(pass.samples.questions() as f64 / pass.duration_s)
}

/// Whether a server holds its bound at `rate`, by the shorter rules of a search.
///
/// # Errors
///
/// See [`AnswerError`].
pub fn holds_at(
    line: &Line<'_>,
    timing: &Timing,
    rate: f64,
    tokens_of: &[usize],
    progress: &dyn Progress,
) -> Result<bool, AnswerError> {
    let rules = timing.rules.for_search();
    let clock = &mut PhaseClock::start();
    let pass = server(line, &rules, rate, tokens_of, clock, progress)?;
    Ok(pass.holds_bound(&rules))
}

/// Whether a timed pass confirms its rate: by the bound, and by all of MLPerf's rules where those
/// are asked for.
pub fn is_confirmed(timing: &Timing, pass: &TimedPass) -> bool {
    let loadgen = || repetition::loadgen(&timing.rules, pass);
    pass.holds_bound(&timing.rules)
        && (!timing.mlperf || loadgen().is_some_and(|summary| summary.validity.is_valid()))
}

/// Whole passes over the data set until the rules are content.
fn offline(
    line: &Line<'_>,
    rules: &Rules,
    clock: &mut PhaseClock,
    progress: &dyn Progress,
) -> Result<TimedPass, AnswerError> {
    let time = MonotonicClock::start();
    let mut recorder = Recorder::new(time.began(), line);
    let asked: Vec<usize> = (0..line.dataset.questions.len()).collect();
    let mut times = Vec::new();
    loop {
        let issued = time.now();
        let answers = line.answer(&asked, clock, progress)?;
        let completed = time.now();
        let pass = run::query_times(Duration::ZERO, issued, completed);
        times.extend(std::iter::repeat_n(pass, asked.len()));
        recorder.add(&asked, &answers);
        clock.end("idle");
        // A sample of this scenario is a window.
        let windows = recorder.samples.windows();
        // Waiting for a turn is no part of the pass.
        let busy = Duration::from_secs_f64(recorder.busy_s);
        if busy >= rules.min_duration && windows as u64 >= rules.min_queries {
            let population = answers.windows.len();
            return Ok(TimedPass {
                population,
                ..recorder.finish(&times)
            });
        }
    }
}

/// One query after another, of one or more questions.
fn streams(
    line: &Line<'_>,
    timing: &Timing,
    clock: &mut PhaseClock,
    progress: &dyn Progress,
) -> Result<TimedPass, AnswerError> {
    let rules = &timing.rules;
    let group = rules.questions_per_query();
    let mut questions = SampleIndices::new(rules.seed, line.dataset.questions.len());
    let time = MonotonicClock::start();
    let mut recorder = Recorder::new(time.began(), line);
    progress.begin(
        "queries",
        usize::try_from(rules.min_queries).unwrap_or(usize::MAX),
    );
    let times = run::streams(
        &time,
        || questions.by_ref().take(group).collect(),
        |asked: &Vec<usize>| {
            clock.end("idle");
            line.answer(asked, clock, &Silent)
        },
        |asked, answers| {
            recorder.add(&asked, &answers);
            progress.advance(1);
        },
        |queries, begun| queries as u64 >= rules.min_queries && begun >= rules.min_duration,
    )?;
    progress.end();
    let times: Vec<_> = times
        .iter()
        .flat_map(|times| std::iter::repeat_n(*times, group))
        .collect();
    Ok(recorder.finish(&times))
}

/// A queue that is this many times the bound behind never catches up within a run.
const HOPELESS: u32 = 10;

/// Queries that arrive at random, `rate` of them a second on average; what waits is answered
/// together, as far as one batch holds it.
fn server(
    line: &Line<'_>,
    rules: &Rules,
    rate: f64,
    tokens_of: &[usize],
    clock: &mut PhaseClock,
    progress: &dyn Progress,
) -> Result<TimedPass, AnswerError> {
    let arrivals = arrivals(rules, rate)?;
    let questions = SampleIndices::new(rules.seed, line.dataset.questions.len());
    let asked: Vec<usize> = questions.take(arrivals.len()).collect();
    let time = MonotonicClock::start();
    let mut recorder = Recorder::new(time.began(), line);
    progress.begin("queries", arrivals.len());
    let served = run::server(
        &time,
        &arrivals,
        |waiting| {
            clock.end("idle");
            let limit = line.settings.batch_tokens;
            let batch = fitting(&asked[waiting], tokens_of, limit);
            let answers = line.answer(batch, clock, &Silent)?;
            Ok::<_, AnswerError>((batch.len(), (batch, answers)))
        },
        |(batch, answers)| {
            recorder.add(batch, &answers);
            progress.advance(batch.len());
        },
        |times| is_hopeless(times, arrivals.len(), rules),
        // That nothing is due is no hang.
        || progress.advance(0),
    )?;
    progress.end();
    let pass = recorder.finish(&served.times);
    Ok(TimedPass {
        rate: Some(rate),
        unanswered: served.unanswered,
        ..pass
    })
}

/// When queries are due: until there are enough of them, and for long enough.
fn arrivals(rules: &Rules, rate: f64) -> Result<Vec<Duration>, AnswerError> {
    let mut arrivals = Vec::new();
    for arrival in PoissonArrivals::new(rules.seed, rate)? {
        arrivals.push(arrival);
        if arrivals.len() as u64 >= rules.min_queries && arrival >= rules.min_duration {
            break;
        }
    }
    Ok(arrivals)
}

/// Whether the bound is missed whatever comes, and the queue long.
fn is_hopeless(times: &[QueryTimes], queries: usize, rules: &Rules) -> bool {
    let Some(bound) = rules.latency_bound else {
        return false;
    };
    let last = times.last().map_or(0, QueryTimes::latency_ns);
    if last <= run::nanoseconds(bound * HOPELESS) {
        return false;
    }
    late(times.iter().map(QueryTimes::latency_ns), bound) > late_allowed(queries, rules.percentile)
}

fn late(latencies_ns: impl Iterator<Item = u64>, bound: Duration) -> usize {
    let bound = run::nanoseconds(bound);
    latencies_ns.filter(|&latency| latency > bound).count()
}

/// The first questions that one batch holds; at least one.
fn fitting<'a>(waiting: &'a [usize], tokens_of: &[usize], limit: usize) -> &'a [usize] {
    let mut tokens = 0;
    let more = waiting.iter().take_while(|&&question| {
        tokens += tokens_of[question];
        tokens <= limit
    });
    &waiting[..more.count().max(1)]
}

/// Tokens of all windows of each question: a server has to know how many questions a batch holds.
///
/// # Errors
///
/// See [`AnswerError`].
pub fn tokens_of_questions(line: &Line<'_>) -> Result<Vec<usize>, AnswerError> {
    let all: Vec<usize> = (0..line.dataset.questions.len()).collect();
    let cut = line.windower.cut(line.dataset, &all)?;
    let mut tokens = vec![0; all.len()];
    for window in &cut.windows {
        tokens[window.question] += window.len();
    }
    Ok(tokens)
}

impl TimedPass {
    /// Queries over the bound of `rules`, unanswered ones included; 0 where there is no bound.
    pub fn late(&self, rules: &Rules) -> usize {
        let late = |bound| late(self.samples.latencies_ns(), bound) + self.unanswered;
        rules.latency_bound.map_or(0, late)
    }

    /// Whether the percentile of `rules`, as LoadGen has it, is within their bound.
    pub fn holds_bound(&self, rules: &Rules) -> bool {
        let queries = self.samples.questions() + self.unanswered;
        self.late(rules) <= late_allowed(queries, rules.percentile)
    }
}

/// Takes down what each query gave.
struct Recorder {
    began: Instant,
    population: usize,
    samples: Samples,
    answers: HashMap<(usize, String, u32), usize>,
    /// When each window's forward pass was over, since the beginning.
    window_done_ns: Vec<u64>,
    busy_s: f64,
    forward_s: f64,
}

impl Recorder {
    fn new(began: Instant, line: &Line<'_>) -> Self {
        Self {
            began,
            population: line.dataset.questions.len(),
            samples: Samples::default(),
            answers: HashMap::new(),
            window_done_ns: Vec::new(),
            busy_s: 0.0,
            forward_s: 0.0,
        }
    }

    fn add(&mut self, asked: &[usize], answers: &Answers) {
        let first_batch = self.samples.batches();
        let samples = &mut self.samples;
        samples.question.extend(asked);
        samples.windows_of.extend(&answers.windows_of);
        let service = answers.service_times();
        samples
            .service_ns
            .extend(service.into_iter().map(run::nanoseconds));
        for batch in &answers.batches {
            let started = batch.started.saturating_duration_since(self.began);
            samples.batch_started_ns.push(run::nanoseconds(started));
            samples.batch_ns.push(run::nanoseconds(batch.duration));
            samples
                .batch_device_ns
                .extend(batch.device_time.map(run::nanoseconds));
            samples.batch_windows.push(batch.windows);
            samples.batch_tokens.push(batch.tokens);
            samples.batch_filling.push(batch.filling);
            samples.batch_flops.push(batch.flops);
        }
        for &batch in &answers.batch_of {
            samples.window_batch.push(first_batch + batch);
            let BatchTime {
                started, duration, ..
            } = answers.batches[batch];
            let done = (started + duration).saturating_duration_since(self.began);
            self.window_done_ns.push(run::nanoseconds(done));
        }
        for (&question, answer) in asked.iter().zip(&answers.answers) {
            let Answer { text, score, .. } = answer;
            let key = (question, text.clone(), score.to_bits());
            *self.answers.entry(key).or_default() += 1;
        }
        self.busy_s += answers.end_to_end_s();
        self.forward_s += answers.forward_s;
    }

    /// The pass, with the times of the query that each question was part of.
    fn finish(mut self, times: &[QueryTimes]) -> TimedPass {
        let samples = &mut self.samples;
        let mut done = self.window_done_ns.iter();
        for (times, &windows) in times.iter().zip(&samples.windows_of) {
            samples.scheduled_ns.push(times.scheduled_ns);
            samples.issued_ns.push(times.issued_ns);
            samples.completed_ns.push(times.completed_ns);
            for &done_ns in done.by_ref().take(windows) {
                let latency = done_ns.saturating_sub(times.scheduled_ns);
                samples.window_latency_ns.push(latency);
            }
        }
        if samples.batch_filling.iter().all(|&filling| filling == 0) {
            samples.batch_filling = Vec::new();
        }
        let last = times.iter().map(|times| times.completed_ns).max();
        let answers = self.answers.into_iter();
        let mut answers: Vec<_> = answers
            .map(|((question, text, score), times)| TimedAnswer {
                question,
                text,
                score: f32::from_bits(score),
                times,
            })
            .collect();
        answers.sort_by(|a, b| (a.question, &a.text).cmp(&(b.question, &b.text)));
        TimedPass {
            samples: self.samples,
            answers,
            duration_s: last.unwrap_or_default() as f64 / 1e9,
            population: self.population,
            busy_s: self.busy_s,
            forward_s: self.forward_s,
            rate: None,
            unanswered: 0,
            found_rate: None,
        }
    }
}
