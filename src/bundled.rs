//! The model and the data set that travel inside the program.
//!
//! Embedded rather than installed beside it, so that `spanbench` alone works
//! from any directory, also after `cargo install`.

use std::sync::Arc;

use crate::models::files::{ModelFile, ModelFiles, WeightFiles, WeightFormat};

/// Name of the bundled model: that of its card.
pub const MODEL: &str = "minilm-l6-squad";

/// Name of the bundled data set.
pub const DATASET: &str = "mixed-bag";

/// The cards in models/cards by name: name and TOML text.
pub const CARDS: &[(&str, &str)] = include!(concat!(env!("OUT_DIR"), "/cards.rs"));

/// The cards in benchmarks/cards by name: name and TOML text.
pub const DATASET_CARDS: &[(&str, &str)] = include!(concat!(env!("OUT_DIR"), "/dataset_cards.rs"));

/// The suites in benchmarks/suites by name: name and TOML text.
pub const SUITES: &[(&str, &str)] = include!(concat!(env!("OUT_DIR"), "/suites.rs"));

const MODEL_PATH: &str = "models/bundled/minilm-l6-squad";
const CONFIG: &[u8] = include_bytes!("../models/bundled/minilm-l6-squad/config.json");
const TOKENIZER: &[u8] = include_bytes!("../models/bundled/minilm-l6-squad/tokenizer.json");
static WEIGHTS: &[u8] = include_bytes!("../models/bundled/minilm-l6-squad/model.safetensors");

/// The bundled data set's path in the project, for messages.
pub const DATASET_PATH: &str = "benchmarks/data/mixed-bag.json";

/// The bundled data set: a SQuAD v2-format file.
pub const DATASET_JSON: &[u8] = include_bytes!("../benchmarks/data/mixed-bag.json");

/// The bundled model's files.
pub fn model() -> ModelFiles {
    let file = |name: &str, bytes| {
        ModelFile::embedded(name, &format!("{MODEL_PATH}/{name} (bundled)"), bytes)
    };
    ModelFiles {
        id: MODEL.to_owned(),
        revision: None,
        config: file("config.json", CONFIG),
        tokenizer: vec![file("tokenizer.json", TOKENIZER)],
        weights: Arc::new(WeightFiles {
            format: WeightFormat::Safetensors,
            index: None,
            files: vec![file("model.safetensors", WEIGHTS)],
        }),
    }
}
