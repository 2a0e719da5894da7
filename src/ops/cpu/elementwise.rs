//! Activation, residual and layer normalisation, each in one pass over the rows.

use std::marker::PhantomData;

use candle_core::{CpuStorage, InplaceOp2, InplaceOp3, Layout, Result, Tensor};

use super::math::{erf, exp, tanh};
use super::simd::{Kernel, Simd, dispatch};
use super::{contiguous, contiguous_mut, threads};
use crate::ops::Activation;

/// Elements that one parallel task handles at the least: less would not pay for handing it out.
const TASK_ELEMENTS: usize = 16 * 1024;

/// Partial sums kept side by side, so that a row is summed in a fixed order with full vectors.
pub(super) const LANES: usize = 16;

/// Something done to each row of a matrix by itself.
pub(super) trait RowKernel: Sync {
    /// Changes row number `row`.
    fn apply<S: Simd>(&self, simd: S, row: usize, values: &mut [f32]);
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
    fn run<S: Simd>(self, simd: S) {
        for (row, values) in self.values.chunks_exact_mut(self.width).enumerate() {
            self.kernel.apply(simd, self.first + row, values);
        }
    }
}

/// Applies a kernel to all rows, in parallel.
pub(super) fn for_rows(values: &mut [f32], width: usize, kernel: &impl RowKernel) {
    let rows = (TASK_ELEMENTS / width).max(1);
    threads::for_each_chunk(values, rows * width, |task, values| {
        dispatch(Rows {
            kernel,
            first: task * rows,
            width,
            values,
        });
    });
}

/// A function of each element.
pub(super) trait Elementwise: Sync {
    fn of<S: Simd>(simd: S, x: S::f32s) -> S::f32s;
}

/// Applies a function to all values.
#[inline(always)]
pub(super) fn apply<S: Simd, E: Elementwise>(simd: S, values: &mut [f32]) {
    let (vectors, rest) = S::as_mut_simd_f32s(values);
    for vector in vectors {
        *vector = E::of(simd, *vector);
    }
    if !rest.is_empty() {
        let vector = simd.partial_load_f32s(rest);
        simd.partial_store_f32s(rest, E::of(simd, vector));
    }
}

pub(super) struct Gelu;
pub(super) struct GeluTanh;
pub(super) struct Relu;
pub(super) struct Silu;
pub(super) struct Tanh;

/// `x · (1 + y) / 2`.
#[inline(always)]
fn half_of_sum<S: Simd>(simd: S, x: S::f32s, y: S::f32s) -> S::f32s {
    let half = simd.mul_f32s(x, simd.splat_f32s(0.5));
    simd.mul_add_e_f32s(half, y, half)
}

impl Elementwise for Gelu {
    #[inline(always)]
    fn of<S: Simd>(simd: S, x: S::f32s) -> S::f32s {
        let scaled = simd.mul_f32s(x, simd.splat_f32s(std::f32::consts::FRAC_1_SQRT_2));
        half_of_sum(simd, x, erf(simd, scaled))
    }
}

impl Elementwise for GeluTanh {
    #[inline(always)]
    fn of<S: Simd>(simd: S, x: S::f32s) -> S::f32s {
        // The square root of 2/π, as in the definition of gelu_new.
        let scale = simd.splat_f32s(0.797_884_6);
        let cube = simd.mul_f32s(simd.mul_f32s(x, x), x);
        let inner = simd.mul_add_e_f32s(simd.splat_f32s(0.044_715), cube, x);
        half_of_sum(simd, x, tanh(simd, simd.mul_f32s(scale, inner)))
    }
}

impl Elementwise for Relu {
    #[inline(always)]
    fn of<S: Simd>(simd: S, x: S::f32s) -> S::f32s {
        // Not the larger of both, which would turn NaN into 0.
        let zero = simd.splat_f32s(0.0);
        simd.select_f32s(simd.less_than_f32s(x, zero), zero, x)
    }
}

impl Elementwise for Silu {
    #[inline(always)]
    fn of<S: Simd>(simd: S, x: S::f32s) -> S::f32s {
        let power = exp(simd, simd.neg_f32s(x));
        simd.div_f32s(x, simd.add_f32s(power, simd.splat_f32s(1.0)))
    }
}

