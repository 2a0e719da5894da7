//! Tensors of a checkpoint, taken by name and shape; what is left over is an error.

pub mod pickle;
pub mod stored;
pub mod torch;

use std::cell::{Cell, RefCell};
use std::collections::HashSet;
use std::sync::Arc;

use candle_core::{DType, Device, Tensor};

use super::ModelError;
use super::files::WeightFiles;
use crate::ops::embedding::StoredRows;
use crate::ops::int8::Trial;
use crate::ops::{Embedding, Form, Linear, Norm};
use stored::{Element, Stored, StoredTensor};

/// What tensors outside the encoder begin with that belong to other heads, to
/// pre-training, or are constants: no span model reads them.
const OTHER_HEADS: [&str; 12] = [
    "cls.",
    "lm_head.",
    "lm_predictions.",
    "mask_predictions.",
    "predictions.",
    "sop_classifier.",
    "discriminator_predictions.",
    "generator_predictions.",
    "generator_lm_head.",
    "vocab_projector.",
    "vocab_transform.",
    "vocab_layer_norm.",
];

/// What tensors within the encoder begin with that a span model does not read.
const UNUSED: [&str; 3] = [
    "embeddings.position_ids",
    "embeddings.token_type_ids",
    "pooler.",
];

/// Weight and bias of a dense layer: `[outputs, inputs / groups]` and `[outputs]`.
pub type LayerTensors = (Tensor, Option<Tensor>);

/// The tensors of a checkpoint, how they are kept, and the form of the operations made of them.
pub struct Weights<'a> {
    files: &'a Arc<WeightFiles>,
    stored: Stored<'a>,
    device: &'a Device,
    dtype: DType,
    form: Form,
    /// Where dense layers are to be computed in eight bits: those made so far.
    trials: Option<RefCell<Vec<Arc<Trial>>>>,
    /// What the names of the encoder's tensors begin with.
    prefix: RefCell<String>,
    taken: RefCell<HashSet<String>>,
    skipped: RefCell<Vec<String>>,
    parameters: Cell<u64>,
    /// Bytes of the tensors taken, as they are stored.
    read: Cell<u64>,
}

impl<'a> Weights<'a> {
    /// Reads the headers of the weight files; weights will be kept in `dtype`, those of dense
    /// layers also in eight bits where `int8` says so, until [`Weights::trials`] are settled.
    ///
    /// # Errors
    ///
    /// Fails where a file is damaged or of another format.
    pub fn open(
        files: &'a Arc<WeightFiles>,
        device: &'a Device,
        dtype: DType,
        form: Form,
        int8: bool,
    ) -> Result<Self, ModelError> {
        Ok(Self {
            files,
            stored: Stored::open(files)?,
            device,
            dtype,
            form,
            trials: int8.then(RefCell::default),
            prefix: RefCell::default(),
            taken: RefCell::default(),
            skipped: RefCell::default(),
            parameters: Cell::default(),
            read: Cell::default(),
        })
    }

    /// The form of the operations.
    pub fn form(&self) -> Form {
        self.form
    }

    /// The device that weights are put on.
    pub fn device(&self) -> &Device {
        self.device
    }

    /// Whether the checkpoint holds a tensor of that name.
    pub fn contains(&self, name: &str) -> bool {
        self.stored.get(name).is_some()
    }

    /// What the names of the encoder's tensors begin with: the first of
    /// `prefixes` with which there is a tensor `table`, or nothing, for the base
    /// model alone is saved without one.
    pub fn find_prefix(&self, prefixes: &[&str], table: &str) -> String {
        let mut candidates = prefixes.iter().copied().chain([""]);
        let found = candidates.find(|prefix| self.contains(&format!("{prefix}{table}")));
        // Where there is no such table either way, the message shall name the usual one.
        let prefix = found.or(prefixes.first().copied()).unwrap_or_default();
        prefix.clone_into(&mut self.prefix.borrow_mut());
        prefix.to_owned()
    }

    /// The tensor `name`, rounded to the dtype that weights are kept in.
    ///
    /// # Errors
    ///
    /// Fails where it is missing, of another shape, or of a type weights are not kept in.
    pub fn get(&self, name: &str, shape: &[usize]) -> Result<Tensor, ModelError> {
        let loaded = self.take(name, shape)?.load(self.device);
        loaded
            .and_then(|loaded| loaded.to_dtype(self.dtype))
            .map_err(|source| self.failed(name, source))
    }

