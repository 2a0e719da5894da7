//! Whether null odds mean what they say: calibration as probabilities of "no answer".

use super::NullScale;

/// The number of bins of equal width.
pub const BINS: usize = 15;

/// The questions whose probability of "no answer" lies in one range.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Bin {
    /// The range's lower end, exclusive but for 0.
    pub above: f64,
    /// The range's upper end, inclusive.
    pub up_to: f64,
    /// Questions in it.
    pub n: usize,
    /// Their mean probability of "no answer".
    pub mean_probability: f64,
    /// The share of them that has no answer.
    pub unanswerable: f64,
}

/// Calibration of the null score.
#[derive(Debug, Clone, PartialEq)]
pub struct Calibration {
    /// Bins that hold questions, in ascending order.
    pub bins: Vec<Bin>,
    /// Expected calibration error: the mean over questions of their bin's
    /// `|mean_probability - unanswerable|`.
    pub expected_error: f64,
    /// Brier score: the mean squared difference of the probability and of 1
    /// for a question without an answer, 0 for one with.
    pub brier: f64,
}

/// The probability of "no answer" that null odds stand for, if they stand for one.
fn probability(null_odds: f64, scale: NullScale) -> Option<f64> {
    let probability = match scale {
        NullScale::LogitDifference => 1.0 / (1.0 + (-null_odds).exp()),
        NullScale::Probability => null_odds,
        NullScale::ProbabilityDifference => return None,
    };
    (0.0..=1.0).contains(&probability).then_some(probability)
}

/// Calibration over questions, each with its null odds and whether it has an answer.
///
/// Nothing where there are none, and where odds stand for no probability.
///
/// Source: Guo et al., "On Calibration of Modern Neural Networks" (2017), section 2;
/// scikit-learn's `calibration_curve` and `brier_score_loss`.
pub(super) fn calibration(
    questions: impl IntoIterator<Item = (f64, bool)>,
    scale: NullScale,
) -> Option<Calibration> {
    let edge = |index: usize| index as f64 / BINS as f64;
    let inner: Vec<f64> = (1..BINS).map(edge).collect();
    let mut n = [0_usize; BINS];
    let mut probabilities = [0.0; BINS];
    let mut unanswerable = [0_usize; BINS];
    let mut squares = 0.0;
    for (null_odds, has_answer) in questions {
        let probability = probability(null_odds, scale)?;
        let bin = inner.partition_point(|edge| *edge < probability);
        n[bin] += 1;
        probabilities[bin] += probability;
        unanswerable[bin] += usize::from(!has_answer);
        squares += (probability - f64::from(u8::from(!has_answer))).powi(2);
    }
    let total: usize = n.iter().sum();
    if total == 0 {
        return None;
    }
    let filled = (0..BINS).filter(|&bin| n[bin] > 0);
    let bins: Vec<Bin> = filled
        .map(|bin| Bin {
            above: edge(bin),
            up_to: edge(bin + 1),
            n: n[bin],
            mean_probability: probabilities[bin] / n[bin] as f64,
            unanswerable: unanswerable[bin] as f64 / n[bin] as f64,
        })
        .collect();
    let errors = bins
        .iter()
        .map(|bin| bin.n as f64 * (bin.mean_probability - bin.unanswerable).abs());
    Some(Calibration {
        expected_error: errors.sum::<f64>() / total as f64,
        brier: squares / total as f64,
        bins,
    })
}
