//! A cell in a process of its own, watched: it may crash, hang or be killed for want of memory,
//! and the others go on.

use std::collections::VecDeque;
use std::io::{BufRead, BufReader, Read, Write};
use std::path::PathBuf;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use super::child::{Event, SCHEMA, WireJob};
use super::failure::{Failure, FailureKind};
use super::work::{Job, Work};
use crate::measure::death::{self, DeathKind, OutOfMemoryKills};
use crate::measure::system_files::SystemFiles;
use crate::record::wire::WireShard;

/// The hidden command that does a job.
pub const COMMAND: &str = "run-cell";

/// How much of a process's standard error is kept: its end.
const STDERR_KEPT: usize = 64 << 10;

/// How often it is asked whether the process is to be ended.
const INTERRUPT_INTERVAL: Duration = Duration::from_millis(100);

/// How long a process may take to end after its last word, writing a core file perhaps.
const LAST_MOMENTS: Duration = Duration::from_secs(10);

/// How cells' processes are made and watched.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Isolation {
    /// The program: this one, or another build of it.
    pub program: PathBuf,
    /// How long a process may take.
    pub time_limit: Duration,
    /// How long it may go on without any progress.
    pub stall_limit: Duration,
}

/// What came of a process.
#[derive(Debug)]
pub enum Outcome {
    /// It did the job.
    Done(Box<Work>),
    /// It refused the job: the input is at fault, and this says how.
    Refused(String),
    /// No question falls to its shard: there is nothing to measure, and nothing wrong.
    Empty(Box<WireShard>),
    /// It failed.
    Failed(Failure),
    /// It was ended since nobody wants to know any more ([`Watcher::interrupted`]).
    Interrupted,
}

/// A process could not be started or fed.
#[derive(Debug, thiserror::Error)]
pub enum IsolationError {
    /// The job's file could not be written.
    #[error("{path}: the job for the cell's process cannot be written; is the disk full?")]
    Job {
        /// Where temporary files lie.
        path: String,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// The program could not be started.
    #[error("{program}: cannot be started to run a cell")]
    Start {
        /// The program.
        program: String,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
}

/// Who watches a process's progress.
pub trait Watcher {
    /// An event that is neither an end nor a result.
    fn event(&self, event: &Event);

    /// Whether the process is to be ended now; asked ten times a second.
    fn interrupted(&self) -> bool {
        false
    }
}

/// Does `job` in a process of its own.
///
/// # Errors
///
/// Fails where no process could be made; what becomes of it is an [`Outcome`].
pub fn run(
    job: &Job,
    isolation: &Isolation,
    watcher: &dyn Watcher,
) -> Result<Outcome, IsolationError> {
    let mut process = CellProcess::start(job, isolation)?;
    loop {
        if let Step::Ended(outcome) = process.advance(watcher) {
            return Ok(outcome);
        }
    }
}

/// The process of a cell.
pub struct CellProcess<'a> {
    isolation: &'a Isolation,
    child: Child,
    /// Where turns are given; only a process that takes them has it.
    turns: Option<ChildStdin>,
    events: Option<Events>,
    stderr: Option<KeptStderr>,
    kills: OutOfMemoryKills,
    phase: Option<String>,
    /// Whether it waits for its turn.
    waits: bool,
    /// For how long it was its turn.
    used: Duration,
    /// Read, and removed, by the process.
    _job: tempfile::NamedTempFile,
}

/// How far a process is.
pub enum Step {
    /// It waits for its next turn: [`CellProcess::advance`] gives it.
    Waits,
    /// It is gone.
    Ended(Outcome),
}

impl<'a> CellProcess<'a> {
    /// Starts a process that does `job`.
    ///
    /// # Errors
    ///
    /// Fails where no process could be made.
    pub fn start(job: &Job, isolation: &'a Isolation) -> Result<Self, IsolationError> {
        let wire = WireJob {
            schema: SCHEMA,
            job: job.clone(),
        };
        let file = write_job(&wire)?;
        let kills = OutOfMemoryKills::read(&SystemFiles::here());
        let threads = job.spec.settings.threads.to_string();
        let mut command = Command::new(&isolation.program);
        command
            .arg(COMMAND)
            .arg(file.path())
            // candle has a pool of its own besides rayon's, and reads its size here.
            .env("RAYON_NUM_THREADS", &threads)
            .env("CANDLE_NUM_THREADS", &threads)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        if job.turn.is_some() {
            command.stdin(Stdio::piped());
        }
        // Ctrl-C at a terminal is for the program that watches: it ends the process and says so,
        // where a process that the signal reached first would look as if it had crashed.
        #[cfg(unix)]
        std::os::unix::process::CommandExt::process_group(&mut command, 0);
        let mut child = command.spawn().map_err(|source| IsolationError::Start {
            program: isolation.program.display().to_string(),
            source,
        })?;
        Ok(Self {
            isolation,
            turns: child.stdin.take(),
            events: Some(read_events(&mut child)),
            stderr: Some(KeptStderr::follow(&mut child)),
            child,
            kills,
            phase: None,
            waits: false,
            used: Duration::ZERO,
            _job: file,
        })
    }

