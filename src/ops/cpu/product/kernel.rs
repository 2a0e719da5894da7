//! The innermost loop of all matrix products, and the only unchecked one.
//!
//! A tile is a few rows of the result by two or three vectors of columns, as many sums as the
//! registers hold. The loop over the depth reads these vectors of the right matrix and one number
//! of each row of the left, and does nothing else. Checked indexing would leave no registers for
//! it, so the bounds are asserted once for the whole tile and the loop reads through pointers.

use std::mem::MaybeUninit;
use std::sync::atomic::{Ordering, compiler_fence};

use crate::ops::cpu::simd::Simd;

/// Columns of a tile of so many vectors.
pub(in crate::ops::cpu) const fn width<S: Simd>(vectors: usize) -> usize {
    vectors * S::F32_LANES
}

/// Rows of a tile of so many vectors of `lanes` numbers at the most: what the registers hold beside
/// the vectors of the right matrix and one number of the left.
pub(in crate::ops::cpu) const fn tile_rows(lanes: usize, vectors: usize) -> usize {
    (registers(lanes) - 1 - vectors) / vectors
}

/// Registers for vectors of `lanes` numbers.
pub(in crate::ops::cpu) const fn registers(lanes: usize) -> usize {
    if lanes == 16 || cfg!(target_arch = "aarch64") {
        32
    } else {
        16
    }
}

/// Steps of the depth that are written out one after another. Addresses are computed once for
/// all, which matters where another thread shares the core; in tiles of many rows, of two vectors
/// where there are 32 registers, the compiler then puts sums on the stack, which costs more.
const fn steps(lanes: usize, vectors: usize) -> usize {
    if tile_rows(lanes, vectors) < 10 { 4 } else { 1 }
}

/// `result = begin + left · panel`, for at most [`tile_rows`] rows and [`width`] columns, which are
/// `VECTORS` vectors.
///
/// Each sum is made in the order of the depth, so that it does not depend on which rows are computed
/// with it, and of fused multiplications and additions where there are vectors at all, so that it
/// does not depend on which they are.
pub(in crate::ops::cpu) struct Tile<'a, const VECTORS: usize> {
    pub(in crate::ops::cpu) rows: usize,
    pub(in crate::ops::cpu) depth: usize,
    /// Rows of `depth` numbers, `left_stride` apart.
    pub(in crate::ops::cpu) left: &'a [f32],
    pub(in crate::ops::cpu) left_stride: usize,
    /// `depth` rows of `width` numbers, `panel_stride` apart.
    pub(in crate::ops::cpu) panel: &'a [f32],
    pub(in crate::ops::cpu) panel_stride: usize,
    /// What the sums of each row begin with, 0 where there is nothing; as long as the tile is wide.
    pub(in crate::ops::cpu) begin: Option<&'a [f32]>,
    /// Rows of `width` numbers, `result_stride` apart; all are written.
    pub(in crate::ops::cpu) result: &'a mut [MaybeUninit<f32>],
    pub(in crate::ops::cpu) result_stride: usize,
}

impl<const VECTORS: usize> pulp::WithSimd for Tile<'_, VECTORS> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        // Rows that do not fit the registers are not compiled for this instruction set.
        macro_rules! by_rows {
            ($($rows:literal)*) => {
                match self.rows {
                    $($rows if $rows <= tile_rows(S::F32_LANES, VECTORS) => {
                        multiply::<S, VECTORS, $rows>(simd, self);
                    })*
                    rows => unreachable!("a tile of {rows} rows"),
                }
            };
        }
        by_rows!(1 2 3 4 5 6 7 8 9 10 11 12 13 14);
    }
}

/// Panics where a slice is too short for the tile.
#[inline(always)]
fn check<const VECTORS: usize>(tile: &Tile<'_, VECTORS>, width: usize) {
    let end = |rows: usize, stride: usize, length: usize| match rows {
        0 => 0,
        _ => (rows - 1).saturating_mul(stride).saturating_add(length),
    };
    let rows = tile.rows;
    assert!(end(rows, tile.left_stride, tile.depth) <= tile.left.len());
    assert!(end(tile.depth, tile.panel_stride, width) <= tile.panel.len());
    assert!(end(rows, tile.result_stride, width) <= tile.result.len());
    if let Some(begin) = tile.begin {
        assert!(width <= begin.len());
    }
}

