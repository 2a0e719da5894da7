//! The folders of shards.

use std::path::{Path, PathBuf};

use super::MergeError;
use crate::dataset::Shard;
use crate::record::folder::{RECORD_FILE, SHARD_FILE};
use crate::record::run::{ReadError, parse, read_text};
use crate::record::wire::{SCHEMA, WireRecord, WireShard};
use crate::suite::names::is_file_name;

/// How deep the folders of shards may lie in one that is named: a folder of runs, each with a
/// folder a cell.
const DEEPEST: usize = 2;

/// A shard as it lies in its folder.
#[derive(Debug, Clone, PartialEq)]
pub struct ShardFolder {
    /// Its folder.
    pub(super) path: PathBuf,
    /// Its `shard.json`.
    pub(super) shard: WireShard,
    /// Its `run.json`; absent where the shard has no question.
    pub(super) record: Option<Box<WireRecord>>,
}

impl ShardFolder {
    /// What is wrong with its `shard.json`.
    pub(super) fn damaged(&self, fault: String) -> MergeError {
        MergeError::Damaged {
            path: self.path.join(SHARD_FILE).display().to_string(),
            fault,
        }
    }
}

/// Reads the shards that lie in `paths`: each the folder of a shard, or one with such folders in
/// it or in its folders.
///
/// # Errors
///
/// Fails where a path holds no shard, or a file is not whole.
pub fn find(paths: &[PathBuf]) -> Result<Vec<ShardFolder>, MergeError> {
    let mut found: Vec<PathBuf> = Vec::new();
    for path in paths {
        let before = found.len();
        collect(path, 0, &mut found)?;
        if found.len() == before {
            return Err(MergeError::NoShard {
                path: path.display().to_string(),
                why: what_is_there(path),
            });
        }
    }
    found.iter().map(|path| read(path)).collect()
}

fn collect(path: &Path, depth: usize, found: &mut Vec<PathBuf>) -> Result<(), MergeError> {
    if path.join(SHARD_FILE).is_file() {
        found.push(path.to_owned());
        return Ok(());
    }
    if depth == DEEPEST {
        return Ok(());
    }
    let unreadable = |source| ReadError::Unreadable {
        path: path.display().to_string(),
        source,
    };
    let mut folders = Vec::new();
    for entry in std::fs::read_dir(path).map_err(unreadable)? {
        let path = entry.map_err(unreadable)?.path();
        if path.is_dir() {
            folders.push(path);
        }
    }
    folders.sort();
    folders
        .iter()
        .try_for_each(|folder| collect(folder, depth + 1, found))
}

/// What a run left that is no shard, for the message.
fn what_is_there(path: &Path) -> String {
    match crate::record::run::open(path).as_deref() {
        Ok([crate::record::Cell::Failed { failure, .. }]) => {
            format!(", but a cell that failed: {}", failure.error.message)
        }
        Ok([crate::record::Cell::Finished(run)]) if run.record.shards().is_some() => {
            ", but shards that are merged".to_owned()
        }
        Ok([_, ..]) => ", but a run without --shard".to_owned(),
        _ => String::new(),
    }
}

/// What a shard says of itself.
fn check(folder: &ShardFolder) -> Result<(), MergeError> {
    let shard = &folder.shard;
    let numbers = Shard::new(shard.shard, shard.of);
    let numbers = numbers.map_err(|fault| folder.damaged(fault.to_string()))?;
    if shard.protocol.shard != Some(numbers.to_string()) {
        return Err(folder.damaged(format!("it is said to be {numbers} and another one")));
    }
    // It may become the name of a folder.
    let name = &shard.cell;
    if !is_file_name(name) {
        return Err(folder.damaged(format!("the cell's name {name:?} is no folder's")));
    }
    Ok(())
}

fn read(path: &Path) -> Result<ShardFolder, MergeError> {
    let file = path.join(SHARD_FILE);
    let shard: WireShard = parse(&file, &read_text(&file)?, None)?;
    if shard.schema != SCHEMA {
        return Err(MergeError::Read(ReadError::Version {
            path: file.display().to_string(),
            found: u64::from(shard.schema),
        }));
    }
    let mut folder = ShardFolder {
        path: path.to_owned(),
        shard,
        record: None,
    };
    check(&folder)?;
    let shard = &folder.shard;
    let file = path.join(RECORD_FILE);
    if shard.questions.is_empty() {
        return Ok(folder);
    }
    if !file.is_file() {
        return Err(MergeError::NotFinished {
            path: path.display().to_string(),
            shard: shard.shard,
            of: shard.of,
        });
    }
    let record: WireRecord = parse(&file, &read_text(&file)?, None)?;
    let is_of_shard = record.cell == shard.cell
        && record.dataset == shard.dataset
        && record.protocol == shard.protocol
        && Some(&record.model) == shard.model.as_ref();
    if !is_of_shard {
        return Err(folder.damaged("run.json beside it is of another run".to_owned()));
    }
    folder.record = Some(Box::new(record));
    Ok(folder)
}
