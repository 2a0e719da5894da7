//! Drift over a series of measurements, and memory that grows.

use super::order::median;

/// The most points that are compared with each other: their pairs are looked at one by one.
const MOST_POINTS: usize = 500;

/// The drift of a series; see [`trend`].
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Trend {
    /// The standardised Mann–Kendall statistic; above 0 where the series rises.
    pub z: f64,
    /// The two-sided p of the Mann–Kendall test against no trend.
    pub p: f64,
    /// The Theil–Sen slope, from one observation to the next.
    pub slope: f64,
    /// The slope over the whole series, from the first observation to the last, in
    /// percent of the median; absent where that is 0.
    pub drift_percent: Option<f64>,
}

/// The trend of a series over the places of its observations: Mann–Kendall test
/// and Theil–Sen slope.
///
/// Of more than 500 observations the means of equal blocks are taken instead,
/// as long as need be for at most 500 (less than a block left at the end is not
/// looked at): all pairs are compared. The test takes the points to be independent;
/// block means are nearer to that than single latencies are.
///
/// Nothing below two observations, or where one is not finite.
///
/// Source: Mann, "Nonparametric tests against trend" (1945); Kendall, "Rank Correlation Methods"
/// (1975), with his correction for ties and for continuity; Sen, "Estimates of the regression
/// coefficient based on Kendall's tau" (1968); `original_test` of pymannkendall and
/// `scipy.stats.theilslopes`.
pub fn trend(values: &[f64]) -> Option<Trend> {
    if values.len() < 2 || !values.iter().all(|value| value.is_finite()) {
        return None;
    }
    let length = block_length(values.len());
    let points = block_means(values, length);
    let places: Vec<f64> = (0..points.len()).map(|place| place as f64).collect();
    let (z, p) = mann_kendall(&points);
    let slope = theil_sen(&places, &points)? / length as f64;
    let level = median(&points)?;
    let drift = slope * (values.len() - 1) as f64 / level.abs() * 100.0;
    Some(Trend {
        z,
        p,
        slope,
        drift_percent: Some(drift).filter(|drift| drift.is_finite()),
    })
}

/// How memory grew; see [`growth`].
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Growth {
    /// The Theil–Sen slope.
    pub bytes_per_s: f64,
    /// The slope over the whole time, from the first sample to the last.
    pub total_bytes: f64,
    /// The two-sided p of the Mann–Kendall test against no trend.
    pub p: f64,
    /// Whether it is called growth: `p` is below [`GROWTH_P`] and the slope over the
    /// whole time reaches the caller's floor.
    pub grows: bool,
}

/// The p below which memory is said to grow.
pub const GROWTH_P: f64 = 0.01;

/// Whether memory grew, from samples of `(time_s, bytes)` in any order.
///
/// It is called growth, a leak, where the Mann–Kendall test rejects "no trend" at
/// [`GROWTH_P`] and the Theil–Sen slope over the whole time is above 0 and at least
/// `floor_bytes`, what an allocator's habits may add. A single step, such as a
/// buffer that grew once, has a slope of 0: more than half of all pairs of samples
/// lie on the same side of it, unless it comes in the middle of the time. What is
/// allocated while the program warms up is not a leak: begin after it.
///
/// Of more than 500 samples the means of blocks are taken, as in [`trend`].
/// Nothing below two samples, where all are of one time, or where a number is not finite.
pub fn growth(samples: &[(f64, f64)], floor_bytes: f64) -> Option<Growth> {
    let mut samples = samples.to_vec();
    samples.sort_by(|one, other| one.0.total_cmp(&other.0));
    let (times, bytes): (Vec<f64>, Vec<f64>) = samples.into_iter().unzip();
    let duration_s = times.last()? - times.first()?;
    let is_finite = |value: &f64| value.is_finite();
    if !(times.iter().all(is_finite) && bytes.iter().all(is_finite)) {
        return None;
    }
    let length = block_length(times.len());
    let (times, bytes) = (block_means(&times, length), block_means(&bytes, length));
    let bytes_per_s = theil_sen(&times, &bytes)?;
    let (_, p) = mann_kendall(&bytes);
    let total_bytes = bytes_per_s * duration_s;
    Some(Growth {
        bytes_per_s,
        total_bytes,
        p,
        grows: p < GROWTH_P && total_bytes > 0.0 && total_bytes >= floor_bytes,
    })
    .filter(|growth| growth.total_bytes.is_finite())
}

/// The observations of a block, so that there are at most [`MOST_POINTS`] of them.
fn block_length(n: usize) -> usize {
    n.div_ceil(MOST_POINTS).max(1)
}

fn block_means(values: &[f64], length: usize) -> Vec<f64> {
    let blocks = values.chunks_exact(length);
    blocks
        .map(|block| block.iter().sum::<f64>() / length as f64)
        .collect()
}

