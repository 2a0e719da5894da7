//! Small matrices in f64 to hold the operations against.

use candle_core::Tensor;

use super::device::device;

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
    Tensor::from_vec(flat, (matrix.len(), matrix[0].len()), &device()).unwrap()
}

pub fn vector(values: &[f64]) -> Tensor {
    let flat: Vec<f32> = values.iter().map(|&x| x as f32).collect();
    Tensor::from_vec(flat, values.len(), &device()).unwrap()
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

/// What a twin adds to the score of (head, query, key), both counted within
/// their sequence; nothing where the key is out of sight.
pub type Addition<'a> = dyn Fn(usize, &[f64], &[f64], usize, usize) -> Option<f64> + 'a;

/// Attention written out: `addition` is given the head, its query and key, and their positions.
pub fn attention_twin(
    projected: &[Vec<f64>],
    boundaries: &[usize],
    heads: usize,
    scale: f64,
    addition: &Addition<'_>,
) -> Vec<Vec<f64>> {
    let hidden = projected[0].len() / 3;
    let size = hidden / heads;
    let mut output = vec![vec![0.0; hidden]; projected.len()];
    for pair in boundaries.windows(2) {
        for query in pair[0]..pair[1] {
            for head in 0..heads {
                let part = |token: usize, which: usize| {
                    &projected[token][which * hidden + head * size..][..size]
                };
                let score = |key: usize| -> f64 {
                    let (q, k) = (part(query, 0), part(key, 1));
                    let product: f64 = q.iter().zip(k).map(|(q, k)| q * k).sum();
                    let extra = addition(head, q, k, query - pair[0], key - pair[0]);
                    extra.map_or(f64::NEG_INFINITY, |extra| product * scale + extra)
                };
                let scores: Vec<f64> = (pair[0]..pair[1]).map(score).collect();
                let largest = scores.iter().copied().fold(f64::NEG_INFINITY, f64::max);
                let sum: f64 = scores.iter().map(|s| (s - largest).exp()).sum();
                for (key, score) in (pair[0]..pair[1]).zip(&scores) {
                    let weight = (score - largest).exp() / sum;
                    let values = part(key, 2).iter();
                    let output = &mut output[query][head * size..][..size];
                    for (output, value) in output.iter_mut().zip(values) {
                        *output += weight * value;
                    }
                }
            }
        }
    }
    output
}
