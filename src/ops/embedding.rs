//! Table look-up.

use bytes::Bytes;
use candle_core::{DType, Result, Tensor, bail};

use super::sequences::Sequences;
use super::span::span;
use super::{Form, cpu, cuda};
use crate::measure::profile::{Operation, Work};

/// An embedding table.
#[derive(Debug, Clone)]
pub struct Embedding(Table);

#[derive(Debug, Clone)]
enum Table {
    /// `[rows, features]`, in the dtype that weights are kept in: the portable form's.
    Tensor(Tensor),
    /// The same in the CUDA form.
    Cuda(Tensor),
    /// The CPU form's.
    Stored(StoredRows),
}

/// A table as it lies in a weight file: of most vocabularies only a part is ever looked up, and
/// what is not takes no memory.
#[derive(Debug, Clone)]
pub struct StoredRows {
    /// Rows of `features` little-endian numbers, anywhere in memory.
    pub bytes: Bytes,
    /// Numbers of a row.
    pub features: usize,
    /// What the numbers are: `f32`, `f16` or `bf16`.
    pub stored: DType,
    /// What each is rounded to where it is read: one of the same.
    pub rounded: DType,
}

impl StoredRows {
    /// What a row takes.
    pub(super) fn row_bytes(&self) -> usize {
        self.features * self.stored.size_in_bytes()
    }
}

impl Embedding {
    /// A look-up in `table` (`[rows, features]`), in the CUDA form where that is what `form` is, and in
    /// the portable form where it is not.
    pub fn new(table: Tensor, form: Form) -> Self {
        Self(match form {
            Form::Cuda => Table::Cuda(table),
            Form::Portable | Form::Cpu => Table::Tensor(table),
        })
    }

    /// A look-up in rows where they lie, in the CPU form.
    pub fn stored(rows: StoredRows) -> Self {
        Self(Table::Stored(rows))
    }

    /// The number of rows.
    pub fn rows(&self) -> usize {
        match &self.0 {
            Table::Tensor(table) | Table::Cuda(table) => table.dims()[0],
            Table::Stored(rows) => rows.bytes.len() / rows.row_bytes().max(1),
        }
    }

    fn features(&self) -> usize {
        match &self.0 {
            Table::Tensor(table) | Table::Cuda(table) => table.dims()[1],
            Table::Stored(rows) => rows.features,
        }
    }

    /// What a number takes where it is read, and what a number of the sum does.
    fn number_bytes(&self) -> (usize, usize) {
        let (read, sum) = match &self.0 {
            Table::Tensor(table) | Table::Cuda(table) => (table.dtype(), table.dtype()),
            Table::Stored(rows) => (rows.stored, Form::Cpu.activations(rows.rounded)),
        };
        (read.size_in_bytes(), sum.size_in_bytes())
    }
}

/// The sum over tables, which are all of one form, of the rows that a list of `sequences` names, each
/// table with the number of its own: `[rows, features]`, summed in `f32`.
///
/// # Errors
///
/// Fails where there is no such list, and where it was not made for such a table.
pub fn sum_embeddings(tables: &[(&Embedding, usize)], sequences: &Sequences<'_>) -> Result<Tensor> {
    let lookups = tables.iter().map(|&(embedding, list)| {
        let ids = sequences.list(list, embedding.rows())?;
        Ok((embedding, ids))
    });
    let lookups = &lookups.collect::<Result<Vec<_>>>()?;
    let [(first, _), ..] = lookups[..] else {
        bail!("no table to look up in")
    };
    match &first.0 {
        Table::Tensor(table) => {
            let _span = span(Operation::Embedding, table.device(), || work(lookups));
            let tables = of_one_form(lookups, |table| match table {
                Table::Tensor(table) => Some(table),
                Table::Stored(_) | Table::Cuda(_) => None,
            });
            sum_tensors(&tables?, table)
        }
        Table::Cuda(table) => {
            let _span = span(Operation::Embedding, table.device(), || work(lookups));
            let own = of_one_form(lookups, |table| match table {
                Table::Cuda(table) => Some(table),
                Table::Stored(_) | Table::Tensor(_) => None,
            });
            let own = own?.into_iter().zip(tables);
            let own: Vec<_> = own.map(|((table, _), &(_, list))| (table, list)).collect();
            cuda::sum_embeddings(&own, sequences)
        }
        Table::Stored(_) => {
            let device = candle_core::Device::Cpu;
            let _span = span(Operation::Embedding, &device, || work(lookups));
            let tables = of_one_form(lookups, |table| match table {
                Table::Stored(rows) => Some(rows),
                Table::Tensor(_) | Table::Cuda(_) => None,
            });
            cpu::sum_rows(&tables?)
        }
    }
}

type Lookups<'a, T> = Vec<(&'a T, &'a [u32])>;

fn of_one_form<'a, T>(
    lookups: &[(&'a Embedding, &'a [u32])],
    own: impl Fn(&'a Table) -> Option<&'a T>,
) -> Result<Lookups<'a, T>> {
    let tables = lookups
        .iter()
        .map(|(embedding, ids)| own(&embedding.0).map(|table| (table, *ids)));
    match tables.collect() {
        Some(tables) => Ok(tables),
        None => bail!("tables of both forms in one sum"),
    }
}

fn sum_tensors(lookups: &[(&Tensor, &[u32])], first: &Tensor) -> Result<Tensor> {
    let mut sum: Option<Tensor> = None;
    for (table, ids) in lookups {
        let ids = Tensor::from_slice(ids, ids.len(), table.device())?;
        let rows = table.index_select(&ids, 0)?.to_dtype(DType::F32)?;
        sum = Some(match sum {
            Some(sum) => (sum + rows)?,
            None => rows,
        });
    }
    let Some(sum) = sum else {
        bail!("no table to look up in")
    };
    super::saturate(&sum, first.dtype())
}

/// The rows that are read, and their sum.
fn work(lookups: &[(&Embedding, &[u32])]) -> Work {
    let values = |embedding: &Embedding, ids: &[u32]| ids.len() * embedding.features();
    let read = lookups
        .iter()
        .map(|(embedding, ids)| values(embedding, ids) * embedding.number_bytes().0);
    let sum = lookups
        .first()
        .map(|(embedding, ids)| values(embedding, ids) * embedding.number_bytes().1);
    Work {
        flops: 0,
        bytes: read.chain(sum).sum::<usize>() as u64,
    }
}
