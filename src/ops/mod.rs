//! The few operations the encoders are written in.
//!
//! Each has a portable form in plain candle tensors, which runs on every
//! device, and a CPU form that computes the same values faster. Which one a
//! model uses is decided once, when it is loaded.
//!
//! Activations are packed: a matrix of all tokens of a batch by features,
//! with the boundaries of the sequences beside it. Nothing is padded.

pub mod activation;
pub mod attention;
mod cpu;
pub mod embedding;
pub mod layer_norm;
pub mod linear;

use std::fmt;
use std::str::FromStr;

use candle_core::{DType, Device};

pub use activation::Activation;
pub use attention::attention;
pub use embedding::{Embedding, sum_embeddings};
pub use layer_norm::LayerNorm;
pub use linear::Linear;

/// Which form of the operations computes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// Plain candle tensors, on any device.
    Portable,
    /// Fused loops for `f32` tensors on the CPU.
    Cpu,
}

impl Form {
    /// The fastest form for tensors of `dtype` on `device`.
    pub fn fastest(device: &Device, dtype: DType) -> Self {
        if device.is_cpu() && dtype == DType::F32 {
            Self::Cpu
        } else {
            Self::Portable
        }
    }

    /// Name on the command line and in records.
    pub fn name(self) -> &'static str {
        match self {
            Self::Portable => "portable",
            Self::Cpu => "cpu",
        }
    }
}

impl fmt::Display for Form {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name())
    }
}

/// The form asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum FormChoice {
    /// [`Form::fastest`].
    #[default]
    Auto,
    /// The portable reference.
    Portable,
}

impl FormChoice {
    /// The form that computes on `device` in `dtype`.
    pub fn resolve(self, device: &Device, dtype: DType) -> Form {
        match self {
            Self::Auto => Form::fastest(device, dtype),
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
