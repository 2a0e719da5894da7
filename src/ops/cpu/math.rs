//! Elementary functions of vectors.
//!
//! NaN comes out as NaN on every instruction set: bounds are set by comparing and selecting, since
//! what a processor's own least and largest make of NaN differs.

use super::simd::Simd;

/// Added and taken away again, this rounds a small float to the nearest integer
/// and leaves that integer in the low bits.
const ROUND: f32 = 12_582_912.0;

/// `exp` of numbers below this is 0: not 1.6e-38, and never a denormal.
const LOWEST: f32 = -87.0;

/// `eˣ` within 2 units in the last place; 0 below -87, infinite above 88.
#[inline(always)]
pub(super) fn exp<S: Simd>(simd: S, x: S::f32s) -> S::f32s {
    let high = simd.splat_f32s(88.0);
    let is_high = simd.less_than_f32s(high, x);
    let power = exp_below(simd, simd.select_f32s(is_high, high, x));
    simd.select_f32s(is_high, simd.splat_f32s(f32::INFINITY), power)
}

/// `eˣ` of numbers up to 88; 0 below -87.
///
/// `x = n·ln 2 + r`, a polynomial for `eʳ` (Cephes `expf`), and `2ⁿ` by its bits.
#[inline(always)]
pub(super) fn exp_below<S: Simd>(simd: S, x: S::f32s) -> S::f32s {
    let lowest = simd.splat_f32s(LOWEST);
    let is_low = simd.less_than_f32s(x, lowest);
    let x = simd.select_f32s(is_low, lowest, x);
    let round = simd.splat_f32s(ROUND);
    let shifted = simd.mul_add_e_f32s(x, simd.splat_f32s(std::f32::consts::LOG2_E), round);
    let n = simd.sub_f32s(shifted, round);
    let r = simd.mul_add_e_f32s(n, simd.splat_f32s(-0.693_359_4), x);
    let r = simd.mul_add_e_f32s(n, simd.splat_f32s(2.121_944_4e-4), r);
    let p = polynomial(
        simd,
        r,
        [
            1.987_569_1e-4,
            1.398_2e-3,
            8.333_452e-3,
            4.166_579_6e-2,
            0.166_666_65,
            0.5,
        ],
    );
    let linear = simd.add_f32s(r, simd.splat_f32s(1.0));
    let p = simd.mul_add_e_f32s(p, simd.mul_f32s(r, r), linear);
    // The exponent field of 2ⁿ; n is in the low bits of `shifted`.
    let bits = simd.transmute_u32s_f32s(shifted);
    let bits = simd.wrapping_dyn_shl_u32s(bits, simd.splat_u32s(23));
    let bits = simd.add_u32s(bits, simd.splat_u32s(127 << 23));
    let power = simd.mul_f32s(p, simd.transmute_f32s_u32s(bits));
    simd.select_f32s(is_low, simd.splat_f32s(0.0), power)
}

/// The polynomial with these coefficients, that of the highest power first.
#[inline(always)]
fn polynomial<S: Simd, const N: usize>(simd: S, x: S::f32s, coefficients: [f32; N]) -> S::f32s {
    let mut sum = simd.splat_f32s(coefficients[0]);
    for &coefficient in &coefficients[1..] {
        sum = simd.mul_add_e_f32s(sum, x, simd.splat_f32s(coefficient));
    }
    sum
}

/// `x` held within `limit` of 0.
#[inline(always)]
fn within<S: Simd>(simd: S, x: S::f32s, limit: f32) -> S::f32s {
    let (low, high) = (simd.splat_f32s(-limit), simd.splat_f32s(limit));
    let x = simd.select_f32s(simd.less_than_f32s(x, low), low, x);
    simd.select_f32s(simd.less_than_f32s(high, x), high, x)
}

/// The error function, within 5e-7.
///
/// An odd rational function of `x` clamped to ±4, beyond which it is ±1 in `f32`
/// (the form Eigen uses, fitted for the same range).
#[inline(always)]
pub(super) fn erf<S: Simd>(simd: S, x: S::f32s) -> S::f32s {
    let x = within(simd, x, 4.0);
    let x2 = simd.mul_f32s(x, x);
    let p = polynomial(
        simd,
        x2,
        [
            2.726_142_3e-10,
            -2.770_681_4e-8,
            2.101_024e-6,
            5.692_506_4e-5,
            7.349_906_3e-4,
            2.954_6e-3,
            1.609_603_3e-2,
        ],
    );
    let q = polynomial(
        simd,
        x2,
        [
            1.456_607_2e-5,
            2.133_740_6e-4,
            1.682_827e-3,
            7.373_329e-3,
            1.426_473_9e-2,
        ],
    );
    simd.mul_f32s(simd.mul_f32s(x, p), reciprocal(simd, q))
}

