//! The operations' forms against scalar twins in f64, on ragged random shapes.

mod support;

use candle_core::DType;
use candle_core::Device;
use spanbench::ops::{Activation, Attention, Form, Linear, Norm, Sequences, attention};
use support::device::forms;
use support::matrix::{Noise, assert_close, attention_twin, tensor, vector};

fn softmax_attention(projected: &[Vec<f64>], boundaries: &[usize], heads: usize) -> Vec<Vec<f64>> {
    let size = projected[0].len() / 3 / heads;
    let scale = 1.0 / (size as f64).sqrt();
    attention_twin(projected, boundaries, heads, scale, &|_, _, _, _, _| {
        Some(0.0)
    })
}

#[test]
fn attention_on_ragged_sequences() {
    let mut noise = Noise(1);
    for (lengths, heads, size) in [
        (vec![1], 1, 1),
        (vec![5, 1, 32], 2, 16),
        (vec![7, 6, 33, 65], 3, 20),
        (vec![31, 2], 4, 32),
        (vec![100], 1, 64),
        (vec![13, 64], 2, 96),
        (vec![3, 3], 1, 128),
    ] {
        let mut boundaries = vec![0];
        for length in &lengths {
            boundaries.push(boundaries.last().unwrap() + length);
        }
        let projected = noise.matrix(boundaries[lengths.len()], 3 * heads * size);
        let expected = softmax_attention(&projected, &boundaries, heads);
        for form in forms() {
            let found = attention(
                &tensor(&projected),
                &Sequences::new(&boundaries),
                &Attention::scaled(heads, size),
                form,
            )
            .unwrap();
            assert_close(
                &found,
                &expected,
                &format!("{form} {lengths:?} {heads}×{size}"),
            );
        }
    }
}

/// A token of another sequence must have no influence, be it as wild as can be.
#[test]
fn attention_does_not_look_across_boundaries() {
    let mut noise = Noise(2);
    let (heads, size, boundaries) = (2, 24, [0, 9, 14, 40]);
    let projected = noise.matrix(40, 3 * heads * size);
    let mut poisoned = projected.clone();
    for row in &mut poisoned[..9] {
        row.fill(f64::NAN);
    }
    for row in &mut poisoned[14..] {
        row.fill(f64::NAN);
    }
    let expected = softmax_attention(&projected, &boundaries, heads);
    for form in forms() {
        let found = attention(
            &tensor(&poisoned),
            &Sequences::new(&boundaries),
            &Attention::scaled(heads, size),
            form,
        )
        .unwrap();
        let own = found.narrow(0, 9, 5).unwrap();
        assert_close(&own, &expected[9..14], form.name());
        let other: Vec<Vec<f32>> = found.to_vec2().unwrap();
        assert!(
            other[0][0].is_nan() && other[20][0].is_nan(),
            "NaN in, NaN out: {form}"
        );
    }
}

/// Scores far apart, where a careless softmax would overflow or give 0/0.
#[test]
fn attention_with_extreme_scores() {
    let mut noise = Noise(3);
    let projected: Vec<Vec<f64>> = noise
        .matrix(20, 3 * 16)
        .into_iter()
        .map(|row| row.into_iter().map(|x| x * 60.0).collect())
        .collect();
    let expected = softmax_attention(&projected, &[0, 20], 1);
    let found = attention(
        &tensor(&projected),
        &Sequences::new(&[0, 20]),
        &Attention::scaled(1, 16),
        forms()[0],
    )
    .unwrap();
    let found: Vec<Vec<f32>> = found.to_vec2().unwrap();
    for (found, expected) in found.iter().flatten().zip(expected.iter().flatten()) {
        assert!(found.is_finite());
        // f32 scores of ten thousand carry an error of a thousandth.
        assert!(
            (f64::from(*found) - expected).abs() < 0.3,
            "{found}, not {expected}"
        );
    }
}

