//! A dense layer, with the activation that follows it.

use candle_core::{DType, Result, Tensor};

use super::cpu::Panels;
use super::span::{bytes, span};
use super::{Activation, Form, cpu};
use crate::measure::profile::{Operation, Work};

/// `activation(x · weightᵀ + bias)` over packed tokens.
#[derive(Debug, Clone)]
pub struct Linear {
    weights: Weights,
    activation: Option<Activation>,
}

/// One matrix for each group of inputs that is multiplied by itself.
#[derive(Debug, Clone)]
enum Weights {
    Portable {
        /// `[inputs, outputs]`, contiguous: the transposes of the checkpoint's matrices.
        groups: Vec<Tensor>,
        /// `[outputs]` in `f32`.
        bias: Option<Tensor>,
    },
    Cpu(Vec<Panels>),
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
        let weights = match form {
            Form::Portable => {
                let transposed = weight.chunk(groups, 0)?;
                let transposed = transposed.iter().map(|group| group.t()?.contiguous());
                Weights::Portable {
                    groups: transposed.collect::<Result<_>>()?,
                    bias: bias.map(|bias| bias.to_dtype(DType::F32)).transpose()?,
                }
            }
            Form::Cpu => {
                let weights = weight.chunk(groups, 0)?;
                let biases = bias.map(|bias| bias.chunk(groups, 0)).transpose()?;
                let panels = weights.iter().enumerate().map(|(group, weight)| {
                    Panels::new(weight, biases.as_ref().map(|biases| &biases[group]))
                });
                Weights::Cpu(panels.collect::<Result<_>>()?)
            }
        };
        Ok(Self {
            weights,
            activation: None,
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
        let (groups, bias) = match &self.weights {
            // The activation is applied while the product is in the cache, and is part of its time.
            Weights::Cpu(groups) => return cpu::dense(x, groups, self.activation),
            Weights::Portable { groups, bias } => (groups, bias),
        };
        let product = portable_product(x, groups)?;
        // Time of its own: what is left of the layer's is the product, and the bias where it is alone.
        let _activation = self
            .activation
            .map(|_| span(Operation::Activation, x.device(), || moved(&product)));
        let dtype = product.dtype();
        // In f32 up to the result.
        let mut x = super::widen(&product)?;
        if let Some(bias) = bias {
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
        let (columns, moved): (usize, u64) = match &self.weights {
            Weights::Portable { groups, bias } => (
                groups.iter().map(|group| group.dims()[1]).sum(),
                groups.iter().chain(bias).map(bytes).sum(),
            ),
            Weights::Cpu(groups) => (
                groups.iter().map(Panels::outputs).sum(),
                groups.iter().map(Panels::bytes).sum(),
            ),
        };
        let result = rows * columns * x.dtype().size_in_bytes();
        Work {
            flops: rows as u64 * self.flops_per_token(),
            bytes: bytes(x) + moved + result as u64,
        }
    }

    /// Multiplications and additions of one token.
    pub fn flops_per_token(&self) -> u64 {
        let weights: usize = match &self.weights {
            Weights::Portable { groups, .. } => groups.iter().map(Tensor::elem_count).sum(),
            Weights::Cpu(groups) => groups.iter().map(Panels::count).sum(),
        };
        2 * weights as u64
    }
}

/// `[tokens, inputs]` to `[tokens, outputs]` in plain candle.
fn portable_product(x: &Tensor, groups: &[Tensor]) -> Result<Tensor> {
    if let [only] = groups {
        return x.matmul(only);
    }
    let inputs = groups[0].dim(0)?;
    let products = groups.iter().enumerate().map(|(index, group)| {
        let x = x.narrow(1, index * inputs, inputs)?.contiguous()?;
        x.matmul(group)
    });
    Tensor::cat(&products.collect::<Result<Vec<_>>>()?, 1)
}

/// Of a function of each element: all are read, and as many written.
fn moved(x: &Tensor) -> Work {
    Work {
        flops: 0,
        bytes: 2 * bytes(x),
    }
}
