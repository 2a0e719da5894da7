//! Every instruction set against the portable form, and against the others to the last bit.

use candle_core::Device;

use super::sets::Scalar;
use super::*;
use crate::ops::int8::PortableInt8;
use crate::random::noise;

struct Case {
    rows: usize,
    inputs: usize,
    outputs: usize,
    left: Vec<f32>,
    weight: Tensor,
    bias: Vec<f32>,
    /// What is known of the inputs.
    largest: Option<Vec<f32>>,
}

impl Case {
    fn new(seed: u64, rows: usize, inputs: usize, outputs: usize) -> Self {
        let weight = noise(seed + 1, inputs * outputs);
        Self {
            rows,
            inputs,
            outputs,
            left: noise(seed, rows * inputs),
            weight: Tensor::from_vec(weight, (outputs, inputs), &Device::Cpu).unwrap(),
            bias: noise(seed + 2, outputs),
            largest: None,
        }
    }

    fn weights(&self) -> Int8Weights {
        Int8Weights::new(&self.weight, self.largest.as_deref()).unwrap()
    }

    /// With some instructions, into a result of poison whose rows lie further apart than they must.
    fn on(&self, instructions: Instructions) -> Vec<Vec<f32>> {
        let panels = Int8Panels::on(instructions, &self.weights(), Some(&self.bias));
        let stride = self.outputs + 5;
        let mut result = vec![MaybeUninit::new(f32::NAN); self.rows * stride];
        instructions.run(Product {
            panels: &panels,
            activation: None,
            rows: self.rows,
            left: &self.left,
            left_stride: self.inputs,
            first_output: 2,
            result: &mut result,
            result_stride: stride,
        });
        // SAFETY: all were poison at least.
        let result = unsafe { as_written(&mut result) };
        let rows = result.chunks_exact(stride).map(|row| {
            let (before, rest) = row.split_at(2);
            let (found, after) = rest.split_at(self.outputs);
            let beside = before.iter().chain(after);
            assert!(
                beside.copied().all(f32::is_nan),
                "written beside the result"
            );
            found.to_vec()
        });
        rows.collect()
    }

    fn portable(&self) -> Vec<Vec<f32>> {
        let portable = PortableInt8::new(&self.weights(), &Device::Cpu).unwrap();
        let left = Tensor::from_slice(&self.left, (self.rows, self.inputs), &Device::Cpu).unwrap();
        let bias = Tensor::from_slice(&self.bias, self.outputs, &Device::Cpu).unwrap();
        let product = portable.product(&left).unwrap();
        product.broadcast_add(&bias).unwrap().to_vec2().unwrap()
    }

    /// The product that eight bits stand for.
    fn exact(&self) -> Vec<Vec<f64>> {
        let weight: Vec<Vec<f32>> = self.weight.to_vec2().unwrap();
        let dot = |row: &[f32], output: usize| -> f64 {
            let terms = row.iter().zip(&weight[output]);
            let sum: f64 = terms.map(|(x, w)| f64::from(*x) * f64::from(*w)).sum();
            sum + f64::from(self.bias[output])
        };
        let rows = self.left.chunks_exact(self.inputs);
        let rows = rows.map(|row| (0..self.outputs).map(|output| dot(row, output)).collect());
        rows.collect()
    }
}

#[test]
fn products_of_ragged_shapes() {
    for (number, (rows, inputs, outputs)) in [
        (1, 1, 1),
        (1, 3, 2),
        (2, 16, 48),
        (5, 17, 49),
        (9, 64, 31),
        (10, 7, 97),
        (15, 96, 64),
        (29, 101, 2),
        (43, 128, 100),
        (100, 30, 40),
        (3, 1537, 5),
        (17, 770, 37),
        (1, 3072, 144),
        (512, 5, 3),
        (31, 64, 32),
        (32, 128, 64),
        (33, 65, 33),
        (48, 640, 96),
    ]
    .into_iter()
    .enumerate()
    {
        let mut case = Case::new(10 * number as u64, rows, inputs, outputs);
        if number % 2 == 1 {
            // Some inputs ten times as large as others.
            let of = |input: usize| if input % 7 == 3 { 10.0 } else { 1.0 };
            case.left = case
                .left
                .iter()
                .enumerate()
                .map(|(at, x)| x * of(at % inputs))
                .collect();
            case.largest = Some((0..inputs).map(of).collect());
        }
        let (portable, exact) = (case.portable(), case.exact());
        let first = case.on(Instructions::SCALAR);
        for instructions in Instructions::all() {
            let found = case.on(instructions);
            assert_eq!(
                found,
                first,
                "{rows}x{inputs}x{outputs} {}",
                instructions.name()
            );
        }
        for (found, portable) in first.iter().flatten().zip(portable.iter().flatten()) {
            // The portable sums are of floats, which have 24 bits.
            let bound = 1e-5 * (1.0 + inputs as f32).sqrt();
            assert!((found - portable).abs() < bound, "{found} for {portable}");
        }
        // Half a code of the activations times a weight, and the other way around, each input by
        // itself: errors that add up like steps in random directions, six times their mean at most.
        // Four weights of 1 whose products are added up in 16 bits make the scale four 126ths.
        // Inputs that are ten times as large leave the others a third of the codes.
        let largest = if number % 2 == 1 {
            10.0_f64.sqrt()
        } else {
            1.0
        };
        let bound = 6.0 * largest * (inputs as f64).sqrt() * (1.0 / 255.0 + 1.0 / 63.0);
        for (found, exact) in first.iter().flatten().zip(exact.iter().flatten()) {
            assert!((f64::from(*found) - exact).abs() < bound);
        }
    }
}

