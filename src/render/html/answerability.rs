//! Whether models know which questions have no answer, and what their probability of it is worth.

use super::details::tabulated;
use super::markup::{Markup, element};
use super::svg::{self, Frame, Scale};
use super::table::{Column, Field, Row, Table};
use super::{Finished, Section};
use crate::analysis::wire::{WireAnalysis, WireAnswerability, WireCalibration, WireNullScore};
use crate::render::analysis::{confusion, thresholds};

const SIZE: (f64, f64) = (400.0, 420.0);

/// Where reliability is drawn.
const FRAME: Frame = Frame {
    left: 36.0,
    right: 392.0,
    top: 26.0,
    bottom: 276.0,
};

/// Where the questions of each bin are drawn, on the same scale across.
const COUNTS: Frame = Frame {
    left: 36.0,
    right: 392.0,
    top: 326.0,
    bottom: 376.0,
};

/// A cell with data that has unanswerable questions.
struct Told<'a> {
    cell: &'a Finished<'a>,
    analysis: &'a WireAnalysis,
    answerability: &'a WireAnswerability,
}

/// Figures of all cells, precision and recall, a reliability diagram for each cell.
pub fn section(finished: &[Finished<'_>]) -> Option<Section> {
    let told: Vec<Told<'_>> = finished
        .iter()
        .filter_map(|cell| {
            let analysis = cell.run.record.analysis()?;
            let answerability = analysis.answerability.as_ref()?;
            Some(Told {
                cell,
                analysis,
                answerability,
            })
        })
        .collect();
    if told.is_empty() {
        return None;
    }
    let mut plots = precision_recall(&told);
    for told in &told {
        let calibration = told
            .answerability
            .null_score
            .as_ref()
            .and_then(|score| score.calibration.as_ref());
        plots.extend(calibration.map(|calibration| reliability(told.cell, calibration)));
    }
    let mut content = figures(&told);
    if !plots.is_empty() {
        let text = "On the dashed line a probability of \"no answer\" comes true as often as it says. Above it the model says \
                    \"no answer\" too seldom. Bins without questions are left out.";
        plots.push(element("p", &[("class", "hint")], Markup::text(text)));
        content.push(element(
            "div",
            &[("class", "plots small")],
            plots.into_iter().collect(),
        ));
    }
    for (number, told) in told.iter().enumerate() {
        let id = format!("answerability-{}", number + 1);
        let summary =
            Markup::foreign(&told.cell.name).and(Markup::text(": thresholds and answers given"));
        let summary = element("summary", &[], summary);
        let tables = tabulated(
            &format!("{id}-thresholds"),
            &thresholds(told.answerability),
            3,
        )
        .and(tabulated(
            &format!("{id}-confusion"),
            &confusion(told.analysis),
            3,
        ));
        content.push(element("details", &[], summary.and(tables)));
    }
    Section::new("answerability", "Answerability and calibration", content)
}

fn figures(told: &[Told<'_>]) -> Markup {
    let columns = [
        "questions with an answer",
        "without",
        "right decisions, %",
        "F1 of \"has an answer\", %",
        "F1 of \"no answer\", %",
        "average precision, %",
        "expected calibration error, %",
        "Brier score",
    ];
    let rows = told.iter().map(|told| {
        let counts = &told.answerability.as_answered;
        let percent = |share: Option<f64>| Field::figure(share.map(|share| 100.0 * share), 2);
        let score = told.answerability.null_score.as_ref();
        let calibration = score.and_then(|score| score.calibration.as_ref());
        let curve = score.and_then(|score| score.precision_recall.as_ref());
        Row {
            fields: vec![
                Field::foreign(&told.cell.name),
                Field::text(counts.true_positive + counts.false_negative),
                Field::text(counts.false_positive + counts.true_negative),
                percent(counts.accuracy),
                percent(counts.has_answer.f1),
                percent(counts.no_answer.f1),
                percent(curve.map(|curve| curve.average_precision)),
                percent(calibration.map(|calibration| calibration.expected_calibration_error)),
                Field::figure(calibration.map(|calibration| calibration.brier), 3),
            ],
            properties: Vec::new(),
        }
    });
    let names = [Column::words("cell")].into_iter();
    Table {
        id: "answerability-figures",
        caption: "Whether there is an answer: decisions as answered",
        columns: names.chain(columns.map(Column::figures)).collect(),
        rows: rows.collect(),
        search: None,
        class: "",
    }
    .markup()
}

/// Precision against recall of "has an answer", a line a cell.
fn precision_recall(told: &[Told<'_>]) -> Vec<Markup> {
    let curve = |score: &WireNullScore| score.precision_recall.clone();
    let curves = told.iter().filter_map(|told| {
        Some((
            told.cell,
            told.answerability.null_score.as_ref().and_then(curve)?,
        ))
    });
    let curves: Vec<_> = curves.collect();
    if curves.is_empty() {
        return Vec::new();
    }
    let x = percent_scale(FRAME.across());
    let y = percent_scale(FRAME.upwards());
    let mut content = svg::left_axis(&FRAME, &y, "precision, %");
    content.push(svg::bottom_axis(&FRAME, &x, "recall, %"));
    for (cell, curve) in &curves {
        let points: Vec<_> = curve
            .curve
            .iter()
            .map(|point| {
                x.at(100.0 * point.recall)
                    .zip(y.at(100.0 * point.precision))
            })
            .collect();
        content.push(svg::curve(
            &format!("line {}", svg::series_class(cell.series)),
            &points,
        ));
        if let Some(at) = points.iter().flatten().nth(points.len() / 2) {
            content.push(svg::marker(cell.series, false, *at, &cell.name));
        }
    }
    let title = "Precision against recall of \"has an answer\", over all thresholds of null odds";
    let words: Vec<String> = curves
        .iter()
        .map(|(cell, curve)| {
            format!(
                "{}: average precision {:.1} %",
                cell.name,
                100.0 * curve.average_precision
            )
        })
        .collect();
    let size = (SIZE.0, FRAME.bottom + 44.0);
    let drawing = svg::drawing(
        "plot precision-recall",
        size,
        title,
        &words.join("; "),
        content,
    );
    let legend: Vec<_> = curves
        .iter()
        .map(|(cell, _)| (cell.name.clone(), cell.series))
        .collect();
    let caption = element("strong", &[], Markup::text("Precision and recall"));
    let caption = caption.and(Markup::text(
        " of \u{201c}has an answer\u{201d}, over all thresholds",
    ));
    vec![svg::plot(caption, drawing, &legend)]
}

fn percent_scale(pixels: (f64, f64)) -> Scale {
    Scale::linear([0.0, 100.0], pixels).within(0.0, 100.0)
}

/// What a probability of "no answer" is worth, over how many questions there are of it.
fn reliability(cell: &Finished<'_>, calibration: &WireCalibration) -> Markup {
    let x = percent_scale(FRAME.across());
    let y = percent_scale(FRAME.upwards());
    let most = calibration
        .bins
        .iter()
        .map(|bin| bin.n)
        .max()
        .unwrap_or_default();
    let counts = Scale::linear([0.0, most as f64], COUNTS.upwards()).within(0.0, f64::MAX);
    let mut content = svg::left_axis(&FRAME, &y, "questions without an answer, %");
    content.push(svg::bottom_axis(
        &FRAME,
        &x,
        "probability of \u{201c}no answer\u{201d}, %",
    ));
    let diagonal = [(0.0, 0.0), (100.0, 100.0)].map(|(a, b)| x.at(a).zip(y.at(b)));
    content.push(svg::curve("diagonal", &diagonal));
    let points: Vec<_> = calibration
        .bins
        .iter()
        .map(|bin| {
            x.at(100.0 * bin.mean_probability)
                .zip(y.at(100.0 * bin.unanswerable))
        })
        .collect();
    content.push(svg::curve(
        &format!("line {}", svg::series_class(cell.series)),
        &points,
    ));
    let base = COUNTS.bottom;
    for (bin, at) in calibration.bins.iter().zip(&points) {
        let (above, up_to) = (100.0 * bin.above, 100.0 * bin.up_to);
        let range = (x.at(above), x.at(up_to), counts.at(bin.n as f64));
        if let (Some(left), Some(right), Some(top)) = range {
            content.push(svg::rectangle(
                "bar",
                (left + 0.5, top),
                (right - 0.5, base),
            ));
        }
        if let Some(at) = at {
            let means = format!(
                "{above:.0} to {up_to:.0} %: {} questions, {:.1} % without an answer, mean probability {:.1} %",
                bin.n,
                100.0 * bin.unanswerable,
                100.0 * bin.mean_probability
            );
            content.push(svg::marker(cell.series, false, *at, &means));
        }
    }
    content.push(svg::line("axis", (COUNTS.left, base), (COUNTS.right, base)));
    content.push(svg::words(
        "tick",
        "end",
        (COUNTS.left - 6.0, COUNTS.top + 8.0),
        Markup::text(most),
    ));
    content.push(svg::words(
        "tick",
        "end",
        (COUNTS.left - 6.0, base),
        Markup::text(0),
    ));
    let middle = f64::midpoint(COUNTS.left, COUNTS.right);
    content.push(svg::words(
        "name",
        "middle",
        (middle, base + 18.0),
        Markup::text("questions of each bin"),
    ));
    let errors = format!(
        "expected calibration error {:.1} %, Brier score {:.3}",
        100.0 * calibration.expected_calibration_error,
        calibration.brier
    );
    let title = format!("Reliability of {}", cell.name);
    let drawing = svg::drawing("plot calibration", SIZE, &title, &errors, content);
    let caption = element("strong", &[], Markup::foreign(&cell.name));
    svg::plot(
        caption.and(Markup::text(format!(" \u{2013} {errors}"))),
        drawing,
        &[],
    )
}
