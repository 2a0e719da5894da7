//! Whether an operation spreads over the current pool or stays on its thread.
//!
//! A batch of many windows is computed by one thread a chunk ([`alone`]), each through the whole
//! model, so that no thread waits for another between operations. Where there are fewer chunks
//! than threads, each operation is spread over the pool.

use std::cell::Cell;

use rayon::prelude::*;

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

/// Calls `compute` with the number and the values of each run of `size` values, on as many threads
/// as there are.
pub(super) fn for_each_chunk(
    values: &mut [f32],
    size: usize,
    compute: impl Fn(usize, &mut [f32]) + Sync,
) {
    // Chunks of nothing there are none of.
    let size = size.max(1);
    let compute = |(number, chunk): (usize, &mut [f32])| compute(number, chunk);
    if available() == 1 {
        values.chunks_mut(size).enumerate().for_each(compute);
    } else {
        values.par_chunks_mut(size).enumerate().for_each(compute);
    }
}