    /// Lets the process go on until it waits for its next turn in the timed pass, or is gone.
    ///
    /// # Panics
    ///
    /// Panics where it was gone before.
    pub fn advance(&mut self, watcher: &dyn Watcher) -> Step {
        let events = self.events.take();
        let events = events.expect("OK because it is asked only as long as it is there");
        let began = Instant::now();
        loop {
            self.give_turn();
            let ended = self.follow(&events, began, watcher);
            if !matches!(ended, Ended::Waits) {
                drop(events);
                return Step::Ended(self.conclude(ended));
            }
            self.waits = true;
            // What comes before the timed pass needs no turns: the others wait then.
            if self.phase.as_deref() == Some("timed") {
                self.used += began.elapsed();
                self.events = Some(events);
                return Step::Waits;
            }
        }
    }

    fn give_turn(&mut self) {
        if std::mem::take(&mut self.waits)
            && let Some(turns) = &mut self.turns
        {
            // A process that is gone is found to be so in a moment.
            let _ = turns.write_all(b"\n").and_then(|()| turns.flush());
        }
    }

    fn conclude(&mut self, ended: Ended) -> Outcome {
        // What it said is all that is wanted of it; one that said nothing ends of itself, and is
        // to say how.
        if !matches!(ended, Ended::Silent) || !self.ends_of_itself() {
            let _ = self.child.kill();
        }
        let status = self.child.wait();
        // A thread that reads a pipe ends with it, unless another process holds the pipe.
        let stderr = self.stderr.take().map_or(String::new(), KeptStderr::text);
        match ended {
            Ended::Said(outcome) => outcome.with_stderr(stderr),
            Ended::Interrupted => Outcome::Interrupted,
            Ended::Killed(kind, message) => self.failed(kind, message, stderr),
            Ended::Silent | Ended::Waits => {
                let now = OutOfMemoryKills::read(&SystemFiles::here());
                let death = status.map(|s| death::explain(s, &stderr, &self.kills, &now));
                let (kind, message) = match death {
                    Ok(death) if death.kind == DeathKind::OutOfMemory => {
                        (FailureKind::OutOfMemory, death.message)
                    }
                    Ok(death) => (FailureKind::Crash, death.message),
                    Err(fault) => (FailureKind::Crash, format!("its end is not known: {fault}")),
                };
                self.failed(kind, message, stderr)
            }
        }
    }

    /// Whether the process ends soon, now that its standard output has.
    fn ends_of_itself(&mut self) -> bool {
        let began = Instant::now();
        while began.elapsed() < LAST_MOMENTS {
            match self.child.try_wait() {
                Ok(None) => std::thread::sleep(Duration::from_millis(1)),
                Ok(Some(_)) | Err(_) => return true,
            }
        }
        false
    }

    fn follow(&mut self, events: &Events, began: Instant, watcher: &dyn Watcher) -> Ended {
        let Isolation {
            time_limit,
            stall_limit,
            ..
        } = *self.isolation;
        let mut last_word = Instant::now();
        loop {
            if watcher.interrupted() {
                return Ended::Interrupted;
            }
            let used = self.used + began.elapsed();
            let silent = last_word.elapsed();
            if used >= time_limit {
                let limit = humantime::format_duration(time_limit);
                let message = format!("not done within the time limit of {limit}");
                return Ended::Killed(FailureKind::TimeLimit, message);
            }
            if silent >= stall_limit {
                let limit = humantime::format_duration(stall_limit);
                let message = format!("no progress for {limit}: it hangs");
                return Ended::Killed(FailureKind::Stalled, message);
            }
            let left = time_limit.saturating_sub(used);
            let left = left.min(stall_limit.saturating_sub(silent));
            match events.recv_timeout(left.min(INTERRUPT_INTERVAL)) {
                Ok(said) => {
                    last_word = Instant::now();
                    if let Some(ended) = self.hear(said, watcher) {
                        return ended;
                    }
                }
                Err(RecvTimeoutError::Disconnected) => return Ended::Silent,
                Err(RecvTimeoutError::Timeout) => {}
            }
        }
    }

