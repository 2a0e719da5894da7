//! Dense layers in eight bits: see [`crate::ops::int8`] for what they compute.

mod aligned;
#[cfg(all(target_arch = "x86_64", target_os = "linux"))]
mod amx;
mod dispatch;
mod kernel;
mod peak;
mod rows;
mod sets;
#[cfg(test)]
mod tests;

use std::mem::MaybeUninit;

use candle_core::{CpuStorage, CustomOp1, Layout, Result, Shape, Tensor, bail};
use rayon::prelude::*;

use super::contiguous;
use super::elementwise::activate;
use super::threads::{self, as_written, written};
use crate::ops::Activation;
use crate::ops::int8::Int8Weights;
use aligned::Aligned;
use dispatch::{Compute, PanelShape};
use kernel::{Multiply, PanelScales, Tile};
use rows::{RowScale, quantise};
use sets::Instructions;

pub(in crate::ops) use peak::int8_tiles;

/// Bytes of weights that are multiplied with all rows before the next: they stay in a core's
/// second-level cache.
const BLOCK_BYTES: usize = 256 * 1024;

/// Tiles that are multiplied with a panel of weights before the next: it stays in a core's first-level
/// cache, and so do their rows, or else they are read so slowly that it does not matter.
const TILES_OF_PANEL: usize = 16;

/// Numbers in the largest tile of any instruction set.
const LARGEST_TILE: usize = 32 * 32;

/// The weights of a dense layer, cut into panels of a few outputs: for each few inputs that are
/// multiplied at once the weights of all outputs of the panel. Padded with zeros both ways.
#[derive(Debug, Clone)]
pub(in crate::ops) struct Int8Panels {
    instructions: Instructions,
    inputs: usize,
    outputs: usize,
    values: Aligned<i8>,
    /// Of each output's weights.
    sums: Vec<i32>,
    /// What each output's weights are multiplied by.
    scales: Vec<f32>,
    /// What is added to each output.
    bias: Vec<f32>,
    /// What each input is multiplied by before it is quantised.
    input_factors: Vec<f32>,
}

/// The instructions that products in eight bits are made with here, as records have it.
pub(in crate::ops) fn int8_instructions() -> &'static str {
    Instructions::best().name()
}

impl Int8Panels {
    /// Panels of weights and perhaps a bias of each output.
    pub(in crate::ops) fn new(weights: &Int8Weights, bias: Option<&[f32]>) -> Self {
        Self::on(Instructions::best(), weights, bias)
    }

    fn on(instructions: Instructions, weights: &Int8Weights, bias: Option<&[f32]>) -> Self {
        let PanelShape { width, step, depth } = instructions.shape();
        let (inputs, outputs) = (weights.inputs, weights.scales.len());
        let padded = outputs.next_multiple_of(width);
        let panel = inputs.next_multiple_of(depth) * width;
        let mut values = Aligned::zeros(padded / width * panel);
        let mut sums = vec![0; padded];
        // Of no inputs there are no panels.
        let chunks = values.values_mut().par_chunks_exact_mut(panel.max(1));
        let chunks = chunks.zip(sums.par_chunks_exact_mut(width)).enumerate();
        chunks.for_each(|(number, (panel, sums))| {
            let rows = weights.rows().skip(number * width).zip(sums);
            for (output, (row, sum)) in rows.enumerate() {
                let places = panel.chunks_exact_mut(width * step);
                for (place, codes) in places.zip(row.chunks(step)) {
                    place[output * step..][..codes.len()].copy_from_slice(codes);
                }
                *sum = row.iter().map(|&weight| i32::from(weight)).sum();
            }
        });
        let padded_floats = |floats: &[f32]| {
            let mut floats = floats.to_vec();
            floats.resize(padded, 0.0);
            floats
        };
        Self {
            instructions,
            inputs,
            outputs,
            values,
            sums,
            scales: padded_floats(&weights.scales),
            bias: padded_floats(bias.unwrap_or_default()),
            input_factors: weights.input_factors.clone(),
        }
    }

    /// The weights of a panel, `size` of them.
    #[inline(always)]
    fn weights_of(&self, panel: usize, size: usize) -> &[i8] {
        &self.values.values()[panel * size..][..size]
    }

    /// What the outputs of a panel have in common for all rows; it has `width` of them.
    #[inline(always)]
    fn scales_of(&self, panel: usize, width: usize) -> PanelScales<'_> {
        let outputs = panel * width..(panel + 1) * width;
        PanelScales {
            sums: &self.sums[outputs.clone()],
            scales: &self.scales[outputs.clone()],
            bias: &self.bias[outputs],
        }
    }

    pub(in crate::ops) fn outputs(&self) -> usize {
        self.outputs
    }

    /// Weights, without the padding.
    pub(in crate::ops) fn count(&self) -> usize {
        self.inputs * self.outputs
    }

    /// What weights, their sums, scales and factors, and biases take in memory, without the padding.
    pub(in crate::ops) fn bytes(&self) -> u64 {
        let of_outputs = self.outputs * (size_of::<i32>() + 2 * size_of::<f32>());
        (self.count() + of_outputs + self.inputs * size_of::<f32>()) as u64
    }
}

