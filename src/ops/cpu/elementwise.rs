//! Bias, activation, residual and layer normalisation, each in one pass over the rows.

use std::marker::PhantomData;

use candle_core::{CpuStorage, InplaceOp1, InplaceOp2, InplaceOp3, Layout, Result, Tensor};
use rayon::prelude::*;

use super::math::{erf, exp, tanh};
use super::simd::{Kernel, Simd, dispatch};
use super::{contiguous, contiguous_mut};
use crate::ops::Activation;

/// Elements that one parallel task handles at the least: less would not pay for handing it out.
const TASK_ELEMENTS: usize = 16 * 1024;

/// Partial sums kept side by side, so that a row is summed in a fixed order with full vectors.
const LANES: usize = 16;

/// Something done to each row of a matrix by itself.
pub(super) trait RowKernel: Sync {
    /// Changes row number `row`.
    fn apply(&self, row: usize, values: &mut [f32]);
}

/// A run of consecutive rows.
struct Rows<'a, K> {
    kernel: &'a K,
    first: usize,
    width: usize,
    values: &'a mut [f32],
}

impl<K: RowKernel> Kernel for Rows<'_, K> {
    #[inline(always)]
    fn run<S: Simd>(self, _: S) {
        for (row, values) in self.values.chunks_exact_mut(self.width).enumerate() {
            self.kernel.apply(self.first + row, values);
        }
    }
}

/// Applies a kernel to all rows, in parallel.
pub(super) fn for_rows(values: &mut [f32], width: usize, kernel: &impl RowKernel) {
    let rows = (TASK_ELEMENTS / width).max(1);
    let tasks = values.par_chunks_mut(rows * width).enumerate();
    tasks.for_each(|(task, values)| {
        dispatch(Rows {
            kernel,
            first: task * rows,
            width,
            values,
        });
    });
}

/// A function of one element.
pub(super) trait Elementwise: Sync {
    fn of(x: f32) -> f32;
}

pub(super) struct Identity;
pub(super) struct Gelu;
pub(super) struct GeluTanh;
pub(super) struct Relu;
pub(super) struct Silu;
pub(super) struct Tanh;

impl Elementwise for Identity {
    #[inline(always)]
    fn of(x: f32) -> f32 {
        x
    }
}

impl Elementwise for Gelu {
    #[inline(always)]
    fn of(x: f32) -> f32 {
        0.5 * x * (1.0 + erf(x * std::f32::consts::FRAC_1_SQRT_2))
    }
}

impl Elementwise for GeluTanh {
    #[inline(always)]
    fn of(x: f32) -> f32 {
        // The square root of 2/π, as in the definition of gelu_new.
        const SCALE: f32 = 0.797_884_6;
        0.5 * x * (1.0 + tanh(SCALE * (x + 0.044_715 * x * x * x)))
    }
}

impl Elementwise for Relu {
    #[inline(always)]
    fn of(x: f32) -> f32 {
        // Not `max`, which would turn NaN into 0.
        if x < 0.0 { 0.0 } else { x }
    }
}

impl Elementwise for Silu {
    #[inline(always)]
    fn of(x: f32) -> f32 {
        x / (1.0 + exp(-x))
    }
}

impl Elementwise for Tanh {
    #[inline(always)]
    fn of(x: f32) -> f32 {
        tanh(x)
    }
}

/// Calls `$run!` with the function of an optional activation: one compiled loop for each.
macro_rules! with_function {
    ($activation:expr, $run:ident) => {{
        use crate::ops::Activation;
        use crate::ops::cpu::elementwise as functions;
        match $activation {
            None => $run!(functions::Identity),
            Some(Activation::Gelu) => $run!(functions::Gelu),
            Some(Activation::GeluTanh) => $run!(functions::GeluTanh),
            Some(Activation::Relu) => $run!(functions::Relu),
            Some(Activation::Silu) => $run!(functions::Silu),
            Some(Activation::Tanh) => $run!(functions::Tanh),
        }
    }};
}
pub(super) use with_function;

struct AddThen<'a, E> {
    bias: &'a [f32],
    function: PhantomData<E>,
}

impl<E: Elementwise> RowKernel for AddThen<'_, E> {
    #[inline(always)]
    fn apply(&self, _: usize, values: &mut [f32]) {
        for (value, bias) in values.iter_mut().zip(self.bias) {
            *value = E::of(*value + bias);
        }
    }
}

struct AddBias(Option<Activation>);

impl InplaceOp2 for AddBias {
    fn name(&self) -> &'static str {
        "add-bias"
    }

    fn cpu_fwd(
        &self,
        x: &mut CpuStorage,
        x_layout: &Layout,
        bias: &CpuStorage,
        bias_layout: &Layout,
    ) -> Result<()> {
        let bias = contiguous(bias, bias_layout)?;
        let x = contiguous_mut(x, x_layout)?;
        macro_rules! run {
            ($function:ty) => {{
                let kernel = AddThen::<$function> {
                    bias,
                    function: PhantomData,
                };
                for_rows(x, bias.len(), &kernel);
            }};
        }
        with_function!(self.0, run);
        Ok(())
    }
}

struct Activate(Activation);

