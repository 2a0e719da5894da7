//! Wrong answers by kind, the cells side by side.

use super::markup::{Markup, element};
use super::svg::{self, Scale};
use super::table::{Column, Field, Row, Table};
use super::{Finished, Section};
use crate::analysis::wire::WireErrors;
use crate::render::analysis::spaced;

const BAR: (f64, f64) = (120.0, 14.0);

/// A row for each kind that any cell has, the most frequent first.
pub fn section(finished: &[Finished<'_>]) -> Option<Section> {
    let cells: Vec<(&Finished<'_>, &WireErrors)> = finished
        .iter()
        .filter_map(|cell| Some((cell, &cell.run.record.analysis()?.errors)))
        .collect();
    let mut kinds: Vec<(&str, f64)> = Vec::new();
    for (_, errors) in &cells {
        for kind in &errors.kinds {
            match kinds.iter_mut().find(|(name, _)| *name == kind.kind) {
                Some((_, most)) => *most = most.max(kind.percent_of_questions),
                None => kinds.push((&kind.kind, kind.percent_of_questions)),
            }
        }
    }
    if kinds.is_empty() {
        return None;
    }
    kinds.sort_by(|a, b| b.1.total_cmp(&a.1));
    let scale = Scale::linear([0.0, kinds[0].1], (0.0, BAR.0)).within(0.0, kinds[0].1);
    let rows = kinds
        .iter()
        .flat_map(|(kind, _)| cells.iter().map(|cell| row(kind, cell, &scale)));
    let several = cells.len() > 1;
    let columns = vec![
        Column::words("kind"),
        Column::words("cell"),
        Column::figures("wrong answers"),
        Column::figures("% of questions"),
        Column::drawings(Markup::new()),
        Column::figures("% of wrong answers"),
    ];
    let table = Table {
        id: "errors-table",
        caption: "Wrong answers by kind",
        columns,
        rows: rows.collect(),
        search: several.then(|| {
            [("data-cell", "Cell"), ("data-kind", "Kind")]
                .map(|(property, name)| super::table::Filter { property, name })
                .to_vec()
        }),
        class: "",
    };
    let text = "Every answer without an exact match has one kind, the first that holds; docs/analysis.md says in which order.";
    let hint = element("p", &[("class", "hint")], Markup::text(text));
    Section::new(
        "errors",
        "Kinds of errors",
        hint.and(element("div", &[("class", "tall")], table.markup())),
    )
}

fn row(kind: &str, (cell, errors): &(&Finished<'_>, &WireErrors), scale: &Scale) -> Row {
    let found = errors.kinds.iter().find(|entry| entry.kind == kind);
    let [of_questions, of_wrong] = found.map_or([0.0; 2], |found| {
        [found.percent_of_questions, found.percent_of_wrong]
    });
    let n = found.map_or(0, |found| found.n);
    let bar = scale.at(of_questions).map_or(Markup::new(), |end| {
        svg::rectangle(
            &format!("bar {}", svg::series_class(cell.series)),
            (0.0, 1.0),
            (end, BAR.1 - 1.0),
        )
    });
    let kind = spaced(kind);
    let says = format!("{kind}, {}: {of_questions:.2} % of questions", cell.name);
    Row {
        fields: vec![
            Field::text(&kind),
            Field::foreign(&cell.name),
            Field::text(n).sorted_by(n as f64),
            Field::figure(Some(of_questions), 2),
            Field::of(svg::drawing("strip", BAR, &says, "", bar)),
            Field::figure(Some(of_wrong), 1),
        ],
        properties: vec![("data-cell", cell.name.clone()), ("data-kind", kind)],
    }
}
