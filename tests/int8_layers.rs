//! Dense layers in eight bits on the device under test: every form gives what the portable one gives on the
//! CPU, on ragged random shapes.

mod support;

use std::sync::Arc;

use candle_core::{DType, Device, Tensor};
use spanbench::ops::{Activation, Form, Linear};
use support::device::{device, forms};
use support::matrix::Noise;

fn random(noise: &mut Noise, rows: usize, columns: usize) -> Tensor {
    // Some features are larger than others, as a model's are.
    let value = |at: usize| noise.next() * if at % columns % 5 == 3 { 8.0 } else { 1.0 };
    let values: Vec<f32> = (0..rows * columns).map(value).collect();
    Tensor::from_vec(values, (rows, columns), &Device::Cpu).unwrap()
}

/// A layer that is settled on eight bits for inputs that are as large as `largest` says.
fn layer(
    (weight, bias): (&Tensor, &Tensor),
    largest: &[f32],
    groups: usize,
    (form, device): (Form, &Device),
) -> Linear {
    let own = [weight, bias].map(|tensor| tensor.to_device(device).unwrap());
    let tensors = {
        let [weight, bias] = own.clone();
        move || Ok((weight.clone(), Some(bias.clone())))
    };
    let known = (&own[0], Some(&own[1]));
    let (layer, trial) = Linear::on_trial("layer", known, tensors, groups, form).unwrap();
    trial.expect_inputs(Arc::from(largest)).unwrap();
    trial.settle(true).unwrap();
    layer
}

/// Numbers of a result, once each was rounded to `dtype`.
fn numbers(x: &Tensor, dtype: DType) -> Vec<f32> {
    let x = x.to_device(&Device::Cpu).unwrap().to_dtype(dtype).unwrap();
    let x = x.to_dtype(DType::F32).unwrap();
    x.flatten_all().unwrap().to_vec1().unwrap()
}

#[test]
fn every_form_gives_what_the_portable_one_does() {
    let mut noise = Noise(41);
    for (tokens, inputs, outputs, groups) in [
        (1, 1, 1, 1),
        (3, 17, 5, 1),
        (130, 64, 129, 1),
        (33, 200, 48, 1),
        (67, 96, 80, 4),
        (129, 384, 130, 1),
    ] {
        let x = random(&mut noise, tokens, inputs);
        let weight = random(&mut noise, outputs, inputs / groups);
        let bias = random(&mut noise, 1, outputs).flatten_all().unwrap();
        let largest = x.abs().unwrap().max(0).unwrap().to_vec1().unwrap();
        for activation in [None, Some(Activation::Relu), Some(Activation::Gelu)] {
            for form in forms() {
                let made = |form, device: &Device| {
                    let layer = layer((&weight, &bias), &largest, groups, (form, device));
                    match activation {
                        Some(activation) => layer.with_activation(activation),
                        None => layer,
                    }
                };
                let dtypes: &[DType] = match form {
                    Form::Cuda => &[DType::F32, DType::F16, DType::BF16],
                    _ => &[DType::F32],
                };
                for &dtype in dtypes {
                    let own = x.to_dtype(dtype).unwrap();
                    let expected = made(Form::Portable, &Device::Cpu);
                    let expected = expected.forward(&own.to_dtype(DType::F32).unwrap());
                    let expected = numbers(&expected.unwrap(), dtype);
                    let found = made(form, &device());
                    let found = found.forward(&own.to_device(&device()).unwrap()).unwrap();
                    // The last bit of what is rounded, which another order of what follows the sums changes.
                    let bound = match dtype {
                        DType::F16 => 1e-3,
                        DType::BF16 => 8e-3,
                        _ => 1e-6,
                    };
                    for (found, expected) in numbers(&found, dtype).iter().zip(&expected) {
                        assert!(
                            (found - expected).abs() <= bound * (1.0 + expected.abs()),
                            "{form} {dtype:?} {tokens} x {inputs} x {outputs} {activation:?}: {found}, not {expected}"
                        );
                    }
                }
            }
        }
    }
}

/// A feature that is no number makes its token's results none, and leaves the others alone.
#[test]
fn what_is_no_number_stays_so() {
    let mut noise = Noise(42);
    let weight = random(&mut noise, 7, 40);
    let bias = random(&mut noise, 1, 7).flatten_all().unwrap();
    let mut values = numbers(&random(&mut noise, 3, 40), DType::F32);
    values[47] = f32::NAN;
    let x = Tensor::from_vec(values, (3, 40), &device()).unwrap();
    for form in forms() {
        let layer = layer((&weight, &bias), &[2.0; 40], 1, (form, &device()));
        let found = numbers(&layer.forward(&x).unwrap(), DType::F32);
        for (at, found) in found.iter().enumerate() {
            assert_eq!(found.is_nan(), at / 7 == 1, "{form} {at}: {found}");
        }
    }
}
