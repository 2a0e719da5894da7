//! A candidate against a base: verdicts, what hinders them, slices, flips.

use super::figures::signed;
use super::markup::{Markup, element};
use super::svg::Scale;
use super::svg::strip::{self, Interval};
use super::table::{Column, Field, Row, Table};
use super::{Section, flips, verdicts};
use crate::compare::Aspect;
use crate::compare::wire::{WireComparison, WireRecordDifference, WireSide, WireSliceComparison};
use crate::record::common::not_measured;
use crate::render::analysis::property;

/// One comparison.
pub fn section(comparison: &WireComparison, number: usize, of: usize) -> Option<Section> {
    let mut content = sides(comparison, number);
    content.push(verdicts::accuracy(comparison, number));
    content.push(verdicts::performance(comparison, number));
    content.push(differences(&comparison.comparability.differences, number));
    let notes = comparison.notes.iter();
    let notes: Markup = notes
        .map(|note| element("li", &[], Markup::foreign(note)))
        .collect();
    if !notes.is_empty() {
        content.push(element("ul", &[("class", "notes")], notes));
    }
    content.push(slices(comparison, number));
    content.push(flips::part(comparison, number));
    let (id, title) = if of == 1 {
        ("comparison".to_owned(), "Comparison".to_owned())
    } else {
        let [candidate, base] = names(comparison);
        let title = format!("Comparison {number}: {candidate} against {base}");
        (format!("comparison-{number}"), title)
    };
    Section::new(&id, &title, content)
}

/// Names of candidate and base that tell them apart: the cells, or what else differs.
pub fn names(comparison: &WireComparison) -> [String; 2] {
    let ways: [fn(&WireSide) -> String; 4] = [
        |side| side.cell.clone(),
        |side| format!("{} {}", side.model, side.dtype),
        |side| {
            format!(
                "{} {} {} {}",
                side.model, side.dtype, side.compute_dtype, side.ops
            )
        },
        |side| side.path.clone(),
    ];
    let sides = [&comparison.candidate, &comparison.base];
    let mut named = ways.iter().map(|way| sides.map(way));
    let differing = named.find(|[candidate, base]| candidate != base);
    differing.unwrap_or_else(|| ["candidate", "base"].map(str::to_owned))
}

/// What is compared, side by side.
fn sides(comparison: &WireComparison, number: usize) -> Markup {
    let of = |side: &WireSide| {
        [
            ("cell", side.cell.clone()),
            ("model", side.model.clone()),
            (
                "revision",
                side.revision.clone().unwrap_or("\u{2013}".to_owned()),
            ),
            ("architecture", side.architecture.clone()),
            (
                "weights kept in, multiplied in",
                format!("{}, {}", side.dtype, side.compute_dtype),
            ),
            ("operations", side.ops.clone()),
            ("data set", side.dataset.clone()),
            ("device", side.device.clone()),
            ("questions", side.questions.to_string()),
            (
                "repetitions",
                match side.shards {
                    None => side.repetitions.to_string(),
                    Some(shards) => not_measured(shards),
                },
            ),
            ("began (UTC)", side.started.clone()),
            ("folder", side.path.clone()),
        ]
    };
    let both = of(&comparison.base)
        .into_iter()
        .zip(of(&comparison.candidate));
    let mut rows: Vec<Row> = both
        .map(|((name, base), (_, candidate))| {
            // When and where always differ, and say nothing of the two.
            let is_telling = base != candidate && !["began (UTC)", "folder"].contains(&name);
            let class = if is_telling { "differs" } else { "" };
            let [base, candidate] =
                [base, candidate].map(|value| Field::foreign(&value).class(class));
            Row {
                fields: vec![Field::text(name), base, candidate],
                properties: Vec::new(),
            }
        })
        .collect();
    let doubts = [&comparison.base, &comparison.candidate].map(|side| doubts(&side.doubts));
    let fields = [Field::text("doubts of speed and memory")]
        .into_iter()
        .chain(doubts)
        .collect();
    rows.push(Row {
        fields,
        properties: Vec::new(),
    });
    Table {
        id: &format!("sides-{number}"),
        caption: "What is compared",
        columns: ["property", "base", "candidate"].map(Column::words).into(),
        rows,
        search: None,
        class: "properties fixed",
    }
    .markup()
}

