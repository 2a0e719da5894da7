//! ELECTRA (Clark et al., 2020): BERT with embeddings of a width of their own.
//! `ElectraModel` of transformers.

use super::bert;
use crate::models::ModelError;
use crate::models::config::{Fields, Sizes};
use crate::models::encoder::Encoded;
use crate::models::encoder::embeddings::{Embeddings, Numbering};
use crate::models::encoder::transformer::Transformer;
use crate::models::weights::Weights;

const SIZES: Sizes = Sizes {
    hidden: 256,
    heads: 4,
    intermediate: 1024,
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
    let narrow = fields.size("embedding_size", 128)?;
    let prefix = weights.find_prefix(&["electra."], "embeddings.word_embeddings.weight");
    let name = format!("{prefix}embeddings");
    let norm = weights.norm(&format!("{name}.LayerNorm"), narrow, shape.epsilon)?;
    let numbering = Some(Numbering::FromZero);
    let mut embeddings =
        Embeddings::load(weights, &name, &sizes, narrow, numbering)?.with_norm(norm);
    if narrow != sizes.hidden {
        let projection = format!("{prefix}embeddings_project");
        let projection = weights.linear(&projection, narrow, sizes.hidden)?;
        embeddings = embeddings.with_projection(projection, false);
    }
    let blocks = bert::blocks(weights, &format!("{prefix}encoder.layer"), &sizes, &shape)?;
    let encoder = Transformer::new(embeddings, blocks, sizes, weights.form());
    Ok(Encoded::new(encoder, &sizes, Some(sizes.max_positions)))
}
