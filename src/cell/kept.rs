//! Repetitions that are done, kept on disk until their cell is: a run that was cut off goes on
//! after them.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::inputs::Inputs;
use super::work::Work;
use crate::record::folder::{FolderError, replace_file};

/// The version of the layout below.
const SCHEMA: u32 = 1;

/// The folder within a cell's folder.
const FOLDER: &str = ".repetitions";

/// Whether repetitions are kept in the cell's folder: they are until all are done.
pub fn is_unfinished(cell_folder: &Path) -> bool {
    cell_folder.join(FOLDER).is_dir()
}

/// A repetition as it is kept.
#[derive(Serialize, Deserialize)]
struct WireKept<W> {
    /// [`SCHEMA`].
    schema: u32,
    /// What was asked for, see [`super::inputs::asked_sha256`].
    asked_sha256: String,
    /// What came of it.
    work: W,
}

/// The repetitions that are kept of one cell.
#[derive(Debug, Clone)]
pub struct Kept {
    folder: PathBuf,
    asked_sha256: String,
}

impl Kept {
    /// Those in the cell's folder, made for what `asked_sha256` says.
    pub fn new(cell_folder: &Path, asked_sha256: &str) -> Self {
        Self {
            folder: cell_folder.join(FOLDER),
            asked_sha256: asked_sha256.to_owned(),
        }
    }

    fn path(&self, number: usize) -> PathBuf {
        self.folder.join(format!("{number}.json"))
    }

    /// Keeps the repetition of that number (from 1), whole or not at all.
    ///
    /// # Errors
    ///
    /// Fails where the disk is full or not to be written to.
    pub fn add(&self, number: usize, work: &Work) -> Result<(), FolderError> {
        std::fs::create_dir_all(&self.folder).map_err(|source| FolderError::Write {
            path: self.folder.display().to_string(),
            source,
        })?;
        let wire = WireKept {
            schema: SCHEMA,
            asked_sha256: self.asked_sha256.clone(),
            work,
        };
        let text = serde_json::to_vec(&wire)
            .expect("OK because the types have text keys and writing to a Vec cannot fail");
        replace_file(&self.path(number), &text)
    }

    /// The repetitions that are there, from the first up to the first that is missing or of
    /// something else than what is asked for and what `inputs` are now, or of another machine.
    pub fn read(&self, inputs: &Inputs) -> Vec<Work> {
        let mut works = Vec::new();
        while let Some(work) = self.read_one(works.len() + 1)
            && inputs.are_those_of(&work.model, &work.dataset)
            && inputs.is_machine_of(&work.environment)
        {
            works.push(work);
        }
        works
    }

    /// What is not whole, or of another version, is measured again.
    fn read_one(&self, number: usize) -> Option<Work> {
        let text = std::fs::read(self.path(number)).ok()?;
        let kept: WireKept<Work> = serde_json::from_slice(&text).ok()?;
        let is_asked = kept.schema == SCHEMA && kept.asked_sha256 == self.asked_sha256;
        // Only the first repetition scores; without it the others are worth nothing.
        let is_whole = number > 1 || kept.work.accuracy.is_some();
        (is_asked && is_whole).then_some(kept.work)
    }

    /// Takes them away.
    ///
    /// # Errors
    ///
    /// Fails where they are there and cannot be removed.
    pub fn clear(&self) -> Result<(), FolderError> {
        match std::fs::remove_dir_all(&self.folder) {
            Err(source) if source.kind() != ErrorKind::NotFound => Err(FolderError::Write {
                path: self.folder.display().to_string(),
                source,
            }),
            _ => Ok(()),
        }
    }
}
