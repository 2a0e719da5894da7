//! Table look-ups, added up in `f32`.

use candle_core::{CpuStorage, Result, Tensor, WithDType, bail};

use super::threads;

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
    threads::for_each_chunk(output, features, |number, row| {
        let source = &table[ids[number] as usize * features..][..features];
        for (value, &source) in row.iter_mut().zip(source) {
            *value += f32::from(source);
        }
    });
}
