//! Whether one series of measurements is higher than another, by how much, and how surely.

use super::Interval;
use super::student::two_sided_quantile;

/// One value in this many is cut at either end before means are taken: a fifth.
const CUT_ONE_IN: usize = 5;

/// When a difference is called one.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Rule {
    /// The confidence level of the interval; between 0 and 1.
    pub level: f64,
    /// The relative difference that is noise; not below 0. A ratio is noise
    /// between `1 / (1 + noise_threshold)` and `1 + noise_threshold`: which of
    /// the two series is the base makes no difference.
    pub noise_threshold: f64,
}

impl Default for Rule {
    /// Level 0.95, threshold 2 %.
    fn default() -> Self {
        Self {
            level: 0.95,
            noise_threshold: 0.02,
        }
    }
}

/// Whether the candidate's figures are higher than the base's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// The whole interval of the ratio lies above the noise threshold.
    Higher,
    /// The whole interval lies below it.
    Lower,
    /// The whole interval lies within the threshold.
    Same,
    /// None of these.
    Inconclusive(Doubt),
}

/// Why a comparison says nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Doubt {
    /// Fewer than [`FEWEST_REPETITIONS`]: there is no interval.
    TooFewRepetitions,
    /// The interval lies on both sides of the threshold: there is too much noise for
    /// so many repetitions, or the difference is about as large as the threshold.
    WideInterval,
}

/// A candidate's figures over a base's.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Comparison {
    /// The estimate of candidate over base: `exp` of the trimmed mean of logarithms.
    pub ratio: f64,
    /// The ratio's interval at the rule's level; absent below [`FEWEST_REPETITIONS`].
    /// With few repetitions of large scatter an end can be 0 or infinite.
    pub interval: Option<Interval>,
    /// What the interval says.
    pub verdict: Verdict,
}

/// Why series cannot be compared.
#[derive(Debug, Clone, Copy, PartialEq, thiserror::Error)]
pub enum CannotCompare {
    /// A series is empty.
    #[error("there is nothing to compare")]
    Nothing,
    /// Paired series have different lengths.
    #[error("{base} rounds of the base cannot be paired with {candidate} of the candidate")]
    Unpaired {
        /// Values of the base.
        base: usize,
        /// Values of the candidate.
        candidate: usize,
    },
    /// A value has no logarithm: it is 0, negative or not finite.
    #[error("{value} has no ratio to other values")]
    NoRatio {
        /// The first such value.
        value: f64,
    },
    /// The level is not between 0 and 1, or the threshold is not a finite number from 0 on.
    #[error("{rule:?} is no rule to compare by")]
    Rule {
        /// The rule given.
        rule: Rule,
    },
}

/// The fewest repetitions that have an interval, at any level.
///
/// That many are enough only where hardly anything scatters: the interval of two is
/// 12.7 standard errors to either side at level 0.95. From 5 on one spoiled round
/// at either end is cut, from 10 on two, and 10 is what [`compare_paired`]'s
/// promises were measured with.
pub const FEWEST_REPETITIONS: usize = 2;

/// Compares figures measured in the same rounds: `base[i]` and `candidate[i]` one
/// soon after the other, so that what drifts slowly is in both.
///
/// Of the logarithms of `candidate[i] / base[i]` the fifth that is lowest and the
/// fifth that is highest (rounded down) are cut. The ratio is the mean of the others;
/// its interval is Student's t with as many degrees of freedom as are left less one, and a
/// standard error from the Winsorised squares. Below 5 rounds nothing is
/// cut, and this is the paired t interval. Level 0.95 is met nearly: with normal
/// noise the interval holds the ratio in 94 to 95 of 100 cases.
///
/// Why this one: neighbours on the machine spoil single rounds. In a simulation
/// (`tests/goldens/compare_intervals.py`) of 10 rounds with one of the two cells of
/// 5 % of them slowed down by 30 %, and a standard deviation of the logarithms of 4 %
/// otherwise, a slow-down of 10 % was called, at levels 0.95 and 0.99 with the default
/// threshold, in 97 and 79 of 100 cases; by the paired t interval in 81 and 71, by the
/// Hodges–Lehmann estimate with the exact signed-rank interval in 79 and 76: one bad
/// round of 10 widens both. Hence also the default level: at 0.95 a
/// difference was called where there was none in 0.2 of 100 cases, and in 2
/// with a standard deviation of 11 %. For 95 of 100 calls with
/// one of 5.7 %, that is 4 % in each cell independently, it takes 15 rounds. With 5 rounds a call
/// of 10 % needs a standard deviation of about 1.5 %.
///
/// # Errors
///
/// Fails where there are no values, the series have different lengths, a value
/// is not finite and above 0, or the rule is none.
///
/// Source: Tukey and McLaughlin, "Less vulnerable confidence and significance procedures for
/// location based on a single sample" (1963); Yuen, "The two-sample trimmed t for
/// unequal population variances" (Biometrika 61, 1974); the rule of the whole
/// interval is criterion's.
pub fn compare_paired(
    base: &[f64],
    candidate: &[f64],
    rule: &Rule,
) -> Result<Comparison, CannotCompare> {
    let (base, candidate) = logarithms(base, candidate, rule)?;
    if base.len() != candidate.len() {
        return Err(CannotCompare::Unpaired {
            base: base.len(),
            candidate: candidate.len(),
        });
    }
    let differences = candidate.iter().zip(&base).map(|(c, b)| c - b).collect();
    let mean = TrimmedMean::of(differences);
    let half = mean
        .squared_error
        .map(|squared_error| half_width(squared_error, mean.kept as f64 - 1.0, rule.level));
    Ok(Comparison::of(mean.mean, half, rule))
}

