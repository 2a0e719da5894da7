//! Whether one of two is right more often, where both were asked the same.

use super::order::binomial_probabilities;

/// The two-sided p of McNemar's exact test: the probability of a split at least as uneven as
/// `gained` to `lost`, where each discordant pair goes either way with equal probability.
/// 1 where there are none.
///
/// Pairs in which both are right or both are wrong say nothing and are not asked for. Pairs are
/// taken to be independent.
///
/// Source: `scipy.stats.binomtest(min(gained, lost), gained + lost, 0.5)`.
pub fn exact_p(gained: usize, lost: usize) -> f64 {
    let fewer = gained.min(lost);
    (2.0 * binomial_cumulative(gained + lost, 0.5, fewer)).min(1.0)
}

/// The probability of at most `most` successes in `n` trials with success `q`; `q` lies
/// between 0 and 1, the ends excluded.
///
/// Absolute errors are below 1e-11; probabilities below 1e-290 may come out as 0.
///
/// Source: `scipy.stats.binom.cdf`.
pub fn binomial_cumulative(n: usize, q: f64, most: usize) -> f64 {
    debug_assert!(q > 0.0 && q < 1.0);
    let (fewest, probabilities) = binomial_probabilities(n, q);
    let Some(terms) = (most + 1).checked_sub(fewest) else {
        return 0.0;
    };
    // From the small ones on, so that they are not lost in the sum.
    let sum: f64 = probabilities.iter().take(terms).sum();
    sum.min(1.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn small_splits_are_counted_by_hand() {
        for (gained, lost, p) in [
            (0, 0, 1.0),
            (1, 0, 1.0),
            (1, 1, 1.0),
            (0, 5, 0.0625),
            (6, 0, 0.03125),
            (1, 9, 22.0 / 1024.0),
            (4, 5, 1.0),
        ] {
            assert!((exact_p(gained, lost) - p).abs() < 1e-14, "{gained} {lost}");
            assert_eq!(exact_p(gained, lost), exact_p(lost, gained));
        }
        assert_eq!(exact_p(0, 100_000), 0.0);
    }

    #[test]
    fn cumulative_probabilities_reach_one() {
        assert!((binomial_cumulative(3, 0.25, 0) - 0.421_875).abs() < 1e-15);
        for n in [0, 1, 7, 1000] {
            assert!((binomial_cumulative(n, 0.01, n) - 1.0).abs() < 1e-12);
            assert!((binomial_cumulative(n, 0.01, n + 5) - 1.0).abs() < 1e-12);
        }
        assert_eq!(binomial_cumulative(100_000, 0.99, 3), 0.0);
    }
}
