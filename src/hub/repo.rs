//! Names: repositories, revisions, files. All are checked before they touch a disk or a URL.

use std::fmt;
use std::fmt::Write as _;

use super::error::HubError;

/// Longest repository id the Hub knows, in characters.
const LONGEST_ID: usize = 96;

/// What a repository holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum RepoKind {
    /// Weights, configuration, tokeniser.
    Model,
    /// Questions.
    Dataset,
}

impl RepoKind {
    /// The folder of this kind in API addresses.
    pub(super) fn api_segment(self) -> &'static str {
        match self {
            Self::Model => "models",
            Self::Dataset => "datasets",
        }
    }

    /// What stands before the id in file and page addresses.
    pub(super) fn page_prefix(self) -> &'static str {
        match self {
            Self::Model => "",
            Self::Dataset => "datasets/",
        }
    }
}

impl fmt::Display for RepoKind {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Model => "model",
            Self::Dataset => "dataset",
        })
    }
}

/// A repository at a revision. Only the checked constructors make one, so a `RepoRef` is always
/// safe as a folder name.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct RepoRef {
    kind: RepoKind,
    id: String,
    revision: String,
}

impl RepoRef {
    /// A model from `owner/name[@revision]`; the revision (branch, tag or commit) is `main` where
    /// none is given.
    ///
    /// # Errors
    /// [`HubError::Name`] where the text is not of that shape.
    pub fn parse_model(text: &str) -> Result<Self, HubError> {
        Self::parse_owned(RepoKind::Model, text)
    }

    /// A data set from `owner/name[@revision]`.
    ///
    /// # Errors
    /// As [`RepoRef::parse_model`].
    pub fn parse_dataset(text: &str) -> Result<Self, HubError> {
        Self::parse_owned(RepoKind::Dataset, text)
    }

    /// A repository from the Hub's first days, which has a name but no owner: `bert-base-uncased`,
    /// `squad@main`. Apart, because a single word is nearly always a name of another sort.
    ///
    /// # Errors
    /// [`HubError::Name`] where the text is not `name[@revision]`.
    pub fn parse_legacy(kind: RepoKind, text: &str) -> Result<Self, HubError> {
        let parsed = Self::parse(kind, text)?;
        if parsed.id.contains('/') {
            return Err(bad_name(
                text,
                "a single name without a slash is wanted here",
            ));
        }
        Ok(parsed)
    }

    /// Whether it holds a model or a data set.
    #[must_use]
    pub fn kind(&self) -> RepoKind {
        self.kind
    }

    /// `owner/name`, or `name` alone for a legacy repository.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }

    /// The branch, tag or commit asked for.
    #[must_use]
    pub fn revision(&self) -> &str {
        &self.revision
    }

    /// Whether the revision is a full commit, which never changes, and not a branch or tag.
    #[must_use]
    pub fn is_commit(&self) -> bool {
        is_hex(&self.revision, 40)
    }

    fn parse_owned(kind: RepoKind, text: &str) -> Result<Self, HubError> {
        let parsed = Self::parse(kind, text)?;
        if parsed.id.contains('/') {
            Ok(parsed)
        } else {
            Err(bad_name(text, "the owner is missing"))
        }
    }

    fn parse(kind: RepoKind, text: &str) -> Result<Self, HubError> {
        let (id, revision) = text.split_once('@').unwrap_or((text, "main"));
        check_id(id).map_err(|reason| bad_name(text, reason))?;
        check_revision(revision).map_err(|reason| bad_name(text, reason))?;
        // Commits are compared as text and name folders: one spelling.
        let revision = if is_hex(revision, 40) {
            revision.to_ascii_lowercase()
        } else {
            revision.to_owned()
        };
        Ok(Self {
            kind,
            id: id.to_owned(),
            revision,
        })
    }
}

impl fmt::Display for RepoRef {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} {}@{}", self.kind, self.id, self.revision)
    }
}

fn bad_name(given: &str, reason: &'static str) -> HubError {
    HubError::Name {
        given: given.escape_debug().to_string(),
        reason,
    }
}

/// The Hub's own rules (`validate_repo_id`); `--` is the cache's separator, so it must not occur.
fn check_id(id: &str) -> Result<(), &'static str> {
    if id.len() > LONGEST_ID {
        return Err("a repository id has at most 96 characters");
    }
    if id.matches('/').count() > 1 {
        return Err("a repository id has at most one slash");
    }
    if id.contains("--") || id.contains("..") {
        return Err("a repository id holds neither `--` nor `..`");
    }
    for part in id.split('/') {
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
        if part.is_empty() || !part.bytes().all(allowed) {
            return Err("owner and name consist of letters, digits, `-`, `_` and `.`");
        }
        if part.starts_with(['-', '.']) || part.ends_with(['-', '.']) {
            return Err("owner and name neither start nor end with `-` or `.`");
        }
    }
    Ok(())
}

