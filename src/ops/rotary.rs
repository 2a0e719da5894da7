//! Rotary position embeddings (Su et al., 2021) on projected queries and keys.

use std::sync::OnceLock;

use candle_core::{DType, Result, Tensor};

use super::sequences::Sequences;
use super::span::{bytes, span};
use super::{Form, cpu, cuda};
use crate::measure::profile::{Operation, Work};

/// Which features of a head are turned together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pairing {
    /// A feature of the first half with its counterpart in the second (ModernBERT).
    Halves,
    /// Features 0 and 1, 2 and 3, … (RoFormer).
    Neighbours,
}

/// The angles of every position, as cosines and sines.
#[derive(Debug, Clone)]
pub struct Rotary {
    /// `[positions, pairs]`, row by row.
    pub(super) cosines: Vec<f32>,
    /// As `cosines`.
    pub(super) sines: Vec<f32>,
    /// Pairs of features in a head.
    pub(super) pairs: usize,
    pub(super) pairing: Pairing,
    /// Whether values are turned, too.
    pub(super) values: bool,
    /// The angles on the device of a model.
    #[cfg_attr(not(feature = "cuda"), allow(dead_code))]
    pub(super) on_device: OnceLock<cuda::Angles>,
}

impl Rotary {
    /// Angles `position · theta^(−2·pair/head_size)` for positions below `positions`.
    pub fn from_theta(theta: f32, head_size: usize, positions: usize, pairing: Pairing) -> Self {
        let pairs = head_size / 2;
        let angle = |at: usize| {
            let (position, pair) = (at / pairs, at % pairs);
            let exponent = (2 * pair) as f32 / head_size as f32;
            position as f32 * (1.0 / theta.powf(exponent))
        };
        let angles: Vec<f32> = (0..positions * pairs).map(angle).collect();
        Self {
            cosines: angles.iter().map(|angle| angle.cos()).collect(),
            sines: angles.iter().map(|angle| angle.sin()).collect(),
            pairs,
            pairing,
            values: false,
            on_device: OnceLock::new(),
        }
    }

    /// The angles of sinusoidal positions (Vaswani et al., 2017), in double precision
    /// up to the table: `position / 10000^(2·pair/head_size)`.
    pub fn from_sinusoids(head_size: usize, positions: usize) -> Self {
        let pairs = head_size / 2;
        let angle = |at: usize| {
            let exponent = (2 * (at % pairs)) as f64 / head_size as f64;
            (at / pairs) as f64 / 10_000.0_f64.powf(exponent)
        };
        let angles = 0..positions * pairs;
        Self {
            cosines: angles.clone().map(|at| angle(at).cos() as f32).collect(),
            sines: angles.map(|at| angle(at).sin() as f32).collect(),
            pairs,
            pairing: Pairing::Neighbours,
            values: false,
            on_device: OnceLock::new(),
        }
    }

    /// From a checkpoint's table: each row the sines of all pairs, then their cosines.
    pub fn from_table(table: &[Vec<f32>], pairs: usize) -> Self {
        Self {
            cosines: table
                .iter()
                .flat_map(|row| &row[pairs..])
                .copied()
                .collect(),
            sines: table
                .iter()
                .flat_map(|row| &row[..pairs])
                .copied()
                .collect(),
            pairs,
            pairing: Pairing::Neighbours,
            values: false,
            on_device: OnceLock::new(),
        }
    }

    /// With values turned as queries and keys are, or not.
    #[must_use]
    pub fn with_values(mut self, values: bool) -> Self {
        self.values = values;
        self
    }

    /// How many of queries, keys and values are turned.
    pub(super) fn parts(&self) -> usize {
        2 + usize::from(self.values)
    }
}

/// Turns the queries and keys in `projected` (`[tokens, 3·hidden]`, which may be
/// overwritten) by the angles of their positions within their sequences.
///
/// # Errors
///
/// Fails where a sequence is longer than the table of angles.
pub fn rotate(
    projected: Tensor,
    sequences: &Sequences<'_>,
    heads: usize,
    rotary: &Rotary,
    form: Form,
) -> Result<Tensor> {
    let device = projected.device().clone();
    let _span = span(Operation::Attention, &device, || Work {
        flops: 0,
        // Of queries, keys and values, those that are turned are read and written.
        bytes: 2 * bytes(&projected) / 3 * rotary.parts() as u64,
    });
    match form {
        Form::Cpu => {
            cpu::rotate(&projected, sequences.positions(), heads, rotary)?;
            Ok(projected)
        }
        Form::Cuda => {
            cuda::rotate(&projected, sequences, heads, rotary)?;
            Ok(projected)
        }
        Form::Portable => portable(&projected, sequences.positions(), heads, rotary),
    }
}

fn portable(
    projected: &Tensor,
    positions: &[u32],
    heads: usize,
    rotary: &Rotary,
) -> Result<Tensor> {
    let (tokens, width) = projected.dims2()?;
    let (device, pairs) = (projected.device(), rotary.pairs);
    let positions = Tensor::from_slice(positions, positions.len(), device)?;
    let angles = |table: &[f32]| {
        let table = Tensor::from_slice(table, (table.len() / pairs, pairs), device)?;
        table.index_select(&positions, 0)?.unsqueeze(1)
    };
    let (cosines, sines) = (angles(&rotary.cosines)?, angles(&rotary.sines)?);
    let turned = rotary.parts() * heads;
    let projected = projected.reshape((tokens, 3 * heads, 2 * pairs))?;
    let x = projected.narrow(1, 0, turned)?.to_dtype(DType::F32)?;
    // The dimension that tells the two features of a pair apart.
    let (shape, dimension) = match rotary.pairing {
        Pairing::Halves => ((tokens, turned, 2, pairs), 2),
        Pairing::Neighbours => ((tokens, turned, pairs, 2), 3),
    };
    let x = x.reshape(shape)?;
    let (first, second) = (x.narrow(dimension, 0, 1)?, x.narrow(dimension, 1, 1)?);
    let (first, second) = (first.squeeze(dimension)?, second.squeeze(dimension)?);
    let turn = |a: &Tensor, b: &Tensor| a.broadcast_mul(&cosines)? + b.broadcast_mul(&sines)?;
    let turned_first = turn(&first, &second.neg()?)?;
    let turned_second = turn(&second, &first)?;
    let x = Tensor::stack(&[turned_first, turned_second], dimension)?;
    let x = x.reshape((tokens, turned, 2 * pairs))?;
    let x = super::saturate(&x, projected.dtype())?;
    let rest = projected.narrow(1, turned, 3 * heads - turned)?;
    Tensor::cat(&[x, rest], 1)?.reshape((tokens, width))
}
