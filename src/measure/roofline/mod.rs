//! What this machine's processor can do at the most: multiplications and
//! additions in `f32` and in eight bits, and bytes from memory, a second.
//!
//! Both are measured by the program itself for a few seconds, on as many
//! threads as a run computes with, and kept for each machine and build: see
//! [`measure_or_cached`]. Together they are the roofline of Williams, Waterman
//! and Patterson (2009): what does less than [`Roofline::ridge`] operations for
//! each byte it moves is bound by memory, the rest by arithmetic.

mod arithmetic;
mod bandwidth;
mod cache;
mod machine;
mod products;
mod wire;

use std::time::{Duration, Instant, SystemTime};

pub use cache::{cached, measure_or_cached};
pub use wire::{WireMachine, WireRoofline};

/// What can go wrong.
#[derive(Debug, thiserror::Error)]
pub enum RooflineError {
    /// The threads could not be started.
    #[error("{threads} threads could not be started to measure the machine's peak")]
    Threads {
        /// How many were asked for.
        threads: usize,
        /// What the thread library said.
        #[source]
        source: rayon::ThreadPoolBuildError,
    },
}

/// The peaks of a machine's processor with a number of threads, each the best of many rounds.
#[derive(Debug, Clone, PartialEq)]
pub struct Roofline {
    /// Threads that computed at the same time.
    pub threads: usize,
    /// `f32` operations a second, at the most: the largest of the three peaks below.
    /// Multiplication and addition count as one each.
    pub matrix_peak_flops_per_s: f64,
    /// Multiply-adds on registers alone, with the widest vectors the processor
    /// has: no matrix product is faster.
    pub fma_peak_flops_per_s: f64,
    /// The best of `gemm`, the library that multiplies candle's matrices, where
    /// each thread has a product of its own.
    pub gemm_peak_flops_per_s: f64,
    /// Rows, columns and depth of the product that `gemm_peak_flops_per_s` is of.
    pub gemm_peak_size: usize,
    /// The best of `gemm` where all threads share one product, as in the models.
    pub gemm_shared_peak_flops_per_s: f64,
    /// Rows, columns and depth of the product that `gemm_shared_peak_flops_per_s` is of.
    pub gemm_shared_peak_size: usize,
    /// Operations in eight bits a second, at the most: products and sums of small whole numbers that
    /// do not leave the first-level cache, by the tile that the models in `int8` are made of.
    pub int8_peak_ops_per_s: f64,
    /// Bytes a second between memory and processor, at the most: the larger of the two below.
    pub bandwidth_bytes_per_s: f64,
    /// Reading arrays once: each byte counted once.
    pub read_bytes_per_s: f64,
    /// `a = b + s·c` (McCalpin's STREAM triad): the bytes of the three arrays counted
    /// once each, as STREAM counts, not those that are read because they will be written.
    pub triad_bytes_per_s: f64,
    /// Bytes of the arrays of all threads together.
    pub array_bytes: u64,
    /// The part of the time, from 0 to 1, that the threads were ready to compute and other
    /// programs had the processors; absent where the system does not tell.
    pub waited_share: Option<f64>,
    /// What measuring took, in seconds.
    pub seconds: f64,
    /// When it was measured.
    pub measured: SystemTime,
}

impl Roofline {
    /// Operations for each byte at which arithmetic and memory take as long.
    pub fn ridge(&self) -> f64 {
        self.matrix_peak_flops_per_s / self.bandwidth_bytes_per_s
    }

    /// Whether other programs left the threads so little time that the peaks may be higher.
    /// Such a roofline is not kept.
    pub fn is_disturbed(&self) -> bool {
        let share = self.waited_share;
        share.is_some_and(|share| share > MAX_WAITED_SHARE)
    }

    /// The matrix peak of what matrices are multiplied in: `int8`, or all else, which is `f32`.
    pub fn peak_of(&self, compute_dtype: &str) -> f64 {
        match compute_dtype {
            "int8" => self.int8_peak_ops_per_s,
            _ => self.matrix_peak_flops_per_s,
        }
    }
}

