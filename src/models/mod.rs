//! Model files to span logits: one file an architecture.

pub mod architectures;
pub mod card;
mod chunks;
pub mod config;
pub mod encoder;
pub mod error;
pub mod files;
pub mod locate;
pub mod pending;
pub mod quantization;
pub mod replays;
pub mod selection;
pub mod span;
pub mod weights;

use candle_core::{DType, Device};
use serde::{Deserialize, Serialize};

use crate::batch::{Batch, SpanLogits};
use crate::ops::{Form, FormChoice};
use crate::windows::TableSizes;
use config::Fields;
pub use error::ModelError;
use files::ModelFiles;
use pending::Pending;
use quantization::Quantization;
use quantization::kept::Kept;
use replays::{Keep, Prepared};
use span::{Assembled, SpanHead};
use weights::Weights;

/// What a record says of a model besides its files.
#[derive(Debug, Clone, PartialEq)]
pub struct ModelDescription {
    /// The `model_type` of config.json.
    pub architecture: &'static str,
    /// Weights of encoder and span head.
    pub parameters: u64,
    /// What they and the tables made of them take in memory, in bytes.
    pub weights_bytes: u64,
    /// The dtype that weights are kept in.
    pub dtype: &'static str,
    /// The dtype that matrices are multiplied in.
    pub compute_dtype: &'static str,
    /// The form of the operations: `cpu` or `portable`.
    pub ops: &'static str,
    /// The vector instructions that the CPU form computes with: see [`crate::ops::Form::instructions`].
    pub instructions: Option<&'static str>,
    /// Whether matrices in single precision are multiplied in TF32; nothing where the device cannot.
    pub tf32: Option<bool>,
    /// What is said of weights in eight bits, where they are.
    pub quantization: Option<Quantization>,
    /// Tokens of a window at the most, where positions limit it.
    pub max_positions: Option<usize>,
    /// The tables that tokens are looked up in.
    pub tables: TableSizes,
}

#[cfg(test)]
impl ModelDescription {
    /// What a model without weights says of itself.
    pub(crate) fn of_a_test() -> Self {
        Self {
            architecture: "test",
            parameters: 0,
            weights_bytes: 0,
            dtype: "f32",
            compute_dtype: "f32",
            ops: "none",
            instructions: None,
            tf32: None,
            quantization: None,
            max_positions: None,
            tables: TableSizes {
                words: 9,
                segments: 0,
            },
        }
    }
}

/// A model that gives span logits. Every architecture is one, and so is a stub in tests.
pub trait SpanModel: Send + Sync {
    /// What it is.
    fn description(&self) -> &ModelDescription;

    /// Begins to compute start and end logits of every token of the batch, and maybe ends.
    ///
    /// # Errors
    ///
    /// Fails where the tensor library does, for want of memory.
    fn begin(&self, batch: &Batch) -> Result<Pending<'_>, ModelError>;

    /// Gets ready for batches like these, where the device can do something that a first batch would have to
    /// wait for. Nothing may be under way.
    ///
    /// # Errors
    ///
    /// See [`SpanModel::begin`].
    fn prepare(&self, _batches: &[Batch], _keep: Keep) -> Result<Vec<Prepared>, ModelError> {
        Ok(Vec::new())
    }

    /// How many batches may be under way so that the device never waits for the program.
    fn batches_at_once(&self) -> usize {
        1
    }

    /// Start and end logits of every token of the batch.
    ///
    /// # Errors
    ///
    /// See [`SpanModel::begin`].
    fn span_logits(&self, batch: &Batch) -> Result<SpanLogits, ModelError> {
        Ok(self.begin(batch)?.finish()?.logits)
    }

    /// Model FLOPs of a window of `length` tokens: the multiplications and
    /// additions of the matrix products that its logits need.
    ///
    /// These are the products of the reference implementation (Hugging Face
    /// transformers, eager attention, the window alone and unpadded) as
    /// `torch.utils.flop_counter` counts them: dense layers, convolutions by
    /// their groups, scores and weighted sums of attention, a layer that is
    /// used twice counted twice. Not counted are: pairs of tokens that a
    /// sliding window hides (ModernBERT's near layers multiply them here,
    /// too, and then hide them); projections of relative positions, which are
    /// made once at loading, and products with positions that the window is
    /// too short for (DeBERTa); padding of any kind; and everything that is no
    /// matrix product: biases, norms, softmax, activations, rotation, look-ups.
    fn window_flops(&self, length: usize) -> u64;
}

