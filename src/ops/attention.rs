//! Multi-head self-attention over packed sequences.

use std::sync::OnceLock;

use candle_core::{D, Device, Result, Tensor, bail};

use super::sequences::Sequences;
use super::span::{bytes, span};
use super::{Form, cpu, cuda};
use crate::measure::profile::{Operation, Work};

/// How one layer attends: the shape of its heads, and what is added to the scores.
#[derive(Debug, Clone, Copy)]
pub struct Attention<'a> {
    /// Attention heads.
    pub heads: usize,
    /// What products of queries and keys are multiplied by.
    pub scale: f32,
    /// Tokens at most between a query and the keys it sees; all of them where absent.
    pub reach: Option<usize>,
    /// Added to the scores by distance (MPNet).
    pub bias: Option<&'a RelativeBias>,
    /// Products of content and position (DeBERTa).
    pub disentangled: Option<Disentangled<'a>>,
}

impl Attention<'_> {
    /// Plain scaled dot-product attention: scores are divided by the square root of the head size.
    pub fn scaled(heads: usize, head_size: usize) -> Self {
        Self {
            heads,
            scale: 1.0 / (head_size as f32).sqrt(),
            reach: None,
            bias: None,
            disentangled: None,
        }
    }
}

/// A number for each head and distance that is added to the attention scores.
#[derive(Debug, Clone)]
pub struct RelativeBias {
    /// `[heads, 2·longest − 1]` in `f32`: column `key − query + longest − 1`.
    pub(super) by_distance: Tensor,
    /// The longest sequence the table is for.
    pub(super) longest: usize,
}

impl RelativeBias {
    /// A table from `by_distance(head, key − query)`, for sequences of up to `longest` tokens.
    ///
    /// # Errors
    ///
    /// Fails where the device has no memory left.
    pub fn new(
        heads: usize,
        longest: usize,
        device: &Device,
        by_distance: impl Fn(usize, isize) -> f32,
    ) -> Result<Self> {
        let longest = longest.max(1);
        let limit = isize::try_from(longest - 1).unwrap_or(isize::MAX);
        let values: Vec<f32> = (0..heads)
            .flat_map(|head| (-limit..=limit).map(move |distance| (head, distance)))
            .map(|(head, distance)| by_distance(head, distance))
            .collect();
        let by_distance = Tensor::from_vec(values, (heads, 2 * longest - 1), device)?;
        Ok(Self {
            by_distance,
            longest,
        })
    }
}

/// The products of content with position in disentangled attention (He et al., 2021).
#[derive(Debug, Clone, Copy)]
pub struct Disentangled<'a> {
    /// Position keys, which queries are multiplied with: "content to position".
    pub position_keys: Option<&'a PositionTerms>,
    /// Position queries, which keys are multiplied with: "position to content".
    pub position_queries: Option<&'a PositionTerms>,
    /// The terms' row for each distance.
    pub rows: &'a RelativeRows,
}

/// Projected relative positions of one layer.
#[derive(Debug, Clone)]
pub struct PositionTerms {
    /// `[heads, head_size, rows]`, the rows padded with zeros for whole vectors.
    pub(super) columns: Tensor,
    /// Without the padding.
    rows: usize,
}

impl PositionTerms {
    /// Takes `projected` relative positions (`[rows, heads · head_size]`) apart by
    /// heads, each value multiplied by `scale`.
    ///
    /// # Errors
    ///
    /// Fails where the width is no multiple of the number of heads.
    pub fn new(projected: &Tensor, heads: usize, scale: f32) -> Result<Self> {
        let (rows, width) = projected.dims2()?;
        let padding = rows.next_multiple_of(cpu::COLUMNS) - rows;
        let columns = (projected * f64::from(scale))?
            .pad_with_zeros(0, 0, padding)?
            .reshape((rows + padding, heads, width / heads))?
            .permute((1, 2, 0))?
            .contiguous()?;
        Ok(Self { columns, rows })
    }

