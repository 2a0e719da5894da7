//! Whether an operation spreads over the current pool or stays on its thread.
//!
//! A batch of many windows is computed by one thread a chunk ([`alone`]), each through the whole
//! model, so that no thread waits for another between operations. Where there are fewer chunks
//! than threads, each operation is spread over the pool.

use std::cell::Cell;
use std::mem::MaybeUninit;

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

/// `count` values that `compute` writes, a run of `size` at a time: see [`for_each_chunk`]. Setting
/// them to 0 first takes longer than it seems, for they are more than the caches hold.
///
/// # Safety
///
/// `compute` writes each value that it is given, or panics.
pub(super) unsafe fn written(
    count: usize,
    size: usize,
    compute: impl Fn(usize, &mut [MaybeUninit<f32>]) + Sync,
) -> Vec<f32> {
    let mut values = Vec::with_capacity(count);
    for_each_chunk(&mut values.spare_capacity_mut()[..count], size, compute);
    // SAFETY: they were all written, as the caller grants.
    unsafe { values.set_len(count) };
    values
}

/// Values that were written.
///
/// # Safety
///
/// They were.
pub(super) unsafe fn as_written(values: &mut [MaybeUninit<f32>]) -> &mut [f32] {
    // SAFETY: a value that may be uninitialised has the layout of one that is not, and these are
    // not, as the caller grants.
    unsafe { &mut *(std::ptr::from_mut(values) as *mut [f32]) }
}

/// Values to be written again.
///
/// # Safety
///
/// Nothing but numbers is written to them.
pub(super) unsafe fn to_write(values: &mut [f32]) -> &mut [MaybeUninit<f32>] {
    // SAFETY: the layout is the same, and the values stay numbers, as the caller grants.
    unsafe { &mut *(std::ptr::from_mut(values) as *mut [MaybeUninit<f32>]) }
}

/// Calls `compute` with the number and the values of each run of `size` values, on as many threads
/// as there are.
pub(super) fn for_each_chunk<T: Send>(
    values: &mut [T],
    size: usize,
    compute: impl Fn(usize, &mut [T]) + Sync,
) {
    // Chunks of nothing there are none of.
    let size = size.max(1);
    let compute = |(number, chunk): (usize, &mut [T])| compute(number, chunk);
    if available() == 1 {
        values.chunks_mut(size).enumerate().for_each(compute);
    } else {
        values.par_chunks_mut(size).enumerate().for_each(compute);
    }
}
