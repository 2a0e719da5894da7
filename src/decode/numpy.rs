//! Sums and exponentials of f32 as NumPy computes them, to the last bit.
//!
//! Close probabilities change places by a last bit, so the pipeline's softmax is
//! computed as NumPy 2 does on x86-64 with AVX2 or AVX-512 (on other machines
//! its last bits are others).

/// `np.exp` of a float32 array: Cody and Waite's range reduction, then a rational
/// approximation (`loops_exponent_log.dispatch.c.src`), at most 2.52 ulp off.
///
/// For `x` not above 0, as in a softmax.
pub(super) fn exp(x: f32) -> f32 {
    /// Numerator and denominator, the highest power first.
    const NUMERATOR: [f32; 6] = [
        5.082_763e-4,
        6.757_897e-3,
        5.114_512e-2,
        2.473_615_4e-1,
        7.257_665e-1,
        1.0,
    ];
    const DENOMINATOR: [f32; 3] = [2.159_509_4e-2, -2.742_335_5e-1, 1.0];
    /// Below this even the smallest subnormal number is too large.
    const LEAST: f32 = -103.972_084;
    /// Minus ln 2 in two parts.
    const LN_2_HIGH: f32 = -6.931_457_5e-1;
    const LN_2_LOW: f32 = -1.428_606_8e-6;
    if x < LEAST {
        return 0.0;
    }
    let exponent = (x * std::f32::consts::LOG2_E).round_ties_even();
    let reduced = exponent.mul_add(LN_2_HIGH, x);
    let reduced = exponent.mul_add(LN_2_LOW, reduced);
    let horner = |coefficients: &[f32]| {
        let coefficients = coefficients.iter().copied();
        coefficients.reduce(|sum, coefficient| sum.mul_add(reduced, coefficient))
    };
    let ratio = horner(&NUMERATOR).zip(horner(&DENOMINATOR));
    let (numerator, denominator) = ratio.expect("OK because both have coefficients");
    scale(numerator / denominator, exponent as i32)
}

/// `value` times two to the power of `exponent`, rounded once.
fn scale(value: f32, exponent: i32) -> f32 {
    // In f64 the product is exact, so that only narrowing rounds.
    (f64::from(value) * 2.0_f64.powi(exponent)) as f32
}

/// `ndarray.sum()` of contiguous float32: pairwise, eight sums side by side
/// (`pairwise_sum` in `loops_utils.h.src`).
pub(super) fn sum(values: &[f32]) -> f32 {
    const BLOCK: usize = 128;
    if values.len() < 8 {
        return values.iter().fold(0.0, |sum, value| sum + value);
    }
    if values.len() > BLOCK {
        let half = values.len() / 2;
        let (first, second) = values.split_at(half - half % 8);
        return sum(first) + sum(second);
    }
    let (rows, rest) = values.as_chunks::<8>();
    let mut sums = rows[0];
    for row in &rows[1..] {
        for (sum, value) in sums.iter_mut().zip(row) {
            *sum += value;
        }
    }
    // A tree of pairs.
    let quarters: [f32; 4] = std::array::from_fn(|i| sums[2 * i] + sums[2 * i + 1]);
    let sum = (quarters[0] + quarters[1]) + (quarters[2] + quarters[3]);
    rest.iter().fold(sum, |sum, value| sum + value)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Bits of `np.exp(np.float32(x))` and of sums, by NumPy 2.4.6 with AVX-512.
    #[test]
    fn bits_are_those_of_numpy() {
        for (x, bits) in [
            (0.0, 0x3f80_0000),
            (-0.1, 0x3f67_a36d),
            (-1.0, 0x3ebc_5ab1),
            (-2.5, 0x3da8_1c2f),
            (-7.3, 0x3a31_16a2),
            (-15.75, 0x341b_2751),
            (-33.3, 0x2778_b2ea),
            (-87.0, 0x00b3_3687),
            (-88.5, 0x0027_fce2),
            (-95.0, 0x0000_0f64),
            (-103.9, 1),
            (-104.0, 0),
            (-10_000.0, 0_u32),
        ] {
            assert_eq!(exp(x).to_bits(), bits, "exp({x})");
        }
        // All of `np.exp(-np.arange(7000, dtype=np.float32) / 64)`, hashed.
        let hash = (0..7000_u16).fold(0_u32, |hash, i| {
            let bits = exp(-f32::from(i) / 64.0).to_bits();
            hash.wrapping_mul(31).wrapping_add(bits)
        });
        assert_eq!(hash, 0xa3e2_bd9c);
        for (count, bits) in [
            (5, 0x404e_6fdc),
            (8, 0x407a_2cd5),
            (77, 0x41ae_f4fe),
            (128, 0x420c_f454),
            (129, 0x420d_6042),
            (384, 0x42cc_60b6),
            (500, 0x4304_f7fa_u32),
        ] {
            let values = (0..count).map(|i: u16| exp(-f32::from(i % 17) / 4.0));
            let values: Vec<f32> = values.collect();
            assert_eq!(sum(&values).to_bits(), bits, "sum of {count}");
        }
    }
}
