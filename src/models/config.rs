//! `config.json` to an architecture's settings.

use serde::Deserialize;
use serde_json::Value;

use super::{ARCHITECTURES, ModelError};
use crate::json;
use crate::ops::Activation;

/// A configuration, by architecture.
#[derive(Debug, Clone)]
pub enum ModelConfig {
    /// `model_type` bert.
    Bert(BertConfig),
}

/// The settings of a BERT encoder.
#[derive(Debug, Clone, PartialEq)]
pub struct BertConfig {
    /// Rows of the word table.
    pub vocabulary: usize,
    /// Features of a token.
    pub hidden: usize,
    /// Layers.
    pub layers: usize,
    /// Attention heads of a layer.
    pub heads: usize,
    /// Features inside a feed-forward layer.
    pub intermediate: usize,
    /// The feed-forward layer's non-linearity.
    pub activation: Activation,
    /// Rows of the position table.
    pub max_positions: usize,
    /// Rows of the segment table.
    pub segments: usize,
    /// Added to the variance in layer normalisation.
    pub layer_norm_epsilon: f32,
}

#[derive(Deserialize)]
struct WireModelType {
    model_type: Option<Value>,
}

/// The fields of a BERT config.json; the defaults are those of `BertConfig` in transformers.
#[derive(Deserialize)]
struct WireBert {
    vocab_size: usize,
    hidden_size: usize,
    num_hidden_layers: usize,
    num_attention_heads: usize,
    intermediate_size: usize,
    #[serde(default = "default_activation")]
    hidden_act: String,
    max_position_embeddings: usize,
    #[serde(default = "default_segments")]
    type_vocab_size: usize,
    #[serde(default = "default_epsilon")]
    layer_norm_eps: f64,
    position_embedding_type: Option<String>,
    #[serde(default)]
    is_decoder: bool,
}

fn default_activation() -> String {
    "gelu".to_owned()
}

fn default_segments() -> usize {
    2
}

fn default_epsilon() -> f64 {
    1e-12
}

impl ModelConfig {
    /// Reads a config.json; `path` names it in messages.
    ///
    /// # Errors
    ///
    /// Fails where it is not JSON, names an architecture without an encoder,
    /// or holds a value that changes the result and is not implemented.
    pub fn parse(path: &str, json: &[u8]) -> Result<Self, ModelError> {
        let model_type: WireModelType = read(path, json)?;
        match model_type.model_type {
            Some(Value::String(name)) if name == "bert" => {
                Ok(Self::Bert(BertConfig::parse(path, json)?))
            }
            other => Err(ModelError::UnsupportedArchitecture {
                path: path.to_owned(),
                found: other.map_or("(absent)".to_owned(), |found| found.to_string()),
                supported: ARCHITECTURES.join(", "),
            }),
        }
    }
}

impl BertConfig {
    fn parse(path: &str, json: &[u8]) -> Result<Self, ModelError> {
        let wire: WireBert = read(path, json)?;
        let unsupported = |field, found: String, supported: &str| ModelError::UnsupportedField {
            path: path.to_owned(),
            field,
            found,
            supported: supported.to_owned(),
        };
        let activation = Activation::from_name(&wire.hidden_act);
        let activation = activation
            .ok_or_else(|| unsupported("hidden_act", wire.hidden_act.clone(), Activation::NAMES))?;
        if let Some(kind) = wire
            .position_embedding_type
            .filter(|kind| kind != "absolute")
        {
            return Err(unsupported("position_embedding_type", kind, "absolute"));
        }
        if wire.is_decoder {
            return Err(unsupported("is_decoder", "true".to_owned(), "false"));
        }
        for (field, value) in [
            ("vocab_size", wire.vocab_size),
            ("hidden_size", wire.hidden_size),
            ("num_attention_heads", wire.num_attention_heads),
            ("intermediate_size", wire.intermediate_size),
            ("max_position_embeddings", wire.max_position_embeddings),
            ("type_vocab_size", wire.type_vocab_size),
        ] {
            // The upper bound keeps products of two of them within 64 bits.
            if value == 0 || value > 1 << 24 {
                return Err(unsupported(field, value.to_string(), "1 to 16777216"));
            }
        }
        if !wire.hidden_size.is_multiple_of(wire.num_attention_heads) {
            let divisors = format!("a divisor of hidden_size {}", wire.hidden_size);
            let heads = wire.num_attention_heads.to_string();
            return Err(unsupported("num_attention_heads", heads, &divisors));
        }
        let layer_norm_epsilon = wire.layer_norm_eps as f32;
        if !(layer_norm_epsilon > 0.0 && layer_norm_epsilon < 1.0) {
            let found = wire.layer_norm_eps.to_string();
            return Err(unsupported("layer_norm_eps", found, "between 0 and 1"));
        }
        Ok(Self {
            vocabulary: wire.vocab_size,
            hidden: wire.hidden_size,
            layers: wire.num_hidden_layers,
            heads: wire.num_attention_heads,
            intermediate: wire.intermediate_size,
            activation,
            max_positions: wire.max_position_embeddings,
            segments: wire.type_vocab_size,
            layer_norm_epsilon,
        })
    }
}

fn read<T: for<'de> Deserialize<'de>>(path: &str, json: &[u8]) -> Result<T, ModelError> {
    json::read(json).map_err(|fault| ModelError::MalformedConfig {
        path: path.to_owned(),
        place: fault.place,
        source: fault.source,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(changes: &[(&str, Value)]) -> Result<ModelConfig, ModelError> {
        let mut config = serde_json::json!({
            "model_type": "bert", "vocab_size": 10, "hidden_size": 8, "num_hidden_layers": 1,
            "num_attention_heads": 2, "intermediate_size": 16, "max_position_embeddings": 32,
        });
        for (field, value) in changes {
            config[*field] = value.clone();
        }
        ModelConfig::parse("config.json", config.to_string().as_bytes())
    }

    #[test]
    fn absent_fields_take_the_defaults_of_transformers() {
        let ModelConfig::Bert(config) = parse(&[]).unwrap();
        assert_eq!(config.activation, Activation::Gelu);
        assert_eq!(config.segments, 2);
        assert!((config.layer_norm_epsilon - 1e-12).abs() < 1e-18);
    }

    #[test]
    fn what_is_not_implemented_is_refused_by_name() {
        for (field, value, says) in [
            (
                "model_type",
                "gpt2".into(),
                "\"gpt2\" is not supported; supported: bert",
            ),
            ("model_type", Value::Null, "(absent)"),
            ("hidden_act", "mish".into(), "hidden_act = mish"),
            (
                "position_embedding_type",
                "relative_key".into(),
                "relative_key",
            ),
            ("is_decoder", true.into(), "is_decoder"),
            (
                "num_attention_heads",
                3.into(),
                "a divisor of hidden_size 8",
            ),
            ("hidden_size", 0.into(), "hidden_size = 0"),
            ("vocab_size", (-1).into(), "at vocab_size"),
            ("num_hidden_layers", "six".into(), "at num_hidden_layers"),
        ] {
            let error = parse(&[(field, value)]).expect_err(field).to_string();
            assert!(error.contains(says), "{error:?} lacks {says:?}");
            assert!(error.starts_with("config.json: "), "{error:?}");
        }
    }
}
