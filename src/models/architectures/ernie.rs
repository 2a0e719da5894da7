//! ERNIE 2 and 3 (Sun et al., 2020): BERT with a table of task types.
//! `ErnieModel` of transformers.

use super::bert;
use crate::models::ModelError;
use crate::models::config::{Fields, Sizes};
use crate::models::encoder::Encoded;
use crate::models::encoder::embeddings::{Embeddings, Numbering};
use crate::models::encoder::transformer::Transformer;
use crate::models::weights::Weights;

/// Makes the encoder. The task is number 0, as it is where nobody names one.
///
/// # Errors
///
/// Fails where the configuration is not supported, or tensors are missing or of another shape.
pub fn load(fields: &Fields, weights: &Weights<'_>) -> Result<Encoded, ModelError> {
    fields.refuse_variants()?;
    let sizes = Sizes::read(fields, bert::SIZES)?;
    let shape = bert::block_shape(fields, &sizes, bert::EPSILON)?;
    let prefix = weights.find_prefix(&["ernie."], "embeddings.word_embeddings.weight");
    let name = format!("{prefix}embeddings");
    let norm = weights.norm(&format!("{name}.LayerNorm"), sizes.hidden, shape.epsilon)?;
    let numbering = Some(Numbering::FromZero);
    let mut embeddings =
        Embeddings::load(weights, &name, &sizes, sizes.hidden, numbering)?.with_norm(norm);
    let tasks = format!("{name}.task_type_embeddings");
    if fields.flag("use_task_id", false)? {
        let rows = fields.size("task_type_vocab_size", 3)?;
        embeddings = embeddings.with_constant(weights.embedding(&tasks, rows, sizes.hidden)?);
    } else {
        weights.skip(&tasks);
    }
    let blocks = bert::blocks(weights, &format!("{prefix}encoder.layer"), &sizes, &shape)?;
    let encoder = Transformer::new(embeddings, blocks, sizes, weights.form());
    Ok(Encoded::new(encoder, &sizes, Some(sizes.max_positions)))
}
