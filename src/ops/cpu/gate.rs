//! The gated linear unit in one pass.

use std::marker::PhantomData;

use candle_core::{CpuStorage, CustomOp1, Layout, Result, Shape, Tensor};

use super::contiguous;
use super::elementwise::{self, Elementwise, RowKernel, for_rows, with_function};
use super::simd::Simd;
use crate::ops::Activation;

struct Gate(Activation);

/// See [`crate::ops::gate()`].
pub(in crate::ops) fn gate(x: &Tensor, activation: Activation) -> Result<Tensor> {
    x.apply_op1_no_bwd(&Gate(activation))
}

struct Gated<'a, E> {
    input: &'a [f32],
    function: PhantomData<E>,
}

impl<E: Elementwise> RowKernel for Gated<'_, E> {
    #[inline(always)]
    fn apply<S: Simd>(&self, simd: S, row: usize, values: &mut [f32]) {
        let width = values.len();
        let (input, gate) = self.input[2 * row * width..][..2 * width].split_at(width);
        values.copy_from_slice(input);
        elementwise::apply::<S, E>(simd, values);
        for (value, gate) in values.iter_mut().zip(gate) {
            *value *= gate;
        }
    }
}

impl CustomOp1 for Gate {
    fn name(&self) -> &'static str {
        "gate"
    }

    fn cpu_fwd(&self, storage: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        let input = contiguous(storage, layout)?;
        let (tokens, features) = layout.shape().dims2()?;
        let width = features / 2;
        let mut output = vec![0.0_f32; tokens * width];
        macro_rules! run {
            ($function:ty) => {{
                let kernel = Gated::<$function> {
                    input,
                    function: PhantomData,
                };
                for_rows(&mut output, width, &kernel);
            }};
        }
        with_function!(self.0, run);
        Ok((CpuStorage::F32(output), Shape::from((tokens, width))))
    }
}
