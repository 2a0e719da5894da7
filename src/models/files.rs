//! A model's files as bytes, wherever they came from.

use std::collections::BTreeMap;
use std::fs::File;
use std::ops::Deref;
use std::path::Path;
use std::sync::Arc;

use memmap2::Mmap;
use serde::Deserialize;
use sha2::{Digest, Sha256};

use super::{ModelError, selection};
use crate::hash::hex;
use crate::hub::Snapshot;
use crate::json;

/// What a file that holds no weights may have at the most; the largest tokenizer.json has 17 MB.
const LARGEST_TEXT: u64 = 256 << 20;

fn is_weights(name: &str) -> bool {
    let ending = name.rsplit('.').next();
    matches!(ending, Some("safetensors" | "bin"))
}

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
        // Opening a pipe would wait for a writer.
        let metadata = std::fs::metadata(&path).map_err(unreadable)?;
        if !metadata.is_file() {
            return Err(ModelError::NoFile {
                path: path.display().to_string(),
            });
        }
        if metadata.len() > LARGEST_TEXT && !is_weights(name) {
            return Err(ModelError::TooLarge {
                path: path.display().to_string(),
                bytes: metadata.len(),
            });
        }
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

/// How weight files are laid out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WeightFormat {
    /// `*.safetensors`.
    Safetensors,
    /// `*.bin`: what `torch.save` writes.
    Torch,
}

/// The files that hold a model's weights.
#[derive(Debug)]
pub struct WeightFiles {
    /// How they are laid out.
    pub format: WeightFormat,
    /// Which tensor is in which file, where there are several.
    pub index: Option<ModelFile>,
    /// The files.
    pub files: Vec<ModelFile>,
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
    /// `tokenizer.json` and what goes with it, or the vocabulary files it can be built from.
    pub tokenizer: Vec<ModelFile>,
    /// The weights.
    pub weights: Arc<WeightFiles>,
}

impl ModelFiles {
    /// All files, for the record.
    pub fn all(&self) -> impl Iterator<Item = &ModelFile> {
        let weights = self.weights.index.iter().chain(&self.weights.files);
        std::iter::once(&self.config)
            .chain(&self.tokenizer)
            .chain(weights)
    }

    /// Maps the files of a directory in Hub layout.
    ///
    /// # Errors
    ///
    /// Fails where one of them is missing or unreadable.
    pub fn from_directory(id: &str, directory: &Path) -> Result<Self, ModelError> {
        let entries = std::fs::read_dir(directory).map_err(|source| ModelError::Unreadable {
            path: directory.display().to_string(),
            source,
        })?;
        let names = entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
        Self::map(id, None, directory, &names.collect::<Vec<_>>(), |_| None)
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
        let names: Vec<String> = snapshot.files.iter().map(|f| f.name.clone()).collect();
        let revision = Some(snapshot.commit.clone());
        Self::map(id, revision, &snapshot.directory, &names, known)
    }

    fn map<'a>(
        id: &str,
        revision: Option<String>,
        directory: &Path,
        names: &[String],
        known: impl Fn(&str) -> Option<&'a str>,
    ) -> Result<Self, ModelError> {
        let chosen = selection::select(names).map_err(|fault| ModelError::MissingFile {
            place: directory.display().to_string(),
            fault,
        })?;
        let open = |name: &String| ModelFile::map(directory, name, known(name));
        let files: Result<Vec<_>, _> = chosen.weights.iter().map(open).collect();
        let weights = WeightFiles {
            format: chosen.format,
            index: chosen.index.as_ref().map(open).transpose()?,
            files: files?,
        };
        weights.check_index()?;
        Ok(Self {
            id: id.to_owned(),
            revision,
            config: open(&selection::CONFIG.to_owned())?,
            tokenizer: chosen
                .tokenizer
                .iter()
                .map(open)
                .collect::<Result<_, _>>()?,
            weights: Arc::new(weights),
        })
    }
}

/// The index of a checkpoint in several files.
#[derive(Deserialize)]
struct WireIndex {
    weight_map: BTreeMap<String, String>,
}

impl WeightFiles {
    /// Checks that the index names the files that are here, and no others.
    fn check_index(&self) -> Result<(), ModelError> {
        let Some(index) = &self.index else {
            return Ok(());
        };
        let bad = |fault: String| ModelError::BadIndex {
            path: index.path.clone(),
            fault,
        };
        let wire: WireIndex = json::read(&index.bytes).map_err(|fault| {
            bad(format!(
                "at {}: not an index of weight files: {}",
                fault.place, fault.source
            ))
        })?;
        for (tensor, file) in &wire.weight_map {
            if !self.files.iter().any(|known| known.name == *file) {
                return Err(bad(format!(
                    "weight_map.{tensor} names \"{file}\", which is no weight file beside it; fetch the checkpoint again"
                )));
            }
        }
        let used = |file: &ModelFile| wire.weight_map.values().any(|name| *name == file.name);
        match self.files.iter().find(|file| !used(file)) {
            None => Ok(()),
            Some(file) => Err(bad(format!(
                "it does not name {}, which lies beside it; remove the file or the index",
                file.name
            ))),
        }
    }
}