/// What weights are kept in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum Precision {
    /// Single precision.
    #[default]
    F32,
    /// IEEE half precision.
    F16,
    /// Half precision with the range of single precision.
    Bf16,
    /// Dense layers in eight bits, the rest in single precision, or on CUDA in half: see
    /// [`crate::ops::int8`].
    Int8,
}

impl Precision {
    /// Name on the command line and in records.
    pub fn name(self) -> &'static str {
        match self {
            Self::F32 => "f32",
            Self::F16 => "f16",
            Self::Bf16 => "bf16",
            Self::Int8 => "int8",
        }
    }

    /// Of the tensors that a model is made of; in eight bits of what is not in those.
    fn dtype(self, form: Form, architecture: &architectures::Architecture) -> DType {
        match self {
            // What is in full is to be no slower than what is in eight bits.
            Self::Int8 if form == Form::Cuda && architecture.within_f16 => DType::F16,
            Self::F16 => DType::F16,
            Self::F32 | Self::Int8 => DType::F32,
            Self::Bf16 => DType::BF16,
        }
    }

    /// What matrices are multiplied in, where weights are kept so.
    fn computed(self, form: Form) -> Self {
        match (self, form) {
            // Whole numbers in floats, for not every device multiplies others.
            (Self::Int8, Form::Portable) | (Self::F16 | Self::Bf16, Form::Cpu) => Self::F32,
            (precision, _) => precision,
        }
    }
}

impl std::str::FromStr for Precision {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        let known = [Self::F32, Self::F16, Self::Bf16, Self::Int8];
        let found = known.into_iter().find(|precision| precision.name() == name);
        found.ok_or_else(|| format!("unknown dtype \"{name}\"; known are f32, f16, bf16 and int8"))
    }
}

/// Loads the span model that `files` hold, its weights kept in `precision`.
///
/// # Errors
///
/// See [`ModelError`]; each names the file and the field or tensor.
pub fn load(
    files: &ModelFiles,
    device: &Device,
    precision: Precision,
    form: FormChoice,
) -> Result<Box<dyn SpanModel>, ModelError> {
    load_as(files, device, precision, form.resolve(device), None)
}

/// As [`load`]; what is decided for eight bits is kept in the user's cache folder for the next time.
///
/// # Errors
///
/// See [`load`].
pub fn load_kept(
    files: &ModelFiles,
    device: &Device,
    precision: Precision,
    form: FormChoice,
) -> Result<Box<dyn SpanModel>, ModelError> {
    let form = form.resolve(device);
    let int8 = precision == Precision::Int8;
    let kept = int8.then(|| Kept::in_caches(files, form)).flatten();
    load_as(files, device, precision, form, kept.as_ref())
}

fn load_as(
    files: &ModelFiles,
    device: &Device,
    precision: Precision,
    form: Form,
    kept: Option<&Kept>,
) -> Result<Box<dyn SpanModel>, ModelError> {
    let fields = Fields::parse(&files.config.path, &files.config.bytes)?;
    let architecture = architectures::named(&fields, &files.config.path)?;
    let dtype = precision.dtype(form, &architecture);
    let int8 = precision == Precision::Int8;
    let weights = Weights::open(&files.weights, device, dtype, form, int8)?;
    // First, since a checkpoint without one is of no use here whatever else is wrong with it.
    SpanHead::check(architecture.name, &fields, &weights)?;
    let encoded = (architecture.load)(&fields, &weights)?;
    let head = SpanHead::load(architecture.name, &fields, &weights, encoded.hidden)?;
    let parameters = weights.finish(architecture.name)?;
    let weights_bytes = parameters * dtype.size_in_bytes() as u64;
    let description = ModelDescription {
        architecture: architecture.name,
        parameters,
        weights_bytes: weights_bytes + encoded.encoder.derived_bytes(),
        dtype: precision.name(),
        compute_dtype: precision.computed(form).name(),
        ops: form.name(),
        instructions: form.instructions(),
        // Neither form asks for it on a device that could: see `ops::cuda::product`, and candle leaves it off.
        tf32: device.is_cuda().then_some(false),
        quantization: None,
        max_positions: encoded.max_positions,
        tables: encoded.tables,
    };
    let mut model = Assembled::new(description, encoded.encoder, head, form, device.clone());
    if int8 {
        model.quantise(&weights.trials(), files, kept)?;
    }
    Ok(Box::new(model))
}
