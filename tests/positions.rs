//! Relative positions, rotary positions, gates, neighbours and groups against
//! scalar twins in f64, in all forms, on ragged random shapes.

mod support;

use candle_core::{DType, Device, Tensor};
use spanbench::ops::{
    Activation, Attention, Disentangled, Form, Linear, Norm, Pairing, PositionTerms, RelativeBias,
    RelativeRows, Rotary, Sequences, attention, gate, neighbours, rotate,
};
use support::device::{device, forms};
use support::matrix::{Noise, assert_close, attention_twin as twin, tensor, vector};

fn boundaries(lengths: &[usize]) -> Vec<usize> {
    let mut all = vec![0];
    for length in lengths {
        all.push(all.last().unwrap() + length);
    }
    all
}

/// Lengths, heads and head sizes that are no multiples of any vector.
const SHAPES: [(&[usize], usize, usize); 5] = [
    (&[1], 1, 2),
    (&[5, 1, 32], 2, 16),
    (&[7, 6, 33, 65], 3, 20),
    (&[100, 2], 2, 32),
    (&[13, 64], 1, 128),
];

#[test]
fn a_bias_by_distance() {
    let mut noise = Noise(11);
    for (lengths, heads, size) in SHAPES {
        let boundaries = boundaries(lengths);
        let projected = noise.matrix(*boundaries.last().unwrap(), 3 * heads * size);
        let of = |head: usize, distance: isize| ((head as f64 + 1.3) * distance as f64).sin();
        let scale = 1.0 / (size as f64).sqrt();
        let expected = twin(
            &projected,
            &boundaries,
            heads,
            scale,
            &|head, _, _, query, key| Some(of(head, key.cast_signed() - query.cast_signed())),
        );
        // A longest sequence exactly, and a table for longer ones.
        for longest in [*lengths.iter().max().unwrap(), 128] {
            let table = |head, distance| of(head, distance) as f32;
            let bias = RelativeBias::new(heads, longest, &device(), table).unwrap();
            let how = Attention {
                bias: Some(&bias),
                ..Attention::scaled(heads, size)
            };
            for form in forms() {
                let found = attention(
                    &tensor(&projected),
                    &Sequences::new(&boundaries),
                    &how,
                    form,
                )
                .unwrap();
                assert_close(&found, &expected, &format!("{form} {lengths:?}"));
            }
        }
    }
}

#[test]
fn sight_ends_at_the_reach() {
    let mut noise = Noise(12);
    for (lengths, heads, size) in SHAPES {
        let boundaries = boundaries(lengths);
        let projected = noise.matrix(*boundaries.last().unwrap(), 3 * heads * size);
        let scale = 1.0 / (size as f64).sqrt();
        for reach in [0, 1, 5, 40, 1000] {
            let expected = twin(
                &projected,
                &boundaries,
                heads,
                scale,
                &|_, _, _, query, key| (query.abs_diff(key) <= reach).then_some(0.0),
            );
            let how = Attention {
                reach: Some(reach),
                ..Attention::scaled(heads, size)
            };
            for form in forms() {
                let found = attention(
                    &tensor(&projected),
                    &Sequences::new(&boundaries),
                    &how,
                    form,
                )
                .unwrap();
                assert_close(&found, &expected, &format!("{form} {lengths:?} {reach}"));
            }
        }
    }
}

