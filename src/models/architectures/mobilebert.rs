//! MobileBERT (Sun et al., 2020): narrow blocks between wide hidden states.
//! `MobileBertModel` of transformers.

use candle_core::{Result as TensorResult, Tensor};

use super::bert;
use crate::batch::Batch;
use crate::models::ModelError;
use crate::models::config::{Fields, Sizes};
use crate::models::encoder::block::Attending;
use crate::models::encoder::{Encoded, Encoder, attention_flops};
use crate::models::weights::Weights;
use crate::ops::{
    Activation, Attention, Embedding, Form, Linear, Norm, Sequences, beside, neighbours,
    sum_embeddings,
};

const SIZES: Sizes = Sizes {
    hidden: 512,
    layers: 24,
    heads: 4,
    intermediate: 512,
    ..bert::SIZES
};

/// What torch adds to the variance where nothing else is said, as in two of the norms.
const TORCH_EPSILON: f32 = 1e-5;

/// The fields that are MobileBERT's own.
#[allow(clippy::struct_excessive_bools)] // They are the configuration's own.
#[derive(Debug, Clone, Copy)]
struct Settings {
    sizes: Sizes,
    activation: Activation,
    /// Absent for `no_norm`, which only scales and shifts.
    epsilon: Option<f32>,
    embedding_width: usize,
    trigrams: bool,
    bottleneck: bool,
    /// Features between the bottlenecks.
    narrow: usize,
    /// Whether queries, keys and values are all made of the narrow states.
    narrow_attention: bool,
    /// Whether queries and keys have a bottleneck of their own.
    shared_bottleneck: bool,
    feed_forwards: usize,
}

impl Settings {
    fn read(fields: &Fields) -> Result<Self, ModelError> {
        let sizes = Sizes::read(fields, SIZES)?;
        let epsilon = fields.epsilon("layer_norm_eps", 1e-12)?;
        let normalisation = fields.text("normalization_type", "no_norm")?;
        let epsilon = match normalisation.as_str() {
            "no_norm" => None,
            "layer_norm" => Some(epsilon),
            _ => {
                let known = "no_norm, layer_norm";
                return Err(fields.unsupported("normalization_type", normalisation, known));
            }
        };
        let bottleneck = fields.flag("use_bottleneck", true)?;
        let settings = Self {
            sizes,
            activation: fields.activation("hidden_act", "relu")?,
            epsilon,
            embedding_width: fields.size("embedding_size", 128)?,
            trigrams: fields.flag("trigram_input", true)?,
            bottleneck,
            narrow: if bottleneck {
                fields.size("intra_bottleneck_size", 128)?
            } else {
                sizes.hidden
            },
            narrow_attention: fields.flag("use_bottleneck_attention", false)?,
            shared_bottleneck: fields.flag("key_query_shared_bottleneck", true)?,
            feed_forwards: fields.size("num_feedforward_networks", 4)?,
        };
        if !settings.narrow.is_multiple_of(sizes.heads) {
            let divisors = format!("a divisor of the {} narrow features", settings.narrow);
            return Err(fields.unsupported("num_attention_heads", sizes.heads, &divisors));
        }
        let wide = !settings.narrow_attention && !settings.shared_bottleneck;
        if settings.bottleneck && wide && settings.narrow != sizes.hidden {
            let needed = "true, or use_bottleneck_attention true";
            return Err(fields.unsupported("key_query_shared_bottleneck", false, needed));
        }
        Ok(settings)
    }

    /// The epsilon of the norms that do not take the configured one.
    fn torch_epsilon(&self) -> Option<f32> {
        self.epsilon.map(|_| TORCH_EPSILON)
    }
}

/// Makes the encoder.
///
/// # Errors
///
/// Fails where the configuration is not supported, or tensors are missing or of another shape.
pub fn load(fields: &Fields, weights: &Weights<'_>) -> Result<Encoded, ModelError> {
    fields.refuse_decoders()?;
    let settings = Settings::read(fields)?;
    let prefix = weights.find_prefix(&["mobilebert."], "embeddings.word_embeddings.weight");
    let layers = (0..settings.sizes.layers).map(|layer| {
        let prefix = format!("{prefix}encoder.layer.{layer}");
        Layer::load(weights, &prefix, &settings)
    });
    let encoder = MobileBert {
        embeddings: Embeddings::load(weights, &format!("{prefix}embeddings"), &settings)?,
        layers: layers.collect::<Result<_, _>>()?,
        settings,
        form: weights.form(),
    };
    let sizes = settings.sizes;
    Ok(Encoded::new(encoder, &sizes, Some(sizes.max_positions)))
}

/// Narrow word embeddings, each beside its neighbours', made wide.
struct Embeddings {
    words: Embedding,
    positions: Embedding,
    segments: Embedding,
    transformation: Option<Linear>,
    trigrams: bool,
    norm: Norm,
}

