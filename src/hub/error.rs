//! What can go wrong, each told in one line that names the thing and the remedy.

use std::fmt;
use std::io;
use std::path::PathBuf;

use super::repo::RepoRef;

/// What a request or check was about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Subject {
    /// The repository and revision.
    pub repo: RepoRef,
    /// The file, or none where the whole repository is meant.
    pub file: Option<String>,
}

impl Subject {
    pub(super) fn repo(repo: &RepoRef) -> Self {
        Self {
            repo: repo.clone(),
            file: None,
        }
    }

    pub(super) fn file(repo: &RepoRef, file: &str) -> Self {
        Self {
            repo: repo.clone(),
            file: Some(file.to_owned()),
        }
    }

    pub(super) fn boxed(&self) -> Box<Self> {
        Box::new(self.clone())
    }
}

impl fmt::Display for Subject {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.file {
            Some(file) => write!(formatter, "{}, file {file}", self.repo),
            None => write!(formatter, "{}", self.repo),
        }
    }
}

/// Which part of an address the server did not know.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Missing {
    /// No such repository, or a private one.
    Repository,
    /// The repository has no such branch, tag or commit.
    Revision,
    /// The revision has no such file.
    File,
    /// The server did not say which.
    RepositoryOrRevision,
}

impl fmt::Display for Missing {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Repository => "the repository was not found",
            Self::Revision => "the revision was not found in the repository",
            Self::File => "the file was not found in the repository at this revision",
            Self::RepositoryOrRevision => "the repository or the revision was not found",
        })
    }
}