#[test]
fn disentangled_terms_alone_and_together() {
    let mut noise = Noise(13);
    for (lengths, heads, size) in SHAPES {
        let boundaries = boundaries(lengths);
        let projected = noise.matrix(*boundaries.last().unwrap(), 3 * heads * size);
        // Rows that are no multiple of a vector; far distances share the last ones.
        let table = 37;
        let row = |distance: isize| usize::try_from((distance + 18).clamp(0, 36)).unwrap();
        let (keys, queries) = (
            noise.matrix(table, heads * size),
            noise.matrix(table, heads * size),
        );
        let scale = 1.0 / (3.0 * size as f64).sqrt();
        let dot = |a: &[f64], b: &[f64]| -> f64 { a.iter().zip(b).map(|(a, b)| a * b).sum() };
        let longest = *lengths.iter().max().unwrap();
        let rows = RelativeRows::new(longest, |distance| u32::try_from(row(distance)).unwrap());
        let terms = |matrix: &[Vec<f64>], scale: f64| {
            PositionTerms::new(&tensor(matrix), heads, scale as f32).unwrap()
        };
        let (key_terms, query_terms) = (terms(&keys, 1.0), terms(&queries, scale));
        for (with_keys, with_queries) in [(true, false), (false, true), (true, true)] {
            let expected = twin(
                &projected,
                &boundaries,
                heads,
                scale,
                &|head, q, k, query, key| {
                    let row = row(query.cast_signed() - key.cast_signed());
                    let part = |matrix: &[Vec<f64>]| matrix[row][head * size..][..size].to_vec();
                    let mut sum = 0.0;
                    if with_keys {
                        sum += dot(q, &part(&keys)) * scale;
                    }
                    if with_queries {
                        sum += dot(k, &part(&queries)) * scale;
                    }
                    Some(sum)
                },
            );
            let how = Attention {
                scale: scale as f32,
                disentangled: Some(Disentangled {
                    position_keys: with_keys.then_some(&key_terms),
                    position_queries: with_queries.then_some(&query_terms),
                    rows: &rows,
                }),
                ..Attention::scaled(heads, size)
            };
            for form in forms() {
                let found = attention(
                    &tensor(&projected),
                    &Sequences::new(&boundaries),
                    &how,
                    form,
                )
                .unwrap();
                let what = format!("{form} {lengths:?} {with_keys} {with_queries}");
                assert_close(&found, &expected, &what);
            }
        }
    }
}

#[test]
fn a_sequence_longer_than_its_tables_is_refused() {
    let projected = tensor(&Noise(14).matrix(9, 3 * 4));
    let bias = RelativeBias::new(1, 8, &device(), |_, _| 0.0).unwrap();
    let how = Attention {
        bias: Some(&bias),
        ..Attention::scaled(1, 4)
    };
    for form in forms() {
        assert!(attention(&projected, &Sequences::new(&[0, 9]), &how, form).is_err());
        assert!(attention(&projected, &Sequences::new(&[0, 8, 9]), &how, form).is_ok());
        let rotary = Rotary::from_theta(1e4, 4, 8, Pairing::Halves);
        let longer = rotate(
            projected.copy().unwrap(),
            &Sequences::new(&[0, 9]),
            1,
            &rotary,
            form,
        );
        assert!(longer.is_err(), "{form}");
    }
}

#[test]
fn rotary_positions_in_both_pairings() {
    let mut noise = Noise(15);
    for (lengths, heads, size) in SHAPES {
        let boundaries = boundaries(lengths);
        let tokens = *boundaries.last().unwrap();
        let projected = noise.matrix(tokens, 3 * heads * size);
        for (pairing, values) in [
            (Pairing::Halves, false),
            (Pairing::Neighbours, false),
            (Pairing::Neighbours, true),
        ] {
            let theta = 700.0_f64;
            let mut expected = projected.clone();
            for pair in boundaries.windows(2) {
                for (position, row) in expected[pair[0]..pair[1]].iter_mut().enumerate() {
                    let turned = if values { 3 } else { 2 } * heads;
                    for head in row.chunks_exact_mut(size).take(turned) {
                        for at in 0..size / 2 {
                            let (a, b) = match pairing {
                                Pairing::Halves => (at, at + size / 2),
                                Pairing::Neighbours => (2 * at, 2 * at + 1),
                            };
                            let angle =
                                position as f64 * theta.powf(-2.0 * at as f64 / size as f64);
                            let (x, y) = (head[a], head[b]);
                            head[a] = x * angle.cos() - y * angle.sin();
                            head[b] = y * angle.cos() + x * angle.sin();
                        }
                    }
                }
            }
            let rotary = Rotary::from_theta(700.0, size, 100, pairing).with_values(values);
            for form in forms() {
                let found = rotate(
                    tensor(&projected),
                    &Sequences::new(&boundaries),
                    heads,
                    &rotary,
                    form,
                )
                .unwrap();
                assert_close(
                    &found,
                    &expected,
                    &format!("{form} {pairing:?} {lengths:?}"),
                );
            }
        }
    }
}

