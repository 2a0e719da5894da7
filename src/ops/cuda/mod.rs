//! The CUDA form of the operations: kernels of this project (`kernels/`), and products of matrices by
//! cuBLASLt, on packed tokens.
//!
//! Weights and activations are kept in the dtype of the run; everything but products is computed in
//! `f32`, and products are summed in it (never in TF32). All that a program asks of a device goes
//! through one stream, in order: see [`crate::device`].
//!
//! `build.rs` has the kernels compiled to the GPU's assembly language (PTX) for compute capability
//! 8.0, which the driver translates for the card at hand.

mod attention;
mod dense;
mod int8;
mod launch;
mod product;
mod replay;
mod rows;
mod tables;
mod transfer;

pub(in crate::ops) use attention::attention;
pub(in crate::ops) use dense::DenseWeights;
pub(in crate::ops) use int8::Int8DenseWeights;
pub(in crate::ops) use launch::has_kernels_for;
pub(in crate::ops) use replay::{Replay, trim};
pub(in crate::ops) use rows::{
    Angles, add, beside, gate, neighbours, norm, rotate, sum_embeddings,
};
pub(in crate::ops) use tables::Tables;
pub(in crate::ops) use transfer::{Begun, Bringing};
