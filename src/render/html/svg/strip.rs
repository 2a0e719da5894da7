//! Intervals in the rows of a table, all on the scale that its heading shows.

use super::{Scale, drawing, element, line, pixels, rectangle, words};
use crate::render::html::markup::Markup;

const WIDTH: f64 = 220.0;
const HEIGHT: f64 = 20.0;
const HEADING_HEIGHT: f64 = 30.0;

/// Where a strip's scale lies.
pub const ACROSS: (f64, f64) = (10.0, WIDTH - 10.0);

/// A figure with its interval.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Interval {
    /// The figure.
    pub value: Option<f64>,
    /// Both ends of its interval.
    pub ends: Option<(f64, f64)>,
}

/// The axis over a column of strips; its name has the unit.
pub fn axis(scale: &Scale, name: &str) -> Markup {
    let mut axis = words("name", "middle", (WIDTH / 2.0, 10.0), Markup::text(name));
    // Strips are narrow: every other tick is enough where there are many, but 0 is not left out.
    let ticks = scale.ticks();
    let stride = ticks.len().div_ceil(5).max(1);
    let first = ticks
        .iter()
        .position(|tick| tick.value == 0.0)
        .unwrap_or_default()
        % stride;
    for tick in ticks.iter().skip(first).step_by(stride) {
        axis.push(line(
            "axis",
            (tick.at, HEADING_HEIGHT - 4.0),
            (tick.at, HEADING_HEIGHT),
        ));
        let place = (tick.at, HEADING_HEIGHT - 6.0);
        axis.push(words("tick", "middle", place, Markup::text(&tick.label)));
    }
    drawing("strip", (WIDTH, HEADING_HEIGHT), name, "", axis)
}

/// One row's interval. `reference` is drawn across as a line, `band` as an area behind all; a
/// figure or an interval that goes beyond the scale ends in an arrow.
pub fn strip(
    scale: &Scale,
    interval: Interval,
    reference: f64,
    band: Option<(f64, f64)>,
    class: &str,
    says: &str,
) -> Markup {
    let middle = HEIGHT / 2.0;
    let mut content = Markup::new();
    if let Some((Some(a), Some(b))) = band.map(|(a, b)| (scale.at(a), scale.at(b))) {
        content.push(rectangle("band", (a, 0.0), (b, HEIGHT)));
    }
    if let Some(at) = scale.at(reference) {
        content.push(line("reference", (at, 0.0), (at, HEIGHT)));
    }
    if let Some((low, high)) = interval.ends
        && let (Some(a), Some(b)) = (scale.at(low), scale.at(high))
    {
        content.push(line(&format!("interval {class}"), (a, middle), (b, middle)));
        for (end, at, inwards) in [(low, a, 4.0), (high, b, -4.0)] {
            if scale.is_beyond(end) {
                content.push(arrow(class, at, inwards, middle));
            } else {
                let (top, bottom) = (middle - 3.0, middle + 3.0);
                content.push(line(&format!("interval {class}"), (at, top), (at, bottom)));
            }
        }
    }
    if let Some((value, at)) = interval
        .value
        .and_then(|value| Some((value, scale.at(value)?)))
    {
        if scale.is_beyond(value) {
            let inwards = if at > middle_of(ACROSS) { -6.0 } else { 6.0 };
            content.push(arrow(class, at, inwards, middle));
        } else {
            let [x, y] = [at, middle].map(pixels);
            let class = format!("dot {class}");
            let dot = [
                ("class", class.as_str()),
                ("cx", &x),
                ("cy", &y),
                ("r", "4"),
            ];
            content.push(element("circle", &dot, Markup::new()));
        }
    }
    drawing("strip", (WIDTH, HEIGHT), says, "", content)
}

fn middle_of((start, end): (f64, f64)) -> f64 {
    f64::midpoint(start, end)
}

fn arrow(class: &str, at: f64, inwards: f64, middle: f64) -> Markup {
    let tail = at + inwards;
    let points = [(tail, middle - 4.0), (at, middle), (tail, middle + 4.0)].map(Some);
    super::curve(&format!("interval {class}"), &points)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strips_hold_no_figure_that_is_none() {
        let scale = Scale::linear([0.0, 1.0], ACROSS);
        for value in [None, Some(f64::NAN), Some(0.5), Some(9.0)] {
            for ends in [
                None,
                Some((f64::NAN, 1.0)),
                Some((0.2, 0.7)),
                Some((-5.0, f64::INFINITY)),
            ] {
                let strip = strip(
                    &scale,
                    Interval { value, ends },
                    f64::NAN,
                    Some((0.0, 0.1)),
                    "",
                    "says",
                );
                assert!(!strip.as_str().contains("NaN") && !strip.as_str().contains("inf\""));
                let is_on_scale = value == Some(0.5);
                assert_eq!(strip.as_str().contains("circle"), is_on_scale);
            }
        }
    }
}
