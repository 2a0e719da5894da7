//! DistilBERT (Sanh et al., 2019): BERT without segments. `DistilBertModel` of transformers.

use crate::models::ModelError;
use crate::models::config::{Fields, Sizes};
use crate::models::encoder::Encoded;
use crate::models::encoder::block::{Block, BlockShape, Names};
use crate::models::encoder::embeddings::{Embeddings, Numbering};
use crate::models::encoder::transformer::Transformer;
use crate::models::weights::Weights;

const NAMES: Names = Names {
    projection: ["attention.q_lin", "attention.k_lin", "attention.v_lin"],
    attention_output: "attention.out_lin",
    attention_norm: "sa_layer_norm",
    intermediate: "ffn.lin1",
    output: "ffn.lin2",
    output_norm: "output_layer_norm",
};

/// Not a field of `DistilBertConfig`: the modelling code has it.
const EPSILON: f32 = 1e-12;

/// Makes the encoder. Sinusoidal positions (`sinusoidal_pos_embds`) are in the
/// checkpoint like learned ones, so the field makes no difference.
///
/// # Errors
///
/// Fails where the configuration is not supported, or tensors are missing or of another shape.
pub fn load(fields: &Fields, weights: &Weights<'_>) -> Result<Encoded, ModelError> {
    fields.refuse_decoders()?;
    let sizes = Sizes {
        vocabulary: fields.size("vocab_size", 30_522)?,
        // The usual names are aliases here, and go first, as in `DistilBertConfig`.
        hidden: fields.size("hidden_size", fields.size("dim", 768)?)?,
        layers: fields.layers("num_hidden_layers", fields.layers("n_layers", 6)?)?,
        heads: fields.size("num_attention_heads", fields.size("n_heads", 12)?)?,
        intermediate: fields.size("hidden_dim", 3072)?,
        max_positions: fields.size("max_position_embeddings", 512)?,
        segments: 0,
    };
    let sizes = sizes.checked(fields, "n_heads")?;
    let shape = BlockShape {
        hidden: sizes.hidden,
        intermediate: sizes.intermediate,
        activation: fields.activation("activation", "gelu")?,
        epsilon: EPSILON,
    };
    let prefix = weights.find_prefix(&["distilbert."], "embeddings.word_embeddings.weight");
    let name = format!("{prefix}embeddings");
    let numbering = Some(Numbering::FromZero);
    let embeddings = Embeddings::load(weights, &name, &sizes, sizes.hidden, numbering)?;
    let norm = weights.norm(&format!("{name}.LayerNorm"), sizes.hidden, EPSILON)?;
    let blocks = (0..sizes.layers).map(|layer| {
        let prefix = format!("{prefix}transformer.layer.{layer}.");
        Block::load(weights, &prefix, &NAMES, &shape)
    });
    let blocks = blocks.collect::<Result<_, _>>()?;
    let encoder = Transformer::new(embeddings.with_norm(norm), blocks, sizes, weights.form());
    Ok(Encoded::new(encoder, &sizes, Some(sizes.max_positions)))
}
