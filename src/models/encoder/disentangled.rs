//! The encoder of DeBERTa (He et al., 2021): blocks whose attention multiplies
//! content with relative positions.

use candle_core::{Result as TensorResult, Tensor};

use super::block::{Attending, Block};
use super::embeddings::Embeddings;
use super::{Encoder, attention_flops};
use crate::batch::Batch;
use crate::models::ModelError;
use crate::models::config::{Fields, Sizes};
use crate::ops::{
    Attention, ByLength, Disentangled, Form, Linear, Norm, PositionTerms, RelativeRows, Sequences,
    neighbours,
};

/// What attention multiplies with relative positions: `pos_att_type`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PositionTypes {
    /// `c2p`: queries with position keys.
    pub content_to_position: bool,
    /// `p2c`: keys with position queries.
    pub position_to_content: bool,
}

impl PositionTypes {
    /// Reads `pos_att_type`: a list, or one text with bars between.
    ///
    /// # Errors
    ///
    /// Fails where it names a product of another kind.
    pub fn read(fields: &Fields) -> Result<Self, ModelError> {
        let value: Option<serde_json::Value> = fields.get("pos_att_type")?;
        let names: Vec<String> = match &value {
            None => Vec::new(),
            Some(serde_json::Value::String(text)) => {
                let lower = text.to_lowercase();
                lower
                    .split('|')
                    .map(|name| name.trim().to_owned())
                    .collect()
            }
            Some(_) => fields.get("pos_att_type")?.unwrap_or_default(),
        };
        let mut types = Self {
            content_to_position: false,
            position_to_content: false,
        };
        for name in names {
            let seen = match name.as_str() {
                "c2p" => &mut types.content_to_position,
                "p2c" => &mut types.position_to_content,
                _ => return Err(fields.unsupported("pos_att_type", name, "c2p, p2c, each once")),
            };
            if std::mem::replace(seen, true) {
                return Err(fields.unsupported("pos_att_type", name, "c2p, p2c, each once"));
            }
        }
        Ok(types)
    }

    /// By what scores are multiplied: they are sums of as many products as there are types, and one.
    pub fn scale(self, head_size: usize) -> f32 {
        let products =
            1 + usize::from(self.content_to_position) + usize::from(self.position_to_content);
        1.0 / ((head_size * products) as f32).sqrt()
    }
}

/// How distances become rows of the table of relative positions.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Distances {
    /// Half the rows of the table.
    pub span: usize,
    /// Buckets of logarithmic width for far distances, and the farthest one.
    pub buckets: Option<(usize, usize)>,
}

impl Distances {
    /// The row for `distance` = query − key.
    fn row(self, distance: isize) -> u32 {
        let bucket = match self.buckets {
            Some((buckets, farthest)) => log_bucket(distance, buckets, farthest),
            None => distance,
        };
        let span = isize::try_from(self.span).unwrap_or(isize::MAX / 2);
        u32::try_from((bucket + span).clamp(0, 2 * span - 1)).unwrap_or(0)
    }
}

/// `make_log_bucket_position` of transformers, in single precision as there.
#[allow(clippy::cast_possible_wrap)] // Configured sizes are far below where that begins.
fn log_bucket(distance: isize, buckets: usize, farthest: usize) -> isize {
    let middle = buckets / 2;
    let absolute = distance.unsigned_abs();
    if absolute <= middle {
        return distance;
    }
    let ratio = (absolute as f32 / middle as f32).ln();
    let scale = (((farthest as f64) - 1.0) / middle as f64) as f32;
    let beyond = (ratio / scale.ln() * (middle as f32 - 1.0)).ceil();
    distance.signum() * (beyond as isize + middle as isize)
}

/// A block with the relative positions that its attention multiplies with.
pub struct PositionedBlock {
    /// The block.
    pub block: Block,
    /// Projected relative positions for queries.
    pub position_keys: Option<PositionTerms>,
    /// Projected relative positions for keys.
    pub position_queries: Option<PositionTerms>,
}

/// A convolution over the embeddings, added to what the first block gives (DeBERTa-v2-xlarge).
pub struct Convolution {
    /// The convolution as a dense layer on a token's features beside its neighbours'.
    pub dense: Linear,
    /// Into how many groups the features are cut, each convolved by itself.
    pub groups: usize,
    /// Tokens of the kernel to each side.
    pub reach: isize,
    /// Of the sum.
    pub norm: Norm,
}

impl Convolution {
    fn offsets(&self) -> Vec<isize> {
        (-self.reach..=self.reach).collect()
    }

