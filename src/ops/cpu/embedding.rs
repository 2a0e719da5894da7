//! Table look-ups, added up in `f32`.

use candle_core::{DType, Device, Result, Tensor, bail};
use half::slice::{HalfBitsSliceExt, HalfFloatSliceExt};
use half::{bf16, f16};

use super::threads;
use crate::ops::embedding::StoredRows;

/// Numbers of a row that are read at once.
const AT_ONCE: usize = 64;

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

/// Adds a row, a few numbers at a time, so that none is widened or rounded by itself.
fn add_row(sums: &mut [f32], table: &StoredRows, row: &[u8]) {
    let bytes = AT_ONCE * table.stored.size_in_bytes();
    for (sums, bytes) in sums.chunks_mut(AT_ONCE).zip(row.chunks(bytes)) {
        let mut numbers = [0.0; AT_ONCE];
        let numbers = &mut numbers[..sums.len()];
        widen(table.stored, bytes, numbers);
        round(table.rounded, numbers);
        for (sum, number) in sums.iter_mut().zip(numbers) {
            *sum += *number;
        }
    }
}

/// Reads as many numbers as there is room for.
fn widen(stored: DType, bytes: &[u8], numbers: &mut [f32]) {
    if stored == DType::F32 {
        for (number, bytes) in numbers.iter_mut().zip(bytes.as_chunks().0) {
            *number = f32::from_le_bytes(*bytes);
        }
        return;
    }
    let mut bits = [0; AT_ONCE];
    let bits = &mut bits[..numbers.len()];
    for (bits, bytes) in bits.iter_mut().zip(bytes.as_chunks().0) {
        *bits = u16::from_le_bytes(*bytes);
    }
    if stored == DType::F16 {
        let narrow: &[f16] = bits.reinterpret_cast();
        narrow.convert_to_f32_slice(numbers);
    } else {
        let narrow: &[bf16] = bits.reinterpret_cast();
        narrow.convert_to_f32_slice(numbers);
    }
}

/// Rounds numbers to what a dtype holds.
fn round(to: DType, numbers: &mut [f32]) {
    match to {
        DType::F16 => {
            let mut narrow = [f16::ZERO; AT_ONCE];
            let narrow = &mut narrow[..numbers.len()];
            narrow.convert_from_f32_slice(numbers);
            narrow.convert_to_f32_slice(numbers);
        }
        DType::BF16 => {
            let mut narrow = [bf16::ZERO; AT_ONCE];
            let narrow = &mut narrow[..numbers.len()];
            narrow.convert_from_f32_slice(numbers);
            narrow.convert_to_f32_slice(numbers);
        }
        _ => {}
    }
}
