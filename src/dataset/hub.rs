//! Data sets of the Hugging Face Hub: names, and which files of a repository a name means.

use std::collections::BTreeSet;

use super::DatasetError;
use crate::hub::{RepoKind, RepoRef};

/// The endings of files that are read, the preferred ones first.
const ENDINGS: [&str; 5] = [".parquet", ".jsonl", ".jsonl.gz", ".json", ".json.gz"];

/// What splits are called: the same one has several names.
const SPLITS: [&[&str]; 3] = [
    &["validation", "valid", "val", "dev"],
    &["test", "testing", "eval", "evaluation"],
    &["train", "training"],
];

/// The configuration of files that lie in no folder of their own.
const DEFAULT_CONFIG: &str = "default";

/// A data set of the hub: `owner/name[@revision][:config][:split]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HubDataset {
    /// The repository and its revision.
    pub repository: RepoRef,
    /// The configuration, if one was named.
    pub config: Option<String>,
    /// The split, if one was named.
    pub split: Option<String>,
    /// The files in the repository, where a card names them.
    pub files: Vec<String>,
    /// The rows that are the data set's, by their column `subset`, where a card names one.
    pub subset: Option<String>,
}

impl HubDataset {
    /// Reads `owner/name[@revision][:config][:split]`; `name` is the whole for messages.
    ///
    /// # Errors
    ///
    /// Fails where the text is not of that form.
    pub fn parse(name: &str, text: &str) -> Result<Self, DatasetError> {
        let bad = |fault: &str| DatasetError::BadName {
            name: name.to_owned(),
            fault: fault.to_owned(),
        };
        let mut parts = text.split(':');
        let repository = parts.next().unwrap_or_default();
        let (config, split) = (parts.next(), parts.next());
        if parts.next().is_some() {
            return Err(bad("more than a repository, a configuration and a split"));
        }
        // Data sets of the hub's first days have no owner.
        let id = repository.split('@').next().unwrap_or_default();
        let reference = if id.contains('/') {
            RepoRef::parse_dataset(repository)
        } else {
            RepoRef::parse_legacy(RepoKind::Dataset, repository)
        };
        let given = |part: Option<&str>| part.filter(|part| !part.is_empty()).map(str::to_owned);
        Ok(Self {
            repository: reference.map_err(|fault| bad(&fault.to_string()))?,
            config: given(config),
            split: given(split),
            files: Vec::new(),
            subset: None,
        })
    }

    /// Chooses the data set's files among the `names` of its repository.
    ///
    /// # Errors
    ///
    /// Says what there is to choose from.
    pub fn choose(&self, names: &[String]) -> Result<Choice, String> {
        if self.files.is_empty() {
            return choose(names, self.config.as_deref(), self.split.as_deref());
        }
        if let Some(missing) = self.files.iter().find(|file| !names.contains(file)) {
            return Err(format!("no {missing}, which the card names"));
        }
        Ok(Choice {
            config: self.config.clone().unwrap_or_default(),
            split: self.split.clone().unwrap_or_default(),
            files: self.files.clone(),
        })
    }
}

/// The files of one split of one configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Choice {
    /// The configuration.
    pub config: String,
    /// The split.
    pub split: String,
    /// The files, in order.
    pub files: Vec<String>,
}

/// A file whose name says what it holds.
struct Shard<'a> {
    config: String,
    split: &'a str,
    name: &'a str,
}

