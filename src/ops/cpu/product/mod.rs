//! Products with weights that were brought into the order in which they are read.

mod kernel;
#[cfg(test)]
mod tests;

use std::mem::MaybeUninit;
use std::ops::Range;

use candle_core::{CpuStorage, CustomOp1, DType, Layout, Result, Shape, Tensor, bail};
use half::slice::HalfFloatSliceExt;
use half::{bf16, f16};
use rayon::prelude::*;

use super::contiguous;
use super::elementwise::activate;
use super::simd::{self, Kernel, Simd, dispatch};
use super::threads::{self, as_written, written};
use crate::ops::Activation;

use kernel::registers;
pub(super) use kernel::{Tile, tile_rows, tiles, width};

/// Weights that are multiplied with all rows before the next: in `f32` they stay in a core's
/// second-level cache, and a tile's rows in the first.
const BLOCK: usize = 64 * 1024;

/// Vectors of `lanes` numbers of columns in a tile, and so of a panel: three make more of each number
/// that is read than two, and widths of hidden states are multiples of three vectors more often than
/// of four. Tiles of three vectors would take all of 16 registers, and the compiler then puts sums on
/// the stack, where each step waits for the last.
const fn vectors(lanes: usize) -> usize {
    if registers(lanes) == 32 { 3 } else { 2 }
}

/// Rows of a tile of a dense layer at the most.
const fn rows_of_tile(lanes: usize) -> usize {
    tile_rows(lanes, vectors(lanes))
}

/// Numbers in the largest tile of any instruction set.
const LARGEST_TILE: usize = rows_of_tile(16) * 16 * vectors(16);

/// The weights of a dense layer, `[inputs, outputs]`, cut into panels of a few outputs: each
/// panel is `[inputs, width]`, the last padded with zeros.
#[derive(Debug, Clone)]
pub(in crate::ops) struct Panels {
    inputs: usize,
    outputs: usize,
    /// Outputs of a panel: those of the best instruction set here.
    width: usize,
    values: Values,
    /// What is added to each output, zeros where there is nothing; padded as the panels are.
    bias: Vec<f32>,
}

#[derive(Debug, Clone)]
enum Values {
    F32(Vec<f32>),
    F16(Vec<f16>),
    Bf16(Vec<bf16>),
}

impl Panels {
    /// Panels of a checkpoint's `weight` (`[outputs, inputs]`), in the dtype it has, and `bias`
    /// (`[outputs]`).
    pub(in crate::ops) fn new(weight: &Tensor, bias: Option<&Tensor>) -> Result<Self> {
        Self::for_lanes(weight, bias, simd::lanes())
    }

    /// For vectors of `lanes` numbers.
    fn for_lanes(weight: &Tensor, bias: Option<&Tensor>, lanes: usize) -> Result<Self> {
        let width = vectors(lanes) * lanes;
        let (outputs, inputs) = weight.dims2()?;
        let mut padded = match bias {
            Some(bias) => bias.to_dtype(DType::F32)?.to_vec1()?,
            None => Vec::new(),
        };
        padded.resize(outputs.next_multiple_of(width), 0.0);
        let weight = weight.flatten_all()?;
        let values = match weight.dtype() {
            DType::F32 => Values::F32(interleave(&weight.to_vec1()?, inputs, width)),
            DType::F16 => Values::F16(interleave(&weight.to_vec1()?, inputs, width)),
            DType::BF16 => Values::Bf16(interleave(&weight.to_vec1()?, inputs, width)),
            other => bail!("the CPU form keeps no weights in {other:?}"),
        };
        Ok(Self {
            inputs,
            outputs,
            width,
            values,
            bias: padded,
        })
    }

    pub(in crate::ops) fn inputs(&self) -> usize {
        self.inputs
    }

    pub(in crate::ops) fn outputs(&self) -> usize {
        self.outputs
    }

    /// Weights, without the padding.
    pub(in crate::ops) fn count(&self) -> usize {
        self.inputs * self.outputs
    }

