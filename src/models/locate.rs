//! What `--model M` means: a card, a directory, or a repository on the hub.

use std::path::Path;

use serde::Deserialize;

use super::ModelError;
use super::files::{ModelFiles, REQUIRED};
use crate::bundled;
use crate::hub::{Hub, HubConfig, HubError, Progress, RepoRef, Snapshot};

/// A model card: `models/cards/NAME.toml`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WireCard {
    /// Version of the card's layout: 1.
    pub schema: u32,
    /// `model_type` of the model's config.json.
    pub architecture: String,
    /// Weights of encoder and span head.
    pub parameters: u64,
    /// The model's licence.
    pub licence: String,
    /// One sentence for lists.
    pub description: String,
    /// Where the files are.
    pub source: WireSource,
    /// Scores others have measured.
    #[serde(default)]
    pub published: Vec<WirePublished>,
}

/// Where a card's files are.
#[derive(Debug, Clone, Deserialize)]
#[serde(untagged)]
pub enum WireSource {
    /// In the program itself.
    Bundled {
        /// Always true.
        bundled: bool,
    },
    /// On the hub.
    Repository {
        /// `owner/name`.
        repository: String,
        /// The pinned commit.
        revision: String,
    },
}

/// A score as published.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WirePublished {
    /// The data set.
    pub dataset: String,
    /// The scoring protocol.
    pub protocol: String,
    /// In percent.
    pub exact_match: f64,
    /// In percent.
    pub f1: f64,
    /// The source of the figures.
    #[serde(rename = "where")]
    pub source: String,
}

/// The card called `name`.
pub fn card(name: &str) -> Option<WireCard> {
    let (_, text) = bundled::CARDS.iter().find(|(card, _)| *card == name)?;
    Some(toml::from_str(text).expect("OK because a test parses every card of the program"))
}

/// Finds the files of `model`, fetching them where they are on the hub and not yet here.
///
/// # Errors
///
/// Fails where the name means nothing, or the files are missing, unreadable or not to be had.
pub fn open(model: &str, offline: bool, progress: &dyn Progress) -> Result<ModelFiles, ModelError> {
    if card(model).is_some() {
        return match repository(model)? {
            None => Ok(bundled::model()),
            Some(reference) => from_hub(model, &reference, offline, progress),
        };
    }
    let path = Path::new(model);
    if path.is_dir() {
        // A path such as `.` has a name only once it is resolved.
        let resolved = path.canonicalize().unwrap_or_else(|_| path.to_owned());
        let name = resolved.file_name().unwrap_or(path.as_os_str());
        return ModelFiles::from_directory(&name.to_string_lossy(), path);
    }
    let is_path = path.is_absolute() || model.starts_with('.') || path.exists();
    let reference = RepoRef::parse_model(model);
    match reference {
        Ok(reference) if !is_path && model.contains('/') => {
            from_hub(reference.id(), &reference, offline, progress)
        }
        _ => Err(ModelError::Unknown {
            name: model.to_owned(),
            cards: bundled::CARDS
                .iter()
                .map(|(name, _)| *name)
                .collect::<Vec<_>>()
                .join(", "),
        }),
    }
}

fn from_hub(
    id: &str,
    reference: &RepoRef,
    offline: bool,
    progress: &dyn Progress,
) -> Result<ModelFiles, ModelError> {
    let snapshot = pull(reference, offline, progress)?;
    ModelFiles::from_snapshot(id, &snapshot)
}

/// The repository that `--model` names: a card's, or one named outright.
/// Nothing where the model is part of the program.
///
/// # Errors
///
/// Fails where the name is not of the form `owner/name[@revision]`.
pub fn repository(model: &str) -> Result<Option<RepoRef>, HubError> {
    match card(model).map(|card| card.source) {
        Some(WireSource::Bundled { .. }) => Ok(None),
        Some(WireSource::Repository {
            repository,
            revision,
        }) => RepoRef::parse_model(&format!("{repository}@{revision}")).map(Some),
        None => RepoRef::parse_model(model).map(Some),
    }
}

/// Fetches the files that a run needs of a repository, unless they are here already.
///
/// # Errors
///
/// See [`HubError`].
pub fn pull(
    reference: &RepoRef,
    offline: bool,
    progress: &dyn Progress,
) -> Result<Snapshot, HubError> {
    let hub = Hub::new(HubConfig::from_env(offline)?)?;
    hub.snapshot(reference, &select, progress)
}

/// The files of a repository that a run needs.
fn select(names: &[String]) -> Result<Vec<String>, String> {
    for required in REQUIRED {
        if !names.iter().any(|name| name == required) {
            return Err(format!(
                "holds no {required}; a run needs config.json, tokenizer.json and model.safetensors"
            ));
        }
    }
    Ok(REQUIRED.map(str::to_owned).to_vec())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_card_can_be_read() {
        for (name, _) in bundled::CARDS {
            let card = card(name).expect(name);
            assert_eq!(card.schema, 1, "{name}");
            assert!(super::super::ARCHITECTURES.contains(&card.architecture.as_str()));
        }
    }

    #[test]
    fn selection_says_what_is_missing() {
        let names = ["config.json", "tokenizer.json", "pytorch_model.bin"];
        let fault = select(&names.map(str::to_owned)).unwrap_err();
        assert!(fault.contains("no model.safetensors"), "{fault}");
    }

    #[test]
    fn a_name_that_means_nothing_lists_the_cards() {
        for name in ["no-such-card", "./no/such/directory", "/no/such", "a/b/c"] {
            let error = open(name, true, &crate::hub::Silent)
                .unwrap_err()
                .to_string();
            assert!(
                error.contains(name) && error.contains(bundled::MODEL),
                "{error}"
            );
        }
    }
}
