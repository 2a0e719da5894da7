//! What `--model M` means: a card, a directory, or a repository on the hub.

use std::path::{Path, PathBuf};

use super::ModelError;
use super::card::{self, WireSource, card};
use super::files::ModelFiles;
use super::selection::{self, Selection};
use crate::bundled;
use crate::hub::{Hub, HubConfig, HubError, Progress, RepoRef, Snapshot};

/// Where a model is.
enum Place {
    /// In the program itself.
    Bundled,
    /// In a directory.
    Directory(PathBuf),
    /// On the hub, under this id.
    Repository(String, RepoRef),
}

fn place(model: &str) -> Result<Place, ModelError> {
    if card(model).is_some() {
        return Ok(match repository(model)? {
            None => Place::Bundled,
            Some(reference) => Place::Repository(model.to_owned(), reference),
        });
    }
    let path = Path::new(model);
    if path.is_dir() {
        return Ok(Place::Directory(path.to_owned()));
    }
    let is_path = path.is_absolute() || model.starts_with('.') || path.exists();
    match RepoRef::parse_model(model) {
        Ok(reference) if !is_path && model.contains('/') => {
            Ok(Place::Repository(reference.id().to_owned(), reference))
        }
        _ => Err(ModelError::Unknown {
            name: model.to_owned(),
            cards: card::names().count(),
        }),
    }
}

/// Finds the files of `model`, fetching them where they are on the hub and not yet here.
///
/// # Errors
///
/// Fails where the name means nothing, or the files are missing, unreadable or not to be had.
pub fn open(model: &str, offline: bool, progress: &dyn Progress) -> Result<ModelFiles, ModelError> {
    match place(model)? {
        Place::Bundled => Ok(bundled::model()),
        Place::Repository(id, reference) => from_hub(&id, &reference, offline, progress),
        Place::Directory(path) => {
            // A path such as `.` has a name only once it is resolved.
            let resolved = path.canonicalize().unwrap_or_else(|_| path.clone());
            let name = resolved.file_name().unwrap_or(path.as_os_str());
            ModelFiles::from_directory(&name.to_string_lossy(), &path)
        }
    }
}

/// Fetches the files of `model` where they are on the hub and not yet here, and reads none.
///
/// # Errors
///
/// Fails where the name means nothing, or the files are not to be had.
pub fn fetch(model: &str, offline: bool, progress: &dyn Progress) -> Result<(), ModelError> {
    if let Place::Repository(_, reference) = place(model)? {
        pull(&reference, offline, progress)?;
    }
    Ok(())
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
    let select = |names: &[String]| selection::select(names).map(Selection::names);
    hub.snapshot(reference, &select, progress)
}

#[cfg(test)]
mod tests {
    use super::*;

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
