//! One file an architecture: `config.json` and weights to an encoder.

pub mod albert;
pub mod bert;
pub mod deberta;
pub mod deberta_v2;
pub mod distilbert;
pub mod electra;
pub mod ernie;
pub mod megatron_bert;
pub mod mobilebert;
pub mod modernbert;
pub mod mpnet;
pub mod rembert;
pub mod roberta;
pub mod roformer;
pub mod squeezebert;

use super::ModelError;
use super::config::Fields;
use super::encoder::Encoded;
use super::weights::Weights;

/// Makes an encoder of fields and weights.
pub type Load = fn(&Fields, &Weights<'_>) -> Result<Encoded, ModelError>;

/// An architecture: a `model_type` of config.json.
#[derive(Debug, Clone, Copy)]
pub struct Architecture {
    /// The `model_type`.
    pub name: &'static str,
    /// Makes its encoder.
    pub load: Load,
    /// Whether its hidden states stay within the range of `f16`.
    pub within_f16: bool,
}

/// The architectures there are encoders for.
pub const ARCHITECTURES: [Architecture; 17] = [
    architecture("bert", bert::load),
    architecture("roberta", roberta::load),
    architecture("xlm-roberta", roberta::load),
    architecture("camembert", roberta::load),
    architecture("distilbert", distilbert::load),
    architecture("albert", albert::load),
    architecture("electra", electra::load),
    Architecture {
        // It has no layer norms to hold them.
        within_f16: false,
        ..architecture("mobilebert", mobilebert::load)
    },
    architecture("deberta", deberta::load),
    architecture("deberta-v2", deberta_v2::load),
    architecture("mpnet", mpnet::load),
    architecture("modernbert", modernbert::load),
    architecture("squeezebert", squeezebert::load),
    architecture("ernie", ernie::load),
    architecture("megatron-bert", megatron_bert::load),
    architecture("roformer", roformer::load),
    architecture("rembert", rembert::load),
];

const fn architecture(name: &'static str, load: Load) -> Architecture {
    Architecture {
        name,
        load,
        within_f16: true,
    }
}

/// The architecture that a config.json names by `model_type`.
///
/// # Errors
///
/// Fails where there is none of that name.
pub fn named(fields: &Fields, path: &str) -> Result<Architecture, ModelError> {
    let found: Option<serde_json::Value> = fields.get("model_type")?;
    let name = found.as_ref().and_then(|found| found.as_str());
    let known = ARCHITECTURES
        .into_iter()
        .find(|known| Some(known.name) == name);
    known.ok_or_else(|| ModelError::UnsupportedArchitecture {
        path: path.to_owned(),
        found: found.map_or("(absent)".to_owned(), |found| found.to_string()),
        supported: ARCHITECTURES.map(|known| known.name).join(", "),
    })
}
