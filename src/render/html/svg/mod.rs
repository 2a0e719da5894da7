//! Drawings as inline SVG: axes, paths, markers. Colours and fonts are the page's style sheet's;
//! places are pixels of the drawing, which the page scales.

mod labels;
mod scale;
pub mod strip;

pub use labels::{Label, place};
pub use scale::{Scale, Tick};

use super::markup::{Markup, element};

/// Series that have a colour of their own in the style sheet.
const COLOURS: usize = 7;

/// Where the data of a drawing lie, in pixels from its upper left corner.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Frame {
    /// Left end.
    pub left: f64,
    /// Right end.
    pub right: f64,
    /// Upper end.
    pub top: f64,
    /// Lower end.
    pub bottom: f64,
}

impl Frame {
    /// From left to right, for a scale.
    pub fn across(&self) -> (f64, f64) {
        (self.left, self.right)
    }

    /// From the lower to the upper end, for a scale.
    pub fn upwards(&self) -> (f64, f64) {
        (self.bottom, self.top)
    }
}

/// A number of pixels as it is written; the tenth of a pixel is precise enough.
pub fn pixels(value: f64) -> String {
    let text = format!("{value:.1}");
    let text = text.strip_suffix(".0").unwrap_or(&text);
    if text == "-0" {
        "0".to_owned()
    } else {
        text.to_owned()
    }
}

/// A drawing with its name and what it shows in words.
pub fn drawing(
    class: &str,
    (width, height): (f64, f64),
    title: &str,
    description: &str,
    content: Markup,
) -> Markup {
    let view = format!("0 0 {} {}", pixels(width), pixels(height));
    let attributes = [
        ("class", class),
        ("viewBox", view.as_str()),
        ("width", &pixels(width)),
        ("height", &pixels(height)),
        ("role", "img"),
    ];
    let mut inside = element("title", &[], Markup::text(title));
    if !description.is_empty() {
        inside.push(element("desc", &[], Markup::text(description)));
    }
    element("svg", &attributes, inside.and(content))
}

/// A straight line.
pub fn line(class: &str, from: (f64, f64), to: (f64, f64)) -> Markup {
    let [x1, y1, x2, y2] = [from.0, from.1, to.0, to.1].map(pixels);
    let attributes = [
        ("class", class),
        ("x1", &x1),
        ("y1", &y1),
        ("x2", &x2),
        ("y2", &y2),
    ];
    element("line", &attributes, Markup::new())
}

/// A rectangle between two corners.
pub fn rectangle(class: &str, a: (f64, f64), b: (f64, f64)) -> Markup {
    let (x, y) = (a.0.min(b.0), a.1.min(b.1));
    let [x, y, width, height] = [x, y, (a.0 - b.0).abs(), (a.1 - b.1).abs()].map(pixels);
    let attributes = [
        ("class", class),
        ("x", &x),
        ("y", &y),
        ("width", &width),
        ("height", &height),
    ];
    element("rect", &attributes, Markup::new())
}

/// Words at a place; `anchor` is `start`, `middle` or `end`.
pub fn words(class: &str, anchor: &str, (x, y): (f64, f64), content: Markup) -> Markup {
    let [x, y] = [x, y].map(pixels);
    let attributes = [
        ("class", class),
        ("text-anchor", anchor),
        ("x", &x),
        ("y", &y),
    ];
    element("text", &attributes, content)
}

/// The mark of a series at a place: another shape for each of four, beside the colour. What it
/// stands for shows when a pointer rests on it.
pub fn marker(series: usize, is_hollow: bool, (x, y): (f64, f64), means: &str) -> Markup {
    let r = 4.5;
    let corners = match series % 4 {
        0 => {
            let steps = (0..16).map(|n| f64::from(n) * std::f64::consts::TAU / 16.0);
            steps
                .map(|angle| (x + r * angle.cos(), y + r * angle.sin()))
                .collect()
        }
        1 => vec![
            (x - r, y - r),
            (x + r, y - r),
            (x + r, y + r),
            (x - r, y + r),
        ],
        2 => vec![(x, y - 1.3 * r), (x + 1.2 * r, y + r), (x - 1.2 * r, y + r)],
        _ => vec![
            (x, y - 1.4 * r),
            (x + 1.4 * r, y),
            (x, y + 1.4 * r),
            (x - 1.4 * r, y),
        ],
    };
    let hollow = if is_hollow { " hollow" } else { "" };
    let class = format!("mark {}{hollow}", series_class(series));
    let points: Vec<_> = corners.into_iter().map(Some).collect();
    let shape = path_data(&points) + "Z";
    let title = if means.is_empty() {
        Markup::new()
    } else {
        element("title", &[], Markup::text(means))
    };
    element("path", &[("class", &class), ("d", &shape)], title)
}

