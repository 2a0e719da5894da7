//! What a device other than the processor can do at the most: products of square matrices, in the dtype of a
//! run.

use std::time::{Duration, Instant};

use candle_core::{DType, Device, Result, Tensor};

use super::roofline::best_rate;
use crate::ops::{Form, Linear};

/// Rows, columns and depth of the products. A larger size is tried where the one before was fast.
const SIZES: [usize; 6] = [256, 512, 1024, 2048, 4096, 8192];

/// A product that takes longer is large enough, for the next takes eight times as long.
const LARGE_ENOUGH: Duration = Duration::from_millis(20);

/// How long each size is measured.
const TIME: Duration = Duration::from_millis(100);

/// The dtype that a model's record names, where it is one of floating-point numbers.
pub fn dtype(compute_dtype: &str) -> Option<DType> {
    match compute_dtype {
        "f32" => Some(DType::F32),
        "f16" => Some(DType::F16),
        "bf16" => Some(DType::BF16),
        _ => None,
    }
}

/// Operations a second, at the most, of the products that the models' dense layers are made of; multiplication
/// and addition count as one each.
///
/// The numbers multiplied look like those of a model: a card takes less power, and so is faster, where most are
/// zeros or alike.
///
/// # Errors
///
/// Fails where the device cannot multiply, or has no memory even for small matrices.
pub fn matrix_peak_flops_per_s(device: &Device, dtype: DType) -> Result<f64> {
    let mut best = 0.0_f64;
    for size in SIZES {
        let (rate, product) = match measure(device, dtype, size) {
            // What there was memory for has told enough.
            Err(_) if best > 0.0 => break,
            measured => measured?,
        };
        best = best.max(rate);
        if product > LARGE_ENOUGH {
            break;
        }
    }
    Ok(best)
}

/// The best rate of products of one size, and how long one takes.
fn measure(device: &Device, dtype: DType, size: usize) -> Result<(f64, Duration)> {
    let form = Form::fastest(device);
    let layer = Linear::new(&matrix(size, 1, device, dtype)?, None, form)?;
    let x = matrix(size, 2, device, dtype)?;
    let mut fault = Ok(());
    let mut multiply = |times: u64| {
        let computed = (0..times).try_for_each(|_| layer.forward(&x).map(drop));
        let computed = computed.and_then(|()| device.synchronize());
        fault = std::mem::replace(&mut fault, Ok(())).and(computed);
    };
    // The first finds the algorithm.
    multiply(1);
    let started = Instant::now();
    multiply(1);
    let product = started.elapsed();
    let flops = 2.0 * (size as f64).powi(3);
    let rate = best_rate(flops, TIME, multiply);
    fault.map(|()| (rate, product))
}

/// Numbers between -1 and 1, by a linear congruential generator (Knuth's MMIX).
fn matrix(size: usize, seed: u64, device: &Device, dtype: DType) -> Result<Tensor> {
    let mut state = seed;
    let numbers = std::iter::repeat_with(|| {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (state >> 40) as f32 / (1 << 23) as f32 - 1.0
    });
    let numbers = Tensor::from_vec(numbers.take(size * size).collect(), (size, size), device)?;
    numbers.to_dtype(dtype)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_lie_around_zero() {
        let numbers = matrix(64, 1, &Device::Cpu, DType::F32).unwrap();
        let numbers: Vec<f32> = numbers.flatten_all().unwrap().to_vec1().unwrap();
        assert!(numbers.iter().all(|number| number.abs() <= 1.0));
        let mean = numbers.iter().sum::<f32>() / 4096.0;
        let square = numbers.iter().map(|number| number * number).sum::<f32>() / 4096.0;
        // Those of the uniform distribution, within four standard errors.
        assert!(mean.abs() < 4.0 * (1.0_f32 / 3.0 / 4096.0).sqrt(), "{mean}");
        assert!(
            (square - 1.0 / 3.0).abs() < 4.0 * (4.0_f32 / 45.0 / 4096.0).sqrt(),
            "{square}"
        );
    }

    #[test]
    fn a_rate_is_operations_by_time() {
        let started = Instant::now();
        let (rate, product) = measure(&Device::Cpu, DType::F32, 64).unwrap();
        assert!(started.elapsed() >= TIME);
        let flops = 2.0 * 64.0_f64.powi(3);
        // A single one is not faster than the best of many.
        assert!(rate >= 0.5 * flops / product.as_secs_f64(), "{rate}");
        assert!(rate < 1e13, "{rate}");
    }
}
