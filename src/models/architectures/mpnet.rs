//! MPNet (Song et al., 2020): BERT without segments, with a bias on the scores
//! by relative position. `MPNetModel` of transformers.

use super::bert;
use crate::models::ModelError;
use crate::models::config::{Fields, Sizes};
use crate::models::encoder::Encoded;
use crate::models::encoder::block::{Block, Names};
use crate::models::encoder::embeddings::{Embeddings, Numbering};
use crate::models::encoder::transformer::Transformer;
use crate::models::weights::Weights;
use crate::ops::RelativeBias;

const NAMES: Names = Names {
    projection: ["attention.attn.q", "attention.attn.k", "attention.attn.v"],
    attention_output: "attention.attn.o",
    attention_norm: "attention.LayerNorm",
    ..Names::BERT
};

const SIZES: Sizes = Sizes {
    vocabulary: 30_527,
    segments: 0,
    ..bert::SIZES
};

/// The padding id, which `MPNetEmbeddings` has whatever the configuration says.
const PADDING: u32 = 1;

/// The buckets that `compute_position_bias` sorts distances into, whatever
/// `relative_attention_num_buckets` says.
const BUCKETS: usize = 32;

/// The distance from which on all are in the last bucket.
const FARTHEST: usize = 128;

/// Makes the encoder.
///
/// # Errors
///
/// Fails where the configuration is not supported, or tensors are missing or of another shape.
pub fn load(fields: &Fields, weights: &Weights<'_>) -> Result<Encoded, ModelError> {
    fields.refuse_decoders()?;
    let sizes = Sizes {
        segments: 0,
        ..Sizes::read(fields, SIZES)?
    };
    let shape = bert::block_shape(fields, &sizes, bert::EPSILON)?;
    let buckets = fields.size("relative_attention_num_buckets", BUCKETS)?;
    if buckets < BUCKETS {
        let needed = "32 or more: distances are sorted into 32 buckets in any case";
        return Err(fields.unsupported("relative_attention_num_buckets", buckets, needed));
    }
    let numbering = Numbering::AfterPadding(PADDING);
    let prefix = weights.find_prefix(&["mpnet."], "embeddings.word_embeddings.weight");
    let name = format!("{prefix}embeddings");
    let norm = weights.norm(&format!("{name}.LayerNorm"), sizes.hidden, shape.epsilon)?;
    let embeddings = Embeddings::load(weights, &name, &sizes, sizes.hidden, Some(numbering))?;
    let blocks = (0..sizes.layers).map(|layer| {
        let prefix = format!("{prefix}encoder.layer.{layer}.");
        Block::load(weights, &prefix, &NAMES, &shape)
    });
    let blocks = blocks.collect::<Result<_, _>>()?;
    let longest = numbering.longest(sizes.max_positions);
    let mut encoder = Transformer::new(embeddings.with_norm(norm), blocks, sizes, weights.form());
    encoder.bias = Some(bias(weights, &prefix, buckets, &sizes, longest)?);
    Ok(Encoded::new(encoder, &sizes, Some(longest)))
}

/// The bias of each head by distance, from the table of buckets.
fn bias(
    weights: &Weights<'_>,
    prefix: &str,
    buckets: usize,
    sizes: &Sizes,
    longest: usize,
) -> Result<RelativeBias, ModelError> {
    let name = format!("{prefix}encoder.relative_attention_bias.weight");
    let table = weights.get(&name, &[buckets, sizes.heads])?;
    let bias = table
        .to_dtype(candle_core::DType::F32)
        .and_then(|table| table.to_vec2::<f32>())
        .and_then(|table| {
            let of = |head, distance| table[bucket(distance)][head];
            RelativeBias::new(sizes.heads, longest, weights.device(), of)
        });
    bias.map_err(|source| weights.failed(&name, source))
}

/// `relative_position_bucket` of transformers for `distance` = key − query, in
/// single precision as there.
#[allow(clippy::cast_sign_loss)] // The logarithm of what is at least 1.
fn bucket(distance: isize) -> usize {
    let half = BUCKETS / 2;
    let exact = half / 2;
    let side = if distance > 0 { half } else { 0 };
    let distance = distance.unsigned_abs();
    if distance < exact {
        return side + distance;
    }
    let ratio = (distance as f32 / exact as f32).ln();
    let scale = (FARTHEST as f64 / exact as f64).ln() as f32;
    let beyond = ratio / scale * (half - exact) as f32;
    side + (exact + beyond as usize).min(half - 1)
}

#[cfg(test)]
mod tests {
    use super::bucket;

    #[test]
    fn near_distances_have_buckets_of_their_own() {
        // The figures are those of `MPNetEncoder.relative_position_bucket`.
        let buckets = [0, 1, 7, 8, 11, 12, 16, 23, 32, 64, 90, 91, 127, 128, 500];
        let expected = [0, 1, 7, 8, 8, 9, 10, 11, 12, 14, 14, 15, 15, 15, 15];
        assert_eq!(buckets.map(|distance: isize| bucket(-distance)), expected);
        assert_eq!(bucket(1), 17);
        assert_eq!(bucket(500), 31);
    }
}