/// Compares figures that were not measured in the same rounds, such as those of
/// two runs: the difference of the trimmed means of their logarithms, with Yuen's
/// interval, which is Welch's where nothing is cut (below 5 values).
///
/// What drifted between the two runs is in the ratio, and nothing in the figures
/// tells it from a difference. With a drift of 2 % (AR(1), 0.9 from one repetition to
/// the next) and noise of 1 % this calls a difference where there is none in 15 of
/// 100 cases of 10 repetitions, and Welch's interval in 11
/// (`tests/goldens/compare_intervals.py`).
/// Where both can be measured again, interleave them and use [`compare_paired`].
///
/// # Errors
///
/// Fails where a series has no values, a value is not finite and above 0, or the rule is none.
///
/// Source: Yuen (1974), as `scipy.stats.ttest_ind(equal_var=False, trim=0.2)`.
pub fn compare_unpaired(
    base: &[f64],
    candidate: &[f64],
    rule: &Rule,
) -> Result<Comparison, CannotCompare> {
    let (base, candidate) = logarithms(base, candidate, rule)?;
    let (base, candidate) = (TrimmedMean::of(base), TrimmedMean::of(candidate));
    let errors = base.squared_error.zip(candidate.squared_error);
    let half = errors.map(|(of_base, of_candidate)| {
        let squared_error = of_base + of_candidate;
        // The base's share, which neither overflows nor divides what underflowed.
        let share = if squared_error > 0.0 {
            of_base / squared_error
        } else {
            0.5
        };
        let per_freedom = share.powi(2) / (base.kept as f64 - 1.0)
            + (1.0 - share).powi(2) / (candidate.kept as f64 - 1.0);
        half_width(squared_error, 1.0 / per_freedom, rule.level)
    });
    Ok(Comparison::of(candidate.mean - base.mean, half, rule))
}

/// The logarithms of both series, if they and the rule are fit for use.
fn logarithms(
    base: &[f64],
    candidate: &[f64],
    rule: &Rule,
) -> Result<(Vec<f64>, Vec<f64>), CannotCompare> {
    let is_level = rule.level > 0.0 && rule.level < 1.0;
    if !(is_level && rule.noise_threshold >= 0.0 && rule.noise_threshold.is_finite()) {
        return Err(CannotCompare::Rule { rule: *rule });
    }
    if base.is_empty() || candidate.is_empty() {
        return Err(CannotCompare::Nothing);
    }
    let of =
        |values: &[f64]| -> Result<Vec<f64>, _> { values.iter().copied().map(logarithm).collect() };
    Ok((of(base)?, of(candidate)?))
}

fn logarithm(value: f64) -> Result<f64, CannotCompare> {
    if value > 0.0 && value.is_finite() {
        Ok(value.ln())
    } else {
        Err(CannotCompare::NoRatio { value })
    }
}

fn half_width(squared_error: f64, freedom: f64, level: f64) -> f64 {
    two_sided_quantile(freedom, level) * squared_error.sqrt()
}

/// A mean without the lowest and the highest fifth.
struct TrimmedMean {
    mean: f64,
    /// The number of values that are left.
    kept: usize,
    /// The square of its standard error; absent where one value is left.
    squared_error: Option<f64>,
}

impl TrimmedMean {
    /// Of at least one value.
    fn of(mut values: Vec<f64>) -> Self {
        values.sort_unstable_by(f64::total_cmp);
        let cut = values.len() / CUT_ONE_IN;
        let kept = &values[cut..values.len() - cut];
        let count = kept.len() as f64;
        let mean = kept.iter().sum::<f64>() / count;
        // Winsorised: a value that is cut stands for the last one that is not.
        let (low, high) = (kept[0], kept[kept.len() - 1]);
        let all = || values.iter().map(|value| value.clamp(low, high));
        let centre = all().sum::<f64>() / values.len() as f64;
        let squares: f64 = all().map(|value| (value - centre).powi(2)).sum();
        Self {
            mean,
            kept: kept.len(),
            squared_error: (kept.len() > 1).then(|| squares / (count * (count - 1.0))),
        }
    }
}

