//! The text files in which Linux describes itself, below a root that a test can choose.

use std::path::{Path, PathBuf};
use std::str::FromStr;

/// The files under `/`, or under a folder that is laid out the same way.
///
/// Where a system has no such files (macOS, Windows) every question is
/// answered with nothing, as it is for a file that may not be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SystemFiles {
    root: PathBuf,
}

impl SystemFiles {
    /// Those of this machine.
    pub fn here() -> Self {
        Self::under("/")
    }

    /// Those of the machine whose `/` was copied to `root`.
    pub fn under(root: impl Into<PathBuf>) -> Self {
        Self { root: root.into() }
    }

    /// Where the file that the system calls `path` lies.
    pub(super) fn path(&self, path: impl AsRef<Path>) -> PathBuf {
        let path = path.as_ref();
        self.root.join(path.strip_prefix("/").unwrap_or(path))
    }

    pub(super) fn exists(&self, path: impl AsRef<Path>) -> bool {
        self.path(path).exists()
    }

    /// A whole file; bytes that are not UTF-8 are replaced.
    pub(super) fn text(&self, path: impl AsRef<Path>) -> Option<String> {
        let bytes = std::fs::read(self.path(path)).ok()?;
        Some(String::from_utf8_lossy(&bytes).into_owned())
    }

    /// The first line without the space (and the NUL of device trees) around it, unless nothing is left.
    pub(super) fn line(&self, path: impl AsRef<Path>) -> Option<String> {
        let text = self.text(path)?;
        let line = text
            .lines()
            .next()?
            .trim_matches(|c: char| c == '\0' || c.is_whitespace());
        (!line.is_empty()).then(|| line.to_owned())
    }

    /// The first line as a number.
    pub(super) fn number<T: FromStr>(&self, path: impl AsRef<Path>) -> Option<T> {
        self.line(path)?.parse().ok()
    }

    /// What follows `separator` in the first line that begins with `key`.
    pub(super) fn field(&self, path: &str, key: &str, separator: char) -> Option<String> {
        let text = self.text(path)?;
        let (_, value) = text.lines().find_map(|line| {
            let (name, value) = line.split_once(separator)?;
            (name.trim() == key).then_some((name, value))
        })?;
        Some(value.trim().trim_matches('"').to_owned())
    }

    /// The number that follows the name `key` in a file of lines `key number`.
    pub(super) fn counter(&self, path: impl AsRef<Path>, key: &str) -> Option<u64> {
        let text = self.text(path)?;
        text.lines().find_map(|line| {
            let mut words = line.split_whitespace();
            (words.next() == Some(key)).then(|| words.next()?.parse().ok())?
        })
    }

    /// Names in a folder, sorted.
    pub(super) fn names(&self, folder: &str) -> Vec<String> {
        let entries = std::fs::read_dir(self.path(folder)).into_iter().flatten();
        let names = entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
        let mut names: Vec<_> = names.collect();
        names.sort();
        names
    }

    /// The numbers N of the entries `{prefix}N` of a folder, ascending.
    pub(super) fn numbered(&self, folder: &str, prefix: &str) -> Vec<usize> {
        let names = self.names(folder);
        let numbers = names
            .iter()
            .filter_map(|name| name.strip_prefix(prefix)?.parse().ok());
        let mut numbers: Vec<usize> = numbers.collect();
        numbers.sort_unstable();
        numbers
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_there_is_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let files = SystemFiles::under(folder.path());
        assert_eq!(files.line("/proc/loadavg"), None);
        assert_eq!(files.names("/sys/class"), Vec::<String>::new());
        std::fs::write(folder.path().join("empty"), "").unwrap();
        std::fs::write(folder.path().join("bytes"), b"\xff 7\nkey 8\n").unwrap();
        assert_eq!(files.line("empty"), None);
        assert_eq!(files.line("/bytes").unwrap(), "\u{fffd} 7");
        assert_eq!(files.number::<u64>("/bytes"), None);
        assert_eq!(files.counter("/bytes", "key"), Some(8));
        assert_eq!(files.counter("/bytes", "ke"), None);
    }

    #[test]
    fn numbered_entries_are_sorted_as_numbers() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["cpu10", "cpu9", "cpufreq", "cpu"] {
            std::fs::create_dir(folder.path().join(name)).unwrap();
        }
        let files = SystemFiles::under(folder.path());
        assert_eq!(files.numbered("/", "cpu"), [9, 10]);
    }
}
