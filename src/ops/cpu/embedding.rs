//! Table look-ups, added up in `f32`.

use candle_core::{DType, Device, Result, Tensor, bail};
use half::{bf16, f16};

use super::threads;
use crate::ops::embedding::StoredRows;

/// The sum over tables of the rows their ids name, which they have: `[ids, features]`.
pub(in crate::ops) fn sum_rows(lookups: &[(&StoredRows, &[u32])]) -> Result<Tensor> {
    let [(first, ids), ..] = lookups else {
        bail!("no table to look up in")
    };
    let (tokens, features) = (ids.len(), first.features);
    let mut output = vec![0.0_f32; tokens * features];
    for (table, _) in lookups {
        if !(is_float(table.stored) && is_float(table.rounded)) {
            bail!("no look-ups of {:?} as {:?}", table.stored, table.rounded)
        }
    }
    threads::for_each_chunk(&mut output, features, |number, sums| {
        for (table, ids) in lookups {
            let start = ids[number] as usize * table.row_bytes();
            add_row(sums, table, &table.bytes[start..][..table.row_bytes()]);
        }
    });
    Tensor::from_vec(output, (tokens, features), &Device::Cpu)
}

fn is_float(dtype: DType) -> bool {
    matches!(dtype, DType::F32 | DType::F16 | DType::BF16)
}

fn add_row(sums: &mut [f32], table: &StoredRows, row: &[u8]) {
    match table.stored {
        DType::F16 => add_rounded(sums, table, row, |bytes| f16::from_le_bytes(bytes).to_f32()),
        DType::BF16 => add_rounded(sums, table, row, |bytes| {
            bf16::from_le_bytes(bytes).to_f32()
        }),
        _ => add_rounded(sums, table, row, f32::from_le_bytes),
    }
}

/// Adds what `number` reads of each `SIZE` bytes, rounded as the table says.
fn add_rounded<const SIZE: usize>(
    sums: &mut [f32],
    table: &StoredRows,
    row: &[u8],
    number: impl Fn([u8; SIZE]) -> f32,
) {
    let numbers = row.as_chunks().0.iter().map(|&bytes| number(bytes));
    let sums = sums.iter_mut().zip(numbers);
    match table.rounded {
        DType::F16 => sums.for_each(|(sum, x)| *sum += f16::from_f32(x).to_f32()),
        DType::BF16 => sums.for_each(|(sum, x)| *sum += bf16::from_f32(x).to_f32()),
        _ => sums.for_each(|(sum, x)| *sum += x),
    }
}
