//! The encoder of BERT and its kin: embeddings and a stack of blocks.

use candle_core::{Result as TensorResult, Tensor};

use super::block::{Attending, Block};
use super::embeddings::Embeddings;
use super::{Encoder, attention_flops};
use crate::batch::Batch;
use crate::models::config::Sizes;
use crate::ops::{Attention, Form, Norm, RelativeBias, Rotary, Sequences};

/// Embeddings, blocks, and what differs among the architectures made of them.
pub struct Transformer {
    /// The first hidden states.
    pub embeddings: Embeddings,
    /// The blocks there are weights for.
    pub blocks: Vec<Block>,
    /// Which block each layer is: ALBERT's layers share theirs.
    pub order: Vec<usize>,
    /// Added to all layers' scores by distance (MPNet).
    pub bias: Option<RelativeBias>,
    /// By what all layers turn queries and keys (RoFormer).
    pub rotary: Option<Rotary>,
    /// Where norms stand before what is added to the residual (Megatron), the
    /// norm after the last layer.
    pub final_norm: Option<Norm>,
    /// Heads and features.
    pub sizes: Sizes,
    /// The form of the operations.
    pub form: Form,
}

impl Transformer {
    /// A plain stack: each block once, in order.
    pub fn new(embeddings: Embeddings, blocks: Vec<Block>, sizes: Sizes, form: Form) -> Self {
        Self {
            embeddings,
            order: (0..blocks.len()).collect(),
            blocks,
            bias: None,
            rotary: None,
            final_norm: None,
            sizes,
            form,
        }
    }
}

impl Encoder for Transformer {
    fn look_up<'a>(&self, batch: &'a Batch) -> TensorResult<Sequences<'a>> {
        self.embeddings.look_up(batch)
    }

    fn forward(&self, sequences: &Sequences<'_>) -> TensorResult<Tensor> {
        let attending = Attending {
            sequences,
            attention: Attention {
                bias: self.bias.as_ref(),
                ..Attention::scaled(self.sizes.heads, self.sizes.head_size())
            },
            rotary: self.rotary.as_ref(),
            form: self.form,
        };
        let mut x = self.embeddings.forward(sequences)?;
        for &block in &self.order {
            let block = &self.blocks[block];
            x = match self.final_norm {
                None => block.forward(&x, &attending)?,
                Some(_) => block.forward_norms_first(&x, &attending)?,
            };
        }
        match &self.final_norm {
            None => Ok(x),
            Some(norm) => norm.forward(&x),
        }
    }

    fn window_flops(&self, length: usize) -> u64 {
        let blocks = self.order.iter().map(|&block| &self.blocks[block]);
        let dense: u64 = blocks.map(Block::flops_per_token).sum();
        let dense = dense + self.embeddings.flops_per_token();
        let attention = attention_flops(length, self.sizes.hidden, None);
        dense * length as u64 + attention * self.order.len() as u64
    }
}
