//! Ranks with intervals, by a paired bootstrap.

use rayon::prelude::*;

use crate::random::SplitMix64;

/// Sums that differ by less are taken for equal: floating-point addition of the same
/// scores in another order differs in the last digits.
const RESOLUTION: f64 = 1e-9;

/// A model's rank: 1 is the best.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rank {
    /// Of the sums of all units.
    pub rank: usize,
    /// The 0.025 and 0.975 quantiles of the ranks in the resamples; absent below two units and
    /// without resamples.
    pub interval: Option<[usize; 2]>,
}

/// Ranks the models by the sum of their scores, and again in each resample of the units.
///
/// `sums` has a row a unit (a question, or all questions of a passage): the sum of each model's
/// scores in it. A resample draws as many units as there are, each with equal probability and put
/// back, and the same units for all models. A model's rank is 1 and the number of models
/// with a higher sum, so that equal ones share the better rank. Quantiles are the smallest rank that
/// at least that share of the resamples does not exceed: a rank is a whole number.
/// Each resample has a random sequence of its own: the number of threads changes nothing.
///
/// The cost is `resamples` times units times models additions: 10,000 resamples of
/// 10,000 questions for 100 models took 5 seconds on two busy cores, of 2,000 passages 1 second.
///
/// Source: Goldstein and Spiegelhalter, "League Tables and Their Limitations"
/// (1996), for ranks with intervals; Hall and Miller, "Using the bootstrap to quantify the
/// authority of an empirical ranking" (2009); `scipy.stats.rankdata(method="min")`,
/// `numpy.quantile(method="inverted_cdf")`.
///
/// # Panics
///
/// Panics where rows differ in length.
pub fn ranks(sums: &[Vec<f64>], resamples: usize, seed: u64) -> Vec<Rank> {
    let models = sums.first().map_or(0, Vec::len);
    assert!(sums.iter().all(|row| row.len() == models), "ragged rows");
    let mut total = vec![0.0; models];
    for row in sums {
        add(&mut total, row);
    }
    let mut observed = vec![0; models];
    rank_into(&mut total, &mut Vec::new(), |model, rank| {
        observed[model] = rank;
    });
    let counts = (sums.len() >= 2 && resamples > 0 && models > 0)
        .then(|| rank_counts(sums, models, resamples, seed));
    let interval = |model: usize| {
        let counts = &counts.as_ref()?[model * models..][..models];
        Some([0.025, 0.975].map(|share| quantile(counts, resamples, share)))
    };
    let of = |(model, rank)| Rank {
        rank,
        interval: interval(model),
    };
    observed.into_iter().enumerate().map(of).collect()
}

/// How often each model had each rank: a row a model, a column a rank.
fn rank_counts(sums: &[Vec<f64>], models: usize, resamples: usize, seed: u64) -> Vec<u32> {
    let flat: Vec<f64> = sums.concat();
    let units = sums.len() as u64;
    let none = || vec![0_u32; models * models];
    (0..resamples as u64)
        .into_par_iter()
        .fold(
            || (none(), vec![0.0; sums.len()], vec![0.0; models], Vec::new()),
            |(mut counts, mut times, mut total, mut order), number| {
                let mut numbers = SplitMix64::stream(seed, number);
                times.fill(0.0);
                for _ in 0..units {
                    times[numbers.below(units) as usize] += 1.0;
                }
                // In the order in which they lie in memory; a third of the units is not drawn.
                total.fill(0.0);
                for (row, times) in flat.chunks_exact(models).zip(&times) {
                    if *times > 0.0 {
                        let sums = total.iter_mut().zip(row);
                        sums.for_each(|(total, value)| *total += times * value);
                    }
                }
                rank_into(&mut total, &mut order, |model, rank| {
                    counts[model * models + rank - 1] += 1;
                });
                (counts, times, total, order)
            },
        )
        .map(|(counts, ..)| counts)
        .reduce(none, |mut a, b| {
            a.iter_mut().zip(b).for_each(|(a, b)| *a += b);
            a
        })
}

fn add(total: &mut [f64], row: &[f64]) {
    for (total, value) in total.iter_mut().zip(row) {
        *total += value;
    }
}

/// Tells each model's rank; `order` is room to work in.
fn rank_into(total: &mut [f64], order: &mut Vec<usize>, mut tell: impl FnMut(usize, usize)) {
    for sum in total.iter_mut() {
        *sum = (*sum / RESOLUTION).round();
    }
    order.clear();
    order.extend(0..total.len());
    order.sort_unstable_by(|&a, &b| total[b].total_cmp(&total[a]));
    let mut rank = 1;
    for (place, &model) in order.iter().enumerate() {
        if place > 0 && total[order[place - 1]] != total[model] {
            rank = place + 1;
        }
        tell(model, rank);
    }
}

/// The smallest rank that at least `share` of the resamples does not exceed.
fn quantile(counts: &[u32], resamples: usize, share: f64) -> usize {
    let wanted = share * resamples as f64;
    let mut seen = 0.0;
    for (place, count) in counts.iter().enumerate() {
        seen += f64::from(*count);
        if seen >= wanted && seen > 0.0 {
            return place + 1;
        }
    }
    counts.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_models_share_the_better_rank_in_every_resample() {
        let scores = [0.1, 0.2, 0.3, 1.0, 0.7, 2.0 / 3.0];
        let sums: Vec<Vec<f64>> = scores.iter().map(|&s| vec![s, s, s / 2.0]).collect();
        for (found, rank) in ranks(&sums, 500, 1).into_iter().zip([1, 1, 3]) {
            let interval = Some([rank, rank]);
            assert_eq!(found, Rank { rank, interval });
        }
    }

    #[test]
    fn sums_that_differ_by_rounding_are_equal() {
        // 0.1 + 0.2 is not 0.3 in floating point.
        let sums = [vec![0.1, 0.3], vec![0.2, 0.0]];
        let found: Vec<usize> = ranks(&sums, 0, 0).iter().map(|rank| rank.rank).collect();
        assert_eq!(found, [1, 1]);
    }

    #[test]
    fn there_are_no_intervals_of_nothing() {
        assert!(ranks(&[], 10, 0).is_empty());
        let one = ranks(&[vec![0.5, 1.0]], 10, 0);
        assert_eq!((one[0].rank, one[1].rank), (2, 1));
        assert!(one.iter().all(|rank| rank.interval.is_none()));
        let infinite = ranks(&[vec![f64::INFINITY, 1.0], vec![f64::NAN, 1.0]], 10, 0);
        assert_eq!(infinite.len(), 2);
    }
}
