//! Multi-head self-attention over packed sequences.

use candle_core::{D, Result, Tensor};

use super::{Form, cpu};

/// Scaled dot-product attention of every sequence with itself.
///
/// `projected` is `[tokens, 3·hidden]`: queries, keys and values side by
/// side, each of `heads` heads. `boundaries` are the sequences' starts and the
/// end. The result is `[tokens, hidden]`. Scores are scaled by `1/√head_size`.
/// A token sees the tokens of its own sequence only, so no mask is needed.
///
/// # Errors
///
/// Fails where shapes do not agree.
pub fn attention(
    projected: &Tensor,
    boundaries: &[usize],
    heads: usize,
    form: Form,
) -> Result<Tensor> {
    match form {
        Form::Cpu => cpu::attention(projected, boundaries, heads),
        Form::Portable => portable(projected, boundaries, heads),
    }
}

fn portable(projected: &Tensor, boundaries: &[usize], heads: usize) -> Result<Tensor> {
    let hidden = projected.dim(1)? / 3;
    let head_size = hidden / heads;
    let scale = 1.0 / (head_size as f64).sqrt();
    let mut outputs = Vec::with_capacity(boundaries.len());
    for pair in boundaries.windows(2) {
        let length = pair[1] - pair[0];
        let sequence = projected.narrow(0, pair[0], length)?;
        // [3, heads, length, head_size]
        let sequence = sequence
            .reshape((length, 3, heads, head_size))?
            .permute((1, 2, 0, 3))?
            .contiguous()?;
        let (queries, keys) = ((sequence.get(0)? * scale)?, sequence.get(1)?);
        let scores = queries.matmul(&keys.transpose(1, 2)?)?;
        let weights = candle_nn::ops::softmax(&scores, D::Minus1)?;
        let output = weights.matmul(&sequence.get(2)?)?;
        outputs.push(output.transpose(0, 1)?.reshape((length, hidden))?);
    }
    Tensor::cat(&outputs, 0)
}
