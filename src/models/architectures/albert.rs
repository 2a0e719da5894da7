//! ALBERT (Lan et al., 2020): BERT with narrow embeddings and layers that share
//! their weights. `AlbertModel` of transformers.

use super::bert;
use crate::models::ModelError;
use crate::models::config::{Fields, Sizes};
use crate::models::encoder::Encoded;
use crate::models::encoder::block::{Block, BlockShape, Names};
use crate::models::encoder::embeddings::{Embeddings, Numbering};
use crate::models::encoder::transformer::Transformer;
use crate::models::weights::Weights;

const NAMES: Names = Names {
    projection: ["attention.query", "attention.key", "attention.value"],
    attention_output: "attention.dense",
    attention_norm: "attention.LayerNorm",
    intermediate: "ffn",
    output: "ffn_output",
    output_norm: "full_layer_layer_norm",
};

const SIZES: Sizes = Sizes {
    vocabulary: 30_000,
    hidden: 4096,
    layers: 12,
    heads: 64,
    intermediate: 16_384,
    max_positions: 512,
    segments: 2,
};

/// Makes the encoder.
///
/// # Errors
///
/// Fails where the configuration is not supported, or tensors are missing or of another shape.
pub fn load(fields: &Fields, weights: &Weights<'_>) -> Result<Encoded, ModelError> {
    fields.refuse_variants()?;
    let sizes = Sizes::read(fields, SIZES)?;
    let narrow = fields.size("embedding_size", 128)?;
    let groups = fields.size("num_hidden_groups", 1)?;
    let inner = fields.layers("inner_group_num", 1)?;
    if groups > sizes.layers {
        return Err(fields.unsupported("num_hidden_groups", groups, "up to num_hidden_layers"));
    }
    let shape = BlockShape {
        activation: fields.activation("hidden_act", "gelu_new")?,
        ..bert::block_shape(fields, &sizes, bert::EPSILON)?
    };
    let prefix = weights.find_prefix(&["albert."], "embeddings.word_embeddings.weight");
    let name = format!("{prefix}embeddings");
    let embeddings = Embeddings::load(weights, &name, &sizes, narrow, Some(Numbering::FromZero))?
        .with_norm(weights.norm(&format!("{name}.LayerNorm"), narrow, shape.epsilon)?);
    let projection = format!("{prefix}encoder.embedding_hidden_mapping_in");
    let projection = weights.linear(&projection, narrow, sizes.hidden)?;
    let mut blocks = Vec::new();
    for group in 0..groups {
        for layer in 0..inner {
            let group = format!("{prefix}encoder.albert_layer_groups.{group}");
            let prefix = format!("{group}.albert_layers.{layer}.");
            blocks.push(Block::load(weights, &prefix, &NAMES, &shape)?);
        }
    }
    let embeddings = embeddings.with_projection(projection, false);
    let mut encoder = Transformer::new(embeddings, blocks, sizes, weights.form());
    encoder.order = (0..sizes.layers)
        .flat_map(|layer| {
            let group = group_of(layer, sizes.layers, groups);
            (0..inner).map(move |layer| group * inner + layer)
        })
        .collect();
    Ok(Encoded::new(encoder, &sizes, Some(sizes.max_positions)))
}

/// The group of a layer, in floating point as transformers computes it.
#[allow(clippy::cast_sign_loss)] // Quotients of counts are not negative.
fn group_of(layer: usize, layers: usize, groups: usize) -> usize {
    (layer as f64 / (layers as f64 / groups as f64)) as usize
}
