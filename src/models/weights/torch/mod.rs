//! Reads `pytorch_model.bin`, the file of `torch.save(model.state_dict())`, as data, straight from
//! its bytes.
//!
//! Both layouts of `torch/serialization.py` are read: the zip of PyTorch 1.6 and later, and the run
//! of pickles before it. Nothing in the file is executed, unpacked or trusted: every range is
//! checked before it is handed out.

mod archive;
mod legacy;
mod tensor;

use super::pickle::{self, PickleError, shown};
use archive::Archive;
pub use tensor::{Element, TorchTensor};

/// Most bytes a pickle of tensor names and shapes may take.
const MAX_PICKLE_BYTES: usize = 64 << 20;

/// Most entries the zip may have: one a storage, and a few more.
const MAX_ENTRIES: usize = 100_000;

/// Most bytes of a tensor's or a storage's name: one name may be repeated for very many tensors, so
/// its length has to be limited too.
const MAX_NAME_BYTES: usize = 512;

/// What can be wrong with a PyTorch weight file. Messages leave the path to the caller.
#[derive(Debug, thiserror::Error)]
pub enum TorchError {
    /// There is nothing in it.
    #[error("the file is empty; fetch it again")]
    Empty,
    /// A web page was saved in its place.
    #[error("an HTML page, not a PyTorch checkpoint; fetch the file again")]
    HtmlPage,
    /// The file's place in a git repository, without its content.
    #[error("a git-lfs pointer, not the weights; run `git lfs pull` or fetch the file again")]
    LfsPointer,
    /// Another format.
    #[error("not a PyTorch checkpoint; it is neither a zip nor begins as torch.save does")]
    NotACheckpoint,
    /// The zip's list of entries cannot be read.
    #[error("not a whole zip; fetch the file again")]
    ZipDirectory {
        /// What the zip reader said.
        #[source]
        source: zip::result::ZipError,
    },
    /// More entries than a checkpoint has.
    #[error("a zip of {found} entries; at most {MAX_ENTRIES} are read")]
    TooManyEntries {
        /// How many there are.
        found: usize,
    },
    /// Two entries of one name: which one counts would depend on the reader.
    #[error("a zip with two entries of one name; save the weights again with torch.save")]
    TwiceNamedEntry,
    /// An entry is not there.
    #[error("the zip has no entry \"{name}\"; it is damaged or not one of torch.save")]
    MissingEntry {
        /// The entry's path in the zip.
        name: String,
    },
    /// An entry cannot be read in place.
    #[error(
        "entry \"{name}\" of the zip is {form}, which torch.save never does; it was not unpacked"
    )]
    PackedEntry {
        /// The entry's path in the zip.
        name: String,
        /// What was done to it.
        form: &'static str,
    },
    /// An entry lies outside the file.
    #[error("entry \"{name}\" of the zip cannot be read; the file is damaged, fetch it again")]
    DamagedEntry {
        /// The entry's path in the zip.
        name: String,
        /// What the zip reader said.
        #[source]
        source: zip::result::ZipError,
    },
    /// The file comes from a machine of the other byte order.
    #[error("saved on a big-endian machine, which is not supported; save it again on another")]
    BigEndian,
    /// A version of the old layout that never was.
    #[error("not of a protocol version that is read here (1001)")]
    ProtocolVersion,
    /// A pickle of more bytes than any state dict.
    #[error("its pickle takes more than {MAX_PICKLE_BYTES} bytes, which no state dict does")]
    LargePickle,
    /// The pickle is damaged, or holds more than data.
    #[error(transparent)]
    Pickle(#[from] PickleError),
    /// A storage that tensors lie in is not there, or shorter than it should be.
    #[error("storage \"{key}\" is missing or cut short; fetch the file again")]
    DamagedStorage {
        /// The storage's key.
        key: String,
    },
    /// The pickle holds something other than a dict.
    #[error("holds no state dict; save model.state_dict() instead of what was saved")]
    NotAStateDict,
    /// No tensor has a name.
    #[error("names no tensor at its top level; save model.state_dict() by itself")]
    NoTensors,
    /// A name too long to be one.
    #[error("tensor or storage name \"{name}\" is longer than {MAX_NAME_BYTES} bytes")]
    LongName {
        /// How it begins.
        name: String,
    },
    /// A shape, strides or offset that cannot be one.
    #[error("tensor \"{name}\": its {what} should be {wanted}; the file is damaged")]
    NotASize {
        /// The tensor.
        name: String,
        /// Which of them.
        what: &'static str,
        /// What it should be made of.
        wanted: &'static str,
    },
    /// A tensor that is larger than what the file holds of it.
    #[error(
        "tensor \"{name}\" {shape:?} does not fit in its storage of {elements} elements; the file is damaged, fetch it again"
    )]
    OutsideStorage {
        /// The tensor.
        name: String,
        /// Its shape.
        shape: Vec<usize>,
        /// Elements of its storage.
        elements: usize,
    },
}

/// The tensors of a weight file, in its order, none of them copied. Of two tensors of one name the
/// last counts, as in Python; what is no tensor, and tensors inside inner dicts, are left out.
///
/// Time and memory grow with the bytes of the pickle in `file`, never with the sizes it claims.
/// The checksums of a zip are not compared.
///
/// # Errors
///
/// Fails where the file is of another format, damaged, compressed, big-endian, or refers to any
/// class or function but the few that a state dict is made of.
pub fn read(file: &[u8]) -> Result<Vec<TorchTensor>, TorchError> {
    match file {
        [b'P', b'K', 3, 4, ..] => {
            let mut archive = Archive::open(file)?;
            let pickle = pickle::load(archive.pickle()?)?;
            tensor::named(&pickle, |key| archive.storage(key))
        }
        // Every pickle since protocol 2 begins with this opcode.
        [0x80, ..] => {
            let (pickle, storages) = legacy::read(file)?;
            tensor::named(&pickle, |key| legacy::storage(&storages, key))
        }
        _ => Err(other_format(file)),
    }
}

/// What a file is that torch.save did not write.
fn other_format(file: &[u8]) -> TorchError {
    let text = file.strip_prefix(b"\xef\xbb\xbf").unwrap_or(file);
    let text = text.trim_ascii_start();
    let begins = |start: &[u8]| {
        text.get(..start.len())
            .is_some_and(|beginning| beginning.eq_ignore_ascii_case(start))
    };
    if file.is_empty() {
        TorchError::Empty
    } else if begins(b"<!doctype html") || begins(b"<html") {
        TorchError::HtmlPage
    } else if begins(b"version https://git-lfs") {
        TorchError::LfsPointer
    } else {
        TorchError::NotACheckpoint
    }
}

/// The name itself, where it is no longer than a name may be.
fn short_name(name: &str) -> Result<&str, TorchError> {
    if name.len() > MAX_NAME_BYTES {
        return Err(TorchError::LongName { name: shown(name) });
    }
    Ok(name)
}
