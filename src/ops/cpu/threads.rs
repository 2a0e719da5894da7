//! Whether an operation spreads over the current pool or stays on its thread.
//!
//! A batch of many windows is computed by one thread a chunk ([`alone`]), each through the whole
//! model, so that no thread waits for another between operations. Where there are fewer chunks
//! than threads, each operation is spread over the pool.

use std::cell::Cell;

thread_local! {
    static ALONE: Cell<bool> = const { Cell::new(false) };
}

/// Runs `compute` with all its operations on this thread.
pub(crate) fn alone<R>(compute: impl FnOnce() -> R) -> R {
    /// Puts back what was, also where `compute` panics.
    struct Before(bool);
    impl Drop for Before {
        fn drop(&mut self) {
            ALONE.set(self.0);
        }
    }
    let _before = Before(ALONE.replace(true));
    compute()
}

/// Threads that an operation may use.
pub(super) fn available() -> usize {
    if ALONE.get() {
        1
    } else {
        rayon::current_num_threads()
    }
}
