//! The part of Python's pickle that a state dict needs, read as data: nothing is ever called.
//!
//! The opcodes are those of Python's `pickletools`. Values stand in one list and refer to each
//! other by number, so neither deep nesting nor values that share values cost more than what
//! the file spells out.

mod calls;
mod machine;

use machine::Machine;

/// Most opcodes (and copied dict entries) a pickle may take: a state dict takes some 20 a tensor.
const MAX_STEPS: usize = 4_000_000;

/// Most characters of a name that an error message repeats.
const SHOWN_CHARACTERS: usize = 80;

/// What can be wrong with a pickle. Offsets are in bytes from the start of the pickle.
#[derive(Debug, thiserror::Error)]
pub enum PickleError {
    /// The bytes end before the pickle does.
    #[error("the pickle is cut short at its byte {offset}; fetch the file again")]
    CutShort {
        /// Where more bytes were wanted.
        offset: usize,
    },
    /// An opcode that no state dict needs.
    #[error("opcode {opcode:#04x} at byte {offset} of the pickle is not one weight files use")]
    Opcode {
        /// The opcode.
        opcode: u8,
        /// Where it stands.
        offset: usize,
    },
    /// A class or function outside the few that a state dict needs.
    #[error("refers to {name}, which a weight file has no business with; it was not called")]
    Global {
        /// Module and name, shortened and escaped for a message.
        name: String,
    },
    /// More opcodes than any state dict has.
    #[error("the pickle has more than {MAX_STEPS} steps, which no state dict needs")]
    TooLong,
    /// Opcodes that do not fit together.
    #[error("byte {offset} of the pickle {problem}; the file is damaged or no state dict")]
    Malformed {
        /// Where the opcode stands.
        offset: usize,
        /// What it does wrong, as a verb phrase.
        problem: &'static str,
    },
}

/// The number of a value in its [`Pickle`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Id(u32);

/// The typed storages of `torch`, named as their classes are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs)]
pub(super) enum StorageClass {
    Float,
    Half,
    BFloat16,
    Double,
    Long,
    Int,
    Short,
    Char,
    Byte,
    Bool,
}

/// The classes and functions a pickle may refer to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Global {
    OrderedDict,
    Size,
    RebuildTensor,
    RebuildTensorV2,
    RebuildParameter,
    Storage(StorageClass),
}

/// A value of the pickle; texts and long integers stay where they are in the file.
#[derive(Debug)]
pub(super) enum Value<'a> {
    None,
    Bool(bool),
    Integer(i64),
    /// Little-endian two's complement of more than 8 bytes.
    LongInteger(&'a [u8]),
    Float,
    Text(&'a str),
    Tuple(Vec<Id>),
    List(Vec<Id>),
    /// Entries as they were set: of equal keys, the last counts.
    Dict(Vec<(Id, Id)>),
    Global(Global),
    /// What a persistent id stands for; `key` is a text.
    Storage {
        class: StorageClass,
        key: Id,
        elements: usize,
    },
    /// The arguments of a tensor as they are; only `storage` is known to be of its kind.
    Tensor {
        storage: Id,
        offset: Id,
        shape: Id,
        strides: Id,
    },
}

/// A pickle that was read to its end.
#[derive(Debug)]
pub(super) struct Pickle<'a> {
    values: Vec<Value<'a>>,
    /// The value the pickle stands for.
    pub(super) root: Id,
    /// Bytes it takes.
    pub(super) length: usize,
}

impl<'a> Pickle<'a> {
    /// The value of that number.
    pub(super) fn get(&self, id: Id) -> &Value<'a> {
        // OK because numbers come from this pickle only, and values are never taken away.
        &self.values[id.0 as usize]
    }

    /// All values, in the order they were made.
    pub(super) fn values(&self) -> &[Value<'a>] {
        &self.values
    }

    /// The text of that number, where it is one.
    pub(super) fn text(&self, id: Id) -> Option<&'a str> {
        match self.get(id) {
            Value::Text(text) => Some(text),
            _ => None,
        }
    }

    /// The integer of that number, where it is one that can be a size.
    pub(super) fn size(&self, id: Id) -> Option<usize> {
        match self.get(id) {
            Value::Integer(integer) => usize::try_from(*integer).ok(),
            _ => None,
        }
    }
}

/// Reads the pickle that `bytes` begins with; bytes after it are left alone.
///
/// # Errors
///
/// See [`PickleError`]; a class or function that is not allowed is refused where it is named.
pub(super) fn load(bytes: &[u8]) -> Result<Pickle<'_>, PickleError> {
    Machine::new(bytes).run()
}

/// A name from a file, fit for one line of a message.
pub(super) fn shown(name: &str) -> String {
    let mut shown: String = name
        .chars()
        .take(SHOWN_CHARACTERS)
        .flat_map(char::escape_debug)
        .collect();
    if name.chars().nth(SHOWN_CHARACTERS).is_some() {
        shown.push('…');
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_integers_keep_their_sign() {
        for (bytes, expected) in [
            (&b"\x8a\x00."[..], Some(0)),
            (b"\x8a\x01\xff.", None),
            (b"\x8a\x02\xff\x00.", Some(255)),
            (b"\x8b\x02\x00\x00\x00\x00\x01.", Some(256)),
            (b"M\x00\x01.", Some(256)),
            (b"J\xff\xff\xff\xff.", None),
            (b"J\x00\x00\x00\x01.", Some(1 << 24)),
        ] {
            let pickle = load(bytes).unwrap();
            assert_eq!(pickle.size(pickle.root), expected, "{bytes:x?}");
        }
    }

    #[test]
    fn the_stack_is_not_taken_below_a_mark() {
        let stack = |bytes: &'static [u8]| load(bytes).map(|pickle| pickle.values().len());
        assert_eq!(stack(b"N(0.").unwrap(), 1);
        assert_eq!(stack(b"NN(NN1.").unwrap(), 4);
        for bytes in [
            &b"."[..],
            b"N(.",
            b"](a.",
            b"N(\x85.",
            b"(q\x00.",
            b"Nt.",
            b"(sN.",
        ] {
            assert!(
                matches!(load(bytes), Err(PickleError::Malformed { .. })),
                "{bytes:?}"
            );
        }
    }

    #[test]
    fn what_follows_the_pickle_is_left() {
        let pickle = load(b"\x80\x04\x95\x0b\0\0\0\0\0\0\0\x8c\x01k\x94}h\0h\0s.rest").unwrap();
        assert!(matches!(pickle.get(pickle.root), Value::Dict(entries) if entries.len() == 1));
        assert_eq!(pickle.length, 22);
    }

    #[test]
    fn names_in_messages_are_short_and_printable() {
        assert_eq!(shown("a\nb\u{7}"), "a\\nb\\u{7}");
        assert_eq!(shown(&"重".repeat(81)), "重".repeat(80) + "…");
        assert_eq!(shown(&"重".repeat(80)), "重".repeat(80));
    }
}
