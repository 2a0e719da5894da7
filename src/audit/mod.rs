//! Whether published figures reproduce under the protocol they were published with, and under
//! which other protocol they do. Nothing is run here: figures in, verdict out.
//!
//! - [`claim`]: what was published, of what, and how it was come by, as far as that is known;
//! - [`protocols`]: the protocols to try, the likeliest first;
//! - [`wire`]: what came of them, as JSON.

pub mod claim;
pub mod protocols;
pub mod wire;

use serde::{Deserialize, Serialize};

pub use claim::{Claim, ClaimError, Given};
pub use protocols::{Answering, Data, NullThreshold, Published, Run, Scoring, runs};
pub use wire::{WireAudit, WireTrial};

/// How far a figure may be from the published one, in points, where nobody says.
///
/// Published figures are rounded to one decimal at the coarsest, which is 0.05 points. As much
/// again is 5 of SQuAD 1.1's 10,570 questions: what a tokeniser's, library's or processor's other
/// rounding turns over. The protocols tried here differ by more where they differ at all.
pub const DEFAULT_TOLERANCE: f64 = 0.1;

/// Differences of decimal fractions are off by as much: 43.1 less 43.0 is 0.10000000000000142.
const ROUNDING: f64 = 1e-9;

/// Exact match and F1 over all questions, in percent.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Figures {
    /// Exact match.
    pub exact_match: f64,
    /// Token F1.
    pub f1: f64,
}

/// Figures as published, in percent: one may be missing.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct PublishedFigures {
    /// Exact match.
    pub exact_match: Option<f64>,
    /// Token F1.
    pub f1: Option<f64>,
}

impl PublishedFigures {
    /// Measured less published, in points: exact match and F1.
    pub fn differences(&self, found: Figures) -> [Option<f64>; 2] {
        [
            self.exact_match.map(|value| found.exact_match - value),
            self.f1.map(|value| found.f1 - value),
        ]
    }

    /// The larger of the differences, without its sign, in points; infinite where nothing was
    /// published or a figure is no number.
    pub fn distance(&self, found: Figures) -> f64 {
        let differences = self.differences(found).into_iter().flatten();
        let distances = differences.map(|difference| match difference.abs() {
            distance if distance.is_nan() => f64::INFINITY,
            distance => distance,
        });
        distances.reduce(f64::max).unwrap_or(f64::INFINITY)
    }

    /// Whether no published figure is further away than `tolerance` points.
    pub fn are_reproduced(&self, found: Figures, tolerance: f64) -> bool {
        self.distance(found) <= tolerance + ROUNDING
    }
}

/// What an audit comes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Verdict {
    /// Whether the figures reproduce, and how.
    pub outcome: Outcome,
    /// The number of the protocol, from 0, that reproduces them or comes nearest; absent where no
    /// protocol could be run.
    pub protocol: Option<usize>,
}

/// Whether published figures reproduce.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// Under the protocol they were published with.
    AsPublished,
    /// Not so, but under another.
    Otherwise,
    /// Under none that was tried.
    Nowhere,
}

/// The verdict on figures found under protocols of which the first is the published one.
/// Protocols that could not be run have none.
///
/// Of several others that reproduce, the first is meant: they come in the order of likelihood.
pub fn verdict(published: &PublishedFigures, tolerance: f64, found: &[Option<Figures>]) -> Verdict {
    let reproduces = |found: &Option<Figures>| {
        found.is_some_and(|figures| published.are_reproduced(figures, tolerance))
    };
    if let Some(number) = found.iter().position(reproduces) {
        return Verdict {
            outcome: match number {
                0 => Outcome::AsPublished,
                _ => Outcome::Otherwise,
            },
            protocol: Some(number),
        };
    }
    let distances = found.iter().enumerate();
    let distances = distances.filter_map(|(number, f)| Some((number, published.distance((*f)?))));
    let nearest = distances.min_by(|(_, a), (_, b)| a.total_cmp(b));
    Verdict {
        outcome: Outcome::Nowhere,
        protocol: nearest.map(|(number, _)| number),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn figures(exact_match: f64, f1: f64) -> Figures {
        Figures { exact_match, f1 }
    }

    const PUBLISHED: PublishedFigures = PublishedFigures {
        exact_match: Some(80.9),
        f1: Some(88.2),
    };

    #[test]
    fn figures_reproduce_within_the_tolerance_on_either_side() {
        for (found, reproduced) in [
            (figures(80.9, 88.2), true),
            (figures(81.0, 88.1), true),
            (figures(80.8, 88.3), true),
            (figures(81.001, 88.2), false),
            (figures(80.9, 88.099), false),
            (figures(f64::NAN, 88.2), false),
            (figures(80.9, f64::NAN), false),
        ] {
            assert_eq!(
                PUBLISHED.are_reproduced(found, 0.1),
                reproduced,
                "{found:?}"
            );
        }
        assert!(PUBLISHED.are_reproduced(figures(80.9, 88.2), 0.0));
        assert!((PUBLISHED.distance(figures(80.4, 88.3)) - 0.5).abs() < 1e-12);
    }

    #[test]
    fn one_figure_is_enough_and_none_is_not() {
        let only_f1 = PublishedFigures {
            exact_match: None,
            ..PUBLISHED
        };
        assert!(only_f1.are_reproduced(figures(0.0, 88.2), 0.1));
        assert!(!only_f1.are_reproduced(figures(80.9, 0.0), 0.1));
        let only_exact_match = PublishedFigures {
            f1: None,
            ..PUBLISHED
        };
        assert!(only_exact_match.are_reproduced(figures(80.9, f64::NAN), 0.1));
        assert_eq!(only_exact_match.differences(figures(81.9, 1.0))[1], None);
        let none = PublishedFigures {
            exact_match: None,
            f1: None,
        };
        assert!(!none.are_reproduced(figures(80.9, 88.2), 100.0));
    }

    #[test]
    fn the_published_protocol_comes_first_and_then_the_likeliest() {
        let good = Some(figures(80.9, 88.2));
        let near = Some(figures(80.5, 88.2));
        let far = Some(figures(70.0, 80.0));
        for (found, outcome, protocol) in [
            (&[good, good][..], Outcome::AsPublished, Some(0)),
            (&[far, near, good, good], Outcome::Otherwise, Some(2)),
            (&[None, good], Outcome::Otherwise, Some(1)),
            (&[far, None, near], Outcome::Nowhere, Some(2)),
            (&[near, far], Outcome::Nowhere, Some(0)),
            (&[None], Outcome::Nowhere, None),
            (&[], Outcome::Nowhere, None),
        ] {
            let expected = Verdict { outcome, protocol };
            assert_eq!(verdict(&PUBLISHED, 0.1, found), expected, "{found:?}");
        }
    }
}
