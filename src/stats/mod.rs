//! Statistics, each under the name of its formula.

pub mod bootstrap;
pub mod mcnemar;
pub mod order;
pub mod paired;
pub mod steady;
mod student;
pub mod trend;

/// The probability with which an interval of repeated experiments holds the true value.
pub const CONFIDENCE: f64 = 0.95;

/// The 0.975 quantile of the standard normal distribution, for intervals of [`CONFIDENCE`].
const NORMAL_QUANTILE: f64 = 1.959_963_984_540_054;

/// A range from `lower` up to `upper`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Interval {
    /// Its lower end.
    pub lower: f64,
    /// Its upper end.
    pub upper: f64,
}

/// The `q`-quantile (`q` from 0 to 1) of ascending values; nothing where there are none.
///
/// NumPy's default, `linear` (Hyndman and Fan's type 7): the value at place
/// `q * (n - 1)`, counted from 0, on straight lines between neighbours.
pub fn quantile_linear(sorted: &[f64], q: f64) -> Option<f64> {
    let last = sorted.len().checked_sub(1)?;
    let place = q * last as f64;
    #[allow(clippy::cast_sign_loss)] // a quantile is not below 0
    let below = (place.floor() as usize).min(last);
    let (low, high) = (sorted[below], sorted[(below + 1).min(last)]);
    let weight = place - below as f64;
    // From the nearer neighbour, as NumPy does: the ends are met exactly.
    Some(if weight < 0.5 {
        low + (high - low) * weight
    } else {
        high - (high - low) * (1.0 - weight)
    })
}

/// The standard deviation of a sample (divided by n - 1); nothing below two values.
pub fn sample_standard_deviation(values: &[f64]) -> Option<f64> {
    if values.len() < 2 {
        return None;
    }
    let mean = values.iter().sum::<f64>() / values.len() as f64;
    let squares: f64 = values.iter().map(|value| (value - mean).powi(2)).sum();
    Some((squares / (values.len() - 1) as f64).sqrt())
}

/// Wilson's score interval of a share of `successes` in `n` trials, at [`CONFIDENCE`],
/// without continuity correction; nothing where `n` is 0.
pub fn wilson_interval(successes: f64, n: usize) -> Option<Interval> {
    if n == 0 {
        return None;
    }
    let n = n as f64;
    let share = successes / n;
    let squared = NORMAL_QUANTILE * NORMAL_QUANTILE;
    let scale = 1.0 / (1.0 + squared / n);
    let centre = scale * (share + squared / (2.0 * n));
    let variance = share * (1.0 - share) / n + squared / (4.0 * n * n);
    let half = scale * NORMAL_QUANTILE * variance.sqrt();
    Some(Interval {
        lower: (centre - half).max(0.0),
        upper: (centre + half).min(1.0),
    })
}
