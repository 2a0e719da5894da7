//! Files that are in the cache already: found and checked without asking anybody.

use std::fs;
use std::path::{Path, PathBuf};

use super::cache::{RepoCache, is_absent};
use super::client::HubFile;
use super::error::{HubError, on_path};
use super::verify::{Digests, Expectation, Mismatch, Verification, digest_file};

/// What the cache has of a file.
pub(super) enum Cached {
    /// The file, checked as far as its etag allows.
    Good(HubFile),
    /// A copy that is not what its name in the cache says.
    Damaged { path: PathBuf, mismatch: Mismatch },
    /// Nothing, or a link that leads nowhere.
    Absent,
}

/// Looks a file up in a snapshot and checks it.
pub(super) fn inspect(cache: &RepoCache, commit: &str, file: &str) -> Result<Cached, HubError> {
    let path = cache.pointer(commit, file);
    match fs::metadata(&path) {
        Ok(about) if about.is_file() => {}
        Ok(_) => return Ok(Cached::Absent),
        Err(error) if is_absent(&error) => return Ok(Cached::Absent),
        Err(error) => return Err(on_path("read", &path)(error)),
    }
    let Some(etag) = linked_etag(&path) else {
        return inspect_copy(cache, file, path);
    };
    let expectation = Expectation { etag, bytes: None };
    match expectation
        .check_file(&path)
        .map_err(on_path("read", &path))?
    {
        Ok((digests, verification)) => Ok(Cached::Good(cached_file(
            file,
            path,
            digests,
            Some(expectation.etag),
            verification,
        ))),
        Err(mismatch) => Ok(Cached::Damaged { path, mismatch }),
    }
}

/// A plain file instead of a link, as systems without links have it. Its etag is written nowhere,
/// but if a blob has the name of one of its hashes, that was it.
fn inspect_copy(cache: &RepoCache, file: &str, path: PathBuf) -> Result<Cached, HubError> {
    let digests = digest_file(&path, true).map_err(on_path("read", &path))?;
    let candidates = [
        (&digests.sha256, Verification::Sha256),
        (&digests.git_sha1, Verification::GitBlobSha1),
    ];
    let known = candidates
        .into_iter()
        .find(|(hash, _)| cache.blob(hash).exists())
        .map(|(hash, verification)| (hash.clone(), verification));
    let (etag, verification) = match known {
        Some((etag, verification)) => (Some(etag), verification),
        None => (None, Verification::SizeOnly),
    };
    Ok(Cached::Good(cached_file(
        file,
        path,
        digests,
        etag,
        verification,
    )))
}

/// The last component of a link's target is the etag.
fn linked_etag(pointer: &Path) -> Option<String> {
    let target = fs::read_link(pointer).ok()?;
    Some(target.file_name()?.to_str()?.to_owned())
}

fn cached_file(
    name: &str,
    path: PathBuf,
    digests: Digests,
    etag: Option<String>,
    verified_by: Verification,
) -> HubFile {
    HubFile {
        name: name.to_owned(),
        path,
        bytes: digests.bytes,
        sha256: digests.sha256,
        etag,
        verified_by,
        from_cache: true,
    }
}