    /// Takes in what the process said, an event or a line that is none; gives what ends with it.
    fn hear(&mut self, said: Result<Event, String>, watcher: &dyn Watcher) -> Option<Ended> {
        let program = self.isolation.program.display();
        match said {
            Ok(Event::Done(work)) => Some(Ended::Said(Outcome::Done(work))),
            Ok(Event::Refused(message)) => Some(Ended::Said(Outcome::Refused(message))),
            Ok(Event::Empty(shard)) => Some(Ended::Said(Outcome::Empty(shard))),
            Ok(Event::Failed(kind, message)) => {
                Some(Ended::Said(self.failed(kind, message, String::new())))
            }
            Ok(Event::Hello { schema }) if schema != SCHEMA => {
                Some(Ended::Said(Outcome::Refused(format!(
                    "{program}: speaks version {schema} of the protocol between spanbench and its cells, not {SCHEMA}",
                ))))
            }
            Ok(Event::Turn) => Some(Ended::Waits),
            Ok(event) => {
                if let Event::Phase(name) = &event {
                    self.phase = Some(name.clone());
                }
                watcher.event(&event);
                None
            }
            Err(line) => Some(Ended::Said(Outcome::Refused(format!(
                "{program}: said something that is no event of a cell: {line}",
            )))),
        }
    }

    fn failed(&self, kind: FailureKind, message: String, stderr: String) -> Outcome {
        Outcome::Failed(Failure {
            kind,
            message,
            phase: self.phase.clone(),
            stderr,
        })
    }
}

impl Drop for CellProcess<'_> {
    /// A process that nobody follows any more is of no use.
    fn drop(&mut self) {
        if self.events.is_some() {
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
    }
}

impl Outcome {
    fn with_stderr(self, stderr: String) -> Self {
        match self {
            Self::Failed(failure) => Self::Failed(Failure { stderr, ..failure }),
            other => other,
        }
    }
}

fn write_job(job: &WireJob) -> Result<tempfile::NamedTempFile, IsolationError> {
    let write = || {
        let mut builder = tempfile::Builder::new();
        let mut file = builder.prefix("spanbench-job-").tempfile()?;
        let text = serde_json::to_vec(job)?;
        file.write_all(&text)?;
        file.flush()?;
        Ok(file)
    };
    write().map_err(|source| IsolationError::Job {
        path: std::env::temp_dir().display().to_string(),
        source,
    })
}

/// How the following of a process ended.
enum Ended {
    /// It said what came of the job.
    Said(Outcome),
    /// It is to be killed, for this reason.
    Killed(FailureKind, String),
    /// It is to be killed, and nobody asks why.
    Interrupted,
    /// Its standard output ended without a word.
    Silent,
    /// It waits for its next turn.
    Waits,
}

type Events = Receiver<Result<Event, String>>;

/// Events that may wait to be looked at: a program that talks without end is held back.
const EVENTS_WAITING: usize = 1024;

/// Reads the process's events on a thread, so that waiting for one can end.
fn read_events(child: &mut Child) -> Events {
    let (sender, receiver) = sync_channel(EVENTS_WAITING);
    let output = child.stdout.take();
    let output = output.expect("OK because it was asked to be piped");
    std::thread::spawn(move || {
        let mut reader = BufReader::new(output);
        let mut line = Vec::new();
        // A process that was killed may leave half a line.
        while reader.read_until(b'\n', &mut line).is_ok_and(|n| n > 0) && line.ends_with(b"\n") {
            let event = serde_json::from_slice(&line)
                .map_err(|_| String::from_utf8_lossy(&line).chars().take(200).collect());
            line.clear();
            if sender.send(event).is_err() {
                break;
            }
        }
    });
    receiver
}

/// The end of a process's standard error, read on a thread.
struct KeptStderr {
    kept: Arc<Mutex<VecDeque<u8>>>,
    thread: JoinHandle<()>,
}

impl KeptStderr {
    fn follow(child: &mut Child) -> Self {
        let stderr = child.stderr.take();
        let mut stderr = stderr.expect("OK because it was asked to be piped");
        let kept = Arc::<Mutex<VecDeque<u8>>>::default();
        let shared = Arc::clone(&kept);
        let thread = std::thread::spawn(move || {
            let mut buffer = [0; 4096];
            while let Ok(count @ 1..) = stderr.read(&mut buffer) {
                let mut kept = shared.lock().unwrap_or_else(PoisonError::into_inner);
                kept.extend(&buffer[..count]);
                let surplus = kept.len().saturating_sub(STDERR_KEPT);
                kept.drain(..surplus);
            }
        });
        Self { kept, thread }
    }

    /// What there is, once the process is gone: where another process still holds the pipe, that
    /// is not waited for.
    fn text(self) -> String {
        let waited_since = Instant::now();
        while !self.thread.is_finished() && waited_since.elapsed() < Duration::from_secs(1) {
            std::thread::sleep(Duration::from_millis(1));
        }
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        String::from_utf8_lossy(kept.make_contiguous()).into_owned()
    }
}