fn choose(names: &[String], config: Option<&str>, split: Option<&str>) -> Result<Choice, String> {
    let shards = ENDINGS.iter().map(|ending| shards(names, ending));
    let Some(shards) = shards.into_iter().find(|shards| !shards.is_empty()) else {
        return Err(format!(
            "no data file whose name says which split it is ({}); where the repository holds a loading script, its tables may be at @refs/convert/parquet",
            ENDINGS.join(", ")
        ));
    };
    let configs: BTreeSet<&str> = shards.iter().map(|shard| shard.config.as_str()).collect();
    let list = |names: &BTreeSet<&str>| names.iter().copied().collect::<Vec<_>>().join(", ");
    let config = match config {
        Some(config) if configs.contains(config) => config,
        Some(config) => {
            return Err(format!(
                "no configuration \"{config}\"; there is {}",
                list(&configs)
            ));
        }
        None if configs.len() == 1 => configs.first().copied().unwrap_or_default(),
        None if configs.contains(DEFAULT_CONFIG) => DEFAULT_CONFIG,
        None => {
            return Err(format!(
                "several configurations: {}; name one as hf:owner/name:config",
                list(&configs)
            ));
        }
    };
    let of_config = || shards.iter().filter(|shard| shard.config == config);
    let splits: BTreeSet<&str> = of_config().map(|shard| shard.split).collect();
    let split = match split {
        Some(split) => named_split(&splits, split),
        None => evaluation_split(&splits),
    };
    let Some(split) = split else {
        return Err(format!(
            "no such split in configuration \"{config}\"; there is {}, named as hf:owner/name:config:split",
            list(&splits)
        ));
    };
    let mut files: Vec<String> = of_config()
        .filter(|shard| shard.split == split)
        .map(|shard| shard.name.to_owned())
        .collect();
    files.sort_unstable();
    Ok(Choice {
        config: config.to_owned(),
        split: split.to_owned(),
        files,
    })
}

/// The split of that name, or of another name for the same.
fn named_split<'a>(splits: &BTreeSet<&'a str>, wanted: &str) -> Option<&'a str> {
    let same = |names: &[&str], split: &str| names.contains(&split) && names.contains(&wanted);
    let exact = splits.get(wanted).copied();
    exact.or_else(|| {
        let mut splits = splits.iter().copied();
        splits.find(|split| SPLITS.iter().any(|names| same(names, split)))
    })
}

/// What models are measured on: validation before test, and otherwise the only one there is.
fn evaluation_split<'a>(splits: &BTreeSet<&'a str>) -> Option<&'a str> {
    let by_name = SPLITS[..2].iter().find_map(|names| {
        let mut splits = splits.iter().copied();
        splits.find(|split| names.contains(split))
    });
    by_name.or_else(|| splits.first().copied().filter(|_| splits.len() == 1))
}

/// The files with `ending` whose names say a split.
fn shards<'a>(names: &'a [String], ending: &str) -> Vec<Shard<'a>> {
    let stems = names.iter().filter_map(|name| {
        let stem = name.strip_suffix(ending)?;
        Some((name.as_str(), stem))
    });
    stems
        .filter_map(|(name, stem)| {
            let (folder, stem) = stem.rsplit_once('/').unwrap_or(("", stem));
            let (parent, last) = folder.rsplit_once('/').unwrap_or(("", folder));
            let (folder, split) = if is_split(last) {
                // CONFIG/SPLIT/0000.parquet, as the hub's own conversion lies.
                (parent, last)
            } else {
                (folder, split_in(stem)?)
            };
            let config = match folder {
                "" | "data" => DEFAULT_CONFIG,
                folder => folder.strip_prefix("data/").unwrap_or(folder),
            };
            Some(Shard {
                config: config.to_owned(),
                split,
                name,
            })
        })
        .collect()
}

/// The split that a file name says: what stands before `-00000-of-00001`, or
/// the first word that is a split's name, as in `dev-v1.1` or `squad_validation`.
fn split_in(stem: &str) -> Option<&str> {
    let is_number = |text: &str| text.len() == 5 && text.bytes().all(|b| b.is_ascii_digit());
    if let Some((before, after)) = stem.split_once("-of-")
        && let Some((split, number)) = before.rsplit_once('-')
        && is_number(number)
        && after.get(..5).is_some_and(is_number)
    {
        return Some(split);
    }
    let mut words = stem.split(|character: char| !character.is_ascii_alphabetic());
    words.find(|word| is_split(word))
}

