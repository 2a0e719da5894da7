//! DeBERTa-v2 and -v3 and mDeBERTa (He et al., 2021 and 2023): `DebertaV2Model`
//! of transformers.

use candle_core::Tensor;

use super::bert;
use super::deberta::{EPSILON, embeddings, relative_positions};
use crate::models::ModelError;
use crate::models::config::{Fields, Sizes};
use crate::models::encoder::Encoded;
use crate::models::encoder::block::{Block, BlockShape, Names};
use crate::models::encoder::disentangled::{
    Convolution, DisentangledEncoder, Distances, PositionTypes, PositionedBlock,
};
use crate::models::weights::Weights;
use crate::ops::{ByLength, PositionTerms};

const NAMES: Names = Names {
    projection: [
        "attention.self.query_proj",
        "attention.self.key_proj",
        "attention.self.value_proj",
    ],
    ..Names::BERT
};

const SIZES: Sizes = Sizes {
    vocabulary: 128_100,
    hidden: 1536,
    layers: 24,
    heads: 24,
    intermediate: 6144,
    segments: 0,
    ..bert::SIZES
};

/// What all blocks have in common.
struct Common<'a> {
    shape: BlockShape,
    sizes: Sizes,
    types: PositionTypes,
    /// Whether positions are projected by the layers that project content.
    shares_keys: bool,
    /// The table of relative positions.
    relative: Option<&'a Tensor>,
}

/// Makes the encoder.
///
/// # Errors
///
/// Fails where the configuration is not supported, or tensors are missing or of another shape.
pub fn load(fields: &Fields, weights: &Weights<'_>) -> Result<Encoded, ModelError> {
    fields.refuse_decoders()?;
    let sizes = Sizes::read(fields, SIZES)?;
    let head_size = fields.size("attention_head_size", sizes.head_size())?;
    if head_size != sizes.head_size() {
        let needed = format!("{}, hidden_size / num_attention_heads", sizes.head_size());
        return Err(fields.unsupported("attention_head_size", head_size, &needed));
    }
    let shape = bert::block_shape(fields, &sizes, EPSILON)?;
    let types = PositionTypes::read(fields)?;
    let prefix = weights.find_prefix(&["deberta."], "embeddings.word_embeddings.weight");
    let (embeddings, max_positions) = embeddings(fields, weights, &prefix, &sizes, &shape)?;
    let distances = distances(fields, &sizes)?;
    let relative = distances.map(|distances| {
        let table = relative_positions(
            weights,
            &format!("{prefix}encoder.rel_embeddings"),
            &distances,
            &sizes,
        )?;
        normalised(fields, weights, &prefix, table, &shape)
    });
    let relative = relative.transpose()?;
    let common = Common {
        shape,
        sizes,
        types,
        shares_keys: fields.flag("share_att_key", false)?,
        relative: relative.as_ref(),
    };
    let blocks = (0..sizes.layers).map(|layer| {
        let prefix = format!("{prefix}encoder.layer.{layer}.");
        block(weights, &prefix, &common)
    });
    let encoder = DisentangledEncoder {
        embeddings,
        blocks: blocks.collect::<Result<_, _>>()?,
        convolution: convolution(fields, weights, &prefix, &shape)?,
        distances,
        rows: ByLength::default(),
        scale: types.scale(sizes.head_size()),
        sizes,
        form: weights.form(),
    };
    Ok(Encoded::new(encoder, &sizes, max_positions))
}

fn distances(fields: &Fields, sizes: &Sizes) -> Result<Option<Distances>, ModelError> {
    if !fields.flag("relative_attention", false)? {
        return Ok(None);
    }
    let farthest = fields.optional_size("max_relative_positions")?;
    let farthest = farthest.unwrap_or(sizes.max_positions);
    let buckets = fields.optional_size("position_buckets")?;
    if let Some(buckets) = buckets
        && (buckets < 4 || farthest <= buckets / 2 + 1)
    {
        let needed = "4 or more, and half of them below max_relative_positions";
        return Err(fields.unsupported("position_buckets", buckets, needed));
    }
    Ok(Some(Distances {
        span: buckets.unwrap_or(farthest),
        buckets: buckets.map(|buckets| (buckets, farthest)),
    }))
}

