//! Tiles in eight bits against plain sums, and the codes of rows against those of plain Rust.

use std::mem::MaybeUninit;

use super::dispatch::Compute;
use super::kernel::{Multiply, PanelScales, Tile};
use super::rows::{RowScale, quantise};
use super::sets::{Instructions, Scalar};

/// Whole numbers that look random, from 0 to 255.
fn noise(seed: u32, count: usize) -> Vec<u8> {
    let mut state = seed;
    let next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 24) as u8
    };
    std::iter::repeat_with(next).take(count).collect()
}

struct Tiles;

impl Compute for Tiles {
    unsafe fn on<M: Multiply>(self) {
        for rows in 1..=M::ROWS {
            for steps in [1, 2, 5] {
                // SAFETY: as the caller grants.
                unsafe {
                    M::begin();
                    one_tile::<M>(rows, steps);
                    M::end();
                }
            }
        }
    }
}

/// # Safety
///
/// The processor has the instructions of `D`.
unsafe fn one_tile<M: Multiply>(rows: usize, steps: usize) {
    let (width, depth) = (M::WIDTH, steps * M::DEPTH);
    let (left_stride, result_stride) = (depth + 3, width + 2);
    let rows_read = rows + M::ROWS_BEYOND;
    let zeros = noise(1, rows_read);
    let codes = noise(2, rows_read * left_stride);
    let left: Vec<_> = (0..(rows_read - 1) * left_stride + depth)
        .map(|at| M::input(codes[at], zeros[at / left_stride]))
        .collect();
    let weight = |output: usize, input: usize| WEIGHTS[(output + input / 8) % 4][input % 8];
    let mut panel = vec![0_i8; depth * width];
    for (output, input) in (0..width).flat_map(|o| (0..depth).map(move |i| (o, i))) {
        let place = (input / M::STEP * width + output) * M::STEP + input % M::STEP;
        panel[place] = weight(output, input);
    }
    let weights = |output: usize, input: usize| i32::from(weight(output, input));
    let sum = |output| (0..depth).map(|input| weights(output, input)).sum();
    let sums: Vec<i32> = (0..width).map(sum).collect();
    let floats = |seed| -> Vec<f32> {
        noise(seed, width)
            .iter()
            .map(|&x| f32::from(x) / 7.0)
            .collect()
    };
    let (scales, bias) = (floats(3), floats(4));
    let of_row = |row: usize| RowScale {
        scale: 0.1 + row as f32,
        offset: M::offset(zeros[row]),
    };
    let row_scales: Vec<_> = (0..rows).map(of_row).collect();
    let mut result = vec![MaybeUninit::uninit(); (rows - 1) * result_stride + width];
    // SAFETY: as the caller grants.
    unsafe {
        M::multiply(Tile {
            rows,
            depth,
            left: &left,
            left_stride,
            panel: &panel,
            outputs: PanelScales {
                sums: &sums,
                scales: &scales,
                bias: &bias,
            },
            scales: &row_scales,
            result: &mut result,
            result_stride,
        });
    }
    for (row, found) in result.chunks(result_stride).enumerate() {
        for (output, found) in found[..width].iter().enumerate() {
            let distance =
                |input: usize| i32::from(codes[row * left_stride + input]) - i32::from(zeros[row]);
            let terms = (0..depth).map(|input| distance(input) * weights(output, input));
            let sum: i32 = terms.sum();
            let expected = sum as f32 * scales[output] * row_scales[row].scale + bias[output];
            // SAFETY: the tile has written it, or Miri says that it has not.
            assert_eq!(unsafe { found.assume_init() }, expected);
        }
    }
}

/// Weights of eight inputs to take again and again, the largest and those with the largest sums among
/// them: see `ops::int8`.
const WEIGHTS: [[i8; 8]; 4] = [
    [127, -127, 64, 0, 1, -1, 64, -127],
    [32, 32, -64, 5, 32, 32, -64, 3],
    [-32, -32, 127, 0, -32, -32, 0, 1],
    [3, 0, -1, -33, 64, 64, -5, -1],
];

#[test]
fn tiles() {
    for instructions in Instructions::all() {
        instructions.run(Tiles);
    }
}

struct Rows;

impl Compute for Rows {
    unsafe fn on<M: Multiply>(self) {
        for count in [0, 1, 5, 33] {
            let row: Vec<f32> = noise(5, count)
                .iter()
                .map(|&x| f32::from(x) - 99.0)
                .collect();
            let factors: Vec<f32> = (0..count).map(|at| 0.5 + at as f32 / 16.0).collect();
            let mut codes = vec![M::Input::default(); count.next_multiple_of(M::DEPTH)];
            let mut plain = vec![0; count];
            let (scale, expected) = (
                quantise::<M>(&row, &factors, &mut codes),
                quantise::<Scalar>(&row, &factors, &mut plain),
            );
            assert_eq!(scale.scale, expected.scale);
            let distances = codes.iter().map(|&code| {
                let code: i32 = code.into();
                code - scale.offset
            });
            assert!(
                distances
                    .zip(plain)
                    .all(|(found, plain)| found == i32::from(plain))
            );
        }
    }
}

#[test]
fn rows() {
    for instructions in Instructions::all() {
        instructions.run(Rows);
    }
}
