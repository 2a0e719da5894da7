//! The innermost loop of products in eight bits: sums of products of neighbouring inputs, as the
//! processor's own instructions make them, and then what they stand for.
//!
//! As in the product of `f32` the bounds are asserted once a tile, and the loop reads through
//! pointers. All sums are of whole numbers and exact, and what they stand for is made of them by
//! the same multiplications and additions, so that every instruction set gives the same.

use std::array::from_fn;
use std::mem::MaybeUninit;

use super::rows::RowScale;

/// The instructions that multiply small whole numbers and add the products up.
///
/// # Safety of the functions
///
/// All may be called only on a processor that has the instructions, and with pointers to as many
/// numbers as they say.
pub(super) trait Dot {
    /// What an input is kept as for these instructions.
    type Input: Copy + Default + Into<i32>;
    /// As many sums as fit a register.
    type Vector: Copy;
    /// What is multiplied for them: `STEPS` registers.
    type Factors: Copy;
    /// Sums in a vector.
    const LANES: usize;
    /// Neighbouring inputs that one instruction multiplies for each sum.
    const STEP: usize;
    /// Such steps that are added up before they are added to the sums.
    const STEPS: usize = 1;
    /// Vectors of outputs in a tile.
    const VECTORS: usize;
    /// Rows of a tile at the most: what the registers hold.
    const ROWS: usize;

    /// An input whose code is `code` where `zero` is that of 0.
    fn input(code: u8, zero: u8) -> Self::Input;

    /// How much larger than the code's distance from `zero` that is.
    fn offset(zero: u8) -> i32;

    /// Sums of nothing.
    unsafe fn zero() -> Self::Vector;

    /// `LANES * STEP` weights for each step, `apart` from one step to the next.
    unsafe fn weights(from: *const i8, apart: usize) -> Self::Factors;

    /// `STEP` inputs for each step, the same for each lane.
    unsafe fn inputs(from: *const Self::Input) -> Self::Factors;

    /// Adds to each sum the products of the inputs and its weights, which add up to no more than
    /// [`crate::ops::int8`] says.
    unsafe fn add(
        sums: Self::Vector,
        inputs: Self::Factors,
        weights: Self::Factors,
    ) -> Self::Vector;

    /// Writes `LANES` results: `(sum - offset · sum of weights) · scale of output · scale of row + bias`,
    /// each multiplication and addition rounded by itself.
    unsafe fn finish(sums: Self::Vector, outputs: Outputs, row: RowScale, to: *mut f32);
}

/// Where there is what a tile's outputs have in common for all rows, a number for each.
#[derive(Clone, Copy)]
pub(super) struct Outputs {
    /// Sums of all weights.
    pub(super) sums: *const i32,
    pub(super) scales: *const f32,
    pub(super) bias: *const f32,
}

impl Outputs {
    /// The same of later outputs.
    ///
    /// # Safety
    ///
    /// There are so many more.
    #[inline(always)]
    pub(super) unsafe fn skip(self, outputs: usize) -> Self {
        // SAFETY: as the caller grants.
        unsafe {
            Self {
                sums: self.sums.add(outputs),
                scales: self.scales.add(outputs),
                bias: self.bias.add(outputs),
            }
        }
    }
}

/// What multiplies tiles: vector instructions ([`Dot`]), or matrix registers.
pub(super) trait Multiply {
    /// What an input is kept as.
    type Input: Copy + Default + Into<i32>;
    /// Outputs of a tile, and so of a panel of weights.
    const WIDTH: usize;
    /// Neighbouring inputs whose weights lie side by side in a panel.
    const STEP: usize;
    /// Inputs are padded to a multiple of this many.
    const DEPTH: usize;
    /// Rows of a tile at the most.
    const ROWS: usize;
    /// Rows that take as long as one.
    const ROWS_TOGETHER: usize;
    /// Rows that are read at the most beyond those of a tile.
    const ROWS_BEYOND: usize;

    /// An input whose code is `code` where `zero` is that of 0.
    fn input(code: u8, zero: u8) -> Self::Input;

    /// How much larger than the code's distance from `zero` that is.
    fn offset(zero: u8) -> i32;

    /// From one row of `depth` inputs to the next.
    fn row_stride(depth: usize) -> usize;

    /// Sets the processor up for tiles on this thread.
    ///
    /// # Safety
    ///
    /// The processor has the instructions.
    unsafe fn begin();

    /// Undoes that.
    ///
    /// # Safety
    ///
    /// As of [`Multiply::begin`].
    unsafe fn end();

    /// Computes a tile of 1 to `ROWS` rows.
    ///
    /// # Safety
    ///
    /// The processor has the instructions, and is set up for tiles.
    unsafe fn multiply(tile: Tile<'_, Self::Input>);
}

impl<D: Dot> Multiply for D {
    type Input = D::Input;
    const WIDTH: usize = D::VECTORS * D::LANES;
    const STEP: usize = D::STEP;
    const DEPTH: usize = D::STEP * D::STEPS;
    const ROWS: usize = D::ROWS;
    const ROWS_TOGETHER: usize = 1;
    const ROWS_BEYOND: usize = 0;

    #[inline(always)]
    fn input(code: u8, zero: u8) -> D::Input {
        D::input(code, zero)
    }

    #[inline(always)]
    fn offset(zero: u8) -> i32 {
        D::offset(zero)
    }

    #[inline(always)]
    fn row_stride(depth: usize) -> usize {
        depth
    }

    #[inline(always)]
    unsafe fn begin() {}

