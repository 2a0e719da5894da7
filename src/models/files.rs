//! A model's files as bytes, wherever they came from.

use std::fs::File;
use std::ops::Deref;
use std::path::Path;

use memmap2::Mmap;
use sha2::{Digest, Sha256};

use super::ModelError;
use crate::hash::hex;
use crate::hub::Snapshot;

/// A file's content.
#[derive(Debug)]
pub enum FileBytes {
    /// Part of the program.
    Embedded(&'static [u8]),
    /// Mapped from disk: pages that the system can drop and read again.
    Mapped(Mmap),
    /// An empty file, which cannot be mapped.
    Empty,
}

impl Deref for FileBytes {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        match self {
            Self::Embedded(bytes) => bytes,
            Self::Mapped(map) => map,
            Self::Empty => &[],
        }
    }
}

/// One file of a model.
#[derive(Debug)]
pub struct ModelFile {
    /// Name within the model's directory or repository.
    pub name: String,
    /// Where it is, for messages.
    pub path: String,
    /// SHA-256 of its bytes, in hexadecimal.
    pub sha256: String,
    /// Its content.
    pub bytes: FileBytes,
}

impl ModelFile {
    /// A file that is part of the program.
    pub fn embedded(name: &str, path: &str, bytes: &'static [u8]) -> Self {
        Self {
            name: name.to_owned(),
            path: path.to_owned(),
            sha256: hex(&Sha256::digest(bytes)),
            bytes: FileBytes::Embedded(bytes),
        }
    }

    /// Maps `directory/name`; its hash is computed unless it is `known`.
    ///
    /// # Errors
    ///
    /// Fails where the file cannot be opened or mapped.
    pub fn map(directory: &Path, name: &str, known: Option<&str>) -> Result<Self, ModelError> {
        let path = directory.join(name);
        let unreadable = |source| ModelError::Unreadable {
            path: path.display().to_string(),
            source,
        };
        let file = File::open(&path).map_err(unreadable)?;
        let bytes = if file.metadata().map_err(unreadable)?.len() == 0 {
            FileBytes::Empty
        } else {
            // SAFETY: the map is only read. Should another process shorten the file meanwhile,
            // the system ends this one; that holds for every program that maps its input, and
            // model files are replaced by renaming, which leaves a map whole.
            FileBytes::Mapped(unsafe { Mmap::map(&file) }.map_err(unreadable)?)
        };
        Ok(Self {
            name: name.to_owned(),
            path: path.display().to_string(),
            sha256: match known {
                Some(sha256) => sha256.to_owned(),
                None => hex(&Sha256::digest(&bytes[..])),
            },
            bytes,
        })
    }
}

/// The files a run needs of a model.
#[derive(Debug)]
pub struct ModelFiles {
    /// Name for tables and records: the card's, the directory's or the repository's.
    pub id: String,
    /// The commit, where the files come from a hub or a card pins one.
    pub revision: Option<String>,
    /// `config.json`.
    pub config: ModelFile,
    /// `tokenizer.json`.
    pub tokenizer: ModelFile,
    /// `model.safetensors`.
    pub weights: ModelFile,
}

/// The names of the files a run needs.
pub const REQUIRED: [&str; 3] = ["config.json", "tokenizer.json", "model.safetensors"];

impl ModelFiles {
    /// All files, for the record.
    pub fn all(&self) -> [&ModelFile; 3] {
        [&self.config, &self.tokenizer, &self.weights]
    }

    /// Maps the files of a directory in Hub layout.
    ///
    /// # Errors
    ///
    /// Fails where one of them is missing or unreadable.
    pub fn from_directory(id: &str, directory: &Path) -> Result<Self, ModelError> {
        Self::map(id, None, directory, |_| None)
    }

    /// Maps the files of a verified snapshot, whose hashes are known.
    ///
    /// # Errors
    ///
    /// Fails where one of them is missing or unreadable.
    pub fn from_snapshot(id: &str, snapshot: &Snapshot) -> Result<Self, ModelError> {
        let known = |name: &str| {
            let file = snapshot.files.iter().find(|file| file.name == name)?;
            Some(file.sha256.as_str())
        };
        let revision = Some(snapshot.commit.clone());
        Self::map(id, revision, &snapshot.directory, known)
    }

    fn map<'a>(
        id: &str,
        revision: Option<String>,
        directory: &Path,
        known: impl Fn(&str) -> Option<&'a str>,
    ) -> Result<Self, ModelError> {
        for name in REQUIRED {
            if !directory.join(name).exists() {
                return Err(ModelError::MissingFile {
                    place: directory.display().to_string(),
                    file: name.to_owned(),
                });
            }
        }
        let [config, tokenizer, weights] = REQUIRED;
        Ok(Self {
            id: id.to_owned(),
            revision,
            config: ModelFile::map(directory, config, known(config))?,
            tokenizer: ModelFile::map(directory, tokenizer, known(tokenizer))?,
            weights: ModelFile::map(directory, weights, known(weights))?,
        })
    }
}
