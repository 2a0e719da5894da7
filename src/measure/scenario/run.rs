//! Queries one after another, or as they arrive: when each was due, begun and answered.

use std::cell::Cell;
use std::time::{Duration, Instant};

use super::loadgen::QueryTimes;

/// What time it is, and waiting until it is later.
///
/// The program has a [`MonotonicClock`]; tests have a [`VirtualClock`], on which hours of a
/// queue pass in milliseconds.
pub trait Clock {
    /// Time since the clock's beginning.
    fn now(&self) -> Duration;

    /// Returns when it is `moment`, at once where that is over.
    fn wait_until(&self, moment: Duration);
}

/// The system's monotonic clock.
#[derive(Debug, Clone, Copy)]
pub struct MonotonicClock {
    began: Instant,
}

/// The system wakes a sleeper late, by about 60 µs on Linux: the last stretch is spent awake.
const AWAKE: Duration = Duration::from_micros(200);

impl MonotonicClock {
    /// A clock that begins now.
    pub fn start() -> Self {
        Self {
            began: Instant::now(),
        }
    }

    /// Its beginning.
    pub fn began(&self) -> Instant {
        self.began
    }
}

impl Clock for MonotonicClock {
    fn now(&self) -> Duration {
        self.began.elapsed()
    }

    fn wait_until(&self, moment: Duration) {
        let left = moment.saturating_sub(self.now());
        if left > AWAKE {
            std::thread::sleep(left.saturating_sub(AWAKE));
        }
        while self.now() < moment {
            std::hint::spin_loop();
        }
    }
}

/// A clock that moves when it is told to.
#[derive(Debug, Default)]
pub struct VirtualClock {
    now: Cell<Duration>,
}

impl VirtualClock {
    /// Lets `time` pass.
    pub fn pass(&self, time: Duration) {
        self.now.set(self.now.get() + time);
    }
}

impl Clock for VirtualClock {
    fn now(&self) -> Duration {
        self.now.get()
    }

    fn wait_until(&self, moment: Duration) {
        self.now.set(self.now.get().max(moment));
    }
}

/// Single-stream and multi-stream: the next query is due when the one before is answered.
///
/// `draw` gives the next query, `serve` answers it, and `enough` says after each, from the
/// number of queries and the time at which the last was begun, whether that was the last. What
/// `serve` gives goes to `take` when the clock has been read: what is done with it is on no
/// query's time.
///
/// # Errors
///
/// Fails where `serve` does.
pub fn streams<Q, T, E>(
    clock: &impl Clock,
    mut draw: impl FnMut() -> Q,
    mut serve: impl FnMut(&Q) -> Result<T, E>,
    mut take: impl FnMut(Q, T),
    enough: impl Fn(usize, Duration) -> bool,
) -> Result<Vec<QueryTimes>, E> {
    let mut times = Vec::new();
    loop {
        let query = draw();
        let issued = clock.now();
        let answered = serve(&query)?;
        let completed = clock.now();
        times.push(query_times(issued, issued, completed));
        take(query, answered);
        if enough(times.len(), issued) {
            return Ok(times);
        }
    }
}

/// The times of a query, from the scenario's beginning.
pub fn query_times(scheduled: Duration, issued: Duration, completed: Duration) -> QueryTimes {
    QueryTimes {
        scheduled_ns: nanoseconds(scheduled),
        issued_ns: nanoseconds(issued),
        completed_ns: nanoseconds(completed),
    }
}

/// Whole nanoseconds; 585 years at the most.
pub fn nanoseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

/// How often a server that waits says so.
const WORD: Duration = Duration::from_secs(10);

/// What came of a server scenario.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Served {
    /// The queries that were answered, in the order in which they were due.
    pub times: Vec<QueryTimes>,
    /// Queries that were due and given up.
    pub unanswered: usize,
}