impl Elementwise for Tanh {
    #[inline(always)]
    fn of<S: Simd>(simd: S, x: S::f32s) -> S::f32s {
        tanh(simd, x)
    }
}

/// Calls `$run!` with the function of an activation: one compiled loop for each.
macro_rules! with_function {
    ($activation:expr, $run:ident) => {{
        use crate::ops::Activation;
        use crate::ops::cpu::elementwise as functions;
        match $activation {
            Activation::Gelu => $run!(functions::Gelu),
            Activation::GeluTanh => $run!(functions::GeluTanh),
            Activation::Relu => $run!(functions::Relu),
            Activation::Silu => $run!(functions::Silu),
            Activation::Tanh => $run!(functions::Tanh),
        }
    }};
}
pub(super) use with_function;

/// Applies the activation to all values.
pub(super) fn activate(values: &mut [f32], activation: Activation) {
    macro_rules! run {
        ($function:ty) => {
            dispatch(Activate::<$function>(values, PhantomData))
        };
    }
    with_function!(activation, run);
}

struct Activate<'a, E>(&'a mut [f32], PhantomData<E>);

impl<E: Elementwise> Kernel for Activate<'_, E> {
    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        apply::<S, E>(simd, self.0);
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
    fn apply<S: Simd>(&self, simd: S, row: usize, values: &mut [f32]) {
        if let Some(residual) = self.residual {
            let residual = &residual[row * values.len()..][..values.len()];
            for (value, residual) in values.iter_mut().zip(residual) {
                *value += residual;
            }
        }
        let (mut mean, mut scale) = (0.0, 1.0);
        if let Some(epsilon) = self.epsilon {
            let count = values.len() as f32;
            mean = sum(simd, values) / count;
            let variance = sum_of_squares(simd, values, mean) / count;
            scale = 1.0 / (variance + epsilon).sqrt();
        }
        for ((value, weight), bias) in values.iter_mut().zip(self.weight).zip(self.bias) {
            *value = (*value - mean) * scale * weight + bias;
        }
    }
}

/// The sum of all values, in a fixed order.
#[inline(always)]
fn sum<S: Simd>(simd: S, values: &[f32]) -> f32 {
    let (chunks, rest) = values.as_chunks::<LANES>();
    let mut lanes = [0.0_f32; LANES];
    // As vectors, for what the compiler makes of arrays are narrow ones.
    let (sums, _) = S::as_mut_simd_f32s(&mut lanes);
    for chunk in chunks {
        let (values, _) = S::as_simd_f32s(chunk);
        for (sum, &value) in sums.iter_mut().zip(values) {
            *sum = simd.add_f32s(*sum, value);
        }
    }
    total(lanes) + rest.iter().sum::<f32>()
}

/// The sum of the squared distances from `center`, in a fixed order.
#[inline(always)]
fn sum_of_squares<S: Simd>(simd: S, values: &[f32], center: f32) -> f32 {
    let (chunks, rest) = values.as_chunks::<LANES>();
    let mut lanes = [0.0_f32; LANES];
    let (sums, _) = S::as_mut_simd_f32s(&mut lanes);
    let centers = simd.splat_f32s(center);
    for chunk in chunks {
        let (values, _) = S::as_simd_f32s(chunk);
        for (sum, &value) in sums.iter_mut().zip(values) {
            let distance = simd.sub_f32s(value, centers);
            *sum = simd.add_f32s(*sum, simd.mul_f32s(distance, distance));
        }
    }
    let rest: f32 = rest.iter().map(|x| (x - center) * (x - center)).sum();
    total(lanes) + rest
}

/// The sum of partial sums, in a fixed order, halves added to halves.
#[inline(always)]
pub(super) fn total(mut lanes: [f32; LANES]) -> f32 {
    let mut half = LANES / 2;
    while half > 0 {
        for lane in 0..half {
            lanes[lane] += lanes[lane + half];
        }
        half /= 2;
    }
    lanes[0]
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
