//! Tiles of `f32`.

use super::product::kernel::{Begin, Tile, tile_rows};
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
                let mut result = vec![f32::NAN; (rows - 1) * result_stride + width];
                for begin in [Begin::Zero, Begin::Row(&row), Begin::Result] {
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
                    let expected = match begin {
                        Begin::Zero => depth as f32,
                        Begin::Row(_) => 1.0 + depth as f32,
                        Begin::Result => 1.0 + 2.0 * depth as f32,
                    };
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
