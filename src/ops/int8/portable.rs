//! The same in plain candle tensors, for every device: what other forms are held to.

use candle_core::{DType, Device, Result, Tensor};

use super::Int8Weights;

/// Added to a number between 0 and 255 and taken away again, this rounds it to the nearest whole
/// number, halves to even ones: as the CPU form does, where candle's own rounding has them away from 0.
const ROUND: f64 = 12_582_912.0;

/// From one code to the next, of numbers between 0 and 1.
const STEP: f64 = 1.0 / 255.0;

/// Code of a weight of 0: candle has no signed bytes.
const ZERO_WEIGHT: f64 = 128.0;

/// Weights of inputs that are multiplied by themselves.
#[derive(Debug, Clone)]
pub(in crate::ops) struct PortableInt8 {
    /// `[inputs, outputs]`, 128 more than the codes.
    codes: Tensor,
    /// `[outputs]` in `f32`.
    scales: Tensor,
    /// What each input is multiplied by: `[inputs]` in `f32`.
    input_factors: Tensor,
}

impl PortableInt8 {
    pub(in crate::ops) fn new(weights: &Int8Weights, device: &Device) -> Result<Self> {
        let shape = (weights.scales.len(), weights.inputs);
        let codes = weights.codes.iter().map(|code| code.cast_unsigned() ^ 128);
        let codes = Tensor::from_vec(codes.collect(), shape, device)?;
        Ok(Self {
            codes: codes.t()?.contiguous()?,
            scales: Tensor::from_slice(&weights.scales, shape.0, device)?,
            input_factors: Tensor::from_slice(&weights.input_factors, shape.1, device)?,
        })
    }

    pub(in crate::ops) fn inputs(&self) -> usize {
        self.codes.dims()[0]
    }

    pub(in crate::ops) fn outputs(&self) -> usize {
        self.codes.dims()[1]
    }

    pub(in crate::ops) fn count(&self) -> usize {
        self.codes.elem_count()
    }

    /// Of the codes, scales and factors.
    pub(in crate::ops) fn bytes(&self) -> u64 {
        (self.count() + (self.outputs() + self.inputs()) * size_of::<f32>()) as u64
    }

    /// `[tokens, inputs]` in `f32` to `[tokens, outputs]`.
    pub(in crate::ops) fn product(&self, x: &Tensor) -> Result<Tensor> {
        let x = &x.broadcast_mul(&self.input_factors)?;
        let nothing = x.narrow(1, 0, 1)?.zeros_like()?;
        let least = x.min_keepdim(1)?.minimum(&nothing)?;
        let largest = x.max_keepdim(1)?.maximum(&nothing)?;
        let scale = (largest.affine(STEP, 0.0)? - least.affine(STEP, 0.0)?)?;
        let inverse = scale.maximum(f64::from(f32::MIN_POSITIVE))?.recip()?;
        let zero = least.mul(&inverse)?.affine(-1.0, ROUND)?;
        let zero = zero.minimum(ROUND + 255.0)?;
        let codes = x.broadcast_mul(&inverse)?.broadcast_add(&zero)?;
        let distances = codes.minimum(ROUND + 255.0)?.broadcast_sub(&zero)?;
        let weights = self.codes.to_dtype(DType::F32)?.affine(1.0, -ZERO_WEIGHT)?;
        let sums = distances.matmul(&weights)?;
        sums.broadcast_mul(&self.scales)?.broadcast_mul(&scale)
    }
}
