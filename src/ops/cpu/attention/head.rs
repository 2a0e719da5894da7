//! One head of attention: scores of a tile of queries, softmax, and the values weighed by it.

use std::ops::Range;

use super::{Packed, Task, VECTORS};
use crate::ops::cpu::elementwise::{LANES, total};
use crate::ops::cpu::math::exp_below;
use crate::ops::cpu::product::{Tile, tile_rows, tiles, width};
use crate::ops::cpu::scores::add_to_scores;
use crate::ops::cpu::simd::{Kernel, Simd};
use crate::ops::cpu::threads::to_write;

/// Rows of a tile of any instruction set at the most.
const MOST_ROWS: usize = tile_rows(16, VECTORS);

/// One head's columns of the projected queries, keys and values.
pub(super) struct HeadView<'a> {
    /// `[tokens, 3·hidden]`.
    pub(super) projected: &'a [f32],
    pub(super) hidden: usize,
    pub(super) head_size: usize,
    pub(super) head: usize,
    pub(super) packed: &'a Packed<'a>,
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
pub(super) struct Scratch {
    /// `[head_size, length]` in panels, the length [`padded`].
    keys: Vec<f32>,
    /// `[length, head_size]` in panels.
    values: Vec<f32>,
    /// Of a tile's queries: `[rows, head_size]`.
    queries: Vec<f32>,
    /// `[rows, length]`, the length [`padded`].
    scores: Vec<f32>,
    /// `[rows, head_size]`, the head size rounded up.
    sums: Vec<f32>,
    /// `[rows, columns]`: products of the tile's queries with the position keys.
    content_to_position: Vec<f32>,
    /// `[length, columns]`: products of all keys with the position queries.
    position_to_content: Vec<f32>,
}

/// One head of one task.
pub(super) struct AttendHead<'a, 'b> {
    pub(super) view: HeadView<'a>,
    pub(super) task: &'a mut Task<'b>,
    pub(super) scratch: &'a mut Scratch,
}

impl Kernel for AttendHead<'_, '_> {
    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        attend(simd, &self.view, self.task, self.scratch);
    }
}

#[inline(always)]
fn attend<S: Simd>(simd: S, view: &HeadView<'_>, task: &mut Task<'_>, scratch: &mut Scratch) {
    pack::<S>(view, &task.sequence, scratch);
    multiply_position_queries(simd, view, &task.sequence, scratch);
    for (row, rows) in tiles(task.queries.len(), tile_rows(S::F32_LANES, VECTORS)) {
        let queries = task.queries.start + row..task.queries.start + row + rows;
        score(simd, view, &task.sequence, queries, scratch);
        weigh(simd, view, task, row..row + rows, scratch);
    }
}

