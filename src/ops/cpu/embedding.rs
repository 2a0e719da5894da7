//! Half-precision weights and tables to `f32`: table look-ups, added up, and whole matrices.

use candle_core::{CpuStorage, Result, Tensor, WithDType, bail};
use rayon::prelude::*;

/// The sum over tables of the rows their ids name: `[ids, features]`.
///
/// # Errors
///
/// Fails where an id has no row.
pub(in crate::ops) fn sum_rows(lookups: &[(&Tensor, &[u32])]) -> Result<Tensor> {
    let [(first, ids), ..] = lookups else {
        bail!("no table to look up in")
    };
    let (tokens, features) = (ids.len(), first.dim(1)?);
    let mut output = vec![0.0_f32; tokens * features];
    for (table, ids) in lookups {
        let rows = table.dim(0)?;
        if let Some(id) = ids.iter().find(|&&id| id as usize >= rows) {
            bail!("id {id} has no row in a table of {rows}")
        }
        let (storage, layout) = table.storage_and_layout();
        let candle_core::Storage::Cpu(storage) = &*storage else {
            bail!("the CPU form wants tables on the CPU")
        };
        let Some((start, _)) = layout.contiguous_offsets() else {
            bail!("the CPU form wants contiguous tables")
        };
        match storage {
            CpuStorage::F32(table) => add_rows(&mut output, features, &table[start..], ids),
            CpuStorage::F16(table) => add_rows(&mut output, features, &table[start..], ids),
            CpuStorage::BF16(table) => add_rows(&mut output, features, &table[start..], ids),
            _ => bail!("the CPU form wants tables of f32, f16 or bf16"),
        }
    }
    Tensor::from_vec(output, (tokens, features), first.device())
}

fn add_rows<T: WithDType + Sync>(output: &mut [f32], features: usize, table: &[T], ids: &[u32])
where
    f32: From<T>,
{
    let rows = output.par_chunks_exact_mut(features).zip(ids.par_iter());
    rows.for_each(|(row, &id)| {
        let source = &table[id as usize * features..][..features];
        for (value, &source) in row.iter_mut().zip(source) {
            *value += f32::from(source);
        }
    });
}

/// Elements that one task converts.
const CHUNK: usize = 64 * 1024;

/// A matrix of weights in `f32`: itself, or converted by all threads.
///
/// # Errors
///
/// Fails where it is not contiguous.
pub(in crate::ops) fn to_f32(matrix: &Tensor) -> Result<Tensor> {
    let (storage, layout) = matrix.storage_and_layout();
    let (candle_core::Storage::Cpu(storage), Some((start, end))) =
        (&*storage, layout.contiguous_offsets())
    else {
        bail!("the CPU form wants contiguous weights on the CPU")
    };
    let values = match storage {
        CpuStorage::F32(_) => return Ok(matrix.clone()),
        CpuStorage::F16(values) => convert(&values[start..end]),
        CpuStorage::BF16(values) => convert(&values[start..end]),
        _ => bail!("the CPU form wants weights of f32, f16 or bf16"),
    };
    Tensor::from_vec(values, matrix.shape(), matrix.device())
}

fn convert<T: WithDType + Sync>(values: &[T]) -> Vec<f32>
where
    f32: From<T>,
{
    let mut wide = vec![0.0_f32; values.len()];
    let chunks = wide.par_chunks_mut(CHUNK).zip(values.par_chunks(CHUNK));
    chunks.for_each(|(wide, values)| {
        for (wide, &value) in wide.iter_mut().zip(values) {
            *wide = f32::from(value);
        }
    });
    wide
}
