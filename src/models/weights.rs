//! Tensors of a checkpoint, taken by name and shape; what is left over is an error.

use std::cell::{Cell, RefCell};
use std::collections::HashSet;

use candle_core::safetensors::Load;
use candle_core::{DType, Device, Tensor};
use safetensors::{Dtype, SafeTensors};

use super::ModelError;
use super::files::ModelFile;
use crate::ops::{Embedding, Form, LayerNorm, Linear};

/// Tensors that checkpoints carry for other heads or as constants, and no span model reads.
const IGNORED: [&str; 4] = [
    "embeddings.position_ids",
    "embeddings.token_type_ids",
    "pooler.dense.",
    "cls.",
];

/// The tensors of a weight file.
pub struct Weights<'a> {
    path: &'a str,
    tensors: SafeTensors<'a>,
    device: &'a Device,
    taken: RefCell<HashSet<String>>,
    parameters: Cell<u64>,
}

impl<'a> Weights<'a> {
    /// Reads the header of a safetensors file and checks it against the file's length.
    ///
    /// # Errors
    ///
    /// Fails where the file is cut short or of another format.
    pub fn open(file: &'a ModelFile, device: &'a Device) -> Result<Self, ModelError> {
        let tensors =
            SafeTensors::deserialize(&file.bytes).map_err(|source| ModelError::DamagedWeights {
                path: file.path.clone(),
                bytes: file.bytes.len(),
                source,
            })?;
        Ok(Self {
            path: &file.path,
            tensors,
            device,
            taken: RefCell::default(),
            parameters: Cell::default(),
        })
    }

    /// Whether the file holds a tensor of that name.
    pub fn contains(&self, name: &str) -> bool {
        self.tensors.tensor(name).is_ok()
    }

    /// The tensor `name` in `f32`.
    ///
    /// # Errors
    ///
    /// Fails where it is missing, of another shape, or of a type weights are not kept in.
    pub fn get(&self, name: &str, shape: &[usize]) -> Result<Tensor, ModelError> {
        let path = || self.path.to_owned();
        let view = self
            .tensors
            .tensor(name)
            .map_err(|_| ModelError::MissingTensor {
                path: path(),
                name: name.to_owned(),
                shape: shape.to_vec(),
                hint: if name.starts_with("qa_outputs") {
                    ": the checkpoint has no span head, so it is not a question-answering model"
                } else {
                    ""
                },
            })?;
        if view.shape() != shape {
            return Err(ModelError::WrongShape {
                path: path(),
                name: name.to_owned(),
                found: view.shape().to_vec(),
                expected: shape.to_vec(),
            });
        }
        if !matches!(view.dtype(), Dtype::F32 | Dtype::F16 | Dtype::BF16) {
            return Err(ModelError::WrongType {
                path: path(),
                name: name.to_owned(),
                found: format!("{:?}", view.dtype()),
            });
        }
        let tensor = view
            .load(self.device)
            .and_then(|tensor| tensor.to_dtype(DType::F32));
        let tensor = tensor.map_err(|source| self.failed(name, source))?;
        self.taken.borrow_mut().insert(name.to_owned());
        self.parameters
            .set(self.parameters.get() + tensor.elem_count() as u64);
        Ok(tensor)
    }

    /// The dense layer `name.weight` (`[outputs, inputs]`), `name.bias`.
    ///
    /// # Errors
    ///
    /// See [`Weights::get`].
    pub fn linear(
        &self,
        name: &str,
        inputs: usize,
        outputs: usize,
        form: Form,
    ) -> Result<Linear, ModelError> {
        self.stacked_linear(&[name], inputs, outputs, form)
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
        form: Form,
    ) -> Result<Linear, ModelError> {
        let mut weights = Vec::with_capacity(names.len());
        let mut biases = Vec::with_capacity(names.len());
        for name in names {
            weights.push(self.get(&format!("{name}.weight"), &[outputs, inputs])?);
            biases.push(self.get(&format!("{name}.bias"), &[outputs])?);
        }
        let layer = Tensor::cat(&weights, 0)
            .and_then(|weight| Linear::new(&weight, Tensor::cat(&biases, 0)?, form));
        layer.map_err(|source| self.failed(names[0], source))
    }

    /// The layer normalisation `name.weight`, `name.bias`.
    ///
    /// # Errors
    ///
    /// See [`Weights::get`].
    pub fn layer_norm(
        &self,
        name: &str,
        features: usize,
        epsilon: f32,
        form: Form,
    ) -> Result<LayerNorm, ModelError> {
        // Checkpoints converted from TensorFlow kept its names.
        let (weight, bias) = if self.contains(&format!("{name}.gamma")) {
            ("gamma", "beta")
        } else {
            ("weight", "bias")
        };
        let weight = self.get(&format!("{name}.{weight}"), &[features])?;
        let bias = self.get(&format!("{name}.{bias}"), &[features])?;
        LayerNorm::new(&weight, &bias, epsilon, form).map_err(|source| self.failed(name, source))
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
        let table = self.get(&format!("{name}.weight"), &[rows, features])?;
        Ok(Embedding::new(table))
    }

    /// Checks that every tensor of the file was taken or is known to be of no
    /// use here, and returns the number of weights taken.
    ///
    /// # Errors
    ///
    /// Fails where tensors are left over.
    pub fn finish(&self, architecture: &'static str) -> Result<u64, ModelError> {
        let taken = self.taken.borrow();
        let names = self.tensors.names();
        let mut extra: Vec<&str> = names
            .into_iter()
            .filter(|name| !taken.contains(*name) && !is_ignored(name))
            .collect();
        extra.sort_unstable();
        match extra.first() {
            None => Ok(self.parameters.get()),
            Some(&first) => Err(ModelError::ExtraTensors {
                path: self.path.to_owned(),
                count: extra.len(),
                first: first.to_owned(),
                architecture,
            }),
        }
    }

    fn failed(&self, name: &str, source: candle_core::Error) -> ModelError {
        ModelError::Tensor {
            doing: format!("{}: loading \"{name}\"", self.path),
            source,
        }
    }
}

fn is_ignored(name: &str) -> bool {
    let name = name.strip_prefix("bert.").unwrap_or(name);
    IGNORED.iter().any(|ignored| name.starts_with(ignored))
}
