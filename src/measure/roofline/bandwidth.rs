//! Bytes a second from memory and to it.

use std::hint::black_box;
use std::sync::{Mutex, MutexGuard};
use std::time::Duration;

use pulp::{Arch, Simd, WithSimd};

use super::{best_rate, machine};

/// Vectors of each array that are added up side by side.
const SUMS: usize = 4;

/// What was found, in bytes a second of all threads together.
pub(super) struct Bandwidth {
    pub(super) read: f64,
    pub(super) triad: f64,
    /// Bytes of all arrays together.
    pub(super) array_bytes: u64,
}

/// Measures reading for `time` and the triad as long, on the current pool;
/// beside it, what to know of the figures. Without `array_bytes` the arrays are
/// four times as large as all last-level caches, but no more than a quarter of
/// the memory there is.
pub(super) fn measure(array_bytes: Option<u64>, time: Duration) -> (Bandwidth, Vec<String>) {
    let mut notes = Vec::new();
    let wanted = array_bytes.unwrap_or_else(|| {
        let cache = machine::last_level_caches_bytes();
        let room = machine::available_memory_bytes();
        let (bytes, note) = array_size(cache, room);
        notes.extend(note);
        bytes
    });
    let arch = Arch::new();
    let threads = rayon::current_num_threads();
    let length = usize::try_from(wanted / 12).unwrap_or(usize::MAX / 12) / threads;
    // A page is where it was written first: each thread makes the arrays it reads.
    let arrays = rayon::broadcast(|_| Mutex::new(Arrays::new(length.max(1))));
    let own = |thread: usize| -> MutexGuard<'_, Arrays> {
        let arrays = arrays[thread].lock();
        arrays.expect("OK because no thread panics while it holds its arrays")
    };
    let bytes = (12 * length.max(1) * threads) as u64;
    let read = best_rate(bytes as f64, time, |repetitions| {
        rayon::broadcast(|thread| {
            let arrays = own(thread.index());
            for _ in 0..repetitions {
                let Arrays { a, b, c } = &*arrays;
                black_box(arch.dispatch(Read { arrays: [a, b, c] }));
            }
        });
    });
    let triad = best_rate(bytes as f64, time, |repetitions| {
        rayon::broadcast(|thread| {
            let mut arrays = own(thread.index());
            let Arrays { a, b, c } = &mut *arrays;
            for _ in 0..repetitions {
                arch.dispatch(Triad {
                    a,
                    b,
                    c,
                    factor: black_box(3.0),
                });
                black_box(&mut *a);
            }
        });
    });
    let found = Bandwidth {
        read,
        triad,
        array_bytes: bytes,
    };
    (found, notes)
}

/// Bytes of all arrays, with a note where they may fit in the caches after all.
fn array_size(cache: Option<u64>, room: Option<u64>) -> (u64, Option<String>) {
    const MIB: u64 = 1 << 20;
    // Where the system does not tell: more than most processors have, less than any machine lacks.
    let assumed_cache = 128 * MIB;
    let assumed_room = 1024 * MIB;
    let wanted = cache.unwrap_or(assumed_cache).saturating_mul(4);
    let wanted = wanted.clamp(256 * MIB, 8192 * MIB);
    let bytes = wanted.min(room.unwrap_or(assumed_room) / 4);
    let note = cache.filter(|cache| bytes < 2 * cache).map(|cache| {
        format!(
            "memory bandwidth was measured on {} MiB, for there is no more room, beside caches of {} MiB: it may be theirs in part",
            bytes / MIB,
            cache / MIB
        )
    });
    (bytes, note)
}

/// One thread's arrays.
struct Arrays {
    a: Vec<f32>,
    b: Vec<f32>,
    c: Vec<f32>,
}

impl Arrays {
    fn new(length: usize) -> Self {
        // Written, not left to the system's zero page.
        Self {
            a: vec![1.0; length],
            b: vec![2.0; length],
            c: vec![0.5; length],
        }
    }
}

