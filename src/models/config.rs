//! `config.json`: fields by name, with the defaults of transformers.

use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use super::ModelError;
use crate::json;
use crate::ops::Activation;

/// The largest size a field may give: products of two stay within 64 bits.
const LARGEST: usize = 1 << 24;

/// The most layers an encoder may have.
const MOST_LAYERS: usize = 1024;

/// The fields of a config.json. Those that are absent or null take the
/// default of the architecture's configuration class in transformers.
#[derive(Debug, Clone)]
pub struct Fields {
    path: String,
    map: Map<String, Value>,
}

impl Fields {
    /// Reads a config.json; `path` names it in messages.
    ///
    /// # Errors
    ///
    /// Fails where it is no JSON object.
    pub fn parse(path: &str, bytes: &[u8]) -> Result<Self, ModelError> {
        let map = json::read(bytes).map_err(|fault| ModelError::MalformedConfig {
            path: path.to_owned(),
            place: fault.place,
            source: fault.source,
        })?;
        Ok(Self {
            path: path.to_owned(),
            map,
        })
    }

    /// The value of a field, unless it is absent or null.
    fn value(&self, field: &str) -> Option<&Value> {
        self.map.get(field).filter(|value| !value.is_null())
    }

    /// A field of any kind.
    ///
    /// # Errors
    ///
    /// Fails where its value is of another kind.
    pub fn get<T: DeserializeOwned>(&self, field: &'static str) -> Result<Option<T>, ModelError> {
        let Some(value) = self.value(field) else {
            return Ok(None);
        };
        let read = T::deserialize(value).map_err(|source| ModelError::WrongField {
            path: self.path.clone(),
            field,
            found: value.to_string(),
            source,
        });
        read.map(Some)
    }

    /// A field that is refused whatever its value, since that would change the result.
    pub fn unsupported(
        &self,
        field: &'static str,
        found: impl std::fmt::Display,
        supported: &str,
    ) -> ModelError {
        ModelError::UnsupportedField {
            path: self.path.clone(),
            field,
            found: found.to_string(),
            supported: supported.to_owned(),
        }
    }

    /// A size of at least one.
    ///
    /// # Errors
    ///
    /// Fails where it is none.
    pub fn size(&self, field: &'static str, default: usize) -> Result<usize, ModelError> {
        let value = self.get(field)?.unwrap_or(default);
        if value == 0 || value > LARGEST {
            return Err(self.unsupported(field, value, "1 to 16777216"));
        }
        Ok(value)
    }

    /// A number of layers, which no tensor may bound.
    ///
    /// # Errors
    ///
    /// Fails where there are none, or more than any encoder has.
    pub fn layers(&self, field: &'static str, default: usize) -> Result<usize, ModelError> {
        let value = self.get(field)?.unwrap_or(default);
        if value == 0 || value > MOST_LAYERS {
            return Err(self.unsupported(field, value, "1 to 1024"));
        }
        Ok(value)
    }

    /// A size that may be zero.
    ///
    /// # Errors
    ///
    /// Fails where it is none.
    pub fn count(&self, field: &'static str, default: usize) -> Result<usize, ModelError> {
        let value = self.get(field)?.unwrap_or(default);
        if value > LARGEST {
            return Err(self.unsupported(field, value, "0 to 16777216"));
        }
        Ok(value)
    }

    /// A size that numbers below one say there is none of.
    ///
    /// # Errors
    ///
    /// Fails where it is no integer, or too large.
    pub fn optional_size(&self, field: &'static str) -> Result<Option<usize>, ModelError> {
        let value: Option<i64> = self.get(field)?;
        let Some(value) = value.filter(|&value| value >= 1) else {
            return Ok(None);
        };
        match usize::try_from(value) {
            Ok(size) if size <= LARGEST => Ok(Some(size)),
            _ => Err(self.unsupported(field, value, "up to 16777216")),
        }
    }

    /// Yes or no.
    ///
    /// # Errors
    ///
    /// Fails where it is neither.
    pub fn flag(&self, field: &'static str, default: bool) -> Result<bool, ModelError> {
        Ok(self.get(field)?.unwrap_or(default))
    }

    /// A text.
    ///
    /// # Errors
    ///
    /// Fails where it is none.
    pub fn text(&self, field: &'static str, default: &str) -> Result<String, ModelError> {
        Ok(self.get(field)?.unwrap_or_else(|| default.to_owned()))
    }

    /// What is added to a variance.
    ///
    /// # Errors
    ///
    /// Fails where it is not between 0 and 1.
    pub fn epsilon(&self, field: &'static str, default: f64) -> Result<f32, ModelError> {
        let value: f64 = self.get(field)?.unwrap_or(default);
        let narrow = value as f32;
        if !(narrow > 0.0 && narrow < 1.0) {
            return Err(self.unsupported(field, value, "between 0 and 1"));
        }
        Ok(narrow)
    }

    /// A non-linearity.
    ///
    /// # Errors
    ///
    /// Fails where it has no implementation here.
    pub fn activation(&self, field: &'static str, default: &str) -> Result<Activation, ModelError> {
        let name = self.text(field, default)?;
        Activation::from_name(&name).ok_or_else(|| self.unsupported(field, name, Activation::NAMES))
    }

    /// Whether a field is there and null.
    pub fn is_null(&self, field: &str) -> bool {
        self.map.get(field).is_some_and(Value::is_null)
    }

