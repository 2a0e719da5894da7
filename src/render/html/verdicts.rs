//! Verdicts figure by figure: both values, the difference with its interval, what is to be made of it.

use super::figures::{Figure, probability, signed};
use super::markup::{Markup, element};
use super::svg::Scale;
use super::svg::strip::{self, Interval};
use super::table::{Column, Field, Row, Table};
use crate::compare::Verdict;
use crate::compare::wire::{
    WireAccuracyComparison, WireChange, WireComparison, WireFigureComparison, WireScoreComparison,
};

/// Widest ratios that the drawing shows; intervals beyond end in an arrow.
const WIDEST_RATIO: f64 = 32.0;

/// A verdict as a coloured word; the word says it without the colour.
pub fn badge(verdict: Verdict, figure: &str) -> Markup {
    let class = format!("badge {}", class(verdict));
    let mut content = Markup::text(figure);
    if !figure.is_empty() {
        content.push(Markup::text(" "));
    }
    let content = content.and(element("b", &[], Markup::text(verdict.name())));
    element("span", &[("class", &class)], content)
}

fn class(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Better => "good",
        Verdict::Same => "neutral",
        Verdict::Worse => "bad",
        Verdict::Inconclusive | Verdict::NotComparable => "open",
    }
}

/// Exact match and F1, of all questions and of those with and without an answer.
pub fn accuracy(comparison: &WireComparison, number: usize) -> Markup {
    let accuracy = &comparison.accuracy;
    let scores = [
        ("exact match, %", &accuracy.exact_match),
        ("F1, %", &accuracy.f1),
    ];
    let groups = [
        ("with an answer", &accuracy.has_answer),
        ("without an answer", &accuracy.no_answer),
    ];
    let parts = groups
        .into_iter()
        .filter_map(|(name, group)| Some((name, group.as_ref()?)));
    let parts = parts.flat_map(|(name, group)| {
        [("exact match", &group.exact_match), ("F1", &group.f1)]
            .map(|(score, change)| (format!("{score}, {name}, %"), change))
    });
    let parts: Vec<(String, &WireChange)> = parts.collect();
    let all = scores
        .iter()
        .map(|(_, score)| &score.change)
        .chain(parts.iter().map(|(_, change)| *change));
    let ends = all.flat_map(|change| {
        [
            Some(change.difference),
            change.interval.map(|i| i.lower),
            change.interval.map(|i| i.upper),
        ]
    });
    let margins = scores
        .iter()
        .flat_map(|(_, score)| [-score.margin, score.margin]);
    let scale = Scale::linear(ends.flatten().chain(margins).chain([0.0]), strip::ACROSS);
    let level = 100.0 * comparison.settings.level;
    let mut rows: Vec<Row> = scores
        .iter()
        .map(|(name, score)| score_row(name, score, &scale))
        .collect();
    rows.extend(parts.iter().map(|(name, change)| Row {
        fields: change_fields(name, change, None, "", &scale),
        properties: Vec::new(),
    }));
    let table = Table {
        id: &format!("accuracy-{number}"),
        caption: "Accuracy, candidate against base",
        columns: comparison_columns(
            &format!("difference, points, {level} %"),
            "difference, points",
            &scale,
            level,
        ),
        rows,
        search: None,
        class: "wide verdicts",
    };
    let hint = element(
        "p",
        &[("class", "hint")],
        Markup::text(accuracy_in_words(accuracy)),
    );
    element("h3", &[], Markup::text("Accuracy"))
        .and(table.markup())
        .and(hint)
}

fn comparison_columns(drawing: &str, difference: &str, scale: &Scale, level: f64) -> Vec<Column> {
    vec![
        Column::words("figure"),
        Column::figures("base"),
        Column::figures("candidate"),
        Column::figures(difference),
        Column::drawings(strip::axis(scale, drawing)),
        Column::figures(&format!("{level} % interval")),
        Column::words("verdict"),
    ]
}

fn score_row(name: &str, score: &WireScoreComparison, scale: &Scale) -> Row {
    let band = Some((-score.margin, score.margin));
    let mut fields = change_fields(name, &score.change, band, class(score.verdict), scale);
    let inferior = format!(
        "non-inferiority at a margin of {} points: {}",
        score.margin,
        if score.non_inferior {
            "shown"
        } else {
            "not shown"
        }
    );
    let reasons: Vec<String> = score.reasons.iter().cloned().chain([inferior]).collect();
    fields.pop();
    fields.push(verdict_field(score.verdict, &reasons));
    Row {
        fields,
        properties: Vec::new(),
    }
}

fn change_fields(
    name: &str,
    change: &WireChange,
    band: Option<(f64, f64)>,
    class: &str,
    scale: &Scale,
) -> Vec<Field> {
    let ends = change
        .interval
        .map(|interval| (interval.lower, interval.upper));
    let interval = Interval {
        value: Some(change.difference),
        ends,
    };
    let range = ends.map_or("\u{2013}".to_owned(), |(low, high)| {
        format!("{} to {}", signed(low, 2), signed(high, 2))
    });
    let says = format!("{name}: {} points, {range}", signed(change.difference, 2));
    vec![
        Field::text(name),
        Field::figure(Some(change.base), 2),
        Field::figure(Some(change.candidate), 2),
        Field::text(signed(change.difference, 2)).sorted_by(change.difference),
        Field::of(strip::strip(scale, interval, 0.0, band, class, &says)),
        Field::text(range),
        Field::of(Markup::new()),
    ]
}

