//! Resident memory of this process, as the system accounts for it, over a run and by phase.

mod samples;
mod usage;

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use samples::Samples;
use usage::{StatmReader, Status};

pub use samples::{MOST_SAMPLES, MemorySample};

/// How often memory is looked at in the first second of a phase: the kernel
/// keeps no peak of anonymous pages, nor any of a phase.
const INTERVAL: Duration = Duration::from_millis(10);

/// How long a phase is looked at that often.
const FIRST: Duration = Duration::from_secs(1);

/// How often later on.
///
/// Waking up costs more than looking, some 20 µs on a virtual machine; at this
/// distance both stay below 0.1 % of a core. `cargo test --release --lib
/// the_watch -- --nocapture` tells how much it is.
const LATER_INTERVAL: Duration = Duration::from_millis(100);

/// How often swap is looked at, which only a costlier file tells.
const SWAP_INTERVAL: Duration = Duration::from_secs(1);

/// Peaks of resident memory in bytes; absent where the system does not tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct MemoryPeaks {
    /// All resident pages, mapped files included: the kernel's own high-water mark since the process began.
    pub resident: Option<u64>,
    /// Anonymous pages only (heap, stacks), sampled since [`MemoryWatch::start`].
    pub anonymous: Option<u64>,
}

/// Memory of a phase in bytes; absent where the system does not tell.
///
/// Samples are 10 ms apart in the first second of a phase and 100 ms later on.
/// A phase that comes again continues: its end is the last one's, its peaks are the highest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PhaseMemory {
    /// The phase's name.
    pub phase: &'static str,
    /// All resident pages at its end (`VmRSS`).
    pub resident_end: Option<u64>,
    /// Anonymous pages at its end (`RssAnon`): heap and stacks.
    pub anonymous_end: Option<u64>,
    /// Resident pages of mapped files at its end (`RssFile`).
    pub file_end: Option<u64>,
    /// Anonymous pages in swap at its end (`VmSwap`).
    pub swap_end: Option<u64>,
    /// Most resident pages within it: sampled, and the kernel's own mark where the phase raised it.
    pub resident_peak: Option<u64>,
    /// Most anonymous pages within it, sampled.
    pub anonymous_peak: Option<u64>,
    /// Most anonymous pages in swap within it, sampled every second.
    pub swap_peak: Option<u64>,
}

/// Watches this process's memory from a thread of its own.
#[derive(Debug)]
pub struct MemoryWatch {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Debug)]
struct Shared {
    statm: StatmReader,
    state: Mutex<State>,
    wake: Condvar,
}

#[derive(Debug)]
struct State {
    anonymous_peak: Option<u64>,
    /// Peaks of the phase that runs.
    phase: Peaks,
    /// The kernel's mark when the phase began.
    mark_at_start: Option<u64>,
    phase_started: Instant,
    samples: Samples,
    /// Phases that were closed, in the order they first were.
    closed: Vec<PhaseMemory>,
    done: bool,
}

#[derive(Debug, Clone, Copy, Default)]
struct Peaks {
    resident: Option<u64>,
    anonymous: Option<u64>,
    swap: Option<u64>,
}

impl MemoryWatch {
    /// Starts watching, and the first phase.
    pub fn start() -> Self {
        let state = State {
            anonymous_peak: None,
            phase: Peaks::default(),
            mark_at_start: Status::read().resident_peak,
            phase_started: Instant::now(),
            samples: Samples::default(),
            closed: Vec::new(),
            done: false,
        };
        let shared = Arc::new(Shared {
            statm: StatmReader::open(),
            state: Mutex::new(state),
            wake: Condvar::new(),
        });
        let watched = Arc::clone(&shared);
        let builder = std::thread::Builder::new().name("memory-watch".to_owned());
        Self {
            shared,
            // Without the thread the figure is that of the moments when it is asked for.
            thread: builder.spawn(move || watched.watch()).ok(),
        }
    }

