//! Dense layers in eight bits.
//!
//! The weights of each output are whole numbers from -127 to 127 times a scale of their own,
//! quantised when the model is loaded (rounded to nearest). Processors without instructions of their
//! own for it multiply bytes in pairs, with sums of 16 bits, and add these up in pairs: so that this is
//! exact, the weights of one sign of inputs 0, 1, 4 and 5 of each eight, and of 2, 3, 6 and 7, add up
//! to no more than 128. The scale is the least of which that is true of all (a 127th of the absolutely
//! largest weight, where that is far larger than its neighbours).
//!
//! The activations of each token are whole numbers from 0 to 255 with a scale and a zero of their
//! own, quantised when the layer is computed: `x ≈ scale · (code - zero)`, where the range of the
//! codes is that of the token's features, stretched to hold 0. Products are summed in whole numbers,
//! exactly; what comes out is `f32` again. Everything but dense layers is computed in `f32`.
//!
//! Some features are always larger than others, and would leave these few codes: so each feature of
//! the activations is divided by a factor of its own, and its weights are multiplied by it. The
//! factor is the square root of the largest activation, on the text that layers are tried on
//! ([`Trial`]), by the largest weight: `SmoothQuant` (Xiao et al., 2023, arXiv:2211.10438) with an
//! alpha of a half.
//!
//! The dynamic quantization of ONNX Runtime and PyTorch has none of these factors, and one scale for
//! all tokens of a batch, so that a window's answer depends on its neighbours.

mod portable;
mod trial;

use std::slice::ChunksExact;

use candle_core::{DType, Result, Tensor};
use rayon::prelude::*;

pub(super) use portable::PortableInt8;
pub use trial::{Computes, Trial};

/// The largest code of a weight.
const LARGEST_WEIGHT: f32 = 127.0;

/// The largest sum of codes of one sign whose products are added up in 16 bits: times 255, the largest
/// activation, it is what these hold.
const LARGEST_SUM: f32 = 128.0;

/// Most inputs that a sum of 32 bits holds whatever they are.
const MOST_INPUTS: usize = i32::MAX as usize / (255 * 127);

fn check_inputs(inputs: usize) -> Result<()> {
    if inputs > MOST_INPUTS {
        candle_core::bail!("{inputs} inputs are more than sums in eight bits hold")
    }
    Ok(())
}

/// Weights of a dense layer in eight bits.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Int8Weights {
    /// Weights of an output.
    pub(super) inputs: usize,
    /// Rows of `inputs` codes, one an output.
    codes: Vec<i8>,
    /// What the codes of each output are multiplied by. NaN where a weight is no finite number.
    pub(super) scales: Vec<f32>,
    /// What each input is to be multiplied by before it is quantised: the inverse of what its weights
    /// were.
    pub(super) input_factors: Vec<f32>,
}

impl Int8Weights {
    /// Quantises a checkpoint's weight, `[outputs, inputs]`, for inputs that are about as large as
    /// `largest` says of each; all alike where nothing is known.
    pub(super) fn new(weight: &Tensor, largest: Option<&[f32]>) -> Result<Self> {
        let (_, inputs) = weight.dims2()?;
        check_inputs(inputs)?;
        let weights: Vec<f32> = weight.to_dtype(DType::F32)?.flatten_all()?.to_vec1()?;
        let factors = match largest {
            Some(largest) => factors(&weights, largest),
            None => vec![1.0; inputs],
        };
        let mut codes = vec![0; weights.len()];
        let rows = codes.par_chunks_exact_mut(inputs.max(1));
        let rows = rows.zip(weights.par_chunks_exact(inputs.max(1)));
        let scales = rows.map_init(Vec::new, |scaled, (codes, row)| {
            scaled.clear();
            scaled.extend(
                row.iter()
                    .zip(&factors)
                    .map(|(weight, factor)| weight * factor),
            );
            let scale = scale_of(scaled);
            let inverse = if scale == 0.0 { 0.0 } else { 1.0 / scale };
            for (code, weight) in codes.iter_mut().zip(&*scaled) {
                *code = rounded(weight * inverse);
            }
            scale
        });
        Ok(Self {
            inputs,
            scales: scales.collect(),
            codes,
            input_factors: factors.iter().map(|factor| 1.0 / factor).collect(),
        })
    }

