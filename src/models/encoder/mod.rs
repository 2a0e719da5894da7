//! What the architectures share: embeddings, blocks, and the encoders made of them.

pub mod block;
pub mod disentangled;
pub mod embeddings;
pub mod transformer;

use candle_core::{Result as TensorResult, Tensor};

use crate::batch::Batch;
use crate::models::config::Sizes;
use crate::ops::Sequences;
use crate::windows::TableSizes;

/// A model without its span head.
pub trait Encoder: Send + Sync {
    /// The sequences of a batch, with all that is looked up in tables for its tokens: nothing else of a batch
    /// matters to [`Encoder::forward`].
    ///
    /// # Errors
    ///
    /// Fails where an id has no row.
    fn look_up<'a>(&self, batch: &'a Batch) -> TensorResult<Sequences<'a>>;

    /// The hidden states of all tokens of what was looked up: `[tokens, hidden]`.
    ///
    /// # Errors
    ///
    /// Fails where the tensor library does.
    fn forward(&self, sequences: &Sequences<'_>) -> TensorResult<Tensor>;

    /// Multiplications and additions in matrix products, for a window of `length` tokens.
    fn window_flops(&self, length: usize) -> u64;

    /// What tables computed from the weights take besides them, in bytes.
    fn derived_bytes(&self) -> u64 {
        0
    }
}

/// An encoder, and what the rest of a model must know of it.
pub struct Encoded {
    /// The encoder.
    pub encoder: Box<dyn Encoder>,
    /// Features of its hidden states.
    pub hidden: usize,
    /// Tokens of a window at the most, where there is a limit.
    pub max_positions: Option<usize>,
    /// The tables that tokens are looked up in.
    pub tables: TableSizes,
}

impl Encoded {
    /// An encoder of `sizes`; see [`Encoded::max_positions`].
    pub fn new(
        encoder: impl Encoder + 'static,
        sizes: &Sizes,
        max_positions: Option<usize>,
    ) -> Self {
        Self {
            encoder: Box::new(encoder),
            hidden: sizes.hidden,
            max_positions,
            tables: TableSizes {
                words: sizes.vocabulary,
                segments: sizes.segments,
            },
        }
    }
}

/// Multiplications and additions of attention with `hidden` features over
/// `length` tokens, each of which sees those at most `reach` away: scores and weighted sums.
pub fn attention_flops(length: usize, hidden: usize, reach: Option<usize>) -> u64 {
    let reach = reach.unwrap_or(length).min(length);
    let seen: usize = (0..length)
        .map(|query| (query + reach + 1).min(length) - query.saturating_sub(reach))
        .sum();
    4 * (seen * hidden) as u64
}

#[cfg(test)]
mod tests {
    use super::attention_flops;

    #[test]
    fn what_is_out_of_sight_is_not_counted() {
        assert_eq!(attention_flops(5, 3, None), 4 * 25 * 3);
        // 2 + 3 + 3 + 3 + 2 pairs.
        assert_eq!(attention_flops(5, 3, Some(1)), 4 * 13 * 3);
        assert_eq!(attention_flops(5, 3, Some(9)), 4 * 25 * 3);
    }
}
