//! One blob from the hub to the disk: resumed where it stopped, tried again, checked, renamed.

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use ureq::http::Method;

use super::Progress;
use super::cache::{is_absent, remove};
use super::error::{HubError, Subject, on_path};
use super::retry::{Attempts, Failure};
use super::transport::{Redirects, Reply, Transport};
use super::verify::{Digests, Expectation, Mismatch, Verification};

/// Bytes read from the network at a time.
const BLOCK: usize = 128 * 1024;
/// Bytes that must have arrived for an attempt not to count as failed: a long transfer over a bad
/// line gets on, one that always stops at the same place ends.
const HEADWAY: u64 = 1024 * 1024;

/// What to download and where to.
pub(super) struct Job<'a> {
    pub(super) subject: &'a Subject,
    pub(super) address: &'a str,
    pub(super) expectation: &'a Expectation,
    pub(super) incomplete: PathBuf,
    pub(super) blob: PathBuf,
}

/// How one attempt at the transfer ended.
enum Ended {
    /// All that was announced is on disk.
    Complete,
    /// What is on disk cannot be continued.
    StartOver(&'static str),
    /// The server has something of another size.
    WrongSize(Mismatch),
}

/// Downloads a blob. The caller holds its lock.
pub(super) fn fetch_blob(
    transport: &Transport,
    job: &Job<'_>,
    progress: &dyn Progress,
) -> Result<(Digests, Verification), HubError> {
    let mut first = None;
    loop {
        let mismatch = match transfer(transport, job, progress)? {
            Some(mismatch) => mismatch,
            None => match job
                .expectation
                .check_file(&job.incomplete)
                .map_err(on_path("read", &job.incomplete))?
            {
                Ok(good) => {
                    fs::rename(&job.incomplete, &job.blob).map_err(on_path("write", &job.blob))?;
                    return Ok(good);
                }
                Err(mismatch) => mismatch,
            },
        };
        remove(&job.incomplete)?;
        if first.is_some() {
            return Err(HubError::Corrupt {
                subject: job.subject.boxed(),
                expected: transport.clean(&mismatch.expected),
                got: mismatch.got,
            });
        }
        progress.note(&format!(
            "{}: arrived damaged (expected {}, got {}); fetching it once more from the start",
            job.subject, mismatch.expected, mismatch.got
        ));
        first = Some(mismatch);
    }
}

/// Repeats attempts until the whole file is on disk, or what the server has is of another size.
fn transfer(
    transport: &Transport,
    job: &Job<'_>,
    progress: &dyn Progress,
) -> Result<Option<Mismatch>, HubError> {
    let mut attempts = Attempts::new(transport.policy(), job.subject, progress);
    let mut furthest = 0;
    loop {
        let have = length(&job.incomplete)?;
        match job.expectation.bytes {
            // Whole already: an earlier run ended between the last byte and the renaming.
            Some(bytes) if have == bytes && job.incomplete.exists() => return Ok(None),
            Some(bytes) if have > bytes => {
                start_over(
                    job,
                    "the partial download is longer than the file",
                    progress,
                )?;
                continue;
            }
            _ => {}
        }
        match attempt(transport, job, have, progress) {
            Ok(Ended::Complete) => return Ok(None),
            Ok(Ended::WrongSize(mismatch)) => return Ok(Some(mismatch)),
            // Ends: without a partial file no range is asked for, so none can be refused.
            Ok(Ended::StartOver(reason)) => start_over(job, reason, progress)?,
            Err(failure) => {
                let reached = length(&job.incomplete)?;
                if reached >= furthest + HEADWAY {
                    furthest = reached;
                    attempts.start_afresh();
                }
                attempts.wait_after(failure)?;
            }
        }
    }
}

fn start_over(job: &Job<'_>, reason: &str, progress: &dyn Progress) -> Result<(), HubError> {
    progress.note(&format!("{}: {reason}; starting over", job.subject));
    remove(&job.incomplete)
}

/// One request and its body, appended to the first `have` bytes where the server continues there.
fn attempt(
    transport: &Transport,
    job: &Job<'_>,
    have: u64,
    progress: &dyn Progress,
) -> Result<Ended, Failure> {
    let resume_from = (have > 0).then_some(have);
    let reply = transport.exchange(
        job.subject,
        &Method::GET,
        job.address,
        resume_from,
        Redirects::Anywhere,
    )?;
    if let Some(encoding) = reply.header("content-encoding")
        && !encoding.eq_ignore_ascii_case("identity")
    {
        let reason = format!("the server sent the file encoded as {encoding} though asked not to");
        return Err(transport.bad_response(job.subject, &reason).into());
    }
    let start = match (reply.status(), resume_from) {
        (200, _) => 0,
        (206, Some(first)) => match content_range(&reply) {
            Some((start, total)) if start == first && fits(total, job.expectation.bytes) => first,
            _ => {
                return Ok(Ended::StartOver(
                    "the server continued at another place than asked for",
                ));
            }
        },
        (416, Some(_)) => return Ok(Ended::StartOver("the server has no such rest of the file")),
        (status, _) => {
            let reason = format!("unexpected HTTP {status} for a download");
            return Err(transport.bad_response(job.subject, &reason).into());
        }
    };
    let announced = reply
        .content_length()
        .map(|length| start.saturating_add(length));
    if let (Some(announced), Some(expected)) = (announced, job.expectation.bytes)
        && announced != expected
    {
        return Ok(Ended::WrongSize(Mismatch::size(expected, announced)));
    }
    let end = job.expectation.bytes.or(announced);
    let file = open_at(&job.incomplete, start).map_err(on_path("write", &job.incomplete))?;
    progress.begin(job.subject.file.as_deref().unwrap_or_default(), end, start);
    let reached = receive(transport, job, reply, file, start, end, progress);
    progress.end();
    let reached = reached?;
    match end {
        Some(end) if reached < end => Err(Failure::passing(format!(
            "the body was cut short: {reached} of {end} bytes"
        ))),
        Some(end) if reached > end => Ok(Ended::WrongSize(Mismatch {
            expected: format!("{end} bytes"),
            got: "more".to_owned(),
        })),
        _ => Ok(Ended::Complete),
    }
}

/// Copies the body to the file until it ends or has passed `end`; gives the position reached.
fn receive(
    transport: &Transport,
    job: &Job<'_>,
    reply: Reply,
    mut file: File,
    start: u64,
    end: Option<u64>,
    progress: &dyn Progress,
) -> Result<u64, Failure> {
    let url = reply.url().clone();
    let mut body = reply.into_body().into_reader();
    let mut block = vec![0; BLOCK];
    let mut position = start;
    loop {
        let count = match body.read(&mut block) {
            Ok(0) => return Ok(position),
            Ok(count) => count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(transport.body_failure(job.subject, &url, error)),
        };
        position += count as u64;
        if end.is_some_and(|end| position > end) {
            // Not written: a server that never stops must not fill the disk.
            return Ok(position);
        }
        file.write_all(&block[..count])
            .map_err(on_path("write", &job.incomplete))?;
        progress.advance(count as u64);
    }
}

/// Opens the partial file for appending after `start` bytes.
fn open_at(path: &Path, start: u64) -> io::Result<File> {
    let file = File::options().create(true).append(true).open(path)?;
    file.set_len(start)?;
    Ok(file)
}

/// A file's length, 0 where there is none.
fn length(path: &Path) -> Result<u64, HubError> {
    match fs::metadata(path) {
        Ok(about) => Ok(about.len()),
        Err(error) if is_absent(&error) => Ok(0),
        Err(error) => Err(on_path("read", path)(error)),
    }
}

/// First byte and total size of `Content-Range: bytes 5-9/10`; the total may be unknown (`*`).
fn content_range(reply: &Reply) -> Option<(u64, Option<u64>)> {
    let (range, total) = reply
        .header("content-range")?
        .strip_prefix("bytes ")?
        .split_once('/')?;
    let first = range.split_once('-')?.0.trim().parse().ok()?;
    if total == "*" {
        Some((first, None))
    } else {
        Some((first, Some(total.trim().parse().ok()?)))
    }
}

fn fits(total: Option<u64>, expected: Option<u64>) -> bool {
    match (total, expected) {
        (Some(total), Some(expected)) => total == expected,
        _ => true,
    }
}
