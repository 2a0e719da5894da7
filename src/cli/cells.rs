//! The cells of a run, their names and their folders.

use std::fs::{File, TryLockError};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use anyhow::Context;
use spanbench::cell::{CellSettings, CellSpec};
use spanbench::dataset::QuestionSelection;
use spanbench::dataset::source::stem;
use spanbench::record::{Folder, FolderError};

use super::terminal;

/// The matrix of models and data sets.
pub fn matrix(
    models: &[String],
    datasets: &[String],
    questions: &QuestionSelection,
    settings: CellSettings,
) -> Vec<CellSpec> {
    let mut cells: Vec<CellSpec> = Vec::new();
    for model in models {
        for dataset in datasets {
            let mut name = format!("{}-{}", file_name(model), file_name(dataset));
            let base = name.clone();
            let mut count = 1;
            while cells.iter().any(|cell| cell.name == name) {
                count += 1;
                name = format!("{base}-{count}");
            }
            cells.push(CellSpec {
                name,
                model: model.clone(),
                dataset: dataset.clone(),
                questions: questions.clone(),
                settings,
            });
        }
    }
    cells
}

/// The folders of a run: made before anything is computed, so that an hour's run does not end
/// with "permission denied".
#[derive(Debug)]
pub struct Folders {
    base: PathBuf,
    /// Whether the base is this run's own.
    fresh: bool,
    /// A folder a cell.
    pub cells: Vec<Folder>,
    /// Held as long as the run goes on: two runs must not write to the same folder.
    lock: Option<File>,
}

/// Makes the folders of `cells`: under `out`, where given; `out` itself is that of a single cell.
/// Where an earlier run is to go on, `out` is by default the newest folder of this run's `name`.
pub fn folders(
    out: Option<&Path>,
    name: &str,
    resume: bool,
    cells: &[CellSpec],
) -> anyhow::Result<Folders> {
    let newest = || newest_folder(name).filter(|_| resume);
    let base = match out.map(Path::to_owned).or_else(newest) {
        Some(base) => base,
        None => fresh_folder(name)?,
    };
    if resume && out.is_none() {
        terminal::note(&format!("results: {}", base.display()));
    }
    let paths: Vec<PathBuf> = match cells {
        [_] if out.is_some() => vec![base.clone()],
        cells => cells.iter().map(|cell| base.join(&cell.name)).collect(),
    };
    let mut folders = Folders {
        fresh: out.is_none() || !base.exists(),
        base,
        cells: Vec::with_capacity(paths.len()),
        lock: None,
    };
    for path in paths {
        let made: Result<Folder, FolderError> = Folder::create(&path);
        match made {
            Ok(folder) => folders.cells.push(folder),
            Err(fault) => {
                folders.discard();
                return Err(fault.into());
            }
        }
    }
    folders.lock = lock(&folders.base)?;
    folders.cells.iter().for_each(Folder::tidy);
    Ok(folders)
}

/// Locks a folder for this program, until that ends in whatever way; no file is left behind.
/// Where the system has no locks for folders, nothing is locked.
fn lock(folder: &Path) -> anyhow::Result<Option<File>> {
    let Ok(file) = File::open(folder) else {
        return Ok(None);
    };
    match file.try_lock() {
        Err(TryLockError::WouldBlock) => anyhow::bail!(
            "{}: another run is writing here; wait for it, or choose another folder with --out DIR",
            folder.display()
        ),
        Ok(()) => Ok(Some(file)),
        Err(TryLockError::Error(_)) => Ok(None),
    }
}

impl Folders {
    /// Takes away those that were made here and hold nothing.
    pub fn discard(&self) {
        self.cells.iter().for_each(Folder::discard);
        if self.fresh {
            // Finished cells keep what they wrote; a folder that holds something is not removed.
            let _ = std::fs::remove_dir(&self.base);
        }
    }
}

/// The last part of a path or repository name, as a folder can be called everywhere.
fn file_name(name: &str) -> String {
    let name = name.trim_end_matches(['/', '\\']);
    let last = name.rsplit(['/', '\\']).next().unwrap_or(name);
    let last = stem(last);
    let safe = last.chars().map(|character| {
        let plain = character.is_alphanumeric() || "._-".contains(character);
        if plain { character } else { '-' }
    });
    let safe: String = safe.collect();
    let safe = safe.trim_matches('.');
    if safe.is_empty() {
        "here".to_owned()
    } else {
        safe.to_owned()
    }
}

/// The newest folder under reports/ of a run of this name.
fn newest_folder(name: &str) -> Option<PathBuf> {
    let entries = std::fs::read_dir("reports").ok()?;
    let of_name = |folder: &String| {
        let Some((stamp, rest)) = folder.split_once('-') else {
            return false;
        };
        let suffix = rest.strip_prefix(name);
        let is_name = suffix.is_some_and(|suffix| {
            let number = suffix.strip_prefix('-').unwrap_or(suffix);
            number.chars().all(|c| c.is_ascii_digit())
        });
        is_name && stamp.ends_with('Z')
    };
    let folders = entries.flatten().filter(|entry| entry.path().is_dir());
    let names = folders.filter_map(|entry| entry.file_name().into_string().ok());
    // They begin with the time at which they were made, all in the same form.
    let newest = names.filter(of_name).max()?;
    Some(Path::new("reports").join(newest))
}

/// A folder under reports/ that no other run has.
fn fresh_folder(name: &str) -> anyhow::Result<PathBuf> {
    let now = humantime::format_rfc3339_seconds(SystemTime::now()).to_string();
    let stamp = now.replace(['-', ':'], "");
    let reports = Path::new("reports");
    let remedy = || "reports: results cannot be written here; choose another folder with --out DIR";
    std::fs::create_dir_all(reports).with_context(remedy)?;
    for suffix in 1.. {
        let suffix = if suffix == 1 {
            String::new()
        } else {
            format!("-{suffix}")
        };
        let path = reports.join(format!("{stamp}-{name}{suffix}"));
        match std::fs::create_dir(&path) {
            Ok(()) => return Ok(path),
            // Another run began in the same second.
            Err(fault) if fault.kind() == std::io::ErrorKind::AlreadyExists => {}
            Err(fault) => return Err(fault).with_context(remedy),
        }
    }
    unreachable!("the numbers do not run out")
}

#[cfg(test)]
mod tests {
    use super::file_name;

    #[test]
    fn names_of_cells_are_names_of_folders() {
        for (name, expected) in [
            ("minilm-l6-squad", "minilm-l6-squad"),
            ("../models/minilm/", "minilm"),
            ("owner/name@main", "name-main"),
            ("data/xquad.en.json", "xquad.en"),
            ("..", "here"),
            ("a b:c", "a-b-c"),
        ] {
            assert_eq!(file_name(name), expected);
        }
    }
}