/// The table of relative positions after the norm that `norm_rel_ebd` asks for.
fn normalised(
    fields: &Fields,
    weights: &Weights<'_>,
    prefix: &str,
    table: Tensor,
    shape: &BlockShape,
) -> Result<Tensor, ModelError> {
    let names = fields.text("norm_rel_ebd", "none")?.to_lowercase();
    let mut normalise = false;
    for name in names.split('|') {
        match name.trim() {
            "layer_norm" => normalise = true,
            "none" => {}
            other => return Err(fields.unsupported("norm_rel_ebd", other, "none, layer_norm")),
        }
    }
    if !normalise {
        return Ok(table);
    }
    let name = format!("{prefix}encoder.LayerNorm");
    let norm = weights.norm(&name, shape.hidden, shape.epsilon)?;
    norm.forward(&table)
        .map_err(|source| weights.failed(&name, source))
}

fn block(
    weights: &Weights<'_>,
    prefix: &str,
    common: &Common<'_>,
) -> Result<PositionedBlock, ModelError> {
    let Common {
        shape,
        sizes,
        types,
        ..
    } = common;
    let hidden = sizes.hidden;
    let names = NAMES.projection.map(|name| format!("{prefix}{name}"));
    let names = names.each_ref().map(String::as_str);
    let projection = weights.stacked_linear(&names, hidden, hidden)?;
    let terms = |shared: usize, own: &str, scale: f32| {
        let Some(relative) = common.relative else {
            return Ok(None);
        };
        let name = format!("{prefix}attention.self.{own}");
        let projected = if common.shares_keys {
            projection
                .forward(relative)
                .and_then(|projected| projected.narrow(1, shared * hidden, hidden))
        } else {
            weights.linear(&name, hidden, hidden)?.forward(relative)
        };
        let terms = projected.and_then(|terms| PositionTerms::new(&terms, sizes.heads, scale));
        terms
            .map(Some)
            .map_err(|source| weights.failed(&name, source))
    };
    let mut position_keys = None;
    if types.content_to_position {
        position_keys = terms(1, "pos_key_proj", 1.0)?;
    }
    let mut position_queries = None;
    if types.position_to_content {
        position_queries = terms(0, "pos_query_proj", types.scale(sizes.head_size()))?;
    }
    Ok(PositionedBlock {
        block: Block::with_projection(vec![projection], weights, prefix, &NAMES, shape)?,
        position_keys,
        position_queries,
    })
}

/// The convolution that `conv_kernel_size` asks for.
fn convolution(
    fields: &Fields,
    weights: &Weights<'_>,
    prefix: &str,
    shape: &BlockShape,
) -> Result<Option<Convolution>, ModelError> {
    let size = fields.count("conv_kernel_size", 0)?;
    if size == 0 {
        return Ok(None);
    }
    if size.is_multiple_of(2) || size > 63 {
        return Err(fields.unsupported("conv_kernel_size", size, "odd numbers up to 63"));
    }
    let groups = fields.size("conv_groups", 1)?;
    let hidden = shape.hidden;
    if !hidden.is_multiple_of(groups) {
        let divisors = format!("a divisor of the {hidden} hidden features");
        return Err(fields.unsupported("conv_groups", groups, &divisors));
    }
    let activation = fields.activation("conv_act", "tanh")?;
    let name = format!("{prefix}encoder.conv.conv");
    let own = name.clone();
    let dense = weights.layer(&name, groups, move |weights| {
        let shape = [hidden, hidden / groups, size];
        let kernel = weights.get(&format!("{own}.weight"), &shape)?;
        let bias = weights.get(&format!("{own}.bias"), &[hidden])?;
        let kernel = kernel
            .transpose(1, 2)
            .and_then(|kernel| kernel.reshape((hidden, size * hidden / groups)));
        Ok((
            kernel.map_err(|source| weights.failed(&own, source))?,
            Some(bias),
        ))
    })?;
    let norm = format!("{prefix}encoder.conv.LayerNorm");
    Ok(Some(Convolution {
        dense: dense.with_activation(activation),
        groups,
        reach: isize::try_from(size / 2).unwrap_or_default(),
        norm: weights.norm(&norm, hidden, shape.epsilon)?,
    }))
}
