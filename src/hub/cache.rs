//! The folders of the cache, as the Python library lays them out:
//!
//! ```text
//! models--owner--name/blobs/{etag}                      content
//! models--owner--name/blobs/{etag}.incomplete           content still on its way
//! models--owner--name/snapshots/{commit}/a/b.txt        symbolic link ../../../blobs/{etag}
//! models--owner--name/refs/{revision}                   commit, without a newline
//! .locks/models--owner--name/{etag}.lock                held by whoever downloads {etag}
//! ```

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use hf_hub::{Cache, CacheRepo, Repo, RepoType};

use super::Progress;
use super::error::{HubError, on_path};
use super::repo::{RepoKind, RepoRef, is_hex};

/// The part of the cache that belongs to one repository.
pub(super) struct RepoCache {
    root: PathBuf,
    folder_name: String,
    layout: CacheRepo,
}

/// Holds the right to download one blob until dropped.
pub(super) struct BlobLock {
    // Closing the file gives the lock back. The file itself stays: deleting it would let two
    // processes hold locks on two files of the same name.
    _file: Option<File>,
}

impl RepoCache {
    pub(super) fn new(root: &Path, repo: &RepoRef) -> Self {
        let repo_type = match repo.kind() {
            RepoKind::Model => RepoType::Model,
            RepoKind::Dataset => RepoType::Dataset,
        };
        let repo = Repo::with_revision(repo.id().to_owned(), repo_type, repo.revision().to_owned());
        Self {
            root: root.to_owned(),
            folder_name: repo.folder_name(),
            layout: Cache::new(root.to_owned()).repo(repo),
        }
    }

    /// The whole cache's folder.
    pub(super) fn root(&self) -> &Path {
        &self.root
    }

    pub(super) fn blob(&self, etag: &str) -> PathBuf {
        self.folder().join("blobs").join(etag)
    }

    pub(super) fn incomplete(&self, etag: &str) -> PathBuf {
        self.folder()
            .join("blobs")
            .join(format!("{etag}.incomplete"))
    }

    pub(super) fn snapshot(&self, commit: &str) -> PathBuf {
        self.layout.pointer_path(commit)
    }

    pub(super) fn pointer(&self, commit: &str, file: &str) -> PathBuf {
        self.snapshot(commit).join(file)
    }

    fn folder(&self) -> PathBuf {
        self.root.join(&self.folder_name)
    }

    fn reference(&self, revision: &str) -> PathBuf {
        self.folder().join("refs").join(revision)
    }

    /// The commit a branch or tag pointed to when it was last fetched. Anything but a commit in
    /// that file counts as nothing.
    pub(super) fn read_reference(&self, revision: &str) -> Result<Option<String>, HubError> {
        let path = self.reference(revision);
        match fs::read_to_string(&path) {
            Ok(text) => Ok(Some(text.trim().to_owned()).filter(|commit| is_hex(commit, 40))),
            Err(error) if is_absent(&error) || error.kind() == io::ErrorKind::InvalidData => {
                Ok(None)
            }
            Err(error) => Err(on_path("read", &path)(error)),
        }
    }

    /// Records which commit a branch or tag points to.
    pub(super) fn write_reference(&self, revision: &str, commit: &str) -> Result<(), HubError> {
        let path = self.reference(revision);
        create_parent(&path)?;
        self.write_whole(&path, |file| file.write_all(commit.as_bytes()))
    }

    /// The names of the files a snapshot has here, sorted; links that lead nowhere are left out.
    pub(super) fn snapshot_files(&self, commit: &str) -> Result<Vec<String>, HubError> {
        let mut names = Vec::new();
        let mut folders = vec![(self.snapshot(commit), String::new())];
        while let Some((folder, prefix)) = folders.pop() {
            let entries = match fs::read_dir(&folder) {
                Ok(entries) => entries,
                Err(error) if is_absent(&error) => continue,
                Err(error) => return Err(on_path("list", &folder)(error)),
            };
            for entry in entries {
                let entry = entry.map_err(on_path("list", &folder))?;
                // A name that is not Unicode came from elsewhere: the hub has none.
                let Ok(name) = entry.file_name().into_string() else {
                    continue;
                };
                let name = format!("{prefix}{name}");
                match fs::metadata(entry.path()) {
                    Ok(about) if about.is_dir() => folders.push((entry.path(), format!("{name}/"))),
                    Ok(_) => names.push(name),
                    Err(_) => {}
                }
            }
        }
        names.sort();
        Ok(names)
    }

    /// Makes the snapshot's file a link to the blob, or a copy of it where there are no links.
    pub(super) fn link(&self, commit: &str, file: &str, etag: &str) -> Result<(), HubError> {
        let pointer = self.pointer(commit, file);
        let target = relative_target(file, etag);
        create_parent(&pointer)?;
        if fs::read_link(&pointer).is_ok_and(|found| found == target) {
            return Ok(());
        }
        // Made under another name and renamed: another process may be making the same link, and
        // whoever has made it must find it from then on.
        let link = Self::temporary().make_in(self.folder(), |path| symbolic_link(&target, path));
        if let Ok(link) = link {
            let renamed = link.into_temp_path().persist(&pointer);
            return renamed.map_err(|error| on_path("write", &pointer)(error.error));
        }
        let blob = self.blob(etag);
        let mut source = File::open(&blob).map_err(on_path("open", &blob))?;
        self.write_whole(&pointer, |copy| io::copy(&mut source, copy).map(drop))
    }

