//! Percentile bootstrap intervals of ratios of sums.

use rayon::prelude::*;

use super::student::two_sided_quantile;
use super::{Interval, quantile_linear};
use crate::random::SplitMix64;

/// What is drawn as a whole: a question, or all questions of a passage.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Unit<const FIGURES: usize> {
    /// What the figures are divided by: the number of questions.
    pub size: f64,
    /// The sum of each figure over the unit's questions.
    pub sums: [f64; FIGURES],
}

/// Percentile bootstrap intervals at confidence `level` (between 0 and 1) of each figure's
/// ratio; see [`Resamples`]. Nothing below two units, whose resamples would all be alike, and
/// nothing without resamples.
pub fn percentile_intervals<const FIGURES: usize>(
    units: &[Unit<FIGURES>],
    resamples: usize,
    level: f64,
    seed: u64,
) -> Option<[Interval; FIGURES]> {
    Resamples::of(units, resamples, seed).map(|resamples| resamples.intervals(level))
}

/// Each figure's ratio, the sum of the figure over the sum of the sizes, in resamples of units.
///
/// A resample draws as many units as there are, each with equal probability
/// and put back. With questions as units (of size 1) the ratio is the mean;
/// with passages it is the mean over the questions of the passages drawn, so
/// that questions of one passage need not be independent. Each resample has a random sequence of
/// its own: the number of threads changes no digit.
///
/// Source: Efron and Tibshirani, "An Introduction to the Bootstrap" (1993), chapter 13;
/// `scipy.stats.bootstrap(method="percentile")`.
#[derive(Debug, Clone, PartialEq)]
pub struct Resamples<const FIGURES: usize> {
    /// Each figure's ratios, ascending; one at least.
    ratios: [Vec<f64>; FIGURES],
}

impl<const FIGURES: usize> Resamples<FIGURES> {
    /// Draws `resamples` of `units`; nothing below two units or without resamples.
    pub fn of(units: &[Unit<FIGURES>], resamples: usize, seed: u64) -> Option<Self> {
        if units.len() < 2 || resamples == 0 {
            return None;
        }
        let drawn: Vec<[f64; FIGURES]> = (0..resamples as u64)
            .into_par_iter()
            .map(|number| resampled_ratio(units, SplitMix64::stream(seed, number)))
            .collect();
        Some(Self {
            ratios: std::array::from_fn(|figure| {
                let mut ratios: Vec<f64> = drawn.iter().map(|ratio| ratio[figure]).collect();
                ratios.sort_unstable_by(f64::total_cmp);
                ratios
            }),
        })
    }

    /// Each figure's interval: between the quantiles of the ratios that leave half of the rest
    /// out on either side, at level 0.95 those at 0.025 and 0.975 ([`quantile_linear`]).
    pub fn intervals(&self, level: f64) -> [Interval; FIGURES] {
        std::array::from_fn(|figure| {
            let end = |q| {
                let end = quantile_linear(&self.ratios[figure], q);
                end.expect("OK because there are resamples")
            };
            Interval {
                lower: end((1.0 - level) / 2.0),
                upper: end(f64::midpoint(1.0, level)),
            }
        })
    }
}

/// The level at which a percentile interval of `units` holds `level` nearly: percentile
/// intervals are too narrow for few units, as the standard deviation of resamples is too small
/// by a factor of sqrt((n - 1) / n), and the normal distribution stands for Student's.
///
/// 0.983 for 0.95 of 10 units, 0.958 of 48, 0.951 of 300. `level` where there are fewer than two.
///
/// Source: Hesterberg, "What Teachers Should Know About the Bootstrap" (The American
/// Statistician 69, 2015), section 3.2, the expanded percentile interval.
pub fn expanded_level(level: f64, units: usize) -> f64 {
    if units < 2 || !(level > 0.0 && level < 1.0) {
        return level;
    }
    let freedom = units as f64 - 1.0;
    let ends = two_sided_quantile(freedom, level) * (units as f64 / freedom).sqrt();
    libm::erf(ends / std::f64::consts::SQRT_2)
}

/// Each figure's ratio in one resample.
fn resampled_ratio<const FIGURES: usize>(
    units: &[Unit<FIGURES>],
    mut numbers: SplitMix64,
) -> [f64; FIGURES] {
    let (mut size, mut sums) = (0.0, [0.0; FIGURES]);
    for _ in 0..units.len() {
        let unit = &units[numbers.below(units.len() as u64) as usize];
        size += unit.size;
        for (sum, value) in sums.iter_mut().zip(&unit.sums) {
            *sum += value;
        }
    }
    sums.map(|sum| sum / size)
}

#[cfg(test)]
mod tests {
    use super::expanded_level;

    /// By SciPy: `1 - 2 * norm.sf(sqrt(n / (n - 1)) * t.ppf((1 + level) / 2, n - 1))`.
    #[test]
    fn few_units_have_a_higher_level() {
        for (level, units, expected) in LEVELS {
            let found = expanded_level(level, units);
            assert!((found - expected).abs() < 1e-9, "{level} {units}: {found}");
        }
        assert_eq!(expanded_level(0.95, 1), 0.95);
        assert_eq!(expanded_level(1.5, 10), 1.5);
    }

    const LEVELS: [(f64, usize, f64); 5] = [
        (0.95, 10, 0.982_898_721_951),
        (0.95, 48, 0.957_950_443_761),
        (0.95, 300, 0.951_301_028_302),
        (0.99, 20, 0.996_667_284_388),
        (0.9, 2067, 0.900_234_122_977),
    ];
}