/// The classes of a series: its colour, and for those beyond the colours how its line is broken.
pub fn series_class(series: usize) -> String {
    format!("s{} d{}", series % COLOURS, (series / COLOURS) % 4)
}

/// A line through points; where one is missing the line is broken.
pub fn curve(class: &str, points: &[Option<(f64, f64)>]) -> Markup {
    let shape = path_data(points);
    if shape.is_empty() {
        return Markup::new();
    }
    element("path", &[("class", class), ("d", &shape)], Markup::new())
}

fn path_data(points: &[Option<(f64, f64)>]) -> String {
    let mut data = String::new();
    let mut is_drawing = false;
    for point in points {
        let finite = point.filter(|(x, y)| x.is_finite() && y.is_finite());
        let Some((x, y)) = finite else {
            is_drawing = false;
            continue;
        };
        data += if is_drawing { "L" } else { "M" };
        data += &format!("{} {}", pixels(x), pixels(y));
        is_drawing = true;
    }
    data
}

/// The axis below a frame, with lines up through the frame, and its name, which has the unit.
pub fn bottom_axis(frame: &Frame, scale: &Scale, name: &str) -> Markup {
    let mut axis = Markup::new();
    for Tick { at, label, .. } in scale.ticks() {
        axis.push(line("grid", (at, frame.top), (at, frame.bottom)));
        let place = (at, frame.bottom + 16.0);
        axis.push(words("tick", "middle", place, Markup::text(label)));
    }
    axis.push(line(
        "axis",
        (frame.left, frame.bottom),
        (frame.right, frame.bottom),
    ));
    let middle = f64::midpoint(frame.left, frame.right);
    let place = (middle, frame.bottom + 34.0);
    axis.and(words("name", "middle", place, Markup::text(name)))
}

/// The axis to the left of a frame, with lines across it; its name stands above it, to be read
/// without turning one's head.
pub fn left_axis(frame: &Frame, scale: &Scale, name: &str) -> Markup {
    let mut axis = Markup::new();
    for Tick { at, label, .. } in scale.ticks() {
        axis.push(line("grid", (frame.left, at), (frame.right, at)));
        let place = (frame.left - 6.0, at + 4.0);
        axis.push(words("tick", "end", place, Markup::text(label)));
    }
    axis.push(line(
        "axis",
        (frame.left, frame.top),
        (frame.left, frame.bottom),
    ));
    axis.and(words("name", "start", (0.0, 14.0), Markup::text(name)))
}

/// A drawing with its caption, and the names of its series below.
pub fn plot(caption: Markup, drawing: Markup, series: &[(String, usize)]) -> Markup {
    let caption = element("figcaption", &[], caption);
    let names = series
        .iter()
        .map(|(name, series)| element("li", &[], key(*series).and(Markup::foreign(name))));
    let mut content = caption.and(drawing);
    if !series.is_empty() {
        content.push(element("ul", &[("class", "legend")], names.collect()));
    }
    element("figure", &[], content)
}

/// The sign of a series.
fn key(series: usize) -> Markup {
    let class = format!("line {}", series_class(series));
    let sample = line(&class, (0.0, 8.0), (28.0, 8.0)).and(marker(series, false, (14.0, 8.0), ""));
    let attributes = [
        ("class", "key"),
        ("viewBox", "0 0 28 16"),
        ("width", "28"),
        ("height", "16"),
        ("aria-hidden", "true"),
    ];
    element("svg", &attributes, sample)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_break_where_a_point_is_missing() {
        let points = [
            Some((0.0, 1.0)),
            Some((2.04, 3.06)),
            None,
            Some((4.0, f64::NAN)),
            Some((5.0, -0.01)),
        ];
        assert_eq!(path_data(&points), "M0 1L2 3.1M5 0");
        for nothing in [&[][..], &[None], &[Some((f64::INFINITY, 0.0))]] {
            assert!(curve("line", nothing).is_empty());
        }
        assert_eq!(
            curve("line", &[Some((1.0, 1.0))]).as_str(),
            "<path class=\"line\" d=\"M1 1\"></path>"
        );
    }

    #[test]
    fn drawings_say_what_they_are() {
        let drawing = drawing("plot", (10.0, 20.5), "<a>", "of b", Markup::new());
        let expected = "<svg class=\"plot\" viewBox=\"0 0 10 20.5\" width=\"10\" height=\"20.5\" role=\"img\">\
                        <title>&lt;a&gt;</title><desc>of b</desc></svg>";
        assert_eq!(drawing.as_str(), expected);
    }
}
