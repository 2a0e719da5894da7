//! The block nearly all architectures are stacks of: self-attention, then a feed-forward layer.

use candle_core::{Result as TensorResult, Tensor};

use crate::models::ModelError;
use crate::models::weights::Weights;
use crate::ops::{
    Activation, Attention, Form, Linear, Norm, Rotary, Sequences, add, attention, beside, rotate,
};

/// What the tensors of a block are called, without the block's own prefix.
#[derive(Debug, Clone, Copy)]
pub struct Names {
    /// Queries, keys and values.
    pub projection: [&'static str; 3],
    /// The dense layer after attention.
    pub attention_output: &'static str,
    /// The norm beside attention.
    pub attention_norm: &'static str,
    /// The feed-forward layer's first dense layer.
    pub intermediate: &'static str,
    /// The feed-forward layer's second dense layer.
    pub output: &'static str,
    /// The norm beside the feed-forward layer.
    pub output_norm: &'static str,
}

impl Names {
    /// BERT's, which most architectures kept.
    pub const BERT: Self = Self {
        projection: [
            "attention.self.query",
            "attention.self.key",
            "attention.self.value",
        ],
        attention_output: "attention.output.dense",
        attention_norm: "attention.output.LayerNorm",
        intermediate: "intermediate.dense",
        output: "output.dense",
        output_norm: "output.LayerNorm",
    };
}

/// The sizes of a block.
#[derive(Debug, Clone, Copy)]
pub struct BlockShape {
    /// Features of a token.
    pub hidden: usize,
    /// Features inside the feed-forward layer.
    pub intermediate: usize,
    /// The feed-forward layer's non-linearity.
    pub activation: Activation,
    /// Added to the variance in layer normalisation.
    pub epsilon: f32,
}

/// A block; its norms stand after the residual sums, or before what is added to them.
pub struct Block {
    /// Queries, keys and values side by side, in one product or in several.
    projection: Vec<Linear>,
    attention_output: Linear,
    attention_norm: Norm,
    intermediate: Linear,
    output: Linear,
    output_norm: Norm,
}

impl Block {
    /// Takes the weights of the block whose tensors' names begin with `prefix`.
    ///
    /// # Errors
    ///
    /// Fails where tensors are missing or of another shape.
    pub fn load(
        weights: &Weights<'_>,
        prefix: &str,
        names: &Names,
        shape: &BlockShape,
    ) -> Result<Self, ModelError> {
        let projections = names.projection.map(|name| format!("{prefix}{name}"));
        let projections = projections.each_ref().map(String::as_str);
        let projection = weights.stacked_linear(&projections, shape.hidden, shape.hidden)?;
        Self::with_projection(vec![projection], weights, prefix, names, shape)
    }

    /// As [`Block::load`], with queries, keys and values taken already.
    ///
    /// # Errors
    ///
    /// Fails where tensors are missing or of another shape.
    pub fn with_projection(
        projection: Vec<Linear>,
        weights: &Weights<'_>,
        prefix: &str,
        names: &Names,
        shape: &BlockShape,
    ) -> Result<Self, ModelError> {
        let (hidden, wide) = (shape.hidden, shape.intermediate);
        let dense = |name: &str, inputs, outputs| {
            weights.linear(&format!("{prefix}{name}"), inputs, outputs)
        };
        let norm = |name: &str| weights.norm(&format!("{prefix}{name}"), hidden, shape.epsilon);
        Ok(Self {
            projection,
            attention_output: dense(names.attention_output, hidden, hidden)?,
            attention_norm: norm(names.attention_norm)?,
            intermediate: dense(names.intermediate, hidden, wide)?
                .with_activation(shape.activation),
            output: dense(names.output, wide, hidden)?,
            output_norm: norm(names.output_norm)?,
        })
    }

    /// A block of layers that were taken one by one.
    pub fn from_layers(projection: Vec<Linear>, dense: [Linear; 3], norms: [Norm; 2]) -> Self {
        let [attention_output, intermediate, output] = dense;
        let [attention_norm, output_norm] = norms;
        Self {
            projection,
            attention_output,
            attention_norm,
            intermediate,
            output,
            output_norm,
        }
    }

    /// Norms after the sums: `norm(x + attention(x))`, then `norm(x + feed_forward(x))`.
    ///
    /// # Errors
    ///
    /// Fails where the tensor library does.
    pub fn forward(&self, x: &Tensor, attending: &Attending<'_>) -> TensorResult<Tensor> {
        let attended = self.attend(x, attending)?;
        let x = self.attention_norm.forward_sum(attended, x)?;
        let output = self.output.forward(&self.intermediate.forward(&x)?)?;
        self.output_norm.forward_sum(output, &x)
    }

    /// Norms before what is added: `x + attention(norm(x))`, then `x + feed_forward(norm(x))`.
    ///
    /// # Errors
    ///
    /// Fails where the tensor library does.
    pub fn forward_norms_first(
        &self,
        x: &Tensor,
        attending: &Attending<'_>,
    ) -> TensorResult<Tensor> {
        let attended = self.attend(&self.attention_norm.forward(x)?, attending)?;
        let x = add(x, &attended, attending.form)?;
        let wide = self.intermediate.forward(&self.output_norm.forward(&x)?)?;
        add(&x, &self.output.forward(&wide)?, attending.form)
    }

    fn attend(&self, x: &Tensor, attending: &Attending<'_>) -> TensorResult<Tensor> {
        let projected = match self.projection.as_slice() {
            [only] => only.forward(x)?,
            several => {
                let parts = several.iter().map(|part| part.forward(x));
                beside(&parts.collect::<TensorResult<Vec<_>>>()?, attending.form)?
            }
        };
        self.attention_output.forward(&attending.attend(projected)?)
    }

    /// Multiplications and additions of one token in the dense layers.
    pub fn flops_per_token(&self) -> u64 {
        let dense = [&self.attention_output, &self.intermediate, &self.output];
        let dense = dense.into_iter().chain(&self.projection);
        dense.map(Linear::flops_per_token).sum()
    }
}

/// How a block attends in one batch.
#[derive(Clone, Copy)]
pub struct Attending<'a> {
    /// Where the sequences lie.
    pub sequences: &'a Sequences<'a>,
    /// Heads, scale and what is added to the scores.
    pub attention: Attention<'a>,
    /// By what queries and keys are turned.
    pub rotary: Option<&'a Rotary>,
    /// The form of the operations.
    pub form: Form,
}

impl Attending<'_> {
    /// `[tokens, 3·hidden]` to `[tokens, hidden]`; `projected` may be overwritten.
    ///
    /// # Errors
    ///
    /// Fails where the tensor library does.
    pub fn attend(&self, mut projected: Tensor) -> TensorResult<Tensor> {
        if let Some(rotary) = self.rotary {
            let heads = self.attention.heads;
            projected = rotate(projected, self.sequences, heads, rotary, self.form)?;
        }
        attention(&projected, self.sequences, &self.attention, self.form)
    }
}