    /// The peaks up to now.
    pub fn peaks(&self) -> MemoryPeaks {
        let mut state = self.shared.lock();
        state.sample(&self.shared.statm);
        MemoryPeaks {
            resident: Status::read().resident_peak,
            anonymous: state.anonymous_peak,
        }
    }

    /// Closes the phase that began with the last call, and begins another.
    pub fn mark(&self, phase: &'static str) -> PhaseMemory {
        let mut state = self.shared.lock();
        state.sample(&self.shared.statm);
        let closed = state.close(phase, Status::read());
        // The thread may be waiting for as long as a long phase allows.
        self.shared.wake.notify_all();
        closed
    }

    /// The closed phases, in the order they first ended.
    pub fn phases(&self) -> Vec<PhaseMemory> {
        self.shared.lock().closed.clone()
    }

    /// Samples of the phase that runs, or, of a long phase, every second, fourth,
    /// … of them, so that there are at most [`MOST_SAMPLES`].
    pub fn samples(&self) -> Vec<MemorySample> {
        self.shared.lock().samples.kept().to_vec()
    }
}

impl Drop for MemoryWatch {
    fn drop(&mut self) {
        self.shared.lock().done = true;
        self.shared.wake.notify_all();
        if let Some(thread) = self.thread.take() {
            // A watch that panicked has nothing to say that matters now.
            let _ = thread.join();
        }
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        // Every step leaves the state whole, so that a panic elsewhere leaves it usable.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn watch(&self) {
        let mut state = self.lock();
        let mut swap_due = Instant::now();
        while !state.done {
            state.sample(&self.statm);
            let now = Instant::now();
            if now >= swap_due {
                let swap = Status::read().swap;
                state.phase.swap = state.phase.swap.max(swap);
                swap_due = now + SWAP_INTERVAL;
            }
            let is_first = now.saturating_duration_since(state.phase_started) < FIRST;
            let interval = if is_first { INTERVAL } else { LATER_INTERVAL };
            let waited = self.wake.wait_timeout(state, interval);
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }
}

impl State {
    fn sample(&mut self, statm: &StatmReader) {
        // An absent value is less than any other.
        let Some(now) = statm.read() else { return };
        let anonymous = Some(now.anonymous);
        self.anonymous_peak = self.anonymous_peak.max(anonymous);
        self.phase.anonymous = self.phase.anonymous.max(anonymous);
        self.phase.resident = self.phase.resident.max(Some(now.total));
        self.samples.push(MemorySample {
            at_s: self.phase_started.elapsed().as_secs_f64(),
            anonymous_bytes: now.anonymous,
        });
    }

    fn close(&mut self, phase: &'static str, end: Status) -> PhaseMemory {
        // A mark that this phase did not raise is an earlier one's.
        let raised = end
            .resident_peak
            .filter(|_| end.resident_peak > self.mark_at_start);
        let peaks = std::mem::take(&mut self.phase);
        let mut closed = PhaseMemory {
            phase,
            resident_end: end.resident,
            anonymous_end: end.anonymous,
            file_end: end.file,
            swap_end: end.swap,
            resident_peak: peaks.resident.max(end.resident).max(raised),
            anonymous_peak: peaks.anonymous.max(end.anonymous),
            swap_peak: peaks.swap.max(end.swap),
        };
        match self.closed.iter_mut().find(|known| known.phase == phase) {
            Some(known) => {
                closed.resident_peak = closed.resident_peak.max(known.resident_peak);
                closed.anonymous_peak = closed.anonymous_peak.max(known.anonymous_peak);
                closed.swap_peak = closed.swap_peak.max(known.swap_peak);
                *known = closed;
            }
            None => self.closed.push(closed),
        }
        self.mark_at_start = end.resident_peak;
        self.phase_started = Instant::now();
        self.samples = Samples::default();
        closed
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests;