#[inline(always)]
#[allow(clippy::needless_pass_by_value)] // Its fields shall be in registers.
fn multiply<S: Simd, const VECTORS: usize, const ROWS: usize>(simd: S, tile: Tile<'_, VECTORS>) {
    assert!(tile.rows == ROWS);
    check(&tile, width::<S>(VECTORS));
    let left = tile.left.as_ptr();
    let panel = tile.panel.as_ptr();
    let result = tile.result.as_mut_ptr();
    let mut sums = [[simd.splat_f32s(0.0); VECTORS]; ROWS];
    // SAFETY: `check` has asserted for each slice that it reaches to the end of the last row (of
    // `depth` numbers on the left, of `width` in the panel, in `begin` and in the result).
    // `[S::f32s; VECTORS]` is `width` numbers of plain f32, read and written unaligned. `left`,
    // `panel` and `begin` are borrowed shared, the result alone.
    unsafe {
        if let Some(begin) = tile.begin {
            let begin = begin.as_ptr().cast::<[S::f32s; VECTORS]>();
            sums = [begin.read_unaligned(); ROWS];
        }
        let stride = tile.left_stride;
        let steps = const { steps(S::F32_LANES, VECTORS) };
        let whole = tile.depth - tile.depth % steps;
        for at in (0..whole).step_by(steps) {
            for more in 0..steps {
                let right = panel.add((at + more) * tile.panel_stride);
                step(simd, left.add(at + more), stride, right, &mut sums);
                // Or else the compiler reads the numbers of all steps first, and into the stack.
                compiler_fence(Ordering::SeqCst);
            }
        }
        for at in whole..tile.depth {
            let right = panel.add(at * tile.panel_stride);
            step(simd, left.add(at), stride, right, &mut sums);
        }
        for (row, sums) in sums.into_iter().enumerate() {
            let row = result.add(row * tile.result_stride);
            row.cast::<[S::f32s; VECTORS]>().write_unaligned(sums);
        }
    }
}

/// Adds the product of a column of the left and a row of the right matrix.
///
/// # Safety
///
/// `left` points at a number for each row, `stride` apart, and `right` at `VECTORS` vectors.
#[inline(always)]
unsafe fn step<S: Simd, const VECTORS: usize, const ROWS: usize>(
    simd: S,
    left: *const f32,
    stride: usize,
    right: *const f32,
    sums: &mut [[S::f32s; VECTORS]; ROWS],
) {
    // SAFETY: as the caller grants.
    let right = unsafe { right.cast::<[S::f32s; VECTORS]>().read_unaligned() };
    for (row, sums) in sums.iter_mut().enumerate() {
        // SAFETY: as the caller grants.
        let factor = simd.splat_f32s(unsafe { *left.add(row * stride) });
        for (sum, right) in sums.iter_mut().zip(right) {
            *sum = simd.mul_add_e_f32s(factor, right, *sum);
        }
    }
}

/// How `rows` rows are cut into tiles of `at_most` each: as alike as can be, for short tiles make
/// little of what they load.
#[inline(always)]
pub(in crate::ops::cpu) fn tiles(rows: usize, at_most: usize) -> Tiles {
    let count = rows.div_ceil(at_most).max(1);
    Tiles {
        next: 0,
        rows,
        least: rows / count,
        longer: rows % count,
    }
}

/// First row and number of rows of each tile.
#[derive(Clone)]
pub(in crate::ops::cpu) struct Tiles {
    next: usize,
    rows: usize,
    least: usize,
    longer: usize,
}

impl Iterator for Tiles {
    type Item = (usize, usize);

    #[inline(always)]
    fn next(&mut self) -> Option<(usize, usize)> {
        if self.next >= self.rows {
            return None;
        }
        let rows = self.least + usize::from(self.longer > 0);
        self.longer = self.longer.saturating_sub(1);
        let first = self.next;
        self.next += rows;
        Some((first, rows))
    }
}
