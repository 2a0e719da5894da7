//! Pareto fronts of two figures.

use std::cmp::Ordering;

/// Where a point stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// No point is at least as good in both figures and better in one.
    Front,
    /// That point of the front is.
    DominatedBy(usize),
    /// It has no place: a figure is missing or not a number.
    Unknown,
}

/// Where each of `points` stands; of both figures more is better. Equal points stand alike.
///
/// The point that is named as dominating has the most of the second figure
/// among those that have at least as much of the first.
///
/// Source: the sweep of Kung, Luccio and Preparata, "On Finding the Maxima of
/// a Set of Vectors" (1975), for two dimensions.
pub fn standings(points: &[Option<[f64; 2]>]) -> Vec<Standing> {
    let known = |point: &Option<[f64; 2]>| point.filter(|p| p.iter().all(|v| !v.is_nan()));
    let mut order: Vec<(usize, [f64; 2])> = points
        .iter()
        .enumerate()
        .filter_map(|(index, point)| Some((index, known(point)?)))
        .collect();
    let falling = |a: f64, b: f64| b.partial_cmp(&a).unwrap_or(Ordering::Equal);
    order.sort_by(|(_, a), (_, b)| falling(a[0], b[0]).then(falling(a[1], b[1])));
    let mut standings = vec![Standing::Unknown; points.len()];
    // The point of the front with the most of the second figure so far.
    let mut leader: Option<(usize, [f64; 2])> = None;
    for (index, point) in order {
        standings[index] = match leader {
            Some((by, best)) if best[1] >= point[1] && best != point => Standing::DominatedBy(by),
            Some((_, best)) if best == point => Standing::Front,
            _ => {
                leader = Some((index, point));
                Standing::Front
            }
        };
    }
    standings
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::SplitMix64;

    /// The definition, in O(n²).
    fn dominates(a: [f64; 2], b: [f64; 2]) -> bool {
        a[0] >= b[0] && a[1] >= b[1] && (a[0] > b[0] || a[1] > b[1])
    }

    #[test]
    fn standings_are_those_of_the_definition() {
        let mut numbers = SplitMix64::new(6);
        for round in 0..3000_u64 {
            let count = numbers.below(12) as usize;
            // Few different values, so that there are ties; sometimes infinite ones.
            let grid = 2 + round % 9;
            let mut value = || match numbers.below(40) {
                0 => f64::INFINITY,
                1 => f64::NEG_INFINITY,
                2 => -0.0,
                3 => f64::NAN,
                _ => numbers.below(grid) as f64,
            };
            let points: Vec<Option<[f64; 2]>> = (0..count)
                .map(|index| (index % 7 != 6).then(|| [value(), value()]))
                .collect();
            let found = standings(&points);
            let number = |p: &Option<[f64; 2]>| p.filter(|p| !p[0].is_nan() && !p[1].is_nan());
            for (point, standing) in points.iter().zip(&found) {
                let Some(point) = number(point) else {
                    assert_eq!(*standing, Standing::Unknown);
                    continue;
                };
                let others = || points.iter().filter_map(number);
                let dominated = others().any(|other| dominates(other, point));
                match *standing {
                    Standing::Front => assert!(!dominated, "{points:?}"),
                    Standing::DominatedBy(by) => {
                        assert!(dominates(points[by].unwrap(), point), "{points:?}");
                        assert_eq!(found[by], Standing::Front, "{points:?}");
                    }
                    Standing::Unknown => panic!("{points:?}"),
                }
            }
        }
    }

    #[test]
    fn equal_points_stand_alike() {
        let points = [Some([1.0, 2.0]), None, Some([1.0, 2.0]), Some([1.0, 1.0])];
        let expected = [
            Standing::Front,
            Standing::Unknown,
            Standing::Front,
            Standing::DominatedBy(0),
        ];
        assert_eq!(standings(&points), expected);
        assert!(standings(&[]).is_empty());
    }
}