/// Git's rules for reference names, which are also what a path below `refs/` needs.
fn check_revision(revision: &str) -> Result<(), &'static str> {
    let forbidden = |character: char| {
        character.is_control() || character.is_whitespace() || "\\~^:?*[\"<>|".contains(character)
    };
    if revision.is_empty() || revision.len() > 200 {
        return Err("a revision has 1 to 200 characters");
    }
    if revision.contains(forbidden) {
        return Err("a revision is a branch, tag or commit; this one has characters git forbids");
    }
    let bad_part =
        |part: &str| part.is_empty() || part.starts_with(['.', '-']) || part.ends_with('.');
    if revision.contains("..") || revision.split('/').any(bad_part) {
        return Err("a revision is a branch, tag or commit, not a path");
    }
    Ok(())
}

/// Whether a file name is safe below the snapshot folder on every system.
pub(super) fn check_file_name(name: &str) -> Result<(), &'static str> {
    if name.contains('\\') || name.contains(char::is_control) {
        return Err("a backslash or control character");
    }
    // `C:x` leaves the folder on Windows; elsewhere a colon is a letter like others.
    if cfg!(windows) && name.contains(':') {
        return Err("a colon");
    }
    for part in name.split('/') {
        match part {
            "" => return Err("an absolute path or an empty component"),
            "." | ".." => return Err("a `.` or `..` component"),
            _ => {}
        }
    }
    Ok(())
}

/// Whether `text` consists of `length` hexadecimal digits.
pub(super) fn is_hex(text: &str, length: usize) -> bool {
    text.len() == length && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// Percent-encodes all but the characters that need it nowhere, the slash included.
pub(super) fn percent_encode(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            out.push(char::from(byte));
        } else {
            // Writing to a String cannot fail.
            let _ = write!(out, "%{byte:02X}");
        }
    }
    out
}

/// Percent-encodes a file's path, keeping the slashes between its components.
pub(super) fn percent_encode_path(path: &str) -> String {
    path.split('/')
        .map(percent_encode)
        .collect::<Vec<_>>()
        .join("/")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parses_what_the_hub_has() {
        let repo = RepoRef::parse_model("deepset/roberta-base-squad2").unwrap();
        assert_eq!(
            (repo.id(), repo.revision()),
            ("deepset/roberta-base-squad2", "main")
        );
        let repo = RepoRef::parse_dataset("rajpurkar/squad@refs/pr/1").unwrap();
        assert_eq!(repo.to_string(), "dataset rajpurkar/squad@refs/pr/1");
        let commit = "0123456789ABCDEF0123456789abcdef01234567";
        let repo = RepoRef::parse_model(&format!("a/b@{commit}")).unwrap();
        assert!(repo.is_commit() && repo.revision() == commit.to_lowercase());
        assert!(RepoRef::parse_legacy(RepoKind::Model, "bert-base-uncased").is_ok());
    }

    #[test]
    fn refuses_everything_else() {
        for bad in [
            "", "name", "a/b/c", "/b", "a/", "a/..", "../b", "a/b--c", "a b/c", "a/b@", "a/b@../x",
            "a/b@/x", "a/b@x//y", "a/b@x\\y", "a/b@x y", "a/b@.x", "a/.b", "a/b\0", "a/b@x:y",
            "ä/b",
        ] {
            assert!(RepoRef::parse_model(bad).is_err(), "{bad:?} was accepted");
        }
        assert!(RepoRef::parse_legacy(RepoKind::Model, "a/b").is_err());
        for bad in [
            "", "/x", "a//b", "../x", "a/../b", "a\\b", "a\0b", "./a", "a/",
        ] {
            assert!(check_file_name(bad).is_err(), "{bad:?} was accepted");
        }
        assert!(check_file_name("onnx/model..v2.onnx").is_ok());
    }

    #[test]
    fn encodes_for_addresses() {
        assert_eq!(percent_encode("refs/pr/1"), "refs%2Fpr%2F1");
        assert_eq!(percent_encode_path("a b/ü#.txt"), "a%20b/%C3%BC%23.txt");
    }
}