fn is_split(word: &str) -> bool {
    SPLITS.iter().any(|names| names.contains(&word))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chosen(names: &[&str], config: Option<&str>, split: Option<&str>) -> Result<Choice, String> {
        let names: Vec<String> = names.iter().map(|&name| name.to_owned()).collect();
        choose(&names, config, split)
    }

    #[track_caller]
    fn assert_chosen(found: Result<Choice, String>, config: &str, split: &str, files: &[&str]) {
        let found = found.unwrap();
        assert_eq!(
            (found.config.as_str(), found.split.as_str()),
            (config, split)
        );
        assert_eq!(found.files, files);
    }

    #[test]
    fn names_are_repository_configuration_and_split() {
        let parse = |text: &str| HubDataset::parse(text, text);
        let found = parse("google/xquad@main:xquad.de:validation").unwrap();
        assert_eq!(found.repository.to_string(), "dataset google/xquad@main");
        assert_eq!(found.config.as_deref(), Some("xquad.de"));
        assert_eq!(found.split.as_deref(), Some("validation"));
        let found = parse("squad::train").unwrap();
        assert_eq!(
            (found.config, found.split.as_deref()),
            (None, Some("train"))
        );
        let found = parse("squad@refs/convert/parquet").unwrap();
        assert_eq!(found.repository.revision(), "refs/convert/parquet");
        for bad in ["", "a/b/c", "a/b:c:d:e", "a b/c", "../x"] {
            let fault = parse(bad).unwrap_err().to_string();
            assert!(fault.contains("hf:owner/name"), "{fault}");
        }
    }

    #[test]
    fn the_split_that_is_measured_on_is_chosen() {
        let squad = [
            "README.md",
            "plain_text/train-00000-of-00001.parquet",
            "plain_text/validation-00000-of-00001.parquet",
        ];
        let found = chosen(&squad, None, None);
        assert_chosen(found, "plain_text", "validation", &[squad[2]]);
        let found = chosen(&squad, Some("plain_text"), Some("train"));
        assert_chosen(found, "plain_text", "train", &[squad[1]]);
        let found = chosen(&squad, None, Some("dev"));
        assert_chosen(found, "plain_text", "validation", &[squad[2]]);
        let fault = chosen(&squad, Some("v2"), None).unwrap_err();
        assert!(fault.contains("\"v2\"; there is plain_text"), "{fault}");
        let fault = chosen(&squad, None, Some("test")).unwrap_err();
        assert!(fault.contains("train, validation"), "{fault}");
    }

    #[test]
    fn several_configurations_must_be_chosen_among() {
        let xquad = [
            "xquad.ar/validation-00000-of-00001.parquet",
            "xquad.de/validation-00000-of-00001.parquet",
        ];
        let fault = chosen(&xquad, None, None).unwrap_err();
        assert!(fault.contains("xquad.ar, xquad.de"), "{fault}");
        let found = chosen(&xquad, Some("xquad.de"), None);
        assert_chosen(found, "xquad.de", "validation", &[xquad[1]]);
    }

    #[test]
    fn shards_stay_in_order_and_other_layouts_are_known() {
        let shards = [
            "data/test-00001-of-00002.parquet",
            "data/test-00000-of-00002-a1b2c3.parquet",
            "data/train-00000-of-00001.parquet",
            "dev-v1.1.json",
        ];
        let found = chosen(&shards, None, None);
        assert_chosen(found, "default", "test", &[shards[1], shards[0]]);
        let converted = [
            "plain_text/test/0000.parquet",
            "plain_text/test/0001.parquet",
        ];
        let found = chosen(&converted, None, None);
        assert_chosen(found, "plain_text", "test", &converted);
        let documents = ["train-v1.1.json", "dev-v1.1.json", "config.json"];
        let found = chosen(&documents, None, None);
        assert_chosen(found, "default", "dev", &[documents[1]]);
        assert!(
            chosen(&["squad.py"], None, None)
                .unwrap_err()
                .contains("refs/convert")
        );
    }
}
