//! ModernBERT (Warner et al., 2024): rotary positions, gated feed-forward
//! layers, and attention that in most layers sees near tokens only.
//! `ModernBertModel` of transformers.

use candle_core::{Result as TensorResult, Tensor};
use serde::Deserialize;
use serde_json::Value;

use super::bert;
use crate::batch::Batch;
use crate::json;
use crate::models::ModelError;
use crate::models::config::{Fields, Sizes};
use crate::models::encoder::block::Attending;
use crate::models::encoder::{Encoded, Encoder, attention_flops};
use crate::models::weights::Weights;
use crate::ops::{
    Activation, Attention, ByLength, Embedding, Form, Linear, Norm, Pairing, Rotary, Sequences,
    add, gate, sum_embeddings,
};

const SIZES: Sizes = Sizes {
    vocabulary: 50_368,
    layers: 22,
    intermediate: 1152,
    max_positions: 8192,
    segments: 0,
    ..bert::SIZES
};

/// What a layer sees.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Sight {
    /// All tokens.
    Full,
    /// The tokens at most half a window away.
    Near,
}

/// The fields that are ModernBERT's own.
#[derive(Debug, Clone)]
struct Settings {
    sizes: Sizes,
    activation: Activation,
    epsilon: f32,
    norm_bias: bool,
    attention_bias: bool,
    feed_forward_bias: bool,
    sights: Vec<Sight>,
    /// Tokens seen to each side in layers that see near ones.
    reach: usize,
    full_theta: f32,
    near_theta: f32,
}

/// The rotary positions of one kind of layer, as newer configurations say them.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WireRotary {
    #[serde(alias = "type")]
    rope_type: Option<String>,
    rope_theta: Option<f32>,
}

impl Settings {
    fn read(fields: &Fields) -> Result<Self, ModelError> {
        let sizes = Sizes {
            segments: 0,
            ..Sizes::read(fields, SIZES)?
        };
        if !sizes.head_size().is_multiple_of(2) {
            let needed = "features that each head has an even number of";
            return Err(fields.unsupported("hidden_size", sizes.hidden, needed));
        }
        for field in ["rope_scaling", "sliding_window"] {
            if let Some(found) = fields.get::<Value>(field)? {
                return Err(fields.unsupported(field, found, "null"));
            }
        }
        if fields.is_null("local_rope_theta") {
            return Err(fields.unsupported("local_rope_theta", "null", "a base above 0"));
        }
        Ok(Self {
            sizes,
            activation: fields.activation("hidden_activation", "gelu")?,
            epsilon: fields.epsilon("norm_eps", 1e-5)?,
            norm_bias: fields.flag("norm_bias", false)?,
            attention_bias: fields.flag("attention_bias", false)?,
            feed_forward_bias: fields.flag("mlp_bias", false)?,
            sights: sights(fields, sizes.layers)?,
            reach: fields.size("local_attention", 128)? / 2,
            full_theta: theta(fields, "full_attention", "global_rope_theta", 160_000.0)?,
            near_theta: theta(fields, "sliding_attention", "local_rope_theta", 10_000.0)?,
        })
    }
}

/// What each layer sees: a list, or every how many layers one sees all.
fn sights(fields: &Fields, layers: usize) -> Result<Vec<Sight>, ModelError> {
    let Some(types) = fields.get::<Vec<String>>("layer_types")? else {
        let every = fields.size("global_attn_every_n_layers", 3)?;
        let full = |layer: usize| layer.is_multiple_of(every);
        let sight = |layer| {
            if full(layer) {
                Sight::Full
            } else {
                Sight::Near
            }
        };
        return Ok((0..layers).map(sight).collect());
    };
    if types.len() != layers {
        let needed = format!("{layers} of them, as num_hidden_layers says");
        return Err(fields.unsupported("layer_types", types.len(), &needed));
    }
    let sights = types.into_iter().map(|name| match name.as_str() {
        "full_attention" => Ok(Sight::Full),
        "sliding_attention" => Ok(Sight::Near),
        _ => {
            let known = "full_attention, sliding_attention";
            Err(fields.unsupported("layer_types", name, known))
        }
    });
    sights.collect()
}

