//! Which questions are asked and when: two streams of random numbers of one seed.
//!
//! Both are the same on every machine, to the last bit: they are made of
//! whole numbers and of additions, multiplications and divisions, which IEEE 754
//! defines exactly; a logarithm differs from one system's library to the next.
//! Neither takes a number from the other, so the questions of a seed do not
//! depend on the rate, nor their order in time on the data set.

use std::time::Duration;

use crate::random::SplitMix64;

/// Numbers of the streams, see [`SplitMix64::stream`]: far from the small numbers that others count up.
const QUESTIONS: u64 = u64::from_be_bytes(*b"question");
const ARRIVALS: u64 = u64::from_be_bytes(*b"arrivals");

/// Which questions are asked: places in the data set, drawn evenly and with
/// replacement, without end. `take(n)` gives n of them.
///
/// As in LoadGen's performance mode, except that the samples of a multi-stream
/// query are drawn one by one, where LoadGen takes neighbours.
#[derive(Debug, Clone)]
pub struct SampleIndices {
    numbers: SplitMix64,
    population: u64,
}

impl SampleIndices {
    /// Draws from `population` questions. Where there are none, none is drawn.
    pub fn new(seed: u64, population: usize) -> Self {
        Self {
            numbers: SplitMix64::stream(seed, QUESTIONS),
            population: population as u64,
        }
    }
}

impl Iterator for SampleIndices {
    type Item = usize;

    fn next(&mut self) -> Option<usize> {
        (self.population > 0).then(|| self.numbers.below(self.population) as usize)
    }
}

/// No rate at which queries could arrive.
#[derive(Debug, Clone, Copy, PartialEq, thiserror::Error)]
#[error("queries cannot arrive at {0} a second: the rate must be above 0 and finite")]
pub struct ImproperRate(pub f64);

/// When queries arrive, from the start of the run: a Poisson process, without end.
///
/// As in LoadGen's server scenario the first query arrives at the start, and
/// the gaps to the next are exponential, with a mean of `1 / rate` seconds. The
/// process of a seed at twice the rate is the same one in half the time.
#[derive(Debug, Clone)]
pub struct PoissonArrivals {
    numbers: SplitMix64,
    rate_per_s: f64,
    next_s: f64,
}

impl PoissonArrivals {
    /// Arrivals of `rate_per_s` queries a second on average.
    ///
    /// # Errors
    ///
    /// Fails where the rate is not above 0 and finite.
    pub fn new(seed: u64, rate_per_s: f64) -> Result<Self, ImproperRate> {
        if !(rate_per_s > 0.0 && rate_per_s.is_finite()) {
            return Err(ImproperRate(rate_per_s));
        }
        Ok(Self {
            numbers: SplitMix64::stream(seed, ARRIVALS),
            rate_per_s,
            next_s: 0.0,
        })
    }
}

impl Iterator for PoissonArrivals {
    type Item = Duration;

    /// Rounded down to whole nanoseconds; 2^64 ns (585 years) is the latest time.
    fn next(&mut self) -> Option<Duration> {
        #[allow(clippy::cast_sign_loss)] // a sum of positive gaps
        let arrival = Duration::from_nanos((self.next_s * 1e9) as u64);
        self.next_s += standard_exponential(&mut self.numbers) / self.rate_per_s;
        Some(arrival)
    }
}