    /// The codes of each output.
    pub(super) fn rows(&self) -> ChunksExact<'_, i8> {
        self.codes.chunks_exact(self.inputs.max(1))
    }
}

/// What the weights of each input are multiplied by: see [the module](self).
fn factors(weights: &[f32], largest_inputs: &[f32]) -> Vec<f32> {
    let inputs = largest_inputs.len();
    let mut largest_weights = vec![0.0_f32; inputs];
    for row in weights.chunks_exact(inputs.max(1)) {
        for (largest, weight) in largest_weights.iter_mut().zip(row) {
            *largest = largest.max(weight.abs());
        }
    }
    // What was (nearly) always 0 on a short text is not on every text.
    let least = |values: &[f32]| 0.01 * values.iter().sum::<f32>() / inputs as f32;
    let (least_input, least_weight) = (least(largest_inputs), least(&largest_weights));
    let ratios = largest_inputs.iter().zip(&largest_weights);
    let factors = ratios.map(|(x, weight)| (x.max(least_input) / weight.max(least_weight)).sqrt());
    let usable = factors.map(|factor| match factor {
        1e-15..1e15 => coarse(factor),
        // Where there are but zeros, or what is no number: it is found out elsewhere.
        _ => 1.0,
    });
    usable.collect()
}

/// The nearest of 16 numbers an octave: what the text gives differs in the last bits from one form
/// of the operations to the other, and shall not give them other weights.
fn coarse(factor: f32) -> f32 {
    const LEFT_OUT: u32 = f32::MANTISSA_DIGITS - 1 - 4;
    let half = 1 << (LEFT_OUT - 1);
    f32::from_bits((factor.to_bits() + half) >> LEFT_OUT << LEFT_OUT)
}

/// The nearest whole number from -127 to 127, halves to even ones: added to a small number, this
/// leaves it in the low bits. Faster than a function of the library, which a model has millions of.
#[allow(clippy::cast_possible_truncation)] // That is the point.
fn rounded(quotient: f32) -> i8 {
    (quotient + 12_582_912.0).to_bits() as i8
}

/// The least of which rounded weights keep to [`LARGEST_WEIGHT`] and their sums to [`LARGEST_SUM`].
fn scale_of(row: &[f32]) -> f32 {
    if row.iter().any(|weight| !weight.is_finite()) {
        return f32::NAN;
    }
    // Quarters, for sums may be infinite.
    let sums = sums_of_a_sign(row, |weight| 0.25 * weight);
    let least = sums.fold(0.0, |scale: f32, (sum, count)| {
        // Rounding adds half a code to each of them at the most.
        let most = LARGEST_WEIGHT.min(LARGEST_SUM - 0.5 * count as f32);
        scale.max(sum / most)
    });
    let least = 4.0 * least;
    // The inverse of a denormal may be infinite.
    if least < f32::MIN_POSITIVE {
        0.0
    } else {
        least
    }
}

/// Of all weights of an output whose products are added up in 16 bits: inputs 0, 1, 4 and 5 of each
/// eight, and 2, 3, 6 and 7. The sum of the positive ones, that of the negative ones with its sign
/// turned, and how many they are.
fn sums_of_a_sign<T: Copy>(
    row: &[T],
    number: impl Fn(T) -> f32,
) -> impl Iterator<Item = (f32, usize)> {
    let of = move |four: [Option<&T>; 4], sign: f32| {
        let weights = four
            .into_iter()
            .flatten()
            .map(|&weight| sign * number(weight));
        weights
            .filter(|&weight| weight > 0.0)
            .fold((0.0, 0), |(sum, count), weight| (sum + weight, count + 1))
    };
    let fours = row.chunks(8).flat_map(|eight| {
        [[0, 1, 4, 5], [2, 3, 6, 7]].map(|places| places.map(|place| eight.get(place)))
    });
    fours.flat_map(move |four| [of(four, 1.0), of(four, -1.0)])
}

