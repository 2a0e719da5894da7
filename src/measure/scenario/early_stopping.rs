//! Early stopping as MLPerf's LoadGen has it: which percentile a run of so many queries supports.
//!
//! A percentile of a few hundred queries is itself a random figure. LoadGen
//! takes each query for a draw that exceeds the true percentile with
//! probability `1 - percentile`, and calls a run good where a system that just
//! missed the percentile would have produced it with a probability below
//! `1 -` [`CONFIDENCE`]: where `t` of `n` queries are over the bound,
//! P(Binomial(n, 1 - percentile) <= t) must be below 0.01. LoadGen's tolerance
//! (`d`), by which the percentile may be missed, is 0 and left out here.
//!
//! For 0.90 it takes 44 queries with none over the bound, or 64 with one; for
//! 0.99 it takes 459, or 662.
//!
//! Source: `early_stopping.cc` and `PerformanceSummary::EarlyStopping` in
//! `results.cc` of <https://github.com/mlcommons/inference> (loadgen).
//!
//! LoadGen sums the same series from log-gammas, whose rounding grows with the
//! count. Here the leading term is Loader's saddle-point form ("Fast and
//! Accurate Computation of Binomial Probabilities", 2000), good to some 1e-14
//! at any count, and no other crate is needed.

use std::f64::consts::PI;

/// The probability that a system called good is so.
pub const CONFIDENCE: f64 = 0.99;

/// A percentile that the run supports at [`CONFIDENCE`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PercentileEstimate {
    /// How many of the highest latencies are left out for it.
    pub discarded: u64,
    /// The highest latency that is left.
    pub latency_ns: u64,
}

/// LoadGen's `MinPassingQueriesFinder`: the fewest queries within the bound
/// that outweigh `over` queries beyond it. The run then has `over` more.
///
/// Nothing where `percentile` is not between 0 and 1, or no number is large enough.
pub fn min_within_bound(over: u64, percentile: f64) -> Option<u64> {
    let odds = Odds::new(percentile)?;
    // At this many the expected number over the bound is `over`: that proves nothing.
    #[allow(clippy::cast_sign_loss)] // a ratio of positive numbers
    let mut low = (over as f64 * odds.within / odds.over) as u64;
    let mut step = 1;
    while !odds.pass(over, over.checked_add(low.checked_add(step)?)?) {
        low += step;
        step = step.checked_mul(2)?;
    }
    // `low` is too few, `low + step` is enough.
    let mut high = low + step;
    while high - low > 1 {
        let middle = low + (high - low) / 2;
        if odds.pass(over, over + middle) {
            high = middle;
        } else {
            low = middle;
        }
    }
    Some(high)
}

/// How many of `queries` may be over the bound; nothing where not even none
/// would do, or where `percentile` is not between 0 and 1.
pub fn max_over_bound(queries: u64, percentile: f64) -> Option<u64> {
    let odds = Odds::new(percentile)?;
    if !odds.pass(0, queries) {
        return None;
    }
    let mut low = 0;
    // More than expected are always too many.
    #[allow(clippy::cast_sign_loss)] // a product of positive numbers
    let mut high = (queries as f64 * odds.over) as u64 + 1;
    while high - low > 1 {
        let middle = low + (high - low) / 2;
        if odds.pass(middle, queries) {
            low = middle;
        } else {
            high = middle;
        }
    }
    Some(low)
}

/// How many queries it takes to estimate a percentile at all; see [`percentile_estimate`].
///
/// Nothing where `percentile` is not between 0 and 1, or no number is large enough.
pub fn queries_for_estimate(percentile: f64) -> Option<u64> {
    min_within_bound(1, percentile)?.checked_add(1)
}

/// LoadGen's early-stopping estimate for single-stream and multi-stream: the
/// lowest of the measured latencies that the run supports as a bound for
/// `percentile`. It is never below the plain percentile of the same latencies.
///
/// `sorted_ns` ascends, one latency a query. Nothing where there are fewer
/// than [`queries_for_estimate`].
pub fn percentile_estimate(sorted_ns: &[u64], percentile: f64) -> Option<PercentileEstimate> {
    let over = max_over_bound(sorted_ns.len() as u64, percentile)?;
    // The estimate is over the bound itself: LoadGen wants room for one.
    let discarded = over.checked_sub(1)?;
    let latency_ns = *sorted_ns.iter().rev().nth(discarded as usize)?;
    Some(PercentileEstimate {
        discarded,
        latency_ns,
    })
}

/// A query's probabilities where the percentile is just missed.
struct Odds {
    within: f64,
    over: f64,
}

impl Odds {
    fn new(percentile: f64) -> Option<Self> {
        let proper = percentile > 0.0 && percentile < 1.0;
        proper.then_some(Self {
            within: percentile,
            over: 1.0 - percentile,
        })
    }

    /// Whether `over` of `total` queries beyond the bound are too few for chance.
    fn pass(&self, over: u64, total: u64) -> bool {
        self.at_most(over, total) < 1.0 - CONFIDENCE
    }

    /// P(Binomial(`total`, `self.over`) <= `over`).
    fn at_most(&self, over: u64, total: u64) -> f64 {
        if over >= total {
            return 1.0;
        }
        // Each term of the sum is the one above it by a ratio; the largest comes first.
        let (mut sum, mut term, mut k) = (1.0, 1.0, over);
        while k > 0 && term > sum * f64::EPSILON * 0.1 {
            term *= k as f64 * self.within / ((total - k + 1) as f64 * self.over);
            sum += term;
            k -= 1;
        }
        (self.exactly(over, total) * sum).min(1.0)
    }

