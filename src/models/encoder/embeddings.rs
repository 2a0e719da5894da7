//! Token ids to the first hidden states.

use candle_core::{Result as TensorResult, Tensor};

use crate::batch::Batch;
use crate::models::ModelError;
use crate::models::config::Sizes;
use crate::models::weights::Weights;
use crate::ops::{Embedding, Linear, Norm, Sequences, sum_embeddings};

/// How positions are numbered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Numbering {
    /// From zero.
    FromZero,
    /// From the padding id + 1, counting tokens that are not the padding
    /// token; the padding token itself has the padding id as its position
    /// (`create_position_ids_from_input_ids` of transformers).
    AfterPadding(u32),
}

impl Numbering {
    /// Each token's row of the position table.
    fn positions(self, batch: &Batch, sequences: &Sequences<'_>) -> Vec<u32> {
        let Self::AfterPadding(padding) = self else {
            return sequences.positions().to_vec();
        };
        let mut all = Vec::with_capacity(batch.tokens());
        for tokens in sequences.iter() {
            let mut last = padding;
            for &token in &batch.token_ids[tokens] {
                last += u32::from(token != padding);
                all.push(if token == padding { padding } else { last });
            }
        }
        all
    }

    /// Tokens of a window at the most, with a position table of `rows` rows.
    pub fn longest(self, rows: usize) -> usize {
        match self {
            Self::FromZero => rows,
            Self::AfterPadding(padding) => rows.saturating_sub(padding as usize + 1),
        }
    }
}

/// The sum of tables, with a norm and a projection to the encoder's width.
pub struct Embeddings {
    words: Embedding,
    positions: Option<(Embedding, Numbering)>,
    segments: Option<Embedding>,
    /// A table whose first row every token gets (ERNIE's task types).
    constant: Option<Embedding>,
    norm: Option<Norm>,
    projection: Option<Linear>,
    /// Whether the projection comes before the norm.
    projects_first: bool,
}

impl Embeddings {
    /// Takes `PREFIX.word_embeddings`, `.position_embeddings` where positions are
    /// numbered, and `.token_type_embeddings` where there are segments: `width` features each.
    ///
    /// # Errors
    ///
    /// Fails where tensors are missing or of another shape.
    pub fn load(
        weights: &Weights<'_>,
        prefix: &str,
        sizes: &Sizes,
        width: usize,
        numbering: Option<Numbering>,
    ) -> Result<Self, ModelError> {
        let table = |name: &str, rows| weights.embedding(&format!("{prefix}.{name}"), rows, width);
        let words = table("word_embeddings", sizes.vocabulary)?;
        let positions = numbering.map(|numbering| {
            let positions = table("position_embeddings", sizes.max_positions)?;
            Ok::<_, ModelError>((positions, numbering))
        });
        let segments = (sizes.segments > 0).then(|| table("token_type_embeddings", sizes.segments));
        Ok(Self {
            words,
            positions: positions.transpose()?,
            segments: segments.transpose()?,
            constant: None,
            norm: None,
            projection: None,
            projects_first: false,
        })
    }

    /// With a norm after the sum.
    #[must_use]
    pub fn with_norm(mut self, norm: Norm) -> Self {
        self.norm = Some(norm);
        self
    }

    /// With a projection, before the norm or after it.
    #[must_use]
    pub fn with_projection(mut self, projection: Linear, before_norm: bool) -> Self {
        self.projection = Some(projection);
        self.projects_first = before_norm;
        self
    }

    /// With a table whose first row every token gets.
    #[must_use]
    pub fn with_constant(mut self, table: Embedding) -> Self {
        self.constant = Some(table);
        self
    }

    /// The sequences of a batch, with a list of rows for each table.
    ///
    /// # Errors
    ///
    /// Fails where an id has no row.
    pub fn look_up<'a>(&self, batch: &'a Batch) -> TensorResult<Sequences<'a>> {
        let mut sequences = Sequences::new(&batch.boundaries);
        sequences.add_rows(&batch.token_ids, &self.words)?;
        if let Some((table, numbering)) = &self.positions {
            sequences.add_rows(numbering.positions(batch, &sequences), table)?;
        }
        if let Some(table) = &self.segments {
            sequences.add_rows(&batch.token_types, table)?;
        }
        if let Some(table) = &self.constant {
            sequences.add_rows(vec![0; batch.tokens()], table)?;
        }
        Ok(sequences)
    }

    /// The tables, in the order of [`Embeddings::look_up`]'s lists.
    fn tables(&self) -> impl Iterator<Item = &Embedding> {
        let positions = self.positions.as_ref().map(|(table, _)| table);
        let more = positions.into_iter().chain(&self.segments);
        std::iter::once(&self.words)
            .chain(more)
            .chain(&self.constant)
    }

    /// How many lists [`Embeddings::look_up`] adds.
    pub fn lists(&self) -> usize {
        self.tables().count()
    }

    /// `[tokens, hidden]` of what was looked up.
    ///
    /// # Errors
    ///
    /// Fails where the tensor library does.
    pub fn forward(&self, sequences: &Sequences<'_>) -> TensorResult<Tensor> {
        let tables: Vec<_> = self.tables().zip(0..).collect();
        let mut x = sum_embeddings(&tables, sequences)?;
        if let Some(projection) = self.projection.as_ref().filter(|_| self.projects_first) {
            x = projection.forward(&x)?;
        }
        if let Some(norm) = &self.norm {
            x = norm.forward(&x)?;
        }
        match self.projection.as_ref().filter(|_| !self.projects_first) {
            Some(projection) => projection.forward(&x),
            None => Ok(x),
        }
    }

    /// Multiplications and additions of one token.
    pub fn flops_per_token(&self) -> u64 {
        self.projection.as_ref().map_or(0, Linear::flops_per_token)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn positions_after_padding_skip_the_padding_token() {
        let batch = Batch {
            token_ids: vec![0, 5, 1, 6, 2, 0, 2],
            token_types: vec![0; 7],
            boundaries: vec![0, 5, 7],
            windows: vec![0, 1],
        };
        let numbering = Numbering::AfterPadding(1);
        let sequences = Sequences::new(&batch.boundaries);
        let positions = |numbering: Numbering| numbering.positions(&batch, &sequences);
        assert_eq!(positions(numbering), [2, 3, 1, 4, 5, 2, 3]);
        assert_eq!(numbering.longest(514), 512);
        assert_eq!(positions(Numbering::FromZero), [0, 1, 2, 3, 4, 0, 1]);
    }
}
