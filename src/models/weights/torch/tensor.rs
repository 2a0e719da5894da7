//! A tensor of a weight file: where its elements lie, checked against the storage they lie in.

use std::borrow::Cow;
use std::collections::HashMap;
use std::ops::Range;

use super::pickle::{Id, Pickle, StorageClass, Value, shown};
use super::{TorchError, short_name};

/// Most dimensions a tensor may have.
const MAX_DIMENSIONS: usize = 8;

/// How the numbers of a tensor are stored, little-endian.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Element {
    /// IEEE single precision, 4 bytes.
    F32,
    /// IEEE half precision, 2 bytes.
    F16,
    /// The upper half of single precision, 2 bytes.
    BF16,
    /// IEEE double precision, 8 bytes.
    F64,
    /// Integers and truth values, by the names safetensors gives them: I64, I32, I16, I8, U8, BOOL.
    Other(&'static str),
}

impl Element {
    /// Bytes one element takes.
    pub fn bytes(self) -> usize {
        match self {
            Self::F64 | Self::Other("I64") => 8,
            Self::F32 | Self::Other("I32") => 4,
            Self::F16 | Self::BF16 | Self::Other("I16") => 2,
            Self::Other(_) => 1,
        }
    }
}

impl From<StorageClass> for Element {
    fn from(class: StorageClass) -> Self {
        match class {
            StorageClass::Float => Self::F32,
            StorageClass::Half => Self::F16,
            StorageClass::BFloat16 => Self::BF16,
            StorageClass::Double => Self::F64,
            StorageClass::Long => Self::Other("I64"),
            StorageClass::Int => Self::Other("I32"),
            StorageClass::Short => Self::Other("I16"),
            StorageClass::Char => Self::Other("I8"),
            StorageClass::Byte => Self::Other("U8"),
            StorageClass::Bool => Self::Other("BOOL"),
        }
    }
}

/// A named tensor of a weight file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TorchTensor {
    /// Its key in the state dict.
    pub name: String,
    /// How its numbers are stored.
    pub element: Element,
    /// Sizes of its dimensions, at most eight; none for a single number.
    pub shape: Vec<usize>,
    /// For each dimension, how many elements of the storage one step along it passes over.
    pub strides: Vec<usize>,
    /// Bytes of the file from the tensor's first element to its last, inclusive; empty where a
    /// dimension is zero. Not aligned to the element's size.
    pub data: Range<usize>,
}

impl TorchTensor {
    /// The elements in row-major order: those of the file where they lie so, or else a copy.
    ///
    /// # Panics
    ///
    /// Panics where `file` is shorter than the one the tensor was read from.
    pub fn bytes<'a>(&self, file: &'a [u8]) -> Cow<'a, [u8]> {
        // OK because `read` checked the range against the file, and shape and strides against it.
        let data = &file[self.data.clone()];
        let Some((columns, rows)) = self.shape.split_last() else {
            return Cow::Borrowed(data);
        };
        if self.is_contiguous() {
            return Cow::Borrowed(data);
        }
        let size = self.element.bytes();
        let column_stride = self.strides[rows.len()];
        let mut gathered = Vec::with_capacity(self.shape.iter().product::<usize>() * size);
        let mut row = vec![0; rows.len()];
        loop {
            let first: usize = row
                .iter()
                .zip(&self.strides)
                .map(|(at, step)| at * step)
                .sum();
            for column in 0..*columns {
                let start = (first + column * column_stride) * size;
                gathered.extend_from_slice(&data[start..start + size]);
            }
            // The next row: the last dimension that can still step does, those after it restart.
            let Some(stepping) = (0..rows.len()).rev().find(|&at| row[at] + 1 < rows[at]) else {
                return Cow::Owned(gathered);
            };
            row[stepping] += 1;
            row[stepping + 1..].fill(0);
        }
    }

    /// Whether the elements lie in row-major order without gaps.
    fn is_contiguous(&self) -> bool {
        let mut expected = 1;
        self.data.is_empty()
            || self
                .shape
                .iter()
                .zip(&self.strides)
                .rev()
                .all(|(size, stride)| {
                    let fits = *size == 1 || *stride == expected;
                    expected *= size;
                    fits
                })
    }
}

/// The tensors that the pickle's top-level dict names; `storage` says which bytes of the file hold
/// the storage of a key.
pub(super) fn named(
    pickle: &Pickle,
    mut storage: impl FnMut(&str) -> Result<Range<usize>, TorchError>,
) -> Result<Vec<TorchTensor>, TorchError> {
    let Value::Dict(entries) = pickle.get(pickle.root) else {
        return Err(TorchError::NotAStateDict);
    };
    // As in Python, a name keeps its first place and its last value.
    let mut values: Vec<(&str, &Value)> = Vec::new();
    let mut places = HashMap::new();
    for (key, value) in entries {
        let Some(name) = pickle.text(*key) else {
            continue;
        };
        let place = *places.entry(short_name(name)?).or_insert(values.len());
        match values.get_mut(place) {
            Some(known) => known.1 = pickle.get(*value),
            None => values.push((name, pickle.get(*value))),
        }
    }
    let mut tensors = Vec::new();
    for (name, value) in values {
        if let Value::Tensor {
            storage: lies_in,
            offset,
            shape,
            strides,
        } = value
        {
            let arguments = Arguments {
                pickle,
                name,
                offset: *offset,
                shape: *shape,
                strides: *strides,
            };
            tensors.push(arguments.check(pickle.get(*lies_in), &mut storage)?);
        }
    }
    if tensors.is_empty() {
        return Err(TorchError::NoTensors);
    }
    Ok(tensors)
}