fn exact_activation(activation: Activation, x: f64) -> f64 {
    match activation {
        Activation::Gelu => 0.5 * x * (1.0 + erf(x / std::f64::consts::SQRT_2)),
        Activation::GeluTanh => {
            let inner = (2.0 / std::f64::consts::PI).sqrt() * (x + 0.044_715 * x.powi(3));
            0.5 * x * (1.0 + inner.tanh())
        }
        Activation::Relu => x.max(0.0),
        Activation::Silu => x / (1.0 + (-x).exp()),
        Activation::Tanh => x.tanh(),
    }
}

/// Maclaurin series below 5, where it converges to more digits than are compared.
fn erf(x: f64) -> f64 {
    if x.abs() > 5.0 {
        return x.signum();
    }
    let (mut term, mut sum) = (x, x);
    for n in 1..250 {
        let n = f64::from(n);
        term *= -x * x / n;
        sum += term / (2.0 * n + 1.0);
    }
    sum * 2.0 / std::f64::consts::PI.sqrt()
}

#[test]
fn linear_with_every_activation() {
    let mut noise = Noise(4);
    for (tokens, inputs, outputs) in [
        (1, 1, 1),
        (3, 17, 5),
        (33, 48, 80),
        (129, 64, 2),
        (200, 33, 100),
    ] {
        let x = noise.matrix(tokens, inputs);
        let weight = noise.matrix(outputs, inputs);
        let bias: Vec<f64> = noise.matrix(1, outputs).remove(0);
        for activation in [
            None,
            Some(Activation::Gelu),
            Some(Activation::GeluTanh),
            Some(Activation::Relu),
            Some(Activation::Silu),
            Some(Activation::Tanh),
        ] {
            let expected: Vec<Vec<f64>> = x
                .iter()
                .map(|x| {
                    let outputs = weight.iter().zip(&bias).map(|(weight, bias)| {
                        let sum = x.iter().zip(weight).map(|(x, w)| x * w).sum::<f64>() + bias;
                        activation.map_or(sum, |activation| exact_activation(activation, sum))
                    });
                    outputs.collect()
                })
                .collect();
            for form in forms() {
                let mut layer = Linear::new(&tensor(&weight), Some(&vector(&bias)), form).unwrap();
                if let Some(activation) = activation {
                    layer = layer.with_activation(activation);
                }
                let found = layer.forward(&tensor(&x)).unwrap();
                assert_close(
                    &found,
                    &expected,
                    &format!("{form} {tokens}×{inputs}×{outputs} {activation:?}"),
                );
            }
        }
    }
}

#[test]
fn layer_norm_of_a_sum() {
    let mut noise = Noise(5);
    for (tokens, features) in [(1, 1), (2, 7), (5, 48), (300, 129), (40, 768)] {
        let (x, residual) = (
            noise.matrix(tokens, features),
            noise.matrix(tokens, features),
        );
        let (weight, bias) = (
            noise.matrix(1, features).remove(0),
            noise.matrix(1, features).remove(0),
        );
        let epsilon = 1e-5_f32;
        let expected: Vec<Vec<f64>> = x
            .iter()
            .zip(&residual)
            .map(|(x, residual)| {
                let sum: Vec<f64> = x.iter().zip(residual).map(|(x, r)| x + r).collect();
                let mean = sum.iter().sum::<f64>() / features as f64;
                let variance =
                    sum.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / features as f64;
                let scale = 1.0 / (variance + f64::from(epsilon)).sqrt();
                let affine = weight.iter().zip(&bias);
                sum.iter()
                    .zip(affine)
                    .map(|(x, (w, b))| (x - mean) * scale * w + b)
                    .collect()
            })
            .collect();
        for form in forms() {
            let norm = Norm::new(&vector(&weight), &vector(&bias), Some(epsilon), form).unwrap();
            let found = norm.forward_sum(tensor(&x), &tensor(&residual)).unwrap();
            assert_close(&found, &expected, &format!("{form} {tokens}×{features}"));
        }
    }
}

#[test]
fn the_cpu_form_computes_in_f32_whatever_weights_are_kept_in() {
    assert_eq!(Form::fastest(&Device::Cpu), Form::Cpu);
    assert_eq!(Form::Cpu.activations(DType::F16), DType::F32);
    assert_eq!(Form::Portable.activations(DType::BF16), DType::BF16);
}
