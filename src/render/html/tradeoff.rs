//! Accuracy against throughput, with the front of those that nothing beats in both.

use super::board::under;
use super::markup::{Markup, element};
use super::svg::{self, Frame, Label, Scale};
use super::{Finished, Section};
use crate::leaderboard::wire::{WireFront, WireLeaderboard, WireRow, WireTable};

const SIZE: (f64, f64) = (520.0, 360.0);

const FRAME: Frame = Frame {
    left: 40.0,
    right: 512.0,
    top: 26.0,
    bottom: 316.0,
};

/// Characters of a name in the drawing; the whole name shows when a pointer rests on the mark.
const LONGEST_NAME: usize = 32;

struct Point<'a> {
    row: &'a WireRow,
    series: usize,
    speed: f64,
    speed_range: Option<(f64, f64)>,
    f1: f64,
    is_on_front: bool,
}

/// A drawing for each data set and conditions that have two cells or more.
pub fn section(leaderboard: &WireLeaderboard, finished: &[Finished<'_>]) -> Option<Section> {
    let mut plots = Markup::new();
    for table in &leaderboard.tables {
        for (number, conditions) in table.conditions.iter().enumerate() {
            let front = conditions
                .fronts
                .iter()
                .find(|front| front.figure == "questions_per_s");
            let points = points(table, number, front, finished);
            if points.len() < 2 {
                continue;
            }
            let what = format!("{}, {}, {}", table.dataset, table.selection, table.protocol);
            let how = format!("{}, {}", under(conditions), conditions.machine);
            let caption = element("strong", &[], Markup::foreign(&what));
            let caption = caption
                .and(Markup::text(" \u{2013} "))
                .and(Markup::foreign(&how));
            plots.push(plot(caption, &points, &what));
        }
    }
    if plots.is_empty() {
        return None;
    }
    let text = "Up and to the right is better. The line is the Pareto front: no cell is at least as accurate and as fast \
                as one on it, and better in one. Whiskers are the 95 % bootstrap interval of F1 and the interval of the \
                median speed over repetitions, where there are several. Hollow marks are of speeds that should not be trusted.";
    let hint = element("p", &[("class", "hint")], Markup::text(text));
    let content = element("div", &[("class", "plots")], plots.and(hint));
    Section::new("tradeoff", "Accuracy against throughput", content)
}

fn points<'a>(
    table: &'a WireTable,
    conditions: usize,
    front: Option<&WireFront>,
    finished: &[Finished<'_>],
) -> Vec<Point<'a>> {
    let rows = table.rows.iter().enumerate();
    let rows = rows.filter(|(_, row)| row.conditions == Some(conditions));
    let points = rows.filter_map(|(place, row)| {
        let f1 = row.figures.f1.filter(|f1| f1.is_finite())?;
        let speed = row
            .figures
            .questions_per_s
            .filter(|speed| speed.is_finite())?;
        let cell = finished
            .iter()
            .find(|cell| cell.run.path.to_string_lossy() == row.path);
        let measured = cell.and_then(|cell| cell.run.record.measured());
        let intervals = measured.map_or(&[][..], |record| &record.intervals);
        let interval = intervals
            .iter()
            .find(|interval| interval.figure == "throughput.questions_per_s");
        Some(Point {
            row,
            series: cell.map_or(place, |cell| cell.series),
            speed,
            speed_range: interval.map(|interval| (interval.lower, interval.upper)),
            f1,
            is_on_front: front.is_some_and(|front| front.rows.contains(&place)),
        })
    });
    points.collect()
}

