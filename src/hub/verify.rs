//! Whether a file on disk is the one the hub has: its size and its hash.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use sha1::Sha1;
use sha2::{Digest, Sha256};

use super::repo::is_hex;
use crate::hash::hex;

/// Bytes read at a time.
const BLOCK: usize = 256 * 1024;

/// How far a file could be checked against what the hub says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verification {
    /// The etag is the SHA-256 of the content (large files), and it is equal.
    Sha256,
    /// The etag is the SHA-1 git gives the content (small files), and it is equal.
    GitBlobSha1,
    /// The etag is no hash: the size was compared where known, the content was not.
    SizeOnly,
}

/// What a file on disk holds.
#[derive(Debug, Clone)]
pub(super) struct Digests {
    pub(super) bytes: u64,
    /// Lower-case hex.
    pub(super) sha256: String,
    /// Lower-case hex of `"blob {bytes}\0"` and the content, as `git hash-object` prints it; empty
    /// where it was not asked for.
    pub(super) git_sha1: String,
}

/// Reads a whole file once for its size and hashes. It is read back from the disk even right after
/// a download: what is checked is then what later readers get. The second hash is left out where
/// nobody needs it, because on a large file it costs seconds.
pub(super) fn digest_file(path: &Path, with_git_sha1: bool) -> io::Result<Digests> {
    let mut file = File::open(path)?;
    let announced = file.metadata()?.len();
    let mut sha256 = Sha256::new();
    let mut git_sha1 =
        with_git_sha1.then(|| Sha1::new().chain_update(format!("blob {announced}\0")));
    let mut block = vec![0; BLOCK];
    let mut bytes = 0;
    loop {
        let count = match file.read(&mut block) {
            Ok(0) => break,
            Ok(count) => count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        };
        sha256.update(&block[..count]);
        if let Some(git_sha1) = &mut git_sha1 {
            git_sha1.update(&block[..count]);
        }
        bytes += count as u64;
    }
    if bytes != announced {
        return Err(io::Error::other("the file changed while it was read"));
    }
    let git_sha1 = git_sha1.map_or_else(String::new, |git_sha1| hex(&git_sha1.finalize()));
    Ok(Digests {
        bytes,
        sha256: hex(&sha256.finalize()),
        git_sha1,
    })
}

/// What the hub says about a file.
#[derive(Debug, Clone)]
pub(super) struct Expectation {
    pub(super) etag: String,
    /// None where the server did not tell, and for files found in the cache without asking it.
    pub(super) bytes: Option<u64>,
}

/// A file that is not what it should be, in words.
#[derive(Debug, Clone)]
pub(super) struct Mismatch {
    pub(super) expected: String,
    pub(super) got: String,
}

impl Mismatch {
    pub(super) fn size(expected: u64, got: u64) -> Self {
        Self {
            expected: format!("{expected} bytes"),
            got: format!("{got} bytes"),
        }
    }
}

impl Expectation {
    /// How far a file with this etag can be checked.
    pub(super) fn verification(&self) -> Verification {
        if is_hex(&self.etag, 64) {
            Verification::Sha256
        } else if is_hex(&self.etag, 40) {
            Verification::GitBlobSha1
        } else {
            Verification::SizeOnly
        }
    }

    /// Reads a file and compares it with what was announced.
    pub(super) fn check_file(
        &self,
        path: &Path,
    ) -> io::Result<Result<(Digests, Verification), Mismatch>> {
        let digests = digest_file(path, self.verification() == Verification::GitBlobSha1)?;
        Ok(self
            .check(&digests)
            .map(|verification| (digests, verification)))
    }

    /// Compares what was read with what was announced.
    fn check(&self, digests: &Digests) -> Result<Verification, Mismatch> {
        if let Some(bytes) = self.bytes
            && bytes != digests.bytes
        {
            return Err(Mismatch::size(bytes, digests.bytes));
        }
        let verification = self.verification();
        let (name, got) = match verification {
            Verification::Sha256 => ("sha256", &digests.sha256),
            Verification::GitBlobSha1 => ("git sha1", &digests.git_sha1),
            Verification::SizeOnly => return Ok(verification),
        };
        if got.eq_ignore_ascii_case(&self.etag) {
            Ok(verification)
        } else {
            Err(Mismatch {
                expected: format!("{name} {}", self.etag),
                got: format!("{name} {got}"),
            })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digests_are_those_of_sha256sum_and_git() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x");
        std::fs::write(&path, "hello\n").unwrap();
        let digests = digest_file(&path, true).unwrap();
        assert_eq!(digests.bytes, 6);
        // printf 'hello\n' | sha256sum; printf 'hello\n' | git hash-object --stdin
        assert_eq!(
            digests.sha256,
            "5891b5b522d5df086d0ff0b110fbd9d21bb4fc7163af34d08286a2e846f6be03"
        );
        assert_eq!(digests.git_sha1, "ce013625030ba8dba906f756967f9e9ca394464a");
        let expect = |etag: &str, bytes| {
            Expectation {
                etag: etag.to_owned(),
                bytes,
            }
            .check(&digests)
        };
        assert_eq!(
            expect(&digests.sha256.to_uppercase(), Some(6)).unwrap(),
            Verification::Sha256
        );
        assert_eq!(
            expect(&digests.git_sha1, None).unwrap(),
            Verification::GitBlobSha1
        );
        assert_eq!(expect("abc-2", Some(6)).unwrap(), Verification::SizeOnly);
        assert!(expect("abc-2", Some(7)).is_err());
        assert!(expect(&"0".repeat(64), Some(6)).is_err());
        assert!(expect(&"0".repeat(40), None).is_err());
    }
}
