//! Model and data-set files from the Hugging Face Hub: cached, pinned, verified, usable offline.
//!
//! The way of a file, one stage a source file:
//!
//! ```text
//! environment ─► HubConfig ─► Hub::snapshot(RepoRef) ─► listing (commit, names) ─► select
//!     ─► listing::remote_file (etag, size) ─► download (resume, retry) ─► verify (size, hash)
//!     ─► cache (blobs, snapshots, refs) ─► Snapshot
//! ```
//!
//! The folders on disk are those of the Python library, so both read each other's downloads. Every
//! file is checked each time before it is handed out; a bad one is thrown away and fetched again.

mod cache;
mod client;
mod config;
mod download;
mod environment;
mod error;
mod listing;
mod local;
mod online;
mod repo;
mod retry;
mod token;
mod transport;
mod url;
mod verify;

pub use client::{Hub, HubFile, Snapshot};
pub use config::HubConfig;
pub use error::{HubError, Missing, Subject};
pub use repo::{RepoKind, RepoRef};
pub use token::Token;
pub use verify::Verification;

/// Who wants to know how a download goes; the hub itself prints nothing.
pub trait Progress: Sync {
    /// A transfer of `file` starts, with `already_bytes` of `total_bytes` (where the server tells)
    /// on disk from before. Called once per attempt, each time followed by [`Progress::end`].
    fn begin(&self, file: &str, total_bytes: Option<u64>, already_bytes: u64);
    /// `bytes` more have arrived.
    fn advance(&self, bytes: u64);
    /// The transfer has ended, for good or ill.
    fn end(&self);
    /// One line worth a person's attention: a retry, a damaged copy discarded. Never holds a token.
    fn note(&self, message: &str);
}

/// A [`Progress`] that says nothing.
#[derive(Debug, Clone, Copy, Default)]
pub struct Silent;

impl Progress for Silent {
    fn begin(&self, _file: &str, _total_bytes: Option<u64>, _already_bytes: u64) {}
    fn advance(&self, _bytes: u64) {}
    fn end(&self) {}
    fn note(&self, _message: &str) {}
}
