//! The few operations the encoders are written in.
//!
//! Each has a portable form in plain candle tensors, which runs on every
//! device, and forms for CPUs and for NVIDIA's GPUs that compute the same
//! values faster. Which one a model uses is decided once, when it is loaded.
//!
//! Activations are packed: a matrix of all tokens of a batch by features,
//! with the boundaries of the sequences beside it. Nothing is padded.
//!
//! Half precision: the portable form keeps weights and activations in `f16` or
//! `bf16` and multiplies matrices in it; sums, means, exponentials and
//! activations are computed in `f32`, and what leaves the range of `f16` is
//! held at its ends, so that no infinity can become NaN. The CUDA form does the
//! same, but for queries, keys and values, which no trained model has so large.
//! The CPU form keeps the weights in half precision and computes in `f32`.

pub mod activation;
pub mod attention;
pub mod by_length;
mod cpu;
#[cfg_attr(not(feature = "cuda"), path = "cuda/absent.rs")]
mod cuda;
pub mod embedding;
pub mod gate;
pub mod int8;
pub mod linear;
pub mod neighbours;
pub mod norm;
pub mod readback;
pub(crate) mod replay;
pub mod rotary;
pub mod sequences;
mod span;

use std::fmt;
use std::str::FromStr;

use candle_core::{DType, Device, Result as TensorResult, Tensor};
use serde::{Deserialize, Serialize};

pub use activation::Activation;
pub use attention::{
    Attention, Disentangled, PositionTerms, RelativeBias, RelativeRows, attention,
};
pub use by_length::ByLength;
pub(crate) use cpu::alone;
pub use embedding::{Embedding, sum_embeddings};
pub use gate::gate;
pub use linear::Linear;
pub use neighbours::neighbours;
pub use norm::Norm;
pub use rotary::{Pairing, Rotary, rotate};
pub use sequences::Sequences;

/// Which form of the operations computes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// Plain candle tensors, on any device.
    Portable,
    /// Fused loops on the CPU, which compute in `f32`.
    Cpu,
    /// Kernels of this project on an NVIDIA GPU.
    Cuda,
}

impl Form {
    /// The fastest form on `device`.
    pub fn fastest(device: &Device) -> Self {
        match device {
            Device::Cpu => Self::Cpu,
            Device::Cuda(_) if cuda::has_kernels_for(device) => Self::Cuda,
            Device::Cuda(_) | Device::Metal(_) => Self::Portable,
        }
    }

    /// The dtype of activations where weights are kept in `weights`.
    pub fn activations(self, weights: DType) -> DType {
        match self {
            Self::Portable | Self::Cuda => weights,
            Self::Cpu => DType::F32,
        }
    }

    /// Name on the command line and in records.
    pub fn name(self) -> &'static str {
        match self {
            Self::Portable => "portable",
            Self::Cpu => "cpu",
            Self::Cuda => "cuda",
        }
    }

    /// The instructions that the CPU form multiplies in eight bits with: `amx-int8`, `avx512-vnni`,
    /// `avx-vnni`, `avx2`, `neon-dotprod` or `scalar`.
    pub fn int8_instructions(self) -> Option<&'static str> {
        match self {
            Self::Portable | Self::Cuda => None,
            Self::Cpu => Some(cpu::int8_instructions()),
        }
    }

    /// The vector instructions that the CPU form computes with, the best this processor has:
    /// `avx512`, `avx2`, `neon` or `scalar`.
    pub fn instructions(self) -> Option<&'static str> {
        match self {
            Self::Portable | Self::Cuda => None,
            Self::Cpu => Some(cpu::instructions()),
        }
    }
}

impl fmt::Display for Form {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name())
    }
}

/// The form asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum FormChoice {
    /// [`Form::fastest`].
    #[default]
    Auto,
    /// The portable reference.
    Portable,
}

impl FormChoice {
    /// The form that computes on `device`.
    pub fn resolve(self, device: &Device) -> Form {
        match self {
            Self::Auto => Form::fastest(device),
            Self::Portable => Form::Portable,
        }
    }
}

impl FromStr for FormChoice {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        match name {
            "auto" => Ok(Self::Auto),
            "portable" => Ok(Self::Portable),
            other => Err(format!(
                "unknown form \"{other}\"; known are auto and portable"
            )),
        }
    }
}

/// Multiplies a small tile in eight bits so often, on this thread, with the instructions of
/// [`Form::int8_instructions`]; gives the operations that takes.
pub(crate) fn int8_tiles(repetitions: u64) -> f64 {
    cpu::int8_tiles(repetitions)
}

/// Converts a product of matrices to `f32`; what left the range of `f16` becomes its largest
/// number, for a function of infinity may be no number at all.
fn widen(x: &Tensor) -> TensorResult<Tensor> {
    within_range(&x.to_dtype(DType::F32)?, x.dtype())
}

/// `x + y`, both `[tokens, features]`, summed in `f32`.
///
/// # Errors
///
/// Fails where shapes, dtypes or devices do not agree.
pub fn add(x: &Tensor, y: &Tensor, form: Form) -> TensorResult<Tensor> {
    if form == Form::Cuda {
        return cuda::add(x, y);
    }
    if x.dtype() == DType::F32 {
        return x + y;
    }
    let sum = (x.to_dtype(DType::F32)? + y.to_dtype(DType::F32)?)?;
    saturate(&sum, x.dtype())
}

/// Converts to `dtype`; in `f16` what lies beyond its range becomes its largest number.
fn saturate(x: &Tensor, dtype: DType) -> TensorResult<Tensor> {
    within_range(x, dtype)?.to_dtype(dtype)
}

/// An `f32` tensor held within the range of `f16`, where that is what `dtype` is.
fn within_range(x: &Tensor, dtype: DType) -> TensorResult<Tensor> {
    if dtype == DType::F16 {
        let largest = half::f16::MAX.to_f32();
        return x.clamp(-largest, largest);
    }
    Ok(x.clone())
}

/// Matrices of as many tokens side by side: `[tokens, features of all]`.
///
/// # Errors
///
/// Fails where they have other numbers of tokens or other dtypes.
pub fn beside(parts: &[Tensor], form: Form) -> TensorResult<Tensor> {
    match form {
        Form::Cuda => cuda::beside(parts),
        Form::Cpu | Form::Portable => Tensor::cat(parts, 1),
    }
}
