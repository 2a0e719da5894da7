//! Model files to span logits: one file an architecture.

pub mod bert;
pub mod config;
pub mod files;
pub mod locate;
pub mod weights;

use candle_core::{DType, Device};

use crate::batch::{Batch, SpanLogits};
use crate::ops::FormChoice;
use crate::windows::TableSizes;
use config::ModelConfig;
use files::ModelFiles;
use weights::Weights;

/// What can be wrong with a model.
#[derive(Debug, thiserror::Error)]
pub enum ModelError {
    /// The name is neither a card, nor a directory, nor a repository.
    #[error(
        "model \"{name}\": no card of that name ({cards}), no such directory, and not of the form owner/name[@revision]"
    )]
    Unknown {
        /// What was asked for.
        name: String,
        /// The cards there are.
        cards: String,
    },
    /// A file every model has is not there.
    #[error(
        "{place}: no {file}; a model directory holds config.json, tokenizer.json and model.safetensors"
    )]
    MissingFile {
        /// The directory or repository.
        place: String,
        /// The missing file.
        file: String,
    },
    /// A file could not be read.
    #[error("{path}: cannot be read; check the path and its permissions")]
    Unreadable {
        /// The file.
        path: String,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// The hub did not give the files.
    #[error(transparent)]
    Hub(#[from] crate::hub::HubError),
    /// `config.json` is no JSON, or not that of the architecture it names.
    #[error("{path}: at {place}: not a configuration this version reads")]
    MalformedConfig {
        /// The file.
        path: String,
        /// JSON path of the fault.
        place: String,
        /// What the parser said.
        #[source]
        source: serde_json::Error,
    },
    /// The architecture has no encoder here.
    #[error("{path}: model_type {found} is not supported; supported: {supported}")]
    UnsupportedArchitecture {
        /// The config.json.
        path: String,
        /// What it names.
        found: String,
        /// What could be used.
        supported: String,
    },
    /// A field's value changes the result in a way that is not implemented.
    #[error("{path}: {field} = {found} is not supported; supported: {supported}")]
    UnsupportedField {
        /// The config.json.
        path: String,
        /// The field.
        field: &'static str,
        /// Its value.
        found: String,
        /// What could be used.
        supported: String,
    },
    /// The weight file is damaged.
    #[error("{path}: not a whole safetensors file ({bytes} bytes); fetch it again")]
    DamagedWeights {
        /// The file.
        path: String,
        /// Its size.
        bytes: usize,
        /// What the parser said.
        #[source]
        source: safetensors::SafeTensorError,
    },
    /// A tensor is not there.
    #[error("{path}: tensor \"{name}\" {shape:?} is missing{hint}")]
    MissingTensor {
        /// The weight file.
        path: String,
        /// The tensor.
        name: String,
        /// The shape that config.json promises.
        shape: Vec<usize>,
        /// What that may mean.
        hint: &'static str,
    },
    /// A tensor has another shape than config.json promises.
    #[error("{path}: tensor \"{name}\" has shape {found:?}, and config.json makes it {expected:?}")]
    WrongShape {
        /// The weight file.
        path: String,
        /// The tensor.
        name: String,
        /// The shape in the file.
        found: Vec<usize>,
        /// The shape that config.json promises.
        expected: Vec<usize>,
    },
    /// A tensor is stored in a type that weights are not kept in.
    #[error("{path}: tensor \"{name}\" is stored as {found}; supported: F32, F16, BF16")]
    WrongType {
        /// The weight file.
        path: String,
        /// The tensor.
        name: String,
        /// The type in the file.
        found: String,
    },
    /// The file holds tensors that the architecture has no place for.
    #[error(
        "{path}: {count} tensors that a {architecture} span model does not have, the first \"{first}\"; is config.json of another model?"
    )]
    ExtraTensors {
        /// The weight file.
        path: String,
        /// How many.
        count: usize,
        /// One of them.
        first: String,
        /// The architecture named by config.json.
        architecture: &'static str,
    },
    /// The tensor library failed.
    #[error("{doing} failed")]
    Tensor {
        /// What was being done.
        doing: String,
        /// What the library said.
        #[source]
        source: candle_core::Error,
    },
}

/// What a record says of a model besides its files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ModelDescription {
    /// The `model_type` of config.json.
    pub architecture: &'static str,
    /// Weights of encoder and span head.
    pub parameters: u64,
    /// What they take in memory, in bytes.
    pub weights_bytes: u64,
    /// The dtype computed in.
    pub dtype: &'static str,
    /// The form of the operations: `cpu` or `portable`.
    pub ops: &'static str,
    /// Tokens of a window at the most.
    pub max_positions: usize,
    /// The tables that tokens are looked up in.
    pub tables: TableSizes,
}

/// A model that gives span logits. Every architecture is one, and so is a stub in tests.
pub trait SpanModel: Send + Sync {
    /// What it is.
    fn description(&self) -> &ModelDescription;

    /// Start and end logits of every token of the batch.
    ///
    /// # Errors
    ///
    /// Fails where the tensor library does, for want of memory.
    fn span_logits(&self, batch: &Batch) -> Result<SpanLogits, ModelError>;

    /// Multiplications and additions that [`SpanModel::span_logits`] needs for
    /// a window of `length` tokens, counting matrix products only.
    fn window_flops(&self, length: usize) -> u64;
}

/// The architectures there are encoders for.
pub const ARCHITECTURES: &[&str] = &["bert"];

/// Loads the span model that `files` hold, in `f32`.
///
/// # Errors
///
/// See [`ModelError`]; each names the file and the field or tensor.
pub fn load(
    files: &ModelFiles,
    device: &Device,
    form: FormChoice,
) -> Result<Box<dyn SpanModel>, ModelError> {
    let form = form.resolve(device, DType::F32);
    let config = ModelConfig::parse(&files.config.path, &files.config.bytes)?;
    let weights = Weights::open(&files.weights, device)?;
    match config {
        ModelConfig::Bert(config) => Ok(Box::new(bert::Bert::load(&config, &weights, form)?)),
    }
}
