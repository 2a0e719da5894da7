//! How latencies are distributed.

use super::markup::{Markup, element};
use super::svg::{self, Frame, Scale};
use super::table::{Column, Field, Row, Table};
use super::{Finished, Section};

const SIZE: (f64, f64) = (520.0, 320.0);

const FRAME: Frame = Frame {
    left: 40.0,
    right: 512.0,
    top: 26.0,
    bottom: 276.0,
};

/// Points of a curve at the most: more than there are pixels.
const MOST_POINTS: usize = 400;

/// Percentiles that are marked on each curve, in per mille.
const MARKED: [usize; 4] = [500, 900, 990, 999];

/// The latencies of a cell's questions, ascending, in milliseconds.
struct Curve<'a> {
    cell: &'a Finished<'a>,
    sorted_ms: Vec<f64>,
}

/// A drawing for each scenario, since latency is not the same thing in all of them, and the
/// percentiles of all cells.
pub fn section(finished: &[Finished<'_>]) -> Option<Section> {
    if finished.is_empty() {
        return None;
    }
    let mut scenarios: Vec<&str> = Vec::new();
    for cell in finished {
        let scenario = cell.run.record.protocol().scenario.as_str();
        if !scenarios.contains(&scenario) {
            scenarios.push(scenario);
        }
    }
    let mut plots = Markup::new();
    for scenario in scenarios {
        let cells = finished
            .iter()
            .filter(|cell| cell.run.record.protocol().scenario == scenario);
        let curves: Vec<Curve<'_>> = cells.filter_map(curve).collect();
        if !curves.is_empty() {
            plots.push(plot(scenario, &curves));
        }
    }
    let (measured, merged): (Vec<_>, Vec<_>) = finished
        .iter()
        .partition(|cell| cell.run.record.measured().is_some());
    let names = |cells: &[&Finished<'_>]| {
        let names: Vec<&str> = cells.iter().map(|cell| cell.name.as_str()).collect();
        names.join(", ")
    };
    let lacking: Vec<&Finished<'_>> = measured
        .into_iter()
        .filter(|cell| curve(cell).is_none())
        .collect();
    let mut content = Markup::new();
    if !plots.is_empty() {
        content.push(element("div", &[("class", "plots")], plots));
        if !lacking.is_empty() {
            let text = format!(
                "Without raw samples, and so without a curve: {}.",
                names(&lacking)
            );
            content.push(element("p", &[("class", "hint")], Markup::text(text)));
        }
    }
    if !merged.is_empty() {
        let text = format!(
            "Merged from shards, each measured on its own, and so without a latency: {}.",
            names(&merged)
        );
        content.push(element("p", &[("class", "hint")], Markup::text(text)));
    }
    Section::new("latency", "Latency", content.and(percentiles(finished)))
}

fn curve<'a>(cell: &'a Finished<'a>) -> Option<Curve<'a>> {
    let is_offline = cell.run.record.protocol().scenario == "offline";
    let mut nanoseconds: Vec<u64> = Vec::new();
    for repetition in cell.samples {
        let samples = &repetition.samples;
        if is_offline {
            nanoseconds.extend(&samples.service_ns);
        } else {
            let times = samples.completed_ns.iter().zip(&samples.scheduled_ns);
            nanoseconds.extend(times.map(|(completed, due)| completed.saturating_sub(*due)));
        }
    }
    nanoseconds.sort_unstable();
    let sorted_ms: Vec<f64> = nanoseconds.into_iter().map(|ns| ns as f64 / 1e6).collect();
    (!sorted_ms.is_empty()).then_some(Curve { cell, sorted_ms })
}

impl Curve<'_> {
    /// By nearest rank, as in the record.
    fn percentile(&self, per_mille: usize) -> f64 {
        let rank = (self.sorted_ms.len() * per_mille).div_ceil(1000).max(1);
        self.sorted_ms[rank - 1]
    }

    /// The steps of the distribution, thinned where there are more than can be seen.
    fn steps(&self, x: &Scale, y: &Scale) -> Vec<Option<(f64, f64)>> {
        let n = self.sorted_ms.len();
        let stride = n.div_ceil(MOST_POINTS);
        let mut ranks: Vec<usize> = (0..n).step_by(stride).collect();
        if ranks.last() != Some(&(n - 1)) {
            ranks.push(n - 1);
        }
        let mut steps = Vec::with_capacity(2 * ranks.len());
        let mut below = y.at(0.0);
        for rank in ranks {
            let (across, up) = (
                x.at(self.sorted_ms[rank]),
                y.at(100.0 * (rank + 1) as f64 / n as f64),
            );
            steps.push(across.zip(below));
            steps.push(across.zip(up));
            below = up;
        }
        steps
    }
}

