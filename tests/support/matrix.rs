//! Small matrices in f64 to hold the operations against.

use candle_core::{Device, Tensor};

/// Numbers that look random and are the same every time, roughly between -2 and 2.
pub struct Noise(pub u64);

impl Noise {
    pub fn next(&mut self) -> f32 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        let unit = (self.0 >> 40) as f32 / (1_u64 << 24) as f32;
        (unit - 0.5) * 4.0
    }

    pub fn matrix(&mut self, rows: usize, columns: usize) -> Vec<Vec<f64>> {
        let row = |noise: &mut Self| (0..columns).map(|_| f64::from(noise.next())).collect();
        (0..rows).map(|_| row(self)).collect()
    }
}

pub fn tensor(matrix: &[Vec<f64>]) -> Tensor {
    let flat: Vec<f32> = matrix.iter().flatten().map(|&x| x as f32).collect();
    Tensor::from_vec(flat, (matrix.len(), matrix[0].len()), &Device::Cpu).unwrap()
}

pub fn vector(values: &[f64]) -> Tensor {
    let flat: Vec<f32> = values.iter().map(|&x| x as f32).collect();
    Tensor::from_vec(flat, values.len(), &Device::Cpu).unwrap()
}

pub fn assert_close(found: &Tensor, expected: &[Vec<f64>], what: &str) {
    assert_eq!(found.dims(), [expected.len(), expected[0].len()], "{what}");
    let found: Vec<Vec<f32>> = found.to_vec2().unwrap();
    for (row, (found, expected)) in found.iter().zip(expected).enumerate() {
        for (column, (found, expected)) in found.iter().zip(expected).enumerate() {
            let error = (f64::from(*found) - expected).abs();
            assert!(
                error <= 2e-5 * (1.0 + expected.abs()),
                "{what}: [{row}, {column}] is {found}, not {expected}"
            );
        }
    }
}
