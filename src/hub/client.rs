//! From a repository and a choice of files to paths of verified files.

use std::collections::HashSet;
use std::path::PathBuf;

use super::Progress;
use super::cache::RepoCache;
use super::config::HubConfig;
use super::error::{HubError, Subject};
use super::local::{Cached, inspect};
use super::online::Online;
use super::repo::{RepoRef, check_file_name};
use super::transport::Transport;
use super::verify::Verification;

/// Chooses files: gets all names, gives those wanted or a message why that cannot be.
pub(super) type Select<'a> = &'a dyn Fn(&[String]) -> Result<Vec<String>, String>;

/// A client of the Hugging Face Hub and its cache on disk.
#[derive(Debug)]
pub struct Hub {
    config: HubConfig,
    /// None when offline: there is then nothing that could open a connection.
    transport: Option<Transport>,
}

/// Files of one commit, all verified.
#[derive(Debug, Clone)]
pub struct Snapshot {
    /// What was asked for.
    pub repo: RepoRef,
    /// The commit its revision is, 40 hexadecimal digits.
    pub commit: String,
    /// The folder the files lie in, under their names in the repository. It may hold more files
    /// than were selected, from other downloads; those were not verified.
    pub directory: PathBuf,
    /// The selected files, in the order of the selection.
    pub files: Vec<HubFile>,
}

/// One verified file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HubFile {
    /// Its name in the repository, with slashes.
    pub name: String,
    /// Where it lies (mostly a symbolic link to the content).
    pub path: PathBuf,
    /// Its size in bytes.
    pub bytes: u64,
    /// SHA-256 of its content in lower-case hex, computed from the disk by this call.
    pub sha256: String,
    /// The hub's etag, which is its name among the blobs; none for a cached plain copy of which it
    /// is not known.
    pub etag: Option<String>,
    /// How far it could be checked.
    pub verified_by: Verification,
    /// Whether no byte of it was downloaded by this call.
    pub from_cache: bool,
}

impl Hub {
    /// Makes a client. Opens no connection.
    ///
    /// # Errors
    /// [`HubError::Setting`] where the endpoint is no http or https address.
    pub fn new(config: HubConfig) -> Result<Self, HubError> {
        let transport = if config.offline {
            None
        } else {
            Some(Transport::new(&config)?)
        };
        Ok(Self { config, transport })
    }

    /// What the client was made with.
    #[must_use]
    pub fn config(&self) -> &HubConfig {
        &self.config
    }

    /// Brings files of a repository into the cache, verified, and says where they are.
    ///
    /// `select` gets the names of the repository's files (offline, and first of all where the
    /// revision is a commit, those of the cached snapshot) and gives those wanted; it may be called
    /// twice. With a commit whose cached files satisfy `select` and verify by their hashes, no
    /// connection is opened. Otherwise the hub is asked, and files that are cached and verify are
    /// not fetched again. The branch's commit is recorded only once all files are there.
    ///
    /// # Errors
    /// Any [`HubError`]; the files that arrived whole stay in the cache for the next call.
    pub fn snapshot(
        &self,
        repo: &RepoRef,
        select: Select<'_>,
        progress: &dyn Progress,
    ) -> Result<Snapshot, HubError> {
        let cache = RepoCache::new(&self.config.cache_dir, repo);
        let Some(transport) = &self.transport else {
            return offline_snapshot(&cache, repo, select, progress);
        };
        if repo.is_commit()
            && let Some(snapshot) = pinned_snapshot(&cache, repo, select)?
        {
            return Ok(snapshot);
        }
        let online = Online {
            transport,
            cache: &cache,
            repo,
            progress,
        };
        online.snapshot(select)
    }
}

/// Everything from the cache, or an error that says how to fill it.
fn offline_snapshot(
    cache: &RepoCache,
    repo: &RepoRef,
    select: Select<'_>,
    progress: &dyn Progress,
) -> Result<Snapshot, HubError> {
    let commit = if repo.is_commit() {
        Some(repo.revision().to_owned())
    } else {
        cache.read_reference(repo.revision())?
    };
    let present = match &commit {
        Some(commit) if cache.snapshot(commit).is_dir() => cache.snapshot_files(commit)?,
        _ => Vec::new(),
    };
    let Some(commit) = commit.filter(|_| !present.is_empty()) else {
        let subject = Subject::repo(repo).boxed();
        return Err(HubError::OfflineRevision {
            subject,
            cache: cache.root().to_owned(),
        });
    };
    let names = wanted(repo, &present, select, true)?;
    let mut files = Vec::with_capacity(names.len());
    for name in names {
        let subject = Subject::file(repo, &name);
        match inspect(cache, &commit, &name)? {
            Cached::Good(file) => {
                note_if_unhashed(&subject, file.verified_by, progress);
                files.push(file);
            }
            Cached::Absent => {
                return Err(HubError::OfflineFile {
                    subject: subject.boxed(),
                    cache: cache.root().to_owned(),
                });
            }
            Cached::Damaged { path, mismatch } => {
                return Err(HubError::OfflineDamaged {
                    subject: subject.boxed(),
                    path,
                    expected: mismatch.expected,
                    got: mismatch.got,
                });
            }
        }
    }
    Ok(Snapshot {
        repo: repo.clone(),
        directory: cache.snapshot(&commit),
        commit,
        files,
    })
}

/// A commit never changes, so if the cache has all of it that is wanted, nobody need be asked.
fn pinned_snapshot(
    cache: &RepoCache,
    repo: &RepoRef,
    select: Select<'_>,
) -> Result<Option<Snapshot>, HubError> {
    let commit = repo.revision();
    let present = cache.snapshot_files(commit)?;
    if present.is_empty() {
        return Ok(None);
    }
    // A choice that fails on what is cached may succeed on what the hub has.
    let Ok(names) = wanted(repo, &present, select, false) else {
        return Ok(None);
    };
    let mut files = Vec::with_capacity(names.len());
    for name in names {
        match inspect(cache, commit, &name)? {
            Cached::Good(file) if file.verified_by != Verification::SizeOnly => files.push(file),
            _ => return Ok(None),
        }
    }
    let directory = cache.snapshot(commit);
    Ok(Some(Snapshot {
        repo: repo.clone(),
        commit: commit.to_owned(),
        directory,
        files,
    }))
}

/// Asks `select`, and checks what it gives: the names become paths.
pub(super) fn wanted(
    repo: &RepoRef,
    names: &[String],
    select: Select<'_>,
    offline: bool,
) -> Result<Vec<String>, HubError> {
    let failed = |message| HubError::Selection {
        subject: Subject::repo(repo).boxed(),
        message,
        offline,
    };
    let mut chosen = select(names).map_err(failed)?;
    let mut seen = HashSet::new();
    chosen.retain(|name| seen.insert(name.clone()));
    for name in &chosen {
        check_file_name(name).map_err(|reason| {
            failed(format!(
                "the selected name `{}` has {reason}",
                name.escape_debug()
            ))
        })?;
    }
    Ok(chosen)
}

pub(super) fn note_if_unhashed(
    subject: &Subject,
    verification: Verification,
    progress: &dyn Progress,
) {
    if verification == Verification::SizeOnly {
        progress.note(&format!(
            "{subject}: the hub gives no hash of it, so its content could not be checked"
        ));
    }
}
