//! What the hub says: a revision's commit and file names, a file's etag and size.

use serde::Deserialize;
use ureq::http::Method;

use super::Progress;
use super::error::{HubError, Subject};
use super::repo::{RepoRef, check_file_name, is_hex, percent_encode, percent_encode_path};
use super::retry::{Failure, retrying};
use super::transport::{Redirects, Reply, Transport};
use super::verify::Expectation;

/// Largest listing read, in bytes; data sets of 100 000 files stay far below it.
const LARGEST_LISTING: u64 = 64 * 1024 * 1024;

/// A revision as the hub has it now.
pub(super) struct Listing {
    /// 40 lower-case hexadecimal digits.
    pub(super) commit: String,
    /// Checked names.
    pub(super) files: Vec<String>,
}

/// The part of the API's answer that is read.
#[derive(Deserialize)]
struct WireRevision {
    sha: String,
    #[serde(default)]
    siblings: Vec<WireSibling>,
}

#[derive(Deserialize)]
struct WireSibling {
    rfilename: String,
}

/// Asks which commit a revision is and which files it has.
pub(super) fn listing(
    transport: &Transport,
    repo: &RepoRef,
    progress: &dyn Progress,
) -> Result<Listing, HubError> {
    let subject = Subject::repo(repo);
    let address = transport.address(&format!(
        "api/{}/{}/revision/{}",
        repo.kind().api_segment(),
        percent_encode_path(repo.id()),
        percent_encode(repo.revision())
    ));
    let body = retrying(transport.policy(), &subject, progress, || {
        let reply =
            transport.exchange(&subject, &Method::GET, &address, None, Redirects::Anywhere)?;
        let url = reply.url().clone();
        let body = reply
            .into_body()
            .into_with_config()
            .limit(LARGEST_LISTING)
            .read_to_vec();
        body.map_err(|error| transport.failure(&subject, &url, &error))
    })?;
    read_listing(transport, repo, &subject, &body)
}

/// Reads and checks the API's answer.
fn read_listing(
    transport: &Transport,
    repo: &RepoRef,
    subject: &Subject,
    body: &[u8],
) -> Result<Listing, HubError> {
    // The parser's own message would quote values, and those come from outside.
    let wire: WireRevision = serde_json::from_slice(body).map_err(|error| {
        let place = format!("line {} column {}", error.line(), error.column());
        transport.bad_response(
            subject,
            &format!("the answer is not the Hub's JSON ({place})"),
        )
    })?;
    let commit = wire.sha.to_ascii_lowercase();
    if !is_hex(&commit, 40) {
        return Err(transport.bad_response(subject, &format!("`{}` is no commit", wire.sha)));
    }
    if repo.is_commit() && commit != repo.revision() {
        return Err(
            transport.bad_response(subject, &format!("the server answered for commit {commit}"))
        );
    }
    let files: Vec<String> = wire
        .siblings
        .into_iter()
        .map(|sibling| sibling.rfilename)
        .collect();
    for name in &files {
        let checked = if transport.leaks(name) {
            Err("an access token")
        } else {
            check_file_name(name)
        };
        checked.map_err(|reason| {
            let reason = format!(
                "unsafe file name `{}` from the server: it has {reason}",
                name.escape_debug()
            );
            transport.bad_response(subject, &reason)
        })?;
    }
    Ok(Listing { commit, files })
}

/// The address of a file at a commit.
pub(super) fn file_address(
    transport: &Transport,
    repo: &RepoRef,
    commit: &str,
    file: &str,
) -> String {
    transport.address(&format!(
        "{}{}/resolve/{commit}/{}",
        repo.kind().page_prefix(),
        percent_encode_path(repo.id()),
        percent_encode_path(file)
    ))
}

/// Asks for a file's etag and size at a commit.
pub(super) fn remote_file(
    transport: &Transport,
    subject: &Subject,
    commit: &str,
    address: &str,
    progress: &dyn Progress,
) -> Result<Expectation, HubError> {
    retrying(transport.policy(), subject, progress, || {
        let reply = transport.exchange(
            subject,
            &Method::HEAD,
            address,
            None,
            Redirects::WithinEndpoint,
        )?;
        read_expectation(transport, subject, commit, &reply).map_err(Failure::from)
    })
}

fn read_expectation(
    transport: &Transport,
    subject: &Subject,
    commit: &str,
    reply: &Reply,
) -> Result<Expectation, HubError> {
    if let Some(answered) = reply.header("x-repo-commit")
        && !answered.eq_ignore_ascii_case(commit)
    {
        let reason = format!("asked for commit {commit}, the server answered for {answered}");
        return Err(transport.bad_response(subject, &reason));
    }
    // A redirect's own ETag and Content-Length are those of the redirect, not of the file.
    let direct = reply.status() == 200;
    let etag = reply
        .header("x-linked-etag")
        .or_else(|| reply.header("etag").filter(|_| direct));
    let Some(etag) = etag else {
        let reason = if direct {
            "no ETag from the server"
        } else {
            "a redirect to another host without X-Linked-Etag"
        };
        return Err(transport.bad_response(subject, reason));
    };
    let etag = etag.strip_prefix("W/").unwrap_or(etag).trim_matches('"');
    // It becomes a file name.
    let harmless = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    if etag.is_empty()
        || etag.len() > 128
        || etag.starts_with('.')
        || !etag.bytes().all(harmless)
        || transport.leaks(etag)
    {
        return Err(
            transport.bad_response(subject, &format!("an ETag that is no file name: {etag}"))
        );
    }
    let linked_size = reply
        .header("x-linked-size")
        .and_then(|size| size.parse().ok());
    Ok(Expectation {
        etag: etag.to_owned(),
        bytes: linked_size.or_else(|| reply.content_length().filter(|_| direct)),
    })
}
