//! Reading JSON files whose faults are named by place.

use std::fmt;
use std::marker::PhantomData;

use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};

/// Where in a document a fault is, and what the parser says of it.
#[derive(Debug)]
pub(crate) struct Fault {
    /// JSON path, or "the top level", or "the end of the document".
    pub(crate) place: String,
    /// With line and column.
    pub(crate) source: serde_json::Error,
}

/// A JSON object as `T`. Derived structs alone would take a list of their fields' values too.
pub(crate) struct Object<T>(pub(crate) T);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Object<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct ObjectVisitor<T>(PhantomData<T>);
        impl<'de, T: Deserialize<'de>> Visitor<'de> for ObjectVisitor<T> {
            type Value = Object<T>;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Object<T>, A::Error> {
                T::deserialize(MapAccessDeserializer::new(map)).map(Object)
            }
        }
        deserializer.deserialize_map(ObjectVisitor(PhantomData))
    }
}

/// Reads a document that is one object.
pub(crate) fn read<'de, T: Deserialize<'de>>(json: &'de [u8]) -> Result<T, Fault> {
    let mut reader = serde_json::Deserializer::from_slice(json);
    let object: Object<T> =
        serde_path_to_error::deserialize(&mut reader).map_err(|fault| Fault {
            place: place(fault.path()),
            source: fault.into_inner(),
        })?;
    reader.end().map_err(|source| Fault {
        place: "the end of the document".to_owned(),
        source,
    })?;
    Ok(object.0)
}

/// A JSON path for messages; `?` in it stands for a place the parser has no name for.
fn place(path: &serde_path_to_error::Path) -> String {
    let path = path.to_string();
    let path = path.trim_end_matches('?').trim_end_matches('.');
    if path.is_empty() {
        "the top level".to_owned()
    } else {
        path.to_owned()
    }
}