impl Embeddings {
    fn load(weights: &Weights<'_>, prefix: &str, settings: &Settings) -> Result<Self, ModelError> {
        let (sizes, width) = (&settings.sizes, settings.embedding_width);
        let table =
            |name: &str, rows, width| weights.embedding(&format!("{prefix}.{name}"), rows, width);
        let inputs = if settings.trigrams { 3 * width } else { width };
        let transformation = format!("{prefix}.embedding_transformation");
        let transformation = if settings.trigrams || width != sizes.hidden {
            Some(weights.linear(&transformation, inputs, sizes.hidden)?)
        } else {
            weights.skip(&transformation);
            None
        };
        let norm = format!("{prefix}.LayerNorm");
        Ok(Self {
            words: table("word_embeddings", sizes.vocabulary, width)?,
            positions: table("position_embeddings", sizes.max_positions, sizes.hidden)?,
            segments: table("token_type_embeddings", sizes.segments, sizes.hidden)?,
            transformation,
            trigrams: settings.trigrams,
            norm: weights.norm(&norm, sizes.hidden, settings.torch_epsilon())?,
        })
    }

    /// The lists of words, positions, segments and, where there are trigrams, neighbours.
    fn look_up<'a>(&self, batch: &'a Batch) -> TensorResult<Sequences<'a>> {
        let mut sequences = Sequences::new(&batch.boundaries);
        sequences.add_rows(&batch.token_ids, &self.words)?;
        sequences.add_rows(sequences.positions().to_vec(), &self.positions)?;
        sequences.add_rows(&batch.token_types, &self.segments)?;
        if self.trigrams {
            // The next word, the word itself, the one before.
            sequences.add_neighbours(&[1, 0, -1]);
        }
        Ok(sequences)
    }

    fn forward(&self, sequences: &Sequences<'_>, form: Form) -> TensorResult<Tensor> {
        let mut words = sum_embeddings(&[(&self.words, 0)], sequences)?;
        if self.trigrams {
            words = neighbours(&words, sequences, 3, form)?;
        }
        if let Some(transformation) = &self.transformation {
            words = transformation.forward(&words)?;
        }
        let others = [(&self.positions, 1), (&self.segments, 2)];
        let others = sum_embeddings(&others, sequences)?;
        self.norm.forward_sum(words, &others)
    }
}

/// A dense layer and the norm of its result, or of the sum with a residual.
struct Normed {
    dense: Linear,
    norm: Norm,
}

impl Normed {
    fn load(
        weights: &Weights<'_>,
        prefix: &str,
        inputs: usize,
        outputs: usize,
        epsilon: Option<f32>,
    ) -> Result<Self, ModelError> {
        Ok(Self {
            dense: weights.linear(&format!("{prefix}.dense"), inputs, outputs)?,
            norm: weights.norm(&format!("{prefix}.LayerNorm"), outputs, epsilon)?,
        })
    }

    fn forward(&self, x: &Tensor) -> TensorResult<Tensor> {
        self.norm.forward(&self.dense.forward(x)?)
    }

    fn forward_sum(&self, x: &Tensor, residual: &Tensor) -> TensorResult<Tensor> {
        self.norm.forward_sum(self.dense.forward(x)?, residual)
    }
}

/// `norm(x + dense(activation(dense(x))))`.
struct FeedForward {
    intermediate: Linear,
    output: Normed,
}

impl FeedForward {
    fn load(
        weights: &Weights<'_>,
        prefix: &str,
        settings: &Settings,
        epsilon: Option<f32>,
    ) -> Result<Self, ModelError> {
        let (narrow, wide) = (settings.narrow, settings.sizes.intermediate);
        let intermediate = format!("{prefix}.intermediate.dense");
        Ok(Self {
            intermediate: weights
                .linear(&intermediate, narrow, wide)?
                .with_activation(settings.activation),
            output: Normed::load(weights, &format!("{prefix}.output"), wide, narrow, epsilon)?,
        })
    }

    fn forward(&self, x: &Tensor) -> TensorResult<Tensor> {
        self.output.forward_sum(&self.intermediate.forward(x)?, x)
    }

    fn flops_per_token(&self) -> u64 {
        self.intermediate.flops_per_token() + self.output.dense.flops_per_token()
    }
}

/// The way into the narrow states and back.
struct Bottleneck {
    input: Normed,
    /// Of queries and keys, where they have one of their own.
    attention: Option<Normed>,
    output: Normed,
}

struct Layer {
    bottleneck: Option<Bottleneck>,
    /// Queries and keys, and values too where all have the same input.
    projection: Linear,
    /// Values where their input is another.
    values: Option<Linear>,
    attention_output: Normed,
    feed_forwards: Vec<FeedForward>,
}