/// `activation(x · weightᵀ + bias)`: `[tokens, inputs]` to `[tokens, outputs]`. Of several `groups`
/// each makes its own run of outputs of its own run of inputs.
pub(in crate::ops) fn dense(
    x: &Tensor,
    groups: &[Int8Panels],
    activation: Option<Activation>,
) -> Result<Tensor> {
    x.apply_op1_no_bwd(&Dense { groups, activation })
}

struct Dense<'a> {
    groups: &'a [Int8Panels],
    activation: Option<Activation>,
}

impl CustomOp1 for Dense<'_> {
    fn name(&self) -> &'static str {
        "int8 dense"
    }

    fn cpu_fwd(&self, storage: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        let left = contiguous(storage, layout)?;
        let (rows, inputs) = layout.shape().dims2()?;
        let wanted: usize = self.groups.iter().map(|panels| panels.inputs).sum();
        if inputs != wanted {
            bail!("a dense layer of {wanted} inputs was given {inputs}")
        }
        let outputs = self.groups.iter().map(Int8Panels::outputs).sum();
        let part = rows.div_ceil(threads::available()).max(1);
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
        for panels in self.groups {
            panels.instructions.run(Product {
                panels,
                activation: self.activation,
                rows,
                left: &left[first_input..],
                left_stride,
                first_output,
                result,
                result_stride,
            });
            first_input += panels.inputs;
            first_output += panels.outputs;
        }
    }
}

/// The product of some rows with all panels, its bias and its activation.
struct Product<'a> {
    panels: &'a Int8Panels,
    activation: Option<Activation>,
    rows: usize,
    /// From the first input on.
    left: &'a [f32],
    left_stride: usize,
    /// Where the outputs begin in a row of the result.
    first_output: usize,
    result: &'a mut [MaybeUninit<f32>],
    result_stride: usize,
}

impl Compute for Product<'_> {
    #[inline(always)]
    unsafe fn on<M: Multiply>(self) {
        let panels = self.panels;
        let (width, depth) = (M::WIDTH, panels.inputs.next_multiple_of(M::DEPTH));
        let stride = M::row_stride(depth);
        let mut codes = Aligned::<M::Input>::zeros((self.rows + M::ROWS_BEYOND) * stride);
        let mut scales = vec![RowScale::default(); self.rows];
        for (row, scale) in scales.iter_mut().enumerate() {
            let inputs = &self.left[row * self.left_stride..][..panels.inputs];
            let codes = &mut codes.values_mut()[row * stride..][..depth];
            *scale = quantise::<M>(inputs, &panels.input_factors, codes);
        }
        // As few tiles as can be, and these as alike.
        let at_most = self.rows.div_ceil(self.rows.div_ceil(M::ROWS).max(1));
        let at_most = at_most.next_multiple_of(M::ROWS_TOGETHER).max(1);
        // SAFETY: as the caller grants.
        unsafe { M::begin() };
        let count = panels.outputs.div_ceil(width);
        let at_once = (BLOCK_BYTES / (depth * width).max(1)).max(1);
        for first in (0..count).step_by(at_once) {
            let end = count.min(first + at_once);
            for start in (0..self.rows).step_by(at_most * TILES_OF_PANEL) {
                let rows = start..self.rows.min(start + at_most * TILES_OF_PANEL);
                for panel in first..end {
                    for row in rows.clone().step_by(at_most) {
                        let rows = at_most.min(rows.end - row);
                        let place = row * self.result_stride + self.first_output + panel * width;
                        let tile = Tile {
                            rows,
                            depth,
                            left: &codes.values()[row * stride..],
                            left_stride: stride,
                            panel: panels.weights_of(panel, depth * width),
                            outputs: panels.scales_of(panel, width),
                            scales: &scales[row..],
                            result: &mut self.result[place..],
                            result_stride: self.result_stride,
                        };
                        // SAFETY: as the caller grants.
                        unsafe {
                            match panels.outputs - panel * width {
                                columns if columns < width => at_the_edge::<M>(tile, columns),
                                _ => M::multiply(tile),
                            }
                        }
                    }
                }
                if let Some(activation) = self.activation {
                    let outputs = first * width..panels.outputs.min(end * width);
                    let columns =
                        self.first_output + outputs.start..self.first_output + outputs.end;
                    let result = &mut self.result[rows.start * self.result_stride..];
                    for row in result.chunks_mut(self.result_stride).take(rows.len()) {
                        // SAFETY: the tiles above have written these columns of these rows.
                        let written = unsafe { as_written(&mut row[columns.clone()]) };
                        activate(written, activation);
                    }
                }
            }
        }
        // SAFETY: as the caller grants.
        unsafe { M::end() };
    }
}

/// A tile of which only the first `columns` are in the result.
///
/// # Safety
///
/// As of [`Multiply::multiply`].
#[inline(always)]
#[allow(clippy::needless_pass_by_value)] // All but its result goes on.
unsafe fn at_the_edge<M: Multiply>(tile: Tile<'_, M::Input>, columns: usize) {
    let width = M::WIDTH;
    let mut whole = [MaybeUninit::uninit(); LARGEST_TILE];
    let rows = tile.rows;
    let result = tile.result.chunks_mut(tile.result_stride).take(rows);
    let narrow = Tile {
        result: &mut whole,
        result_stride: width,
        ..tile
    };
    // SAFETY: as the caller grants.
    unsafe { M::multiply(narrow) };
    for (result, whole) in result.zip(whole.chunks_exact(width)) {
        result[..columns].copy_from_slice(&whole[..columns]);
    }
}
