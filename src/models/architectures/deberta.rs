//! DeBERTa (He et al., 2021): BERT with disentangled attention.
//! `DebertaModel` of transformers.

use candle_core::Tensor;

use super::bert;
use crate::models::ModelError;
use crate::models::config::{Fields, Sizes};
use crate::models::encoder::Encoded;
use crate::models::encoder::block::{Block, BlockShape, Names};
use crate::models::encoder::disentangled::{
    DisentangledEncoder, Distances, PositionTypes, PositionedBlock,
};
use crate::models::encoder::embeddings::{Embeddings, Numbering};
use crate::models::weights::Weights;
use crate::ops::{ByLength, Linear, PositionTerms};

/// What DeBERTa adds to variances where a configuration does not say.
pub const EPSILON: f64 = 1e-7;

const SIZES: Sizes = Sizes {
    vocabulary: 50_265,
    segments: 0,
    ..bert::SIZES
};

/// Makes the encoder.
///
/// # Errors
///
/// Fails where the configuration is not supported, or tensors are missing or of another shape.
pub fn load(fields: &Fields, weights: &Weights<'_>) -> Result<Encoded, ModelError> {
    fields.refuse_decoders()?;
    if fields.flag("talking_head", false)? {
        return Err(fields.unsupported("talking_head", true, "false"));
    }
    let sizes = Sizes::read(fields, SIZES)?;
    let shape = bert::block_shape(fields, &sizes, EPSILON)?;
    let types = PositionTypes::read(fields)?;
    let prefix = weights.find_prefix(&["deberta."], "embeddings.word_embeddings.weight");
    let (embeddings, max_positions) = embeddings(fields, weights, &prefix, &sizes, &shape)?;
    let distances = fields.flag("relative_attention", false)?.then(|| {
        let farthest = fields.optional_size("max_relative_positions")?;
        Ok::<_, ModelError>(Distances {
            span: farthest.unwrap_or(sizes.max_positions),
            buckets: None,
        })
    });
    let distances = distances.transpose()?;
    let relative = distances.map(|distances| {
        let name = format!("{prefix}encoder.rel_embeddings");
        relative_positions(weights, &name, &distances, &sizes)
    });
    let relative = relative.transpose()?;
    let blocks = (0..sizes.layers).map(|layer| {
        let prefix = format!("{prefix}encoder.layer.{layer}.");
        block(weights, &prefix, &shape, &sizes, types, relative.as_ref())
    });
    let encoder = DisentangledEncoder {
        embeddings,
        blocks: blocks.collect::<Result<_, _>>()?,
        convolution: None,
        distances,
        rows: ByLength::default(),
        scale: types.scale(sizes.head_size()),
        sizes,
        form: weights.form(),
    };
    Ok(Encoded::new(encoder, &sizes, max_positions))
}

/// Words, perhaps positions and segments; a projection, then a norm.
/// Beside them the longest window, where positions limit it.
///
/// # Errors
///
/// Fails where tensors are missing or of another shape.
pub fn embeddings(
    fields: &Fields,
    weights: &Weights<'_>,
    prefix: &str,
    sizes: &Sizes,
    shape: &BlockShape,
) -> Result<(Embeddings, Option<usize>), ModelError> {
    let name = format!("{prefix}embeddings");
    let width = fields.size("embedding_size", sizes.hidden)?;
    let numbering = if fields.flag("position_biased_input", true)? {
        Some(Numbering::FromZero)
    } else {
        // Some checkpoints kept the table that pre-training used elsewhere.
        weights.skip(&format!("{name}.position_embeddings."));
        None
    };
    let norm = weights.norm(&format!("{name}.LayerNorm"), sizes.hidden, shape.epsilon)?;
    let mut embeddings = Embeddings::load(weights, &name, sizes, width, numbering)?.with_norm(norm);
    if width != sizes.hidden {
        let projection = format!("{name}.embed_proj");
        let projection = weights.linear_with(&projection, width, sizes.hidden, false)?;
        embeddings = embeddings.with_projection(projection, true);
    }
    Ok((embeddings, numbering.map(|_| sizes.max_positions)))
}

/// The table of relative positions: `[2·span, hidden]`, in the dtype of activations.
///
/// # Errors
///
/// Fails where it is missing or of another shape.
pub fn relative_positions(
    weights: &Weights<'_>,
    name: &str,
    distances: &Distances,
    sizes: &Sizes,
) -> Result<Tensor, ModelError> {
    let name = format!("{name}.weight");
    let table = weights.get(&name, &[2 * distances.span, sizes.hidden])?;
    table
        .to_dtype(weights.form().activations(table.dtype()))
        .map_err(|source| weights.failed(&name, source))
}

fn block(
    weights: &Weights<'_>,
    prefix: &str,
    shape: &BlockShape,
    sizes: &Sizes,
    types: PositionTypes,
    relative: Option<&Tensor>,
) -> Result<PositionedBlock, ModelError> {
    let hidden = sizes.hidden;
    let attention = format!("{prefix}attention.self.");
    let terms = |name: &str, bias: bool, scale: f32| {
        let name = format!("{attention}{name}");
        let Some(relative) = relative else {
            return Ok(None);
        };
        let layer = weights.linear_with(&name, hidden, hidden, bias)?;
        let terms = layer
            .forward(relative)
            .and_then(|projected| PositionTerms::new(&projected, sizes.heads, scale));
        terms
            .map(Some)
            .map_err(|source| weights.failed(&name, source))
    };
    let mut position_keys = None;
    if types.content_to_position {
        position_keys = terms("pos_proj", false, 1.0)?;
    }
    let mut position_queries = None;
    if types.position_to_content {
        position_queries = terms("pos_q_proj", true, types.scale(sizes.head_size()))?;
    }
    let projection = vec![projection(weights, &attention, sizes)?];
    Ok(PositionedBlock {
        block: Block::with_projection(projection, weights, prefix, &Names::BERT, shape)?,
        position_keys,
        position_queries,
    })
}

/// One matrix holds each head's queries, keys and values in turn; keys have no bias.
fn projection(weights: &Weights<'_>, attention: &str, sizes: &Sizes) -> Result<Linear, ModelError> {
    let (hidden, heads, head_size) = (sizes.hidden, sizes.heads, sizes.head_size());
    let own = attention.to_owned();
    weights.layer(&format!("{attention}in_proj"), 1, move |weights| {
        let name = format!("{own}in_proj.weight");
        let matrix = weights.get(&name, &[3 * hidden, hidden])?;
        let query_bias = weights.get(&format!("{own}q_bias"), &[hidden])?;
        let value_bias = weights.get(&format!("{own}v_bias"), &[hidden])?;
        let sorted = matrix
            .reshape((heads, 3, head_size, hidden))
            .and_then(|by_head| {
                let matrix = by_head.transpose(0, 1)?.reshape((3 * hidden, hidden))?;
                let bias = [&query_bias, &query_bias.zeros_like()?, &value_bias];
                Ok((matrix, Some(Tensor::cat(&bias, 0)?)))
            });
        sorted.map_err(|source| weights.failed(&name, source))
    })
}
