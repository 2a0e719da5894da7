//! The folders where this program keeps what it found out, for the next time.

use std::ffi::OsString;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// `spanbench` and `kind` in `XDG_CACHE_HOME`, or else in `~/.cache`, on macOS in
/// `~/Library/Caches`, on Windows in `LOCALAPPDATA`. Nothing where the system names no such place.
pub(crate) fn folder(kind: &str) -> Option<PathBuf> {
    folder_by(kind, |name| std::env::var_os(name))
}

fn folder_by(kind: &str, variable: impl Fn(&str) -> Option<OsString>) -> Option<PathBuf> {
    // The XDG base directory specification has paths ignored that are not absolute.
    let absolute = |name: &str| {
        let path = PathBuf::from(variable(name)?);
        path.is_absolute().then_some(path)
    };
    let own = || {
        if cfg!(windows) {
            return absolute("LOCALAPPDATA");
        }
        let below = if cfg!(target_os = "macos") {
            "Library/Caches"
        } else {
            ".cache"
        };
        Some(absolute("HOME")?.join(below))
    };
    let caches = absolute("XDG_CACHE_HOME").or_else(own)?;
    Some(caches.join("spanbench").join(kind))
}

/// Writes a file whole or not at all, through a temporary one beside it; its folder is made where
/// there is none.
///
/// # Errors
///
/// Fails where the folder cannot be made or written to.
pub(crate) fn write(path: &Path, content: &[u8]) -> io::Result<()> {
    let folder = path.parent().unwrap_or(Path::new("."));
    std::fs::create_dir_all(folder)?;
    let mut file = tempfile::NamedTempFile::new_in(folder)?;
    file.write_all(content)?;
    file.persist(path)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_place_is_the_systems() {
        let folder = |variables: &[(&str, &str)]| {
            folder_by("roofline", |name| {
                let found = variables.iter().find(|(known, _)| *known == name);
                found.map(|(_, value)| OsString::from(value))
            })
        };
        assert_eq!(folder(&[]), None);
        assert_eq!(
            folder(&[("HOME", "relative"), ("XDG_CACHE_HOME", "")]),
            None
        );
        if cfg!(all(unix, not(target_os = "macos"))) {
            let home = ("HOME", "/home/me");
            let at = |path: &str| Some(PathBuf::from(path));
            assert_eq!(folder(&[home]), at("/home/me/.cache/spanbench/roofline"));
            let own = folder(&[home, ("XDG_CACHE_HOME", "/var/caches")]);
            assert_eq!(own, at("/var/caches/spanbench/roofline"));
            let relative = folder(&[home, ("XDG_CACHE_HOME", "caches")]);
            assert_eq!(relative, at("/home/me/.cache/spanbench/roofline"));
        }
    }

    #[test]
    fn files_are_whole_and_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("not/there/yet");
        for content in ["first", "second"] {
            write(&path, content.as_bytes()).unwrap();
            assert_eq!(std::fs::read_to_string(&path).unwrap(), content);
        }
        let files = std::fs::read_dir(path.parent().unwrap()).unwrap();
        assert_eq!(files.count(), 1);
        assert!(write(&path.join("below"), b"").is_err());
    }
}