fn plot(caption: Markup, points: &[Point<'_>], what: &str) -> Markup {
    let speeds = points.iter().flat_map(|point| {
        let (low, high) = point.speed_range.unwrap_or((point.speed, point.speed));
        [point.speed, low, high]
    });
    let scores = points.iter().flat_map(|point| {
        let [low, high] = point.row.figures.f1_interval.unwrap_or([point.f1; 2]);
        [point.f1, low, high]
    });
    let x = Scale::fitting(&speeds.collect::<Vec<_>>(), FRAME.across());
    let y = Scale::linear(scores, FRAME.upwards()).within(0.0, 100.0);
    let at = |point: &Point<'_>| x.at(point.speed).zip(y.at(point.f1));
    let name = if x.is_log() {
        "questions/s (logarithmic)"
    } else {
        "questions/s"
    };
    let mut content = svg::left_axis(&FRAME, &y, "F1, %").and(svg::bottom_axis(&FRAME, &x, name));
    content.push(front_line(points, &at));
    content.extend(points.iter().map(|point| whiskers(point, &x, &y)));
    let drawn: Vec<(&Point<'_>, (f64, f64))> = points
        .iter()
        .filter_map(|point| at(point).map(|at| (point, at)))
        .collect();
    let (labels, unnamed) = labels(&drawn);
    content.push(labels);
    content.extend(drawn.iter().map(|(point, at)| {
        let is_doubtful = !point.row.doubts.is_empty();
        let doubt = if is_doubtful { " (doubtful)" } else { "" };
        let (model, f1, speed) = (&point.row.model, point.f1, point.speed);
        let means = format!("{model}: F1 {f1:.2} %, {speed:.1} questions/s{doubt}");
        svg::marker(point.series, is_doubtful, *at, &means)
    }));
    let title = format!("F1 against questions a second: {what}");
    let drawing = svg::drawing("plot tradeoff", SIZE, &title, &description(points), content);
    let mut figure = svg::plot(caption, drawing, &[]);
    if !unnamed.is_empty() {
        let text = format!("Without a name for want of room: {}.", unnamed.join(", "));
        figure.push(element("p", &[("class", "hint")], Markup::text(text)));
    }
    figure
}

/// The intervals of a point in both directions.
fn whiskers(point: &Point<'_>, x: &Scale, y: &Scale) -> Markup {
    let class = format!("whisker {}", svg::series_class(point.series));
    let mut whiskers = Markup::new();
    let Some((px, py)) = x.at(point.speed).zip(y.at(point.f1)) else {
        return whiskers;
    };
    let scores = point
        .row
        .figures
        .f1_interval
        .map(|[low, high]| (y.at(low), y.at(high)));
    if let Some((Some(low), Some(high))) = scores {
        whiskers.push(svg::line(&class, (px, low), (px, high)));
    }
    let speeds = point.speed_range.map(|(low, high)| (x.at(low), x.at(high)));
    if let Some((Some(low), Some(high))) = speeds {
        whiskers.push(svg::line(&class, (low, py), (high, py)));
    }
    whiskers
}

/// The names of points, and those that found no room.
fn labels<'a>(drawn: &[(&Point<'a>, (f64, f64))]) -> (Markup, Vec<&'a str>) {
    let names = drawn.iter().map(|(point, at)| Label {
        at: *at,
        text: short(&point.row.model),
    });
    let names: Vec<Label> = names.collect();
    let (upper_left, lower_right) = (
        (FRAME.left + 2.0, FRAME.top),
        (FRAME.right + 6.0, FRAME.bottom - 2.0),
    );
    let mut labels = Markup::new();
    let mut unnamed = Vec::new();
    let places = svg::place(&names, upper_left, lower_right);
    for (((point, at), name), place) in drawn.iter().zip(&names).zip(places) {
        let Some(place) = place else {
            unnamed.push(point.row.model.as_str());
            continue;
        };
        if place.is_far {
            labels.push(svg::line("leader", *at, place.hook));
        }
        labels.push(svg::words(
            "label",
            "start",
            place.at,
            Markup::text(&name.text),
        ));
    }
    (labels, unnamed)
}

/// The stairs below and to the left of which lies all that is dominated.
fn front_line(points: &[Point<'_>], at: &impl Fn(&Point<'_>) -> Option<(f64, f64)>) -> Markup {
    let mut front: Vec<(f64, f64)> = points
        .iter()
        .filter(|point| point.is_on_front)
        .filter_map(at)
        .collect();
    front.sort_by(|a, b| a.0.total_cmp(&b.0));
    let mut stairs = Vec::new();
    if let (Some(first), Some(last)) = (front.first(), front.last()) {
        stairs.push(Some((FRAME.left, first.1)));
        for (place, point) in front.iter().enumerate() {
            stairs.push(Some(*point));
            if let Some(next) = front.get(place + 1) {
                stairs.push(Some((point.0, next.1)));
            }
        }
        stairs.push(Some((last.0, FRAME.bottom)));
    }
    svg::curve("front", &stairs)
}

fn short(name: &str) -> String {
    if name.chars().count() <= LONGEST_NAME {
        return name.to_owned();
    }
    let beginning: String = name.chars().take(LONGEST_NAME - 1).collect();
    beginning + "\u{2026}"
}

/// The drawing in words.
fn description(points: &[Point<'_>]) -> String {
    let front: Vec<String> = points
        .iter()
        .filter(|point| point.is_on_front)
        .map(|point| {
            format!(
                "{} with F1 {:.2} % at {:.1} questions/s",
                point.row.model, point.f1, point.speed
            )
        })
        .collect();
    format!(
        "{} cells; on the Pareto front: {}.",
        points.len(),
        front.join("; ")
    )
}