/// How long is measured, and on what.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Effort {
    /// For all rounds together, divided among the kernels.
    pub time: Duration,
    /// Rows, columns and depth of the products that each thread has for itself.
    pub own_sizes: &'static [usize],
    /// Rows, columns and depth of the products that all threads share.
    pub shared_sizes: &'static [usize],
    /// Bytes of the arrays of all threads together; chosen by the caches where absent.
    pub array_bytes: Option<u64>,
}

impl Default for Effort {
    /// About five seconds; products that fit in the second or third level of cache.
    fn default() -> Self {
        Self {
            time: Duration::from_secs(4),
            own_sizes: &[192, 256, 512, 768],
            shared_sizes: &[768, 1536],
            array_bytes: None,
        }
    }
}

/// Measures with `threads` threads: those of the current rayon pool if it has
/// so many, otherwise a pool of their own. Beside it, what to know of the figures.
///
/// # Errors
///
/// Fails where threads cannot be started.
pub fn measure(threads: usize, effort: &Effort) -> Result<(Roofline, Vec<String>), RooflineError> {
    let threads = threads.max(1);
    if rayon::current_num_threads() == threads {
        return Ok(measure_here(effort));
    }
    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads);
    let pool = pool
        .build()
        .map_err(|source| RooflineError::Threads { threads, source })?;
    Ok(pool.install(|| measure_here(effort)))
}

fn measure_here(effort: &Effort) -> (Roofline, Vec<String>) {
    let measured = SystemTime::now();
    let started = Instant::now();
    let waited = || rayon::broadcast(|_| machine::waited_ns());
    let waited_before = waited();
    // Registers, eight bits, own products, shared products, reading, triad.
    let share = effort.time / 6;
    let (mut fma, mut own, mut shared) = (0.0_f64, (0.0, 0), (0.0, 0));
    let mut int8 = 0.0_f64;
    // In turns, so that a moment in which the machine is slow is not all that one of them gets.
    for _ in 0..TURNS {
        let share = share / TURNS;
        fma = fma.max(arithmetic::fma_peak(share));
        int8 = int8.max(arithmetic::int8_peak(share));
        own = products::best(own, effort.own_sizes, share, products::own_products);
        shared = products::best(shared, effort.shared_sizes, share, products::shared_product);
    }
    let ((own, own_size), (shared, shared_size)) = (own, shared);
    let (bandwidth, mut notes) = bandwidth::measure(effort.array_bytes, share);
    let seconds = started.elapsed().as_secs_f64();
    let waits = waited_before.into_iter().zip(waited());
    let waits: Option<Vec<u64>> = waits
        .map(|(before, after)| Some(after?.saturating_sub(before?)))
        .collect();
    let roofline = Roofline {
        threads: rayon::current_num_threads(),
        matrix_peak_flops_per_s: fma.max(own).max(shared),
        fma_peak_flops_per_s: fma,
        gemm_peak_flops_per_s: own,
        gemm_peak_size: own_size,
        gemm_shared_peak_flops_per_s: shared,
        gemm_shared_peak_size: shared_size,
        int8_peak_ops_per_s: int8,
        bandwidth_bytes_per_s: bandwidth.read.max(bandwidth.triad),
        read_bytes_per_s: bandwidth.read,
        triad_bytes_per_s: bandwidth.triad,
        array_bytes: bandwidth.array_bytes,
        waited_share: waits.map(|waits| {
            let waited_s = waits.iter().sum::<u64>() as f64 / 1e9;
            waited_s / (seconds * waits.len() as f64)
        }),
        seconds,
        measured,
    };
    if roofline.is_disturbed() {
        let percent = roofline.waited_share.unwrap_or_default() * 100.0;
        notes.push(format!(
            "the machine was busy with other programs while its peak was measured (the threads waited {percent:.0} % of the time): the peak may be higher, and is not kept"
        ));
    }
    (roofline, notes)
}

