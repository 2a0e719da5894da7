//! Whether a series of measurements is steady: warm-up, autocorrelation, outliers.

use super::quantile_linear;

/// The observations of a batch of MSER-5.
const BATCH: usize = 5;

/// The fewest batches that MSER-5 keeps. Of the last few means some always lie
/// close together, and their small scatter would be taken for a steady state
/// (Hoad, Robinson and Davies, "Automating warm-up length estimation", 2010).
const FEWEST_KEPT: usize = 5;

/// Where a series is steady from; see [`mser_5`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SteadyState {
    /// The number of observations at the beginning that are warm-up.
    pub truncated: usize,
    /// Whether the truncation counts: it lies in the first half of the series.
    /// Where it does not, the series has not settled, and [`SteadyState::truncated`]
    /// says only where the rule would cut.
    pub found: bool,
}

/// The fewest observations of which [`mser_5`] finds a steady state.
pub const FEWEST_FOR_MSER_5: usize = 2 * FEWEST_KEPT * BATCH;

/// The end of the warm-up by MSER-5, the marginal standard error rule on means of 5.
///
/// The series is divided into batches of 5 observations (what is left at the end
/// is not looked at), and that many batch means are cut from the beginning that
/// the standard error of the mean of the others, the root of their mean squared
/// deviation over their number, becomes smallest; of equal ones the first. At
/// least 5 batches are kept. The cut counts as found where it lies
/// in the first half.
///
/// Nothing below [`FEWEST_FOR_MSER_5`] observations or where one is not finite.
///
/// Source: White, "An effective truncation heuristic for bias reduction in simulation output"
/// (Simulation 69, 1997); White, Cobb and Spratt, "A comparison of five steady-state
/// truncation heuristics for simulation" (Winter Simulation Conference 2000).
pub fn mser_5(values: &[f64]) -> Option<SteadyState> {
    if values.len() < FEWEST_FOR_MSER_5 || !values.iter().all(|value| value.is_finite()) {
        return None;
    }
    let batches = values.chunks_exact(BATCH);
    let means: Vec<f64> = batches
        .map(|batch| batch.iter().sum::<f64>() / BATCH as f64)
        .collect();
    // From the end, a mean at a time (Welford): every truncation in one pass.
    let (mut mean, mut squares, mut kept) = (0.0, 0.0, 0.0);
    let (mut smallest, mut cut) = (f64::INFINITY, 0);
    for (place, value) in means.iter().enumerate().rev() {
        kept += 1.0;
        let deviation = value - mean;
        mean += deviation / kept;
        squares += deviation * (value - mean);
        let squared_error = squares / (kept * kept);
        if means.len() - place >= FEWEST_KEPT && squared_error <= smallest {
            (smallest, cut) = (squared_error, place);
        }
    }
    Some(SteadyState {
        truncated: cut * BATCH,
        found: cut <= means.len() / 2,
    })
}

/// The autocorrelation of a series at lag 1: the sum of the products of
/// neighbours' deviations from the mean over the sum of the squared deviations.
/// Nothing below three values, where all are equal, or where one is not finite.
pub fn lag_1_autocorrelation(values: &[f64]) -> Option<f64> {
    if values.len() < 3 || values.iter().all(|value| *value == values[0]) {
        return None;
    }
    let mean = values.iter().sum::<f64>() / values.len() as f64;
    let deviations: Vec<f64> = values.iter().map(|value| value - mean).collect();
    let products: f64 = deviations.windows(2).map(|pair| pair[0] * pair[1]).sum();
    let squares: f64 = deviations.iter().map(|deviation| deviation.powi(2)).sum();
    Some(products / squares).filter(|correlation| correlation.is_finite())
}

/// How many values lie outside Tukey's fences; see [`outliers`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Outliers {
    /// Below the first quartile by more than 3 interquartile ranges.
    pub low_severe: usize,
    /// Below the first quartile by more than 1.5 interquartile ranges and at most 3.
    pub low_mild: usize,
    /// Above the third quartile by more than 1.5 interquartile ranges and at most 3.
    pub high_mild: usize,
    /// Above the third quartile by more than 3 interquartile ranges.
    pub high_severe: usize,
}

