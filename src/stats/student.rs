//! Quantiles of Student's t distribution.

use std::f64::consts::PI;

/// The `t` with `P(|T| <= t) = level`, T having Student's distribution with
/// `freedom` degrees of freedom (at least 1, whole or not) and `level` lying between 0 and 1.
///
/// Against SciPy (`t.ppf((1 + level) / 2, freedom)`) within 1e-11 of the value
/// from 1 to a million degrees and up to level 0.9999.
pub(super) fn two_sided_quantile(freedom: f64, level: f64) -> f64 {
    debug_assert!(freedom >= 1.0 && level > 0.0 && level < 1.0);
    let beta = PI.sqrt() / half_step_gamma_ratio(freedom / 2.0);
    let (mut low, mut high) = (0.0, 1.0);
    while within(high, freedom, beta) < level {
        low = high;
        high *= 2.0;
    }
    // Halving until no number lies between: slower than Newton's method, and never lost.
    loop {
        let middle = f64::midpoint(low, high);
        if middle <= low || middle >= high {
            return high;
        }
        if within(middle, freedom, beta) < level {
            low = middle;
        } else {
            high = middle;
        }
    }
}

/// `P(|T| <= t)`, with `beta` the beta function of a half and of half the `freedom`.
///
/// The regularised incomplete beta function by its power series (DLMF 8.17.8) from
/// the end that is nearer: all terms are positive, and nothing cancels.
fn within(t: f64, freedom: f64, beta: f64) -> f64 {
    let (half_freedom, square) = (freedom / 2.0, t * t);
    let (outside, inside) = (freedom / (freedom + square), square / (freedom + square));
    let front = (-half_freedom * (square / freedom).ln_1p()).exp() * inside.sqrt() / beta;
    let over = half_freedom + 0.5;
    if inside <= 0.5 {
        front / 0.5 * series(over, 1.5, inside)
    } else {
        1.0 - front / half_freedom * series(over, half_freedom + 1.0, outside)
    }
}

/// The sum of `(over)_n / (under)_n * x^n` over n from 0.
fn series(over: f64, under: f64, x: f64) -> f64 {
    let (mut sum, mut term, mut n) = (1.0, 1.0, 0.0);
    loop {
        let ratio = (over + n) / (under + n) * x;
        term *= ratio;
        sum += term;
        n += 1.0;
        // Until the terms fall, a small one says nothing of those to come.
        if ratio < 1.0 && term <= sum * 1e-17 {
            return sum;
        }
    }
}

/// `gamma(a + 1/2) / gamma(a)` for positive `a`.
///
/// The asymptotic series (DLMF 5.11.13) has all digits from 64 on; smaller `a` come up to it by the recurrence of the gamma function.
fn half_step_gamma_ratio(mut a: f64) -> f64 {
    const COEFFICIENTS: [f64; 7] = [
        1.0,
        -1.0 / 8.0,
        1.0 / 128.0,
        5.0 / 1024.0,
        -21.0 / 32768.0,
        -399.0 / 262_144.0,
        869.0 / 4_194_304.0,
    ];
    let mut factor = 1.0;
    while a < 64.0 {
        factor *= a / (a + 0.5);
        a += 1.0;
    }
    let series = COEFFICIENTS.iter().rev().fold(0.0, |sum, c| sum / a + c);
    factor * a.sqrt() * series
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_scipys() {
        let golden = include_str!("../../tests/goldens/stats/expected.json");
        let golden: serde_json::Value = serde_json::from_str(golden).unwrap();
        let cases = golden["student"].as_array().unwrap();
        assert_eq!(cases.len(), 104);
        for case in cases {
            let [freedom, level, expected] = [0, 1, 2].map(|place| case[place].as_f64().unwrap());
            let found = two_sided_quantile(freedom, level);
            let error = (found / expected - 1.0).abs();
            assert!(error < 1e-11, "{freedom} {level}: {error:e}");
        }
    }

    /// Closed forms: one degree of freedom is Cauchy's distribution, two have a root.
    #[test]
    fn quantiles_of_extreme_levels() {
        for (level, tolerance) in [(1e-100, 1e-12), (0.3, 1e-12), (1.0 - 1e-9, 1e-6)] {
            let cauchy = (PI / 2.0 * level).tan();
            let of_two = level * (2.0 / ((1.0 - level) * (1.0 + level))).sqrt();
            for (freedom, expected) in [(1.0, cauchy), (2.0, of_two)] {
                let found = two_sided_quantile(freedom, level);
                let error = (found / expected - 1.0).abs();
                assert!(error < tolerance, "{freedom} {level}: {error:e}");
            }
        }
        for level in [f64::MIN_POSITIVE, 1.0 - f64::EPSILON / 2.0] {
            for freedom in [1.0, 1.5, 40.0, 1e9] {
                assert!(two_sided_quantile(freedom, level).is_finite());
            }
        }
    }
}
