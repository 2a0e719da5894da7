//! Percentile bootstrap intervals of ratios of sums.

use rayon::prelude::*;

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
/// ratio, the sum of the figure over the sum of the sizes. Nothing below two units, whose
/// resamples would all be alike, and nothing without resamples.
///
/// A resample draws as many units as there are, each with equal probability
/// and put back. With questions as units (of size 1) the ratio is the mean;
/// with passages it is the mean over the questions of the passages drawn, so
/// that questions of one passage need not be independent. The interval lies
/// between the quantiles of the resamples' ratios that leave half of the rest out on
/// either side, at level 0.95 those at 0.025 and 0.975 ([`quantile_linear`]). Each resample has a random sequence of its own:
/// the number of threads changes no digit.
///
/// Source: Efron and Tibshirani, "An Introduction to the Bootstrap" (1993), chapter 13;
/// `scipy.stats.bootstrap(method="percentile")`.
pub fn percentile_intervals<const FIGURES: usize>(
    units: &[Unit<FIGURES>],
    resamples: usize,
    level: f64,
    seed: u64,
) -> Option<[Interval; FIGURES]> {
    if units.len() < 2 || resamples == 0 {
        return None;
    }
    let ratios: Vec<[f64; FIGURES]> = (0..resamples as u64)
        .into_par_iter()
        .map(|number| resampled_ratio(units, SplitMix64::stream(seed, number)))
        .collect();
    Some(std::array::from_fn(|figure| {
        let mut values: Vec<f64> = ratios.iter().map(|ratio| ratio[figure]).collect();
        values.sort_unstable_by(f64::total_cmp);
        let end = |q| quantile_linear(&values, q).expect("OK because there are resamples");
        Interval {
            lower: end((1.0 - level) / 2.0),
            upper: end(f64::midpoint(1.0, level)),
        }
    }))
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
