//! Dense layers: a product by cuBLASLt with the bias, or without it where an activation follows, whose
//! kernel adds it. (The library's own GELU is the tanh approximation, which no BERT uses.)

use candle_core::cuda_backend::cudarc::driver::PushKernelArg;
use candle_core::{CudaDevice, DType, Error, Result, Tensor, bail};

use super::launch::{Output, address_or_none, device_of, elements, hold, kernel, pack, start};
use super::product::{Operand, Product, multiply};
use super::rows::code;
use crate::ops::Activation;
use crate::ops::span::bytes;

/// Weights of a dense layer on a CUDA device.
#[derive(Debug, Clone)]
pub(in crate::ops) struct DenseWeights {
    /// `[outputs, inputs / groups]`: the checkpoint's.
    weight: Tensor,
    groups: usize,
    /// `[outputs]`, in the dtype of the weight.
    bias: Option<Tensor>,
    /// The same in `f32`.
    wide_bias: Option<Tensor>,
}

impl DenseWeights {
    pub(in crate::ops) fn new(
        weight: &Tensor,
        bias: Option<&Tensor>,
        groups: usize,
    ) -> Result<Self> {
        if !weight.dim(0)?.is_multiple_of(groups) {
            bail!("{} outputs in {groups} groups", weight.dim(0)?)
        }
        let bias = bias.map(Tensor::contiguous).transpose()?;
        let wide = bias.as_ref().map(|bias| bias.to_dtype(DType::F32));
        Ok(Self {
            weight: weight.contiguous()?,
            groups,
            wide_bias: wide.transpose()?,
            bias,
        })
    }

    pub(in crate::ops) fn outputs(&self) -> usize {
        self.weight.dims()[0]
    }

    /// Weights without biases.
    pub(in crate::ops) fn count(&self) -> usize {
        self.weight.elem_count()
    }

    pub(in crate::ops) fn bytes(&self) -> u64 {
        let biases = self.bias.iter().chain(&self.wide_bias);
        bytes(&self.weight) + biases.map(bytes).sum::<u64>()
    }

    /// `[tokens, inputs]` to `[tokens, outputs]`.
    pub(in crate::ops) fn forward(
        &self,
        x: &Tensor,
        activation: Option<Activation>,
    ) -> Result<Tensor> {
        let (tokens, width) = x.dims2()?;
        let (outputs, inputs) = self.weight.dims2()?;
        let dtype = x.dtype();
        if width != inputs * self.groups || dtype != self.weight.dtype() {
            let (groups, own) = (self.groups, self.weight.dtype());
            bail!("{width} inputs in {dtype:?}, and weights for {groups} x {inputs} in {own:?}")
        }
        let device = device_of(x)?;
        // SAFETY: the groups' products write all columns.
        let output = unsafe { Output::new(device, (tokens, outputs), dtype)? };
        let (from, weight) = (hold(x)?, hold(&self.weight)?);
        let fused = activation.is_none() && self.fuses_bias();
        let bias = self.bias.as_ref().filter(|_| fused);
        let bias = bias.map(hold).transpose()?;
        let of_group = outputs / self.groups;
        for group in 0..self.groups {
            let after = |numbers: usize| (group * numbers * dtype.size_in_bytes()) as u64;
            let product = Product {
                outputs: of_group,
                tokens,
                inputs,
                batch: 1,
                scale: 1.0,
                dtype,
                weight: Operand {
                    address: weight.address()? + after(of_group * inputs),
                    row: inputs,
                    step: 0,
                },
                weight_by_inputs: false,
                x: Operand {
                    address: from.address()? + after(inputs),
                    row: width,
                    step: 0,
                },
                result: Operand {
                    address: output.address() + after(of_group),
                    row: outputs,
                    step: 0,
                },
                bias: match &bias {
                    Some(bias) => Some(bias.address()? + after(of_group)),
                    None => None,
                },
            };
            // SAFETY: a group's rows of the weight, columns of `x` and columns of the output, whose
            // shapes were compared above; all are held.
            unsafe { multiply(device, &product)? };
        }
        if activation.is_some() || (!fused && self.bias.is_some()) {
            self.activate(&output, tokens * outputs, dtype, activation, device)?;
        }
        Ok(output.finish())
    }

    /// Whether the library adds the bias: it has not every algorithm for what is not aligned.
    fn fuses_bias(&self) -> bool {
        let (outputs, inputs) = (self.outputs() / self.groups, self.weight.dims()[1]);
        let wide = 16 / self.weight.dtype().size_in_bytes();
        outputs.is_multiple_of(wide) && inputs.is_multiple_of(wide)
    }

    /// Adds the bias and applies the activation, in place.
    fn activate(
        &self,
        output: &Output,
        count: usize,
        dtype: DType,
        activation: Option<Activation>,
        device: &CudaDevice,
    ) -> Result<()> {
        let bias = self.wide_bias.as_ref().map(hold).transpose()?;
        let (into, bias) = (output.address(), address_or_none(bias.as_ref())?);
        let (wide, suffix) = pack(dtype, self.outputs())?;
        let packs = count / wide;
        let columns = i32::try_from(self.outputs()).map_err(Error::wrap)?;
        let function = kernel(device, &format!("activate_{suffix}"))?;
        let activation = activation.map_or(0, code);
        let mut call = function.call();
        call.arg(&into).arg(&bias).arg(&packs);
        call.arg(&columns).arg(&activation);
        // SAFETY: these are the kernel's arguments; `count` numbers were allocated, and a bias a column.
        unsafe { start(call, elements(packs)) }
    }
}