#[test]
fn gates_of_every_activation() {
    let mut noise = Noise(16);
    for (tokens, width) in [(1, 1), (3, 17), (70, 33), (5, 1152)] {
        let x = noise.matrix(tokens, 2 * width);
        let silu = |x: f64| x / (1.0 + (-x).exp());
        let expected: Vec<Vec<f64>> = x
            .iter()
            .map(|row| {
                let (input, gates) = row.split_at(width);
                input
                    .iter()
                    .zip(gates)
                    .map(|(x, gate)| silu(*x) * gate)
                    .collect()
            })
            .collect();
        for form in forms() {
            let found = gate(&tensor(&x), Activation::Silu, form).unwrap();
            assert_close(&found, &expected, &format!("{form} {tokens}×{width}"));
        }
        for activation in [
            Activation::Gelu,
            Activation::GeluTanh,
            Activation::Relu,
            Activation::Tanh,
        ] {
            let gated = |x: &Tensor, form| gate(x, activation, form).unwrap();
            let on_cpu = tensor(&x).to_device(&Device::Cpu).unwrap();
            let portable: Vec<Vec<f32>> = gated(&on_cpu, Form::Portable).to_vec2().unwrap();
            let portable: Vec<Vec<f64>> = portable
                .iter()
                .map(|row| row.iter().map(|&x| x.into()).collect())
                .collect();
            let found = gated(&tensor(&x), forms()[0]);
            assert_close(&found, &portable, &format!("{activation:?}"));
        }
    }
}

#[test]
fn neighbours_end_with_their_sequence() {
    let x = vec![
        vec![1.0, 2.0],
        vec![3.0, 4.0],
        vec![5.0, 6.0],
        vec![7.0, 8.0],
    ];
    let expected = vec![
        vec![3.0, 4.0, 1.0, 2.0, 0.0, 0.0],
        vec![5.0, 6.0, 3.0, 4.0, 1.0, 2.0],
        vec![0.0, 0.0, 5.0, 6.0, 3.0, 4.0],
        vec![0.0, 0.0, 7.0, 8.0, 0.0, 0.0],
    ];
    for form in forms() {
        let mut sequences = Sequences::new(&[0, 3, 4]);
        sequences.add_neighbours(&[1, 0, -1]);
        let found = neighbours(&tensor(&x), &sequences, 0, form).unwrap();
        assert_close(&found, &expected, form.name());
    }
}

/// Groups are a dense layer whose matrix is zero outside its blocks.
#[test]
fn grouped_layers() {
    let mut noise = Noise(17);
    for (tokens, inputs, outputs, groups) in [(1, 4, 4, 4), (33, 12, 8, 4), (70, 30, 45, 3)] {
        let x = tensor(&noise.matrix(tokens, inputs));
        let weight = noise.matrix(outputs, inputs / groups);
        let bias = vector(&noise.matrix(1, outputs).remove(0));
        let whole: Vec<Vec<f64>> = weight
            .iter()
            .enumerate()
            .map(|(output, row)| {
                let mut wide = vec![0.0; inputs];
                let group = output / (outputs / groups);
                wide[group * row.len()..][..row.len()].copy_from_slice(row);
                wide
            })
            .collect();
        for form in forms() {
            let dense = Linear::new(&tensor(&whole), Some(&bias), form).unwrap();
            let grouped = Linear::grouped(&tensor(&weight), Some(&bias), groups, form).unwrap();
            let expected: Vec<Vec<f32>> = dense.forward(&x).unwrap().to_vec2().unwrap();
            let expected: Vec<Vec<f64>> = expected
                .iter()
                .map(|row| row.iter().map(|&x| x.into()).collect())
                .collect();
            assert_close(&grouped.forward(&x).unwrap(), &expected, &format!("{form}"));
            let (less, more) = (grouped.flops_per_token(), dense.flops_per_token());
            assert_eq!(less * groups as u64, more);
        }
    }
}