    /// Waits until no other process or thread downloads this blob.
    ///
    /// The lock is the Python library's: `flock` (which is what [`File::lock`] uses on Unix) on
    /// `.locks/{folder}/{etag}.lock`, so that the two keep out of each other's way as well.
    pub(super) fn lock(
        &self,
        etag: &str,
        file: &str,
        progress: &dyn Progress,
    ) -> Result<BlobLock, HubError> {
        let path = self
            .root
            .join(".locks")
            .join(&self.folder_name)
            .join(format!("{etag}.lock"));
        create_parent(&path)?;
        create_parent(&self.blob(etag))?;
        loop {
            let opened = File::options()
                .create(true)
                .truncate(false)
                .write(true)
                .open(&path);
            let lock_file = opened.map_err(on_path("open", &path))?;
            let locked = match lock_file.try_lock() {
                Ok(()) => Ok(()),
                Err(fs::TryLockError::WouldBlock) => {
                    progress.note(&format!("waiting for another download of {file} to end"));
                    lock_file.lock()
                }
                Err(fs::TryLockError::Error(error)) => Err(error),
            };
            match locked {
                // Python's side may delete the file when it lets go: then this lock is on a file
                // nobody else will ever see.
                Ok(()) if was_deleted(&lock_file) => {}
                Ok(()) => {
                    return Ok(BlobLock {
                        _file: Some(lock_file),
                    });
                }
                Err(error) if error.kind() == io::ErrorKind::Unsupported => {
                    progress.note(&format!(
                        "no file locks on {}: do not run two downloads at once",
                        path.display()
                    ));
                    return Ok(BlobLock { _file: None });
                }
                Err(error) => return Err(on_path("lock", &path)(error)),
            }
        }
    }

    /// What is to be renamed once it is whole.
    fn temporary() -> tempfile::Builder<'static, 'static> {
        let mut builder = tempfile::Builder::new();
        builder.prefix(".spanbench-");
        builder
    }

    /// Writes a file under another name on the same disk and renames it: whole or not at all.
    fn write_whole(
        &self,
        path: &Path,
        write: impl FnOnce(&mut File) -> io::Result<()>,
    ) -> Result<(), HubError> {
        let folder = self.folder();
        let mut builder = Self::temporary();
        // Temporary files are private by default; this one stays, in a cache others may share.
        #[cfg(unix)]
        builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
        let mut temporary = builder
            .tempfile_in(&folder)
            .map_err(on_path("write in", &folder))?;
        write(temporary.as_file_mut()).map_err(on_path("write", path))?;
        temporary
            .persist(path)
            .map_err(|error| on_path("write", path)(error.error))?;
        Ok(())
    }
}

/// Whether there simply is no such file.
pub(super) fn is_absent(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory
    )
}

/// Deletes a file or link; one that is not there is as good as deleted.
pub(super) fn remove(path: &Path) -> Result<(), HubError> {
    match fs::remove_file(path) {
        Err(error) if !is_absent(&error) => Err(on_path("delete", path)(error)),
        _ => Ok(()),
    }
}

/// Makes the folder a file is to lie in.
pub(super) fn create_parent(path: &Path) -> Result<(), HubError> {
    path.parent().map_or(Ok(()), |parent| {
        fs::create_dir_all(parent).map_err(on_path("create the folder", parent))
    })
}

/// From a snapshot's file to the blob: out of the commit's folder and the file's own folders.
fn relative_target(file: &str, etag: &str) -> PathBuf {
    let mut target = PathBuf::from("../..");
    for _ in file.matches('/') {
        target.push("..");
    }
    target.join("blobs").join(etag)
}

#[cfg(unix)]
fn symbolic_link(target: &Path, link: &Path) -> io::Result<()> {
    std::os::unix::fs::symlink(target, link)
}

#[cfg(windows)]
fn symbolic_link(target: &Path, link: &Path) -> io::Result<()> {
    std::os::windows::fs::symlink_file(target, link)
}

#[cfg(not(any(unix, windows)))]
fn symbolic_link(_target: &Path, _link: &Path) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}

#[cfg(unix)]
fn was_deleted(file: &File) -> bool {
    use std::os::unix::fs::MetadataExt;
    file.metadata().is_ok_and(|about| about.nlink() == 0)
}

/// An open file cannot be deleted there.
#[cfg(not(unix))]
fn was_deleted(_file: &File) -> bool {
    false
}

#[cfg(test)]
mod tests {
    use std::sync::Barrier;
    use std::thread;

    use super::*;

    /// Two that link at the same time: neither takes away what the other has made and reads.
    #[test]
    fn a_link_that_was_made_stays() {
        let root = tempfile::tempdir().unwrap();
        let repo = RepoRef::parse_model("owner/name@main").unwrap();
        let cache = RepoCache::new(root.path(), &repo);
        let (commit, etag) = ("c".repeat(40), "e".repeat(40));
        create_parent(&cache.blob(&etag)).unwrap();
        fs::write(cache.blob(&etag), "content").unwrap();
        let pointer = cache.pointer(&commit, "a/b.txt");
        let barrier = Barrier::new(2);
        // Nothing is asserted before both are done, or one would wait for ever for the other.
        let link_and_read = || {
            let mut found = Vec::new();
            for _ in 0..300 {
                if barrier.wait().is_leader() {
                    fs::remove_file(&pointer).ok();
                }
                barrier.wait();
                let linked = cache.link(&commit, "a/b.txt", &etag);
                found.push((linked.is_ok(), fs::read_to_string(&pointer).ok()));
            }
            found
        };
        let found = thread::scope(|scope| {
            let threads = [scope.spawn(link_and_read), scope.spawn(link_and_read)];
            threads.map(|thread| thread.join().unwrap())
        });
        let content = (true, Some("content".to_owned()));
        assert!(found.iter().flatten().all(|found| *found == content));
        let left: Vec<_> = fs::read_dir(cache.folder()).unwrap().collect();
        assert_eq!(left.len(), 2, "{left:?}");
    }
}
