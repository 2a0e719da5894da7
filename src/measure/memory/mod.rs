//! Resident memory of this process, as the system accounts for it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

/// How often anonymous memory is looked at: the kernel keeps no peak of it.
const INTERVAL: Duration = Duration::from_millis(10);

/// Peaks of resident memory in bytes; absent where the system does not tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct MemoryPeaks {
    /// All resident pages, mapped files included: the kernel's own high-water mark since the process began.
    pub resident: Option<u64>,
    /// Anonymous pages only (heap, stacks), sampled every 10 ms since [`MemoryWatch::start`].
    pub anonymous: Option<u64>,
}

/// Watches this process's memory from a thread of its own.
#[derive(Debug)]
pub struct MemoryWatch {
    state: Arc<State>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Debug, Default)]
struct State {
    anonymous_peak: AtomicU64,
    done: AtomicBool,
}

impl MemoryWatch {
    /// Starts watching.
    pub fn start() -> Self {
        let state = Arc::<State>::default();
        let shared = Arc::clone(&state);
        let watch = move || {
            while !shared.done.load(Ordering::Relaxed) {
                shared.sample();
                std::thread::park_timeout(INTERVAL);
            }
        };
        let builder = std::thread::Builder::new().name("memory-watch".to_owned());
        Self {
            state,
            // Without the thread the figure is that of the moments when it is asked for.
            thread: builder.spawn(watch).ok(),
        }
    }

    /// The peaks up to now.
    pub fn peaks(&self) -> MemoryPeaks {
        self.state.sample();
        let anonymous = self.state.anonymous_peak.load(Ordering::Relaxed);
        MemoryPeaks {
            resident: status_bytes("VmHWM:"),
            anonymous: (anonymous > 0).then_some(anonymous),
        }
    }
}

impl Drop for MemoryWatch {
    fn drop(&mut self) {
        self.state.done.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            thread.thread().unpark();
            // A watch that panicked has nothing to say that matters now.
            let _ = thread.join();
        }
    }
}

impl State {
    fn sample(&self) {
        if let Some(bytes) = status_bytes("RssAnon:") {
            self.anonymous_peak.fetch_max(bytes, Ordering::Relaxed);
        }
    }
}

/// A field of `/proc/self/status`, which counts in KiB.
fn status_bytes(field: &str) -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix(field))?;
    let kibibytes: u64 = line.trim().trim_end_matches("kB").trim().parse().ok()?;
    Some(kibibytes * 1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(target_os = "linux")]
    #[test]
    fn a_large_allocation_shows_after_it_is_gone() {
        const BYTES: usize = 64 << 20;
        let watch = MemoryWatch::start();
        let before = watch.peaks();
        let block = vec![1_u8; BYTES];
        assert_eq!(std::hint::black_box(&block).len(), BYTES);
        std::thread::sleep(INTERVAL * 5);
        drop(block);
        let after = watch.peaks();
        let grown = after.anonymous.unwrap() - before.anonymous.unwrap();
        assert!(grown >= (BYTES / 2) as u64, "grew by {grown}");
        assert!(after.resident.unwrap() >= after.anonymous.unwrap());
    }
}
