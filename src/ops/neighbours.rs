//! A token's features beside those of its neighbours.

use candle_core::{Result, Tensor};

use super::sequences::{NO_ROW, Sequences};
use super::{Form, cuda};

/// For each token the features of those that a `list` of [`Sequences::add_neighbours`] names, side by
/// side: `[tokens, offsets · features]`. What lies outside the token's sequence is zero.
///
/// A convolution over the sequence is a dense layer on this.
///
/// # Errors
///
/// Fails where there is no such list, and where the device has no memory left.
pub fn neighbours(
    x: &Tensor,
    sequences: &Sequences<'_>,
    list: usize,
    form: Form,
) -> Result<Tensor> {
    if form == Form::Cuda {
        return cuda::neighbours(x, sequences, list);
    }
    let (tokens, features) = x.dims2()?;
    let list = sequences.list(list, tokens)?;
    let padded = x.pad_with_zeros(0, 0, 1)?;
    let zeros = u32::try_from(tokens).unwrap_or(NO_ROW);
    // The row after the last is the one of zeros.
    let rows: Vec<u32> = list.iter().map(|&row| row.min(zeros)).collect();
    let rows = Tensor::from_vec(rows, list.len(), x.device())?;
    padded
        .index_select(&rows, 0)?
        .reshape((tokens, list.len() / tokens.max(1) * features))
}
