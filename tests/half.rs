//! The forms that compute in half precision against scalar twins in f64 of the same rounded numbers, on
//! ragged random shapes: lengths from 1 to 512 and all widths of heads.

mod support;

use candle_core::{DType, Device, Tensor};
use spanbench::ops::{
    Activation, Attention, Form, Linear, Norm, RelativeBias, Sequences, add, attention, beside,
    gate, neighbours,
};
use support::device::{device, forms};
use support::matrix::{Noise, attention_twin};

/// What an operation may be off by, as a part of 1 and of the number: a few roundings of its result.
const BOUNDS: [(DType, f64); 2] = [(DType::F16, 2e-3), (DType::BF16, 1.6e-2)];

/// The form that computes in half precision on the device under test.
fn form() -> Form {
    forms().pop().unwrap()
}

/// Random numbers, rounded, on the device and for the twin.
fn random(noise: &mut Noise, rows: usize, columns: usize, dtype: DType) -> (Tensor, Vec<Vec<f64>>) {
    let flat: Vec<f32> = (0..rows * columns).map(|_| noise.next()).collect();
    let tensor = Tensor::from_vec(flat, (rows, columns), &Device::Cpu).unwrap();
    let rounded = tensor.to_dtype(dtype).unwrap();
    let wide = rounded.to_dtype(DType::F64).unwrap();
    (
        rounded.to_device(&device()).unwrap(),
        wide.to_vec2().unwrap(),
    )
}

fn assert_near(found: &Tensor, expected: &[Vec<f64>], bound: f64, what: &str) {
    let found = found.to_device(&Device::Cpu).unwrap();
    let found = found.to_dtype(DType::F64).unwrap();
    assert_eq!(found.dims(), [expected.len(), expected[0].len()], "{what}");
    let found: Vec<Vec<f64>> = found.to_vec2().unwrap();
    for (row, (found, expected)) in found.iter().zip(expected).enumerate() {
        for (column, (found, expected)) in found.iter().zip(expected).enumerate() {
            let error = (found - expected).abs();
            assert!(
                error <= bound * (1.0 + expected.abs()),
                "{what}: [{row}, {column}] is {found}, not {expected}"
            );
        }
    }
}

fn boundaries(lengths: &[usize]) -> Vec<usize> {
    let mut all = vec![0];
    for length in lengths {
        all.push(all.last().unwrap() + length);
    }
    all
}

#[test]
fn attention_on_ragged_sequences() {
    let mut noise = Noise(31);
    for (dtype, bound) in BOUNDS {
        for (lengths, heads, size, reach) in [
            (vec![1], 1, 1, None),
            (vec![5, 1, 32], 2, 6, None),
            (vec![7, 64, 65], 3, 20, None),
            (vec![129, 2], 2, 32, Some(1)),
            (vec![512], 1, 32, None),
            (vec![3, 63], 2, 64, None),
            (vec![200], 1, 64, Some(64)),
            (vec![13, 66], 2, 96, None),
            (vec![70, 3], 1, 128, Some(9)),
        ] {
            let boundaries = boundaries(&lengths);
            let (projected, twin) = random(
                &mut noise,
                *boundaries.last().unwrap(),
                3 * heads * size,
                dtype,
            );
            let of = |head: usize, distance: isize| ((head as f64 + 1.3) * distance as f64).sin();
            let table = |head, distance| of(head, distance) as f32;
            let bias = RelativeBias::new(heads, 512, &device(), table).unwrap();
            let how = Attention {
                bias: Some(&bias),
                reach,
                ..Attention::scaled(heads, size)
            };
            let scale = f64::from(how.scale);
            let expected = attention_twin(
                &twin,
                &boundaries,
                heads,
                scale,
                &|head, _, _, query, key| {
                    let distance = key.cast_signed() - query.cast_signed();
                    let seen = reach.is_none_or(|reach| distance.unsigned_abs() <= reach);
                    seen.then(|| of(head, distance))
                },
            );
            let sequences = Sequences::new(&boundaries);
            let found = attention(&projected, &sequences, &how, form()).unwrap();
            let what = format!("{dtype:?} {lengths:?} {heads} x {size} {reach:?}");
            assert_near(&found, &expected, bound, &what);
        }
    }
}

