//! Names of cells, which are also those of their folders.

use super::options::Options;
use crate::dataset::source::stem;

/// The last part of a path or repository name, as a folder can be called everywhere.
pub fn file_name(name: &str) -> String {
    let name = name.trim_end_matches(['/', '\\']);
    let last = name.rsplit(['/', '\\']).next().unwrap_or(name);
    plain(&stem(last))
}

/// Only letters, digits and `._-`, and no point at either end.
fn plain(name: &str) -> String {
    let safe = name.chars().map(|character| {
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

/// Whether a folder can be called so everywhere, as it stands.
pub(crate) fn is_file_name(name: &str) -> bool {
    plain(name) == name && name.len() <= 200
}

/// How much of a model's or data set's name is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Detail {
    /// Its last part.
    Short,
    /// All of it: two have the same last part.
    Whole,
}

/// The name of a cell with these options, model and data set first and then `parts` of them.
pub(super) fn cell_name(
    prefix: Option<&str>,
    options: &Options,
    parts: &[&'static str],
    detail: Detail,
) -> String {
    let whole = |name: &str| plain(name.trim_matches(['/', '\\', '.']));
    let told = |name: &str| match detail {
        Detail::Short => file_name(name),
        Detail::Whole => whole(name),
    };
    let entries = options.entries();
    let mut pieces: Vec<String> = prefix.map(str::to_owned).into_iter().collect();
    for (key, value) in &entries {
        match *key {
            "model" | "dataset" => pieces.push(told(value)),
            key if parts.contains(&key) => pieces.push(part(key, value, detail)),
            _ => {}
        }
    }
    pieces.join("-")
}

/// An option in a name: its value, and its own name where the value does not tell it.
fn part(key: &str, value: &str, detail: Detail) -> String {
    match (key, value) {
        ("dtype" | "device" | "scenario" | "decode" | "window-order", value) => plain(value),
        (key, "true") => key.to_owned(),
        (key, "false") => format!("no-{key}"),
        ("ids" | "cell-program", value) if detail == Detail::Short => {
            format!("{key}-{}", file_name(value))
        }
        (key, value) => format!("{key}-{}", plain(&value.replace(' ', ""))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
        assert!(is_file_name("bert-base_1.2"));
        for name in ["", "a/b", "a b", ".hidden", "..", &"x".repeat(201)] {
            assert!(!is_file_name(name), "{name:?}");
        }
    }
}
