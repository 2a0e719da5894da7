//! SqueezeBERT (Iandola et al., 2020): BERT with dense layers cut into groups.
//! `SqueezeBertModel` of transformers.

use super::bert;
use crate::models::ModelError;
use crate::models::config::{Fields, Sizes};
use crate::models::encoder::Encoded;
use crate::models::encoder::block::Block;
use crate::models::encoder::embeddings::{Embeddings, Numbering};
use crate::models::encoder::transformer::Transformer;
use crate::models::weights::Weights;
use crate::ops::{Activation, Linear};

/// Of the norms in the blocks, whatever the configuration says.
const EPSILON: f32 = 1e-12;

/// Into how many groups each dense layer is cut.
struct Groups {
    projection: [usize; 3],
    attention_output: usize,
    intermediate: usize,
    output: usize,
}

impl Groups {
    fn read(fields: &Fields, sizes: &Sizes) -> Result<Self, ModelError> {
        let groups = |field, default, inputs: usize, outputs: usize| {
            let groups = fields.size(field, default)?;
            if inputs.is_multiple_of(groups) && outputs.is_multiple_of(groups) {
                return Ok(groups);
            }
            let divisors = format!("divisors of {inputs} and {outputs}");
            Err(fields.unsupported(field, groups, &divisors))
        };
        let (hidden, wide) = (sizes.hidden, sizes.intermediate);
        Ok(Self {
            projection: [
                groups("q_groups", 4, hidden, hidden)?,
                groups("k_groups", 4, hidden, hidden)?,
                groups("v_groups", 4, hidden, hidden)?,
            ],
            attention_output: groups("post_attention_groups", 1, hidden, hidden)?,
            intermediate: groups("intermediate_groups", 4, hidden, wide)?,
            output: groups("output_groups", 4, wide, hidden)?,
        })
    }
}

/// Makes the encoder.
///
/// # Errors
///
/// Fails where the configuration is not supported, or tensors are missing or of another shape.
pub fn load(fields: &Fields, weights: &Weights<'_>) -> Result<Encoded, ModelError> {
    fields.refuse_decoders()?;
    let sizes = Sizes::read(fields, bert::SIZES)?;
    let epsilon = fields.epsilon("layer_norm_eps", EPSILON.into())?;
    let activation = fields.activation("hidden_act", "gelu")?;
    let width = fields.size("embedding_size", sizes.hidden)?;
    if width != sizes.hidden {
        let needed = format!("{}, the hidden size", sizes.hidden);
        return Err(fields.unsupported("embedding_size", width, &needed));
    }
    let groups = Groups::read(fields, &sizes)?;
    let prefix = weights.find_prefix(&["transformer."], "embeddings.word_embeddings.weight");
    let name = format!("{prefix}embeddings");
    let norm = weights.norm(&format!("{name}.LayerNorm"), width, epsilon)?;
    let numbering = Some(Numbering::FromZero);
    let embeddings = Embeddings::load(weights, &name, &sizes, width, numbering)?.with_norm(norm);
    let blocks = (0..sizes.layers).map(|layer| {
        let prefix = format!("{prefix}encoder.layers.{layer}");
        block(weights, &prefix, &sizes, &groups, activation)
    });
    let blocks = blocks.collect::<Result<_, _>>()?;
    let encoder = Transformer::new(embeddings, blocks, sizes, weights.form());
    Ok(Encoded::new(encoder, &sizes, Some(sizes.max_positions)))
}

fn block(
    weights: &Weights<'_>,
    prefix: &str,
    sizes: &Sizes,
    groups: &Groups,
    activation: Activation,
) -> Result<Block, ModelError> {
    let (hidden, wide) = (sizes.hidden, sizes.intermediate);
    let dense = |name: &str, inputs, outputs, groups| {
        weights.grouped_linear(&format!("{prefix}.{name}"), inputs, outputs, groups)
    };
    let norm = |name: &str| weights.norm(&format!("{prefix}.{name}"), hidden, EPSILON);
    let projection = ["query", "key", "value"].into_iter().zip(groups.projection);
    let projection: Result<Vec<Linear>, _> = projection
        .map(|(name, groups)| dense(&format!("attention.{name}"), hidden, hidden, groups))
        .collect();
    Ok(Block::from_layers(
        projection?,
        [
            dense(
                "post_attention.conv1d",
                hidden,
                hidden,
                groups.attention_output,
            )?,
            dense("intermediate.conv1d", hidden, wide, groups.intermediate)?
                .with_activation(activation),
            dense("output.conv1d", wide, hidden, groups.output)?,
        ],
        [norm("post_attention.layernorm")?, norm("output.layernorm")?],
    ))
}
