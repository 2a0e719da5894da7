//! Questions that only one of two cells answered exactly.

use super::figures::signed;
use super::markup::{Markup, element};
use super::prose::{answer, answer_against, prose};
use super::table::{Column, Field, Filter, Row, Table};
use crate::compare::wire::{WireComparison, WireFlip, WireFlipAnswer, WireFlips};
use crate::compare::{Cause, Direction};
use crate::render::analysis::spaced;

/// How many there are and why, then each.
pub fn part(comparison: &WireComparison, number: usize) -> Markup {
    let flips = &comparison.flips;
    let heading = element(
        "h3",
        &[],
        Markup::text("Flips: questions that only one side answered exactly"),
    );
    let counts = format!(
        "{} lost (right by the base, wrong by the candidate), {} gained. Besides, without a flip, F1 rose for {} questions and fell \
         for {}; {} answers differ in all.",
        flips.lost, flips.gained, flips.f1_higher, flips.f1_lower, flips.answers_changed
    );
    let mut part = heading.and(element("p", &[], Markup::text(counts)));
    if flips.questions.is_empty() {
        return part;
    }
    part.push(element(
        "div",
        &[("class", "pair")],
        causes(flips, number).and(errors(flips, number)),
    ));
    let filters = [
        ("data-direction", "Direction"),
        ("data-cause", "Cause"),
        ("data-error", "Error"),
    ];
    let table = Table {
        id: &format!("flips-{number}"),
        caption: "Flips",
        columns: [
            "question",
            "went",
            "cause",
            "gold answers",
            "base\u{2019}s answer",
            "candidate\u{2019}s answer",
        ]
        .map(Column::words)
        .into(),
        rows: flips.questions.iter().map(row).collect(),
        search: Some(
            filters
                .map(|(property, name)| Filter { property, name })
                .to_vec(),
        ),
        class: "flips",
    };
    part.push(element("div", &[("class", "tall")], table.markup()));
    let text = "Marked words are those that the other side\u{2019}s answer has not. Score: start logit plus end logit (a probability for the \
                pipeline decoder); margin: its distance to the best span of another text; null odds: null score less best span score.";
    part.and(element("p", &[("class", "hint")], Markup::text(text)))
}

fn causes(flips: &WireFlips, number: usize) -> Markup {
    let rows = flips.causes.iter().map(|count| {
        let name = spaced(count.cause.name());
        counted(&name, meaning(count.cause), count.lost, count.gained)
    });
    table_of_counts(
        &format!("causes-{number}"),
        "Flips by cause",
        "cause",
        rows.collect(),
    )
}

fn errors(flips: &WireFlips, number: usize) -> Markup {
    let rows = flips
        .errors
        .iter()
        .map(|count| counted(&spaced(&count.error), "", count.lost, count.gained));
    table_of_counts(
        &format!("flip-errors-{number}"),
        "Wrong answers among the flips by kind of error",
        "error",
        rows.collect(),
    )
}

fn counted(name: &str, means: &str, lost: usize, gained: usize) -> Row {
    let mut content = Markup::foreign(name);
    if !means.is_empty() {
        content.push(element("small", &[], Markup::text(means)));
    }
    let counts = [lost, gained].map(|count| Field::text(count).sorted_by(count as f64));
    let fields = [Field::of(content)].into_iter().chain(counts).collect();
    Row {
        fields,
        properties: Vec::new(),
    }
}

fn table_of_counts(id: &str, caption: &str, name: &str, rows: Vec<Row>) -> Markup {
    if rows.is_empty() {
        return Markup::new();
    }
    let columns = vec![
        Column::words(name),
        Column::figures("lost"),
        Column::figures("gained"),
    ];
    let table = Table {
        id,
        caption,
        columns,
        rows,
        search: None,
        class: "",
    };
    element("div", &[], table.markup())
}

fn meaning(cause: Cause) -> &'static str {
    match cause {
        Cause::Scoring => "the same text, scored otherwise: golds or protocol differ",
        Cause::Tie => "rounding chose: an answer was hardly ahead of the next one",
        Cause::NullThreshold => "one side alone gave \u{201c}no answer\u{201d}",
        Cause::Normalisation => "the answers differ in writing only",
        Cause::Window => "from a window that does not show the other\u{2019}s answer",
        Cause::Boundary => "the answers overlap",
        Cause::OtherSpan => "the answers are other places",
    }
}

fn row(flip: &WireFlip) -> Row {
    let question = flip.question.as_deref().map_or(Markup::new(), prose);
    let id = element(
        "small",
        &[],
        Markup::text("id ").and(Markup::foreign(&flip.id)),
    );
    let golds = match flip.golds.as_deref() {
        None => Markup::text("not recorded"),
        Some([]) => answer(""),
        Some(golds) => {
            let golds = golds.iter().map(|gold| element("li", &[], answer(gold)));
            element("ul", &[("class", "golds")], golds.collect())
        }
    };
    let (base, candidate) = (&flip.base, &flip.candidate);
    let (class, wrong) = match flip.direction {
        Direction::Lost => ("bad", candidate),
        Direction::Gained => ("good", base),
    };
    let direction = element(
        "span",
        &[("class", &format!("badge {class}"))],
        Markup::text(flip.direction.name()),
    );
    let cause = spaced(flip.cause.name());
    Row {
        fields: vec![
            Field::of(question.and(id)),
            Field::of(direction),
            Field::text(&cause),
            Field::of(golds),
            Field::of(side(base, &candidate.answer)),
            Field::of(side(candidate, &base.answer)),
        ],
        properties: vec![
            ("data-direction", flip.direction.name().to_owned()),
            ("data-cause", cause),
            (
                "data-error",
                spaced(wrong.error.as_deref().unwrap_or("unknown")),
            ),
        ],
    }
}

/// An answer with what its side thought of it.
fn side(given: &WireFlipAnswer, other: &str) -> Markup {
    let mut figures = vec![
        format!("F1 {:.1} %", 100.0 * given.f1),
        format!("score {}", decimal(given.score)),
    ];
    figures.extend(
        given
            .margin
            .map(|margin| format!("margin {}", decimal(margin))),
    );
    figures.extend(
        given
            .null_odds
            .map(|odds| format!("null odds {}", decimal(odds))),
    );
    figures.extend(given.error.as_deref().map(spaced));
    let figures = element("small", &[], Markup::text(figures.join(", ")));
    answer_against(&given.answer, other).and(figures)
}

fn decimal(value: f32) -> String {
    signed(f64::from(value), 2)
        .trim_start_matches('+')
        .to_owned()
}
