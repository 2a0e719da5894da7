//! Medians, and exact intervals of quantiles by order statistics.

use super::Interval;

/// The median, as NumPy has it: of an even number of values the middle between
/// the two middle ones. Nothing where there are no values or one is not finite.
pub fn median(values: &[f64]) -> Option<f64> {
    if values.is_empty() || !values.iter().all(|value| value.is_finite()) {
        return None;
    }
    let mut values = values.to_vec();
    let middle = values.len() / 2;
    let is_odd = values.len() % 2 == 1;
    let (below, &mut upper, _) = values.select_nth_unstable_by(middle, f64::total_cmp);
    if is_odd {
        return Some(upper);
    }
    let lower = below.iter().copied().reduce(f64::max);
    let lower = lower.expect("OK because an even number of values has one below the middle");
    Some(f64::midpoint(lower, upper))
}

/// An interval of a quantile; see [`quantile_interval`].
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct QuantileInterval {
    /// From the value of the lower rank to that of the upper.
    pub interval: Interval,
    /// The rank of the lower end, counted from 1, the smallest value.
    pub lower_rank: usize,
    /// The rank of the upper end.
    pub upper_rank: usize,
    /// The probability with which such an interval holds the quantile, whatever
    /// continuous distribution the values come from; at least that for any other.
    pub coverage: f64,
    /// Whether the level is held at both ends. Where it is not, there are fewer
    /// values than [`fewest_values`], an end lies at the smallest or the largest
    /// value for want of a value further out, and [`QuantileInterval::coverage`] is
    /// what the interval is worth.
    pub holds_level: bool,
}

/// The distribution-free interval of the `q`-quantile of what ascending values
/// are a sample of: the tightest between two of the values that misses the
/// quantile at either end with a probability of at most `(1 - level) / 2`.
///
/// The number of values below the quantile is binomial, so the coverage is
/// exact: at level 0.95 the median of 10 values lies between the second and the
/// ninth with 97.9 %. An end that no value can hold is the smallest or the largest
/// value: of 5 values the median lies between them with 93.75 %, and that is
/// said. The 0.99-quantile of 100 values has a lower end at 0.95; above the
/// largest value it lies with 36.6 %.
///
/// Nothing where there are no values, the first or the last is not finite, or
/// `q` or `level` is not between 0 and 1.
///
/// Source: Conover, "Practical Nonparametric Statistics" (1999), section 3.2;
/// the ranks are those of `scipy.stats.quantile_test(...).confidence_interval`,
/// which has NaN for an end that no value can hold.
pub fn quantile_interval(sorted: &[f64], q: f64, level: f64) -> Option<QuantileInterval> {
    let (first, last) = (sorted.first()?, sorted.last()?);
    if !(first.is_finite() && last.is_finite() && is_share(q) && is_share(level)) {
        return None;
    }
    let n = sorted.len();
    let (fewest, probabilities) = binomial_probabilities(n, q);
    let most = fewest + probabilities.len() - 1;
    let allowed = allowed_tail(level);
    let lower = End::within(fewest, probabilities.iter(), allowed);
    let upper = End::within(n - most, probabilities.iter().rev(), allowed);
    let (lower_rank, upper_rank) = (lower.rank, n + 1 - upper.rank);
    Some(QuantileInterval {
        interval: Interval {
            lower: sorted[lower_rank - 1],
            upper: sorted[upper_rank - 1],
        },
        lower_rank,
        upper_rank,
        coverage: (1.0 - lower.tail - upper.tail).max(0.0),
        holds_level: lower.is_held && upper.is_held,
    })
}

/// The fewest values of which [`quantile_interval`] holds `level` at both ends:
/// for the median 6 at 0.95 and 8 at 0.99; for the 0.99-quantile 368 and 528.
/// Nothing where `q` or `level` is not between 0 and 1.
pub fn fewest_values(q: f64, level: f64) -> Option<usize> {
    if !(is_share(q) && is_share(level)) {
        return None;
    }
    // All values lie on one side of the quantile with max(q, 1 - q)^n.
    let fewest = (allowed_tail(level).ln() / (-q.min(1.0 - q)).ln_1p()).ceil();
    #[allow(clippy::cast_sign_loss)] // both logarithms are below 0
    Some((fewest as usize).max(1))
}

/// The probability that each end may leave out; a level that is met exactly is
/// met in spite of rounding.
fn allowed_tail(level: f64) -> f64 {
    (1.0 - level) / 2.0 * (1.0 + 1e-12)
}

fn is_share(value: f64) -> bool {
    value > 0.0 && value < 1.0
}

/// An end of an interval, its rank counted from its own side.
struct End {
    rank: usize,
    /// The probability that the quantile lies outside.
    tail: f64,
    is_held: bool,
}

impl End {
    /// The innermost end with at most `allowed` outside. `probabilities` are those of
    /// `fewest`, `fewest + 1`, … values outside the quantile.
    fn within<'a>(
        fewest: usize,
        probabilities: impl Iterator<Item = &'a f64>,
        allowed: f64,
    ) -> Self {
        let (mut rank, mut tail) = (fewest, 0.0);
        for probability in probabilities {
            if tail + probability > allowed {
                // With no rank at all the outermost value is the end.
                return Self {
                    rank: rank.max(1),
                    tail: if rank == 0 { *probability } else { tail },
                    is_held: rank > 0,
                };
            }
            tail += probability;
            rank += 1;
        }
        unreachable!("OK because all probabilities make 1 and less than a half is allowed")
    }
}

