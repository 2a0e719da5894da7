//! Dense layers in eight bits.
//!
//! The weights of each output are whole numbers from -127 to 127 times a scale of their own,
//! quantised when the model is loaded (absolute largest to 127, rounded to nearest). The
//! activations of each token are whole numbers from 0 to 255 with a scale and a zero of their own,
//! quantised when the layer is computed: `x ≈ scale · (code - zero)`, where the range of the codes
//! is that of the token's features, stretched to hold 0. Products are summed in whole numbers,
//! exactly; what comes out is `f32` again. Everything but dense layers is computed in `f32`.
//!
//! This is the dynamic quantization of ONNX Runtime and PyTorch but for two things: those have one
//! scale for all tokens of a batch, so that a window's answer depends on its neighbours.

mod portable;
mod trial;

use candle_core::{DType, Result, Tensor};

pub(super) use portable::PortableInt8;
pub use trial::{Computes, Trial};

/// The largest code of a weight.
const LARGEST_WEIGHT: f32 = 127.0;

/// Most inputs that a sum of 32 bits holds whatever they are.
const MOST_INPUTS: usize = i32::MAX as usize / (255 * 127);

/// Weights of a dense layer in eight bits.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Int8Weights {
    /// Weights of an output.
    pub(super) inputs: usize,
    /// Rows of `inputs` codes, one an output.
    codes: Vec<i8>,
    /// What the codes of each output are multiplied by. NaN where a weight is no finite number.
    pub(super) scales: Vec<f32>,
}

impl Int8Weights {
    /// Quantises a checkpoint's weight, `[outputs, inputs]`.
    pub(super) fn new(weight: &Tensor) -> Result<Self> {
        let (_, inputs) = weight.dims2()?;
        if inputs > MOST_INPUTS {
            candle_core::bail!("{inputs} inputs are more than sums in eight bits hold")
        }
        let weights: Vec<f32> = weight.to_dtype(DType::F32)?.flatten_all()?.to_vec1()?;
        let mut codes = Vec::with_capacity(weights.len());
        let mut scales = Vec::with_capacity(weight.dim(0)?);
        for row in weights.chunks_exact(inputs.max(1)) {
            let scale = scale_of(row);
            let inverse = if scale == 0.0 { 0.0 } else { 1.0 / scale };
            codes.extend(row.iter().map(|&weight| rounded(weight * inverse)));
            scales.push(scale);
        }
        Ok(Self {
            inputs,
            codes,
            scales,
        })
    }

    /// The codes of each output.
    pub(super) fn rows(&self) -> impl Iterator<Item = &[i8]> {
        self.codes.chunks_exact(self.inputs.max(1))
    }
}

/// The nearest whole number from -127 to 127, halves to even ones: added to a small number, this
/// leaves it in the low bits. Faster than a function of the library, which a model has millions of.
#[allow(clippy::cast_possible_truncation)] // That is the point.
fn rounded(quotient: f32) -> i8 {
    (quotient + 12_582_912.0).to_bits() as i8
}

/// A 127th of the absolutely largest.
fn scale_of(row: &[f32]) -> f32 {
    if row.iter().any(|weight| !weight.is_finite()) {
        return f32::NAN;
    }
    let largest = row
        .iter()
        .fold(0.0, |most: f32, weight| most.max(weight.abs()));
    let scale = largest / LARGEST_WEIGHT;
    // The inverse of a denormal may be infinite.
    if scale < f32::MIN_POSITIVE {
        0.0
    } else {
        scale
    }
}

#[cfg(test)]
mod tests {
    use candle_core::Device;

    use super::*;

    #[test]
    fn weights_are_within_half_a_code() {
        let rows = [
            [0.5, -1.0, 0.25, 1e-3],
            [0.0; 4],
            [1e-41; 4],
            [3e38, -3e38, 1.0, 0.0],
        ];
        let weight = Tensor::new(&rows, &Device::Cpu).unwrap();
        let weights = Int8Weights::new(&weight).unwrap();
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
        let weight = Tensor::new(&[[f32::NAN, 1.0], [1.0, f32::INFINITY]], &Device::Cpu).unwrap();
        let scales = Int8Weights::new(&weight).unwrap().scales;
        assert!(scales.iter().all(|scale| scale.is_nan()));
    }
}
