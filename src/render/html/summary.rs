//! What, when, where, and what came of it.

use std::collections::BTreeSet;

use super::comparison::names;
use super::figures::{Figure, signed};
use super::markup::{Markup, element, paragraph};
use super::verdicts::badge;
use super::{Finished, Page};
use crate::compare::WireComparison;
use crate::compare::wire::WireFigureComparison;

/// The beginning of the page.
pub fn header(input: &Page<'_>, finished: &[Finished<'_>]) -> Markup {
    let mut header = element("h1", &[], Markup::foreign(input.title));
    header.push(element("dl", &[("class", "facts")], facts(input, finished)));
    for text in input
        .description
        .split("\n\n")
        .map(str::trim)
        .filter(|text| !text.is_empty())
    {
        header.push(element("p", &[("dir", "auto")], Markup::text(text)));
    }
    for comparison in input.comparisons {
        header.push(verdict(comparison));
    }
    element("header", &[], header)
}

fn facts(input: &Page<'_>, finished: &[Finished<'_>]) -> Markup {
    let failed = input.cells.len() - finished.len();
    let doubted = finished
        .iter()
        .filter(|cell| !cell.run.record.doubts().is_empty())
        .count();
    let merged = finished
        .iter()
        .filter(|cell| cell.run.record.measured().is_none())
        .count();
    let mut cells = input.cells.len().to_string();
    for (count, what) in [
        (failed, "failed"),
        (merged, "merged from shards, without speed"),
        (doubted, "with doubtful figures of speed"),
    ] {
        if count > 0 {
            cells += &format!(", {count} {what}");
        }
    }
    let mut facts = fact("Cells", Markup::text(cells));
    let starts: BTreeSet<&str> = finished
        .iter()
        .map(|cell| cell.run.record.started())
        .collect();
    if let (Some(first), Some(last)) = (starts.first(), starts.last()) {
        let mut when = Markup::text(minutes(first));
        if minutes(first) != minutes(last) {
            when.push(Markup::text(format!(" to {}", minutes(last))));
        }
        facts.push(fact("Measured", when.and(Markup::text(" UTC"))));
    }
    let places = finished.iter().flat_map(|cell| cell.run.record.places());
    let environments = places.clone().map(|place| place.environment);
    let machines = environments.clone().map(|environment| {
        let processor = environment
            .cpu_model
            .as_deref()
            .unwrap_or(&environment.architecture);
        format!(
            "{processor}, {} of {} cores",
            environment.cores_used, environment.logical_cores
        )
    });
    facts.push(several("Machine", machines));
    facts.push(several(
        "Device",
        places.map(|place| place.device.to_owned()),
    ));
    facts.push(several(
        "spanbench",
        environments.map(|environment| {
            let revision = environment.tool_revision.as_deref().unwrap_or_default();
            let revision: String = revision.chars().take(10).collect();
            format!(
                "{} {revision} ({})",
                environment.tool_version, environment.profile
            )
        }),
    ));
    facts
}

/// RFC 3339 to the minute.
fn minutes(time: &str) -> String {
    let minutes: String = time.chars().take(16).collect();
    minutes.replace('T', " ")
}

fn fact(name: &str, content: Markup) -> Markup {
    let name = element("dt", &[], Markup::text(name));
    element("div", &[], name.and(element("dd", &[], content)))
}

/// A fact that cells may differ in.
fn several(name: &str, values: impl Iterator<Item = String>) -> Markup {
    let values: BTreeSet<String> = values.collect();
    if values.is_empty() {
        return Markup::new();
    }
    let values: Vec<Markup> = values.iter().map(|value| Markup::foreign(value)).collect();
    let separated = values.into_iter().enumerate().map(|(place, value)| {
        if place == 0 {
            value
        } else {
            Markup::text("; ").and(value)
        }
    });
    fact(name, separated.collect())
}

/// A comparison's verdicts in one paragraph.
fn verdict(comparison: &WireComparison) -> Markup {
    let [candidate, base] =
        names(comparison).map(|name| element("strong", &[], Markup::foreign(&name)));
    let mut line = candidate
        .and(Markup::text(" against "))
        .and(base)
        .and(Markup::text(": "));
    let accuracy = &comparison.accuracy;
    for (name, score) in [("exact match", &accuracy.exact_match), ("F1", &accuracy.f1)] {
        let text = format!("{name} {}", signed(score.change.difference, 2));
        line.push(badge(score.verdict, &format!("{text} points")));
        line.push(Markup::text(" "));
    }
    for figure in headlines(comparison) {
        let ratio = figure
            .ratio
            .map_or("\u{2013}".to_owned(), |ratio| format!("\u{d7}{ratio:.3}"));
        let name = Figure::at(&figure.figure).name;
        let name = name.split(',').next().unwrap_or_default();
        line.push(badge(figure.verdict, &format!("{name} {ratio}")));
        line.push(Markup::text(" "));
    }
    paragraph("verdict", line)
}

/// The figures that a reader asks for first.
fn headlines(comparison: &WireComparison) -> impl Iterator<Item = &WireFigureComparison> {
    let first = [
        "throughput.questions_per_s",
        "latency_ms.p50",
        "latency_ms.p99",
        "memory.rss_peak_bytes",
    ];
    let figures = first.into_iter();
    figures.filter_map(|name| {
        comparison
            .performance
            .iter()
            .find(|figure| figure.figure == name)
    })
}
