//! The cells of a run, their names and their folders.

use std::path::{Path, PathBuf};
use std::time::SystemTime;

use anyhow::Context;
use spanbench::bundled;
use spanbench::cell::CellSpec;
use spanbench::record::{Folder, FolderError};
use spanbench::suite::{CellPlan, Options, RunSettings, file_name};

/// The matrix of models and data sets; where none is named, the program's own.
pub fn matrix(
    models: &[String],
    datasets: &[String],
    options: &Options,
    run: &RunSettings,
) -> anyhow::Result<Vec<CellPlan>> {
    let or_own = |names: &[String], own: &str| match names {
        [] => vec![own.to_owned()],
        names => names.to_vec(),
    };
    let datasets = or_own(datasets, bundled::DATASET);
    let mut cells: Vec<CellPlan> = Vec::new();
    for model in or_own(models, bundled::MODEL) {
        for dataset in &datasets {
            let base = format!("{}-{}", file_name(&model), file_name(dataset));
            let mut name = base.clone();
            let mut count = 1;
            while cells.iter().any(|cell| cell.spec.name == name) {
                count += 1;
                name = format!("{base}-{count}");
            }
            let options = Options {
                model: Some(model.clone()),
                dataset: Some(dataset.clone()),
                ..options.clone()
            };
            cells.push(CellPlan::new(&name, &options, run)?);
        }
    }
    Ok(cells)
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
}

/// Makes the folders of `cells`: under `out`, where given; `out` itself is that of a single cell.
/// A folder of the run's own is called by `name`, or by the first cell's.
pub fn folders(
    out: Option<&Path>,
    name: Option<&str>,
    cells: &[CellSpec],
) -> anyhow::Result<Folders> {
    let base = match out {
        Some(out) => out.to_owned(),
        None => fresh_folder(name.unwrap_or(&cells[0].name))?,
    };
    let paths: Vec<PathBuf> = match cells {
        [_] if out.is_some() => vec![base.clone()],
        cells => cells.iter().map(|cell| base.join(&cell.name)).collect(),
    };
    let mut folders = Folders {
        fresh: out.is_none() || !base.exists(),
        base,
        cells: Vec::with_capacity(paths.len()),
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
    Ok(folders)
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
