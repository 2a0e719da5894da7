//! Table look-ups, added up.

use candle_core::{Result, Tensor, bail};
use rayon::prelude::*;

use super::contiguous;

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
        let table = contiguous(storage, layout)?;
        let rows = output.par_chunks_exact_mut(features).zip(ids.par_iter());
        rows.for_each(|(row, &id)| {
            let source = &table[id as usize * features..][..features];
            for (value, source) in row.iter_mut().zip(source) {
                *value += source;
            }
        });
    }
    Tensor::from_vec(output, (tokens, features), first.device())
}
