//! RoBERTa (Liu et al., 2019), XLM-RoBERTa and CamemBERT: BERT with positions
//! that begin after the padding id. `RobertaModel` of transformers.

use super::bert;
use crate::models::ModelError;
use crate::models::config::{Fields, Sizes};
use crate::models::encoder::Encoded;
use crate::models::encoder::embeddings::{Embeddings, Numbering};
use crate::models::encoder::transformer::Transformer;
use crate::models::weights::Weights;

/// Makes the encoder.
///
/// # Errors
///
/// Fails where the configuration is not supported, or tensors are missing or of another shape.
pub fn load(fields: &Fields, weights: &Weights<'_>) -> Result<Encoded, ModelError> {
    fields.refuse_variants()?;
    let vocabulary = match fields.text("model_type", "roberta")?.as_str() {
        "roberta" => 50_265,
        _ => bert::SIZES.vocabulary,
    };
    let defaults = Sizes {
        vocabulary,
        ..bert::SIZES
    };
    let sizes = Sizes::read(fields, defaults)?;
    let shape = bert::block_shape(fields, &sizes, bert::EPSILON)?;
    let padding = fields.get("pad_token_id")?.unwrap_or(1);
    let numbering = Numbering::AfterPadding(padding);
    let prefixes = ["roberta.", "camembert.", "xlm_roberta."];
    let prefix = weights.find_prefix(&prefixes, "embeddings.word_embeddings.weight");
    let name = format!("{prefix}embeddings");
    let embeddings = Embeddings::load(weights, &name, &sizes, sizes.hidden, Some(numbering))?;
    let norm = weights.norm(&format!("{name}.LayerNorm"), sizes.hidden, shape.epsilon)?;
    let blocks = bert::blocks(weights, &format!("{prefix}encoder.layer"), &sizes, &shape)?;
    let encoder = Transformer::new(embeddings.with_norm(norm), blocks, sizes, weights.form());
    let longest = numbering.longest(sizes.max_positions);
    Ok(Encoded::new(encoder, &sizes, Some(longest)))
}