/// The sum of all values, for the sake of reading them. The arrays are read
/// side by side: processors fetch several runs of memory ahead better than one.
struct Read<'a> {
    arrays: [&'a [f32]; 3],
}

impl WithSimd for Read<'_> {
    type Output = f32;

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) -> f32 {
        let [(a, a_rest), (b, b_rest), (c, c_rest)] =
            self.arrays.map(|array| S::as_simd_f32s(array));
        let mut sums = [[simd.splat_f32s(0.0); SUMS]; 3];
        let (a, a_last) = a.as_chunks::<SUMS>();
        let (b, b_last) = b.as_chunks::<SUMS>();
        let (c, c_last) = c.as_chunks::<SUMS>();
        for ((a, b), c) in a.iter().zip(b).zip(c) {
            for at in 0..SUMS {
                sums[0][at] = simd.add_f32s(sums[0][at], a[at]);
                sums[1][at] = simd.add_f32s(sums[1][at], b[at]);
                sums[2][at] = simd.add_f32s(sums[2][at], c[at]);
            }
        }
        let mut total = simd.splat_f32s(0.0);
        let last = [a_last, b_last, c_last].into_iter().flatten();
        for &vector in sums.as_flattened().iter().chain(last) {
            total = simd.add_f32s(total, vector);
        }
        let rest = [a_rest, b_rest, c_rest].into_iter().flatten();
        simd.reduce_sum_f32s(total) + rest.sum::<f32>()
    }
}

/// `a = b + factor · c`.
struct Triad<'a> {
    a: &'a mut [f32],
    b: &'a [f32],
    c: &'a [f32],
    factor: f32,
}

impl WithSimd for Triad<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let factor = simd.splat_f32s(self.factor);
        let (a, a_rest) = S::as_mut_simd_f32s(self.a);
        let ((b, b_rest), (c, c_rest)) = (S::as_simd_f32s(self.b), S::as_simd_f32s(self.c));
        for ((a, &b), &c) in a.iter_mut().zip(b).zip(c) {
            *a = simd.mul_add_e_f32s(factor, c, b);
        }
        for ((a, b), c) in a_rest.iter_mut().zip(b_rest).zip(c_rest) {
            *a = self.factor * c + b;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_element_is_read_and_written() {
        for length in [1, 15, 16, 127, 128, 129, 1000] {
            let mut arrays = Arrays::new(length);
            arrays.c = (0..length).map(|at| at as f32).collect();
            let Arrays { a, b, c } = &mut arrays;
            let sum = Arch::new().dispatch(Read { arrays: [a, b, c] });
            assert_eq!(sum, (3 * length + length * (length - 1) / 2) as f32);
            let factor = 3.0;
            Arch::new().dispatch(Triad { a, b, c, factor });
            let expected = (0..length).map(|at| 3.0 * at as f32 + 2.0);
            assert_eq!(arrays.a, expected.collect::<Vec<_>>());
        }
    }

    #[test]
    fn arrays_are_beyond_the_caches_and_within_memory() {
        const MIB: u64 = 1 << 20;
        let gib = |count: u64| Some(count << 30);
        assert_eq!(array_size(Some(105 * MIB), gib(32)), (420 * MIB, None));
        assert_eq!(array_size(Some(2 * MIB), gib(32)), (256 * MIB, None));
        assert_eq!(array_size(None, None), (256 * MIB, None));
        assert_eq!(array_size(Some(u64::MAX / 2), gib(999)).0, 8192 * MIB);
        let (bytes, note) = array_size(Some(105 * MIB), Some(400 * MIB));
        assert_eq!(bytes, 100 * MIB);
        assert!(note.unwrap().contains("100 MiB"));
    }

    #[test]
    fn no_room_at_all_is_measured_all_the_same() {
        let (found, _) = measure(Some(0), Duration::ZERO);
        assert!(found.read > 0.0 && found.triad > 0.0);
        assert_eq!(found.array_bytes, 12 * rayon::current_num_threads() as u64);
    }
}
