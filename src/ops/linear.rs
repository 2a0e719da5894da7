//! A dense layer, with the activation that follows it.

use candle_core::{Result, Tensor};

use super::{Activation, Form, cpu};

/// `activation(x · weightᵀ + bias)` over packed tokens.
#[derive(Debug, Clone)]
pub struct Linear {
    /// `[inputs, outputs]`, contiguous: the transpose of the checkpoint's matrix.
    weight: Tensor,
    /// `[outputs]`.
    bias: Tensor,
    activation: Option<Activation>,
    form: Form,
}

impl Linear {
    /// A layer from a checkpoint's `weight` (`[outputs, inputs]`) and `bias` (`[outputs]`).
    ///
    /// # Errors
    ///
    /// Fails where the device has no memory left.
    pub fn new(weight: &Tensor, bias: Tensor, form: Form) -> Result<Self> {
        Ok(Self {
            weight: weight.t()?.contiguous()?,
            bias,
            activation: None,
            form,
        })
    }

    /// The same layer followed by `activation`.
    #[must_use]
    pub fn with_activation(mut self, activation: Activation) -> Self {
        self.activation = Some(activation);
        self
    }

    /// `[tokens, inputs]` to `[tokens, outputs]`.
    ///
    /// # Errors
    ///
    /// Fails where shapes, dtypes or devices do not agree.
    pub fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let product = x.matmul(&self.weight)?;
        match self.form {
            Form::Cpu => {
                cpu::add_bias(&product, &self.bias, self.activation)?;
                Ok(product)
            }
            Form::Portable => {
                let sum = product.broadcast_add(&self.bias)?;
                match self.activation {
                    Some(activation) => activation.portable(&sum),
                    None => Ok(sum),
                }
            }
        }
    }

    /// Multiplications and additions of one token.
    pub fn flops_per_token(&self) -> u64 {
        2 * self.weight.elem_count() as u64
    }
}
