//! A snapshot with the hub's help: what is missing here or damaged is fetched.

use std::collections::HashSet;
use std::fs;

use super::Progress;
use super::cache::{RepoCache, remove};
use super::client::{HubFile, Select, Snapshot, note_if_unhashed, wanted};
use super::download::{Job, fetch_blob};
use super::error::{HubError, Missing, Subject, on_path};
use super::listing::{file_address, listing, remote_file};
use super::local::{Cached, inspect};
use super::repo::RepoRef;
use super::transport::Transport;
use super::verify::{Digests, Expectation, Verification};

/// What one online call works with.
pub(super) struct Online<'a> {
    pub(super) transport: &'a Transport,
    pub(super) cache: &'a RepoCache,
    pub(super) repo: &'a RepoRef,
    pub(super) progress: &'a dyn Progress,
}

impl Online<'_> {
    /// Asks the hub for the revision, brings the chosen files, then makes links and reference.
    pub(super) fn snapshot(&self, select: Select<'_>) -> Result<Snapshot, HubError> {
        let listing = listing(self.transport, self.repo, self.progress)?;
        let names = wanted(self.repo, &listing.files, select, false)?;
        let known: HashSet<&String> = listing.files.iter().collect();
        if let Some(name) = names.iter().find(|name| !known.contains(name)) {
            return Err(HubError::NotFound {
                subject: Subject::file(self.repo, name).boxed(),
                missing: Missing::File,
                token_set: self.transport.has_token(),
            });
        }
        let commit = listing.commit;
        let mut files = Vec::with_capacity(names.len());
        for name in &names {
            files.push(self.file(&commit, name)?);
        }
        // Links last: a snapshot that a call broken off left behind must not look whole to a
        // `select` that makes do with what is there.
        let directory = self.cache.snapshot(&commit);
        fs::create_dir_all(&directory).map_err(on_path("create the folder", &directory))?;
        for (file, to_link) in &files {
            if let Some(etag) = to_link {
                self.cache.link(&commit, &file.name, etag)?;
            }
        }
        let files = files.into_iter().map(|(file, _)| file).collect();
        if !self.repo.is_commit() {
            self.cache.write_reference(self.repo.revision(), &commit)?;
        }
        Ok(Snapshot {
            repo: self.repo.clone(),
            commit,
            directory,
            files,
        })
    }

    /// One file: from the cache where it verifies, else from the hub. Also gives the etag of the
    /// blob that the snapshot has yet to link to.
    fn file(&self, commit: &str, name: &str) -> Result<(HubFile, Option<String>), HubError> {
        if let Cached::Good(file) = inspect(self.cache, commit, name)?
            && file.verified_by != Verification::SizeOnly
        {
            return Ok((file, None));
        }
        let subject = Subject::file(self.repo, name);
        let address = file_address(self.transport, self.repo, commit, name);
        let expectation = remote_file(self.transport, &subject, commit, &address, self.progress)?;
        let _lock = self.cache.lock(&expectation.etag, name, self.progress)?;
        let cached = self.reuse(&subject, commit, name, &expectation)?;
        let from_cache = cached.is_some();
        let (digests, verified_by) = if let Some(good) = cached {
            good
        } else {
            let job = Job {
                subject: &subject,
                address: &address,
                expectation: &expectation,
                incomplete: self.cache.incomplete(&expectation.etag),
                blob: self.cache.blob(&expectation.etag),
            };
            fetch_blob(self.transport, &job, self.progress)?
        };
        note_if_unhashed(&subject, verified_by, self.progress);
        // A plain copy that was found good needs no link, and has no blob to link to.
        let to_link = Some(expectation.etag.clone()).filter(|etag| self.cache.blob(etag).exists());
        let file = HubFile {
            name: name.to_owned(),
            path: self.cache.pointer(commit, name),
            bytes: digests.bytes,
            sha256: digests.sha256,
            etag: Some(expectation.etag),
            verified_by,
            from_cache,
        };
        Ok((file, to_link))
    }

    /// What the cache has, if it is what the hub announces: the blob, or the snapshot's own copy.
    /// A copy that is not is deleted, and with it the snapshot's link or file.
    fn reuse(
        &self,
        subject: &Subject,
        commit: &str,
        name: &str,
        expectation: &Expectation,
    ) -> Result<Option<(Digests, Verification)>, HubError> {
        let pointer = self.cache.pointer(commit, name);
        let copy_is_plain = fs::symlink_metadata(&pointer).is_ok_and(|about| about.is_file());
        let blob = self.cache.blob(&expectation.etag);
        let candidates = [Some(&blob), Some(&pointer).filter(|_| copy_is_plain)];
        for path in candidates
            .into_iter()
            .flatten()
            .filter(|path| path.exists())
        {
            match expectation
                .check_file(path)
                .map_err(on_path("read", path))?
            {
                Ok(good) => return Ok(Some(good)),
                Err(mismatch) => {
                    self.progress.note(&format!(
                        "{subject}: discarded a damaged copy of {} (expected {}, got {})",
                        path.display(),
                        mismatch.expected,
                        mismatch.got
                    ));
                    remove(path)?;
                    remove(&pointer)?;
                }
            }
        }
        Ok(None)
    }
}
