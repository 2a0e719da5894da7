//! What the statistics promise, by seeded simulation of a shared machine.

use spanbench::random::SplitMix64;
use spanbench::stats::paired::{Comparison, Rule, Verdict, compare_paired};
use spanbench::stats::steady::mser_5;
use spanbench::stats::trend::{growth, trend};

/// Random numbers for noise.
struct Noise(SplitMix64);

impl Noise {
    /// Uniform, above 0 and up to 1.
    fn share(&mut self) -> f64 {
        ((self.0.next_u64() >> 11) + 1) as f64 / (1_u64 << 53) as f64
    }

    /// Standard normal (Box and Muller).
    fn normal(&mut self) -> f64 {
        let radius = (-2.0 * self.share().ln()).sqrt();
        radius * (std::f64::consts::TAU * self.share()).cos()
    }
}

/// Which cells neighbours slow down by 30 %.
#[derive(Clone, Copy)]
enum Spoiled {
    /// One of the two cells, in 5 % of rounds.
    OneOfRound,
    /// Each cell with 5 %, whatever happens to the other.
    Any,
}

/// Two cells in `rounds` interleaved rounds. The logarithm of each figure scatters
/// with `scatter`, on a drift of 5 % (AR(1), 0.9 from round to round) that both cells share.
fn rounds(
    noise: &mut Noise,
    rounds: usize,
    scatter: f64,
    spoiled: Spoiled,
    ratio: f64,
) -> [Vec<f64>; 2] {
    let mut drift = 0.05 * noise.normal();
    let (mut base, mut candidate) = (Vec::new(), Vec::new());
    for _ in 0..rounds {
        let hit = match spoiled {
            Spoiled::OneOfRound => {
                let (is_hit, is_base) = (noise.share() < 0.05, noise.share() < 0.5);
                [is_hit && is_base, is_hit && !is_base]
            }
            Spoiled::Any => [0, 1].map(|_| noise.share() < 0.05),
        };
        let mut cell =
            |hit: bool| (drift + scatter * noise.normal()).exp() * if hit { 1.3 } else { 1.0 };
        base.push(200.0 * cell(hit[0]));
        candidate.push(200.0 * ratio * cell(hit[1]));
        drift = 0.9 * drift + 0.05 * (1.0_f64 - 0.81).sqrt() * noise.normal();
    }
    [base, candidate]
}

/// How many of `experiments` comparisons satisfy `counts`, by the default rule.
fn share_of(
    experiments: u64,
    [n, seed]: [usize; 2],
    scatter: f64,
    spoiled: Spoiled,
    ratio: f64,
    counts: impl Fn(&Comparison) -> bool,
) -> f64 {
    let counted = (0..experiments).filter(|&number| {
        let mut noise = Noise(SplitMix64::stream(seed as u64, number));
        let [base, candidate] = rounds(&mut noise, n, scatter, spoiled, ratio);
        counts(&compare_paired(&base, &candidate, &Rule::default()).unwrap())
    });
    counted.count() as f64 / experiments as f64
}

/// At most 1 in 20, with neighbours who may spoil either cell of any round.
#[test]
fn the_same_is_hardly_ever_called_different() {
    for (n, scatter, at_most) in [
        (2, 0.03, 0.05),
        (3, 0.03, 0.05),
        (5, 0.03, 0.02),
        (5, 0.08, 0.05),
        (10, 0.01, 0.001),
        (10, 0.03, 0.005),
        (10, 0.05, 0.02),
        (10, 0.08, 0.035),
        (40, 0.08, 0.01),
    ] {
        let share = share_of(2000, [n, 1], scatter, Spoiled::Any, 1.0, |found| {
            matches!(found.verdict, Verdict::Higher | Verdict::Lower)
        });
        println!("A/A, {n} rounds, scatter {scatter}: {share}");
        assert!(share <= at_most, "{n} rounds, scatter {scatter}: {share}");
    }
}

/// At least 19 in 20 where the logarithms of ratios scatter with up to 4 %
/// and 5 % of rounds are spoiled; and with 4 % in each cell from 15 rounds on.
#[test]
fn ten_percent_are_called() {
    let half = std::f64::consts::FRAC_1_SQRT_2;
    for (n, scatter) in [(10, 0.01), (10, 0.02 * half), (10, 0.04 * half), (15, 0.04)] {
        for (ratio, called) in [(1.1, Verdict::Higher), (1.0 / 1.1, Verdict::Lower)] {
            let share = share_of(2000, [n, 2], scatter, Spoiled::OneOfRound, ratio, |found| {
                found.verdict == called
            });
            println!("{ratio:.3}, {n} rounds, scatter {scatter:.4}: {share}");
            assert!(share >= 0.95, "{n} rounds, scatter {scatter}: {share}");
        }
    }
}

/// The interval holds the ratio about as often as it says, and twice the
/// threshold is not called the same.
#[test]
fn intervals_hold_the_ratio() {
    for (n, scatter) in [(3, 0.03), (5, 0.03), (10, 0.03), (10, 0.003), (25, 0.05)] {
        let share = share_of(3000, [n, 3], scatter, Spoiled::Any, 1.04, |found| {
            let interval = found.interval.unwrap();
            interval.lower <= 1.04 && 1.04 <= interval.upper
        });
        println!("coverage, {n} rounds, scatter {scatter}: {share}");
        assert!(share >= 0.93, "{n} rounds, scatter {scatter}: {share}");
        let same = share_of(1000, [n, 4], scatter, Spoiled::Any, 1.04, |found| {
            found.verdict == Verdict::Same
        });
        assert!(same <= 0.01, "{n} rounds, scatter {scatter}: {same}");
    }
}

/// Noise is rarely called a trend, a growth or unsettled; and what is there is found.
#[test]
fn steady_series_are_left_alone() {
    let (mut trends, mut growths, mut unsettled, mut missed) = (0, 0, 0, 0);
    let experiments = 400;
    for number in 0..experiments {
        let mut noise = Noise(SplitMix64::stream(5, number));
        let values: Vec<f64> = (0..300)
            .map(|_| 20.0 * (0.05 * noise.normal()).exp())
            .collect();
        trends += u64::from(trend(&values).unwrap().p < 0.01);
        unsettled += u64::from(!mser_5(&values).unwrap().found);
        let samples: Vec<(f64, f64)> = (0_u32..)
            .zip(&values)
            .map(|(i, value)| (f64::from(i), 1e7 * value))
            .collect();
        growths += u64::from(growth(&samples, 0.0).unwrap().grows);
        // A tenth of the series is slower by 20 %.
        let warming: Vec<f64> = (0..)
            .zip(&values)
            .map(|(i, value)| value * if i < 30 { 1.2 } else { 1.0 })
            .collect();
        let found = mser_5(&warming).unwrap();
        missed += u64::from(found.truncated < 30);
    }
    println!(
        "of {experiments}: {trends} trends, {growths} growths, {unsettled} unsettled, {missed} warm-ups missed"
    );
    assert!(trends <= 12 && growths <= 8, "{trends}, {growths}");
    assert!(unsettled <= 40 && missed == 0, "{unsettled}, {missed}");
}