fn plot(scenario: &str, curves: &[Curve<'_>]) -> Markup {
    let ends = curves.iter().flat_map(|curve| {
        [
            curve.sorted_ms[0],
            curve.sorted_ms[curve.sorted_ms.len() - 1],
        ]
    });
    let x = Scale::log(ends, FRAME.across());
    let y = Scale::linear([0.0, 100.0], FRAME.upwards()).within(0.0, 100.0);
    let mut content = svg::left_axis(&FRAME, &y, "questions answered within it, %");
    content.push(svg::bottom_axis(
        &FRAME,
        &x,
        "latency of a question, ms (logarithmic)",
    ));
    for curve in curves {
        let class = format!("line {}", svg::series_class(curve.cell.series));
        content.push(svg::curve(&class, &curve.steps(&x, &y)));
    }
    let mut told = Vec::new();
    for curve in curves {
        let n = curve.sorted_ms.len();
        let is_doubtful = !curve.cell.run.record.doubts().is_empty();
        // A percentile with no values beyond it is the largest value, which says nothing of it.
        let marked = MARKED
            .into_iter()
            .filter(|per_mille| n * (1000 - per_mille) >= 1000);
        for per_mille in marked {
            let (value, percent) = (curve.percentile(per_mille), per_mille as f64 / 10.0);
            let means = format!("{}: p{percent} {value:.3} ms", curve.cell.name);
            if let Some(at) = x.at(value).zip(y.at(percent)) {
                content.push(svg::marker(curve.cell.series, is_doubtful, at, &means));
            }
        }
        told.push(format!(
            "{}: median {:.3} ms of {n} answers",
            curve.cell.name,
            curve.percentile(500)
        ));
    }
    let title = format!("Distribution of latencies, {scenario}");
    let drawing = svg::drawing("plot latency", SIZE, &title, &told.join("; "), content);
    let caption = element("strong", &[], Markup::foreign(scenario));
    let marked = " \u{2013} all answers of all repetitions; p50, p90, p99 and p99.9 are marked";
    let legend: Vec<_> = curves
        .iter()
        .map(|curve| (curve.cell.name.clone(), curve.cell.series))
        .collect();
    svg::plot(caption.and(Markup::text(marked)), drawing, &legend)
}

fn percentiles(finished: &[Finished<'_>]) -> Markup {
    let rows = finished.iter().filter_map(|cell| {
        let latency = &cell.run.record.measured()?.latency_ms;
        let mut fields = vec![
            Field::foreign(&cell.name),
            Field::foreign(&cell.run.record.protocol().scenario),
            Field::text(latency.n).sorted_by(latency.n as f64),
        ];
        let figures = [
            latency.mean,
            latency.p50,
            latency.p90,
            latency.p95,
            latency.p99,
            latency.p999,
            latency.max,
        ];
        fields.extend(figures.map(|ms| Field::figure(Some(ms), 2)));
        Some(Row {
            fields,
            properties: Vec::new(),
        })
    });
    let rows: Vec<Row> = rows.collect();
    if rows.is_empty() {
        return Markup::new();
    }
    let mut columns = vec![Column::words("cell"), Column::words("scenario")];
    let headings = [
        "answers",
        "mean, ms",
        "p50, ms",
        "p90, ms",
        "p95, ms",
        "p99, ms",
        "p99.9, ms",
        "max, ms",
    ];
    columns.extend(headings.map(Column::figures));
    Table {
        id: "latencies",
        caption: "Latency of questions",
        columns,
        rows,
        search: None,
        class: "wide",
    }
    .markup()
}
