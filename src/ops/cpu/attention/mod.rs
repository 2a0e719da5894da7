//! Attention on the CPU: no more than a few rows of one head's scores exist at a time.

mod head;

use std::ops::{Deref, Range};

use candle_core::{CpuStorage, CustomOp1, Layout, Result, Shape, Storage, Tensor, bail};
use rayon::prelude::*;

use super::product::tile_rows;
use super::scores::{Additions, Terms};
use super::simd::{dispatch, lanes};
use super::{contiguous, threads};
use crate::ops::attention::Attention;
use head::{AttendHead, HeadView, Scratch};

/// Vectors of columns in a tile: of three, head sizes are seldom multiples.
const VECTORS: usize = 2;

/// What columns are padded to: the widest tile of any instruction set.
pub(in crate::ops) const COLUMNS: usize = 32;

struct Packed<'a> {
    boundaries: &'a [usize],
    heads: usize,
    scale: f32,
    additions: Additions<'a>,
}

/// The elements of a tensor, held for reading.
struct Floats<'a, S> {
    storage: S,
    layout: &'a Layout,
}

fn floats(tensor: Option<&Tensor>) -> Option<Floats<'_, impl Deref<Target = Storage> + '_>> {
    let (storage, layout) = tensor?.storage_and_layout();
    Some(Floats { storage, layout })
}

impl<S: Deref<Target = Storage>> Floats<'_, S> {
    fn values(&self) -> Result<&[f32]> {
        match &*self.storage {
            Storage::Cpu(storage) => contiguous(storage, self.layout),
            _ => bail!("the CPU form wants tables on the CPU"),
        }
    }

    fn terms(&self) -> Result<Terms<'_>> {
        Ok(Terms {
            values: self.values()?,
            columns: self.layout.dims()[2],
        })
    }
}

/// See [`crate::ops::attention()`].
pub(in crate::ops) fn attention(
    projected: &Tensor,
    boundaries: &[usize],
    attention: &Attention<'_>,
) -> Result<Tensor> {
    let terms = attention.disentangled;
    // Borrowed for as long as the operation takes.
    let bias = floats(attention.bias.map(|bias| &bias.by_distance));
    let keys = floats(terms.and_then(|terms| Some(&terms.position_keys?.columns)));
    let queries = floats(terms.and_then(|terms| Some(&terms.position_queries?.columns)));
    projected.apply_op1_no_bwd(&Packed {
        boundaries,
        heads: attention.heads,
        scale: attention.scale,
        additions: Additions {
            reach: attention.reach,
            bias: match (&bias, attention.bias) {
                (Some(floats), Some(bias)) => Some((floats.values()?, bias.longest)),
                _ => None,
            },
            position_keys: keys.as_ref().map(Floats::terms).transpose()?,
            position_queries: queries.as_ref().map(Floats::terms).transpose()?,
            rows: terms.map(|terms| terms.rows),
        },
    })
}

impl CustomOp1 for Packed<'_> {
    fn name(&self) -> &'static str {
        "packed-attention"
    }

    fn cpu_fwd(&self, storage: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        let projected = contiguous(storage, layout)?;
        let (tokens, width) = layout.shape().dims2()?;
        let hidden = width / 3;
        let mut output = vec![0.0_f32; tokens * hidden];
        let tasks = tasks(self.boundaries, &mut output, hidden);
        let compute = |scratch: &mut Scratch, mut task: Task<'_>| {
            for head in 0..self.heads {
                dispatch(AttendHead {
                    view: HeadView {
                        projected,
                        hidden,
                        head_size: hidden / self.heads,
                        head,
                        packed: self,
                    },
                    task: &mut task,
                    scratch,
                });
            }
        };
        if threads::available() == 1 {
            let mut scratch = Scratch::default();
            for task in tasks {
                compute(&mut scratch, task);
            }
        } else {
            let tasks = tasks.into_par_iter();
            tasks.for_each_init(Scratch::default, compute);
        }
        Ok((CpuStorage::F32(output), Shape::from((tokens, hidden))))
    }
}

/// The query rows of one sequence that one thread computes, for all heads.
struct Task<'a> {
    /// All tokens of the sequence.
    sequence: Range<usize>,
    /// The tokens whose output is computed.
    queries: Range<usize>,
    /// Their rows of the output.
    output: &'a mut [f32],
}

/// Cuts the sequences into tasks, enough of them for every thread to have work.
fn tasks<'a>(boundaries: &[usize], mut output: &'a mut [f32], hidden: usize) -> Vec<Task<'a>> {
    let sequences = boundaries.len() - 1;
    let parts = threads::available().div_ceil(sequences.max(1));
    let tile = tile_rows(lanes(), VECTORS);
    let mut tasks = Vec::with_capacity(sequences * parts);
    for pair in boundaries.windows(2) {
        let sequence = pair[0]..pair[1];
        let rows = sequence.len().div_ceil(parts).next_multiple_of(tile);
        for start in sequence.clone().step_by(rows.max(1)) {
            let queries = start..(start + rows).min(sequence.end);
            let (own, rest) = output.split_at_mut(queries.len() * hidden);
            output = rest;
            tasks.push(Task {
                sequence: sequence.clone(),
                queries,
                output: own,
            });
        }
    }
    tasks
}
