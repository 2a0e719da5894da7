//! RoFormer (Su et al., 2021): BERT with rotary positions.
//! `RoFormerModel` of transformers.

use super::bert;
use crate::models::ModelError;
use crate::models::config::{Fields, Sizes};
use crate::models::encoder::Encoded;
use crate::models::encoder::embeddings::Embeddings;
use crate::models::encoder::transformer::Transformer;
use crate::models::weights::Weights;
use crate::ops::Rotary;

const SIZES: Sizes = Sizes {
    vocabulary: 50_000,
    max_positions: 1536,
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
    let narrow = fields.size("embedding_size", sizes.hidden)?;
    let prefix = weights.find_prefix(&["roformer."], "embeddings.word_embeddings.weight");
    let name = format!("{prefix}embeddings");
    let norm = weights.norm(&format!("{name}.LayerNorm"), narrow, shape.epsilon)?;
    let mut embeddings = Embeddings::load(weights, &name, &sizes, narrow, None)?.with_norm(norm);
    if narrow != sizes.hidden {
        let projection = format!("{prefix}embeddings_project");
        let projection = weights.linear(&projection, narrow, sizes.hidden)?;
        embeddings = embeddings.with_projection(projection, false);
    }
    let blocks = bert::blocks(weights, &format!("{prefix}encoder.layer"), &sizes, &shape)?;
    let rotary = rotary(fields, weights, &prefix, &sizes)?;
    let mut encoder = Transformer::new(embeddings, blocks, sizes, weights.form());
    encoder.rotary = Some(rotary);
    Ok(Encoded::new(encoder, &sizes, Some(sizes.max_positions)))
}

/// The most positions that a table is made for here.
const MOST_POSITIONS: usize = 1 << 14;

/// The table of angles, which is part of nearly every checkpoint though nothing learns it.
fn rotary(
    fields: &Fields,
    weights: &Weights<'_>,
    prefix: &str,
    sizes: &Sizes,
) -> Result<Rotary, ModelError> {
    let size = sizes.head_size();
    if !size.is_multiple_of(2) {
        let needed = "features that each head has an even number of";
        return Err(fields.unsupported("hidden_size", sizes.hidden, needed));
    }
    let values = fields.flag("rotary_value", false)?;
    let name = format!("{prefix}encoder.embed_positions.weight");
    if !weights.contains(&name) {
        if sizes.max_positions > MOST_POSITIONS {
            let field = "max_position_embeddings";
            return Err(fields.unsupported(field, sizes.max_positions, "up to 16384"));
        }
        let rotary = Rotary::from_sinusoids(size, sizes.max_positions);
        return Ok(rotary.with_values(values));
    }
    let table = weights.get(&name, &[sizes.max_positions, size])?;
    let table = table
        .to_dtype(candle_core::DType::F32)
        .and_then(|table| table.to_vec2::<f32>())
        .map_err(|source| weights.failed(&name, source))?;
    Ok(Rotary::from_table(&table, size / 2).with_values(values))
}
