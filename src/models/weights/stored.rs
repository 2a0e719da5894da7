//! Tensors as they lie in weight files: safetensors or PyTorch, one file or several.

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::Arc;

use bytes::Bytes;
use candle_core::{DType, Device, Result as TensorResult, Tensor};
use safetensors::{Dtype, SafeTensors};

use super::torch::{self, TorchTensor};
use crate::models::ModelError;
use crate::models::files::{ModelFile, WeightFiles, WeightFormat};

/// What the elements of a tensor are stored as.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Element {
    /// A floating-point type that weights are kept in.
    Float(DType),
    /// Any other, by its name.
    Other(String),
}

/// A tensor of a file.
pub struct StoredTensor<'a> {
    /// Which of the files.
    file: usize,
    /// The file, for messages.
    pub path: &'a str,
    /// What its elements are.
    pub element: Element,
    /// Its shape.
    pub shape: Vec<usize>,
    data: Data<'a>,
}

enum Data<'a> {
    /// Elements in a row.
    Plain(&'a [u8]),
    /// Elements of a PyTorch file, perhaps with gaps.
    Torch(TorchTensor, &'a [u8]),
}

impl StoredTensor<'_> {
    /// What its elements take.
    pub(super) fn bytes(&self) -> u64 {
        let Element::Float(dtype) = self.element else {
            return 0;
        };
        let elements = self.shape.iter().map(|&size| size as u64);
        elements.fold(dtype.size_in_bytes() as u64, u64::saturating_mul)
    }

    /// The tensor on `device`, in the type it is stored as.
    pub(super) fn load(&self, device: &Device) -> TensorResult<Tensor> {
        Tensor::from_raw_buffer(&self.elements(), self.float()?, &self.shape, device)
    }

    /// Its elements in a row, where they lie if they do, and what they are. `files` are those that
    /// it was found in.
    pub(super) fn shared(&self, files: &Arc<WeightFiles>) -> TensorResult<(Bytes, DType)> {
        let bytes = match self.elements() {
            Cow::Owned(gathered) => Bytes::from(gathered),
            Cow::Borrowed(elements) => {
                let file = Bytes::from_owner(FileOf(Arc::clone(files), self.file));
                let before = elements.as_ptr().addr() - file.as_ptr().addr();
                file.slice(before..before + elements.len())
            }
        };
        Ok((bytes, self.float()?))
    }

    fn float(&self) -> TensorResult<DType> {
        match self.element {
            Element::Float(dtype) => Ok(dtype),
            Element::Other(_) => candle_core::bail!("no tensor of floating-point numbers"),
        }
    }

    fn elements(&self) -> Cow<'_, [u8]> {
        match &self.data {
            Data::Plain(bytes) => Cow::Borrowed(*bytes),
            Data::Torch(tensor, file) => tensor.bytes(file),
        }
    }
}

/// The bytes of one of a model's weight files.
struct FileOf(Arc<WeightFiles>, usize);

impl AsRef<[u8]> for FileOf {
    fn as_ref(&self) -> &[u8] {
        &self.0.files[self.1].bytes
    }
}

/// All tensors of a checkpoint by name.
pub struct Stored<'a> {
    path: &'a str,
    /// Of all files together.
    bytes: u64,
    tensors: HashMap<String, StoredTensor<'a>>,
}

impl<'a> Stored<'a> {
    /// Reads the headers of all files and checks them against the files' lengths.
    ///
    /// # Errors
    ///
    /// Fails where a file is cut short, of another format, or two files hold the same tensor.
    pub fn open(files: &'a WeightFiles) -> Result<Self, ModelError> {
        let mut tensors = HashMap::new();
        for (number, file) in files.files.iter().enumerate() {
            let found = match files.format {
                WeightFormat::Safetensors => safetensors(number, file)?,
                WeightFormat::Torch => torch(number, file)?,
            };
            for (name, tensor) in found {
                if let Some(index) = &files.index
                    && tensors.contains_key(&name)
                {
                    return Err(ModelError::BadIndex {
                        path: index.path.clone(),
                        fault: format!("two of its files hold the tensor \"{name}\""),
                    });
                }
                tensors.insert(name, tensor);
            }
        }
        let first = files.index.as_ref().or(files.files.first());
        Ok(Self {
            path: first.map_or("", |file| &file.path),
            bytes: files.files.iter().map(|file| file.bytes.len() as u64).sum(),
            tensors,
        })
    }

    /// The file, or the index of several.
    pub fn path(&self) -> &'a str {
        self.path
    }

    /// The size of all files together.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// The tensor called `name`.
    pub fn get(&self, name: &str) -> Option<&StoredTensor<'a>> {
        self.tensors.get(name)
    }

    /// All names.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.tensors.keys().map(String::as_str)
    }
}

type Named<'a> = (String, StoredTensor<'a>);

fn safetensors(number: usize, file: &ModelFile) -> Result<Vec<Named<'_>>, ModelError> {
    let tensors =
        SafeTensors::deserialize(&file.bytes).map_err(|source| ModelError::DamagedWeights {
            path: file.path.clone(),
            bytes: file.bytes.len(),
            source,
        })?;
    let named = tensors.tensors().into_iter().map(|(name, view)| {
        let element = match view.dtype() {
            Dtype::F32 => Element::Float(DType::F32),
            Dtype::F16 => Element::Float(DType::F16),
            Dtype::BF16 => Element::Float(DType::BF16),
            other => Element::Other(format!("{other:?}")),
        };
        let tensor = StoredTensor {
            file: number,
            path: &file.path,
            element,
            shape: view.shape().to_vec(),
            data: Data::Plain(view.data()),
        };
        (name, tensor)
    });
    Ok(named.collect())
}

fn torch(number: usize, file: &ModelFile) -> Result<Vec<Named<'_>>, ModelError> {
    let tensors = torch::read(&file.bytes).map_err(|source| ModelError::BadCheckpoint {
        path: file.path.clone(),
        source,
    })?;
    let named = tensors.into_iter().map(|tensor| {
        let element = match tensor.element {
            torch::Element::F32 => Element::Float(DType::F32),
            torch::Element::F16 => Element::Float(DType::F16),
            torch::Element::BF16 => Element::Float(DType::BF16),
            torch::Element::F64 => Element::Other("F64".to_owned()),
            torch::Element::Other(name) => Element::Other(name.to_owned()),
        };
        let stored = StoredTensor {
            file: number,
            path: &file.path,
            element,
            shape: tensor.shape.clone(),
            data: Data::Torch(tensor.clone(), &file.bytes),
        };
        (tensor.name, stored)
    });
    Ok(named.collect())
}
