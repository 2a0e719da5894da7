//! BERT (Devlin et al., 2019): `BertModel` of transformers.

use crate::models::ModelError;
use crate::models::config::{Fields, Sizes};
use crate::models::encoder::Encoded;
use crate::models::encoder::block::{Block, BlockShape, Names};
use crate::models::encoder::embeddings::{Embeddings, Numbering};
use crate::models::encoder::transformer::Transformer;
use crate::models::weights::Weights;

/// The defaults of `BertConfig`.
pub const SIZES: Sizes = Sizes {
    vocabulary: 30_522,
    hidden: 768,
    layers: 12,
    heads: 12,
    intermediate: 3072,
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
    let shape = block_shape(fields, &sizes, EPSILON)?;
    let prefix = weights.find_prefix(&["bert."], "embeddings.word_embeddings.weight");
    let name = format!("{prefix}embeddings");
    let embeddings = Embeddings::load(
        weights,
        &name,
        &sizes,
        sizes.hidden,
        Some(Numbering::FromZero),
    )?;
    let norm = weights.norm(&format!("{name}.LayerNorm"), sizes.hidden, shape.epsilon)?;
    let blocks = blocks(weights, &format!("{prefix}encoder.layer"), &sizes, &shape)?;
    let encoder = Transformer::new(embeddings.with_norm(norm), blocks, sizes, weights.form());
    Ok(Encoded::new(encoder, &sizes, Some(sizes.max_positions)))
}

/// What is added to variances where a configuration does not say.
pub const EPSILON: f64 = 1e-12;

/// The block's settings by the names that BERT gave them.
///
/// # Errors
///
/// Fails where a value is not supported.
pub fn block_shape(
    fields: &Fields,
    sizes: &Sizes,
    default_epsilon: f64,
) -> Result<BlockShape, ModelError> {
    Ok(BlockShape {
        hidden: sizes.hidden,
        intermediate: sizes.intermediate,
        activation: fields.activation("hidden_act", "gelu")?,
        epsilon: fields.epsilon("layer_norm_eps", default_epsilon)?,
    })
}

/// The blocks `PREFIX.0`, `PREFIX.1`, … with BERT's names.
///
/// # Errors
///
/// Fails where tensors are missing or of another shape.
pub fn blocks(
    weights: &Weights<'_>,
    prefix: &str,
    sizes: &Sizes,
    shape: &BlockShape,
) -> Result<Vec<Block>, ModelError> {
    let blocks = (0..sizes.layers).map(|layer| {
        let prefix = format!("{prefix}.{layer}.");
        Block::load(weights, &prefix, &Names::BERT, shape)
    });
    blocks.collect()
}