    /// What they take in memory.
    pub fn bytes(&self) -> u64 {
        (self.columns.elem_count() * self.columns.dtype().size_in_bytes()) as u64
    }
}

/// The row of a table of relative positions for each distance of query and key.
#[derive(Debug, Clone)]
pub struct RelativeRows {
    /// Entry `query − key + longest − 1`.
    pub(super) rows: Vec<u32>,
    pub(super) longest: usize,
    /// The same on the device of a model.
    #[cfg_attr(not(feature = "cuda"), allow(dead_code))]
    on_device: OnceLock<Tensor>,
}

impl RelativeRows {
    /// Rows from `row(query − key)`, for sequences of up to `longest` tokens.
    pub fn new(longest: usize, row: impl Fn(isize) -> u32) -> Self {
        let longest = longest.max(1);
        let limit = isize::try_from(longest - 1).unwrap_or(isize::MAX);
        Self {
            rows: (-limit..=limit).map(row).collect(),
            longest,
            on_device: OnceLock::new(),
        }
    }

    /// The rows on the device of whoever first asks.
    #[cfg_attr(not(feature = "cuda"), allow(dead_code))]
    pub(super) fn on_device(&self, device: &Device) -> Result<&Tensor> {
        if let Some(rows) = self.on_device.get() {
            return Ok(rows);
        }
        let rows = Tensor::from_slice(&self.rows, self.rows.len(), device)?;
        Ok(self.on_device.get_or_init(|| rows))
    }
}

/// Attention of every sequence with itself.
///
/// `projected` is `[tokens, 3·hidden]`: queries, keys and values side by side.
/// The result is `[tokens, hidden]`. A token sees the tokens of its own sequence only.
///
/// # Errors
///
/// Fails where shapes do not agree, or a sequence is longer than the tables of distances.
pub fn attention(
    projected: &Tensor,
    sequences: &Sequences<'_>,
    attention: &Attention<'_>,
    form: Form,
) -> Result<Tensor> {
    let longest = sequences.longest();
    let bias = attention.bias.map(|bias| bias.longest);
    let rows = attention.disentangled.map(|terms| terms.rows.longest);
    if let Some(limit) = [bias, rows].into_iter().flatten().min()
        && longest > limit
    {
        bail!("a sequence of {longest} tokens, and relative positions for {limit}")
    }
    let _span = span(Operation::Attention, projected.device(), || {
        work(projected, sequences, attention)
    });
    match form {
        Form::Cpu => cpu::attention(projected, sequences.boundaries(), attention),
        Form::Cuda => cuda::attention(projected, sequences, attention),
        Form::Portable => portable(projected, sequences, attention),
    }
}

/// What [`crate::models::SpanModel::window_flops`] counts, from the shapes at hand.
fn work(projected: &Tensor, sequences: &Sequences<'_>, attention: &Attention<'_>) -> Work {
    let hidden = projected.dims().last().copied().unwrap_or_default() / 3;
    let terms = attention.disentangled.iter();
    let terms: Vec<_> = terms
        .flat_map(|terms| terms.position_keys.iter().chain(&terms.position_queries))
        .collect();
    let flops = sequences.iter().map(|tokens| {
        let length = tokens.len();
        // Pairs that are too far apart on one side: 1 + 2 + … of them.
        let reach = attention.reach.unwrap_or(length).min(length);
        let beyond = length.saturating_sub(reach + 1);
        let seen = length * length - beyond * (beyond + 1);
        let rows = terms.iter().map(|terms| terms.rows.min(2 * length));
        4 * seen * hidden + 2 * length * hidden * rows.sum::<usize>()
    });
    let tables = terms.iter().map(|terms| terms.bytes());
    let bias = attention.bias.map(|bias| bytes(&bias.by_distance));
    Work {
        flops: flops.sum::<usize>() as u64,
        bytes: bytes(projected) / 3 * 4 + tables.chain(bias).sum::<u64>(),
    }
}