/// The binomial probabilities of `n` trials with success `q`, and the number of
/// successes of the first; those left out are below 1e-300 of the largest.
///
/// From the most probable number outwards each is the one before times a ratio,
/// and the sum of all makes them probabilities: no factorial is taken. With a
/// million trials the error is below 1e-11 of each.
pub(super) fn binomial_probabilities(n: usize, q: f64) -> (usize, Vec<f64>) {
    let odds = q / (1.0 - q);
    #[allow(clippy::cast_sign_loss)] // q is not below 0
    let mode = (((n + 1) as f64 * q) as usize).min(n);
    let enough = |weight: &f64| *weight > 1e-300;
    let down = (0..mode).rev().scan(1.0, |weight, k| {
        *weight *= (k + 1) as f64 / ((n - k) as f64 * odds);
        Some(*weight)
    });
    let mut weights: Vec<f64> = down.take_while(enough).collect();
    let fewest = mode - weights.len();
    weights.reverse();
    weights.push(1.0);
    let up = (mode..n).scan(1.0, |weight, k| {
        *weight *= (n - k) as f64 / (k + 1) as f64 * odds;
        Some(*weight)
    });
    weights.extend(up.take_while(enough));
    let total: f64 = weights.iter().sum();
    for weight in &mut weights {
        *weight /= total;
    }
    (fewest, weights)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn medians_of_awkward_values() {
        assert_eq!(median(&[]), None);
        assert_eq!(median(&[7.0]), Some(7.0));
        assert_eq!(median(&[3.0, -1.0]), Some(1.0));
        assert_eq!(median(&[9.0, 1.0, 5.0, 5.0, 2.0]), Some(5.0));
        assert_eq!(median(&[4.0, 1.0, 3.0, 2.0]), Some(2.5));
        assert_eq!(median(&[f64::MAX, f64::MAX]), Some(f64::MAX));
        assert_eq!(median(&[1.0, f64::NAN]), None);
        assert_eq!(median(&[1.0, f64::INFINITY]), None);
    }

    /// One value fewer than [`fewest_values`] does not hold the level, that many do.
    #[test]
    fn the_fewest_values_are_the_fewest() {
        assert_eq!(fewest_values(0.5, 0.95), Some(6));
        assert_eq!(fewest_values(0.5, 0.99), Some(8));
        assert_eq!(fewest_values(0.99, 0.95), Some(368));
        assert_eq!(fewest_values(0.99, 0.99), Some(528));
        for q in [0.001, 0.1, 0.5, 0.75, 0.9, 0.99, 0.999] {
            for level in [0.01, 0.5, 0.9, 0.9375, 0.95, 0.99, 0.9999] {
                let fewest = fewest_values(q, level).unwrap();
                let values: Vec<f64> = (1..=fewest).map(|value| value as f64).collect();
                let held = quantile_interval(&values, q, level).unwrap();
                assert!(held.holds_level && held.coverage >= level - 1e-12);
                let fewer = quantile_interval(&values[1..], q, level);
                assert!(fewer.is_none_or(|fewer| !fewer.holds_level), "{q} {level}");
            }
        }
        for (q, level) in [
            (0.0, 0.9),
            (1.0, 0.9),
            (0.5, 0.0),
            (0.5, 1.0),
            (f64::NAN, 0.9),
        ] {
            assert_eq!(fewest_values(q, level), None);
            assert_eq!(quantile_interval(&[1.0, 2.0], q, level), None);
        }
    }

    #[test]
    fn few_values_say_what_they_are_worth() {
        let found = quantile_interval(&[1.0, 2.0, 3.0, 4.0, 5.0], 0.5, 0.95).unwrap();
        assert_eq!((found.lower_rank, found.upper_rank), (1, 5));
        assert_eq!((found.coverage, found.holds_level), (0.9375, false));
        // Exactly the level that five values have.
        let found = quantile_interval(&[1.0, 2.0, 3.0, 4.0, 5.0], 0.5, 0.9375).unwrap();
        assert_eq!((found.coverage, found.holds_level), (0.9375, true));
        let found = quantile_interval(&[3.0], 0.5, 0.95).unwrap();
        assert_eq!((found.interval.lower, found.interval.upper), (3.0, 3.0));
        assert_eq!((found.coverage, found.holds_level), (0.0, false));
        assert_eq!(quantile_interval(&[], 0.5, 0.95), None);
        assert_eq!(quantile_interval(&[1.0, f64::NAN], 0.5, 0.95), None);
        // All values nearly surely lie below the quantile, or above it.
        for q in [1e-300, 1.0 - f64::EPSILON] {
            let found = quantile_interval(&[1.0, 2.0], q, 0.95).unwrap();
            assert!(!found.holds_level && found.coverage < 1e-15);
        }
    }
}
