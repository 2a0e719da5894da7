//! A dense layer, with the activation that follows it.

use candle_core::{DType, Result, Tensor};

use super::span::{bytes, span};
use super::{Activation, Form, cpu};
use crate::measure::profile::{Operation, Work};

/// `activation(x · weightᵀ + bias)` over packed tokens.
#[derive(Debug, Clone)]
pub struct Linear {
    /// `[inputs, outputs]`, contiguous: the transposes of the checkpoint's
    /// matrices, one for each group of inputs that is multiplied by itself.
    groups: Vec<Tensor>,
    /// `[outputs]` in `f32`.
    bias: Option<Tensor>,
    activation: Option<Activation>,
    form: Form,
}

impl Linear {
    /// A layer from a checkpoint's `weight` (`[outputs, inputs]`) and `bias` (`[outputs]`).
    ///
    /// # Errors
    ///
    /// Fails where the device has no memory left.
    pub fn new(weight: &Tensor, bias: Option<&Tensor>, form: Form) -> Result<Self> {
        Self::grouped(weight, bias, 1, form)
    }

    /// A layer whose inputs and outputs are cut into `groups` runs, each output
    /// run made from its input run alone: `weight` is `[outputs, inputs / groups]`.
    ///
    /// # Errors
    ///
    /// Fails where the number of outputs is no multiple of that of groups.
    pub fn grouped(
        weight: &Tensor,
        bias: Option<&Tensor>,
        groups: usize,
        form: Form,
    ) -> Result<Self> {
        let groups = weight.chunk(groups, 0)?;
        let transposed = groups.iter().map(|group| group.t()?.contiguous());
        Ok(Self {
            groups: transposed.collect::<Result<_>>()?,
            bias: bias.map(|bias| bias.to_dtype(DType::F32)).transpose()?,
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
        let _span = span(Operation::Linear, x.device(), || self.work(x));
        let product = self.product(x)?;
        // Time of its own: what is left of the layer's is the product, and the bias where it is alone.
        let _activation = self
            .activation
            .map(|_| span(Operation::Activation, x.device(), || moved(&product)));
        match self.form {
            Form::Cpu => {
                cpu::add_bias(&product, self.bias.as_ref(), self.activation)?;
                Ok(product)
            }
            Form::Portable => self.finish(&product),
        }
    }

    fn product(&self, x: &Tensor) -> Result<Tensor> {
        // The CPU form computes in f32 whatever the weights are kept in.
        let weight = |group: &Tensor| match self.form {
            Form::Cpu => cpu::to_f32(group),
            Form::Portable => Ok(group.clone()),
        };
        if let [only] = self.groups.as_slice() {
            return x.matmul(&weight(only)?);
        }
        let inputs = self.groups[0].dim(0)?;
        let products = self.groups.iter().enumerate().map(|(index, group)| {
            let x = x.narrow(1, index * inputs, inputs)?.contiguous()?;
            x.matmul(&weight(group)?)
        });
        Tensor::cat(&products.collect::<Result<Vec<_>>>()?, 1)
    }

    /// Bias and activation in plain candle, in `f32` up to the result.
    fn finish(&self, product: &Tensor) -> Result<Tensor> {
        let dtype = product.dtype();
        let mut x = super::widen(product)?;
        if let Some(bias) = &self.bias {
            x = x.broadcast_add(bias)?;
        }
        if let Some(activation) = self.activation {
            x = activation.portable(&x)?;
        }
        super::saturate(&x, dtype)
    }

    /// Of the products of `x` with each group, whatever its width should be.
    fn work(&self, x: &Tensor) -> Work {
        let rows = x.dims().first().copied().unwrap_or_default();
        let columns: usize = self.groups.iter().map(|group| group.dims()[1]).sum();
        let products = self
            .groups
            .iter()
            .map(|group| 2 * rows * group.elem_count());
        let weights = self.groups.iter().chain(&self.bias).map(bytes);
        let result = rows * columns * x.dtype().size_in_bytes();
        Work {
            flops: products.sum::<usize>() as u64,
            bytes: bytes(x) + weights.sum::<u64>() + result as u64,
        }
    }

    /// Multiplications and additions of one token.
    pub fn flops_per_token(&self) -> u64 {
        let weights: usize = self.groups.iter().map(Tensor::elem_count).sum();
        2 * weights as u64
    }
}

/// Of a function of each element: all are read, and as many written.
fn moved(x: &Tensor) -> Work {
    Work {
        flops: 0,
        bytes: 2 * bytes(x),
    }
}