/// The base of the angles: in `rope_parameters`, or in a field of its own.
fn theta(
    fields: &Fields,
    kind: &str,
    field: &'static str,
    default: f32,
) -> Result<f32, ModelError> {
    let own = fields.get(field)?.unwrap_or(default);
    let parameters: Option<serde_json::Map<String, Value>> = fields.get("rope_parameters")?;
    let known = ["full_attention", "sliding_attention"];
    if let Some(all) = &parameters
        && let Some(key) = all.keys().find(|key| !known.contains(&key.as_str()))
    {
        return Err(fields.unsupported(
            "rope_parameters",
            key,
            "full_attention, sliding_attention",
        ));
    }
    let Some(parameters) = parameters.as_ref().and_then(|all| all.get(kind)) else {
        return positive(fields, field, own);
    };
    let bad = || {
        fields.unsupported(
            "rope_parameters",
            parameters,
            "rope_type default and a rope_theta",
        )
    };
    let wire = Option::<json::Object<WireRotary>>::deserialize(parameters).map_err(|_| bad())?;
    let Some(json::Object(wire)) = wire else {
        return positive(fields, field, own);
    };
    match wire.rope_type.as_deref() {
        None | Some("default") => {
            positive(fields, "rope_parameters", wire.rope_theta.unwrap_or(own))
        }
        Some(_) => Err(bad()),
    }
}

fn positive(fields: &Fields, field: &'static str, theta: f32) -> Result<f32, ModelError> {
    if theta.is_finite() && theta > 0.0 {
        return Ok(theta);
    }
    Err(fields.unsupported(field, theta, "a base above 0"))
}

/// Makes the encoder.
///
/// # Errors
///
/// Fails where the configuration is not supported, or tensors are missing or of another shape.
pub fn load(fields: &Fields, weights: &Weights<'_>) -> Result<Encoded, ModelError> {
    fields.refuse_decoders()?;
    let settings = Settings::read(fields)?;
    let sizes = settings.sizes;
    let prefix = weights.find_prefix(&["model."], "embeddings.tok_embeddings.weight");
    let norm = |name: &str| {
        let name = format!("{prefix}{name}");
        weights.norm_with(&name, sizes.hidden, settings.epsilon, settings.norm_bias)
    };
    let table = format!("{prefix}embeddings.tok_embeddings");
    let layers = (0..sizes.layers).map(|layer| {
        let prefix = format!("{prefix}layers.{layer}");
        Layer::load(weights, &prefix, layer, &settings)
    });
    let encoder = ModernBert {
        words: weights.embedding(&table, sizes.vocabulary, sizes.hidden)?,
        embedding_norm: norm("embeddings.norm")?,
        layers: layers.collect::<Result<_, _>>()?,
        final_norm: norm("final_norm")?,
        settings,
        angles: ByLength::default(),
        form: weights.form(),
    };
    Ok(Encoded::new(encoder, &sizes, Some(sizes.max_positions)))
}

struct Layer {
    sight: Sight,
    /// The first layer has none: the embeddings are normalised already.
    attention_norm: Option<Norm>,
    projection: Linear,
    attention_output: Linear,
    feed_forward_norm: Norm,
    /// Input and gate side by side.
    intermediate: Linear,
    output: Linear,
}

