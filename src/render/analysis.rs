//! The analysis of a record as tables, for Markdown pages and terminals alike.

use super::columns::aligned;
use crate::analysis::wire::{
    WireAnalysis, WireAnswerability, WireClassification, WireConfusionRow, WireInterval,
    WireNullScore, WireSlice,
};

/// The most slices of one property that a page shows; a record holds all.
const MOST_SLICES: usize = 20;

/// A table with its title.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Section {
    /// The title.
    pub title: String,
    /// The headings of the columns; the first column holds names.
    pub headings: Vec<&'static str>,
    /// The rows, each as long as the headings.
    pub rows: Vec<Vec<String>>,
}

impl Section {
    /// A section.
    pub fn new(title: &str, headings: &[&'static str], rows: Vec<Vec<String>>) -> Self {
        Self {
            title: title.to_owned(),
            headings: headings.to_vec(),
            rows,
        }
    }
}

/// The tables of an analysis, the most telling first.
pub fn sections(analysis: &WireAnalysis) -> Vec<Section> {
    let mut sections = vec![certainty(analysis), worst(analysis), errors(analysis)];
    sections.push(confusion(analysis));
    if let Some(answerability) = &analysis.answerability {
        sections.push(thresholds(answerability));
        sections.extend(answerability.null_score.as_ref().and_then(calibration));
    }
    sections.extend(slices(analysis));
    sections.retain(|section| !section.rows.is_empty());
    sections
}

fn percent(value: f64) -> String {
    format!("{value:.2}")
}

fn signed(value: f64) -> String {
    format!("{value:+.2}")
}

fn share(value: Option<f64>) -> String {
    value.map_or("-".to_owned(), |value| format!("{value:.3}"))
}

fn range(interval: &WireInterval) -> String {
    format!("{:.2} to {:.2}", interval.lower, interval.upper)
}

/// Intervals and folds.
pub(super) fn certainty(analysis: &WireAnalysis) -> Section {
    let mut rows = Vec::new();
    let passages = format!(
        "95 % interval, resampling {} passages",
        analysis.intervals.passages
    );
    for (name, intervals) in [
        (
            "95 % interval, resampling questions".to_owned(),
            &analysis.intervals.by_question,
        ),
        (passages, &analysis.intervals.by_passage),
    ] {
        if let Some(intervals) = intervals {
            rows.push(vec![
                name,
                range(&intervals.exact_match),
                range(&intervals.f1),
            ]);
        }
    }
    if let Some(folds) = &analysis.folds {
        let count = folds.folds.len();
        let [exact_match, f1] = [folds.exact_match, folds.f1].map(|spread| {
            (
                format!("{:.2} ± {:.2}", spread.mean, spread.standard_deviation),
                format!("{:.2} to {:.2}", spread.min, spread.max),
            )
        });
        let by = &folds.by;
        let name = format!("{count} folds by {by}, mean ± standard deviation");
        rows.push(vec![name, exact_match.0, f1.0]);
        let name = format!("{count} folds by {by}, least to most");
        rows.push(vec![name, exact_match.1, f1.1]);
    }
    Section::new(
        "How much of it is chance",
        &["", "exact match %", "F1 %"],
        rows,
    )
}

fn slice_cells(slice: &WireSlice) -> Vec<String> {
    vec![
        slice.n.to_string(),
        percent(slice.exact_match),
        percent(slice.f1),
        signed(slice.exact_match_difference),
        signed(slice.f1_difference),
    ]
}

/// The slices that are worse than chance explains.
fn worst(analysis: &WireAnalysis) -> Section {
    let worst = analysis.worst_slices(10).into_iter();
    let rows = worst.map(|(name, slice)| {
        let mut row = vec![property(name), slice.name.clone()];
        row.extend(slice_cells(slice));
        row
    });
    Section::new(
        "Where it is worst",
        &["by", "slice", "n", "EM %", "F1 %", "EM ±", "F1 ±"],
        rows.collect(),
    )
}

fn errors(analysis: &WireAnalysis) -> Section {
    let kinds = analysis.errors.kinds.iter().map(|kind| {
        vec![
            spaced(&kind.kind),
            kind.n.to_string(),
            percent(kind.percent_of_wrong),
            percent(kind.percent_of_questions),
        ]
    });
    Section::new(
        "Wrong answers by kind",
        &["kind", "n", "% of wrong", "% of questions"],
        kinds.collect(),
    )
}

pub(super) fn confusion(analysis: &WireAnalysis) -> Section {
    let row = |name: &str, row: &WireConfusionRow| {
        let counts = [row.exact, row.partial, row.wrong, row.null, row.missing];
        let mut cells = vec![name.to_owned()];
        cells.extend(counts.map(|count| count.to_string()));
        cells
    };
    Section::new(
        "What was asked for and what was answered",
        &["gold", "exact", "partial", "wrong", "null", "missing"],
        vec![
            row("has an answer", &analysis.confusion.has_answer),
            row("has none", &analysis.confusion.no_answer),
        ],
    )
}

/// The decision whether there is an answer, under each threshold.
pub(super) fn thresholds(answerability: &WireAnswerability) -> Section {
    let blank = || vec!["-".to_owned(); 3];
    let row = |name: &str, figures: Vec<String>, classes: Vec<String>| {
        [vec![name.to_owned()], figures, classes].concat()
    };
    let as_answered = classes(&answerability.as_answered);
    let mut rows = vec![row("as answered", blank(), as_answered)];
    let mut title = "Is there an answer?".to_owned();
    if let Some(score) = &answerability.null_score {
        if let Some(curve) = &score.precision_recall {
            title += &format!(" (average precision {:.4})", curve.average_precision);
        }
        for (name, at) in [
            ("threshold in force", score.in_force.as_ref()),
            (
                "best for EM, ties kept together",
                Some(&score.best_exact_match),
            ),
            ("best for F1, ties kept together", Some(&score.best_f1)),
        ] {
            let Some(at) = at else { continue };
            let threshold = format!("{:.4}", at.threshold);
            let figures = vec![threshold, percent(at.exact_match), percent(at.f1)];
            rows.push(row(name, figures, classes(&at.classification)));
        }
        for (name, held_out) in [
            (
                "chosen for EM on the other half",
                &score.held_out_exact_match,
            ),
            ("chosen for F1 on the other half", &score.held_out_f1),
        ] {
            let Some(held_out) = held_out else { continue };
            let ways = held_out.directions.iter();
            let thresholds: Vec<_> = ways.map(|way| format!("{:.4}", way.threshold)).collect();
            let means = [percent(held_out.exact_match), percent(held_out.f1)];
            let figures = [vec![thresholds.join(", ")], means.to_vec()].concat();
            rows.push(row(name, figures, vec!["-".to_owned(); 7]));
        }
    }
    Section::new(&title, &DECISION_COLUMNS, rows)
}

/// The columns of [`thresholds`]: a name, three figures, and those of [`classes`].
const DECISION_COLUMNS: [&str; 11] = [
    "decided by",
    "null odds above",
    "EM %",
    "F1 %",
    "accuracy",
    "answer: precision",
    "recall",
    "F1",
    "none: precision",
    "recall",
    "F1",
];

/// Accuracy, and precision, recall and F1 of both classes.
fn classes(figures: &WireClassification) -> Vec<String> {
    let (has, none) = (&figures.has_answer, &figures.no_answer);
    let shares = [
        figures.accuracy,
        has.precision,
        has.recall,
        has.f1,
        none.precision,
        none.recall,
        none.f1,
    ];
    shares.map(share).to_vec()
}

/// Calibration of the null score.
fn calibration(score: &WireNullScore) -> Option<Section> {
    let calibration = score.calibration.as_ref()?;
    let title = format!(
        "Calibration of \"no answer\": expected error {:.4}, Brier score {:.4}",
        calibration.expected_calibration_error, calibration.brier
    );
    let bins = calibration.bins.iter().map(|bin| {
        vec![
            format!("{:.2} to {:.2}", bin.above, bin.up_to),
            bin.n.to_string(),
            share(Some(bin.mean_probability)),
            share(Some(bin.unanswerable)),
        ]
    });
    let headings = ["probability", "n", "mean", "unanswerable"];
    Some(Section::new(&title, &headings, bins.collect()))
}

/// Every property's slices.
fn slices(analysis: &WireAnalysis) -> Vec<Section> {
    let sections = analysis.slices.iter().map(|dimension| {
        let mut title = format!("By {}", property(&dimension.property));
        if dimension.slices.len() > MOST_SLICES {
            let count = dimension.slices.len();
            title += &format!(" (the worst {MOST_SLICES} of {count}; all are in run.json)");
        }
        let rows = dimension.slices.iter().take(MOST_SLICES).map(|slice| {
            let mut row = vec![slice.name.clone()];
            row.extend(slice_cells(slice));
            row
        });
        let headings = ["slice", "n", "EM %", "F1 %", "EM ±", "F1 ±"];
        Section::new(&title, &headings, rows.collect())
    });
    sections.collect()
}

/// What slices differ in, with the unit.
pub(super) fn property(name: &str) -> String {
    match name {
        "answer_length" => "answer length in words",
        "context_length" => "passage length in words",
        "windows" => "number of windows",
        "answer_position" => "place of the answer in the passage",
        "answer_rarity" => "number of passages with the answer's rarest word",
        other => return spaced(other),
    }
    .to_owned()
}

/// A name of the record as words.
pub(super) fn spaced(name: &str) -> String {
    name.replace('_', " ")
}

/// The tables in aligned columns, for a terminal.
pub fn text(analysis: &WireAnalysis) -> String {
    let mut text = String::new();
    for section in sections(analysis) {
        let headings: Vec<String> = section.headings.iter().map(|&h| h.to_owned()).collect();
        let lines: Vec<Vec<String>> = std::iter::once(headings).chain(section.rows).collect();
        text += &format!("\n{}\n", section.title);
        for line in aligned(&lines, 1) {
            text += &format!("  {line}\n");
        }
    }
    text
}