impl Outliers {
    /// All of them.
    pub fn total(&self) -> usize {
        self.low_severe + self.low_mild + self.high_mild + self.high_severe
    }
}

/// Counts the values outside Tukey's fences, as criterion does: quartiles by
/// [`quantile_linear`], and a value on a fence lies inside. Nothing where there are
/// no values or one is not finite.
///
/// Source: Tukey, "Exploratory Data Analysis" (1977), chapter 2; criterion's
/// `stats/univariate/outliers/tukey.rs`.
pub fn outliers(values: &[f64]) -> Option<Outliers> {
    if !values.iter().all(|value| value.is_finite()) {
        return None;
    }
    let mut sorted = values.to_vec();
    sorted.sort_unstable_by(f64::total_cmp);
    let first = quantile_linear(&sorted, 0.25)?;
    let third = quantile_linear(&sorted, 0.75)?;
    let range = third - first;
    let below = |fence: f64| sorted.partition_point(|value| *value < fence);
    let above = |fence: f64| sorted.len() - sorted.partition_point(|value| *value <= fence);
    let low_severe = below(first - 3.0 * range);
    let high_severe = above(third + 3.0 * range);
    Some(Outliers {
        low_severe,
        low_mild: below(first - 1.5 * range) - low_severe,
        high_mild: above(third + 1.5 * range) - high_severe,
        high_severe,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn awkward_series() {
        for values in [&[][..], &[1.0], &[1.0; 49]] {
            assert_eq!(mser_5(values), None);
            assert_eq!(lag_1_autocorrelation(values), None);
        }
        let steady = SteadyState {
            truncated: 0,
            found: true,
        };
        assert_eq!(mser_5(&[0.1; 50]), Some(steady));
        for bad in [f64::NAN, f64::INFINITY] {
            let mut values = vec![1.0; 60];
            values[59] = bad;
            assert_eq!(mser_5(&values), None);
            assert_eq!(lag_1_autocorrelation(&values), None);
            assert_eq!(outliers(&values), None);
        }
        // Squares of these overflow.
        let huge: Vec<f64> = (0..60).map(|i| f64::from(i % 2) * 1e300).collect();
        assert_eq!(lag_1_autocorrelation(&huge), None);
        assert!(mser_5(&huge).is_some() && outliers(&huge).is_some());
    }

    #[test]
    fn outliers_of_awkward_values() {
        assert_eq!(outliers(&[]), None);
        assert_eq!(outliers(&[5.0]).map(|found| found.total()), Some(0));
        assert_eq!(outliers(&[5.0; 9]).map(|found| found.total()), Some(0));
        // Quartiles 2 and 4: fences -4, -1, 7 and 10, on which a value is no outlier.
        let on_fences = outliers(&[2.0, 3.0, 4.0, 2.0, 4.0, 3.0, 3.0, -1.0, 7.0]).unwrap();
        assert_eq!(on_fences.total(), 0);
    }

    /// Slow at first, then steady; and never steady.
    #[test]
    fn warm_up_is_cut_and_a_drift_is_not_called_steady() {
        let noise = |i: u32| f64::from(i * 7919 % 101) / 100.0;
        let settled: Vec<f64> = (0..400)
            .map(|i| 20.0 + noise(i) + if i < 60 { 10.0 } else { 0.0 })
            .collect();
        let found = mser_5(&settled).unwrap();
        assert!(found.found && (60..=80).contains(&found.truncated));
        let late: Vec<f64> = (0..400)
            .map(|i| 20.0 + noise(i) + if i < 300 { 10.0 } else { 0.0 })
            .collect();
        let found = mser_5(&late).unwrap();
        assert!(!found.found && (300..=320).contains(&found.truncated));
    }
}
