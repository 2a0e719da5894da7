//! The CPU form of the operations, for `f32`.
//!
//! The loops are plain Rust over fixed-size blocks. `pulp` compiles them once
//! for each instruction set and picks one at run time, so that no
//! `target-cpu` is needed, and rayon spreads rows over the current pool.
//! Every value depends on its own row (and sequence) alone and is summed in a
//! fixed order: neither the batch nor the number of threads changes a bit.

mod attention;
mod elementwise;
mod embedding;
mod gate;
mod int8;
mod math;
mod product;
mod rotary;
mod scores;
mod simd;
mod threads;

pub(super) use attention::{COLUMNS, attention};
pub(super) use elementwise::{norm, residual_norm};
pub(super) use embedding::sum_rows;
pub(super) use gate::gate;
pub(super) use int8::{Int8Panels, dense as int8_dense, int8_instructions, int8_tiles};
pub(super) use product::{Panels, dense};
pub(super) use rotary::rotate;
pub(super) use simd::instructions;
pub(crate) use threads::alone;

use candle_core::{CpuStorage, Layout, Result, bail};

/// The elements of a contiguous `f32` tensor.
fn contiguous<'a>(storage: &'a CpuStorage, layout: &Layout) -> Result<&'a [f32]> {
    let Some((start, end)) = layout.contiguous_offsets() else {
        bail!("the CPU form wants contiguous tensors")
    };
    Ok(&storage.as_slice::<f32>()?[start..end])
}

/// The elements of a contiguous `f32` tensor, to write to.
fn contiguous_mut<'a>(storage: &'a mut CpuStorage, layout: &Layout) -> Result<&'a mut [f32]> {
    let Some((start, end)) = layout.contiguous_offsets() else {
        bail!("the CPU form wants contiguous tensors")
    };
    match storage {
        CpuStorage::F32(values) => Ok(&mut values[start..end]),
        _ => bail!("the CPU form wants f32 tensors"),
    }
}
