//! Machines to read in tests: folders made from `tests/machines/NAME.txt`.

use std::path::Path;

use tempfile::TempDir;

use super::system_files::SystemFiles;

/// A folder laid out as the `/` of some machine.
pub(super) struct Machine {
    root: TempDir,
}

impl Machine {
    pub fn empty() -> Self {
        let root = tempfile::tempdir().unwrap();
        Self { root }
    }

    /// A machine of `tests/machines`: `=== PATH` and the text of that file, where
    /// `{0-3}` or `{0,2}` in a path stands for a file each.
    pub fn named(name: &str) -> Self {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/machines");
        let text = std::fs::read_to_string(folder.join(name).with_extension("txt")).unwrap();
        let machine = Self::empty();
        let (_, files) = text.split_once("=== ").unwrap();
        for file in files.split("\n=== ") {
            let (path, text) = file.split_once('\n').unwrap_or((file, ""));
            for path in expanded(path) {
                machine.write(&path, text);
            }
        }
        machine
    }

    pub fn files(&self) -> SystemFiles {
        SystemFiles::under(self.root.path())
    }

    pub fn write(&self, path: &str, text: &str) {
        let path = self.files().path(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }
}

fn expanded(path: &str) -> Vec<String> {
    let Some((before, rest)) = path.split_once('{') else {
        return vec![path.to_owned()];
    };
    let (numbers, after) = rest.split_once('}').unwrap();
    let parts = numbers.split(',').flat_map(|part| {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        first.parse::<u32>().unwrap()..=last.parse().unwrap()
    });
    parts.map(|n| format!("{before}{n}{after}")).collect()
}