    /// The tensor `name` as it is stored, which counts as taken.
    fn take(&self, name: &str, shape: &[usize]) -> Result<&StoredTensor<'a>, ModelError> {
        let Some(tensor) = self.stored.get(name) else {
            return Err(ModelError::MissingTensor {
                path: self.stored.path().to_owned(),
                name: name.to_owned(),
                shape: shape.to_vec(),
            });
        };
        let path = tensor.path.to_owned();
        if tensor.shape != shape {
            return Err(ModelError::WrongShape {
                path,
                name: name.to_owned(),
                found: tensor.shape.clone(),
                expected: shape.to_vec(),
            });
        }
        if let Element::Other(kind) = &tensor.element {
            return Err(ModelError::WrongType {
                path,
                name: name.to_owned(),
                found: kind.clone(),
            });
        }
        // Tensors of a PyTorch file may be views of one storage: a small file could name terabytes.
        self.read
            .set(self.read.get().saturating_add(tensor.bytes()));
        if self.read.get() > self.stored.bytes() {
            return Err(ModelError::MoreThanStored { path });
        }
        self.taken.borrow_mut().insert(name.to_owned());
        let elements: usize = shape.iter().product();
        self.parameters.set(self.parameters.get() + elements as u64);
        Ok(tensor)
    }

    /// The dense layer `name.weight` (`[outputs, inputs]`), `name.bias`.
    ///
    /// # Errors
    ///
    /// See [`Weights::get`].
    pub fn linear(&self, name: &str, inputs: usize, outputs: usize) -> Result<Linear, ModelError> {
        self.stacked_linear(&[name], inputs, outputs)
    }

    /// The dense layer `name.weight`, with `name.bias` only where `bias` says so.
    ///
    /// # Errors
    ///
    /// See [`Weights::get`].
    pub fn linear_with(
        &self,
        name: &str,
        inputs: usize,
        outputs: usize,
        bias: bool,
    ) -> Result<Linear, ModelError> {
        if bias {
            return self.linear(name, inputs, outputs);
        }
        let tensor = format!("{name}.weight");
        self.layer(name, 1, move |weights| {
            Ok((weights.get(&tensor, &[outputs, inputs])?, None))
        })
    }

    /// As [`Weights::linear`], and never in eight bits: for layers that are small, and whose results
    /// count as they are.
    ///
    /// # Errors
    ///
    /// See [`Weights::get`].
    pub fn linear_in_full(
        &self,
        name: &str,
        inputs: usize,
        outputs: usize,
    ) -> Result<Linear, ModelError> {
        let weight = self.get(&format!("{name}.weight"), &[outputs, inputs])?;
        let bias = self.get(&format!("{name}.bias"), &[outputs])?;
        Linear::new(&weight, Some(&bias), self.form).map_err(|source| self.failed(name, source))
    }

    /// A dense layer whose weight and bias `tensors` takes and perhaps puts in another order: see
    /// [`Linear::grouped`]. It is known by `name`.
    ///
    /// # Errors
    ///
    /// Fails where `tensors` does, and where the device has no memory left.
    pub fn layer(
        &self,
        name: &str,
        groups: usize,
        tensors: impl Fn(&Weights<'_>) -> Result<LayerTensors, ModelError> + Send + Sync + 'static,
    ) -> Result<Linear, ModelError> {
        let failed = |source| self.failed(name, source);
        let (weight, bias) = tensors(self)?;
        let Some(trials) = &self.trials else {
            let layer = Linear::grouped(&weight, bias.as_ref(), groups, self.form);
            return layer.map_err(failed);
        };
        let (files, device) = (Arc::clone(self.files), self.device.clone());
        let (dtype, form) = (self.dtype, self.form);
        let again = move || {
            let weights = Weights::open(&files, &device, dtype, form, false);
            let found = weights.and_then(|weights| tensors(&weights));
            found.map_err(candle_core::Error::wrap)
        };
        let known = (&weight, bias.as_ref());
        let (layer, trial) = Linear::on_trial(name, known, again, groups, form).map_err(failed)?;
        trials.borrow_mut().push(trial);
        Ok(layer)
    }

    /// The dense layers of which it is to be decided whether they are computed in eight bits.
    pub fn trials(&self) -> Vec<Arc<Trial>> {
        let trials = self.trials.as_ref();
        trials.map_or_else(Vec::new, |trials| trials.borrow().clone())
    }

    /// Dense layers of one input, computed as one: their outputs side by side.
    ///
    /// # Errors
    ///
    /// See [`Weights::get`].
    pub fn stacked_linear(
        &self,
        names: &[&str],
        inputs: usize,
        outputs: usize,
    ) -> Result<Linear, ModelError> {
        let own: Vec<String> = names.iter().map(|&name| name.to_owned()).collect();
        self.layer(&names.join(", "), 1, move |weights| {
            let mut found = (Vec::new(), Vec::new());
            for name in &own {
                let weight = weights.get(&format!("{name}.weight"), &[outputs, inputs])?;
                found.0.push(weight);
                found
                    .1
                    .push(weights.get(&format!("{name}.bias"), &[outputs])?);
            }
            let stacked = Tensor::cat(&found.0, 0)
                .and_then(|weight| Ok((weight, Some(Tensor::cat(&found.1, 0)?))));
            stacked.map_err(|source| weights.failed(&own[0], source))
        })
    }

    /// A convolution over single tokens in `groups`: `name.weight`
    /// (`[outputs, inputs / groups, 1]`), `name.bias`.
    ///
    /// # Errors
    ///
    /// See [`Weights::get`].
    pub fn grouped_linear(
        &self,
        name: &str,
        inputs: usize,
        outputs: usize,
        groups: usize,
    ) -> Result<Linear, ModelError> {
        let own = name.to_owned();
        self.layer(name, groups, move |weights| {
            let weight = weights.get(&format!("{own}.weight"), &[outputs, inputs / groups, 1])?;
            let bias = weights.get(&format!("{own}.bias"), &[outputs])?;
            let weight = weight.squeeze(2);
            Ok((
                weight.map_err(|source| weights.failed(&own, source))?,
                Some(bias),
            ))
        })
    }

    /// The normalisation `name.weight`, `name.bias`; see [`Norm`] for `epsilon`.
    ///
    /// # Errors
    ///
    /// See [`Weights::get`].
    pub fn norm(
        &self,
        name: &str,
        features: usize,
        epsilon: impl Into<Option<f32>>,
    ) -> Result<Norm, ModelError> {
        // Checkpoints converted from TensorFlow kept its names.
        let (weight, bias) = if self.contains(&format!("{name}.gamma")) {
            ("gamma", "beta")
        } else {
            ("weight", "bias")
        };
        let weight = self.get(&format!("{name}.{weight}"), &[features])?;
        let bias = self.get(&format!("{name}.{bias}"), &[features])?;
        Norm::new(&weight, &bias, epsilon.into(), self.form)
            .map_err(|source| self.failed(name, source))
    }

    /// The normalisation `name.weight`, with `name.bias` only where `bias` says so.
    ///
    /// # Errors
    ///
    /// See [`Weights::get`].
    pub fn norm_with(
        &self,
        name: &str,
        features: usize,
        epsilon: f32,
        bias: bool,
    ) -> Result<Norm, ModelError> {
        if bias {
            return self.norm(name, features, epsilon);
        }
        let weight = self.get(&format!("{name}.weight"), &[features])?;
        let norm = weight
            .zeros_like()
            .and_then(|zeros| Norm::new(&weight, &zeros, Some(epsilon), self.form));
        norm.map_err(|source| self.failed(name, source))
    }

    /// The embedding table `name.weight`.
    ///
    /// # Errors
    ///
    /// See [`Weights::get`].
    pub fn embedding(
        &self,
        name: &str,
        rows: usize,
        features: usize,
    ) -> Result<Embedding, ModelError> {
        let name = format!("{name}.weight");
        if self.form != Form::Cpu {
            let table = self.get(&name, &[rows, features])?;
            return Ok(Embedding::new(table, self.form));
        }
        let table = self.take(&name, &[rows, features])?;
        let bytes = table.shared(self.files);
        let (bytes, stored) = bytes.map_err(|source| self.failed(&name, source))?;
        Ok(Embedding::stored(StoredRows {
            bytes,
            features,
            stored,
            rounded: self.dtype,
        }))
    }

    /// Notes that tensors whose names begin with `start` are of no use to this architecture.
    pub fn skip(&self, start: &str) {
        self.skipped.borrow_mut().push(start.to_owned());
    }

    /// Checks that every tensor of the checkpoint was taken or is known to be
    /// of no use here, and returns the number of weights taken.
    ///
    /// # Errors
    ///
    /// Fails where tensors are left over.
    pub fn finish(&self, architecture: &'static str) -> Result<u64, ModelError> {
        let taken = self.taken.borrow();
        let names = self.stored.names();
        let mut extra: Vec<&str> = names
            .filter(|name| !taken.contains(*name) && !self.is_unused(name))
            .collect();
        extra.sort_unstable();
        match extra.first() {
            None => Ok(self.parameters.get()),
            Some(&first) => Err(ModelError::ExtraTensors {
                path: self.stored.path().to_owned(),
                count: extra.len(),
                first: first.to_owned(),
                architecture,
            }),
        }
    }

    fn is_unused(&self, name: &str) -> bool {
        let skipped = self.skipped.borrow();
        let within = name.strip_prefix(self.prefix.borrow().as_str());
        OTHER_HEADS.iter().any(|start| name.starts_with(start))
            || skipped.iter().any(|start| name.starts_with(start))
            || within.is_some_and(|name| UNUSED.iter().any(|start| name.starts_with(start)))
    }

    /// The error of a tensor operation while `name` was loaded.
    pub fn failed(&self, name: &str, source: candle_core::Error) -> ModelError {
        ModelError::Tensor {
            doing: format!("{}: loading \"{name}\"", self.stored.path()),
            source,
        }
    }

    /// For messages: the head that the checkpoint has in place of a span head.
    pub fn other_head(&self) -> String {
        let names = self.stored.names();
        let heads = names.filter(|name| {
            let head = OTHER_HEADS.iter().any(|start| name.starts_with(start));
            head || name.starts_with("classifier.")
        });
        heads
            .min()
            .map_or(String::new(), |name| format!("; it has \"{name}\""))
    }

    /// The path of the first weight file, or of the index of several.
    pub fn path(&self) -> &str {
        self.stored.path()
    }
}