/// Keys with those that are added to make whole tiles, and whole runs of partial sums.
#[inline(always)]
fn padded<S: Simd>(length: usize) -> usize {
    length.next_multiple_of(width::<S>(VECTORS).max(LANES))
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
    let padded_length = padded::<S>(length);
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
    let right = Columns::panels::<S>(&scratch.keys, view.head_size);
    multiply(simd, left, right, &mut scratch.scores, padded_length);
    if let Some(terms) = &additions.position_keys {
        let products = &mut scratch.content_to_position;
        products.resize(rows * terms.columns, 0.0);
        let right = terms.head(view.head, view.head_size);
        let right = Columns::of_matrix::<S>(right, terms.columns);
        multiply(simd, left, right, products, terms.columns);
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
    let padded_length = padded::<S>(length);
    let padded_size = view.head_size.next_multiple_of(width::<S>(VECTORS));
    let scores = &mut scratch.scores[..rows.len() * padded_length];
    let reciprocals = exponentiate(simd, scores, padded_length);
    let left = Rows {
        stride: padded_length,
        ..Rows::tight(scores, rows.len(), length)
    };
    scratch.sums.resize(rows.len() * padded_size, 0.0);
    let right = Columns::panels::<S>(&scratch.values, length);
    multiply(simd, left, right, &mut scratch.sums, padded_size);
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
    for (row, rows) in tiles(sequence.len(), tile_rows(S::F32_LANES, VECTORS)) {
        let left = Rows {
            values: &keys[row * 3 * view.hidden..],
            count: rows,
            depth: view.head_size,
            stride: 3 * view.hidden,
        };
        let right = terms.head(view.head, view.head_size);
        let products = &mut products[row * terms.columns..][..rows * terms.columns];
        let right = Columns::of_matrix::<S>(right, terms.columns);
        multiply(simd, left, right, products, terms.columns);
    }
}

/// Copies keys and values of a sequence into panels, padded with zeros.
#[inline(always)]
fn pack<S: Simd>(view: &HeadView<'_>, sequence: &Range<usize>, scratch: &mut Scratch) {
    let width = width::<S>(VECTORS);
    let (length, head_size) = (sequence.len(), view.head_size);
    scratch.keys.resize(head_size * padded::<S>(length), 0.0);
    let panels = scratch.keys.chunks_exact_mut(head_size * width);
    for (number, panel) in panels.enumerate() {
        let first = sequence.start + number * width;
        let tokens = first..sequence.end.min(first + width).max(first);
        if tokens.len() < width {
            panel.fill(0.0);
        }
        for lane in (0..tokens.len()).step_by(SIDE) {
            let key = |more: usize| view.part(first + lane + more, 1);
            let rest = tokens.len() - lane;
            if rest >= SIDE {
                put_square(panel, width, lane, [key(0), key(1), key(2), key(3)]);
            } else {
                for more in 0..rest {
                    put(panel, width, lane + more, key(more));
                }
            }
        }
    }
    scratch
        .values
        .resize(length * head_size.next_multiple_of(width), 0.0);
    let panels = scratch.values.chunks_exact_mut(length * width);
    for (number, panel) in panels.enumerate() {
        let features = number * width..head_size.min((number + 1) * width);
        for (row, token) in panel.chunks_exact_mut(width).zip(sequence.clone()) {
            let (values, padding) = row.split_at_mut(features.len());
            values.copy_from_slice(&view.part(token, 2)[features.clone()]);
            padding.fill(0.0);
        }
    }
}

/// Keys of this many tokens are turned into columns together, a square at a time.
const SIDE: usize = 4;

/// Makes a token's key a column of the panel.
#[inline(always)]
fn put(panel: &mut [f32], width: usize, lane: usize, key: &[f32]) {
    for (row, &key) in panel.chunks_exact_mut(width).zip(key) {
        row[lane] = key;
    }
}

/// The same of the keys of several tokens: squares of them are turned in the registers, where
/// number after number would be written far from the last.
#[inline(always)]
fn put_square(panel: &mut [f32], width: usize, lane: usize, keys: [&[f32]; SIDE]) {
    let (a, rest) = keys[0].as_chunks::<SIDE>();
    let [b, c, d] = [1, 2, 3].map(|token| keys[token].as_chunks::<SIDE>().0);
    let squares = a.iter().zip(b).zip(c).zip(d);
    for (rows, (((a, b), c), d)) in panel.chunks_exact_mut(SIDE * width).zip(squares) {
        for (feature, row) in rows.chunks_exact_mut(width).enumerate() {
            let column = [a[feature], b[feature], c[feature], d[feature]];
            row[lane..lane + SIDE].copy_from_slice(&column);
        }
    }
    let done = keys[0].len() - rest.len();
    for (token, key) in keys.into_iter().enumerate() {
        put(
            &mut panel[done * width..],
            width,
            lane + token,
            &key[done..],
        );
    }
}

/// Rows of a matrix, at most those of a tile.
#[derive(Clone, Copy)]
struct Rows<'a> {
    values: &'a [f32],
    count: usize,
    depth: usize,
    /// From the beginning of one to that of the next.
    stride: usize,
}

