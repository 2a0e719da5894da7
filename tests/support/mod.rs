//! What several test files share.

// Each test file is a crate of its own and uses a part of this.
#![allow(dead_code)]

pub mod cases;
pub mod device;
pub mod golden;
pub mod matrix;
pub mod program;
pub mod runs;
pub mod stub;

use std::collections::BTreeMap;
use std::io::Write;
use std::path::{Path, PathBuf};

/// A path within the project, which is elsewhere where the tests were carried to another machine:
/// `SPANBENCH_PROJECT` names it there.
pub fn project(path: &str) -> PathBuf {
    let built = || PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    let folder = std::env::var_os("SPANBENCH_PROJECT").map_or_else(built, PathBuf::from);
    folder.join(path)
}

/// A folder beside the project with larger real data, which only the developers have.
/// Says so and returns nothing where it is missing.
pub fn shared(path: &str) -> Option<PathBuf> {
    let beside = || project("../shared");
    let folder = std::env::var_os("SPANBENCH_SHARED").map_or_else(beside, PathBuf::from);
    let path = folder.join(path);
    if path.exists() {
        return Some(path);
    }
    skipped(&format!("{} is not here", path.display()));
    None
}

/// Says that a test, or a part of one, is skipped, and why: past the test runner, which shows what
/// tests print only where they fail.
pub fn skipped(why: &str) {
    // Where standard error is gone, nobody is there to be told.
    let _ = writeln!(std::io::stderr(), "skipped: {why}");
}

/// Reads a JSON file.
pub fn json<T: serde::de::DeserializeOwned>(path: &Path) -> T {
    let text = std::fs::read(path).unwrap_or_else(|fault| panic!("{}: {fault}", path.display()));
    serde_json::from_slice(&text).unwrap_or_else(|fault| panic!("{}: {fault}", path.display()))
}

/// What the reference implementation answered: a folder of `predictions.json`,
/// `margins.json`, `official.json` and, for data with unanswerable questions, `null_odds.json`.
pub struct Expected {
    pub predictions: BTreeMap<String, String>,
    pub margins: BTreeMap<String, f64>,
    pub official: BTreeMap<String, f64>,
    pub null_odds: Option<BTreeMap<String, f64>>,
}

impl Expected {
    pub fn read(folder: &Path) -> Self {
        let odds = folder.join("null_odds.json");
        Self {
            predictions: json(&folder.join("predictions.json")),
            margins: json(&folder.join("margins.json")),
            official: json(&folder.join("official.json")),
            null_odds: odds.exists().then(|| json(&odds)),
        }
    }
}
