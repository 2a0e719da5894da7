//! The accuracy that a cell must reach.

use serde::Serialize;

use crate::record::wire::WireAccuracy;

/// How far a figure may be from the expected one where the suite does not say, in points: half of
/// the last digit of figures with two decimals, and as much again for their sums.
pub const DEFAULT_TOLERANCE: f64 = 0.01;

/// What EM and F1 must be, in percent.
///
/// An expected figure is missed on either side: one far above what was published is as suspicious
/// as one below. A floor is missed from below alone.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Expected {
    /// Exact match, within the tolerance.
    pub exact_match: Option<f64>,
    /// F1, within the tolerance.
    pub f1: Option<f64>,
    /// The least exact match.
    pub at_least_exact_match: Option<f64>,
    /// The least F1.
    pub at_least_f1: Option<f64>,
    /// How far from the expected figures is still as expected, in points.
    pub tolerance: f64,
}

impl Expected {
    /// What is missed, in one line; nothing where all is as expected.
    pub fn check(&self, accuracy: &WireAccuracy) -> Option<String> {
        let figures = [
            (
                "EM",
                accuracy.exact_match,
                self.exact_match,
                self.at_least_exact_match,
            ),
            ("F1", accuracy.f1, self.f1, self.at_least_f1),
        ];
        let misses = figures
            .into_iter()
            .flat_map(|(name, figure, expected, floor)| {
                [
                    self.unexpected(name, figure, expected),
                    below(name, figure, floor),
                ]
            });
        let misses: Vec<String> = misses.flatten().collect();
        (!misses.is_empty()).then(|| misses.join("; "))
    }

    fn unexpected(&self, name: &str, figure: f64, expected: Option<f64>) -> Option<String> {
        let expected = expected?;
        let distance = figure - expected;
        // Figures of two decimals differ by 0.010000000000005 where they differ by 0.01.
        let is_expected = distance.abs() <= self.tolerance + 1e-9;
        (!is_expected).then(|| {
            format!(
                "{name} is {figure:.4} %, and {expected} ± {} was expected ({distance:+.4})",
                self.tolerance
            )
        })
    }
}

fn below(name: &str, figure: f64, floor: Option<f64>) -> Option<String> {
    let floor = floor?;
    // A figure that is no number is not above either.
    let is_reached = figure >= floor - 1e-9;
    (!is_reached).then(|| format!("{name} is {figure:.4} %, and at least {floor} was expected"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn accuracy(exact_match: f64, f1: f64) -> WireAccuracy {
        WireAccuracy {
            exact_match,
            f1,
            total: 100,
            more: serde_json::Map::new(),
        }
    }

    #[test]
    fn figures_are_missed_on_both_sides_and_floors_from_below() {
        let expected = Expected {
            exact_match: Some(80.8),
            f1: Some(88.5),
            tolerance: 0.1,
            ..Expected::default()
        };
        for (exact_match, f1, missed) in [
            (80.8, 88.5, &[][..]),
            (80.9, 88.4, &[]),
            (80.91, 88.5, &["EM is 80.9100 %", "80.8 ± 0.1", "(+0.1100)"]),
            (80.69, 88.5, &["EM is 80.6900 %", "(-0.1100)"]),
            (0.0, 100.0, &["EM is 0.0000 %", "; F1 is 100.0000 %"]),
            (f64::NAN, 88.5, &["EM is NaN %"]),
        ] {
            let found = expected.check(&accuracy(exact_match, f1));
            assert_eq!(found.is_some(), !missed.is_empty(), "{found:?}");
            let found = found.unwrap_or_default();
            assert!(missed.iter().all(|part| found.contains(part)), "{found}");
        }
        let floors = Expected {
            at_least_exact_match: Some(50.0),
            at_least_f1: Some(89.96),
            ..Expected::default()
        };
        assert_eq!(floors.check(&accuracy(50.0, 89.96)), None);
        assert_eq!(floors.check(&accuracy(99.0, 99.0)), None);
        let missed = floors.check(&accuracy(99.0, 89.95)).unwrap();
        assert_eq!(missed, "F1 is 89.9500 %, and at least 89.96 was expected");
        assert!(floors.check(&accuracy(f64::NAN, 99.0)).is_some());
        assert_eq!(Expected::default().check(&accuracy(0.0, 0.0)), None);
    }
}
