//! BERT with a span head (Devlin et al., 2019): `BertForQuestionAnswering` of transformers.

use candle_core::{Result as TensorResult, Tensor};

use super::config::BertConfig;
use super::weights::Weights;
use super::{ModelDescription, ModelError, SpanModel};
use crate::batch::{Batch, SpanLogits};
use crate::ops::{Embedding, Form, LayerNorm, Linear, attention, sum_embeddings};
use crate::windows::TableSizes;

/// The encoder with its span head.
pub struct Bert {
    description: ModelDescription,
    form: Form,
    heads: usize,
    hidden: usize,
    words: Embedding,
    positions: Embedding,
    segments: Embedding,
    embedding_norm: LayerNorm,
    layers: Vec<Layer>,
    span_head: Linear,
}

struct Layer {
    /// Queries, keys and values side by side.
    projection: Linear,
    attention_output: Linear,
    attention_norm: LayerNorm,
    intermediate: Linear,
    output: Linear,
    output_norm: LayerNorm,
}

impl Bert {
    /// Takes the weights of `config`'s encoder and span head, and no others.
    ///
    /// # Errors
    ///
    /// Fails where tensors are missing, left over, or of another shape.
    pub fn load(
        config: &BertConfig,
        weights: &Weights<'_>,
        form: Form,
    ) -> Result<Self, ModelError> {
        let hidden = config.hidden;
        // The base model alone is saved without the prefix.
        let word_table = "embeddings.word_embeddings";
        let prefix = if weights.contains(&format!("{word_table}.weight")) {
            ""
        } else {
            "bert."
        };
        let table = |name: &str, rows| {
            weights.embedding(&format!("{prefix}embeddings.{name}"), rows, hidden)
        };
        let words = table("word_embeddings", config.vocabulary)?;
        let positions = table("position_embeddings", config.max_positions)?;
        let segments = table("token_type_embeddings", config.segments)?;
        let norm = format!("{prefix}embeddings.LayerNorm");
        let embedding_norm = weights.layer_norm(&norm, hidden, config.layer_norm_epsilon, form)?;
        let layers = (0..config.layers)
            .map(|layer| {
                let name = format!("{prefix}encoder.layer.{layer}");
                Layer::load(&name, config, weights, form)
            })
            .collect::<Result<_, _>>()?;
        let span_head = weights.linear("qa_outputs", hidden, 2, form)?;
        let parameters = weights.finish("bert")?;
        Ok(Self {
            description: ModelDescription {
                architecture: "bert",
                parameters,
                weights_bytes: parameters * size_of::<f32>() as u64,
                dtype: "f32",
                ops: form.name(),
                max_positions: config.max_positions,
                tables: TableSizes {
                    words: config.vocabulary,
                    segments: config.segments,
                },
            },
            form,
            heads: config.heads,
            hidden,
            words,
            positions,
            segments,
            embedding_norm,
            layers,
            span_head,
        })
    }

    /// `[tokens, 2]`: start and end logits.
    fn forward(&self, batch: &Batch) -> TensorResult<Tensor> {
        let positions: Vec<u32> = batch
            .lengths()
            .flat_map(|length| 0..u32::try_from(length).unwrap_or(u32::MAX))
            .collect();
        // The norm adds its two inputs, so the segments come in as the residual.
        let words = sum_embeddings(
            &[
                (&self.words, &batch.token_ids),
                (&self.positions, &positions),
            ],
            self.form,
        )?;
        let segments = sum_embeddings(&[(&self.segments, &batch.token_types)], self.form)?;
        let mut x = self.embedding_norm.forward(words, &segments)?;
        for layer in &self.layers {
            x = layer.forward(&x, &batch.boundaries, self.heads, self.form)?;
        }
        self.span_head.forward(&x)
    }
}

impl Layer {
    fn load(
        name: &str,
        config: &BertConfig,
        weights: &Weights<'_>,
        form: Form,
    ) -> Result<Self, ModelError> {
        let (hidden, wide) = (config.hidden, config.intermediate);
        let dense = |part: &str, inputs, outputs| {
            weights.linear(&format!("{name}.{part}.dense"), inputs, outputs, form)
        };
        let norm = |part: &str| {
            let name = format!("{name}.{part}.LayerNorm");
            weights.layer_norm(&name, hidden, config.layer_norm_epsilon, form)
        };
        let projections =
            ["query", "key", "value"].map(|part| format!("{name}.attention.self.{part}"));
        let projections = projections.each_ref().map(String::as_str);
        Ok(Self {
            projection: weights.stacked_linear(&projections, hidden, hidden, form)?,
            attention_output: dense("attention.output", hidden, hidden)?,
            attention_norm: norm("attention.output")?,
            intermediate: dense("intermediate", hidden, wide)?.with_activation(config.activation),
            output: dense("output", wide, hidden)?,
            output_norm: norm("output")?,
        })
    }

    fn forward(
        &self,
        x: &Tensor,
        boundaries: &[usize],
        heads: usize,
        form: Form,
    ) -> TensorResult<Tensor> {
        let projected = self.projection.forward(x)?;
        let attended = attention(&projected, boundaries, heads, form)?;
        let attended = self.attention_output.forward(&attended)?;
        let x = self.attention_norm.forward(attended, x)?;
        let output = self.output.forward(&self.intermediate.forward(&x)?)?;
        self.output_norm.forward(output, &x)
    }

    fn flops_per_token(&self) -> u64 {
        let dense = [
            &self.projection,
            &self.attention_output,
            &self.intermediate,
            &self.output,
        ];
        dense.into_iter().map(Linear::flops_per_token).sum()
    }
}

impl SpanModel for Bert {
    fn description(&self) -> &ModelDescription {
        &self.description
    }

    fn span_logits(&self, batch: &Batch) -> Result<SpanLogits, ModelError> {
        let logits = self
            .forward(batch)
            .and_then(|logits| logits.to_vec2::<f32>())
            .map_err(|source| ModelError::Tensor {
                doing: format!("the forward pass of {} tokens", batch.tokens()),
                source,
            })?;
        Ok(SpanLogits {
            start: logits.iter().map(|pair| pair[0]).collect(),
            end: logits.iter().map(|pair| pair[1]).collect(),
        })
    }

    fn window_flops(&self, length: usize) -> u64 {
        let dense: u64 = self.layers.iter().map(Layer::flops_per_token).sum();
        let dense = dense + self.span_head.flops_per_token();
        // Scores and weighted sums: two products of length × hidden × length.
        let attention = 4 * (length * length * self.hidden * self.layers.len()) as u64;
        dense * length as u64 + attention
    }
}