fn doubts(doubts: &[String]) -> Field {
    if doubts.is_empty() {
        return Field::text("none");
    }
    let items = doubts
        .iter()
        .map(|doubt| element("li", &[], Markup::foreign(doubt)));
    let list = element("ul", &[("class", "reasons")], items.collect());
    let count = if doubts.len() == 1 {
        "1 doubt".to_owned()
    } else {
        format!("{} doubts", doubts.len())
    };
    let summary = element("summary", &[], Markup::text(count));
    Field::of(element("details", &[], summary.and(list)))
}

/// What differs between the records, and what it makes incomparable.
fn differences(differences: &[WireRecordDifference], number: usize) -> Markup {
    if differences.is_empty() {
        return Markup::new();
    }
    let rows = differences.iter().map(|difference| {
        let hinders: Vec<&str> = difference
            .hinders
            .iter()
            .copied()
            .map(Aspect::name)
            .collect();
        let hinders = if hinders.is_empty() {
            "nothing".to_owned()
        } else {
            hinders.join(", ")
        };
        Row {
            fields: vec![
                Field::text(&difference.field),
                Field::of(super::prose::prose(&difference.base)),
                Field::of(super::prose::prose(&difference.candidate)),
                Field::text(hinders),
            ],
            properties: Vec::new(),
        }
    });
    let table = Table {
        id: &format!("differences-{number}"),
        caption: "What differs between the records",
        columns: ["field", "base", "candidate", "cannot be compared for it"]
            .map(Column::words)
            .into(),
        rows: rows.collect(),
        search: None,
        class: "properties",
    };
    element("h3", &[], Markup::text("What differs besides the models")).and(table.markup())
}

fn slices(comparison: &WireComparison, number: usize) -> Markup {
    let slices = &comparison.slices;
    if slices.is_empty() {
        return Markup::new();
    }
    let ends = slices
        .iter()
        .filter(|slice| slice.group.n >= comparison.settings.min_slice)
        .flat_map(|slice| {
            let change = &slice.group.exact_match;
            [
                Some(change.difference),
                change.interval.map(|i| i.lower),
                change.interval.map(|i| i.upper),
            ]
        });
    let scale = Scale::linear(ends.flatten().chain([0.0]), strip::ACROSS);
    let level = 100.0 * comparison.settings.level;
    let axis = strip::axis(&scale, &format!("difference of EM, points, {level} %"));
    let columns = vec![
        Column::words("slice"),
        Column::words("by"),
        Column::figures("questions"),
        Column::figures("lost"),
        Column::figures("gained"),
        Column::figures("EM of base, %"),
        Column::figures("EM of candidate, %"),
        Column::figures("difference of EM, points"),
        Column::drawings(axis),
        Column::figures("difference of F1, points"),
    ];
    let least = comparison.settings.min_slice;
    let table = Table {
        id: &format!("comparison-slices-{number}"),
        caption: "Slices, the surest drop first",
        columns,
        rows: slices
            .iter()
            .map(|slice| slice_row(slice, &scale, least))
            .collect(),
        search: Some(vec![super::table::Filter {
            property: "data-property",
            name: "Property",
        }]),
        class: "wide",
    };
    let heading = element("h3", &[], Markup::text("Slices"));
    heading.and(element("div", &[("class", "tall")], table.markup()))
}

fn slice_row(slice: &WireSliceComparison, scale: &Scale, least: usize) -> Row {
    let change = &slice.group.exact_match;
    let ends = change
        .interval
        .map(|interval| (interval.lower, interval.upper));
    let class = match ends {
        _ if slice.group.n < least => "faint",
        Some((_, high)) if high < 0.0 => "bad",
        Some((low, _)) if low > 0.0 => "good",
        _ => "",
    };
    let interval = Interval {
        value: Some(change.difference),
        ends,
    };
    let says = format!(
        "{}: {} points of exact match",
        slice.name,
        signed(change.difference, 2)
    );
    let by = property(&slice.property);
    let f1 = slice.group.f1.difference;
    let counts = [slice.group.n, slice.group.lost, slice.group.gained];
    let mut fields = vec![Field::foreign(&slice.name), Field::foreign(&by)];
    fields.extend(counts.map(|count| Field::text(count).sorted_by(count as f64)));
    fields.extend([
        Field::figure(Some(change.base), 2),
        Field::figure(Some(change.candidate), 2),
        Field::text(signed(change.difference, 2)).sorted_by(change.difference),
        Field::of(strip::strip(scale, interval, 0.0, None, class, &says)),
        Field::text(signed(f1, 2)).sorted_by(f1),
    ]);
    Row {
        fields,
        properties: vec![("data-property", by)],
    }
}
