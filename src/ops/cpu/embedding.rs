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
    for (table, ids) in lookups {
        match (table.stored, table.rounded) {
            (DType::F32, DType::F32) => add_rows(&mut output, table, ids, f32::from_le_bytes),
            (DType::F32, DType::F16) => add_rows(&mut output, table, ids, |bytes| {
                f16::from_f32(f32::from_le_bytes(bytes)).to_f32()
            }),
            (DType::F32, DType::BF16) => add_rows(&mut output, table, ids, |bytes| {
                bf16::from_f32(f32::from_le_bytes(bytes)).to_f32()
            }),
            (DType::F16, DType::F32 | DType::F16) => {
                add_rows(&mut output, table, ids, |bytes| {
                    f16::from_le_bytes(bytes).to_f32()
                });
            }
            (DType::F16, DType::BF16) => add_rows(&mut output, table, ids, |bytes| {
                bf16::from_f32(f16::from_le_bytes(bytes).to_f32()).to_f32()
            }),
            (DType::BF16, DType::F32 | DType::BF16) => {
                add_rows(&mut output, table, ids, |bytes| {
                    bf16::from_le_bytes(bytes).to_f32()
                });
            }
            (DType::BF16, DType::F16) => add_rows(&mut output, table, ids, |bytes| {
                f16::from_f32(bf16::from_le_bytes(bytes).to_f32()).to_f32()
            }),
            (stored, rounded) => bail!("no look-ups of {stored:?} rounded to {rounded:?}"),
        }
    }
    Tensor::from_vec(output, (tokens, features), &Device::Cpu)
}

/// Adds the rows, whose numbers are `SIZE` bytes that `number` reads.
fn add_rows<const SIZE: usize>(
    output: &mut [f32],
    table: &StoredRows,
    ids: &[u32],
    number: impl Fn([u8; SIZE]) -> f32 + Sync,
) {
    threads::for_each_chunk(output, table.features, |row, sums| {
        let bytes = &table.bytes[ids[row] as usize * table.row_bytes()..][..table.row_bytes()];
        let (numbers, _) = bytes.as_chunks();
        for (sum, &bytes) in sums.iter_mut().zip(numbers) {
            *sum += number(bytes);
        }
    });
}
