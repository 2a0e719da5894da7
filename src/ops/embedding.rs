//! Table look-up.

use candle_core::{DType, Result, Tensor};

use super::span::span;
use super::{Form, cpu};
use crate::measure::profile::{Operation, Work};

/// An embedding table.
#[derive(Debug, Clone)]
pub struct Embedding {
    /// `[rows, features]`, in the dtype that weights are kept in.
    table: Tensor,
}

impl Embedding {
    /// A look-up in `table` (`[rows, features]`).
    pub fn new(table: Tensor) -> Self {
        Self { table }
    }

    /// The number of rows.
    pub fn rows(&self) -> usize {
        self.table.dims()[0]
    }
}

/// The sum over tables of the rows that their ids name: `[ids, features]`, summed in `f32`.
///
/// # Errors
///
/// Fails where an id has no row.
pub fn sum_embeddings(lookups: &[(&Embedding, &[u32])], form: Form) -> Result<Tensor> {
    let Some((first, _)) = lookups.first() else {
        candle_core::bail!("no table to look up in")
    };
    let _span = span(Operation::Embedding, first.table.device(), || {
        work(lookups, form)
    });
    let mut sum: Option<Tensor> = None;
    if form == Form::Cpu {
        let lookups: Vec<_> = lookups.iter().map(|(e, ids)| (&e.table, *ids)).collect();
        return cpu::sum_rows(&lookups);
    }
    for (embedding, ids) in lookups {
        if let Some(id) = ids.iter().find(|&&id| id as usize >= embedding.rows()) {
            // Checked here, for on a GPU candle reads past the table.
            candle_core::bail!("id {id} has no row in a table of {}", embedding.rows())
        }
        let ids = Tensor::from_slice(ids, ids.len(), embedding.table.device())?;
        let rows = embedding
            .table
            .index_select(&ids, 0)?
            .to_dtype(DType::F32)?;
        sum = Some(match sum {
            Some(sum) => (sum + rows)?,
            None => rows,
        });
    }
    let Some(sum) = sum else {
        candle_core::bail!("no table to look up in")
    };
    super::saturate(&sum, first.table.dtype())
}

/// The rows that are read, and their sum.
fn work(lookups: &[(&Embedding, &[u32])], form: Form) -> Work {
    let values = |embedding: &Embedding, ids: &[u32]| {
        ids.len() * embedding.table.dims().last().copied().unwrap_or_default()
    };
    let rows = lookups
        .iter()
        .map(|(embedding, ids)| values(embedding, ids) * embedding.table.dtype().size_in_bytes());
    let sum = lookups.first().map(|(embedding, ids)| {
        let dtype = form.activations(embedding.table.dtype());
        values(embedding, ids) * dtype.size_in_bytes()
    });
    Work {
        flops: 0,
        bytes: rows.chain(sum).sum::<usize>() as u64,
    }
}