impl Comparison {
    /// From the estimate of the ratio's logarithm and the half of its interval's width.
    fn of(estimate: f64, half: Option<f64>, rule: &Rule) -> Self {
        let Some(half) = half else {
            return Self {
                ratio: estimate.exp(),
                interval: None,
                verdict: Verdict::Inconclusive(Doubt::TooFewRepetitions),
            };
        };
        let (lower, upper) = (estimate - half, estimate + half);
        let noise = rule.noise_threshold.ln_1p();
        let verdict = if lower > noise {
            Verdict::Higher
        } else if upper < -noise {
            Verdict::Lower
        } else if lower >= -noise && upper <= noise {
            Verdict::Same
        } else {
            Verdict::Inconclusive(Doubt::WideInterval)
        };
        Self {
            ratio: estimate.exp(),
            interval: Some(Interval {
                lower: lower.exp(),
                upper: upper.exp(),
            }),
            verdict,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn verdict(base: &[f64], candidate: &[f64]) -> Verdict {
        let paired = compare_paired(base, candidate, &Rule::default()).unwrap();
        let swapped = compare_paired(candidate, base, &Rule::default()).unwrap();
        let opposite = match paired.verdict {
            Verdict::Higher => Verdict::Lower,
            Verdict::Lower => Verdict::Higher,
            other => other,
        };
        assert_eq!(swapped.verdict, opposite);
        paired.verdict
    }

    #[test]
    fn verdicts_are_those_of_the_whole_interval() {
        let base = [10.0, 10.1, 9.9, 10.05, 9.95, 10.0];
        let times = |factor: f64| base.map(|value| value * factor);
        assert_eq!(verdict(&base, &times(1.1)), Verdict::Higher);
        assert_eq!(verdict(&base, &times(0.9)), Verdict::Lower);
        assert_eq!(verdict(&base, &times(1.01)), Verdict::Same);
        let noisy = [10.0, 12.0, 9.0, 11.0, 9.5, 10.5];
        let wide = Verdict::Inconclusive(Doubt::WideInterval);
        assert_eq!(verdict(&base, &noisy), wide);
        // One round of five is cut on either side, all equal ones have no width.
        let spoiled = [10.0, 10.0, 10.0, 10.0, 13.0];
        assert_eq!(verdict(&[10.0; 5], &spoiled), Verdict::Same);
        assert_eq!(verdict(&[10.0; 2], &[10.0; 2]), Verdict::Same);
    }

    #[test]
    fn one_repetition_has_a_ratio_and_no_verdict() {
        let rule = Rule::default();
        let too_few = Verdict::Inconclusive(Doubt::TooFewRepetitions);
        for found in [
            compare_paired(&[2.0], &[3.0], &rule),
            compare_unpaired(&[2.0], &[3.0, 3.0], &rule),
        ] {
            let found = found.unwrap();
            assert!((found.ratio - 1.5).abs() < 1e-15);
            assert_eq!((found.interval, found.verdict), (None, too_few));
        }
    }

    #[test]
    fn what_has_no_ratio_is_refused() {
        let rule = Rule::default();
        for bad in [0.0, -1.0, f64::NAN, f64::INFINITY] {
            for found in [
                compare_paired(&[1.0, bad], &[1.0, 1.0], &rule),
                compare_unpaired(&[1.0, 1.0], &[1.0, bad], &rule),
            ] {
                assert!(matches!(found, Err(CannotCompare::NoRatio { .. })), "{bad}");
            }
        }
        let unpaired = Err(CannotCompare::Unpaired {
            base: 1,
            candidate: 2,
        });
        assert_eq!(compare_paired(&[1.0], &[1.0, 1.0], &rule), unpaired);
        assert_eq!(compare_paired(&[], &[], &rule), Err(CannotCompare::Nothing));
        assert_eq!(
            compare_unpaired(&[1.0], &[], &rule),
            Err(CannotCompare::Nothing)
        );
        for (level, noise_threshold) in [
            (0.0, 0.02),
            (1.0, 0.02),
            (f64::NAN, 0.02),
            (0.95, -0.1),
            (0.95, f64::NAN),
            (0.95, f64::INFINITY),
        ] {
            let rule = Rule {
                level,
                noise_threshold,
            };
            let found = compare_paired(&[1.0; 2], &[1.0; 2], &rule);
            assert!(matches!(found, Err(CannotCompare::Rule { .. })));
        }
    }

    #[test]
    fn the_largest_and_smallest_numbers() {
        let (small, large) = (f64::MIN_POSITIVE, f64::MAX);
        let found = compare_paired(&[small; 3], &[large; 3], &Rule::default()).unwrap();
        assert_eq!(
            (found.ratio, found.verdict),
            (f64::INFINITY, Verdict::Higher)
        );
        let found = compare_unpaired(&[small, large], &[large, small], &Rule::default()).unwrap();
        assert_eq!(found.verdict, Verdict::Inconclusive(Doubt::WideInterval));
        let ends = found.interval.unwrap();
        assert_eq!((ends.lower, ends.upper), (0.0, f64::INFINITY));
    }
}