    /// What weights and biases take in memory, without the padding.
    pub(in crate::ops) fn bytes(&self) -> u64 {
        let size = match self.values {
            Values::F32(_) => size_of::<f32>(),
            Values::F16(_) | Values::Bf16(_) => size_of::<f16>(),
        };
        (self.count() * size + self.outputs * size_of::<f32>()) as u64
    }

    /// Some panels, where they are kept in `f32`.
    #[inline(always)]
    fn in_full(&self, panels: &Range<usize>) -> Option<&[f32]> {
        match &self.values {
            Values::F32(values) => Some(&values[self.place(panels)]),
            Values::F16(_) | Values::Bf16(_) => None,
        }
    }

    /// The same of half precision, widened into `wide`.
    fn widen(&self, panels: &Range<usize>, wide: &mut [f32]) {
        let place = self.place(panels);
        match &self.values {
            Values::F32(values) => wide.copy_from_slice(&values[place]),
            Values::F16(values) => values[place].convert_to_f32_slice(wide),
            Values::Bf16(values) => {
                for (wide, narrow) in wide.iter_mut().zip(&values[place]) {
                    // What bf16 leaves out of an f32 are its low bits.
                    *wide = f32::from_bits(u32::from(narrow.to_bits()) << 16);
                }
            }
        }
    }

    #[inline(always)]
    fn place(&self, panels: &Range<usize>) -> Range<usize> {
        let size = self.inputs * self.width;
        panels.start * size..panels.end * size
    }
}

/// Rows of `inputs` numbers to panels of `width` rows, each `[inputs, width]`.
fn interleave<T: Copy + Default + Send + Sync>(rows: &[T], inputs: usize, width: usize) -> Vec<T> {
    let panel = inputs * width;
    let outputs = rows.len() / inputs.max(1);
    let mut panels = vec![T::default(); outputs.div_ceil(width) * panel];
    let chunks = panels.par_chunks_exact_mut(panel.max(1)).enumerate();
    chunks.for_each(|(number, panel)| {
        let rows = rows.chunks_exact(inputs).skip(number * width);
        for (output, row) in rows.take(width).enumerate() {
            for (place, &value) in panel.chunks_exact_mut(width).zip(row) {
                place[output] = value;
            }
        }
    });
    panels
}

/// `activation(x · weightᵀ + bias)`: `[tokens, inputs]` to `[tokens, outputs]`. Of several `groups`
/// each makes its own run of outputs of its own run of inputs.
pub(in crate::ops) fn dense(
    x: &Tensor,
    groups: &[Panels],
    activation: Option<Activation>,
) -> Result<Tensor> {
    x.apply_op1_no_bwd(&Dense { groups, activation })
}

struct Dense<'a> {
    groups: &'a [Panels],
    activation: Option<Activation>,
}

impl CustomOp1 for Dense<'_> {
    fn name(&self) -> &'static str {
        "dense"
    }

    fn cpu_fwd(&self, storage: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        let left = contiguous(storage, layout)?;
        let (rows, inputs) = layout.shape().dims2()?;
        let wanted: usize = self.groups.iter().map(Panels::inputs).sum();
        if inputs != wanted {
            bail!("a dense layer of {wanted} inputs was given {inputs}")
        }
        let outputs = self.groups.iter().map(Panels::outputs).sum();
        // Whole tiles, as many for each thread.
        let part = rows.div_ceil(threads::available());
        let part = part.next_multiple_of(rows_of_tile(simd::lanes()));
        let compute = |number: usize, result: &mut [MaybeUninit<f32>]| {
            let rows = result.len() / outputs;
            let left = &left[number * part * inputs..][..rows * inputs];
            self.compute(rows, left, inputs, result, outputs);
        };
        // SAFETY: tiles write all outputs of all rows, or panic.
        let result = unsafe { written(rows * outputs, part * outputs, compute) };
        Ok((CpuStorage::F32(result), Shape::from((rows, outputs))))
    }
}