impl InplaceOp1 for Activate {
    fn name(&self) -> &'static str {
        "activate"
    }

    fn cpu_fwd(&self, x: &mut CpuStorage, layout: &Layout) -> Result<()> {
        let width = layout.shape().dims2()?.1;
        let x = contiguous_mut(x, layout)?;
        macro_rules! run {
            ($function:ty) => {{
                let kernel = Apply::<$function>(PhantomData);
                for_rows(x, width, &kernel);
            }};
        }
        with_function!(Some(self.0), run);
        Ok(())
    }
}

struct Apply<E>(PhantomData<E>);

impl<E: Elementwise> RowKernel for Apply<E> {
    #[inline(always)]
    fn apply(&self, _: usize, values: &mut [f32]) {
        for value in values {
            *value = E::of(*value);
        }
    }
}

/// Adds `bias` (`[features]`), where there is one, to each row of `x`
/// (`[tokens, features]`) in place, then applies the activation.
pub(in crate::ops) fn add_bias(
    x: &Tensor,
    bias: Option<&Tensor>,
    activation: Option<Activation>,
) -> Result<()> {
    match (bias, activation) {
        (Some(bias), activation) => x.inplace_op2(bias, &AddBias(activation)),
        (None, Some(activation)) => x.inplace_op1(&Activate(activation)),
        (None, None) => Ok(()),
    }
}

struct NormOp {
    epsilon: Option<f32>,
}

impl InplaceOp3 for NormOp {
    fn name(&self) -> &'static str {
        "residual-norm"
    }

    fn cpu_fwd(
        &self,
        x: &mut CpuStorage,
        x_layout: &Layout,
        residual: &CpuStorage,
        residual_layout: &Layout,
        affine: &CpuStorage,
        affine_layout: &Layout,
    ) -> Result<()> {
        let residual = contiguous(residual, residual_layout)?;
        let affine = contiguous(affine, affine_layout)?;
        self.run(contiguous_mut(x, x_layout)?, Some(residual), affine);
        Ok(())
    }
}

impl InplaceOp2 for NormOp {
    fn name(&self) -> &'static str {
        "norm"
    }

    fn cpu_fwd(
        &self,
        x: &mut CpuStorage,
        x_layout: &Layout,
        affine: &CpuStorage,
        affine_layout: &Layout,
    ) -> Result<()> {
        let affine = contiguous(affine, affine_layout)?;
        self.run(contiguous_mut(x, x_layout)?, None, affine);
        Ok(())
    }
}

impl NormOp {
    fn run(&self, x: &mut [f32], residual: Option<&[f32]>, affine: &[f32]) {
        let (weight, bias) = affine.split_at(affine.len() / 2);
        let kernel = Normalize {
            residual,
            weight,
            bias,
            epsilon: self.epsilon,
        };
        for_rows(x, weight.len(), &kernel);
    }
}

/// Adds the residual, normalises to mean 0 and variance 1 unless there is no
/// epsilon, scales and shifts.
struct Normalize<'a> {
    residual: Option<&'a [f32]>,
    weight: &'a [f32],
    bias: &'a [f32],
    epsilon: Option<f32>,
}

impl RowKernel for Normalize<'_> {
    #[inline(always)]
    fn apply(&self, row: usize, values: &mut [f32]) {
        if let Some(residual) = self.residual {
            let residual = &residual[row * values.len()..][..values.len()];
            for (value, residual) in values.iter_mut().zip(residual) {
                *value += residual;
            }
        }
        let (mut mean, mut scale) = (0.0, 1.0);
        if let Some(epsilon) = self.epsilon {
            let count = values.len() as f32;
            mean = sum(values) / count;
            let variance = sum_of_squares(values, mean) / count;
            scale = 1.0 / (variance + epsilon).sqrt();
        }
        for ((value, weight), bias) in values.iter_mut().zip(self.weight).zip(self.bias) {
            *value = (*value - mean) * scale * weight + bias;
        }
    }
}

/// The sum of all values, in a fixed order.
#[inline(always)]
fn sum(values: &[f32]) -> f32 {
    let (chunks, rest) = values.as_chunks::<LANES>();
    let mut lanes = [0.0_f32; LANES];
    for chunk in chunks {
        for lane in 0..LANES {
            lanes[lane] += chunk[lane];
        }
    }
    lanes.iter().chain(rest).sum()
}

/// The sum of the squared distances from `center`, in a fixed order.
#[inline(always)]
fn sum_of_squares(values: &[f32], center: f32) -> f32 {
    let (chunks, rest) = values.as_chunks::<LANES>();
    let mut lanes = [0.0_f32; LANES];
    for chunk in chunks {
        for lane in 0..LANES {
            let distance = chunk[lane] - center;
            lanes[lane] += distance * distance;
        }
    }
    let rest: f32 = rest.iter().map(|x| (x - center) * (x - center)).sum();
    lanes.iter().sum::<f32>() + rest
}

/// `x = norm(x + residual)` in place, all rows of `[tokens, features]`.
///
/// `affine` is `[2, features]`: the weights, then the biases.
pub(in crate::ops) fn residual_norm(
    x: &Tensor,
    residual: &Tensor,
    affine: &Tensor,
    epsilon: Option<f32>,
) -> Result<()> {
    x.inplace_op3(residual, affine, &NormOp { epsilon })
}

/// `x = norm(x)` in place, all rows of `[tokens, features]`; `affine` as in [`residual_norm`].
pub(in crate::ops) fn norm(x: &Tensor, affine: &Tensor, epsilon: Option<f32>) -> Result<()> {
    x.inplace_op2(affine, &NormOp { epsilon })
}
