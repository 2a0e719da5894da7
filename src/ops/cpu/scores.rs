//! What attention adds to the products of queries and keys: bias, disentangled terms, the limit of sight.

use crate::ops::attention::RelativeRows;

/// What is added to the scores, by head.
pub(super) struct Additions<'a> {
    /// Tokens at most between a query and the keys it sees.
    pub(super) reach: Option<usize>,
    /// `[heads, 2·longest − 1]` and `longest`: see [`crate::ops::RelativeBias`].
    pub(super) bias: Option<(&'a [f32], usize)>,
    pub(super) position_keys: Option<Terms<'a>>,
    pub(super) position_queries: Option<Terms<'a>>,
    pub(super) rows: Option<&'a RelativeRows>,
}

/// `[heads, head_size, columns]`: see [`crate::ops::PositionTerms`].
pub(super) struct Terms<'a> {
    pub(super) values: &'a [f32],
    pub(super) columns: usize,
}

impl Terms<'_> {
    /// The part of one head: `[head_size, columns]`.
    #[inline(always)]
    pub(super) fn head(&self, head: usize, head_size: usize) -> &[f32] {
        &self.values[head * head_size * self.columns..][..head_size * self.columns]
    }
}

/// Adds bias and disentangled terms to one query's scores and takes far keys out of sight.
#[inline(always)]
pub(super) fn add_to_scores(
    additions: &Additions<'_>,
    head: usize,
    query: usize,
    content_to_position: Option<&[f32]>,
    position_to_content: &[f32],
    scores: &mut [f32],
) {
    if let Some((table, longest)) = &additions.bias {
        let start = head * (2 * longest - 1) + longest - 1 - query;
        for (score, bias) in scores.iter_mut().zip(&table[start..]) {
            *score += bias;
        }
    }
    if let Some(rows) = additions.rows {
        // The rows of query − key for key 0, 1, … run backwards.
        let end = rows.longest + query;
        let rows = rows.rows[end - scores.len()..end].iter().rev();
        if let Some(products) = content_to_position {
            for (score, &row) in scores.iter_mut().zip(rows.clone()) {
                *score += products[row as usize];
            }
        }
        if let Some(terms) = &additions.position_queries {
            let products = position_to_content.chunks_exact(terms.columns);
            for ((score, &row), products) in scores.iter_mut().zip(rows).zip(products) {
                *score += products[row as usize];
            }
        }
    }
    if let Some(reach) = additions.reach {
        let first = query.saturating_sub(reach).min(scores.len());
        let end = (query + reach + 1).min(scores.len());
        scores[..first].fill(f32::NEG_INFINITY);
        scores[end..].fill(f32::NEG_INFINITY);
    }
}
