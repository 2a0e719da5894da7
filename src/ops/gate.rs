//! The gated linear unit of ModernBERT's feed-forward layers.

use candle_core::{DType, Result, Tensor};

use super::span::{bytes, span};
use super::{Activation, Form, cpu, cuda};
use crate::measure::profile::{Operation, Work};

/// `activation(first half) · second half` of the features: `[tokens, 2·width]` to `[tokens, width]`.
///
/// # Errors
///
/// Fails where the number of features is odd.
pub fn gate(x: &Tensor, activation: Activation, form: Form) -> Result<Tensor> {
    let _span = span(Operation::Activation, x.device(), || Work {
        flops: 0,
        bytes: bytes(x) + bytes(x) / 2,
    });
    match form {
        Form::Cpu => cpu::gate(x, activation),
        Form::Cuda => cuda::gate(x, activation),
        Form::Portable => portable(x, activation),
    }
}

fn portable(x: &Tensor, activation: Activation) -> Result<Tensor> {
    let width = x.dim(1)? / 2;
    let input = x.narrow(1, 0, width)?.contiguous()?.to_dtype(DType::F32)?;
    let gate = x
        .narrow(1, width, width)?
        .contiguous()?
        .to_dtype(DType::F32)?;
    let gated = (activation.portable(&input)? * gate)?;
    super::saturate(&gated, x.dtype())
}
