//! Activations in eight bits: each row of a matrix with a scale and a zero of its own.

use super::kernel::Multiply;

/// What the codes of a row stand for.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(super) struct RowScale {
    /// From one code to the next. NaN where the row holds something that is no finite number, for
    /// then nothing that is made of it is one; 0 where it holds nothing but (nearly) 0.
    pub(super) scale: f32,
    /// How much larger each input is than what it stands for in units of the scale.
    pub(super) offset: i32,
}

/// Added to a number between 0 and 255, this rounds it to the nearest whole number, halves to even
/// ones, and leaves that in the low bits.
const ROUND: f32 = 12_582_912.0;

/// From one code to the next, of numbers between 0 and 1.
const STEP: f32 = 1.0 / 255.0;

/// The range of a row times its factors, stretched to hold 0.
///
/// Bits of floats are in the order of whole numbers where those of negative ones are turned over:
/// what is no number comes out at the ends, and the loop needs no comparison of floats.
#[inline(always)]
fn range(row: &[f32], factors: &[f32]) -> (f32, f32) {
    let (mut least, mut largest) = (0, 0);
    for (x, factor) in row.iter().zip(factors) {
        let key = turned((x * factor).to_bits().cast_signed());
        least = key.min(least);
        largest = key.max(largest);
    }
    let number = |key: i32| f32::from_bits(turned(key).cast_unsigned());
    (number(least), number(largest))
}

/// Turns the bits of a negative float over, or back.
#[inline(always)]
fn turned(bits: i32) -> i32 {
    bits ^ ((bits >> 31) & i32::MAX)
}

/// Writes the codes of a row, each number of which is first multiplied by a factor, as the
/// instructions want them; of what is left over in `codes` nothing is read that counts.
///
/// The scale is a 255th of the row's range, which is stretched to hold 0, so that 0 has a code.
#[inline(always)]
pub(super) fn quantise<M: Multiply>(
    row: &[f32],
    factors: &[f32],
    codes: &mut [M::Input],
) -> RowScale {
    let (least, largest) = range(row, factors);
    // One by one, for their difference may be infinite.
    let scale = largest * STEP - least * STEP;
    if !least.is_finite() || !largest.is_finite() {
        codes.fill(M::Input::default());
        return RowScale {
            scale: f32::NAN,
            offset: 0,
        };
    }
    if scale < f32::MIN_POSITIVE {
        // Its inverse would be infinite: numbers below 1e-35 count for nothing.
        codes.fill(M::Input::default());
        return RowScale::default();
    }
    let inverse = 1.0 / scale;
    let zero = (ROUND - least * inverse).min(ROUND + 255.0);
    let zero_code = low_byte(zero);
    for ((code, x), factor) in codes.iter_mut().zip(row).zip(factors) {
        let shifted = x * factor * inverse + zero;
        // The largest may be rounded up to 256. Not `f32::min`, which asks about NaN as well.
        let most = ROUND + 255.0;
        let shifted = if shifted < most { shifted } else { most };
        *code = M::input(low_byte(shifted), zero_code);
    }
    RowScale {
        scale,
        offset: M::offset(zero_code),
    }
}

/// The whole number that [`ROUND`] left in the low bits.
#[inline(always)]
#[allow(clippy::cast_possible_truncation)] // That is the point.
fn low_byte(shifted: f32) -> u8 {
    shifted.to_bits() as u8
}