impl Layer {
    fn load(weights: &Weights<'_>, prefix: &str, settings: &Settings) -> Result<Self, ModelError> {
        let (hidden, narrow) = (settings.sizes.hidden, settings.narrow);
        let epsilon = settings.epsilon;
        let normed = |name: &str, inputs, outputs| {
            Normed::load(
                weights,
                &format!("{prefix}.{name}"),
                inputs,
                outputs,
                epsilon,
            )
        };
        let bottleneck = settings.bottleneck.then(|| {
            let uses_own = settings.shared_bottleneck && !settings.narrow_attention;
            weights.skip(&format!("{prefix}.bottleneck.attention."));
            Ok::<_, ModelError>(Bottleneck {
                input: normed("bottleneck.input", hidden, narrow)?,
                attention: uses_own
                    .then(|| normed("bottleneck.attention", hidden, narrow))
                    .transpose()?,
                output: normed("output.bottleneck", narrow, hidden)?,
            })
        });
        let names = ["query", "key", "value"].map(|n| format!("{prefix}.attention.self.{n}"));
        let names = names.each_ref().map(String::as_str);
        // Values are made of the wide states unless everything is narrow.
        let wide_values = settings.bottleneck && !settings.narrow_attention;
        let (projection, values) = if wide_values {
            let values = weights.linear(names[2], hidden, narrow)?;
            (
                weights.stacked_linear(&names[..2], narrow, narrow)?,
                Some(values),
            )
        } else {
            (weights.stacked_linear(&names, narrow, narrow)?, None)
        };
        let mut feed_forwards = (0..settings.feed_forwards - 1)
            .map(|index| {
                FeedForward::load(weights, &format!("{prefix}.ffn.{index}"), settings, epsilon)
            })
            .collect::<Result<Vec<_>, _>>()?;
        feed_forwards.push(FeedForward::load(
            weights,
            prefix,
            settings,
            settings.torch_epsilon(),
        )?);
        Ok(Self {
            bottleneck: bottleneck.transpose()?,
            projection,
            values,
            attention_output: normed("attention.output", narrow, narrow)?,
            feed_forwards,
        })
    }

    fn forward(&self, x: &Tensor, attending: &Attending<'_>) -> TensorResult<Tensor> {
        let narrow = match &self.bottleneck {
            Some(bottleneck) => bottleneck.input.forward(x)?,
            None => x.clone(),
        };
        let own = self.bottleneck.as_ref().and_then(|b| b.attention.as_ref());
        let mut projected = match (own, &self.values) {
            (Some(own), _) => self.projection.forward(&own.forward(x)?)?,
            // Queries, keys and values of the wide states, which are as wide as the narrow ones.
            (None, Some(_)) => self.projection.forward(x)?,
            (None, None) => self.projection.forward(&narrow)?,
        };
        if let Some(values) = &self.values {
            projected = beside(&[projected, values.forward(x)?], attending.form)?;
        }
        let attended = attending.attend(projected)?;
        let mut states = self.attention_output.forward_sum(&attended, &narrow)?;
        for feed_forward in &self.feed_forwards {
            states = feed_forward.forward(&states)?;
        }
        match &self.bottleneck {
            Some(bottleneck) => bottleneck.output.forward_sum(&states, x),
            None => Ok(states),
        }
    }

    fn flops_per_token(&self) -> u64 {
        let bottleneck = self.bottleneck.iter().flat_map(|bottleneck| {
            let ways = [&bottleneck.input, &bottleneck.output];
            ways.into_iter().chain(&bottleneck.attention)
        });
        let dense = bottleneck.chain([&self.attention_output]);
        let dense = dense.map(|layer| &layer.dense).chain([&self.projection]);
        let dense = dense.chain(&self.values).map(Linear::flops_per_token);
        let feed_forwards = self.feed_forwards.iter().map(FeedForward::flops_per_token);
        dense.chain(feed_forwards).sum()
    }
}

struct MobileBert {
    embeddings: Embeddings,
    layers: Vec<Layer>,
    settings: Settings,
    form: Form,
}

impl Encoder for MobileBert {
    fn look_up<'a>(&self, batch: &'a Batch) -> TensorResult<Sequences<'a>> {
        self.embeddings.look_up(batch)
    }

    fn forward(&self, sequences: &Sequences<'_>) -> TensorResult<Tensor> {
        let heads = self.settings.sizes.heads;
        let attending = Attending {
            sequences,
            attention: Attention::scaled(heads, self.settings.narrow / heads),
            rotary: None,
            form: self.form,
        };
        let mut x = self.embeddings.forward(sequences, self.form)?;
        for layer in &self.layers {
            x = layer.forward(&x, &attending)?;
        }
        Ok(x)
    }

    fn window_flops(&self, length: usize) -> u64 {
        let dense: u64 = self.layers.iter().map(Layer::flops_per_token).sum();
        let embeddings = self.embeddings.transformation.as_ref();
        let dense = dense + embeddings.map_or(0, Linear::flops_per_token);
        let attention = attention_flops(length, self.settings.narrow, None);
        dense * length as u64 + attention * self.layers.len() as u64
    }
}
