//! Attention on the CPU: no more than a few rows of one head's scores exist at a time.

use std::ops::{Deref, Range};

use candle_core::{CpuStorage, CustomOp1, Layout, Result, Shape, Storage, Tensor, bail};
use rayon::prelude::*;

use super::math::exp;
use super::product::{Begin, Tile, tiles, width};
use super::scores::{Additions, Terms, add_to_scores};
use super::simd::{Kernel, Simd, best_tile_rows, dispatch};
use super::{contiguous, threads};
use crate::ops::attention::Attention;

/// What columns are padded to: the widest tile of any instruction set.
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
    let tile = best_tile_rows();
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
        &self.projected[self.start(token, which)..][..self.head_size]
    }

    /// Where it begins.
    #[inline(always)]
    fn start(&self, token: usize, which: usize) -> usize {
        (token * 3 + which) * self.hidden + self.head * self.head_size
    }
}

/// Buffers that a thread uses again for each head.
#[derive(Default)]
struct Scratch {
    /// `[head_size, length]`, the length rounded up to [`COLUMNS`].
    keys: Vec<f32>,
    /// `[length, head_size]`, the head size rounded up to [`COLUMNS`].
    values: Vec<f32>,
    /// Of a tile's queries: `[rows, head_size]`.
    queries: Vec<f32>,
    /// `[rows, length]`, the length rounded up.
    scores: Vec<f32>,
    /// `[rows, head_size]`, the head size rounded up.
    sums: Vec<f32>,
    /// `[rows, columns]`: products of the tile's queries with the position keys.
    content_to_position: Vec<f32>,
    /// `[length, columns]`: products of all keys with the position queries.
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
    pack(view, &task.sequence, scratch);
    multiply_position_queries(simd, view, &task.sequence, scratch);
    for (row, rows) in tiles::<S>(task.queries.len()) {
        let queries = task.queries.start + row..task.queries.start + row + rows;
        score(simd, view, &task.sequence, queries, scratch);
        weigh(simd, view, task, row..row + rows, scratch);
    }
}

/// The scores of a tile's queries with all keys, and what is added to them.
#[inline(always)]
fn score<S: Simd>(
    simd: S,
    view: &HeadView<'_>,
    sequence: &Range<usize>,
    queries: Range<usize>,
    scratch: &mut Scratch,
) {
    let additions = &view.packed.additions;
    let (length, rows) = (sequence.len(), queries.len());
    let padded_length = length.next_multiple_of(COLUMNS);
    scratch.queries.resize(rows * view.head_size, 0.0);
    for (token, query) in queries
        .clone()
        .zip(scratch.queries.chunks_exact_mut(view.head_size))
    {
        for (query, source) in query.iter_mut().zip(view.part(token, 0)) {
            *query = source * view.packed.scale;
        }
    }
    let left = Rows::tight(&scratch.queries, rows, view.head_size);
    scratch.scores.resize(rows * padded_length, 0.0);
    multiply(
        simd,
        left,
        &scratch.keys,
        padded_length,
        &mut scratch.scores,
    );
    if let Some(terms) = &additions.position_keys {
        let products = &mut scratch.content_to_position;
        products.resize(rows * terms.columns, 0.0);
        let right = terms.head(view.head, view.head_size);
        multiply(simd, left, right, terms.columns, products);
    }
    let scores = scratch.scores.chunks_exact_mut(padded_length);
    for ((row, query), scores) in queries.enumerate().zip(scores) {
        let content = additions
            .position_keys
            .as_ref()
            .map(|terms| &scratch.content_to_position[row * terms.columns..][..terms.columns]);
        add_to_scores(
            additions,
            view.head,
            query - sequence.start,
            content,
            &scratch.position_to_content,
            &mut scores[..length],
        );
        // Columns past the end are no keys: as scores of minus infinity they weigh nothing.
        scores[length..].fill(f32::NEG_INFINITY);
    }
}

/// Softmax of a tile's scores, and the values weighed by it; `rows` are those of the task's queries.
#[inline(always)]
fn weigh<S: Simd>(
    simd: S,
    view: &HeadView<'_>,
    task: &mut Task<'_>,
    rows: Range<usize>,
    scratch: &mut Scratch,
) {
    let length = task.sequence.len();
    let padded_length = length.next_multiple_of(COLUMNS);
    let padded_size = view.head_size.next_multiple_of(COLUMNS);
    let scores = &mut scratch.scores[..rows.len() * padded_length];
    let mut reciprocals = [0.0; COLUMNS];
    for (scores, reciprocal) in scores.chunks_exact_mut(padded_length).zip(&mut reciprocals) {
        *reciprocal = 1.0 / exponentiate(scores);
    }
    let left = Rows {
        stride: padded_length,
        ..Rows::tight(scores, rows.len(), length)
    };
    scratch.sums.resize(rows.len() * padded_size, 0.0);
    multiply(simd, left, &scratch.values, padded_size, &mut scratch.sums);
    let sums = scratch.sums.chunks_exact(padded_size);
    for ((row, sums), reciprocal) in rows.zip(sums).zip(reciprocals) {
        let start = row * view.hidden + view.head * view.head_size;
        let output = &mut task.output[start..start + view.head_size];
        for (output, sum) in output.iter_mut().zip(sums) {
            *output = sum * reciprocal;
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
    let products = &mut scratch.position_to_content;
    products.resize(sequence.len() * terms.columns, 0.0);
    let keys = &view.projected[view.start(sequence.start, 1)..];
    for (row, rows) in tiles::<S>(sequence.len()) {
        let left = Rows {
            values: &keys[row * 3 * view.hidden..],
            rows,
            depth: view.head_size,
            stride: 3 * view.hidden,
        };
        let right = terms.head(view.head, view.head_size);
        let products = &mut products[row * terms.columns..][..rows * terms.columns];
        multiply(simd, left, right, terms.columns, products);
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

/// Rows of a matrix, at most those of a tile.
#[derive(Clone, Copy)]
struct Rows<'a> {
    values: &'a [f32],
    rows: usize,
    depth: usize,
    /// From the beginning of one to that of the next.
    stride: usize,
}

impl<'a> Rows<'a> {
    #[inline(always)]
    fn tight(values: &'a [f32], rows: usize, depth: usize) -> Self {
        Self {
            values,
            rows,
            depth,
            stride: depth,
        }
    }
}

/// `result[rows, columns] = left[rows, depth] · right[depth, columns]`; `columns` is a multiple of
/// [`COLUMNS`].
#[inline(always)]
fn multiply<S: Simd>(simd: S, left: Rows<'_>, right: &[f32], columns: usize, result: &mut [f32]) {
    for column in (0..columns).step_by(width::<S>()) {
        simd.vectorize(Tile {
            rows: left.rows,
            depth: left.depth,
            left: left.values,
            left_stride: left.stride,
            panel: &right[column..],
            panel_stride: columns,
            begin: Begin::Zero,
            result: &mut result[column..],
            result_stride: columns,
        });
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
