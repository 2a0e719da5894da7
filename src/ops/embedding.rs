//! Table look-up.

use candle_core::{Result, Tensor};

use super::{Form, cpu};

/// An embedding table.
#[derive(Debug, Clone)]
pub struct Embedding {
    /// `[rows, features]`.
    table: Tensor,
}

impl Embedding {
    /// A look-up in `table` (`[rows, features]`).
    pub fn new(table: Tensor) -> Self {
        Self { table }
    }
}

/// The sum over tables of the rows that their ids name: `[ids, features]`.
///
/// # Errors
///
/// Fails where an id has no row.
pub fn sum_embeddings(lookups: &[(&Embedding, &[u32])], form: Form) -> Result<Tensor> {
    if form == Form::Cpu {
        let lookups: Vec<_> = lookups.iter().map(|(e, ids)| (&e.table, *ids)).collect();
        return cpu::sum_rows(&lookups);
    }
    let mut sum: Option<Tensor> = None;
    for (embedding, ids) in lookups {
        let ids = Tensor::from_slice(ids, ids.len(), embedding.table.device())?;
        let rows = embedding.table.index_select(&ids, 0)?;
        sum = Some(match sum {
            Some(sum) => (sum + rows)?,
            None => rows,
        });
    }
    sum.ok_or_else(|| candle_core::Error::Msg("no table to look up in".to_owned()))
}
