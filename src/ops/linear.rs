//! A dense layer, with the activation that follows it.

use std::sync::Arc;

use candle_core::{DType, Result, Tensor};

use super::cpu::{Int8Panels, Panels};
use super::int8::{Int8Weights, PortableInt8, Trial};
use super::span::{bytes, span};
use super::{Activation, Form, cpu, cuda};
use crate::measure::profile::{Operation, Work};

/// `activation(x · weightᵀ + bias)` over packed tokens.
#[derive(Debug, Clone)]
pub struct Linear {
    weights: Weights,
    activation: Option<Activation>,
}

/// One matrix for each group of inputs that is multiplied by itself.
#[derive(Debug, Clone)]
pub(super) enum Weights {
    Portable {
        /// `[inputs, outputs]`, contiguous: the transposes of the checkpoint's matrices.
        groups: Vec<Tensor>,
        /// `[outputs]` in `f32`.
        bias: Option<Tensor>,
    },
    PortableInt8 {
        groups: Vec<PortableInt8>,
        /// `[outputs]` in `f32`.
        bias: Option<Tensor>,
    },
    Cpu(Vec<Panels>),
    Cuda(cuda::DenseWeights),
    CpuInt8(Vec<Int8Panels>),
    CudaInt8(cuda::Int8DenseWeights),
    Trial(Arc<Trial>),
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
        Ok(Self {
            weights: Weights::new(weight, bias, groups, form)?,
            activation: None,
        })
    }

    /// As [`Linear::grouped`], in eight bits or in full: see [`Trial`]. `tensors` makes weight and
    /// bias again, as often as they are wanted.
    ///
    /// # Errors
    ///
    /// Fails where a layer has more inputs than sums in eight bits hold.
    pub fn on_trial(
        name: &str,
        weight_and_bias: (&Tensor, Option<&Tensor>),
        tensors: impl Fn() -> Result<(Tensor, Option<Tensor>)> + Send + Sync + 'static,
        groups: usize,
        form: Form,
    ) -> Result<(Self, Arc<Trial>)> {
        let trial = Trial::new(name, weight_and_bias, Box::new(tensors), groups, form)?;
        let trial = Arc::new(trial);
        let layer = Self {
            weights: Weights::Trial(Arc::clone(&trial)),
            activation: None,
        };
        Ok((layer, trial))
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
        self.weights.forward(x, self.activation)
    }

    /// Of the products of `x` with each group, whatever its width should be.
    fn work(&self, x: &Tensor) -> Work {
        let rows = x.dims().first().copied().unwrap_or_default();
        let result = rows * self.weights.outputs() * x.dtype().size_in_bytes();
        Work {
            flops: rows as u64 * self.flops_per_token(),
            bytes: bytes(x) + self.weights.bytes() + result as u64,
        }
    }

    /// Multiplications and additions of one token.
    pub fn flops_per_token(&self) -> u64 {
        2 * self.weights.count() as u64
    }
}

