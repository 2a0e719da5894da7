//! The innermost loop of all matrix products, and the only unchecked one.
//!
//! A tile is a few rows of the result by two vectors of columns, as many sums as the registers
//! hold. The loop over the depth reads one vector pair of the right matrix and one number of each
//! row of the left, and does nothing else. Checked indexing costs a third of its speed (row
//! pointers leave no registers), so the bounds are asserted once for the whole tile and the loop
//! reads through pointers.

use crate::ops::cpu::simd::Simd;

/// Vectors of columns in a tile.
pub(super) const VECTORS: usize = 2;

/// Columns of a tile, which are those of a panel.
pub(in crate::ops::cpu) const fn width<S: Simd>() -> usize {
    VECTORS * S::F32_LANES
}

/// Rows of a tile at the most: with [`VECTORS`] sums a row, two vectors of the right matrix and
/// one number of the left, what 32 registers hold, or 16.
pub(in crate::ops::cpu) const fn tile_rows<S: Simd>() -> usize {
    if S::F32_LANES == 16 || cfg!(target_arch = "aarch64") {
        14
    } else {
        6
    }
}

/// What the sums of a tile begin with.
#[derive(Clone, Copy)]
pub(in crate::ops::cpu) enum Begin<'a> {
    /// Nothing.
    Zero,
    /// This in each row; as long as the tile is wide.
    Row(&'a [f32]),
    /// What the result holds.
    Result,
}

/// `result = begin + left · panel`, for at most [`tile_rows`] rows and [`width`] columns.
///
/// Each sum is made in the order of the depth, one fused multiplication and addition a number, so
/// that it depends neither on the instruction set nor on which rows are computed with it.
pub(in crate::ops::cpu) struct Tile<'a> {
    pub(in crate::ops::cpu) rows: usize,
    pub(in crate::ops::cpu) depth: usize,
    /// Rows of `depth` numbers, `left_stride` apart.
    pub(in crate::ops::cpu) left: &'a [f32],
    pub(in crate::ops::cpu) left_stride: usize,
    /// `depth` rows of `width` numbers, `panel_stride` apart.
    pub(in crate::ops::cpu) panel: &'a [f32],
    pub(in crate::ops::cpu) panel_stride: usize,
    pub(in crate::ops::cpu) begin: Begin<'a>,
    /// Rows of `width` numbers, `result_stride` apart.
    pub(in crate::ops::cpu) result: &'a mut [f32],
    pub(in crate::ops::cpu) result_stride: usize,
}

impl pulp::WithSimd for Tile<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        // Rows that do not fit the registers are not compiled for this instruction set.
        macro_rules! by_rows {
            ($($rows:literal)*) => {
                match self.rows {
                    $($rows if $rows <= tile_rows::<S>() => multiply::<S, $rows>(simd, self),)*
                    rows => unreachable!("a tile of {rows} rows"),
                }
            };
        }
        by_rows!(1 2 3 4 5 6 7 8 9 10 11 12 13 14);
    }
}

/// Panics where a slice is too short for the tile.
#[inline(always)]
fn check<S: Simd>(tile: &Tile<'_>) {
    let end = |rows: usize, stride: usize, length: usize| match rows {
        0 => 0,
        _ => (rows - 1).saturating_mul(stride).saturating_add(length),
    };
    let (rows, width) = (tile.rows, width::<S>());
    assert!(end(rows, tile.left_stride, tile.depth) <= tile.left.len());
    assert!(end(tile.depth, tile.panel_stride, width) <= tile.panel.len());
    assert!(end(rows, tile.result_stride, width) <= tile.result.len());
    if let Begin::Row(row) = tile.begin {
        assert!(width <= row.len());
    }
}

#[inline(always)]
fn multiply<S: Simd, const ROWS: usize>(simd: S, tile: Tile<'_>) {
    assert!(tile.rows == ROWS);
    check::<S>(&tile);
    let left = tile.left.as_ptr();
    let panel = tile.panel.as_ptr();
    let result = tile.result.as_mut_ptr();
    let mut sums = [[simd.splat_f32s(0.0); VECTORS]; ROWS];
    // SAFETY: `check` has asserted for each slice that it reaches to the end of the last row (of
    // `depth` numbers on the left, of `width` in the panel, in `begin` and in the result). `[S::f32s; VECTORS]` is `width` numbers of plain f32, read
    // and written unaligned. `left`, `panel` and `begin` are borrowed shared, the result alone.
    unsafe {
        match tile.begin {
            Begin::Zero => {}
            Begin::Row(row) => {
                sums = [row.as_ptr().cast::<[S::f32s; VECTORS]>().read_unaligned(); ROWS]
            }
            Begin::Result => {
                for (row, sums) in sums.iter_mut().enumerate() {
                    let row = result.add(row * tile.result_stride);
                    *sums = row.cast::<[S::f32s; VECTORS]>().read_unaligned();
                }
            }
        }
        for at in 0..tile.depth {
            let right = panel.add(at * tile.panel_stride);
            let right = right.cast::<[S::f32s; VECTORS]>().read_unaligned();
            for (row, sums) in sums.iter_mut().enumerate() {
                let factor = simd.splat_f32s(*left.add(row * tile.left_stride + at));
                for (sum, right) in sums.iter_mut().zip(right) {
                    *sum = simd.mul_add_e_f32s(factor, right, *sum);
                }
            }
        }
        for (row, sums) in sums.into_iter().enumerate() {
            let row = result.add(row * tile.result_stride);
            row.cast::<[S::f32s; VECTORS]>().write_unaligned(sums);
        }
    }
}

/// How many rows each of the tiles of `rows` rows has: as alike as can be, for short tiles make
/// little of what they load.
#[inline(always)]
pub(in crate::ops::cpu) fn tiles<S: Simd>(rows: usize) -> Tiles {
    let count = rows.div_ceil(tile_rows::<S>()).max(1);
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
