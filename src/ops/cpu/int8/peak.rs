//! The most operations in eight bits that a thread does: tiles whose numbers never leave the
//! first-level cache.

use std::hint::black_box;
use std::mem::MaybeUninit;

use super::LARGEST_TILE;
use super::dispatch::Compute;
use super::kernel::{Multiply, PanelScales, Tile};
use super::rows::RowScale;
use super::sets::Instructions;

/// Inputs of each row: rows and weights are less than a first-level cache holds.
const DEPTH: usize = 256;

/// Multiplies a tile so often with the best instructions there are; gives the operations that
/// takes, a multiplication and an addition each.
pub(in crate::ops) fn int8_tiles(repetitions: u64) -> f64 {
    let instructions = Instructions::best();
    let mut operations = 0.0;
    instructions.run(Tiles {
        repetitions,
        operations: &mut operations,
    });
    operations
}

struct Tiles<'a> {
    repetitions: u64,
    operations: &'a mut f64,
}

impl Compute for Tiles<'_> {
    #[inline(always)]
    unsafe fn on<M: Multiply>(self) {
        let width = M::WIDTH;
        let left = vec![M::input(3, 1); (M::ROWS + M::ROWS_BEYOND) * DEPTH];
        let panel = vec![1; DEPTH * width];
        let (sums, floats) = (vec![1; width], vec![0.5; width]);
        let scales = vec![RowScale::default(); M::ROWS];
        let mut result = [MaybeUninit::uninit(); LARGEST_TILE];
        // SAFETY: as the caller grants.
        unsafe { M::begin() };
        for _ in 0..self.repetitions {
            // SAFETY: as the caller grants.
            unsafe {
                M::multiply(Tile {
                    rows: M::ROWS,
                    depth: DEPTH,
                    left: &left,
                    left_stride: DEPTH,
                    panel: &panel,
                    outputs: PanelScales {
                        sums: &sums,
                        scales: &floats,
                        bias: &floats,
                    },
                    scales: &scales,
                    result: &mut result,
                    result_stride: width,
                });
            }
            // Without it nothing would have to be computed.
            black_box(&mut result);
        }
        // SAFETY: as the caller grants.
        unsafe { M::end() };
        *self.operations = 2.0 * (M::ROWS * width * DEPTH) as f64 * self.repetitions as f64;
    }
}
