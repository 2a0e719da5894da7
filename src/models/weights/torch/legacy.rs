//! The layout before PyTorch 1.6: five pickles, then the storages one after another.

use std::collections::HashMap;
use std::ops::Range;

use super::pickle::{self, Id, Pickle, PickleError, StorageClass, Value, shown};
use super::{Element, MAX_PICKLE_BYTES, TorchError, short_name};

/// The first pickle's value, `0x1950a86a20f9469cfc6c`, in bytes.
const MAGIC: [u8; 10] = [0x6c, 0xfc, 0x9c, 0x46, 0xf9, 0x20, 0x6a, 0xa8, 0x50, 0x19];

/// The second pickle's value.
const PROTOCOL_VERSION: i64 = 1001;

/// Where the storages of a file lie, by key.
type Places<'a> = HashMap<&'a str, Range<usize>>;

/// The pickle that names the tensors, and where their storages lie in the file.
pub(super) fn read(file: &[u8]) -> Result<(Pickle<'_>, Places<'_>), TorchError> {
    let mut position = 0;
    let magic = next(file, &mut position)?;
    if !matches!(magic.get(magic.root), Value::LongInteger(bytes) if *bytes == MAGIC) {
        return Err(TorchError::NotACheckpoint);
    }
    let version = next(file, &mut position)?;
    if !matches!(version.get(version.root), Value::Integer(PROTOCOL_VERSION)) {
        return Err(TorchError::ProtocolVersion);
    }
    let system = next(file, &mut position)?;
    if !is_little_endian(&system) {
        return Err(TorchError::BigEndian);
    }
    let tensors = next(file, &mut position)?;
    let keys = next(file, &mut position)?;
    let places = places(file, position, &tensors, &keys)?;
    Ok((tensors, places))
}

/// The bytes of the file that hold the storage of that key.
pub(super) fn storage(places: &Places, key: &str) -> Result<Range<usize>, TorchError> {
    places.get(key).cloned().ok_or_else(|| damaged(key))
}

fn damaged(key: &str) -> TorchError {
    TorchError::DamagedStorage { key: shown(key) }
}

/// Reads the pickle at `position`, and moves past it.
fn next<'a>(file: &'a [u8], position: &mut usize) -> Result<Pickle<'a>, TorchError> {
    let rest = file.get(*position..).unwrap_or_default();
    let allowed = rest.get(..MAX_PICKLE_BYTES).unwrap_or(rest);
    match pickle::load(allowed) {
        Ok(pickle) => {
            *position += pickle.length;
            Ok(pickle)
        }
        Err(PickleError::CutShort { .. }) if allowed.len() < rest.len() => {
            Err(TorchError::LargePickle)
        }
        Err(error) => Err(error.into()),
    }
}

fn is_little_endian(system: &Pickle) -> bool {
    let Value::Dict(entries) = system.get(system.root) else {
        return false;
    };
    let order = |(key, value): &(Id, Id)| {
        (system.text(*key) == Some("little_endian")).then_some(system.get(*value))
    };
    matches!(
        entries.iter().rev().find_map(order),
        Some(Value::Bool(true))
    )
}

/// Where the storages lie: in the order of `keys`, each after the number of its elements.
fn places<'a>(
    file: &[u8],
    mut position: usize,
    tensors: &Pickle<'a>,
    keys: &Pickle<'a>,
) -> Result<Places<'a>, TorchError> {
    let classes = classes(tensors)?;
    let Value::List(keys_in_order) = keys.get(keys.root) else {
        return Err(TorchError::NotACheckpoint);
    };
    let mut places = HashMap::with_capacity(classes.len());
    for key in keys_in_order {
        let key = keys.text(*key).ok_or(TorchError::NotACheckpoint)?;
        let class = classes.get(key).ok_or_else(|| damaged(key))?;
        let range = place(file, position, *class).ok_or_else(|| damaged(key))?;
        position = range.end;
        if places.insert(key, range).is_some() {
            return Err(damaged(key));
        }
    }
    Ok(places)
}

/// The bytes of the storage whose number of elements stands at `position`.
fn place(file: &[u8], position: usize, class: StorageClass) -> Option<Range<usize>> {
    let (count, _) = file.get(position..)?.split_first_chunk()?;
    let elements = usize::try_from(i64::from_le_bytes(*count)).ok()?;
    let start = position.checked_add(count.len())?;
    let end = start.checked_add(elements.checked_mul(Element::from(class).bytes())?)?;
    (end <= file.len()).then_some(start..end)
}

/// The class of each storage that the tensors refer to.
fn classes<'a>(tensors: &Pickle<'a>) -> Result<HashMap<&'a str, StorageClass>, TorchError> {
    let mut classes = HashMap::new();
    for value in tensors.values() {
        let Value::Storage { class, key, .. } = value else {
            continue;
        };
        let key = short_name(tensors.text(*key).unwrap_or_default())?;
        if *classes.entry(key).or_insert(*class) != *class {
            return Err(damaged(key));
        }
    }
    Ok(classes)
}