impl<'a> Rows<'a> {
    #[inline(always)]
    fn tight(values: &'a [f32], count: usize, depth: usize) -> Self {
        Self {
            values,
            count,
            depth,
            stride: depth,
        }
    }
}

/// A matrix whose columns are cut into panels as wide as a tile.
#[derive(Clone, Copy)]
struct Columns<'a> {
    values: &'a [f32],
    /// From one panel to the next.
    panel: usize,
    /// From one row of a panel to the next.
    stride: usize,
}

impl<'a> Columns<'a> {
    /// Panels one after another, of so many rows each.
    #[inline(always)]
    fn panels<S: Simd>(values: &'a [f32], rows: usize) -> Self {
        let stride = width::<S>(VECTORS);
        Self {
            values,
            panel: rows * stride,
            stride,
        }
    }

    /// Of a matrix of so many columns, as it is.
    #[inline(always)]
    fn of_matrix<S: Simd>(values: &'a [f32], columns: usize) -> Self {
        Self {
            values,
            panel: width::<S>(VECTORS),
            stride: columns,
        }
    }
}

/// `result[rows, columns] = left[rows, depth] · right[depth, columns]`; as many columns as the
/// result has, a multiple of a tile's.
#[inline(always)]
fn multiply<S: Simd>(
    simd: S,
    left: Rows<'_>,
    right: Columns<'_>,
    result: &mut [f32],
    columns: usize,
) {
    let width = width::<S>(VECTORS);
    // SAFETY: tiles write sums, or nothing.
    let result = unsafe { to_write(result) };
    for panel in 0..columns / width {
        simd.vectorize(Tile::<VECTORS> {
            rows: left.count,
            depth: left.depth,
            left: left.values,
            left_stride: left.stride,
            panel: &right.values[panel * right.panel..],
            panel_stride: right.stride,
            begin: None,
            result: &mut result[panel * width..],
            result_stride: columns,
        });
    }
}

/// Replaces each row of scores by `exp(score - largest)`, and gives one by the sum of each.
///
/// Rows are as long as [`padded`] makes them; scores of minus infinity become 0. What partial sums
/// there are does not depend on the instruction set. Each step is done for all rows before the
/// next, so that no row waits for the end of a step of its own.
#[inline(always)]
fn exponentiate<S: Simd>(simd: S, scores: &mut [f32], columns: usize) -> [f32; MOST_ROWS] {
    let mut largest = [f32::NEG_INFINITY; MOST_ROWS];
    for (row, largest) in scores.chunks_exact(columns).zip(&mut largest) {
        let mut most = simd.splat_f32s(f32::NEG_INFINITY);
        let (vectors, _) = S::as_simd_f32s(row);
        for &vector in vectors {
            // Whatever that is where one is NaN: the sum of the row will be NaN, and so all of it.
            most = simd.max_f32s(most, vector);
        }
        *largest = simd.reduce_max_f32s(most);
    }
    let mut sums = [[0.0_f32; LANES]; MOST_ROWS];
    let rows = scores.chunks_exact_mut(columns).zip(largest);
    for ((row, largest), sums) in rows.zip(&mut sums) {
        let largest = simd.splat_f32s(largest);
        let (chunks, _) = row.as_chunks_mut::<LANES>();
        // In registers, as many of them as hold the partial sums.
        let mut partial = [simd.splat_f32s(0.0); LANES];
        for chunk in chunks {
            let (scores, _) = S::as_mut_simd_f32s(chunk);
            for (score, sum) in scores.iter_mut().zip(&mut partial) {
                *score = exp_below(simd, simd.sub_f32s(*score, largest));
                *sum = simd.add_f32s(*sum, *score);
            }
        }
        for (sum, partial) in S::as_mut_simd_f32s(sums).0.iter_mut().zip(partial) {
            *sum = partial;
        }
    }
    let mut reciprocals = [0.0; MOST_ROWS];
    for (reciprocal, sums) in reciprocals.iter_mut().zip(sums) {
        *reciprocal = 1.0 / total(sums);
    }
    reciprocals
}
