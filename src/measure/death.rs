//! Why a child process died.

use std::path::Path;
use std::process::ExitStatus;

use super::cgroup::{CgroupVersion, Groups};
use super::system_files::SystemFiles;

/// Exit code of a Rust program whose main thread panicked.
const PANIC_CODE: i32 = 101;

/// A quotation longer than this, in characters, is cut.
const MOST_QUOTED: usize = 300;

/// How many processes the out-of-memory killer has ended so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct OutOfMemoryKills {
    /// In the control group of this process, for whichever limit.
    pub cgroup: Option<u64>,
    /// On the whole machine.
    pub machine: Option<u64>,
}

impl OutOfMemoryKills {
    /// Reads the counters; a child is in the group of its parent unless it was moved.
    pub fn read(files: &SystemFiles) -> Self {
        let groups = Groups::of(files, "memory");
        let cgroup = groups.as_ref().and_then(|groups| {
            let name = match groups.version {
                CgroupVersion::V1 => "memory.oom_control",
                CgroupVersion::V2 => "memory.events",
            };
            let kills = |folder: &Path| files.counter(folder.join(name), "oom_kill");
            groups.values(kills).next()
        });
        Self {
            cgroup,
            machine: files.counter("/proc/vmstat", "oom_kill"),
        }
    }

    /// Whether a process was killed here since `before`.
    ///
    /// The group's counter, where there is one, decides: the kernel counts a
    /// kill in the group of its victim even when the whole machine was out of
    /// memory, while the machine's counter has everybody's.
    fn grown_since(&self, before: &Self) -> bool {
        let grown = |before: Option<u64>, after: Option<u64>| Some(after? > before?);
        grown(before.cgroup, self.cgroup)
            .or_else(|| grown(before.machine, self.machine))
            .unwrap_or(false)
    }
}

/// How a process ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DeathKind {
    /// Memory ran out: the system killed it, or an allocation failed.
    OutOfMemory,
    /// A signal ended it: its number, and its name if it is a common one.
    Signal(i32, Option<&'static str>),
    /// It ended of itself with this code.
    Exit(i32),
}

/// Why a child process died.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Death {
    /// How it ended.
    pub kind: DeathKind,
    /// One line that says it.
    pub message: String,
}

/// Says why a process died, from what its parent knows.
///
/// `stderr_tail` is the end of what it wrote to standard error, and the kills
/// were read before it started and after it ended.
pub fn explain(
    status: ExitStatus,
    stderr_tail: &str,
    kills_before: &OutOfMemoryKills,
    kills_after: &OutOfMemoryKills,
) -> Death {
    if let Some(bytes) = failed_allocation(stderr_tail).filter(|_| !status.success()) {
        return Death {
            kind: DeathKind::OutOfMemory,
            message: format!("out of memory: an allocation of {bytes} bytes failed"),
        };
    }
    match signal(status) {
        Some(number) => {
            let killed = kills_after.grown_since(kills_before);
            signal_death(number, stderr_tail, killed)
        }
        // Without a signal there is a code; on other systems than Unix always.
        None => exit_death(status.code().unwrap_or(-1), stderr_tail),
    }
}

#[cfg(unix)]
fn signal(status: ExitStatus) -> Option<i32> {
    std::os::unix::process::ExitStatusExt::signal(&status)
}

#[cfg(not(unix))]
fn signal(_: ExitStatus) -> Option<i32> {
    None
}

fn signal_death(number: i32, stderr_tail: &str, killed_for_memory: bool) -> Death {
    let name = signal_name(number);
    if name == Some("SIGKILL") && killed_for_memory {
        return Death {
            kind: DeathKind::OutOfMemory,
            message: "out of memory: the system's out-of-memory killer ended it (SIGKILL)"
                .to_owned(),
        };
    }
    let called = name.map_or_else(|| format!("signal {number}"), str::to_owned);
    let mut message = match called.as_str() {
        "SIGKILL" => {
            "killed with SIGKILL, not for want of memory as far as the system counts".to_owned()
        }
        "SIGILL" => "crashed with SIGILL: an instruction that this processor lacks".to_owned(),
        "SIGBUS" => {
            "crashed with SIGBUS: a mapped file that shrank, or a page that could not be had"
                .to_owned()
        }
        "SIGSEGV" | "SIGFPE" | "SIGTRAP" | "SIGSYS" => format!("crashed with {called}"),
        "SIGABRT" => "aborted (SIGABRT)".to_owned(),
        _ => format!("ended by {called}"),
    };
    if let Some(words) = panic_words(stderr_tail).or_else(|| overflowed_stack(stderr_tail)) {
        message += &format!(": {words}");
    }
    Death {
        kind: DeathKind::Signal(number, name),
        message,
    }
}