/// Of many rounds one is undisturbed as long as waiting is rarer than this.
const MAX_WAITED_SHARE: f64 = 0.1;

/// How often the kernels of arithmetic take turns.
const TURNS: u32 = 3;

/// A round takes this long at the least: far longer than waking the threads, and than the
/// system takes to part two that it woke on one processor.
const ROUND: Duration = Duration::from_millis(30);

/// The best rate of many rounds, in units a second. `run` does `units` as often
/// as it is told, on all threads.
pub(super) fn best_rate(units: f64, time: Duration, mut run: impl FnMut(u64)) -> f64 {
    let mut timed = |repetitions: u64| {
        let started = Instant::now();
        run(repetitions);
        // A clock that stood still would give no rate.
        started.elapsed().max(Duration::from_nanos(1))
    };
    let deadline = Instant::now() + time;
    let mut repetitions = 1;
    let mut taken = timed(repetitions);
    while taken < ROUND {
        repetitions *= 2;
        taken = timed(repetitions);
    }
    let rate = |taken: Duration| units * repetitions as f64 / taken.as_secs_f64();
    let mut best = rate(taken);
    while Instant::now() < deadline {
        best = best.max(rate(timed(repetitions)));
    }
    best
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Little enough for a build without optimisation.
    pub(super) const LITTLE: Effort = Effort {
        time: Duration::from_millis(50),
        own_sizes: &[32, 48],
        shared_sizes: &[64],
        array_bytes: Some(3 << 20),
    };

    #[test]
    fn figures_are_rates_and_the_peak_is_the_largest() {
        for threads in [1, 3] {
            let (roofline, _) = measure(threads, &LITTLE).unwrap();
            assert_eq!(roofline.threads, threads);
            let peaks = [
                roofline.fma_peak_flops_per_s,
                roofline.gemm_peak_flops_per_s,
                roofline.gemm_shared_peak_flops_per_s,
            ];
            let bandwidths = [roofline.read_bytes_per_s, roofline.triad_bytes_per_s];
            for rate in peaks.into_iter().chain(bandwidths) {
                assert!(rate.is_finite() && rate > 1e6, "{roofline:?}");
            }
            let largest = peaks.into_iter().fold(0.0, f64::max);
            assert_eq!(roofline.matrix_peak_flops_per_s, largest);
            assert!([32, 48].contains(&roofline.gemm_peak_size));
            assert_eq!(roofline.gemm_shared_peak_size, 64);
            assert_eq!(roofline.peak_of("f32"), largest);
            assert_eq!(roofline.peak_of("bf16"), largest);
            let int8 = roofline.int8_peak_ops_per_s;
            assert!(int8.is_finite() && int8 > 1e6 && roofline.peak_of("int8") == int8);
            let ridge = largest / bandwidths[0].max(bandwidths[1]);
            assert_eq!(roofline.ridge(), ridge);
            assert!(roofline.seconds > 0.0);
            assert!(
                roofline
                    .waited_share
                    .is_none_or(|share| (0.0..1.0).contains(&share))
            );
        }
    }

    #[test]
    fn a_rate_is_the_units_of_the_best_round() {
        // A round sleeps 3 ms a repetition; 200 units each are 66,667 a second at the most.
        let mut rounds = Vec::new();
        let rate = best_rate(200.0, Duration::from_millis(60), |repetitions| {
            rounds.push(repetitions);
            std::thread::sleep(Duration::from_millis(3) * u32::try_from(repetitions).unwrap());
        });
        assert!(rate > 0.0 && rate <= 200.0 / 3e-3, "{rate}");
        // Doubled until a round was long enough, then kept.
        let last = *rounds.last().unwrap();
        assert!(last <= 16 && rounds[..2] == [1, 2], "{rounds:?}");
    }

    #[test]
    fn no_time_at_all_is_one_round() {
        let rate = best_rate(1.0, Duration::ZERO, |_| std::thread::sleep(ROUND));
        assert!(rate > 0.0 && rate <= 1.0 / ROUND.as_secs_f64());
    }
}
