//! The zip of PyTorch 1.6 and later: a pickle, and an uncompressed entry a storage.

use std::io::{self, Cursor, Read, Seek, SeekFrom};
use std::ops::Range;

use zip::CompressionMethod;
use zip::read::{ArchiveOffset, Config, ZipArchive};
use zip::result::ZipError;

use super::pickle::shown;
use super::{MAX_ENTRIES, MAX_PICKLE_BYTES, TorchError};

/// Most bytes the zip reader may read, which are those of headers alone.
const MAX_DIRECTORY_BYTES: usize = 64 << 20;

/// An open zip.
pub(super) struct Archive<'a> {
    file: &'a [u8],
    zip: ZipArchive<Headers<'a>>,
    /// The folder all entries lie in: torch.save names it after the file.
    root: String,
}

impl<'a> Archive<'a> {
    /// Reads the list of entries and checks the byte order.
    pub(super) fn open(file: &'a [u8]) -> Result<Self, TorchError> {
        let headers = Headers {
            file: Cursor::new(file),
            left: MAX_DIRECTORY_BYTES,
        };
        let config = Config {
            archive_offset: ArchiveOffset::Known(0),
        };
        let zip = ZipArchive::with_config(config, headers)
            .map_err(|source| TorchError::ZipDirectory { source })?;
        if zip.len() > MAX_ENTRIES {
            return Err(TorchError::TooManyEntries { found: zip.len() });
        }
        if zip.has_duplicate_names() {
            return Err(TorchError::TwiceNamedEntry);
        }
        let root = match zip.file_names().next() {
            Some(Ok(name)) => name.split_once('/').map(|(root, _)| root.to_owned()),
            _ => None,
        };
        let root = root.ok_or(TorchError::NotACheckpoint)?;
        let mut archive = Self { file, zip, root };
        match archive.entry("byteorder") {
            // Files of PyTorch before 2.1 do not tell; torch.load takes them as little-endian too.
            Err(TorchError::MissingEntry { .. }) => Ok(archive),
            Ok(range) if file[range.clone()] == *b"little" => Ok(archive),
            Ok(_) => Err(TorchError::BigEndian),
            Err(error) => Err(error),
        }
    }

    /// The bytes of the pickle that names the tensors.
    pub(super) fn pickle(&mut self) -> Result<&'a [u8], TorchError> {
        let range = self.entry("data.pkl")?;
        if range.len() > MAX_PICKLE_BYTES {
            return Err(TorchError::LargePickle);
        }
        Ok(&self.file[range])
    }

    /// The bytes of the file that hold the storage of that key.
    pub(super) fn storage(&mut self, key: &str) -> Result<Range<usize>, TorchError> {
        self.entry(&format!("data/{key}"))
    }

    /// The bytes of the file that an entry takes, checked to lie in the file.
    fn entry(&mut self, name: &str) -> Result<Range<usize>, TorchError> {
        let name = format!("{}/{name}", self.root);
        let damaged = |source| TorchError::DamagedEntry {
            name: shown(&name),
            source,
        };
        let packed = |form| TorchError::PackedEntry {
            name: shown(&name),
            form,
        };
        let index = self
            .zip
            .index_for_name(&name)
            .ok_or_else(|| TorchError::MissingEntry { name: shown(&name) })?;
        // The raw entry is looked up only for its place: nothing is read through it.
        let entry = self.zip.by_index_raw(index).map_err(damaged)?;
        if entry.encrypted() {
            return Err(packed("encrypted"));
        }
        if entry.compression() != CompressionMethod::Stored {
            return Err(packed("compressed"));
        }
        let range = (|| {
            let start = usize::try_from(entry.data_start()?).ok()?;
            let length = usize::try_from(entry.size()).ok()?;
            let range = start..start.checked_add(length)?;
            let whole = entry.compressed_size() == entry.size();
            (whole && range.end <= self.file.len()).then_some(range)
        })();
        range.ok_or_else(|| damaged(ZipError::InvalidArchive("it ends outside the file".into())))
    }
}

/// The file as the zip reader sees it. It stops after a set number of bytes, so that neither a
/// made-up list of entries nor a search for one can cost more than that.
struct Headers<'a> {
    file: Cursor<&'a [u8]>,
    left: usize,
}

impl Read for Headers<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.file.read(buffer)?;
        self.left = self
            .left
            .checked_sub(count)
            .ok_or_else(|| io::Error::other("the list of its entries is too long"))?;
        Ok(count)
    }
}

impl Seek for Headers<'_> {
    fn seek(&mut self, position: SeekFrom) -> io::Result<u64> {
        self.file.seek(position)
    }
}