fn portable(
    projected: &Tensor,
    sequences: &Sequences<'_>,
    attention: &Attention<'_>,
) -> Result<Tensor> {
    let hidden = projected.dim(1)? / 3;
    let head_size = hidden / attention.heads;
    let dtype = projected.dtype();
    let mut outputs = Vec::new();
    for tokens in sequences.iter() {
        let length = tokens.len();
        let sequence = projected.narrow(0, tokens.start, length)?;
        // [3, heads, length, head_size]
        let sequence = sequence
            .reshape((length, 3, attention.heads, head_size))?
            .permute((1, 2, 0, 3))?
            .contiguous()?;
        // Scaled before they are multiplied, where half precision has room for the product.
        let queries = (sequence.get(0)? * f64::from(attention.scale))?;
        let keys = sequence.get(1)?;
        let scores = queries.matmul(&keys.transpose(1, 2)?)?;
        let scores = super::widen(&scores)?;
        let scores = add_to_scores(scores, &queries, &keys, attention)?;
        let weights = candle_nn::ops::softmax(&scores, D::Minus1)?.to_dtype(dtype)?;
        let output = weights.matmul(&sequence.get(2)?)?;
        outputs.push(output.transpose(0, 1)?.reshape((length, hidden))?);
    }
    Tensor::cat(&outputs, 0)
}

/// Bias, disentangled terms and the limit of sight, on `scores` (`[heads, queries, keys]`, `f32`).
fn add_to_scores(
    mut scores: Tensor,
    queries: &Tensor,
    keys: &Tensor,
    attention: &Attention<'_>,
) -> Result<Tensor> {
    let (heads, length, _) = scores.dims3()?;
    let device = scores.device().clone();
    if let Some(bias) = attention.bias {
        let columns = square(length, |query, key| bias.longest - 1 + key - query);
        let columns = Tensor::from_vec(columns, length * length, &device)?;
        let bias = bias.by_distance.index_select(&columns, 1)?;
        scores = (scores + bias.reshape((heads, length, length))?)?;
    }
    if let Some(terms) = attention.disentangled {
        let row = |query: usize, key: usize| {
            terms.rows.rows[terms.rows.longest - 1 + query - key] as usize
        };
        let gather = |content: &Tensor, positions: &PositionTerms, rows: Vec<u32>| {
            let rows = Tensor::from_vec(rows, (1, length, length), &device)?;
            let rows = rows.broadcast_as((heads, length, length))?.contiguous()?;
            let products = content.contiguous()?.matmul(&positions.columns)?;
            super::widen(&products.gather(&rows, D::Minus1)?)
        };
        if let Some(positions) = terms.position_keys {
            scores = (scores + gather(queries, positions, square(length, row))?)?;
        }
        if let Some(positions) = terms.position_queries {
            let by_key = square(length, |key, query| row(query, key));
            let products = gather(keys, positions, by_key)?;
            scores = (scores + products.transpose(1, 2)?)?;
        }
    }
    if let Some(reach) = attention.reach
        && reach < length
    {
        let hidden = |query: usize, key: usize| query.abs_diff(key) > reach;
        let mask = (0..length * length).map(|at| {
            if hidden(at / length, at % length) {
                f32::NEG_INFINITY
            } else {
                0.0
            }
        });
        let mask = Tensor::from_vec(mask.collect::<Vec<_>>(), (length, length), &device)?;
        scores = scores.broadcast_add(&mask)?;
    }
    Ok(scores)
}

/// `value(row, column)` for all pairs below `length`, row by row.
fn square(length: usize, value: impl Fn(usize, usize) -> usize) -> Vec<u32> {
    let pairs = (0..length * length).map(|at| value(at / length, at % length));
    let narrow = pairs.map(|value| u32::try_from(value).unwrap_or(u32::MAX));
    narrow.collect()
}