    #[inline(always)]
    unsafe fn end() {}

    #[inline(always)]
    unsafe fn multiply(tile: Tile<'_, D::Input>) {
        // Three vectors of outputs at the most: a tile's sums are an array of arrays of that many.
        macro_rules! by_rows {
            ($($rows:literal)*) => {
                match (tile.rows, D::VECTORS) {
                    // SAFETY: as the caller grants.
                    $(
                        ($rows, 1) if $rows <= D::ROWS => unsafe { rows::<D, $rows, 1>(tile) },
                        ($rows, 2) if $rows <= D::ROWS => unsafe { rows::<D, $rows, 2>(tile) },
                        ($rows, 3) if $rows <= D::ROWS => unsafe { rows::<D, $rows, 3>(tile) },
                    )*
                    (rows, vectors) => unreachable!("a tile of {rows} rows and {vectors} vectors"),
                }
            };
        }
        by_rows!(1 2 3 4 5 6 7 8 9);
    }
}

/// What a panel's outputs have in common for all rows; each as long as the tile is wide.
#[derive(Clone, Copy)]
pub(super) struct PanelScales<'a> {
    /// Sums of each output's weights.
    pub(super) sums: &'a [i32],
    /// What its weights are multiplied by.
    pub(super) scales: &'a [f32],
    /// What is added.
    pub(super) bias: &'a [f32],
}

/// The products of a few rows of inputs with a panel of weights.
pub(super) struct Tile<'a, Input> {
    pub(super) rows: usize,
    /// Inputs of a row, with the padding.
    pub(super) depth: usize,
    /// Rows of `depth` inputs, `left_stride` apart.
    pub(super) left: &'a [Input],
    pub(super) left_stride: usize,
    /// For each [`Multiply::STEP`] inputs the weights of [`Multiply::WIDTH`] outputs.
    pub(super) panel: &'a [i8],
    pub(super) outputs: PanelScales<'a>,
    /// One for each row.
    pub(super) scales: &'a [RowScale],
    /// Rows of [`Multiply::WIDTH`] numbers, `result_stride` apart; all are written.
    pub(super) result: &'a mut [MaybeUninit<f32>],
    pub(super) result_stride: usize,
}

/// Panics where a slice is too short for the tile, of which `rows_read` rows are read.
#[inline(always)]
pub(super) fn assert_long_enough<M: Multiply>(
    tile: &Tile<'_, M::Input>,
    rows_read: usize,
) -> Outputs {
    let last = |rows: usize, stride: usize| rows.saturating_sub(1).saturating_mul(stride);
    assert!(tile.rows <= rows_read && tile.rows <= M::ROWS);
    assert!(last(rows_read, tile.left_stride) + tile.depth <= tile.left.len());
    assert!(tile.depth.is_multiple_of(M::DEPTH) && tile.depth * M::WIDTH <= tile.panel.len());
    assert!(last(tile.rows, tile.result_stride) + M::WIDTH <= tile.result.len());
    let PanelScales { sums, scales, bias } = tile.outputs;
    assert!(M::WIDTH <= sums.len() && M::WIDTH <= scales.len() && M::WIDTH <= bias.len());
    assert!(tile.rows <= tile.scales.len());
    Outputs {
        sums: sums.as_ptr(),
        scales: scales.as_ptr(),
        bias: bias.as_ptr(),
    }
}

/// # Safety
///
/// The processor has the instructions of `D`.
#[inline(always)]
#[allow(clippy::needless_pass_by_value)] // Its fields shall be in registers.
unsafe fn rows<D: Dot, const ROWS: usize, const VECTORS: usize>(tile: Tile<'_, D::Input>) {
    let width = const { D::VECTORS * D::LANES };
    let apart = const { D::VECTORS * D::LANES * D::STEP };
    assert!(tile.rows == ROWS && D::VECTORS == VECTORS);
    let outputs = assert_long_enough::<D>(&tile, ROWS);
    let rows: &[RowScale; ROWS] = tile
        .scales
        .first_chunk()
        .expect("OK because a row has a scale");
    let mut left = tile.left.as_ptr();
    let mut panel = tile.panel.as_ptr();
    // SAFETY: the instructions are there, as the caller grants. It is asserted above that each row
    // on the left has `depth` inputs, the panel `depth * width` weights, and that there are `width`
    // outputs of whatever they have and of each row of the result. All but the result is borrowed
    // shared, and that alone. After the last step the pointers of the loop are at most one past the
    // end of what was read.
    unsafe {
        let mut sums = [[D::zero(); VECTORS]; ROWS];
        for _ in 0..tile.depth / D::DEPTH {
            let weights: [D::Factors; VECTORS] =
                from_fn(|vector| D::weights(panel.add(vector * D::LANES * D::STEP), apart));
            for (row, sums) in sums.iter_mut().enumerate() {
                let inputs = D::inputs(left.add(row * tile.left_stride));
                for (sum, weights) in sums.iter_mut().zip(weights) {
                    *sum = D::add(*sum, inputs, weights);
                }
            }
            panel = panel.add(width * D::DEPTH);
            left = left.add(D::DEPTH);
        }
        let result = tile.result.as_mut_ptr().cast::<f32>();
        for ((number, sums), row) in sums.into_iter().enumerate().zip(rows) {
            for (vector, sum) in sums.into_iter().enumerate() {
                let first = vector * D::LANES;
                let to = result.add(number * tile.result_stride + first);
                D::finish(sum, outputs.skip(first), *row, to);
            }
        }
    }
}