fn verdict_field(verdict: Verdict, reasons: &[String]) -> Field {
    let reasons = reasons
        .iter()
        .map(|reason| element("li", &[], Markup::foreign(reason)));
    let reasons: Markup = reasons.collect();
    let list = if reasons.is_empty() {
        reasons
    } else {
        element("ul", &[("class", "reasons")], reasons)
    };
    Field::of(badge(verdict, "").and(list))
}

fn accuracy_in_words(accuracy: &WireAccuracyComparison) -> String {
    let (mcnemar, pairing, resampled) =
        (&accuracy.mcnemar, &accuracy.questions, &accuracy.resampled);
    let mut text = format!(
        "McNemar\u{2019}s exact test over {} common questions: {} gained, {} lost, p = {}. Intervals resample {} {}",
        pairing.common,
        mcnemar.gained,
        mcnemar.lost,
        probability(mcnemar.p),
        resampled.units,
        resampled.unit
    );
    if let Some(because) = &resampled.because {
        text += &format!(" ({because})");
    }
    text += ". The shaded band is the margin within which scores count as the same.";
    for (count, side) in [
        (pairing.only_base, "base"),
        (pairing.only_candidate, "candidate"),
    ] {
        if count > 0 {
            text += &format!(" {count} questions that the {side} alone has are left out.");
        }
    }
    text
}

/// Speed, memory and energy.
pub fn performance(comparison: &WireComparison, number: usize) -> Markup {
    let figures = &comparison.performance;
    if figures.is_empty() {
        return Markup::new();
    }
    let threshold = comparison.settings.noise_threshold;
    let band = (1.0 / (1.0 + threshold), 1.0 + threshold);
    let ratios = figures.iter().flat_map(|figure| {
        [
            figure.ratio,
            figure.interval.map(|i| i.lower),
            figure.interval.map(|i| i.upper),
        ]
    });
    let ratios = ratios
        .flatten()
        .map(|ratio| ratio.clamp(1.0 / WIDEST_RATIO, WIDEST_RATIO));
    // The same on both sides of 1.
    let widest = ratios
        .chain([band.1 * band.1])
        .map(|ratio| ratio.max(1.0 / ratio))
        .fold(1.0, f64::max);
    let scale = Scale::log([1.0 / widest, widest], strip::ACROSS);
    let level = 100.0 * comparison.settings.level;
    let mut columns = comparison_columns(
        "candidate \u{f7} base (logarithmic)",
        "candidate \u{f7} base",
        &scale,
        level,
    );
    columns.insert(1, Column::words("better is"));
    let table = Table {
        id: &format!("performance-{number}"),
        caption: "Speed, memory and energy, candidate against base",
        columns,
        rows: figures
            .iter()
            .map(|figure| figure_row(figure, &scale, band))
            .collect(),
        search: None,
        class: "wide verdicts",
    };
    let text = format!(
        "A ratio is of trimmed means of logarithms over the repetitions, so not quite that of the two medians. The shaded \
         band of \u{b1}{}\u{a0}% counts as noise.",
        100.0 * threshold
    );
    let hint = element("p", &[("class", "hint")], Markup::text(text));
    element("h3", &[], Markup::text("Speed, memory and energy"))
        .and(table.markup())
        .and(hint)
}

fn figure_row(compared: &WireFigureComparison, scale: &Scale, band: (f64, f64)) -> Row {
    let figure = Figure::at(&compared.figure);
    let ends = compared
        .interval
        .map(|interval| (interval.lower, interval.upper));
    let range = ends.map_or("\u{2013}".to_owned(), |(low, high)| {
        format!("{low:.3} to {high:.3}")
    });
    let interval = Interval {
        value: compared.ratio,
        ends,
    };
    let ratio = compared.ratio.filter(|ratio| ratio.is_finite());
    let says = format!(
        "{}: {}, {range}",
        figure.name,
        ratio.map_or("no ratio".to_owned(), |ratio| format!("{ratio:.3}"))
    );
    let strip = strip::strip(
        scale,
        interval,
        1.0,
        Some(band),
        class(compared.verdict),
        &says,
    );
    let written = |value: Option<f64>| match value {
        Some(value) => Field::text(figure.written(value)).sorted_by(value),
        None => Field::text("\u{2013}"),
    };
    let mut reasons = compared.reasons.clone();
    if compared.paired {
        reasons.push("compared round by round".to_owned());
    }
    Row {
        fields: vec![
            Field::text(&figure.name),
            Field::text(if compared.higher_is_better {
                "higher"
            } else {
                "lower"
            }),
            written(compared.base),
            written(compared.candidate),
            Field::figure(compared.ratio, 3),
            Field::of(strip),
            Field::text(range),
            verdict_field(compared.verdict, &reasons),
        ],
        properties: Vec::new(),
    }
}
