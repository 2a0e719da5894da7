//! Layer normalisation, with the residual sum before it.

use candle_core::{DType, Result, Tensor};

use super::{Form, cpu};

/// Layer normalisation over the features of each token.
#[derive(Debug, Clone)]
pub struct LayerNorm {
    /// `[2, features]`: the weights, then the biases.
    affine: Tensor,
    epsilon: f32,
    form: Form,
}

impl LayerNorm {
    /// A layer from a checkpoint's `weight` and `bias` (each `[features]`).
    ///
    /// # Errors
    ///
    /// Fails where the two differ in shape.
    pub fn new(weight: &Tensor, bias: &Tensor, epsilon: f32, form: Form) -> Result<Self> {
        Ok(Self {
            affine: Tensor::stack(&[weight, bias], 0)?,
            epsilon,
            form,
        })
    }

    /// Normalises `x + residual`, both `[tokens, features]`. `x` may be overwritten.
    ///
    /// # Errors
    ///
    /// Fails where shapes, dtypes or devices do not agree.
    pub fn forward(&self, x: Tensor, residual: &Tensor) -> Result<Tensor> {
        match self.form {
            Form::Cpu => {
                cpu::residual_layer_norm(&x, residual, &self.affine, self.epsilon)?;
                Ok(x)
            }
            Form::Portable => self.portable(&(x + residual)?),
        }
    }

    /// In plain candle, with mean and variance in f32 whatever the dtype.
    fn portable(&self, x: &Tensor) -> Result<Tensor> {
        let dtype = x.dtype();
        let x = x.to_dtype(DType::F32)?;
        let x = x.broadcast_sub(&x.mean_keepdim(1)?)?;
        let variance = x.sqr()?.mean_keepdim(1)?;
        let x = x.broadcast_div(&(variance + f64::from(self.epsilon))?.sqrt()?)?;
        x.to_dtype(dtype)?
            .broadcast_mul(&self.affine.get(0)?)?
            .broadcast_add(&self.affine.get(1)?)
    }
}
