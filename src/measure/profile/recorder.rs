//! The recording itself: open spans by thread, sums of what ended.

use std::cell::RefCell;
use std::marker::PhantomData;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use super::table::{Profile, Totals};
use super::trace::{Event, MAX_EVENTS, Trace};
use super::{Operation, Work};

/// Number of the recording under way, counted from 1; 0 where there is none.
static RECORDING: AtomicU64 = AtomicU64::new(0);

/// What the recording under way has gathered, and how many there have been.
static GATHERED: Mutex<Option<Gathered>> = Mutex::new(None);

/// Recordings begun so far.
static BEGUN: AtomicU64 = AtomicU64::new(0);

thread_local! {
    /// This thread's open spans, the outermost first.
    static OPEN: RefCell<Thread> = const { RefCell::new(Thread::new()) };
}

struct Gathered {
    recording: u64,
    origin: Instant,
    totals: Totals,
    events: Vec<Event>,
    max_events: usize,
    cut: u64,
    /// Name of each thread that ended a span, by its number.
    threads: Vec<String>,
}

struct Thread {
    /// The recording that `number` belongs to.
    recording: u64,
    number: u32,
    open: Vec<Open>,
}

impl Thread {
    const fn new() -> Self {
        Self {
            recording: 0,
            number: 0,
            open: Vec::new(),
        }
    }
}

struct Open {
    recording: u64,
    operation: Operation,
    /// Whether it is part of a forward pass.
    in_forward: bool,
    work: Work,
    started: Instant,
    /// What spans directly within it took.
    inner_ns: u64,
}

/// A span under way; it ends where this is dropped.
#[derive(Debug)]
#[must_use = "a span ends where it is dropped"]
pub struct Span {
    /// The place among the thread's open spans; nothing where nothing records.
    depth: Option<usize>,
    /// A span ends on the thread it began on.
    thread: PhantomData<*const ()>,
}

/// Opens a span on this thread. `work` is asked for only while something records.
///
/// What an accelerator computes is over when it says so, not when the call
/// that began it returns: whoever opens a span for it must wait for the device
/// before opening and before dropping it, as [`crate::ops`] does.
#[inline]
pub fn span(operation: Operation, work: impl FnOnce() -> Work) -> Span {
    let recording = RECORDING.load(Ordering::Relaxed);
    let depth = (recording != 0).then(|| open(recording, operation, work()));
    Span {
        depth,
        thread: PhantomData,
    }
}

/// Whether something records.
#[inline]
pub(crate) fn is_recording() -> bool {
    RECORDING.load(Ordering::Relaxed) != 0
}

#[cold]
fn open(recording: u64, operation: Operation, work: Work) -> usize {
    OPEN.with_borrow_mut(|thread| {
        let outer = thread.open.last();
        let outer = outer.filter(|outer| outer.recording == recording);
        let in_forward = match operation {
            Operation::ForwardPass => true,
            other => !other.is_stage() && outer.is_some_and(|outer| outer.in_forward),
        };
        thread.open.push(Open {
            recording,
            operation,
            in_forward,
            work,
            started: Instant::now(),
            inner_ns: 0,
        });
        thread.open.len() - 1
    })
}

impl Drop for Span {
    #[inline]
    fn drop(&mut self) {
        if let Some(depth) = self.depth {
            close(depth);
        }
    }
}

#[cold]
fn close(depth: usize) {
    let ended = Instant::now();
    OPEN.with_borrow_mut(|thread| {
        // A guard that was forgotten leaves its span open; it ends, unnoted, with the one around it.
        thread.open.truncate(depth + 1);
        let Some(span) = thread.open.pop() else {
            return;
        };
        let Some(gathered) = &mut *lock() else {
            return;
        };
        // It may have been opened in a recording that is over.
        if gathered.recording != span.recording {
            return;
        }
        if thread.recording != span.recording {
            thread.recording = span.recording;
            thread.number = u32::try_from(gathered.threads.len()).unwrap_or(u32::MAX);
            gathered.threads.push(thread_name(thread.number));
        }
        // From one origin, so that rounding to nanoseconds keeps spans within each other.
        let start_ns = nanoseconds(gathered.origin, span.started);
        let duration_ns = nanoseconds(gathered.origin, ended) - start_ns;
        if let Some(outer) = thread.open.last_mut() {
            outer.inner_ns += duration_ns;
        }
        let own_ns = duration_ns.saturating_sub(span.inner_ns);
        let counted = span.in_forward || span.operation.is_stage();
        if counted {
            gathered.totals.add(span.operation, own_ns, span.work);
        }
        if gathered.events.len() < gathered.max_events {
            gathered.events.push(Event {
                operation: span.operation,
                thread: thread.number,
                depth: u32::try_from(depth).unwrap_or(u32::MAX),
                start_ns,
                duration_ns,
                work: span.work,
            });
        } else {
            gathered.cut += 1;
        }
    });
}

fn nanoseconds(origin: Instant, moment: Instant) -> u64 {
    let passed = moment.saturating_duration_since(origin).as_nanos();
    u64::try_from(passed).unwrap_or(u64::MAX)
}

fn thread_name(number: u32) -> String {
    let current = std::thread::current();
    match (current.name(), rayon::current_thread_index()) {
        (Some(name), _) => name.to_owned(),
        (None, Some(index)) => format!("worker {index}"),
        (None, None) => format!("thread {number}"),
    }
}

/// What was gathered stays usable whatever became of a thread that held it.
fn lock() -> MutexGuard<'static, Option<Gathered>> {
    GATHERED.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A recording of all spans of this process, from its start until it is finished or dropped.
#[derive(Debug)]
pub struct Recording {
    number: u64,
}

/// What a recording found.
#[derive(Debug, Clone)]
pub struct Recorded {
    /// Time by operation.
    pub profile: Profile,
    /// The spans one by one.
    pub trace: Trace,
}

impl Recording {
    /// Begins to record, keeping up to [`MAX_EVENTS`] spans for the trace;
    /// nothing where this process records already.
    pub fn start() -> Option<Self> {
        Self::start_keeping(MAX_EVENTS)
    }

    /// As [`Recording::start`], keeping up to `max_events` spans for the trace.
    pub fn start_keeping(max_events: usize) -> Option<Self> {
        let mut gathered = lock();
        if gathered.is_some() {
            return None;
        }
        let number = BEGUN.fetch_add(1, Ordering::Relaxed) + 1;
        *gathered = Some(Gathered {
            recording: number,
            origin: Instant::now(),
            totals: Totals::default(),
            events: Vec::new(),
            max_events,
            cut: 0,
            threads: Vec::new(),
        });
        RECORDING.store(number, Ordering::Relaxed);
        Some(Self { number })
    }

    /// Ends the recording. Spans still open are left out.
    pub fn finish(self) -> Recorded {
        let gathered = self.stop();
        let gathered =
            gathered.expect("OK because only this recording's end takes what it gathered");
        Recorded {
            profile: gathered.totals.profile(),
            trace: Trace::new(gathered.events, gathered.threads, gathered.cut),
        }
    }

    fn stop(&self) -> Option<Gathered> {
        let mut gathered = lock();
        let own = gathered
            .as_ref()
            .is_some_and(|g| g.recording == self.number);
        if !own {
            return None;
        }
        RECORDING.store(0, Ordering::Relaxed);
        gathered.take()
    }
}

impl Drop for Recording {
    fn drop(&mut self) {
        self.stop();
    }
}