#[test]
fn dense_layers_with_and_without_what_follows() {
    let mut noise = Noise(32);
    for (dtype, bound) in BOUNDS {
        for (tokens, inputs, outputs) in [(1, 1, 1), (3, 17, 5), (33, 48, 80), (129, 64, 2)] {
            let (x, x_twin) = random(&mut noise, tokens, inputs, dtype);
            let (weight, weight_twin) = random(&mut noise, outputs, inputs, dtype);
            let (bias, bias_twin) = random(&mut noise, 1, outputs, dtype);
            let bias = bias.flatten_all().unwrap();
            for activation in [None, Some(Activation::Relu), Some(Activation::Tanh)] {
                let of_row = |x: &Vec<f64>| -> Vec<f64> {
                    let outputs = weight_twin.iter().zip(&bias_twin[0]);
                    let sums = outputs.map(|(weight, bias)| {
                        x.iter().zip(weight).map(|(x, w)| x * w).sum::<f64>() + bias
                    });
                    sums.map(|sum| match activation {
                        None => sum,
                        Some(Activation::Relu) => sum.max(0.0),
                        Some(_) => sum.tanh(),
                    })
                    .collect()
                };
                let expected: Vec<Vec<f64>> = x_twin.iter().map(of_row).collect();
                let mut layer = Linear::new(&weight, Some(&bias), form()).unwrap();
                if let Some(activation) = activation {
                    layer = layer.with_activation(activation);
                }
                let found = layer.forward(&x).unwrap();
                let what = format!("{dtype:?} {tokens} x {inputs} x {outputs} {activation:?}");
                // A sum is rounded before the bias is added, where that is by itself: it may be large.
                assert_near(&found, &expected, 12.0 * bound, &what);
            }
        }
    }
}

#[test]
fn norms_of_sums_and_gates() {
    let mut noise = Noise(33);
    for (dtype, bound) in BOUNDS {
        for (tokens, features) in [(1, 2), (5, 14), (9, 48), (3, 770), (40, 1024)] {
            let (x, x_twin) = random(&mut noise, tokens, features, dtype);
            let (residual, residual_twin) = random(&mut noise, tokens, features, dtype);
            let (weight, weight_twin) = random(&mut noise, 1, features, dtype);
            let (bias, bias_twin) = random(&mut noise, 1, features, dtype);
            let flat = |x: &Tensor| x.flatten_all().unwrap();
            let norm = Norm::new(&flat(&weight), &flat(&bias), Some(1e-5), form()).unwrap();
            let sums = x_twin.iter().zip(&residual_twin);
            let sums: Vec<Vec<f64>> = sums
                .map(|(x, r)| x.iter().zip(r).map(|(x, r)| x + r).collect())
                .collect();
            let normal = |row: &Vec<f64>| -> Vec<f64> {
                let count = features as f64;
                let mean = row.iter().sum::<f64>() / count;
                let variance = row.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / count;
                let affine = weight_twin[0].iter().zip(&bias_twin[0]);
                let numbers = row.iter().zip(affine);
                numbers
                    .map(|(x, (w, b))| (x - mean) / (variance + 1e-5).sqrt() * w + b)
                    .collect()
            };
            let expected: Vec<Vec<f64>> = sums.iter().map(normal).collect();
            let what = format!("{dtype:?} {tokens} x {features}");
            let found = norm.forward_sum(x.copy().unwrap(), &residual).unwrap();
            assert_near(&found, &expected, bound, &format!("norm {what}"));
            let found = add(&x, &residual, form()).unwrap();
            assert_near(&found, &sums, bound, &format!("sum {what}"));
            let gated = |row: &Vec<f64>| -> Vec<f64> {
                let (inputs, factors) = row.split_at(features / 2);
                let pairs = inputs.iter().zip(factors);
                pairs
                    .map(|(x, factor)| x / (1.0 + (-x).exp()) * factor)
                    .collect()
            };
            let expected: Vec<Vec<f64>> = x_twin.iter().map(gated).collect();
            let found = gate(&x, Activation::Silu, form()).unwrap();
            assert_near(&found, &expected, bound, &format!("gate {what}"));
        }
    }
}

/// What only moves numbers moves them to the bit.
#[test]
fn neighbours_and_matrices_side_by_side() {
    let mut noise = Noise(34);
    for (dtype, _) in BOUNDS {
        let (x, x_twin) = random(&mut noise, 9, 5, dtype);
        let (y, y_twin) = random(&mut noise, 9, 3, dtype);
        let both = x_twin.iter().zip(&y_twin);
        let both: Vec<Vec<f64>> = both.map(|(x, y)| [x.as_slice(), y].concat()).collect();
        let found = beside(&[x.clone(), y], form()).unwrap();
        assert_near(&found, &both, 0.0, "side by side");
        let mut sequences = Sequences::new(&[0, 4, 9]);
        sequences.add_neighbours(&[-1, 1]);
        let found = neighbours(&x, &sequences, 0, form()).unwrap();
        let row = |at: usize, there: bool| {
            if there {
                x_twin[at].clone()
            } else {
                vec![0.0; 5]
            }
        };
        let expected: Vec<Vec<f64>> = (0..9)
            .map(|at: usize| {
                let before = row(at.saturating_sub(1), at != 0 && at != 4);
                let after = row((at + 1).min(8), at != 3 && at != 8);
                [before, after].concat()
            })
            .collect();
        assert_near(&found, &expected, 0.0, "neighbours");
    }
}