    /// Refuses what turns an encoder into something else.
    ///
    /// # Errors
    ///
    /// Fails where the model is a decoder or has lost heads.
    pub fn refuse_decoders(&self) -> Result<(), ModelError> {
        for field in ["is_decoder", "add_cross_attention"] {
            if self.flag(field, false)? {
                return Err(self.unsupported(field, true, "false"));
            }
        }
        match self.value("pruned_heads") {
            None => Ok(()),
            Some(Value::Object(pruned)) if pruned.is_empty() => Ok(()),
            Some(Value::Array(pruned)) if pruned.is_empty() => Ok(()),
            Some(pruned) => Err(self.unsupported("pruned_heads", pruned, "{}")),
        }
    }

    /// As [`Fields::refuse_decoders`], for architectures that once had relative positions of a
    /// kind that is not implemented.
    ///
    /// # Errors
    ///
    /// Fails where the configuration asks for them.
    pub fn refuse_variants(&self) -> Result<(), ModelError> {
        let positions = self.text("position_embedding_type", "absolute")?;
        if positions != "absolute" {
            return Err(self.unsupported("position_embedding_type", positions, "absolute"));
        }
        self.refuse_decoders()
    }
}

/// The sizes that nearly every encoder has.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Sizes {
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
    /// Rows of the position table.
    pub max_positions: usize,
    /// Rows of the segment table; 0 where there is none.
    pub segments: usize,
}

impl Sizes {
    /// Reads the fields by the names that BERT gave them.
    ///
    /// # Errors
    ///
    /// Fails where one of them has a value that no model can have.
    pub fn read(fields: &Fields, default: Self) -> Result<Self, ModelError> {
        Self {
            vocabulary: fields.size("vocab_size", default.vocabulary)?,
            hidden: fields.size("hidden_size", default.hidden)?,
            layers: fields.layers("num_hidden_layers", default.layers)?,
            heads: fields.size("num_attention_heads", default.heads)?,
            intermediate: fields.size("intermediate_size", default.intermediate)?,
            max_positions: fields.size("max_position_embeddings", default.max_positions)?,
            segments: fields.count("type_vocab_size", default.segments)?,
        }
        .checked(fields, "num_attention_heads")
    }

    /// Checks that the heads share the features evenly.
    ///
    /// # Errors
    ///
    /// Fails where they do not.
    pub fn checked(self, fields: &Fields, heads: &'static str) -> Result<Self, ModelError> {
        if !self.hidden.is_multiple_of(self.heads) {
            let divisors = format!("a divisor of the {} hidden features", self.hidden);
            return Err(fields.unsupported(heads, self.heads, &divisors));
        }
        Ok(self)
    }

    /// Features of one head.
    pub fn head_size(&self) -> usize {
        self.hidden / self.heads
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DEFAULT: Sizes = Sizes {
        vocabulary: 10,
        hidden: 8,
        layers: 1,
        heads: 2,
        intermediate: 16,
        max_positions: 32,
        segments: 2,
    };

    fn fields(json: &Value) -> Fields {
        Fields::parse("config.json", json.to_string().as_bytes()).unwrap()
    }

    #[test]
    fn absent_and_null_fields_take_the_default() {
        let fields = fields(&serde_json::json!({"hidden_size": null, "type_vocab_size": 0}));
        let sizes = Sizes::read(&fields, DEFAULT).unwrap();
        assert_eq!(
            sizes,
            Sizes {
                segments: 0,
                ..DEFAULT
            }
        );
        assert_eq!(
            fields.activation("hidden_act", "gelu").unwrap(),
            Activation::Gelu
        );
        assert!((fields.epsilon("layer_norm_eps", 1e-12).unwrap() - 1e-12).abs() < 1e-18);
    }

    #[test]
    fn what_cannot_be_is_refused_by_name() {
        for (field, value, says) in [
            ("num_attention_heads", 3.into(), "a divisor of the 8"),
            ("hidden_size", 0.into(), "hidden_size = 0"),
            ("hidden_size", (1_u64 << 40).into(), "hidden_size = 1099"),
            ("vocab_size", (-1).into(), "vocab_size = -1"),
            (
                "num_hidden_layers",
                "six".into(),
                "num_hidden_layers = \"six\"",
            ),
        ] {
            let fields = fields(&serde_json::json!({field: Value::clone(&value)}));
            let error = Sizes::read(&fields, DEFAULT).expect_err(field).to_string();
            assert!(error.contains(says), "{error:?} lacks {says:?}");
            assert!(error.starts_with("config.json: "), "{error:?}");
        }
    }

    #[test]
    fn variants_are_refused_by_name() {
        for (field, value) in [
            ("is_decoder", true.into()),
            ("add_cross_attention", true.into()),
            ("position_embedding_type", "relative_key".into()),
            ("pruned_heads", serde_json::json!({"0": [1]})),
        ] {
            let fields = fields(&serde_json::json!({field: Value::clone(&value)}));
            let error = fields.refuse_variants().expect_err(field).to_string();
            assert!(error.contains(field), "{error}");
        }
        let plain = serde_json::json!({"is_decoder": false, "pruned_heads": {}});
        assert!(fields(&plain).refuse_variants().is_ok());
    }

    #[test]
    fn no_object_is_no_configuration() {
        for text in ["", "[]", "{", "3"] {
            assert!(
                Fields::parse("config.json", text.as_bytes()).is_err(),
                "{text}"
            );
        }
    }
}