impl Layer {
    fn load(
        weights: &Weights<'_>,
        prefix: &str,
        layer: usize,
        settings: &Settings,
    ) -> Result<Self, ModelError> {
        let Sizes {
            hidden,
            intermediate,
            ..
        } = settings.sizes;
        let dense = |name: &str, inputs, outputs, bias| {
            weights.linear_with(&format!("{prefix}.{name}"), inputs, outputs, bias)
        };
        let norm = |name: &str| {
            let name = format!("{prefix}.{name}");
            weights.norm_with(&name, hidden, settings.epsilon, settings.norm_bias)
        };
        let (attention, feed_forward) = (settings.attention_bias, settings.feed_forward_bias);
        Ok(Self {
            sight: settings.sights[layer],
            attention_norm: (layer > 0).then(|| norm("attn_norm")).transpose()?,
            projection: dense("attn.Wqkv", hidden, 3 * hidden, attention)?,
            attention_output: dense("attn.Wo", hidden, hidden, attention)?,
            feed_forward_norm: norm("mlp_norm")?,
            intermediate: dense("mlp.Wi", hidden, 2 * intermediate, feed_forward)?,
            output: dense("mlp.Wo", intermediate, hidden, feed_forward)?,
        })
    }

    fn forward(
        &self,
        x: &Tensor,
        attending: &Attending<'_>,
        activation: Activation,
    ) -> TensorResult<Tensor> {
        let projected = match &self.attention_norm {
            Some(norm) => self.projection.forward(&norm.forward(x)?)?,
            None => self.projection.forward(x)?,
        };
        let attended = self
            .attention_output
            .forward(&attending.attend(projected)?)?;
        let x = add(x, &attended, attending.form)?;
        let wide = self
            .intermediate
            .forward(&self.feed_forward_norm.forward(&x)?)?;
        let gated = gate(&wide, activation, attending.form)?;
        add(&x, &self.output.forward(&gated)?, attending.form)
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

struct ModernBert {
    words: Embedding,
    embedding_norm: Norm,
    layers: Vec<Layer>,
    final_norm: Norm,
    settings: Settings,
    angles: ByLength<Angles>,
    form: Form,
}

/// By what layers turn queries and keys.
struct Angles {
    full: Rotary,
    near: Rotary,
}

impl ModernBert {
    fn reach(&self, sight: Sight) -> Option<usize> {
        match sight {
            Sight::Full => None,
            Sight::Near => Some(self.settings.reach),
        }
    }
}

impl Encoder for ModernBert {
    fn look_up<'a>(&self, batch: &'a Batch) -> TensorResult<Sequences<'a>> {
        let mut sequences = Sequences::new(&batch.boundaries);
        sequences.add_rows(&batch.token_ids, &self.words)?;
        Ok(sequences)
    }

    fn forward(&self, sequences: &Sequences<'_>) -> TensorResult<Tensor> {
        let sizes = &self.settings.sizes;
        let angles = self.angles.of(sequences.longest_of_tables(), |longest| {
            let of = |theta| Rotary::from_theta(theta, sizes.head_size(), longest, Pairing::Halves);
            Angles {
                full: of(self.settings.full_theta),
                near: of(self.settings.near_theta),
            }
        });
        let words = sum_embeddings(&[(&self.words, 0)], sequences)?;
        let mut x = self.embedding_norm.forward(&words)?;
        for layer in &self.layers {
            let attending = Attending {
                sequences,
                attention: Attention {
                    reach: self.reach(layer.sight),
                    ..Attention::scaled(sizes.heads, sizes.head_size())
                },
                rotary: Some(match layer.sight {
                    Sight::Full => &angles.full,
                    Sight::Near => &angles.near,
                }),
                form: self.form,
            };
            x = layer.forward(&x, &attending, self.settings.activation)?;
        }
        self.final_norm.forward(&x)
    }

    fn window_flops(&self, length: usize) -> u64 {
        let dense: u64 = self.layers.iter().map(Layer::flops_per_token).sum();
        let attention = self.layers.iter().map(|layer| {
            attention_flops(length, self.settings.sizes.hidden, self.reach(layer.sight))
        });
        dense * length as u64 + attention.sum::<u64>()
    }
}