    /// P(Binomial(`total`, `self.over`) = `over`), for `over` below `total`: Loader's algorithm.
    fn exactly(&self, over: u64, total: u64) -> f64 {
        let (n, k, rest) = (total as f64, over as f64, (total - over) as f64);
        if over == 0 {
            return (n * self.within.ln()).exp();
        }
        let log = stirling_error(total)
            - stirling_error(over)
            - stirling_error(total - over)
            - deviance(k, n * self.over)
            - deviance(rest, n * self.within);
        log.exp() * (n / (2.0 * PI * k * rest)).sqrt()
    }
}

/// ln(n!) less Stirling's approximation of it.
fn stirling_error(n: u64) -> f64 {
    let x = n as f64;
    if n <= 15 {
        // 15! is exact in f64.
        let factorial: f64 = (1..=n).map(|i| i as f64).product();
        return factorial.ln() - (x + 0.5) * x.ln() + x - 0.5 * (2.0 * PI).ln();
    }
    let square = x * x;
    let tail = 1.0 / 1260.0 - (1.0 / 1680.0 - 1.0 / 1188.0 / square) / square;
    (1.0 / 12.0 - (1.0 / 360.0 - tail / square) / square) / x
}

/// x ln(x / mean) + mean - x, without cancellation where the two are close.
fn deviance(x: f64, mean: f64) -> f64 {
    let difference = x - mean;
    if difference.abs() >= 0.1 * (x + mean) {
        return x * (x / mean).ln() - difference;
    }
    let ratio = difference / (x + mean);
    let mut sum = difference * ratio;
    let mut power = 2.0 * x * ratio;
    for odd in (3..).step_by(2) {
        power *= ratio * ratio;
        let next = sum + power / f64::from(odd);
        if next == sum {
            break;
        }
        sum = next;
    }
    sum
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_of_the_documentation() {
        assert_eq!(min_within_bound(0, 0.9), Some(44));
        assert_eq!(min_within_bound(0, 0.99), Some(459));
        assert_eq!(queries_for_estimate(0.9), Some(64));
        assert_eq!(queries_for_estimate(0.99), Some(662));
        assert_eq!(max_over_bound(43, 0.9), None);
        assert_eq!(max_over_bound(44, 0.9), Some(0));
        assert_eq!(max_over_bound(64, 0.9), Some(1));
        assert_eq!(max_over_bound(100, 0.9), Some(3));
    }

    /// Both searches are one inequality seen from two sides.
    #[test]
    fn searches_agree() {
        for percentile in [0.3, 0.5, 0.9, 0.97, 0.99, 0.999] {
            for over in (0..40).chain([100, 1000, 30_000]) {
                let total = over + min_within_bound(over, percentile).unwrap();
                assert_eq!(max_over_bound(total, percentile), Some(over));
                let fewer = max_over_bound(total - 1, percentile);
                assert_eq!(fewer, over.checked_sub(1), "{percentile} {over}");
            }
        }
    }

    /// The sum of all terms, added up one by one.
    #[test]
    fn probabilities_are_sums_of_terms() {
        let odds = Odds::new(0.9).unwrap();
        for total in [1_u64, 2, 7, 15, 16, 17, 40, 120] {
            // C(n, k) 0.1^k 0.9^(n - k), from k = 0 on.
            let mut term = 0.9_f64.powf(total as f64);
            let mut sum = 0.0;
            for k in 0..total {
                sum += term;
                term *= (total - k) as f64 / (k + 1) as f64 / 9.0;
                let found = odds.at_most(k, total);
                assert!((found / sum - 1.0).abs() < 1e-12, "{k} of {total}");
            }
            assert_eq!(odds.at_most(total, total), 1.0);
        }
    }

    #[test]
    fn estimates_discard_the_highest() {
        let latencies: Vec<u64> = (1..=100).collect();
        let estimate = percentile_estimate(&latencies, 0.9).unwrap();
        assert_eq!((estimate.discarded, estimate.latency_ns), (2, 98));
        let estimate = percentile_estimate(&latencies[..64], 0.9).unwrap();
        assert_eq!((estimate.discarded, estimate.latency_ns), (0, 64));
        assert_eq!(percentile_estimate(&latencies[..63], 0.9), None);
        assert_eq!(percentile_estimate(&latencies, 0.99), None);
        assert_eq!(percentile_estimate(&[], 0.9), None);
    }

    #[test]
    fn what_is_no_percentile_has_no_answer() {
        for percentile in [0.0, 1.0, -0.1, 1.1, f64::NAN, f64::INFINITY, -0.0] {
            assert_eq!(min_within_bound(3, percentile), None);
            assert_eq!(max_over_bound(1000, percentile), None);
            assert_eq!(percentile_estimate(&[1; 1000], percentile), None);
        }
    }

    #[test]
    fn extreme_counts_end() {
        let tiny = f64::MIN_POSITIVE;
        assert_eq!(min_within_bound(5, tiny), Some(1));
        assert_eq!(max_over_bound(10, tiny), Some(9));
        assert_eq!(max_over_bound(0, 0.9), None);
        assert!(min_within_bound(0, 1.0 - f64::EPSILON / 2.0).unwrap() > 1 << 55);
        assert_eq!(min_within_bound(u64::MAX, 0.9), None);
        assert_eq!(min_within_bound(u64::MAX / 2, 0.99), None);
        let over = max_over_bound(5_000_000, 0.5).unwrap();
        // 2.326 standard deviations of 1118 below the mean.
        assert!((2_497_398..2_497_402).contains(&over), "{over}");
    }
}
