//! Products against sums in `f64`, and each instruction set against the others to the last bit.

use candle_core::Device;

use super::*;
use crate::random::noise;

struct Case {
    rows: usize,
    inputs: usize,
    outputs: usize,
    left: Vec<f32>,
    weight: Tensor,
    bias: Tensor,
}

impl Case {
    fn new(seed: u64, rows: usize, inputs: usize, outputs: usize) -> Self {
        let cpu = &Device::Cpu;
        let weight = noise(seed + 1, inputs * outputs);
        Self {
            rows,
            inputs,
            outputs,
            left: noise(seed, rows * inputs),
            weight: Tensor::from_vec(weight, (outputs, inputs), cpu).unwrap(),
            bias: Tensor::from_vec(noise(seed + 2, outputs), outputs, cpu).unwrap(),
        }
    }

    /// With one instruction set, into a result of poison whose rows lie further apart than they must.
    fn on(&self, arch: pulp::Arch) -> Vec<Vec<f32>> {
        let lanes = simd::lanes_of(arch);
        let panels = Panels::for_lanes(&self.weight, Some(&self.bias), lanes).unwrap();
        let stride = self.outputs + 3;
        let mut result = vec![MaybeUninit::new(f32::NAN); self.rows * stride];
        simd::dispatch_on(
            arch,
            Block {
                panels: &panels,
                range: 0..self.outputs.div_ceil(panels.width),
                rows: self.rows,
                left: &self.left,
                left_stride: self.inputs,
                result: &mut result,
                result_stride: stride,
                scratch: &mut Vec::new(),
            },
        );
        // SAFETY: all were poison at least.
        let result = unsafe { as_written(&mut result) };
        let rows = result.chunks_exact(stride).map(|row| {
            assert!(
                row[self.outputs..].iter().all(|x| x.is_nan()),
                "written beside the result"
            );
            row[..self.outputs].to_vec()
        });
        rows.collect()
    }

    fn exact(&self) -> Vec<Vec<f64>> {
        let weight: Vec<f32> = self
            .weight
            .to_dtype(DType::F32)
            .unwrap()
            .flatten_all()
            .unwrap()
            .to_vec1()
            .unwrap();
        let bias: Vec<f32> = self.bias.to_vec1().unwrap();
        let rows = self.left.chunks(self.inputs.max(1)).take(self.rows);
        let product = |row: &[f32], output: usize| -> f64 {
            let weights = &weight[output * self.inputs..][..self.inputs];
            let terms = row.iter().zip(weights);
            terms.map(|(x, w)| f64::from(*x) * f64::from(*w)).sum()
        };
        let rows = rows.map(|row| {
            (0..self.outputs)
                .map(|o| product(row, o) + f64::from(bias[o]))
                .collect()
        });
        rows.collect()
    }
}

#[test]
fn products_of_ragged_shapes() {
    for (number, (rows, inputs, outputs)) in [
        (1, 1, 1),
        (3, 0, 20),
        (1, 3, 2),
        (2, 16, 32),
        (5, 17, 33),
        (13, 64, 31),
        (14, 7, 65),
        (15, 96, 64),
        (29, 100, 2),
        (43, 128, 100),
        (100, 31, 40),
        (3, 1537, 5),
        (17, 769, 37),
        (1, 2000, 64),
    ]
    .into_iter()
    .enumerate()
    {
        for dtype in [DType::F32, DType::F16, DType::BF16] {
            let mut case = Case::new(10 * number as u64, rows, inputs, outputs);
            case.weight = case.weight.to_dtype(dtype).unwrap();
            let exact = case.exact();
            let mut first: Option<Vec<Vec<f32>>> = None;
            for arch in simd::all() {
                let found = case.on(arch);
                for (found, exact) in found.iter().flatten().zip(exact.iter().flatten()) {
                    let distance = (f64::from(*found) - exact).abs();
                    let bound = 1e-6 * (1.0 + inputs as f64).sqrt() * 4.0;
                    assert!(
                        distance < bound,
                        "{rows}x{inputs}x{outputs} {dtype:?} {arch:?}: {found} for {exact}"
                    );
                }
                // Scalar sums may be made without fused multiplication.
                if simd::lanes_of(arch) > 1 {
                    let first = first.get_or_insert_with(|| found.clone());
                    assert_eq!(
                        &found, first,
                        "{rows}x{inputs}x{outputs} {dtype:?} {arch:?}"
                    );
                }
            }
        }
    }
}

/// What is no number or without end stays in its row.
#[test]
fn strange_numbers_stay_in_their_row() {
    for arch in simd::all() {
        let mut case = Case::new(99, 20, 40, 40);
        case.left[3 * 40 + 7] = f32::NAN;
        case.left[5 * 40 + 1] = f32::INFINITY;
        let found = case.on(arch);
        let exact = case.exact();
        for (row, (found, exact)) in found.iter().zip(&exact).enumerate() {
            for (found, exact) in found.iter().zip(exact) {
                match row {
                    3 => assert!(found.is_nan()),
                    5 => assert_eq!(f64::from(*found), *exact),
                    _ => assert!((f64::from(*found) - exact).abs() < 1e-5),
                }
            }
        }
    }
}

/// They are not taken for 0, which some set processors to do for speed.
#[test]
fn denormals_count() {
    for arch in simd::all() {
        let mut case = Case::new(7, 20, 40, 40);
        case.left.fill(1e-42);
        case.weight = (case.weight.abs().unwrap() * 1e38).unwrap();
        case.bias = case.bias.zeros_like().unwrap();
        for (found, exact) in case
            .on(arch)
            .iter()
            .flatten()
            .zip(case.exact().iter().flatten())
        {
            assert!(*exact > 1e-4 && (f64::from(*found) / exact - 1.0).abs() < 1e-5);
        }
    }
}

#[test]
fn short_slices_are_refused_before_anything_is_read() {
    let tile = |left: usize, panel: usize, result: usize| {
        std::panic::catch_unwind(|| {
            let (left, panel) = (vec![0.0; left], vec![0.0; panel]);
            let mut result = vec![MaybeUninit::uninit(); result];
            pulp::Arch::Scalar.dispatch(Tile::<2> {
                rows: 3,
                depth: 5,
                left: &left,
                left_stride: 6,
                panel: &panel,
                panel_stride: 4,
                begin: None,
                result: &mut result,
                result_stride: 7,
            });
        })
        .is_ok()
    };
    // Two columns a tile in scalar code.
    assert!(tile(17, 18, 16));
    assert!(!tile(16, 18, 16));
    assert!(!tile(17, 17, 16));
    assert!(!tile(17, 18, 15));
}

#[test]
fn tiles_are_alike_and_cover_all_rows() {
    for lanes in [1, 4, 8, 16] {
        for rows in 0..200 {
            let at_most = rows_of_tile(lanes);
            let found: Vec<(usize, usize)> = tiles(rows, at_most).collect();
            let mut next = 0;
            for &(first, count) in &found {
                assert_eq!(first, next);
                assert!((1..=at_most).contains(&count));
                next += count;
            }
            assert_eq!(next, rows);
            let counts = || found.iter().map(|&(_, count)| count);
            assert!(rows == 0 || counts().max().unwrap() - counts().min().unwrap() <= 1);
        }
    }
}
