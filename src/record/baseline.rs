//! Records that later runs are compared with: `reports/baseline/NAME`, which is kept in git.

use std::path::{Path, PathBuf};

use super::folder::RECORD_FILE;

/// Where baselines lie, from the working directory.
pub const FOLDER: &str = "reports/baseline";

/// What a comparison reads of a cell. Raw samples and traces are large, and stay with the run.
const FILES: [&str; 4] = [
    "predictions.json",
    "null_odds.json",
    "questions.jsonl",
    RECORD_FILE,
];

/// What can go wrong with baselines.
#[derive(Debug, thiserror::Error)]
pub enum BaselineError {
    /// A name that cannot be a folder's.
    #[error("\"{0}\" can be no baseline's name; use letters, digits, '.', '-' and '_'")]
    Name(String),
    /// Files could not be copied.
    #[error("{path}: the baseline cannot be written")]
    Write {
        /// The file or folder.
        path: String,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
}

/// Whether `name` can be a baseline's.
///
/// # Errors
///
/// Fails where it is empty, begins with a point, or has other characters than letters, digits,
/// points, hyphens and underscores.
pub fn check_name(name: &str) -> Result<(), BaselineError> {
    let is_plain = |c: char| c.is_alphanumeric() || "._-".contains(c);
    if name.is_empty() || name.starts_with('.') || !name.chars().all(is_plain) {
        return Err(BaselineError::Name(name.to_owned()));
    }
    Ok(())
}

/// Copies the folders of finished cells to the baseline called `name`, in place of what is
/// there: of one cell its files, of several a folder each, under the folder's own name. The
/// earlier baseline stays as it is until the new one is whole.
///
/// # Errors
///
/// Fails where the name is none, or the files cannot be copied.
pub fn save(root: &Path, name: &str, cells: &[&Path]) -> Result<PathBuf, BaselineError> {
    check_name(name)?;
    let target = root.join(name);
    let fault = |path: &Path| {
        let path = path.display().to_string();
        move |source| BaselineError::Write { path, source }
    };
    std::fs::create_dir_all(root).map_err(fault(root))?;
    let mut builder = tempfile::Builder::new();
    builder.prefix(".spanbench-");
    let staged = builder.tempdir_in(root).map_err(fault(root))?;
    let new = staged.path().join("new");
    std::fs::create_dir(&new).map_err(fault(&new))?;
    for cell in cells {
        let folder = match cells {
            [_] => new.clone(),
            _ => new.join(cell.file_name().unwrap_or_default()),
        };
        std::fs::create_dir_all(&folder).map_err(fault(&folder))?;
        for file in FILES {
            let (from, to) = (cell.join(file), folder.join(file));
            if from.is_file() {
                std::fs::copy(&from, &to).map_err(fault(&from))?;
            }
        }
    }
    if target.exists() {
        // Both names are on one disk; the old one goes with the temporary folder.
        std::fs::rename(&target, staged.path().join("old")).map_err(fault(&target))?;
    }
    std::fs::rename(&new, &target).map_err(fault(&target))?;
    Ok(target)
}

/// The folder that `name` means: a path, or else the baseline of that name.
pub fn find(root: &Path, name: &str) -> PathBuf {
    let path = PathBuf::from(name);
    let baseline = root.join(name);
    if !path.exists() && check_name(name).is_ok() && baseline.is_dir() {
        baseline
    } else {
        path
    }
}

/// The names of all baselines, in alphabetical order.
pub fn names(root: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(root).into_iter().flatten().flatten();
    let folders = entries.filter(|entry| entry.path().is_dir());
    let names = folders.filter_map(|entry| entry.file_name().into_string().ok());
    let mut names: Vec<String> = names.filter(|name| check_name(name).is_ok()).collect();
    names.sort();
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_baseline_is_replaced_whole() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().join("baseline");
        let cell = folder.path().join("cell");
        std::fs::create_dir(&cell).unwrap();
        for (file, text) in [
            ("run.json", "1"),
            ("null_odds.json", "{}"),
            ("trace.json", ""),
        ] {
            std::fs::write(cell.join(file), text).unwrap();
        }
        let saved = save(&root, "main", &[&cell]).unwrap();
        assert_eq!(saved, find(&root, "main"));
        assert!(saved.join("null_odds.json").exists() && !saved.join("trace.json").exists());
        std::fs::write(cell.join("run.json"), "2").unwrap();
        std::fs::remove_file(cell.join("null_odds.json")).unwrap();
        save(&root, "main", &[&cell]).unwrap();
        assert_eq!(
            std::fs::read_to_string(saved.join("run.json")).unwrap(),
            "2"
        );
        assert!(!saved.join("null_odds.json").exists());
        assert_eq!(std::fs::read_dir(&root).unwrap().count(), 1);
        let other = folder.path().join("other");
        std::fs::create_dir(&other).unwrap();
        std::fs::write(other.join("run.json"), "3").unwrap();
        save(&root, "main", &[&cell, &other]).unwrap();
        assert!(saved.join("cell/run.json").exists() && saved.join("other/run.json").exists());
        assert!(!saved.join("run.json").exists());
    }

    #[test]
    fn names_are_names_of_folders() {
        for name in ["", ".", "..", "a/b", "a b", ".hidden", "a\\b"] {
            assert!(check_name(name).is_err(), "{name}");
            assert_eq!(find(Path::new("none"), name), PathBuf::from(name));
        }
        check_name("v1.2_é-x").unwrap();
    }
}