/// `1 / x` within 2e-7 of it, of positive numbers that are neither very large nor very small: in
/// less than half the time of a division, and the same with every instruction set.
///
/// Taken from the bits, which hold a logarithm, the first guess is within an eighth; each step of
/// Newton's squares that.
#[inline(always)]
fn reciprocal<S: Simd>(simd: S, x: S::f32s) -> S::f32s {
    let one = simd.splat_f32s(1.0);
    let minus_x = simd.neg_f32s(x);
    let bits = simd.sub_u32s(simd.splat_u32s(0x7ef3_11c3), simd.transmute_u32s_f32s(x));
    let mut guess = simd.transmute_f32s_u32s(bits);
    for _ in 0..3 {
        let missing = simd.mul_add_e_f32s(minus_x, guess, one);
        guess = simd.mul_add_e_f32s(missing, guess, guess);
    }
    guess
}

/// `tanh`, by way of [`exp`].
#[inline(always)]
pub(super) fn tanh<S: Simd>(simd: S, x: S::f32s) -> S::f32s {
    let x = within(simd, x, 9.0);
    let power = exp_below(simd, simd.add_f32s(x, x));
    let one = simd.splat_f32s(1.0);
    simd.div_f32s(simd.sub_f32s(power, one), simd.add_f32s(power, one))
}

#[cfg(test)]
mod tests {
    use super::super::simd::all;
    use super::*;

    /// A function of vectors as one of a number, with one instruction set.
    macro_rules! scalar {
        ($function:ident, $arch:expr) => {
            |x: f32| {
                struct Of(f32);
                impl pulp::WithSimd for Of {
                    type Output = f32;
                    #[inline(always)]
                    fn with_simd<S: Simd>(self, simd: S) -> f32 {
                        let mut result = [0.0];
                        let x = simd.splat_f32s(self.0);
                        simd.partial_store_f32s(&mut result, super::$function(simd, x));
                        result[0]
                    }
                }
                $arch.dispatch(Of(x))
            }
        };
    }

    fn sweep(from: f32, to: f32) -> impl Iterator<Item = f32> {
        (0..=400_000_u32).map(move |i| from + (to - from) * (i as f32 / 400_000.0))
    }

    #[test]
    fn exp_is_close() {
        for arch in all() {
            exp_is_close_on(scalar!(exp, arch));
        }
    }

    fn exp_is_close_on(exp: impl Fn(f32) -> f32) {
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
        for arch in all() {
            erf_is_close_on(scalar!(erf, arch));
        }
    }

    fn erf_is_close_on(erf: impl Fn(f32) -> f32) {
        for x in sweep(-4.0, 4.0) {
            let error = (f64::from(erf(x)) - exact_erf(f64::from(x))).abs();
            assert!(error < 5e-7, "erf({x}) is off by {error}");
        }
        assert!((erf(50.0) - 1.0).abs() < 5e-7);
        assert!((erf(f32::NEG_INFINITY) + 1.0).abs() < 5e-7);
        assert!(erf(f32::NAN).is_nan());
    }

    #[test]
    fn reciprocal_is_close() {
        for arch in all() {
            let reciprocal = scalar!(reciprocal, arch);
            for x in sweep(0.014, 8.0) {
                let error = (f64::from(reciprocal(x)) * f64::from(x) - 1.0).abs();
                assert!(error < 2e-7, "1 / {x} is off by {error}");
            }
            assert!(reciprocal(f32::NAN).is_nan());
        }
    }

    #[test]
    fn tanh_is_close() {
        for arch in all() {
            tanh_is_close_on(scalar!(tanh, arch));
        }
    }

    fn tanh_is_close_on(tanh: impl Fn(f32) -> f32) {
        for x in sweep(-12.0, 12.0) {
            let error = (f64::from(tanh(x)) - f64::from(x).tanh()).abs();
            assert!(error < 3e-7, "tanh({x}) is off by {error}");
        }
    }
}