/// The statistic and the two-sided p of the Mann–Kendall test; 0 and 1 where all values are equal.
fn mann_kendall(values: &[f64]) -> (f64, f64) {
    let mut sum = 0_i64;
    for (place, value) in values.iter().enumerate() {
        for later in &values[place + 1..] {
            sum += i64::from(later > value) - i64::from(later < value);
        }
    }
    if sum == 0 {
        return (0.0, 1.0);
    }
    let mut sorted = values.to_vec();
    sorted.sort_unstable_by(f64::total_cmp);
    let spread = |n: usize| {
        let n = n as f64;
        n * (n - 1.0) * (2.0 * n + 5.0)
    };
    let ties = sorted.chunk_by(|one, other| one == other);
    let ties: f64 = ties.map(|tied| spread(tied.len())).sum();
    let variance = (spread(values.len()) - ties) / 18.0;
    let z = (sum - sum.signum()) as f64 / variance.sqrt();
    (z, libm::erfc(z.abs() / std::f64::consts::SQRT_2))
}

/// The median of the slopes between all pairs of points whose `x`, ascending, differ;
/// nothing where there are none.
fn theil_sen(x: &[f64], y: &[f64]) -> Option<f64> {
    let mut slopes = Vec::with_capacity(x.len() * x.len().saturating_sub(1) / 2);
    for later in 0..x.len() {
        for earlier in 0..later {
            if x[later] > x[earlier] {
                slopes.push((y[later] - y[earlier]) / (x[later] - x[earlier]));
            }
        }
    }
    median(&slopes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn awkward_series() {
        assert_eq!(trend(&[]), None);
        assert_eq!(trend(&[1.0]), None);
        assert_eq!(trend(&[1.0, f64::NAN, 2.0]), None);
        assert_eq!(trend(&[-f64::MAX, f64::MAX]), None); // the slope overflows
        let flat = trend(&[3.0; 1300]).unwrap();
        assert_eq!((flat.z, flat.p, flat.slope), (0.0, 1.0, 0.0));
        assert_eq!(flat.drift_percent, Some(0.0));
        assert_eq!(trend(&[0.0; 9]).unwrap().drift_percent, None);
        let falls: Vec<f64> = (0..1_000_000).map(|i| 2e6 - f64::from(i)).collect();
        let falls = trend(&falls).unwrap();
        assert_eq!(falls.slope, -1.0);
        assert!(falls.z < -30.0 && falls.p < 1e-100);
        assert!((falls.drift_percent.unwrap() + 999_999.0 / 1_500_000.5 * 100.0).abs() < 1e-6);
    }

    fn samples(bytes: impl Fn(u32) -> f64) -> Vec<(f64, f64)> {
        (0..900).map(|i| (f64::from(i) * 0.1, bytes(i))).collect()
    }

    #[test]
    fn leaks_are_called_and_habits_are_not() {
        let noise = |i: u32| f64::from(i * 7919 % 1009) * 1e3;
        let leak = samples(|i| 2e8 + noise(i) + 4096.0 * f64::from(i));
        let found = growth(&leak, 1e6).unwrap();
        assert!(found.grows && (found.bytes_per_s / 40_960.0 - 1.0).abs() < 0.1);
        assert!(!growth(&leak, 1e7).unwrap().grows, "below the floor");
        let mut shuffled = leak.clone();
        crate::random::SplitMix64::new(1).shuffle(&mut shuffled);
        assert_eq!(growth(&shuffled, 1e6), Some(found));
        let step = samples(|i| if i < 150 { 2e8 } else { 3e8 });
        let found = growth(&step, 1e6).unwrap();
        assert!(found.p < 0.01 && !found.grows && found.bytes_per_s == 0.0);
        let shrinks = samples(|i| 2e8 - 4096.0 * f64::from(i));
        let found = growth(&shrinks, 0.0).unwrap();
        assert!(found.p < 0.01 && !found.grows && found.total_bytes < 0.0);
        assert!(!growth(&samples(|_| 2e8), 0.0).unwrap().grows);
        assert!(!growth(&samples(noise), 1e5).unwrap().grows);
    }

    #[test]
    fn awkward_samples() {
        assert_eq!(growth(&[], 0.0), None);
        assert_eq!(growth(&[(1.0, 5.0)], 0.0), None);
        assert_eq!(growth(&[(1.0, 5.0), (1.0, 6.0)], 0.0), None);
        assert_eq!(growth(&[(1.0, 5.0), (2.0, f64::NAN)], 0.0), None);
        assert_eq!(growth(&[(f64::NAN, 5.0), (2.0, 6.0)], 0.0), None);
        assert_eq!(growth(&[(0.0, f64::MAX), (1.0, -f64::MAX)], 0.0), None);
    }
}