impl Weights {
    pub(super) fn new(
        weight: &Tensor,
        bias: Option<&Tensor>,
        groups: usize,
        form: Form,
    ) -> Result<Self> {
        Ok(match form {
            Form::Portable => {
                let transposed = weight.chunk(groups, 0)?;
                let transposed = transposed.iter().map(|group| group.t()?.contiguous());
                Self::Portable {
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
                Self::Cpu(panels.collect::<Result<_>>()?)
            }
            Form::Cuda => Self::Cuda(cuda::DenseWeights::new(weight, bias, groups)?),
        })
    }

    /// For inputs of which it is known perhaps how large each is at the most.
    pub(super) fn int8(
        weight: &Tensor,
        bias: Option<&Tensor>,
        largest: Option<&[f32]>,
        groups: usize,
        form: Form,
    ) -> Result<Self> {
        let inputs = weight.dim(1)?;
        let weights = weight.chunk(groups, 0)?;
        let weights = weights.iter().enumerate().map(|(group, weight)| {
            let largest = largest.map(|largest| &largest[group * inputs..][..inputs]);
            Int8Weights::new(weight, largest)
        });
        let weights = weights.collect::<Result<Vec<_>>>()?;
        let bias = bias.map(|bias| bias.to_dtype(DType::F32)).transpose()?;
        Ok(match form {
            Form::Cuda => {
                let device = weight.device();
                Self::CudaInt8(cuda::Int8DenseWeights::new(
                    &weights,
                    bias.as_ref(),
                    device,
                )?)
            }
            Form::Portable => {
                let device = weight.device();
                let groups = weights.iter().map(|group| PortableInt8::new(group, device));
                Self::PortableInt8 {
                    groups: groups.collect::<Result<_>>()?,
                    bias,
                }
            }
            Form::Cpu => {
                let bias = bias.map(|bias| bias.to_vec1::<f32>()).transpose()?;
                let bias_of = |group: usize, outputs: usize| {
                    bias.as_ref()
                        .map(|bias| &bias[group * outputs..][..outputs])
                };
                let panels = weights.iter().enumerate().map(|(group, weights)| {
                    Int8Panels::new(weights, bias_of(group, weights.scales.len()))
                });
                Self::CpuInt8(panels.collect())
            }
        })
    }

    /// `[tokens, inputs]` to `[tokens, outputs]`.
    pub(super) fn forward(&self, x: &Tensor, activation: Option<Activation>) -> Result<Tensor> {
        let (product, bias) = match self {
            // The activation is applied while the product is in the cache, and is part of its time.
            Self::Cpu(groups) => return cpu::dense(x, groups, activation),
            Self::Cuda(weights) => return weights.forward(x, activation),
            Self::CpuInt8(groups) => return cpu::int8_dense(x, groups, activation),
            Self::CudaInt8(weights) => return weights.forward(x, activation),
            Self::Trial(trial) => return trial.forward(x, activation),
            Self::Portable { groups, bias } => (portable_product(x, groups)?, bias),
            Self::PortableInt8 { groups, bias } => (int8_product(x, groups)?, bias),
        };
        // Time of its own: what is left of the layer's is the product, and the bias where it is alone.
        let _activation =
            activation.map(|_| span(Operation::Activation, x.device(), || moved(&product)));
        let dtype = product.dtype();
        // In f32 up to the result.
        let mut x = super::widen(&product)?;
        if let Some(bias) = bias {
            x = x.broadcast_add(bias)?;
        }
        if let Some(activation) = activation {
            x = activation.portable(&x)?;
        }
        super::saturate(&x, dtype)
    }

    fn outputs(&self) -> usize {
        match self {
            Self::Portable { groups, .. } => groups.iter().map(|group| group.dims()[1]).sum(),
            Self::PortableInt8 { groups, .. } => groups.iter().map(PortableInt8::outputs).sum(),
            Self::Cpu(groups) => groups.iter().map(Panels::outputs).sum(),
            Self::Cuda(weights) => weights.outputs(),
            Self::CpuInt8(groups) => groups.iter().map(Int8Panels::outputs).sum(),
            Self::CudaInt8(weights) => weights.outputs(),
            Self::Trial(trial) => trial.outputs(),
        }
    }

    /// Weights without biases and padding.
    fn count(&self) -> usize {
        match self {
            Self::Portable { groups, .. } => groups.iter().map(Tensor::elem_count).sum(),
            Self::PortableInt8 { groups, .. } => groups.iter().map(PortableInt8::count).sum(),
            Self::Cpu(groups) => groups.iter().map(Panels::count).sum(),
            Self::Cuda(weights) => weights.count(),
            Self::CpuInt8(groups) => groups.iter().map(Int8Panels::count).sum(),
            Self::CudaInt8(weights) => weights.count(),
            Self::Trial(trial) => trial.count(),
        }
    }

    /// What weights, their scales and biases take in memory.
    pub(super) fn bytes(&self) -> u64 {
        match self {
            Self::Portable { groups, bias } => groups.iter().chain(bias).map(bytes).sum(),
            Self::PortableInt8 { groups, bias } => {
                let groups: u64 = groups.iter().map(PortableInt8::bytes).sum();
                groups + bias.as_ref().map_or(0, bytes)
            }
            Self::Cpu(groups) => groups.iter().map(Panels::bytes).sum(),
            Self::Cuda(weights) => weights.bytes(),
            Self::CpuInt8(groups) => groups.iter().map(Int8Panels::bytes).sum(),
            Self::CudaInt8(weights) => weights.bytes(),
            Self::Trial(trial) => trial.bytes(),
        }
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

/// The same of weights in eight bits.
fn int8_product(x: &Tensor, groups: &[PortableInt8]) -> Result<Tensor> {
    if let [only] = groups {
        return only.product(x);
    }
    let inputs = groups[0].inputs();
    let products = groups
        .iter()
        .enumerate()
        .map(|(index, group)| group.product(&x.narrow(1, index * inputs, inputs)?.contiguous()?));
    Tensor::cat(&products.collect::<Result<Vec<_>>>()?, 1)
}

/// Of a function of each element: all are read, and as many written.
fn moved(x: &Tensor) -> Work {
    Work {
        flops: 0,
        bytes: 2 * bytes(x),
    }
}
