//! Percentiles of latencies.

/// Latencies in milliseconds: mean, chosen percentiles and the largest.
///
/// The p-th percentile is by nearest rank: the smallest value that at least
/// p percent of all values do not exceed. It is always one of the values.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Latencies {
    /// The number of values.
    pub n: usize,
    /// Arithmetic mean.
    pub mean: f64,
    /// Median.
    pub p50: f64,
    /// 90th percentile.
    pub p90: f64,
    /// 95th percentile.
    pub p95: f64,
    /// 99th percentile.
    pub p99: f64,
    /// 99.9th percentile.
    pub p999: f64,
    /// The largest value.
    pub max: f64,
}

impl Latencies {
    /// Summarises latencies given in nanoseconds; nothing where there are none.
    pub fn of_nanoseconds(mut sorted: Vec<u64>) -> Option<Self> {
        sorted.sort_unstable();
        let max = ms(*sorted.last()?);
        let sum: u128 = sorted.iter().map(|&ns| u128::from(ns)).sum();
        Some(Self {
            n: sorted.len(),
            mean: sum as f64 / sorted.len() as f64 / 1e6,
            p50: nearest_rank(&sorted, 500),
            p90: nearest_rank(&sorted, 900),
            p95: nearest_rank(&sorted, 950),
            p99: nearest_rank(&sorted, 990),
            p999: nearest_rank(&sorted, 999),
            max,
        })
    }
}

fn ms(nanoseconds: u64) -> f64 {
    nanoseconds as f64 / 1e6
}

/// The percentile `per_mille / 10` of ascending values, by nearest rank.
fn nearest_rank(sorted: &[u64], per_mille: usize) -> f64 {
    let rank = (sorted.len() * per_mille).div_ceil(1000).max(1);
    ms(sorted[rank - 1])
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As `numpy.percentile(values, p, method="inverted_cdf")` gives them.
    #[test]
    fn percentiles_are_nearest_rank() {
        let nanoseconds = [15_u64, 20, 35, 40, 50].map(|ms| ms * 1_000_000);
        let latencies = Latencies::of_nanoseconds(nanoseconds.to_vec()).unwrap();
        assert_eq!((latencies.n, latencies.max), (5, 50.0));
        assert!((latencies.mean - 32.0).abs() < 1e-9);
        assert!((latencies.p50 - 35.0).abs() < 1e-9);
        assert!((latencies.p90 - 50.0).abs() < 1e-9);
        let hundred: Vec<_> = (1..=100).rev().map(|ms| ms * 1_000_000).collect();
        let latencies = Latencies::of_nanoseconds(hundred).unwrap();
        let found = [latencies.p50, latencies.p90, latencies.p95, latencies.p99];
        for (found, expected) in found.into_iter().zip([50.0, 90.0, 95.0, 99.0]) {
            assert!((found - expected).abs() < 1e-9);
        }
        assert!((latencies.p999 - 100.0).abs() < 1e-9);
    }

    #[test]
    fn no_values_have_no_summary() {
        assert_eq!(Latencies::of_nanoseconds(Vec::new()), None);
    }
}
