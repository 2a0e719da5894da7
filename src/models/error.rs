//! What can be wrong with a model.

use super::weights::torch::TorchError;

/// What can be wrong with a model.
#[derive(Debug, thiserror::Error)]
pub enum ModelError {
    /// The name is neither a card, nor a directory, nor a repository.
    #[error(
        "model \"{name}\": no card of that name (`spanbench list models` shows all {cards}, of which {} is bundled), no such directory, and not of the form owner/name[@revision]",
        crate::bundled::MODEL
    )]
    Unknown {
        /// What was asked for.
        name: String,
        /// How many cards there are.
        cards: usize,
    },
    /// A file every model has is not there.
    #[error("{place}: {fault}")]
    MissingFile {
        /// The directory or repository.
        place: String,
        /// What is missing, and what a model needs.
        fault: String,
    },
    /// The text that quantization is decided on cannot be put into the model's tokens.
    #[error("{path}: int8 needs the model's tokeniser, to decide which layers it can be used for")]
    Calibration {
        /// The model's configuration.
        path: String,
        /// What is wrong with the tokeniser.
        #[source]
        source: Box<crate::windows::WindowError>,
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
    /// A folder, a pipe or a device stands where a file should.
    #[error("{path}: not a file; copy the checkpoint's file there")]
    NoFile {
        /// The path.
        path: String,
    },
    /// A file of text is larger than any that a model has.
    #[error("{path}: {bytes} bytes, which no model's file of this kind has; fetch it again")]
    TooLarge {
        /// The file.
        path: String,
        /// Its size.
        bytes: u64,
    },
    /// The hub did not give the files.
    #[error(transparent)]
    Hub(#[from] crate::hub::HubError),
    /// `config.json` is no JSON, or not that of the architecture it names.
    #[error("{path}: at {place}: not a configuration this version reads; fetch it again")]
    MalformedConfig {
        /// The file.
        path: String,
        /// JSON path of the fault.
        place: String,
        /// What the parser said.
        #[source]
        source: serde_json::Error,
    },
    /// A field has a value of the wrong kind.
    #[error("{path}: {field} = {found} is not of the kind this field has")]
    WrongField {
        /// The config.json.
        path: String,
        /// The field.
        field: &'static str,
        /// Its value.
        found: String,
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
    /// A PyTorch checkpoint cannot be read as data.
    #[error("{path}: cannot be used as weights")]
    BadCheckpoint {
        /// The file.
        path: String,
        /// What is wrong with it.
        #[source]
        source: TorchError,
    },
    /// Many tensors share the same bytes.
    #[error(
        "{path}: its tensors take more bytes than it has: they share them; save each tensor by itself"
    )]
    MoreThanStored {
        /// The weight file.
        path: String,
    },
    /// The index of a checkpoint in several files is at fault.
    #[error("{path}: {fault}")]
    BadIndex {
        /// The index.
        path: String,
        /// What is wrong with it.
        fault: String,
    },
    /// The checkpoint has no span head.
    #[error(
        "{path}: no span head ({expected}): the checkpoint is not a question-answering model{also}"
    )]
    NoSpanHead {
        /// The weight file.
        path: String,
        /// The tensors that would be one.
        expected: &'static str,
        /// The head it has in its place, as far as that can be told.
        also: String,
    },
    /// A tensor is not there.
    #[error("{path}: tensor \"{name}\" {shape:?} is missing; is config.json of another model?")]
    MissingTensor {
        /// The weight file.
        path: String,
        /// The tensor.
        name: String,
        /// The shape that config.json promises.
        shape: Vec<usize>,
    },
    /// A tensor has another shape than config.json promises.
    #[error(
        "{path}: tensor \"{name}\" has shape {found:?}, and config.json makes it {expected:?}; is that of another model?"
    )]
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
    #[error(
        "{path}: tensor \"{name}\" is stored as {found}; supported: F32, F16, BF16; save it in one of these"
    )]
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

impl ModelError {
    /// Whether a device had no memory left for what was asked of it.
    pub fn is_out_of_memory(&self) -> bool {
        // Of the driver's or the library's error candle leaves but the text.
        let is_so = |text: &str| {
            text.contains("CUDA_ERROR_OUT_OF_MEMORY") || text.contains("CUBLAS_STATUS_ALLOC_FAILED")
        };
        matches!(self, Self::Tensor { source, .. } if is_so(&format!("{source:?}")))
    }
}
