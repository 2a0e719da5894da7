//! Elementary functions in a shape the compiler vectorises: no branches, no calls.

/// Added and taken away again, this rounds a small float to the nearest integer
/// and leaves that integer in the low bits.
const ROUND: f32 = 12_582_912.0;

/// `eˣ` within 2 units in the last place; 0 below -87, infinite above 88.7.
///
/// `x = n·ln 2 + r`, a polynomial for `eʳ` (Cephes `expf`), and `2ⁿ` by its bits.
#[inline(always)]
pub(super) fn exp(x: f32) -> f32 {
    let bounded = x.clamp(-87.0, 88.0);
    let shifted = bounded * std::f32::consts::LOG2_E + ROUND;
    let n = shifted - ROUND;
    let r = bounded - n * 0.693_359_4;
    let r = r + n * 2.121_944_4e-4;
    let mut p = 1.987_569_1e-4;
    for coefficient in [1.398_2e-3, 8.333_452e-3, 4.166_579_6e-2, 0.166_666_65, 0.5] {
        p = p * r + coefficient;
    }
    let p = p * r * r + r + 1.0;
    // The exponent field of 2ⁿ; n is in the low bits of `shifted`.
    let scale = f32::from_bits((shifted.to_bits() << 23).wrapping_add(127 << 23));
    let power = p * scale;
    let power = if x > 88.0 { exp_large(x, power) } else { power };
    if x < -87.0 { 0.0 } else { power }
}

/// Above 88 only infinity matters: no value here is near it.
#[inline(always)]
fn exp_large(x: f32, bounded: f32) -> f32 {
    if x > 88.7 { f32::INFINITY } else { bounded }
}

/// The error function, within 5e-7.
///
/// An odd rational function of `x` clamped to ±4, beyond which it is ±1 in `f32`
/// (the form Eigen uses, fitted for the same range).
#[inline(always)]
pub(super) fn erf(x: f32) -> f32 {
    let x = x.clamp(-4.0, 4.0);
    let x2 = x * x;
    let mut p = -2.726_142_3e-10_f32;
    for coefficient in [
        2.770_681_4e-8,
        -2.101_024e-6,
        -5.692_506_4e-5,
        -7.349_906_3e-4,
        -2.954_6e-3,
        -1.609_603_3e-2,
    ] {
        p = p * x2 + coefficient;
    }
    let mut q = -1.456_607_2e-5_f32;
    for coefficient in [
        -2.133_740_6e-4,
        -1.682_827e-3,
        -7.373_329e-3,
        -1.426_473_9e-2,
    ] {
        q = q * x2 + coefficient;
    }
    x * p / q
}

/// `tanh`, by way of [`exp`].
#[inline(always)]
pub(super) fn tanh(x: f32) -> f32 {
    let x = x.clamp(-9.0, 9.0);
    let power = exp(2.0 * x);
    (power - 1.0) / (power + 1.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sweep(from: f32, to: f32) -> impl Iterator<Item = f32> {
        (0..=400_000_u32).map(move |i| from + (to - from) * (i as f32 / 400_000.0))
    }

    #[test]
    fn exp_is_close() {
        for x in sweep(-86.0, 87.0) {
            let exact = f64::from(x).exp();
            let error = (f64::from(exp(x)) - exact).abs() / exact;
            assert!(error < 2.5e-7, "exp({x}) is off by {error}");
        }
        assert_eq!(exp(f32::NEG_INFINITY), 0.0);
        assert_eq!(exp(-1e9), 0.0);
        assert_eq!(exp(f32::INFINITY), f32::INFINITY);
        assert_eq!(exp(0.0), 1.0);
        assert!(exp(f32::NAN).is_nan());
    }

    /// Maclaurin series in `f64`, which converges to 1e-15 on the range tried.
    fn exact_erf(x: f64) -> f64 {
        let (mut term, mut sum) = (x, x);
        for n in 1..200 {
            let n = f64::from(n);
            term *= -x * x / n;
            sum += term / (2.0 * n + 1.0);
        }
        sum * 2.0 / std::f64::consts::PI.sqrt()
    }

    #[test]
    fn erf_is_close() {
        for x in sweep(-4.0, 4.0) {
            let error = (f64::from(erf(x)) - exact_erf(f64::from(x))).abs();
            assert!(error < 5e-7, "erf({x}) is off by {error}");
        }
        assert!((erf(50.0) - 1.0).abs() < 5e-7);
        assert!((erf(f32::NEG_INFINITY) + 1.0).abs() < 5e-7);
        assert!(erf(f32::NAN).is_nan());
    }

    #[test]
    fn tanh_is_close() {
        for x in sweep(-12.0, 12.0) {
            let error = (f64::from(tanh(x)) - f64::from(x).tanh()).abs();
            assert!(error < 3e-7, "tanh({x}) is off by {error}");
        }
    }
}