impl Dense<'_> {
    /// Some rows of the result, on this thread.
    fn compute(
        &self,
        rows: usize,
        left: &[f32],
        left_stride: usize,
        result: &mut [MaybeUninit<f32>],
        result_stride: usize,
    ) {
        let (mut first_input, mut first_output) = (0, 0);
        let mut scratch = Vec::new();
        for panels in self.groups {
            let at_once = (BLOCK / (panels.inputs * panels.width).max(1)).max(1);
            let count = panels.outputs.div_ceil(panels.width);
            for first in (0..count).step_by(at_once) {
                let end = count.min(first + at_once);
                dispatch(Block {
                    panels,
                    range: first..end,
                    rows,
                    left: &left[first_input..],
                    left_stride,
                    result: &mut result[first_output..],
                    result_stride,
                    scratch: &mut scratch,
                });
                if let Some(activation) = self.activation {
                    let columns = first_output + first * panels.width
                        ..first_output + panels.outputs.min(end * panels.width);
                    for row in result.chunks_mut(result_stride) {
                        // SAFETY: the block has written these columns of all rows.
                        let written = unsafe { as_written(&mut row[columns.clone()]) };
                        activate(written, activation);
                    }
                }
            }
            first_input += panels.inputs;
            first_output += panels.outputs;
        }
    }
}

/// The products of some rows with some panels, and their biases.
struct Block<'a> {
    panels: &'a Panels,
    range: Range<usize>,
    rows: usize,
    /// From the first input on.
    left: &'a [f32],
    left_stride: usize,
    /// From the first output of the first panel on.
    result: &'a mut [MaybeUninit<f32>],
    result_stride: usize,
    /// For weights of half precision in `f32`.
    scratch: &'a mut Vec<f32>,
}

impl Kernel for Block<'_> {
    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        match const { vectors(S::F32_LANES) } {
            2 => self.in_tiles_of::<S, 2>(simd),
            3 => self.in_tiles_of::<S, 3>(simd),
            vectors => unreachable!("tiles of {vectors} vectors"),
        }
    }
}

impl Block<'_> {
    #[inline(always)]
    fn in_tiles_of<S: Simd, const VECTORS: usize>(self, simd: S) {
        let panels = self.panels;
        assert_eq!(
            panels.width,
            width::<S>(VECTORS),
            "panels of another instruction set"
        );
        let values = panels.in_full(&self.range).unwrap_or_else(|| {
            self.scratch.resize(panels.place(&self.range).len(), 0.0);
            panels.widen(&self.range, self.scratch);
            self.scratch
        });
        for (row, rows) in tiles(self.rows, tile_rows(S::F32_LANES, VECTORS)) {
            for (number, panel) in self.range.clone().enumerate() {
                let size = panels.inputs * panels.width;
                let column = panel * panels.width;
                let tile = Tile::<VECTORS> {
                    rows,
                    depth: panels.inputs,
                    left: &self.left[row * self.left_stride..],
                    left_stride: self.left_stride,
                    panel: &values[number * size..][..size],
                    panel_stride: panels.width,
                    begin: Some(&panels.bias[column..]),
                    result: &mut self.result[row * self.result_stride + column..],
                    result_stride: self.result_stride,
                };
                match panels.outputs - column {
                    columns if columns < panels.width => at_the_edge(simd, tile, columns),
                    _ => simd.vectorize(tile),
                }
            }
        }
    }
}

/// A tile of which only the first `columns` are in the result.
#[inline(always)]
#[allow(clippy::needless_pass_by_value)] // All but its result goes on.
fn at_the_edge<S: Simd, const VECTORS: usize>(simd: S, tile: Tile<'_, VECTORS>, columns: usize) {
    let width = width::<S>(VECTORS);
    let mut whole = [MaybeUninit::uninit(); LARGEST_TILE];
    let rows = tile.rows;
    let result = tile.result.chunks_mut(tile.result_stride).take(rows);
    simd.vectorize(Tile {
        result: &mut whole,
        result_stride: width,
        ..tile
    });
    for (result, whole) in result.zip(whole.chunks_exact(width)) {
        result[..columns].copy_from_slice(&whole[..columns]);
    }
}