/// An error of the hub client. Why a transfer failed is kept as cleaned text and not as the
/// transport's own error, which may quote addresses with signatures, or the token: no message and no `Debug` text ever holds the token or the query of
/// an address.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum HubError {
    /// A repository name or revision is not of the right shape.
    #[error("`{given}` is no repository: {reason}; write owner/name or owner/name@revision")]
    Name {
        /// What was given, escaped.
        given: String,
        /// The rule it breaks.
        reason: &'static str,
    },
    /// An environment variable or configuration field has a value of no use.
    #[error("{name}: {reason}; correct it or unset it")]
    Setting {
        /// The variable's or field's name.
        name: &'static str,
        /// What is wrong with it.
        reason: String,
    },
    /// The access token holds characters no token has.
    #[error(
        "the Hub access token holds control, space or non-ASCII characters; correct HF_TOKEN or the token file, or unset it (the token is not shown)"
    )]
    Token,
    /// The file system refused.
    #[error("cannot {action} {}: {}", path.display(), io_remedy(source))]
    Io {
        /// What was tried.
        action: &'static str,
        /// On which path.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// HTTP 404, or a selected file that the repository does not list.
    #[error(
        "{subject}: {missing}; check the spelling; a private repository needs HF_TOKEN, which is {}",
        set_or_not(*token_set)
    )]
    NotFound {
        /// What was asked for.
        subject: Box<Subject>,
        /// What of it is missing.
        missing: Missing,
        /// Whether a token was at hand.
        token_set: bool,
    },
    /// HTTP 401 or 403.
    #[error(
        "{subject}: access denied (HTTP {status}{detail}); HF_TOKEN is {}; check the name's spelling; a private repository needs a token with read access; for a gated one visit {page} and accept the terms",
        set_or_not(*token_set)
    )]
    Denied {
        /// What was asked for.
        subject: Box<Subject>,
        /// 401 or 403.
        status: u16,
        /// `: ` and what the server said, or nothing.
        detail: String,
        /// Whether a token was at hand.
        token_set: bool,
        /// The repository's page.
        page: String,
    },
    /// A status that neither succeeds nor passes with time.
    #[error(
        "{subject}: unexpected HTTP {status} from {address}{detail}; check HF_ENDPOINT and the proxy settings"
    )]
    UnexpectedStatus {
        /// What was asked for.
        subject: Box<Subject>,
        /// The status code.
        status: u16,
        /// The address, without its query.
        address: String,
        /// `: ` and what the server said, or nothing.
        detail: String,
    },
    /// The server answered with something that is not what the Hub answers.
    #[error("{subject}: {reason}; check HF_ENDPOINT and the proxy settings")]
    BadResponse {
        /// What was asked for.
        subject: Box<Subject>,
        /// What is wrong.
        reason: String,
    },
    /// The connection cannot work, however often it is tried (a certificate, a proxy address).
    #[error(
        "{subject}: cannot connect: {cause}; check HF_ENDPOINT, the proxy settings and the system's clock"
    )]
    Connection {
        /// What was asked for.
        subject: Box<Subject>,
        /// Why.
        cause: String,
    },
    /// All attempts failed.
    #[error(
        "{subject}: gave up after {attempts} attempts, the last of which failed with {cause}; try again later (a partial download is resumed), or set HF_HUB_OFFLINE=1 to use what is cached"
    )]
    GaveUp {
        /// What was asked for.
        subject: Box<Subject>,
        /// How many were made.
        attempts: u32,
        /// Why the last one failed.
        cause: String,
    },
    /// The file arrived wrong, twice.
    #[error(
        "{subject}: damaged twice in a row, expected {expected}, got {got}; nothing was kept; try again later"
    )]
    Corrupt {
        /// The file.
        subject: Box<Subject>,
        /// Size or hash announced by the server.
        expected: String,
        /// Size or hash of what came.
        got: String,
    },
    /// Offline, and the revision was never resolved to a commit here.
    #[error("{subject}: not in the cache {} and this run is offline; {}", cache.display(), pull_remedy(&subject.repo))]
    OfflineRevision {
        /// The repository.
        subject: Box<Subject>,
        /// The cache folder searched.
        cache: PathBuf,
    },
    /// Offline, and the file is not cached.
    #[error("{subject}: the file is not in the cache {} and this run is offline; {}", cache.display(), pull_remedy(&subject.repo))]
    OfflineFile {
        /// The file.
        subject: Box<Subject>,
        /// The cache folder searched.
        cache: PathBuf,
    },
    /// Offline, and the cached file is not what it should be.
    #[error(
        "{subject}: the cached copy {} is damaged (expected {expected}, got {got}) and this run is offline; {}",
        path.display(),
        pull_remedy(&subject.repo)
    )]
    OfflineDamaged {
        /// The file.
        subject: Box<Subject>,
        /// The damaged copy.
        path: PathBuf,
        /// What its name in the cache says.
        expected: String,
        /// What it holds.
        got: String,
    },
    /// The caller's choice of files failed.
    #[error("{subject}: {message}{}", if *offline { format!(" (offline: only cached files were considered; {})", pull_remedy(&subject.repo)) } else { String::new() })]
    Selection {
        /// The repository.
        subject: Box<Subject>,
        /// What the caller said.
        message: String,
        /// Whether only the cached files were there to choose from.
        offline: bool,
    },
}

fn set_or_not(set: bool) -> &'static str {
    if set { "set" } else { "not set" }
}

fn pull_remedy(repo: &RepoRef) -> String {
    let prefix = match repo.kind() {
        super::RepoKind::Model => "",
        super::RepoKind::Dataset => "dataset:",
    };
    format!(
        "run `spanbench pull {prefix}{}@{}` once online (without --offline and HF_HUB_OFFLINE)",
        repo.id(),
        repo.revision()
    )
}

fn io_remedy(source: &io::Error) -> &'static str {
    match source.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
            "the disk is full; free some space or set HF_HOME to a folder elsewhere"
        }
        io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => {
            "no permission; correct the folder's rights or set HF_HOME to a folder of your own"
        }
        _ => "check this path, or set HF_HOME to a folder elsewhere",
    }
}

/// Turns a file-system error into one that names the path.
pub(super) fn on_path(
    action: &'static str,
    path: &std::path::Path,
) -> impl FnOnce(io::Error) -> HubError {
    move |source| HubError::Io {
        action,
        path: path.to_owned(),
        source,
    }
}
