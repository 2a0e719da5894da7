//! The program as its users call it.

use std::path::Path;
use std::process::{Command, Output};

use serde_json::Value;

/// The program, in a directory of its own, with nothing of the user's hub settings and caches.
pub fn spanbench(directory: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_spanbench"));
    command.current_dir(directory);
    for name in ["HF_TOKEN", "HF_ENDPOINT", "HF_HUB_OFFLINE", "HF_HUB_CACHE"] {
        command.env_remove(name);
    }
    command.env("HF_HOME", directory.join("hf"));
    command.env("XDG_CACHE_HOME", directory.join("cache"));
    command
}

pub fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

/// Bad input: exit code 2, nothing on stdout, one line on stderr that holds every part, no panic.
pub fn assert_refused(output: &Output, parts: &[&str]) {
    let errors = text(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{errors}");
    assert!(output.stdout.is_empty());
    assert_eq!(errors.trim_end().lines().count(), 1, "{errors}");
    assert!(errors.starts_with("error: "), "{errors}");
    assert!(!errors.contains("panicked"), "{errors}");
    for part in parts {
        assert!(errors.contains(part), "{errors:?} lacks {part:?}");
    }
}

/// A run of four questions in short windows.
pub fn short_run(home: &Path) -> Command {
    let mut command = spanbench(home);
    command.args(["run", "--limit", "4", "--max-seq-len", "96"]);
    command.args(["--doc-stride", "16", "--resamples", "10"]);
    command
}

/// No file of a run is there, whole or half, and no empty folder.
pub fn assert_nothing_written(folder: &Path) {
    assert!(!folder.exists(), "{} is there", folder.display());
}

pub fn read(path: &Path) -> Value {
    super::json(path)
}
