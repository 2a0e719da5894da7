//! Attention on the CPU: no more than a few rows of one head's scores exist at a time.

use std::ops::{Deref, Range};

use candle_core::{CpuStorage, CustomOp1, Layout, Result, Shape, Storage, Tensor, bail};
use rayon::prelude::*;

use super::contiguous;
use super::math::exp;
use super::scores::{Additions, Terms, add_to_scores};
use super::simd::{Kernel, Simd, dispatch};
use crate::ops::attention::Attention;

/// Query rows computed together: each key or value that is loaded serves all of them.
const ROWS: usize = 6;

/// Vectors of columns computed together: with [`ROWS`] rows, as many sums as fit AVX2's 16 registers.
const VECTORS: usize = 2;

/// What columns are padded to: [`VECTORS`] of the widest vectors there are.
pub(in crate::ops) const COLUMNS: usize = 32;

/// Partial sums of a row kept side by side, so that they are added in a fixed order.
const LANES: usize = 16;

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
        tasks
            .into_par_iter()
            .for_each_init(Scratch::default, |scratch, mut task| {
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
            });
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
    let parts = rayon::current_num_threads().div_ceil(sequences.max(1));
    let mut tasks = Vec::with_capacity(sequences * parts);
    for pair in boundaries.windows(2) {
        let sequence = pair[0]..pair[1];
        let rows = sequence.len().div_ceil(parts).next_multiple_of(ROWS);
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

/// One head's columns of the projected queries, keys and values.
struct HeadView<'a> {
    /// `[tokens, 3·hidden]`.
    projected: &'a [f32],
    hidden: usize,
    head_size: usize,
    head: usize,
    packed: &'a Packed<'a>,
}

impl HeadView<'_> {
    /// The head's part of a token's query (0), key (1) or value (2).
    #[inline(always)]
    fn part(&self, token: usize, which: usize) -> &[f32] {
        let start = (token * 3 + which) * self.hidden + self.head * self.head_size;
        &self.projected[start..start + self.head_size]
    }
}

/// Buffers that a thread uses again for each head.
#[derive(Default)]
struct Scratch {
    /// `[head_size, length]`, the length rounded up to [`COLUMNS`].
    keys: Vec<f32>,
    /// `[length, head_size]`, the head size rounded up to [`COLUMNS`].
    values: Vec<f32>,
    /// `[ROWS, head_size]`.
    queries: Vec<f32>,
    /// `[ROWS, length]`, the length rounded up.
    scores: Vec<f32>,
    /// `[ROWS, head_size]`, the head size rounded up.
    sums: Vec<f32>,
    /// `[ROWS, columns]`: products of a block of queries with the position keys.
    content_to_position: Vec<f32>,
    /// `[length, columns]`, the length rounded up to [`ROWS`]: products of all
    /// keys with the position queries.
    position_to_content: Vec<f32>,
}

/// One head of one task.
struct AttendHead<'a, 'b> {
    view: HeadView<'a>,
    task: &'a mut Task<'b>,
    scratch: &'a mut Scratch,
}

impl Kernel for AttendHead<'_, '_> {
    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        attend(simd, &self.view, self.task, self.scratch);
    }
}

#[inline(always)]
fn attend<S: Simd>(simd: S, view: &HeadView<'_>, task: &mut Task<'_>, scratch: &mut Scratch) {
    let length = task.sequence.len();
    let padded_length = length.next_multiple_of(COLUMNS);
    let padded_size = view.head_size.next_multiple_of(COLUMNS);
    pack(view, &task.sequence, scratch);
    scratch.queries.resize(ROWS * view.head_size, 0.0);
    multiply_position_queries(simd, view, &task.sequence, scratch);
    scratch.scores.resize(ROWS * padded_length, 0.0);
    scratch.sums.resize(ROWS * padded_size, 0.0);
    let Scratch {
        keys,
        values,
        queries,
        scores,
        sums,
        content_to_position,
        position_to_content,
    } = scratch;
    for (block, first) in task.queries.clone().step_by(ROWS).enumerate() {
        let rows = ROWS.min(task.queries.end - first);
        // Rows past the end repeat the last one; their results are not written.
        for (row, query) in queries.chunks_exact_mut(view.head_size).enumerate() {
            let source = view.part(first + row.min(rows - 1), 0);
            for (query, source) in query.iter_mut().zip(source) {
                *query = source * view.packed.scale;
            }
        }
        multiply(
            simd,
            queries,
            view.head_size,
            view.head_size,
            keys,
            padded_length,
            scores,
        );
        let position_keys = view.packed.additions.position_keys.as_ref();
        if let Some(terms) = position_keys {
            content_to_position.resize(ROWS * terms.columns, 0.0);
            multiply(
                simd,
                queries,
                view.head_size,
                view.head_size,
                terms.head(view.head, view.head_size),
                terms.columns,
                content_to_position,
            );
        }
        for (row, scores) in scores.chunks_exact_mut(padded_length).enumerate() {
            // Rows past the end repeat the last one, at its position.
            let query = first + row.min(rows - 1) - task.sequence.start;
            let content = position_keys
                .map(|terms| &content_to_position[row * terms.columns..][..terms.columns]);
            add_to_scores(
                &view.packed.additions,
                view.head,
                query,
                content,
                position_to_content,
                &mut scores[..length],
            );
        }
        let mut reciprocals = [0.0; ROWS];
        for (scores, reciprocal) in scores.chunks_exact_mut(padded_length).zip(&mut reciprocals) {
            // Columns past the end are no keys: as scores of minus infinity they weigh nothing.
            scores[length..].fill(f32::NEG_INFINITY);
            *reciprocal = 1.0 / exponentiate(scores);
        }
        multiply(
            simd,
            scores,
            padded_length,
            length,
            values,
            padded_size,
            sums,
        );
        let output = &mut task.output[block * ROWS * view.hidden..];
        for row in 0..rows {
            let start = row * view.hidden + view.head * view.head_size;
            let output = &mut output[start..start + view.head_size];
            for (output, sum) in output.iter_mut().zip(&sums[row * padded_size..]) {
                *output = sum * reciprocals[row];
            }
        }
    }
}