fn exit_death(code: i32, stderr_tail: &str) -> Death {
    let last_line = stderr_tail.lines().rfind(|line| !line.trim().is_empty());
    let ended = match code {
        PANIC_CODE => format!("panicked (exit code {PANIC_CODE})"),
        code => format!("exit code {code}"),
    };
    let message = match (panic_words(stderr_tail), last_line) {
        (Some(words), _) => words,
        (None, Some(line)) => format!("{ended}: {}", quoted([line])),
        (None, None) => format!("{ended}, and nothing on standard error"),
    };
    Death {
        kind: DeathKind::Exit(code),
        message,
    }
}

/// N of Rust's "memory allocation of N bytes failed", which precedes its abort.
fn failed_allocation(stderr_tail: &str) -> Option<u64> {
    stderr_tail.lines().find_map(|line| {
        let (_, rest) = line.split_once("memory allocation of ")?;
        let (bytes, _) = rest.split_once(" bytes failed")?;
        bytes.parse().ok()
    })
}

/// Rust's "thread 'x' has overflowed its stack", which precedes its abort.
fn overflowed_stack(stderr_tail: &str) -> Option<String> {
    let line = stderr_tail
        .lines()
        .find(|line| line.contains("has overflowed its stack"))?;
    Some(quoted([line]))
}

/// The first panic: its place and its message in one line, as
/// `panicked at src/x.rs:1:2: message`. Later ones are mostly of threads that
/// waited for the first.
///
/// Rust prints `thread 'x' (id) panicked at PLACE:` and the message on the
/// lines after it, up to a note or a backtrace; before 1.73 all in one line.
fn panic_words(stderr_tail: &str) -> Option<String> {
    let mut lines = stderr_tail.lines().skip_while(|line| !is_panic(line));
    let (_, place) = lines.next()?.split_once(" panicked at ")?;
    let ends = |line: &&str| {
        !(line.starts_with("note: run with `RUST_BACKTRACE")
            || line.starts_with("stack backtrace:")
            || is_panic(line))
    };
    let message = lines.take_while(ends);
    Some(quoted(["panicked at", place].into_iter().chain(message)))
}

fn is_panic(line: &str) -> bool {
    line.starts_with("thread ") && line.contains(" panicked at ")
}

/// The words of `lines` with one space between them, cut where they are too many.
fn quoted<'a>(lines: impl IntoIterator<Item = &'a str>) -> String {
    let words: Vec<_> = lines.into_iter().flat_map(str::split_whitespace).collect();
    let text = words.join(" ");
    match text.char_indices().nth(MOST_QUOTED) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}

#[cfg(unix)]
fn signal_name(number: i32) -> Option<&'static str> {
    Some(match number {
        libc::SIGHUP => "SIGHUP",
        libc::SIGINT => "SIGINT",
        libc::SIGQUIT => "SIGQUIT",
        libc::SIGILL => "SIGILL",
        libc::SIGTRAP => "SIGTRAP",
        libc::SIGABRT => "SIGABRT",
        libc::SIGBUS => "SIGBUS",
        libc::SIGFPE => "SIGFPE",
        libc::SIGKILL => "SIGKILL",
        libc::SIGSEGV => "SIGSEGV",
        libc::SIGPIPE => "SIGPIPE",
        libc::SIGALRM => "SIGALRM",
        libc::SIGTERM => "SIGTERM",
        libc::SIGXCPU => "SIGXCPU",
        libc::SIGXFSZ => "SIGXFSZ",
        libc::SIGSYS => "SIGSYS",
        _ => return None,
    })
}

#[cfg(not(unix))]
fn signal_name(_: i32) -> Option<&'static str> {
    None
}

#[cfg(test)]
mod tests;
