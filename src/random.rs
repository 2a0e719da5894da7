//! Random numbers that are the same on every machine: a seed is part of a record.

/// What is added to the state from one number to the next: 2^64 by the golden ratio, made odd.
const STEP: u64 = 0x9e37_79b9_7f4a_7c15;

/// `SplitMix64` (Steele, Lea and Flood, 2014): the `index`-th number of the sequence of `seed`.
pub fn split_mix(seed: u64, index: u64) -> u64 {
    scramble(seed.wrapping_add(index.wrapping_add(1).wrapping_mul(STEP)))
}

fn scramble(mut z: u64) -> u64 {
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// The sequence of a seed, number by number; see [`split_mix`].
#[derive(Debug, Clone)]
pub struct SplitMix64 {
    state: u64,
}

impl SplitMix64 {
    /// The sequence of `seed`.
    pub fn new(seed: u64) -> Self {
        Self { state: seed }
    }

    /// One of many sequences of `seed`, for work that is divided among threads:
    /// what is drawn depends on `number` and on no other sequence.
    ///
    /// The sequences are parts of one cycle of 2^64 numbers, begun at random
    /// places: that two of 10,000 parts of 100,000 numbers meet has a
    /// probability of about one in a million.
    pub fn stream(seed: u64, number: u64) -> Self {
        Self::new(split_mix(seed, number))
    }

    /// The next number.
    #[inline]
    pub fn next_u64(&mut self) -> u64 {
        self.state = self.state.wrapping_add(STEP);
        scramble(self.state)
    }

    /// A number below `bound`, each with exactly the same probability.
    ///
    /// Source: Lemire, "Fast Random Integer Generation in an Interval" (2019), algorithm 5.
    ///
    /// # Panics
    ///
    /// Panics where `bound` is 0: no number is below it.
    #[inline]
    pub fn below(&mut self, bound: u64) -> u64 {
        assert!(bound > 0, "no number is below 0");
        let mut product = u128::from(self.next_u64()) * u128::from(bound);
        if (product as u64) < bound {
            // 2^64 mod bound of the 2^64 numbers are too many for equal shares.
            let surplus = bound.wrapping_neg() % bound;
            while (product as u64) < surplus {
                product = u128::from(self.next_u64()) * u128::from(bound);
            }
        }
        (product >> 64) as u64
    }

    /// Puts `items` into an order in which every order is as likely (Fisher and Yates).
    pub fn shuffle<T>(&mut self, items: &mut [T]) {
        for last in (1..items.len()).rev() {
            items.swap(last, self.below(last as u64 + 1) as usize);
        }
    }
}

/// Numbers in -1 to 1, for tests.
#[cfg(test)]
pub(crate) fn noise(seed: u64, count: usize) -> Vec<f32> {
    let numbers = (0..count as u64).map(|at| split_mix(seed, at) >> 40);
    numbers
        .map(|bits| bits as f32 / 8_388_608.0 - 1.0)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The first numbers of `java.util.SplittableRandom` and of Vigna's `splitmix64.c`.
    #[test]
    fn numbers_are_the_papers() {
        let mut numbers = SplitMix64::new(0);
        for expected in [
            0xe220_a839_7b1d_cdaf,
            0x6e78_9e6a_a1b9_65f4,
            0x06c4_5d18_8009_454f,
        ] {
            assert_eq!(numbers.next_u64(), expected);
        }
        let mut numbers = SplitMix64::new(1_234_567);
        for index in 0..5 {
            assert_eq!(numbers.next_u64(), split_mix(1_234_567, index));
        }
        assert_eq!(split_mix(1_234_567, 0), 6_457_827_717_110_365_317);
    }

    /// With this bound a product that is not drawn again gives multiples of three half of the time.
    #[test]
    fn draws_are_unbiased_where_the_bound_is_large() {
        let mut numbers = SplitMix64::new(1);
        let bound = 3 << 62;
        let draws = 30_000;
        let multiples = (0..draws).filter(|_| numbers.below(bound).is_multiple_of(3));
        let multiples = multiples.count();
        // Five standard deviations.
        assert!(multiples.abs_diff(draws / 3) < 410, "{multiples}");
    }

    #[test]
    fn small_draws_are_even() {
        let mut numbers = SplitMix64::stream(3, 4);
        let mut counts = [0_u32; 7];
        for _ in 0..70_000 {
            counts[numbers.below(7) as usize] += 1;
        }
        let squares = counts.map(|count| (f64::from(count) - 1e4).powi(2) / 1e4);
        // The 0.999 quantile of chi-square with 6 degrees of freedom.
        assert!(squares.iter().sum::<f64>() < 22.46, "{counts:?}");
    }

    #[test]
    fn every_order_comes_as_often() {
        let mut numbers = SplitMix64::new(9);
        let mut counts = std::collections::HashMap::new();
        for _ in 0..24_000 {
            let mut items = [0, 1, 2, 3];
            numbers.shuffle(&mut items);
            *counts.entry(items).or_insert(0_u32) += 1;
        }
        assert_eq!(counts.len(), 24);
        let squares = counts
            .values()
            .map(|&count| (f64::from(count) - 1e3).powi(2) / 1e3);
        // The 0.999 quantile of chi-square with 23 degrees of freedom.
        assert!(squares.sum::<f64>() < 49.73, "{counts:?}");
    }
}