    /// `list` is that of the neighbours at its offsets.
    fn forward(
        &self,
        embedded: &Tensor,
        x: &Tensor,
        sequences: &Sequences<'_>,
        list: usize,
        form: Form,
    ) -> TensorResult<Tensor> {
        let mut beside = neighbours(embedded, sequences, list, form)?;
        if self.groups > 1 {
            sequences.check_not_recorded("convolutions in groups")?;
            // A group's features of all tokens of the kernel stand together.
            let (tokens, width) = beside.dims2()?;
            let offsets = self.offsets().len();
            let features = width / offsets / self.groups;
            beside = beside
                .reshape((tokens, offsets, self.groups, features))?
                .transpose(1, 2)?
                .reshape((tokens, width))?;
        }
        let convolved = self.dense.forward(&beside)?;
        self.norm.forward_sum(convolved, x)
    }
}

/// Embeddings, blocks and relative positions.
pub struct DisentangledEncoder {
    /// The first hidden states.
    pub embeddings: Embeddings,
    /// The blocks.
    pub blocks: Vec<PositionedBlock>,
    /// The convolution beside the first block.
    pub convolution: Option<Convolution>,
    /// How distances become rows; absent without relative attention.
    pub distances: Option<Distances>,
    /// Of distances in windows of a length.
    pub rows: ByLength<RelativeRows>,
    /// By what scores are multiplied.
    pub scale: f32,
    /// Heads and features.
    pub sizes: Sizes,
    /// The form of the operations.
    pub form: Form,
}

impl Encoder for DisentangledEncoder {
    fn look_up<'a>(&self, batch: &'a Batch) -> TensorResult<Sequences<'a>> {
        let mut sequences = self.embeddings.look_up(batch)?;
        if let Some(convolution) = &self.convolution {
            sequences.add_neighbours(&convolution.offsets());
        }
        Ok(sequences)
    }

    fn forward(&self, sequences: &Sequences<'_>) -> TensorResult<Tensor> {
        let embedded = self.embeddings.forward(sequences)?;
        let rows = self.distances.map(|distances| {
            let row = |distance| distances.row(distance);
            let new = |longest| RelativeRows::new(longest, row);
            self.rows.of(sequences.longest_of_tables(), new)
        });
        let mut x = embedded.clone();
        for (layer, positioned) in self.blocks.iter().enumerate() {
            let disentangled = rows.as_deref().map(|rows| Disentangled {
                position_keys: positioned.position_keys.as_ref(),
                position_queries: positioned.position_queries.as_ref(),
                rows,
            });
            let attending = Attending {
                sequences,
                attention: Attention {
                    scale: self.scale,
                    disentangled,
                    ..Attention::scaled(self.sizes.heads, self.sizes.head_size())
                },
                rotary: None,
                form: self.form,
            };
            x = positioned.block.forward(&x, &attending)?;
            if let Some(convolution) = self.convolution.as_ref().filter(|_| layer == 0) {
                x = convolution.forward(
                    &embedded,
                    &x,
                    sequences,
                    self.embeddings.lists(),
                    self.form,
                )?;
            }
        }
        Ok(x)
    }

    fn window_flops(&self, length: usize) -> u64 {
        let blocks = self
            .blocks
            .iter()
            .map(|layer| layer.block.flops_per_token());
        let convolution = self.convolution.as_ref();
        let dense = blocks.sum::<u64>()
            + self.embeddings.flops_per_token()
            + convolution.map_or(0, |convolution| convolution.dense.flops_per_token());
        let terms: usize = self
            .blocks
            .iter()
            .map(|layer| {
                usize::from(layer.position_keys.is_some())
                    + usize::from(layer.position_queries.is_some())
            })
            .sum();
        // Rows for distances that the window is too short for are no part of its work.
        let rows = 2 * self
            .distances
            .map_or(0, |distances| distances.span.min(length));
        let positions = 2 * (terms * length * rows * self.sizes.hidden) as u64;
        let attention = attention_flops(length, self.sizes.hidden, None);
        dense * length as u64 + attention * self.blocks.len() as u64 + positions
    }

    fn derived_bytes(&self) -> u64 {
        let terms = self
            .blocks
            .iter()
            .flat_map(|layer| layer.position_keys.iter().chain(&layer.position_queries));
        terms.map(PositionTerms::bytes).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn far_distances_share_buckets() {
        // The figures are those of `make_log_bucket_position` in transformers.
        let bucket = |distance| log_bucket(distance, 256, 512);
        let distances = [0, 1, 127, 128, 129, 130, 200, 256, 300, 400, 510, 511];
        let expected = [0, 1, 127, 128, 129, 130, 169, 192, 207, 233, 255, 255];
        assert_eq!(distances.map(bucket), expected);
        assert_eq!(distances.map(|distance| -bucket(-distance)), expected);
    }
}
