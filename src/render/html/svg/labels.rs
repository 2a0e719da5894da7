//! Labels of points that neither cover points nor each other.

/// Height of a line of text, in pixels.
const LINE_HEIGHT: f64 = 14.0;

/// Between a point and its label, at the least.
const GAP: f64 = 7.0;

/// How far a label may stand from its point, in line heights, nearest first.
const DISTANCES: [f64; 6] = [0.0, 1.0, 2.0, 3.0, 4.5, 6.0];

/// A point that wants its name beside it.
#[derive(Debug, Clone, PartialEq)]
pub struct Label {
    /// Where the point is.
    pub at: (f64, f64),
    /// Its name.
    pub text: String,
}

/// Where a label stands.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Placed {
    /// Left end and base line.
    pub at: (f64, f64),
    /// Whether it is so far from its point that a line should lead there.
    pub is_far: bool,
    /// The end of that line at the label.
    pub hook: (f64, f64),
}

#[derive(Debug, Clone, Copy)]
struct Area {
    left: f64,
    right: f64,
    top: f64,
    bottom: f64,
}

impl Area {
    fn meets(&self, other: &Self) -> bool {
        self.left < other.right
            && other.left < self.right
            && self.top < other.bottom
            && other.top < self.bottom
    }

    fn is_inside(&self, other: &Self) -> bool {
        self.left >= other.left
            && self.right <= other.right
            && self.top >= other.top
            && self.bottom <= other.bottom
    }
}

/// Places labels within `(left, top)` to `(right, bottom)`, those first in the list first, each at
/// the free place that is nearest to its point. Nothing for those that find none.
pub fn place(
    labels: &[Label],
    (left, top): (f64, f64),
    (right, bottom): (f64, f64),
) -> Vec<Option<Placed>> {
    let page = Area {
        left,
        right,
        top,
        bottom,
    };
    let mut taken: Vec<Area> = labels.iter().map(|label| around(label.at)).collect();
    let mut places = Vec::with_capacity(labels.len());
    for label in labels {
        let found = candidates(label).into_iter().find(|(area, _)| {
            area.is_inside(&page) && !taken.iter().any(|other| other.meets(area))
        });
        taken.extend(found.map(|(area, _)| area));
        places.push(found.map(|(_, placed)| placed));
    }
    places
}

/// The mark of a point.
fn around((x, y): (f64, f64)) -> Area {
    let r = GAP - 1.5;
    Area {
        left: x - r,
        right: x + r,
        top: y - r,
        bottom: y + r,
    }
}

fn candidates(label: &Label) -> Vec<(Area, Placed)> {
    let (x, y) = label.at;
    let width = width(&label.text);
    let mut candidates = Vec::new();
    for distance in DISTANCES {
        let away = distance * LINE_HEIGHT;
        let (right, left, middle) = (x + GAP, x - GAP - width, x - width / 2.0);
        let (above, below) = (
            y - GAP - LINE_HEIGHT / 2.0 - away,
            y + GAP + LINE_HEIGHT / 2.0 + away,
        );
        let mut middles = vec![
            (right + away, y),
            (left - away, y),
            (middle, above),
            (middle, below),
        ];
        middles.extend([(right, above), (right, below), (left, above), (left, below)]);
        for (left, middle) in middles {
            let (top, bottom) = (middle - LINE_HEIGHT / 2.0, middle + LINE_HEIGHT / 2.0);
            let area = Area {
                left,
                right: left + width,
                top,
                bottom,
            };
            let placed = Placed {
                at: (left, middle + 4.0),
                is_far: distance > 0.0,
                hook: (
                    x.max(left).min(left + width),
                    if middle > y {
                        top
                    } else if middle < y {
                        bottom
                    } else {
                        y
                    },
                ),
            };
            candidates.push((area, placed));
        }
    }
    candidates
}

/// About how wide a text is in the drawing's font: wide enough for most fonts of a system.
fn width(text: &str) -> f64 {
    let widths = text
        .chars()
        .map(|c| if u32::from(c) >= 0x1100 { 13.0 } else { 7.0 });
    widths.sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn label(x: f64, y: f64) -> Label {
        Label {
            at: (x, y),
            text: "a model".to_owned(),
        }
    }

    #[test]
    fn labels_stand_apart() {
        let labels: Vec<Label> = (0..8)
            .map(|n| label(150.0 + f64::from(n), 100.0 + f64::from(n % 3)))
            .collect();
        let places = place(&labels, (0.0, 0.0), (400.0, 250.0));
        let areas: Vec<Area> = places
            .iter()
            .flatten()
            .map(|placed| Area {
                left: placed.at.0,
                right: placed.at.0 + width("a model"),
                top: placed.at.1 - 4.0 - LINE_HEIGHT / 2.0,
                bottom: placed.at.1 - 4.0 + LINE_HEIGHT / 2.0,
            })
            .collect();
        assert_eq!(areas.len(), 8);
        for (n, area) in areas.iter().enumerate() {
            assert!(
                areas[n + 1..].iter().all(|other| !other.meets(area)),
                "{areas:?}"
            );
            assert!(labels.iter().all(|label| !around(label.at).meets(area)));
        }
        assert!(!places[0].unwrap().is_far && places.iter().flatten().any(|placed| placed.is_far));
    }

    #[test]
    fn labels_without_room_are_left_out() {
        assert_eq!(place(&[label(5.0, 5.0)], (0.0, 0.0), (30.0, 30.0)), [None]);
        assert_eq!(place(&[], (0.0, 0.0), (30.0, 30.0)), []);
        let nowhere = label(f64::NAN, f64::INFINITY);
        assert_eq!(place(&[nowhere], (0.0, 0.0), (300.0, 300.0)), [None]);
    }
}
