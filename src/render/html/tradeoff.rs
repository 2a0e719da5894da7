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
        let intervals = cell
            .map(|cell| cell.run.record.intervals.as_slice())
            .unwrap_or_default();
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
    let speeds: Vec<f64> = points
        .iter()
        .flat_map(|point| {
            [
                Some(point.speed),
                point.speed_range.map(|r| r.0),
                point.speed_range.map(|r| r.1),
            ]
        })
        .flatten()
        .collect();
    let scores = points.iter().flat_map(|point| {
        let interval = point.row.figures.f1_interval.unwrap_or([point.f1; 2]);
        [point.f1, interval[0], interval[1]]
    });
    let x = Scale::fitting(&speeds, FRAME.across());
    let y = Scale::linear(scores, FRAME.upwards()).within(0.0, 100.0);
    let at = |point: &Point<'_>| Some((x.at(point.speed)?, y.at(point.f1)?));
    let name = if x.is_log() {
        "questions/s (logarithmic)"
    } else {
        "questions/s"
    };
    let mut content = svg::left_axis(&FRAME, &y, "F1, %").and(svg::bottom_axis(&FRAME, &x, name));
    content.push(front_line(points, &at));
    let mut unnamed = Vec::new();
    let placed: Vec<(&Point<'_>, (f64, f64))> = points
        .iter()
        .filter_map(|point| Some((point, at(point)?)))
        .collect();
    for (point, (px, py)) in &placed {
        let class = format!("whisker {}", svg::series_class(point.series));
        if let Some([low, high]) = point.row.figures.f1_interval
            && let (Some(low), Some(high)) = (y.at(low), y.at(high))
        {
            content.push(svg::line(&class, (*px, low), (*px, high)));
        }
        if let Some((Some(low), Some(high))) =
            point.speed_range.map(|(low, high)| (x.at(low), x.at(high)))
        {
            content.push(svg::line(&class, (low, *py), (high, *py)));
        }
    }
    let labels: Vec<Label> = placed
        .iter()
        .map(|(point, at)| Label {
            at: *at,
            text: short(&point.row.model),
        })
        .collect();
    let places = svg::place(
        &labels,
        (FRAME.left + 2.0, FRAME.top),
        (FRAME.right + 6.0, FRAME.bottom - 2.0),
    );
    for (((point, at), label), place) in placed.iter().zip(&labels).zip(places) {
        let Some(place) = place else {
            unnamed.push(point.row.model.as_str());
            continue;
        };
        if place.is_far {
            content.push(svg::line("leader", *at, place.hook));
        }
        content.push(svg::words(
            "label",
            "start",
            place.at,
            Markup::text(&label.text),
        ));
    }
    for (point, at) in &placed {
        let is_doubtful = !point.row.doubts.is_empty();
        let doubt = if is_doubtful { " (doubtful)" } else { "" };
        let means = format!(
            "{}: F1 {:.2} %, {:.1} questions/s{doubt}",
            point.row.model, point.f1, point.speed
        );
        content.push(svg::marker(point.series, is_doubtful, *at, &means));
    }
    let title = format!("F1 against questions a second: {what}");
    let mut figure = svg::plot(
        caption,
        svg::drawing("plot tradeoff", SIZE, &title, &description(points), content),
        &[],
    );
    if !unnamed.is_empty() {
        let text = format!("Without a name for want of room: {}.", unnamed.join(", "));
        figure.push(element("p", &[("class", "hint")], Markup::text(text)));
    }
    figure
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
