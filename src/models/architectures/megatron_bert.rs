//! Megatron-BERT (Shoeybi et al., 2019): BERT with norms before attention and
//! feed-forward layers. `MegatronBertModel` of transformers.

use super::bert;
use crate::models::ModelError;
use crate::models::config::{Fields, Sizes};
use crate::models::encoder::Encoded;
use crate::models::encoder::block::{Block, Names};
use crate::models::encoder::embeddings::{Embeddings, Numbering};
use crate::models::encoder::transformer::Transformer;
use crate::models::weights::Weights;

const NAMES: Names = Names {
    attention_norm: "attention.ln",
    output_norm: "ln",
    ..Names::BERT
};

const SIZES: Sizes = Sizes {
    vocabulary: 29_056,
    hidden: 1024,
    layers: 24,
    heads: 16,
    intermediate: 4096,
    ..bert::SIZES
};

/// Makes the encoder.
///
/// # Errors
///
/// Fails where the configuration is not supported, or tensors are missing or of another shape.
pub fn load(fields: &Fields, weights: &Weights<'_>) -> Result<Encoded, ModelError> {
    fields.refuse_variants()?;
    let sizes = Sizes::read(fields, SIZES)?;
    let shape = bert::block_shape(fields, &sizes, bert::EPSILON)?;
    let prefix = weights.find_prefix(&["bert."], "embeddings.word_embeddings.weight");
    let name = format!("{prefix}embeddings");
    let numbering = Some(Numbering::FromZero);
    let embeddings = Embeddings::load(weights, &name, &sizes, sizes.hidden, numbering)?;
    let blocks = (0..sizes.layers).map(|layer| {
        let prefix = format!("{prefix}encoder.layer.{layer}.");
        Block::load(weights, &prefix, &NAMES, &shape)
    });
    let blocks = blocks.collect::<Result<_, _>>()?;
    let mut encoder = Transformer::new(embeddings, blocks, sizes, weights.form());
    let norm = format!("{prefix}encoder.ln");
    encoder.final_norm = Some(weights.norm(&norm, sizes.hidden, shape.epsilon)?);
    Ok(Encoded::new(encoder, &sizes, Some(sizes.max_positions)))
}
