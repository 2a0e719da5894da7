//! Exact match by slices, each with its interval against the whole.

use super::figures::signed;
use super::markup::{Markup, element};
use super::svg::Scale;
use super::svg::strip::{self, Interval};
use super::table::{Column, Field, Filter, Row, Table};
use super::{Finished, Section};
use crate::analysis::wire::{WireAnalysis, WireSlice};
use crate::render::analysis::property;

/// A slice with what it is a slice of.
struct Sliced<'a> {
    cell: &'a str,
    whole: f64,
    property: String,
    slice: &'a WireSlice,
    /// Whether it is of too few questions to say much.
    is_small: bool,
}

/// Every slice of every cell, those first that are the surest to be below the whole.
pub fn section(finished: &[Finished<'_>]) -> Option<Section> {
    let mut slices: Vec<Sliced<'_>> = finished
        .iter()
        .filter_map(|cell| Some((cell.name.as_str(), cell.run.record.analysis()?)))
        .flat_map(|(cell, analysis)| of_cell(cell, analysis))
        .collect();
    if slices.is_empty() {
        return None;
    }
    slices.sort_by(|a, b| {
        let small = a.is_small.cmp(&b.is_small);
        small.then(b.slice.shortfall.total_cmp(&a.slice.shortfall))
    });
    let scale = Scale::linear([0.0, 100.0], strip::ACROSS).within(0.0, 100.0);
    let filters = [
        ("data-cell", "Cell"),
        ("data-property", "Property"),
        ("data-below", "Below the whole"),
    ];
    let table = Table {
        id: "slices-table",
        caption: "Slices, the surest to be below the whole first",
        columns: vec![
            Column::words("slice"),
            Column::words("by"),
            Column::words("cell"),
            Column::figures("questions"),
            Column::figures("EM, %"),
            Column::drawings(strip::axis(&scale, "EM and its 95 % interval, %")),
            Column::figures("less the whole, points"),
            Column::figures("F1, %"),
            Column::figures("shortfall, points"),
        ],
        rows: slices.iter().map(|slice| row(slice, &scale)).collect(),
        search: Some(
            filters
                .map(|(property, name)| Filter { property, name })
                .to_vec(),
        ),
        class: "wide",
    };
    let text = "The line across is exact match of all questions of the cell. Shortfall is the whole less the upper end of \
                the slice's Wilson interval: above 0, the whole lies above the slice's own interval. Of a hundred slices that \
                are as good as the whole, two or three lie so by chance. Slices of few questions come last.";
    let hint = element("p", &[("class", "hint")], Markup::text(text));
    Section::new(
        "slices",
        "Slices",
        hint.and(element("div", &[("class", "tall")], table.markup())),
    )
}

fn of_cell<'a>(cell: &'a str, analysis: &'a WireAnalysis) -> impl Iterator<Item = Sliced<'a>> {
    let least = analysis.settings.min_slice;
    analysis.slices.iter().flat_map(move |dimension| {
        dimension.slices.iter().map(move |slice| Sliced {
            cell,
            whole: slice.exact_match - slice.exact_match_difference,
            property: property(&dimension.property),
            slice,
            is_small: slice.n < least,
        })
    })
}

fn row(sliced: &Sliced<'_>, scale: &Scale) -> Row {
    let slice = sliced.slice;
    let wilson = slice.exact_match_wilson;
    let interval = Interval {
        value: Some(slice.exact_match),
        ends: Some((wilson.lower, wilson.upper)),
    };
    let is_below = slice.shortfall > 0.0 && !sliced.is_small;
    let class = match (is_below, sliced.is_small) {
        (true, _) => "bad",
        (_, true) => "faint",
        _ => "",
    };
    let says = format!(
        "{}: {:.1} %, {:.1} to {:.1} %; the whole {:.1} %",
        slice.name, slice.exact_match, wilson.lower, wilson.upper, sliced.whole
    );
    let strip = strip::strip(scale, interval, sliced.whole, None, class, &says);
    let below = match (is_below, sliced.is_small) {
        (true, _) => "yes",
        (_, true) => "too few questions",
        _ => "no",
    };
    Row {
        fields: vec![
            Field::foreign(&slice.name),
            Field::text(&sliced.property),
            Field::foreign(sliced.cell),
            Field::text(slice.n).sorted_by(slice.n as f64),
            Field::figure(Some(slice.exact_match), 2),
            Field::of(strip),
            Field::text(signed(slice.exact_match_difference, 2))
                .sorted_by(slice.exact_match_difference),
            Field::figure(Some(slice.f1), 2),
            Field::text(signed(slice.shortfall, 2)).sorted_by(slice.shortfall),
        ],
        properties: vec![
            ("data-cell", sliced.cell.to_owned()),
            ("data-property", sliced.property.clone()),
            ("data-below", below.to_owned()),
        ],
    }
}
