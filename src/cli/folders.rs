//! The folders of a run's cells.

use std::fs::{File, TryLockError};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use anyhow::Context;
use spanbench::record::folder::RECORD_FILE;
use spanbench::record::{Folder, FolderError};
use spanbench::suite::{CellPlan, manifest};

use super::terminal;

/// The folders of a run: made before anything is computed, so that an hour's run does not end
/// with "permission denied".
#[derive(Debug)]
pub struct Folders {
    base: PathBuf,
    /// Whether the base is this run's own.
    fresh: bool,
    /// Whether nobody was told where it is.
    is_untold: bool,
    /// A folder a cell.
    pub cells: Vec<Folder>,
    /// Held as long as the run goes on: two runs must not write to the same folder.
    lock: Option<File>,
}

/// The folder that the cells' folders go into: `out`, where given; else the newest of this run's
/// `name`, where an earlier run is to go on; else a new one.
pub fn base(out: Option<&Path>, name: &str, resume: bool) -> anyhow::Result<PathBuf> {
    let newest = || newest_folder(name).filter(|_| resume);
    let base = match out.map(Path::to_owned).or_else(newest) {
        Some(base) => base,
        None => fresh_folder(name)?,
    };
    if resume && out.is_none() {
        terminal::note(&format!("results: {}", base.display()));
    }
    Ok(base)
}

/// Makes the folders of `cells`: under `out`, where given; `out` itself is that of a single cell.
/// Where an earlier run is to go on, `out` is by default the newest folder of this run's `name`.
pub fn make(
    out: Option<&Path>,
    name: &str,
    resume: bool,
    cells: &[CellPlan],
) -> anyhow::Result<Folders> {
    let base = base(out, name, resume)?;
    let paths = paths(out, &base, cells);
    check_layout(&base, &paths)?;
    let mut folders = Folders {
        fresh: out.is_none() || !base.exists(),
        is_untold: out.is_none() && !resume,
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
    folders.lock = lock(&folders.base).inspect_err(|_| folders.discard())?;
    Folder::tidy(&folders.base);
    folders
        .cells
        .iter()
        .for_each(|cell| Folder::tidy(cell.path()));
    Ok(folders)
}

/// A folder is that of a cell or one of cells: results of the one would hide those of the other
/// from whatever reads the folder.
fn check_layout(base: &Path, cells: &[PathBuf]) -> anyhow::Result<()> {
    let remedy = "choose another folder with --out DIR";
    let has_record = |folder: &Path| folder.join(RECORD_FILE).is_file();
    if !cells.iter().any(|cell| cell == base) {
        if has_record(base) {
            anyhow::bail!(
                "{}: this is the folder of a single cell, and several are to be run; {remedy}",
                base.join(RECORD_FILE).display()
            );
        }
        return Ok(());
    }
    let entries = std::fs::read_dir(base).into_iter().flatten().flatten();
    let inner = entries
        .map(|entry| entry.path())
        .find(|path| has_record(path));
    match inner {
        Some(inner) => anyhow::bail!(
            "{}: there are cells in this folder ({}), and a single one is to be run; {remedy}",
            base.display(),
            inner.display()
        ),
        None => Ok(()),
    }
}

/// The folder that results go into, where no other is named.
pub const REPORTS: &str = "reports";

/// A folder a cell.
fn paths(out: Option<&Path>, base: &Path, cells: &[CellPlan]) -> Vec<PathBuf> {
    match cells {
        [_] if out.is_some() => vec![base.to_owned()],
        cells => {
            let names = cells.iter().map(|cell| &cell.spec.name);
            names.map(|name| base.join(name)).collect()
        }
    }
}

/// The folder that `--resume` goes on in, with those of the cells; nothing where there is no
/// earlier run of this name. Nothing is made.
pub fn earlier(
    out: Option<&Path>,
    name: &str,
    cells: &[CellPlan],
) -> Option<(PathBuf, Vec<PathBuf>)> {
    let base = out.map(Path::to_owned).or_else(|| newest_folder(name))?;
    let paths = paths(out, &base, cells);
    Some((base, paths))
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
    /// The folder of the whole run.
    pub fn base(&self) -> &Path {
        &self.base
    }

    /// A line that says where results go, where that is not known yet.
    pub fn announcement(&self) -> Option<String> {
        let line = format!("results: {}", self.base.display());
        self.is_untold.then_some(line)
    }

    /// Takes away those that were made here and hold nothing.
    pub fn discard(&self) {
        self.made().discard();
    }

    /// What [`Folders::discard`] takes away.
    pub fn made(&self) -> Made {
        Made {
            base: self.fresh.then(|| self.base.clone()),
            cells: self.cells.clone(),
        }
    }
}

/// The folders that a run made.
pub struct Made {
    /// The folder of the whole run, where it is this run's own.
    base: Option<PathBuf>,
    cells: Vec<Folder>,
}

impl Made {
    /// Takes away those that hold nothing; a folder that holds something is not removed.
    pub fn discard(&self) {
        self.cells.iter().for_each(Folder::discard);
        if let Some(base) = &self.base {
            let entries = std::fs::read_dir(base).into_iter().flatten().flatten();
            // A suite's description alone is no result, and would be gone on with.
            if entries
                .map(|e| e.file_name())
                .all(|name| name == manifest::FILE)
            {
                let _ = std::fs::remove_file(base.join(manifest::FILE));
            }
            let _ = std::fs::remove_dir(base);
        }
    }
}

/// The newest folder under reports/ of a run of this name.
fn newest_folder(name: &str) -> Option<PathBuf> {
    let entries = std::fs::read_dir(REPORTS).ok()?;
    let of_name = |folder: &String| {
        let Some((stamp, rest)) = folder.split_once('-') else {
            return false;
        };
        let suffix = rest.strip_prefix(name);
        let is_name = suffix.is_some_and(|suffix| {
            let number = suffix.strip_prefix('-');
            suffix.is_empty() || number.is_some_and(|n| n.chars().all(|c| c.is_ascii_digit()))
        });
        is_name && stamp.ends_with('Z')
    };
    let folders = entries.flatten().filter(|entry| entry.path().is_dir());
    let names = folders.filter_map(|entry| entry.file_name().into_string().ok());
    // They begin with the time at which they were made, all in the same form.
    let newest = names.filter(of_name).max()?;
    Some(Path::new(REPORTS).join(newest))
}

/// A folder under reports/ that no other run has.
fn fresh_folder(name: &str) -> anyhow::Result<PathBuf> {
    let now = humantime::format_rfc3339_seconds(SystemTime::now()).to_string();
    let stamp = now.replace(['-', ':'], "");
    let reports = Path::new(REPORTS);
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