#[test]
fn norms_alone_and_without_statistics() {
    let mut noise = Noise(18);
    let x = noise.matrix(40, 129);
    let (weight, bias) = (
        noise.matrix(1, 129).remove(0),
        noise.matrix(1, 129).remove(0),
    );
    let zeros = vec![vec![0.0; 129]; 40];
    for form in forms() {
        for epsilon in [Some(1e-5), None] {
            let norm = Norm::new(&vector(&weight), &vector(&bias), epsilon, form).unwrap();
            let input = tensor(&x);
            let alone = norm.forward(&input).unwrap();
            assert_close(&input, &x, "the input stays as it is");
            let sum = norm.forward_sum(tensor(&x), &tensor(&zeros)).unwrap();
            let sum: Vec<Vec<f32>> = sum.to_vec2().unwrap();
            assert_eq!(alone.to_vec2::<f32>().unwrap(), sum);
        }
        let scaled = Norm::new(&vector(&weight), &vector(&bias), None, form).unwrap();
        let expected: Vec<Vec<f64>> = x
            .iter()
            .map(|row| {
                let affine = weight.iter().zip(&bias);
                row.iter()
                    .zip(affine)
                    .map(|(x, (w, b))| x * w + b)
                    .collect()
            })
            .collect();
        assert_close(
            &scaled.forward(&tensor(&x)).unwrap(),
            &expected,
            form.name(),
        );
    }
}

/// What would overflow `f16` is held at its largest number and never becomes NaN.
#[test]
fn half_precision_saturates() {
    // The CPU form computes in f32.
    let form = forms().pop().unwrap();
    let half = |values: &[f32], shape: (usize, usize)| {
        let tensor = Tensor::from_slice(values, shape, &Device::Cpu).unwrap();
        let tensor = tensor.to_dtype(DType::F16).unwrap();
        tensor.to_device(&device()).unwrap()
    };
    let x = half(&[60_000.0, 60_000.0, -60_000.0, -60_000.0], (2, 2));
    let layer = Linear::new(&half(&[2.0, 2.0], (1, 2)), None, form).unwrap();
    let found = layer.forward(&x).unwrap().to_dtype(DType::F32).unwrap();
    // The CUDA form leaves products as they come, and holds them where they are read.
    let most = match form {
        Form::Cuda => f32::INFINITY,
        Form::Cpu | Form::Portable => 65_504.0,
    };
    assert_eq!(found.to_vec2::<f32>().unwrap(), [[most], [-most]]);
    let ones = half(&[1.0, 1.0], (1, 2)).flatten_all().unwrap();
    let norm = Norm::new(&ones, &ones, Some(1e-5), form).unwrap();
    let found = norm.forward_sum(x.copy().unwrap(), &x).unwrap();
    let found = found.to_dtype(DType::F32).unwrap().flatten_all().unwrap();
    assert!(
        found
            .to_vec1::<f32>()
            .unwrap()
            .iter()
            .all(|x| x.is_finite())
    );
    let gated = gate(&x, Activation::Relu, form).unwrap();
    let gated = gated.to_dtype(DType::F32).unwrap();
    assert_eq!(gated.to_vec2::<f32>().unwrap(), [[65_504.0], [0.0]]);
}
