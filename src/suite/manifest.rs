//! What a run of a suite leaves beside its cells: `suite.json`, for reports.

use std::path::Path;

use serde::{Deserialize, Serialize};

use super::Suite;
use crate::record::folder::{FolderError, replace_file};

/// The version of the layout below.
pub const SCHEMA: u32 = 1;

/// Name of the file.
pub const FILE: &str = "suite.json";

/// A suite as it was run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct WireManifest {
    /// [`SCHEMA`].
    pub schema: u32,
    /// The suite's name.
    pub name: String,
    /// What its author says of it, in Markdown.
    pub description: Option<String>,
    /// SHA-256 of the suite's file, in hexadecimal.
    pub sha256: String,
    /// Its cells, in its order.
    pub cells: Vec<WireManifestCell>,
}

/// A cell of a suite.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct WireManifestCell {
    /// Its name, which is also that of its folder.
    pub name: String,
    /// What its author says of it, in Markdown.
    pub prose: Option<String>,
}

impl WireManifest {
    /// That of `suite`.
    pub fn new(suite: &Suite) -> Self {
        let cells = suite.cells.iter().map(|cell| WireManifestCell {
            name: cell.spec.name.clone(),
            prose: cell.prose.clone(),
        });
        Self {
            schema: SCHEMA,
            name: suite.name.clone(),
            description: suite.description.clone(),
            sha256: suite.sha256.clone(),
            cells: cells.collect(),
        }
    }

    /// Writes it into the folder of a run.
    ///
    /// # Errors
    ///
    /// Fails where the folder is not to be written to.
    pub fn write(&self, folder: &Path) -> Result<(), FolderError> {
        let mut text = serde_json::to_vec_pretty(self)
            .expect("OK because the types have text keys and writing to a Vec cannot fail");
        text.push(b'\n');
        replace_file(&folder.join(FILE), &text)
    }

    /// That of a run's folder; nothing where it has none of this version.
    pub fn read(folder: &Path) -> Option<Self> {
        let text = std::fs::read(folder.join(FILE)).ok()?;
        let manifest: Self = serde_json::from_slice(&text).ok()?;
        (manifest.schema == SCHEMA).then_some(manifest)
    }

    /// What the suite and its cells say of themselves; the prose of several cells once.
    pub fn prose(&self) -> String {
        let mut parts: Vec<String> = self.description.clone().into_iter().collect();
        let mut told: Vec<&str> = Vec::new();
        for prose in self.cells.iter().filter_map(|cell| cell.prose.as_deref()) {
            if told.contains(&prose) {
                continue;
            }
            told.push(prose);
            let of = self.cells.iter();
            let of = of.filter(|cell| cell.prose.as_deref() == Some(prose));
            let names: Vec<&str> = of.map(|cell| cell.name.as_str()).collect();
            parts.push(format!("{}: {}", names.join(", "), prose.trim()));
        }
        parts.join("\n\n")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prose_is_told_once() {
        let cell = |name: &str, prose: Option<&str>| WireManifestCell {
            name: name.to_owned(),
            prose: prose.map(str::to_owned),
        };
        let manifest = WireManifest {
            schema: SCHEMA,
            name: "n".to_owned(),
            description: Some("All.".to_owned()),
            sha256: String::new(),
            cells: vec![
                cell("a", Some("x")),
                cell("b", None),
                cell("c", Some("x\n")),
            ],
        };
        assert_eq!(manifest.prose(), "All.\n\na: x\n\nc: x");
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(WireManifest::read(folder.path()), None);
        manifest.write(folder.path()).unwrap();
        assert_eq!(WireManifest::read(folder.path()), Some(manifest));
    }
}