#[cfg(test)]
mod tests {
    use candle_core::Device;

    use super::*;
    use crate::random::noise;

    #[test]
    fn sums_of_weights_fit_16_bits() {
        let mut largest = 0.0_f32;
        for seed in 0..300 {
            let (outputs, inputs) = (7, 1 + seed as usize % 40);
            let values = noise(seed, outputs * inputs);
            let weight = Tensor::from_vec(values, (outputs, inputs), &Device::Cpu).unwrap();
            for row in Int8Weights::new(&weight, None).unwrap().rows() {
                for (sum, _) in sums_of_a_sign(row, f32::from) {
                    largest = largest.max(sum);
                }
            }
        }
        assert!((127.0..=LARGEST_SUM).contains(&largest), "{largest}");
        assert!(255.0 * LARGEST_SUM <= f32::from(i16::MAX));
        let row = [1, 2, 4, 8, 16, -32, 64, 3, -5, 6];
        let found: Vec<_> = sums_of_a_sign(&row, |weight: i32| weight as f32).collect();
        let expected = [
            (19.0, 3),
            (32.0, 1),
            (79.0, 4),
            (0.0, 0),
            (6.0, 1),
            (5.0, 1),
            (0.0, 0),
            (0.0, 0),
        ];
        assert_eq!(found, expected);
    }

    #[test]
    fn large_inputs_get_small_factors() {
        let rows = [[4.0, 0.5, 0.0, 1.0], [-1.0, 0.25, 0.0, -1.0]];
        let weight = Tensor::new(&rows, &Device::Cpu).unwrap();
        let weights = Int8Weights::new(&weight, Some(&[1.0, 8.0, 2.0, 0.0])).unwrap();
        // A half and four; a hundredth of the mean of 1.375 for no weight, of 2.75 for no input.
        let nearly = |found: f32, expected: f32| (found / expected - 1.0).abs() <= 1.0 / 32.0;
        let expected = [
            2.0,
            0.25,
            (0.01375_f32 / 2.0).sqrt(),
            (1.0_f32 / 0.0275).sqrt(),
        ];
        let found = weights.input_factors.iter().zip(expected);
        assert!(found.clone().all(|(&a, b)| nearly(a, b)), "{found:?}");
        let codes: Vec<_> = weights.rows().flatten().copied().collect();
        assert_eq!(codes[..4], [64, 64, 0, 5]);
        for largest in [[0.0; 4], [f32::NAN; 4], [f32::INFINITY; 4]] {
            let weights = Int8Weights::new(&weight, Some(&largest)).unwrap();
            assert_eq!(weights.input_factors, [1.0; 4]);
        }
    }

    #[test]
    fn weights_are_within_half_a_code() {
        let rows = [
            [0.5, -1.0, 0.25, 1e-3],
            [0.0; 4],
            [1e-41; 4],
            [3e38, -3e38, 1.0, 0.0],
            [3e38, 3e38, -3e38, -3e38],
            [1.0, 0.99, -1.0, -0.01],
        ];
        let weight = Tensor::new(&rows, &Device::Cpu).unwrap();
        let weights = Int8Weights::new(&weight, None).unwrap();
        for ((row, codes), scale) in rows.iter().zip(weights.rows()).zip(&weights.scales) {
            for (weight, &code) in row.iter().zip(codes) {
                let distance = (f32::from(code) * scale - weight).abs();
                assert!(
                    distance <= 0.5001 * scale + 1e-40,
                    "{weight}: {code} of {scale}"
                );
            }
        }
        assert_eq!(weights.rows().next().unwrap(), [64, -127, 32, 0]);
        assert_eq!(weights.rows().last().unwrap(), [64, 63, -64, -1]);
        let weight = Tensor::new(&[[f32::NAN, 1.0], [1.0, f32::INFINITY]], &Device::Cpu).unwrap();
        let scales = Int8Weights::new(&weight, None).unwrap().scales;
        assert!(scales.iter().all(|scale| scale.is_nan()));
    }
}
