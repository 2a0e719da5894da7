//! RemBERT (Chung et al., 2021): BERT with narrow input embeddings.
//! `RemBertModel` of transformers.

use super::bert;
use crate::models::ModelError;
use crate::models::config::{Fields, Sizes};
use crate::models::encoder::Encoded;
use crate::models::encoder::embeddings::{Embeddings, Numbering};
use crate::models::encoder::transformer::Transformer;
use crate::models::weights::Weights;

const SIZES: Sizes = Sizes {
    vocabulary: 250_300,
    hidden: 1152,
    layers: 32,
    heads: 18,
    intermediate: 4608,
    ..bert::SIZES
};

/// Makes the encoder.
///
/// # Errors
///
/// Fails where the configuration is not supported, or tensors are missing or of another shape.
pub fn load(fields: &Fields, weights: &Weights<'_>) -> Result<Encoded, ModelError> {
    fields.refuse_decoders()?;
    let sizes = Sizes::read(fields, SIZES)?;
    let shape = bert::block_shape(fields, &sizes, bert::EPSILON)?;
    let narrow = fields.size("input_embedding_size", 256)?;
    let prefix = weights.find_prefix(&["rembert."], "embeddings.word_embeddings.weight");
    let name = format!("{prefix}embeddings");
    let norm = weights.norm(&format!("{name}.LayerNorm"), narrow, shape.epsilon)?;
    let projection = format!("{prefix}encoder.embedding_hidden_mapping_in");
    let projection = weights.linear(&projection, narrow, sizes.hidden)?;
    let numbering = Some(Numbering::FromZero);
    let embeddings = Embeddings::load(weights, &name, &sizes, narrow, numbering)?
        .with_norm(norm)
        .with_projection(projection, false);
    let blocks = bert::blocks(weights, &format!("{prefix}encoder.layer"), &sizes, &shape)?;
    let encoder = Transformer::new(embeddings, blocks, sizes, weights.form());
    Ok(Encoded::new(encoder, &sizes, Some(sizes.max_positions)))
}
