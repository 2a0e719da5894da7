//! How the windows of a batch are shared among threads that compute without waiting for each other.

use std::cmp::Reverse;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Tokens of a chunk at the most, where it is of more than one window: its hidden states stay in
/// the cache of a core, and each weight that is read serves all of them.
const CHUNK_TOKENS: usize = 384;

/// How much longer the busiest thread may compute than all do in the mean, before windows are
/// rather computed by all threads together.
const UNEVEN: f64 = 1.15;

/// Windows by their places in the batch.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Shares {
    /// Each to be computed by one thread, in the order in which they are to be begun.
    pub(super) alone: Vec<Vec<usize>>,
    /// To be computed by all threads together: too few to go round.
    pub(super) together: Vec<usize>,
}

/// Shares windows of `lengths` tokens among `threads`.
pub(super) fn share(lengths: &[usize], threads: usize) -> Shares {
    let mut order: Vec<usize> = (0..lengths.len()).collect();
    order.sort_by_key(|&window| Reverse(lengths[window]));
    let together = odd_ones(lengths, &mut order, threads);
    let mut remaining: usize = order.iter().map(|&window| lengths[window]).sum();
    let mut alone: Vec<Vec<usize>> = Vec::new();
    let mut room = 0;
    for window in order {
        let length = lengths[window];
        match alone.last_mut() {
            Some(chunk) if length <= room => chunk.push(window),
            _ => {
                alone.push(vec![window]);
                // Smaller and smaller towards the end, so that all threads end at nearly the same time.
                room = (remaining / (2 * threads)).min(CHUNK_TOKENS);
            }
        }
        room = room.saturating_sub(length);
        remaining -= length;
    }
    Shares { alone, together }
}

/// Takes windows out of `order`, which has the longest first, until threads that take the next
/// whenever they are free end within [`UNEVEN`] of the mean.
fn odd_ones(lengths: &[usize], order: &mut Vec<usize>, threads: usize) -> Vec<usize> {
    let mut odd = Vec::new();
    loop {
        let mut loads = vec![(0, None); threads];
        for (place, &window) in order.iter().enumerate() {
            let free = loads.iter_mut().min_by_key(|(load, _)| *load);
            let (load, last) = free.expect("OK because a pool has a thread at least");
            *load += lengths[window];
            *last = Some(place);
        }
        let total: usize = loads.iter().map(|(load, _)| load).sum();
        let busiest = loads.iter().max_by_key(|(load, _)| *load);
        let &(load, last) = busiest.expect("OK because a pool has a thread at least");
        match last {
            Some(place) if (load * threads) as f64 > UNEVEN * total as f64 => {
                odd.push(order.remove(place));
            }
            _ => return odd,
        }
    }
}

/// Calls `compute` with each number below `count`, each on one thread of the current pool, in
/// order as threads are free.
pub(super) fn for_each_alone<R: Send>(count: usize, compute: impl Fn(usize) -> R + Sync) -> Vec<R> {
    let next = AtomicUsize::new(0);
    let found = rayon::broadcast(|_| {
        let numbers = std::iter::from_fn(|| Some(next.fetch_add(1, Ordering::Relaxed)));
        let numbers = numbers.take_while(|&number| number < count);
        numbers
            .map(|number| (number, compute(number)))
            .collect::<Vec<_>>()
    });
    let mut found: Vec<(usize, R)> = found.into_iter().flatten().collect();
    found.sort_by_key(|&(number, _)| number);
    found.into_iter().map(|(_, result)| result).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tokens(lengths: &[usize], windows: &[usize]) -> usize {
        windows.iter().map(|&window| lengths[window]).sum()
    }

    #[test]
    fn every_window_is_computed_once_and_threads_end_together() {
        let mut state = 1_u64;
        for case in 0..300_usize {
            let threads = 1 + case % 17;
            let lengths: Vec<usize> = (0..case % 61)
                .map(|_| {
                    state = crate::random::split_mix(7, state);
                    1 + state as usize % 512
                })
                .collect();
            let shares = share(&lengths, threads);
            let mut windows: Vec<usize> = shares.alone.concat();
            windows.extend(&shares.together);
            windows.sort_unstable();
            assert_eq!(windows, (0..lengths.len()).collect::<Vec<_>>());
            for chunk in &shares.alone {
                assert!(chunk.len() == 1 || tokens(&lengths, chunk) <= CHUNK_TOKENS);
            }
            let mut loads = vec![0; threads];
            for chunk in &shares.alone {
                *loads.iter_mut().min().unwrap() += tokens(&lengths, chunk);
            }
            let mean = loads.iter().sum::<usize>() as f64 / threads as f64;
            let busiest = *loads.iter().max().unwrap() as f64;
            let one_more = busiest - mean <= CHUNK_TOKENS as f64;
            assert!(busiest <= 1.3 * mean || one_more, "{lengths:?}: {loads:?}");
        }
    }

    #[test]
    fn what_does_not_go_round_is_computed_together() {
        assert_eq!(share(&[100], 2).together, [0]);
        assert_eq!(share(&[100], 1).alone, [[0]]);
        assert_eq!(share(&[100, 90], 2).alone, [[0], [1]]);
        let shares = share(&[50, 100, 99], 2);
        assert_eq!(
            (shares.alone, shares.together),
            (vec![vec![1], vec![2]], vec![0])
        );
        assert_eq!(share(&[], 4), Shares::default());
    }

    #[test]
    fn results_are_in_order() {
        let pool = rayon::ThreadPoolBuilder::new()
            .num_threads(3)
            .build()
            .unwrap();
        let squares = pool.install(|| for_each_alone(50, |number| number * number));
        assert_eq!(squares, (0..50).map(|n| n * n).collect::<Vec<_>>());
    }
}