/// Products of all keys with the position queries, where there are any.
#[inline(always)]
fn multiply_position_queries<S: Simd>(
    simd: S,
    view: &HeadView<'_>,
    sequence: &Range<usize>,
    scratch: &mut Scratch,
) {
    let Some(terms) = &view.packed.additions.position_queries else {
        return;
    };
    let rows = sequence.len().next_multiple_of(ROWS);
    scratch
        .position_to_content
        .resize(rows * terms.columns, 0.0);
    let products = scratch
        .position_to_content
        .chunks_exact_mut(ROWS * terms.columns);
    for (block, products) in products.take(rows / ROWS).enumerate() {
        for (row, key) in scratch.queries.chunks_exact_mut(view.head_size).enumerate() {
            let token = sequence.start + block * ROWS + row;
            key.copy_from_slice(view.part(token.min(sequence.end - 1), 1));
        }
        multiply(
            simd,
            &scratch.queries,
            view.head_size,
            view.head_size,
            terms.head(view.head, view.head_size),
            terms.columns,
            products,
        );
    }
}

/// Copies keys (transposed) and values of a sequence, padded with zeros to whole blocks.
#[inline(always)]
fn pack(view: &HeadView<'_>, sequence: &Range<usize>, scratch: &mut Scratch) {
    let length = sequence.len();
    let padded_length = length.next_multiple_of(COLUMNS);
    let padded_size = view.head_size.next_multiple_of(COLUMNS);
    scratch.keys.clear();
    scratch.keys.resize(view.head_size * padded_length, 0.0);
    scratch.values.clear();
    scratch.values.resize(length * padded_size, 0.0);
    for (at, token) in sequence.clone().enumerate() {
        for (feature, &key) in view.part(token, 1).iter().enumerate() {
            scratch.keys[feature * padded_length + at] = key;
        }
        scratch.values[at * padded_size..][..view.head_size].copy_from_slice(view.part(token, 2));
    }
}

/// `result[ROWS, columns] = left[ROWS, depth] · right[depth, columns]`.
///
/// Rows of `left` lie `stride` apart; `columns` is a multiple of [`COLUMNS`].
#[inline(always)]
fn multiply<S: Simd>(
    simd: S,
    left: &[f32],
    stride: usize,
    depth: usize,
    right: &[f32],
    columns: usize,
    result: &mut [f32],
) {
    let left: [&[f32]; ROWS] = std::array::from_fn(|row| &left[row * stride..][..depth]);
    let (right, _) = S::as_simd_f32s(right);
    let (result, _) = S::as_mut_simd_f32s(result);
    // From here on columns are counted in vectors.
    let columns = columns / S::F32_LANES;
    for column in (0..columns).step_by(VECTORS) {
        let mut sums = [[simd.splat_f32s(0.0); VECTORS]; ROWS];
        for (at, right) in right.chunks_exact(columns).take(depth).enumerate() {
            let right: [S::f32s; VECTORS] = std::array::from_fn(|vector| right[column + vector]);
            for row in 0..ROWS {
                let factor = simd.splat_f32s(left[row][at]);
                for vector in 0..VECTORS {
                    sums[row][vector] =
                        simd.mul_add_e_f32s(factor, right[vector], sums[row][vector]);
                }
            }
        }
        for (row, sums) in sums.iter().enumerate() {
            result[row * columns + column..][..VECTORS].copy_from_slice(sums);
        }
    }
}

/// Replaces scores by `exp(score - largest)` and returns their sum.
///
/// The length is a multiple of [`LANES`]; scores of minus infinity become 0.
#[inline(always)]
fn exponentiate(scores: &mut [f32]) -> f32 {
    let (chunks, _) = scores.as_chunks_mut::<LANES>();
    let mut largest = [f32::NEG_INFINITY; LANES];
    for chunk in &*chunks {
        for lane in 0..LANES {
            // Not `max`: NaN must come out as NaN, which the exponential sees to.
            largest[lane] = if chunk[lane] > largest[lane] {
                chunk[lane]
            } else {
                largest[lane]
            };
        }
    }
    let largest = largest.into_iter().fold(f32::NEG_INFINITY, f32::max);
    let mut sums = [0.0_f32; LANES];
    for chunk in chunks {
        for lane in 0..LANES {
            chunk[lane] = exp(chunk[lane] - largest);
            sums[lane] += chunk[lane];
        }
    }
    sums.into_iter().sum()
}