/// Server: query `i` is due at `arrivals[i]` (ascending) whether or not those before it are
/// answered.
///
/// Nothing but this loop is needed to make queries arrive, since the schedule is known
/// beforehand: what is due when the server becomes free has waited since it was due.
/// `serve` is given the queries that wait, as a range of `arrivals`, the oldest first, and
/// answers one or more of the first of them; it returns how many, and what goes to `take` when
/// the clock has been read: what is done with it is on no answered query's time. `give_up` is
/// asked after each call, with the times so far, whether the rest is not worth waiting for;
/// `waiting` is called every ten seconds in which nothing is due.
///
/// # Errors
///
/// Fails where `serve` does.
pub fn server<T, E>(
    clock: &impl Clock,
    arrivals: &[Duration],
    mut serve: impl FnMut(std::ops::Range<usize>) -> Result<(usize, T), E>,
    mut take: impl FnMut(T),
    give_up: impl Fn(&[QueryTimes]) -> bool,
    waiting: impl Fn(),
) -> Result<Served, E> {
    let mut times: Vec<QueryTimes> = Vec::with_capacity(arrivals.len());
    while let Some(&next) = arrivals.get(times.len()) {
        while clock.now() + WORD < next {
            clock.wait_until(clock.now() + WORD);
            waiting();
        }
        clock.wait_until(next);
        let issued = clock.now();
        let first = times.len();
        let due = arrivals[first..].partition_point(|&arrival| arrival <= issued);
        let (answered, result) = serve(first..first + due)?;
        let completed = clock.now();
        take(result);
        let answered = answered.clamp(1, due);
        let batch = arrivals[first..first + answered].iter();
        times.extend(batch.map(|&scheduled| query_times(scheduled, issued, completed)));
        if give_up(&times) {
            break;
        }
    }
    let unanswered = arrivals.len() - times.len();
    Ok(Served { times, unanswered })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::measure::scenario::schedule::PoissonArrivals;
    use std::convert::Infallible;

    const SERVICE: Duration = Duration::from_millis(10);

    fn poisson(seed: u64, rate: f64, queries: usize) -> Vec<Duration> {
        let arrivals = PoissonArrivals::new(seed, rate).unwrap();
        arrivals.take(queries).collect()
    }

    fn wait_s(query: &QueryTimes) -> f64 {
        (query.issued_ns - query.scheduled_ns) as f64 / 1e9
    }

    fn mean_wait_s(load: f64, queries: usize, seed: u64) -> f64 {
        let clock = VirtualClock::default();
        let rate = load / SERVICE.as_secs_f64();
        let arrivals = poisson(seed, rate, queries);
        let one = |_| -> Result<(usize, ()), Infallible> {
            clock.pass(SERVICE);
            Ok((1, ()))
        };
        let Ok(served) = server(&clock, &arrivals, one, |()| (), |_| false, || ());
        assert_eq!((served.times.len(), served.unanswered), (queries, 0));
        served.times.iter().map(wait_s).sum::<f64>() / queries as f64
    }

    /// Pollaczek and Khinchine: a queue with Poisson arrivals and one constant service time
    /// makes a query wait `load * service / (2 * (1 - load))` on average.
    #[test]
    fn waiting_is_that_of_an_m_d_1_queue() {
        for (load, seed) in [(0.2, 1), (0.5, 2), (0.8, 3)] {
            let expected = load * SERVICE.as_secs_f64() / (2.0 * (1.0 - load));
            let found = mean_wait_s(load, 400_000, seed);
            let difference = (found / expected - 1.0).abs();
            assert!(
                difference < 0.05,
                "load {load}: {found} s, not {expected} s"
            );
        }
    }

    #[test]
    fn a_batch_is_answered_together_and_the_rest_waits() {
        let clock = VirtualClock::default();
        let ms = Duration::from_millis;
        let arrivals = [ms(5), ms(6), ms(7), ms(8), ms(40)];
        let mut batches = Vec::new();
        let pairs =
            |waiting: std::ops::Range<usize>| -> Result<(usize, std::ops::Range<usize>), Infallible> {
                clock.pass(SERVICE);
                Ok((waiting.len().min(2), waiting))
            };
        // What is done with an answer takes time that no answered query has.
        let take = |waiting| {
            clock.pass(Duration::from_micros(500));
            batches.push(waiting);
        };
        let Ok(served) = server(&clock, &arrivals, pairs, take, |_| false, || ());
        assert_eq!(batches, [0..1, 1..4, 3..4, 4..5]);
        let latencies = served.times.iter().map(QueryTimes::latency_ns);
        let latencies: Vec<_> = latencies.map(|ns| ns / 1_000_000).collect();
        assert_eq!(latencies, [10, 19, 18, 28, 10]);
    }

    #[test]
    fn a_hopeless_queue_is_given_up() {
        let clock = VirtualClock::default();
        let arrivals = poisson(1, 1000.0, 10_000);
        let one = |_| -> Result<(usize, ()), Infallible> {
            clock.pass(SERVICE);
            Ok((1, ()))
        };
        let enough = |times: &[QueryTimes]| times.len() >= 100;
        let Ok(served) = server(&clock, &arrivals, one, |()| (), enough, || ());
        assert_eq!((served.times.len(), served.unanswered), (100, 9_900));
    }

    #[test]
    fn streams_follow_one_another_until_it_is_enough() {
        let clock = VirtualClock::default();
        let mut number = 0_u64;
        let draw = || {
            number += 1;
            number
        };
        let serve = |&query: &u64| -> Result<(), Infallible> {
            clock.pass(Duration::from_millis(query));
            Ok(())
        };
        let enough = |queries, begun| queries >= 3 && begun >= Duration::from_millis(6);
        let taking = Duration::from_micros(1);
        let mut taken = Vec::new();
        let take = |query, ()| {
            clock.pass(taking);
            taken.push(query);
        };
        let Ok(times) = streams(&clock, draw, serve, take, enough);
        assert_eq!(taken, [1, 2, 3, 4]);
        // What is done with an answer is no query's time.
        let gap_ns = nanoseconds(taking);
        let pairs = times.windows(2);
        assert!(
            pairs
                .into_iter()
                .all(|pair| pair[1].issued_ns - pair[0].completed_ns == gap_ns)
        );
        assert_eq!(times[3].latency_ns(), 4_000_000);
        let failing = |_: &u64| -> Result<(), _> { Err("no") };
        let none = |_, ()| ();
        assert_eq!(streams(&clock, || 1, failing, none, |_, _| true), Err("no"));
    }

    /// A real clock, a server that is busy for 2 ms: waiting counts, and the clock is exact.
    #[test]
    fn a_real_queue_waits_like_its_recursion() {
        let clock = MonotonicClock::start();
        let service = Duration::from_millis(2);
        let arrivals = poisson(7, 300.0, 300);
        let busy = |_| -> Result<(usize, ()), Infallible> {
            let end = clock.now() + service;
            while clock.now() < end {
                std::hint::spin_loop();
            }
            Ok((1, ()))
        };
        let Ok(served) = server(&clock, &arrivals, busy, |()| (), |_| false, || ());
        // Lindley's recursion: the wait of each query from that of the one before.
        let mut free = Duration::ZERO;
        let mut expected = 0.0;
        for &arrival in &arrivals {
            let begin = arrival.max(free);
            expected += begin.saturating_sub(arrival).as_secs_f64();
            free = begin + service;
        }
        let found: f64 = served.times.iter().map(wait_s).sum();
        assert!(found >= 0.9 * expected, "{found} s, not {expected} s");
    }
}
