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
            let code = |&weight: &f32| (weight / scale).round_ties_even() as i8;
            // A quotient that is no number, of 0 by 0 or of anything by NaN, becomes 0.
            codes.extend(row.iter().map(code));
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

/// A 127th of the absolutely largest.
fn scale_of(row: &[f32]) -> f32 {
    if row.iter().any(|weight| !weight.is_finite()) {
        return f32::NAN;
    }
    let largest = row
        .iter()
        .fold(0.0, |most: f32, weight| most.max(weight.abs()));
    let scale = largest / LARGEST_WEIGHT;
    // Of denormals the quotients would not be within the codes.
    if scale < f32::MIN_POSITIVE {
        0.0
    } else {
        scale
    }
}
