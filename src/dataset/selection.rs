//! Which questions of a data set are asked: `--ids`, `--sample`, `--limit`, `--shard`.

use std::collections::HashSet;
use std::path::Path;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::source::read_bytes;
use super::{Dataset, DatasetError, Shard, WireId};
use crate::hash::hex;

/// Ids from a file, one a line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct IdFile {
    /// The file, for messages.
    pub path: String,
    /// SHA-256 of the file, in hexadecimal.
    pub sha256: String,
    /// The ids with their lines, from 1.
    ids: Vec<(usize, String)>,
}

impl IdFile {
    /// Reads a file of ids: one a line, blank lines left out, or a JSON list.
    ///
    /// # Errors
    ///
    /// Fails where the file cannot be read, is no UTF-8, or holds no id.
    pub fn read(path: &Path) -> Result<Self, DatasetError> {
        let origin = path.display().to_string();
        let bytes = read_bytes(path)?;
        let text = std::str::from_utf8(&bytes).map_err(|fault| DatasetError::NotUtf8 {
            path: origin.clone(),
            place: format!("byte {}", fault.valid_up_to()),
        })?;
        let text = text.trim_start_matches('\u{feff}');
        let list = serde_json::from_str::<Vec<WireId>>(text);
        let ids: Vec<(usize, String)> = if let Ok(list) = list {
            list.into_iter().map(|id| (1, id.0)).collect()
        } else {
            let lines = text.lines().enumerate();
            let lines = lines.map(|(line, id)| (line + 1, id.trim().to_owned()));
            lines.filter(|(_, id)| !id.is_empty()).collect()
        };
        if ids.is_empty() {
            return Err(DatasetError::NoIds { path: origin });
        }
        Ok(Self {
            path: origin,
            sha256: hex(&Sha256::digest(&bytes)),
            ids,
        })
    }
}

/// Which questions are asked; all of them by default.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct QuestionSelection {
    /// These alone.
    pub ids: Option<IdFile>,
    /// So many of those, drawn at random.
    pub sample: Option<usize>,
    /// So many of those, the first ones.
    pub limit: Option<usize>,
    /// Seed of the sample.
    pub seed: u64,
    /// The part of those.
    #[serde(default)]
    pub shard: Option<Shard>,
}

impl Dataset {
    /// Keeps the questions that `selection` chooses, in the data set's order.
    ///
    /// A sample is drawn without replacement. Which questions it holds depends
    /// on the seed and the ids alone, not on the file's order or its other questions'
    /// number: a smaller sample of the same seed is part of a larger one.
    ///
    /// # Errors
    ///
    /// Fails where an id of the file is none of the data set's.
    pub fn select(&mut self, selection: &QuestionSelection) -> Result<(), DatasetError> {
        if let Some(file) = &selection.ids {
            self.keep_ids(file)?;
        }
        if let Some(count) = selection.sample {
            self.keep_sample(count, selection.seed);
        }
        if let Some(count) = selection.limit {
            self.questions.truncate(count);
        }
        if let Some(shard) = selection.shard {
            self.keep_shard(shard);
        }
        Ok(())
    }

    fn keep_ids(&mut self, file: &IdFile) -> Result<(), DatasetError> {
        let known: HashSet<&str> = self.questions.iter().map(|q| q.id.as_str()).collect();
        let mut missing = file
            .ids
            .iter()
            .filter(|(_, id)| !known.contains(id.as_str()));
        if let Some((line, id)) = missing.next() {
            let hint = match missing.count() {
                0 => "; take the line out or choose another data set".to_owned(),
                others => format!(", nor {others} others of the file; is it of another data set?"),
            };
            return Err(DatasetError::NoSuchQuestion {
                path: file.path.clone(),
                line: *line,
                dataset: self.origin.clone(),
                id: id.clone(),
                hint,
            });
        }
        let wanted: HashSet<&str> = file.ids.iter().map(|(_, id)| id.as_str()).collect();
        self.questions.retain(|q| wanted.contains(q.id.as_str()));
        Ok(())
    }

    fn keep_sample(&mut self, count: usize, seed: u64) {
        if count >= self.questions.len() {
            return;
        }
        let mut drawn: Vec<([u8; 32], usize)> = self
            .questions
            .iter()
            .enumerate()
            .map(|(index, question)| {
                let mut hash = Sha256::new();
                hash.update(seed.to_le_bytes());
                hash.update(question.id.as_bytes());
                (hash.finalize().into(), index)
            })
            .collect();
        drawn.sort_unstable();
        drawn.truncate(count);
        let chosen: HashSet<usize> = drawn.into_iter().map(|(_, index)| index).collect();
        let mut index = 0;
        self.questions.retain(|_| {
            index += 1;
            chosen.contains(&(index - 1))
        });
    }
}