/// All weights and inputs at the ends of their ranges: what sums of 16 bits would cut off.
#[test]
fn the_largest_sums_are_exact() {
    let (inputs, outputs) = (4096, 50);
    let mut case = Case::new(3, 10, inputs, outputs);
    case.bias.fill(0.0);
    // Of each eight inputs two, whose codes of 63.5 are rounded to 64: the most that both may be.
    for places in [[0, 1], [0, 4], [1, 4], [2, 7], [6, 7]] {
        let code = 64.0 / 63.5;
        for weight in [1.0_f32, -1.0] {
            let of = |at: usize| {
                if places.contains(&(at % 8)) {
                    weight
                } else {
                    0.0
                }
            };
            let weights: Vec<f32> = (0..outputs * inputs).map(of).collect();
            case.weight = Tensor::from_vec(weights, (outputs, inputs), &Device::Cpu).unwrap();
            for input in [1.0, -1.0] {
                case.left.fill(input);
                for instructions in Instructions::all() {
                    for found in case.on(instructions).concat() {
                        let expected = weight * input * code * (inputs / 4) as f32;
                        assert!((found / expected - 1.0).abs() < 1e-6, "{found}");
                    }
                }
            }
        }
    }
}

/// What is no finite number spoils its row, and no other; zeros and denormals spoil nothing.
#[test]
fn strange_numbers_stay_in_their_row() {
    let mut case = Case::new(99, 20, 40, 50);
    let row = |row: usize| row * 40..(row + 1) * 40;
    let quiet = case.on(Instructions::SCALAR);
    case.left[3 * 40 + 7] = f32::NAN;
    case.left[4 * 40 + 8] = -f32::NAN;
    case.left[5 * 40 + 1] = f32::INFINITY;
    case.left[6 * 40 + 1] = f32::NEG_INFINITY;
    case.left[row(8)].fill(0.0);
    case.left[row(9)].fill(1e-42);
    case.left[row(10)].fill(f32::MAX);
    case.left[10 * 40] = f32::MIN;
    for instructions in Instructions::all() {
        let found = case.on(instructions);
        for (number, found) in found.iter().enumerate() {
            match number {
                3..=6 => assert!(found.iter().all(|x| x.is_nan()), "{number}"),
                8 | 9 => assert_eq!(found, &case.bias),
                10 => assert!(found.iter().all(|x| !x.is_nan())),
                _ => assert_eq!(found, &quiet[number]),
            }
        }
        let portable = case.portable();
        for (number, portable) in portable.iter().enumerate() {
            let numbers = portable.iter().filter(|x| !x.is_nan()).count();
            let expected = if (3..=6).contains(&number) { 0 } else { 50 };
            assert_eq!(numbers, expected, "{number}");
        }
    }
}

/// Each row is as it would be alone, and 0 stays 0.
#[test]
fn codes_are_within_half_a_step() {
    for seed in 0..200 {
        let count = 1 + seed as usize % 70;
        let mut row = noise(seed, count);
        match seed % 5 {
            // As after GELU, far from even around 0; all of one sign; a large one among small ones.
            0 => row.iter_mut().for_each(|x| *x = x.max(-0.1) * 7.0),
            1 => row.iter_mut().for_each(|x| *x = x.abs() + 3.0),
            2 => row.iter_mut().for_each(|x| *x = -x.abs() - 3.0),
            3 => row[0] = 300.0,
            _ => row[count - 1] = 0.0,
        }
        let mut codes = vec![0; count + 3];
        let factors = vec![1.0; count];
        let RowScale { scale, .. } = quantise::<Scalar>(&row, &factors, &mut codes);
        for (code, x) in codes.iter().zip(&row) {
            let distance = (f32::from(*code) * scale - x).abs();
            // The zero is rounded to a code, which moves all others by up to half a step.
            assert!(distance <= 1.001 * scale, "{x}: {code} times {scale}");
            assert!(*x != 0.0 || *code == 0);
        }
    }
}

#[test]
fn short_slices_are_refused_before_anything_is_read() {
    let tile = |left: usize, panel: usize, result: usize, outputs: usize, scales: usize| {
        std::panic::catch_unwind(|| {
            let (left, panel) = (vec![0; left], vec![0; panel]);
            let mut result = vec![MaybeUninit::uninit(); result];
            let (sums, floats) = (vec![0; outputs], vec![0.0; outputs]);
            // SAFETY: every processor has these instructions.
            unsafe {
                Scalar::multiply(Tile {
                    rows: 3,
                    depth: 5,
                    left: &left,
                    left_stride: 6,
                    panel: &panel,
                    outputs: PanelScales {
                        sums: &sums,
                        scales: &floats,
                        bias: &floats,
                    },
                    scales: &vec![RowScale::default(); scales],
                    result: &mut result,
                    result_stride: 9,
                });
            }
        })
        .is_ok()
    };
    assert!(tile(17, 40, 26, 8, 3));
    assert!(!tile(16, 40, 26, 8, 3));
    assert!(!tile(17, 39, 26, 8, 3));
    assert!(!tile(17, 40, 25, 8, 3));
    assert!(!tile(17, 40, 26, 7, 3));
    assert!(!tile(17, 40, 26, 8, 2));
}

#[test]
fn the_operations_of_the_peak_are_counted() {
    let one = int8_tiles(1);
    assert!(one >= 2.0 * 256.0 && int8_tiles(10) == 10.0 * one);
}
