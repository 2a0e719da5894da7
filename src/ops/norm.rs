//! Normalisation of a token's features, with the residual sum before it.

use candle_core::{DType, Result, Tensor};

use super::span::{bytes, span};
use super::{Form, cpu, cuda};
use crate::measure::profile::{Operation, Work};

/// Layer normalisation over the features of each token, or its scale and shift alone.
#[derive(Debug, Clone)]
pub struct Norm {
    /// `[2, features]` in `f32`: the weights, then the biases.
    affine: Tensor,
    /// Added to the variance; absent where features are scaled and shifted only
    /// (MobileBERT's `no_norm`).
    epsilon: Option<f32>,
    form: Form,
}

impl Norm {
    /// A layer from a checkpoint's `weight` and `bias` (each `[features]`).
    ///
    /// # Errors
    ///
    /// Fails where the two differ in shape.
    pub fn new(weight: &Tensor, bias: &Tensor, epsilon: Option<f32>, form: Form) -> Result<Self> {
        Ok(Self {
            affine: Tensor::stack(&[weight, bias], 0)?.to_dtype(DType::F32)?,
            epsilon,
            form,
        })
    }

    /// Normalises `x + residual`, both `[tokens, features]`. `x` may be overwritten.
    ///
    /// # Errors
    ///
    /// Fails where shapes, dtypes or devices do not agree.
    pub fn forward_sum(&self, x: Tensor, residual: &Tensor) -> Result<Tensor> {
        let moved = || self.moved(&x, 3);
        let _span = span(Operation::LayerNorm, residual.device(), moved);
        match self.form {
            Form::Cpu => {
                cpu::residual_norm(&x, residual, &self.affine, self.epsilon)?;
                Ok(x)
            }
            Form::Cuda => cuda::norm(&x, Some(residual), &self.affine, self.epsilon),
            Form::Portable => {
                let sum = (x.to_dtype(DType::F32)? + residual.to_dtype(DType::F32)?)?;
                self.portable(&sum, x.dtype())
            }
        }
    }

    /// Normalises `x` (`[tokens, features]`), which stays as it is.
    ///
    /// # Errors
    ///
    /// Fails where the device has no memory left.
    pub fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let _span = span(Operation::LayerNorm, x.device(), || self.moved(x, 2));
        match self.form {
            Form::Cpu => {
                let x = x.copy()?;
                cpu::norm(&x, &self.affine, self.epsilon)?;
                Ok(x)
            }
            Form::Cuda => cuda::norm(x, None, &self.affine, self.epsilon),
            Form::Portable => self.portable(&x.to_dtype(DType::F32)?, x.dtype()),
        }
    }

    /// Of `tensors` as large as `x` that are read or written.
    fn moved(&self, x: &Tensor, tensors: u64) -> Work {
        Work {
            flops: 0,
            bytes: tensors * bytes(x) + bytes(&self.affine),
        }
    }

    /// In plain candle, in `f32` up to the result.
    fn portable(&self, x: &Tensor, dtype: DType) -> Result<Tensor> {
        let normal = match self.epsilon {
            Some(epsilon) => {
                let x = x.broadcast_sub(&x.mean_keepdim(1)?)?;
                let variance = x.sqr()?.mean_keepdim(1)?;
                x.broadcast_div(&(variance + f64::from(epsilon))?.sqrt()?)?
            }
            None => x.clone(),
        };
        let scaled = normal
            .broadcast_mul(&self.affine.get(0)?)?
            .broadcast_add(&self.affine.get(1)?)?;
        super::saturate(&scaled, dtype)
    }
}
