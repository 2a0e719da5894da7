//! Tiles of `f32`.

use std::mem::MaybeUninit;

use super::product::kernel::{Tile, tile_rows};
use super::simd;

fn tiles<const VECTORS: usize>() {
    for arch in simd::all() {
        let lanes = simd::lanes_of(arch);
        let width = VECTORS * lanes;
        for rows in 1..=tile_rows(lanes, VECTORS) {
            for depth in [0, 1, 3, 4, 5, 9] {
                let (left_stride, result_stride) = (depth + 2, width + 3);
                let left = vec![2.0; (rows - 1) * left_stride + depth];
                let panel = vec![0.5; depth * width];
                let row = vec![1.0; width];
                for begin in [None, Some(row.as_slice())] {
                    // Poison beside the rows; within them nothing at all, which Miri would not let be read.
                    let poison = MaybeUninit::new(f32::NAN);
                    let mut result = vec![poison; (rows - 1) * result_stride + width];
                    for row in result.chunks_mut(result_stride) {
                        row[..width].fill(MaybeUninit::uninit());
                    }
                    arch.dispatch(Tile::<VECTORS> {
                        rows,
                        depth,
                        left: &left,
                        left_stride,
                        panel: &panel,
                        panel_stride: width,
                        begin,
                        result: &mut result,
                        result_stride,
                    });
                    // SAFETY: a tile writes all numbers of its rows, and the others are poison.
                    let result = result.into_iter().map(|x| unsafe { x.assume_init() });
                    let result: Vec<f32> = result.collect();
                    let expected = begin.map_or(0.0, |row| row[0]) + depth as f32;
                    for row in result.chunks(result_stride) {
                        assert!(row[..width].iter().all(|&x| x == expected));
                        assert!(row[width..].iter().all(|x| x.is_nan()));
                    }
                }
            }
        }
    }
}

#[test]
fn tiles_of_two_vectors() {
    tiles::<2>();
}

#[test]
fn tiles_of_three_vectors() {
    tiles::<3>();
}