/// What the pickle says of a tensor.
struct Arguments<'a> {
    pickle: &'a Pickle<'a>,
    name: &'a str,
    offset: Id,
    shape: Id,
    strides: Id,
}

impl Arguments<'_> {
    /// Checks that all sizes are sizes, and that all elements lie in the storage.
    fn check(
        &self,
        lies_in: &Value,
        storage: &mut impl FnMut(&str) -> Result<Range<usize>, TorchError>,
    ) -> Result<TorchTensor, TorchError> {
        let Value::Storage {
            class,
            key,
            elements,
        } = *lies_in
        else {
            // The pickle makes no tensor of anything else, so this is never met.
            return Err(TorchError::NotAStateDict);
        };
        let element = Element::from(class);
        let key = short_name(self.pickle.text(key).unwrap_or_default())?;
        let storage = storage(key)?;
        if elements
            .checked_mul(element.bytes())
            .is_none_or(|bytes| bytes > storage.len())
        {
            return Err(TorchError::DamagedStorage { key: shown(key) });
        }
        let shape = self
            .sizes(self.shape)
            .ok_or_else(|| self.not_a_size("shape", "at most eight sizes"))?;
        let strides = self
            .sizes(self.strides)
            .filter(|strides| strides.len() == shape.len())
            .ok_or_else(|| self.not_a_size("strides", "a size for each dimension"))?;
        let offset = self
            .pickle
            .size(self.offset)
            .ok_or_else(|| self.not_a_size("offset", "a size"))?;
        let Some(span) = span(&shape, &strides, elements)
            .filter(|span| offset.checked_add(*span).is_some_and(|end| end <= elements))
        else {
            return Err(TorchError::OutsideStorage {
                name: shown(self.name),
                shape,
                elements,
            });
        };
        // None of this overflows: the storage's bytes were multiplied above, and lie in the file.
        let start = storage.start + offset * element.bytes();
        Ok(TorchTensor {
            name: self.name.to_owned(),
            element,
            shape,
            strides,
            data: start..start + span * element.bytes(),
        })
    }

    fn sizes(&self, id: Id) -> Option<Vec<usize>> {
        match self.pickle.get(id) {
            Value::Tuple(sizes) | Value::List(sizes) if sizes.len() <= MAX_DIMENSIONS => {
                sizes.iter().map(|size| self.pickle.size(*size)).collect()
            }
            _ => None,
        }
    }

    fn not_a_size(&self, what: &'static str, wanted: &'static str) -> TorchError {
        TorchError::NotASize {
            name: shown(self.name),
            what,
            wanted,
        }
    }
}

/// Elements from a tensor's first to its last, inclusive. None where they are more than can be
/// counted, or where the tensor repeats elements so that it has more than the storage has.
fn span(shape: &[usize], strides: &[usize], elements: usize) -> Option<usize> {
    if shape.contains(&0) {
        return Some(0);
    }
    let count = shape
        .iter()
        .try_fold(1_usize, |count, size| count.checked_mul(*size))?;
    let last = shape
        .iter()
        .zip(strides)
        .try_fold(0_usize, |last, (size, stride)| {
            last.checked_add((size - 1).checked_mul(*stride)?)
        })?;
    (count <= elements).then_some(last.checked_add(1)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tensor(shape: &[usize], strides: &[usize]) -> TorchTensor {
        let span = span(shape, strides, 24).unwrap();
        TorchTensor {
            name: String::new(),
            element: Element::Other("U8"),
            shape: shape.to_vec(),
            strides: strides.to_vec(),
            data: 1..1 + span,
        }
    }

    #[test]
    fn elements_come_in_row_major_order() {
        let file: Vec<u8> = (0..25).collect();
        let plain = tensor(&[2, 1, 3], &[3, 77, 1]);
        assert!(matches!(
            plain.bytes(&file),
            Cow::Borrowed([1, 2, 3, 4, 5, 6])
        ));
        assert_eq!(*tensor(&[3, 2], &[1, 3]).bytes(&file), [1, 4, 2, 5, 3, 6]);
        assert_eq!(
            *tensor(&[2, 2, 2], &[1, 8, 4]).bytes(&file),
            [1, 5, 9, 13, 2, 6, 10, 14]
        );
        assert_eq!(*tensor(&[3], &[5]).bytes(&file), [1, 6, 11]);
        assert_eq!(*tensor(&[2, 2], &[0, 1]).bytes(&file), [1, 2, 1, 2]);
        assert_eq!(*tensor(&[], &[]).bytes(&file), [1]);
        assert!(tensor(&[4, 0], &[1, 9]).bytes(&file).is_empty());
    }

    #[test]
    fn spans_are_counted_without_overflow() {
        assert_eq!(span(&[2, 3], &[3, 1], 6), Some(6));
        assert_eq!(span(&[2, 3], &[3, 1], 5), None);
        assert_eq!(span(&[2, 3], &[30, 1], 6), Some(33));
        assert_eq!(span(&[usize::MAX, 0], &[usize::MAX, 1], 0), Some(0));
        assert_eq!(span(&[usize::MAX, 2], &[0, 0], 9), None);
        assert_eq!(span(&[2, 2], &[usize::MAX, 1], 9), None);
        assert_eq!(span(&[2], &[usize::MAX], 9), None);
    }
}
