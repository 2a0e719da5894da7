//! Elementary functions of vectors.
//!
//! NaN comes out as NaN on every instruction set: bounds are set by comparing and selecting, since
//! what a processor's own least and largest make of NaN differs.
//!
//! `scripts/fit-math` makes the coefficients of polynomials, and the errors given for them.

use std::f32::consts::LOG2_E;

use super::simd::Simd;

/// Added and taken away again, this rounds a small float to the nearest integer
/// and leaves that integer in the low bits, 127 (the bias of exponents) more than it is.
const ROUND: f32 = 12_582_912.0 + 127.0;

/// What an `f32` leaves out of log₂e.
const REST_OF_LOG2_E: f32 = 1.925_963e-8;

/// `exp` of numbers below this is 0: not 1.6e-38, and never a denormal.
const LOWEST: f32 = -87.0;

/// `eˣ` within 2 units in the last place (32 where multiplication and addition are not fused); 0 below
/// -87, infinite above 88.
#[inline(always)]
pub(super) fn exp<S: Simd>(simd: S, x: S::f32s) -> S::f32s {
    let high = simd.splat_f32s(88.0);
    let is_high = simd.less_than_f32s(high, x);
    let power = exp_below(simd, simd.select_f32s(is_high, high, x));
    simd.select_f32s(is_high, simd.splat_f32s(f32::INFINITY), power)
}

/// `eˣ` of numbers up to 88; 0 below -87.
///
/// `x·log₂e = n + r`, a polynomial for `2ʳ` (of those that are 1 at 0 the one whose largest relative
/// error is least, 9.1e-8), and `2ⁿ` by its bits.
#[inline(always)]
#[allow(clippy::approx_constant)] // Nearly the natural logarithm of 2, but fitted.
pub(super) fn exp_below<S: Simd>(simd: S, x: S::f32s) -> S::f32s {
    let is_low = simd.less_than_f32s(x, simd.splat_f32s(LOWEST));
    let (round, log2_e) = (simd.splat_f32s(ROUND), simd.splat_f32s(LOG2_E));
    let shifted = simd.mul_add_e_f32s(x, log2_e, round);
    let minus_n = simd.sub_f32s(round, shifted);
    let r = simd.mul_add_e_f32s(x, log2_e, minus_n);
    let r = simd.mul_add_e_f32s(x, simd.splat_f32s(REST_OF_LOG2_E), r);
    let p = polynomial(
        simd,
        r,
        [
            1.326_472_7e-3,
            9.671_513e-3,
            5.550_733_6e-2,
            0.240_222_42,
            0.693_147,
            1.0,
        ],
    );
    // The exponent field of 2ⁿ, where n is no number or too low something that is not used.
    let bits = simd.transmute_u32s_f32s(shifted);
    let bits = simd.wrapping_dyn_shl_u32s(bits, simd.splat_u32s(23));
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

/// Beyond this the error function is ±1 within 5.2e-8.
const LARGEST: f32 = 3.85;

/// The error function, within 6e-7.
///
/// `x` held within ±[`LARGEST`], times a polynomial in `x²`, shifted to lie between -1 and 1, where its
/// coefficients are small and rounding does no harm. It is the one whose largest absolute error is
/// least (6.5e-8).
#[inline(always)]
pub(super) fn erf<S: Simd>(simd: S, x: S::f32s) -> S::f32s {
    let x = within(simd, x, LARGEST);
    let scale = simd.splat_f32s(2.0 / (LARGEST * LARGEST));
    let shifted = simd.mul_add_e_f32s(simd.mul_f32s(x, x), scale, simd.splat_f32s(-1.0));
    // Even and odd powers by themselves: two chains half as long, which are computed at once.
    let squared = simd.mul_f32s(shifted, shifted);
    let even = polynomial(
        simd,
        squared,
        [
            1.280_758_6e-3,
            2.662_146_5e-3,
            1.106_036_6e-2,
            2.833_548_2e-2,
            5.640_521_6e-2,
            9.081_911e-2,
            0.136_211_54,
            0.367_284_8,
        ],
    );
    let odd = polynomial(
        simd,
        squared,
        [
            -3.309_700_9e-3,
            -3.430_713_4e-3,
            -2.017_262_8e-2,
            -4.041_695e-2,
            -7.331_274_4e-2,
            -0.110_374_7,
            -0.183_301_75,
        ],
    );
    let ratio = simd.mul_add_e_f32s(odd, shifted, even);
    simd.mul_f32s(x, ratio)
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
            let is_fused = !matches!(arch, pulp::Arch::Scalar);
            exp_is_close_on(scalar!(exp, arch), if is_fused { 2.5e-7 } else { 3e-6 });
        }
    }

    fn exp_is_close_on(exp: impl Fn(f32) -> f32, bound: f64) {
        for x in sweep(-86.0, 87.0) {
            let exact = f64::from(x).exp();
            let error = (f64::from(exp(x)) - exact).abs() / exact;
            assert!(error < bound, "exp({x}) is off by {error}");
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
            assert!(error < 6e-7, "erf({x}) is off by {error}");
        }
        // So that GELU is 0 and not a little more or less.
        assert_eq!((erf(50.0), erf(f32::NEG_INFINITY)), (1.0, -1.0));
        assert!(erf(f32::NAN).is_nan());
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