/// A draw of the exponential distribution with mean 1.
///
/// It takes comparisons only. Of uniform numbers drawn for as long as they
/// fall, the first is x and an odd number of them falls with probability
/// e^-x; where it is even, all are drawn anew for the next whole number.
///
/// Source: von Neumann, "Various Techniques Used in Connection With Random
/// Digits" (1951).
fn standard_exponential(numbers: &mut SplitMix64) -> f64 {
    let mut whole = 0.0;
    loop {
        let first = numbers.next_u64();
        let mut last = first;
        let mut odd = true;
        loop {
            let next = numbers.next_u64();
            if next >= last {
                break;
            }
            last = next;
            odd = !odd;
        }
        if odd {
            // 53 bits of the fraction, as many as an f64 holds.
            return whole + (first >> 11) as f64 / (1_u64 << 53) as f64;
        }
        whole += 1.0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn arrivals_ns(seed: u64, rate: f64, count: usize) -> Vec<u64> {
        let arrivals = PoissonArrivals::new(seed, rate).unwrap();
        arrivals
            .take(count)
            .map(|at| at.as_nanos() as u64)
            .collect()
    }

    /// Kolmogorov and Smirnov's test that `values` are draws of the continuous
    /// distribution function `cdf`: the p-value, by Stephens' form of the limit.
    fn kolmogorov_smirnov(mut values: Vec<f64>, cdf: impl Fn(f64) -> f64) -> f64 {
        values.sort_by(f64::total_cmp);
        let n = values.len() as f64;
        let distance = values
            .iter()
            .enumerate()
            .fold(0.0_f64, |most, (i, &value)| {
                let expected = cdf(value);
                let (before, after) = (i as f64 / n, (i as f64 + 1.0) / n);
                most.max(expected - before).max(after - expected)
            });
        let scaled = (n.sqrt() + 0.12 + 0.11 / n.sqrt()) * distance;
        let term = |k: i32| (-2.0 * f64::from(k * k) * scaled * scaled).exp();
        let sum: f64 = (1..100)
            .map(|k| if k % 2 == 1 { term(k) } else { -term(k) })
            .sum();
        (2.0 * sum).clamp(0.0, 1.0)
    }

    /// What is no exponential distribution of that mean is found out, and
    /// what is one passes as often as chance has it.
    #[test]
    fn gaps_are_exponential() {
        let mut p_values = Vec::new();
        for (number, rate) in (0..).zip([0.03, 1.0, 7.9, 1000.0, 40_000.0]) {
            for seed in 0..100 {
                let times = arrivals_ns(100 * number + seed, rate, 1001);
                let gaps = times
                    .windows(2)
                    .map(|pair| (pair[1] - pair[0]) as f64 / 1e9);
                let gaps: Vec<f64> = gaps.collect();
                p_values.push(kolmogorov_smirnov(gaps.clone(), |gap| {
                    1.0 - (-rate * gap).exp()
                }));
                let wrong = kolmogorov_smirnov(gaps, |gap| 1.0 - (-1.3 * rate * gap).exp());
                assert!(wrong < 0.01, "{rate} {seed}: {wrong}");
            }
        }
        for (level, least, most) in [(0.05, 9, 42), (0.5, 205, 295), (0.95, 458, 491)] {
            // The expected number of 500 and four standard deviations to each side.
            let below = p_values.iter().filter(|&&p| p < level).count();
            assert!((least..=most).contains(&below), "{below} below {level}");
        }
        assert!(kolmogorov_smirnov(p_values, |p| p) > 0.01);
    }

    /// The variance of the counts in equal intervals is their mean.
    #[test]
    fn counts_are_poisson() {
        let mut deviations = Vec::new();
        for seed in 0..50 {
            let times = arrivals_ns(seed, 200.0, 50_000);
            let mut counts = vec![0.0_f64; 2000];
            for time in times {
                // Intervals of 100 ms, 20 arrivals each on average.
                if let Some(count) = counts.get_mut((time / 100_000_000) as usize) {
                    *count += 1.0;
                }
            }
            let n = counts.len() as f64;
            let mean = counts.iter().sum::<f64>() / n;
            let squares: f64 = counts.iter().map(|count| (count - mean).powi(2)).sum();
            // The index of dispersion times n - 1 is chi-square.
            deviations.push((squares / mean - (n - 1.0)) / (2.0 * (n - 1.0)).sqrt());
            assert!((mean - 20.0).abs() < 0.5, "{seed}: {mean}");
        }
        assert!(deviations.iter().all(|z| z.abs() < 4.0), "{deviations:?}");
        let mean = deviations.iter().sum::<f64>() / 50.0;
        assert!(mean.abs() < 4.0 / 50_f64.sqrt(), "{mean}");
    }

    #[test]
    fn questions_are_drawn_evenly() {
        let mut deviations = Vec::new();
        for seed in 0..100 {
            let population = 90 + seed as usize;
            let mut counts = vec![0.0_f64; population];
            for index in SampleIndices::new(seed, population).take(population * 50) {
                counts[index] += 1.0;
            }
            let square: f64 = counts
                .iter()
                .map(|count| (count - 50.0).powi(2) / 50.0)
                .sum();
            let degrees = population as f64 - 1.0;
            deviations.push((square - degrees) / (2.0 * degrees).sqrt());
        }
        // Chi-square is skewed to the right, which is why the bounds differ.
        assert!(
            deviations.iter().all(|&z| z > -3.5 && z < 4.5),
            "{deviations:?}"
        );
        let mean = deviations.iter().sum::<f64>() / 100.0;
        assert!(mean.abs() < 0.4, "{mean}");
    }

    #[test]
    fn questions_do_not_depend_on_arrivals() {
        let drawn: Vec<usize> = SampleIndices::new(5, 1000).take(10_000).collect();
        let slow = arrivals_ns(5, 10.0, 10_001);
        let fast = arrivals_ns(5, 40.0, 10_001);
        // The same process in a quarter of the time, but for rounding.
        assert!(
            slow.iter()
                .zip(&fast)
                .all(|(slow, fast)| slow.abs_diff(4 * fast) <= 4)
        );
        let mut interleaved = SampleIndices::new(5, 1000);
        let mut arrivals = PoissonArrivals::new(5, 10.0).unwrap();
        for (&index, &arrival) in drawn.iter().zip(&slow) {
            assert_eq!(interleaved.next(), Some(index));
            assert_eq!(arrivals.next(), Some(Duration::from_nanos(arrival)));
        }
        // Pearson's correlation of a question's place and the gap after it.
        let gaps: Vec<f64> = slow
            .windows(2)
            .map(|pair| (pair[1] - pair[0]) as f64)
            .collect();
        let places: Vec<f64> = drawn.iter().map(|&index| index as f64).collect();
        let centred = |values: &[f64]| {
            let mean = values.iter().sum::<f64>() / values.len() as f64;
            values.iter().map(|value| value - mean).collect::<Vec<_>>()
        };
        let (gaps, places) = (centred(&gaps), centred(&places));
        let dot = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
        let correlation = dot(&gaps, &places) / (dot(&gaps, &gaps) * dot(&places, &places)).sqrt();
        // Four standard errors.
        assert!(correlation.abs() < 0.04, "{correlation}");
    }

    /// As another program, in Python, draws them: a record's seed must ask the same everywhere.
    #[test]
    fn draws_of_a_seed_stay() {
        let drawn: Vec<usize> = SampleIndices::new(1, 100).take(8).collect();
        assert_eq!(drawn, DRAWN);
        assert_eq!(arrivals_ns(1, 3.0, 6), ARRIVED_NS);
    }

    const DRAWN: [usize; 8] = [55, 90, 22, 17, 86, 65, 26, 82];
    const ARRIVED_NS: [u64; 6] = [
        0,
        256_054_769,
        794_781_021,
        1_232_468_029,
        1_387_709_435,
        1_984_148_692,
    ];

    #[test]
    fn edges() {
        assert_eq!(SampleIndices::new(1, 0).next(), None);
        assert_eq!(SampleIndices::new(1, 1).take(3).collect::<Vec<_>>(), [0; 3]);
        for rate in [0.0, -0.0, -1.0, f64::NAN, f64::INFINITY] {
            assert!(PoissonArrivals::new(1, rate).is_err(), "{rate}");
        }
        let late = arrivals_ns(1, f64::MIN_POSITIVE, 3);
        assert_eq!(late, [0, u64::MAX, u64::MAX]);
        let dense = arrivals_ns(1, f64::MAX, 1000);
        assert!(dense.iter().all(|&at| at == 0));
    }
}
