//! A token's features beside those of its neighbours.

use candle_core::{Result, Tensor};

use super::sequences::Sequences;
use super::{Form, cuda};

/// For each token the features of the tokens `offsets` away from it, side by
/// side: `[tokens, offsets · features]`. What lies outside the token's sequence is zero.
///
/// A convolution over the sequence is a dense layer on this.
///
/// # Errors
///
/// Fails where the device has no memory left.
pub fn neighbours(
    x: &Tensor,
    sequences: &Sequences<'_>,
    offsets: &[isize],
    form: Form,
) -> Result<Tensor> {
    if form == Form::Cuda {
        return cuda::neighbours(x, sequences, offsets);
    }
    let (tokens, features) = x.dims2()?;
    let padded = x.pad_with_zeros(0, 0, 1)?;
    let mut rows = Vec::with_capacity(tokens * offsets.len());
    for sequence in sequences.iter() {
        for token in sequence.clone() {
            rows.extend(offsets.iter().map(|&offset| {
                let neighbour = token.checked_add_signed(offset);
                // The row after the last is the one of zeros.
                let neighbour = neighbour.filter(|at| sequence.contains(at));
                u32::try_from(neighbour.unwrap_or(tokens)).unwrap_or(u32::MAX)
            }));
        }
    }
    let rows = Tensor::from_vec(rows, tokens * offsets.len(), x.device())?;
    padded
        .index_select(&rows, 0)?
        .reshape((tokens, offsets.len() * features))
}
