//! Tables that can be sorted, searched and filtered; without the script they are plain tables.

use super::markup::{Markup, element, void};
use super::prose::prose;

/// What a column holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Words, to the left.
    Words,
    /// Figures, to the right.
    Figures,
    /// Drawings; rows are not sorted by them.
    Drawings,
}

/// A column's heading and kind.
#[derive(Debug, Clone)]
pub struct Column {
    heading: Markup,
    kind: Kind,
}

impl Column {
    /// A column of words.
    pub fn words(heading: &str) -> Self {
        Self {
            heading: Markup::text(unbroken(heading)),
            kind: Kind::Words,
        }
    }

    /// A column of figures; the heading says their unit.
    pub fn figures(heading: &str) -> Self {
        Self {
            heading: Markup::text(unbroken(heading)),
            kind: Kind::Figures,
        }
    }

    /// A column of drawings under their axis.
    pub fn drawings(heading: Markup) -> Self {
        Self {
            heading,
            kind: Kind::Drawings,
        }
    }
}

/// A heading that stays on one line where it is short: a unit alone on a line reads badly.
fn unbroken(heading: &str) -> String {
    if heading.chars().count() <= 12 {
        heading.replace(' ', "\u{a0}")
    } else {
        heading.to_owned()
    }
}

/// A cell of a table.
#[derive(Debug, Clone)]
pub struct Field {
    content: Markup,
    /// What rows are sorted by in place of the text.
    value: Option<f64>,
    columns: usize,
    class: &'static str,
}

impl Field {
    /// Any content.
    pub fn of(content: Markup) -> Self {
        Self {
            content,
            value: None,
            columns: 1,
            class: "",
        }
    }

    /// Words of the program, or a figure that is written as it is sorted.
    pub fn text(text: impl std::fmt::Display) -> Self {
        Self::of(Markup::text(text))
    }

    /// Text of a data set, a model or a path; a long one is folded.
    pub fn foreign(text: &str) -> Self {
        Self::of(prose(text))
    }

    /// A figure with `decimals` digits; a dash where there is none.
    pub fn figure(value: Option<f64>, decimals: usize) -> Self {
        match value.filter(|value| value.is_finite()) {
            Some(value) => Self::text(format!("{value:.decimals$}")).sorted_by(value),
            None => Self::text("\u{2013}"),
        }
    }

    /// Sorted by `value`, whatever is written.
    #[must_use]
    pub fn sorted_by(self, value: f64) -> Self {
        Self {
            value: Some(value),
            ..self
        }
    }

    /// Over several columns.
    #[must_use]
    pub fn over(self, columns: usize) -> Self {
        Self { columns, ..self }
    }

    /// With a class of the style sheet.
    #[must_use]
    pub fn class(self, class: &'static str) -> Self {
        Self { class, ..self }
    }

    fn markup(self, column: Option<&Column>, is_name: bool) -> Markup {
        let kind = column.map_or(Kind::Words, |column| column.kind);
        let class = match kind {
            _ if !self.class.is_empty() => self.class,
            Kind::Words => "",
            Kind::Figures if self.columns > 1 => "",
            Kind::Figures => "figure",
            Kind::Drawings => "drawing",
        };
        let span = self.columns.to_string();
        let value = self.value.map(|value| value.to_string());
        let mut attributes = Vec::new();
        if is_name {
            attributes.push(("scope", "row"));
        }
        if !class.is_empty() {
            attributes.push(("class", class));
        }
        if self.columns > 1 {
            attributes.push(("colspan", span.as_str()));
        }
        if let Some(value) = &value {
            attributes.push(("data-value", value));
        }
        element(if is_name { "th" } else { "td" }, &attributes, self.content)
    }
}

/// A row, with what it can be filtered by.
#[derive(Debug, Clone, Default)]
pub struct Row {
    /// The cells; the first names the row.
    pub fields: Vec<Field>,
    /// Attributes that a [`Filter`] looks at: `data-…` and the value.
    pub properties: Vec<(&'static str, String)>,
}

/// A choice of rows by one of their properties.
#[derive(Debug, Clone, Copy)]
pub struct Filter {
    /// The attribute of rows: `data-…`.
    pub property: &'static str,
    /// As readers know it.
    pub name: &'static str,
}

/// A table.
#[derive(Debug, Clone)]
pub struct Table<'a> {
    /// Its id in the page.
    pub id: &'a str,
    /// What it holds, for those who do not see what it stands under.
    pub caption: &'a str,
    /// The columns.
    pub columns: Vec<Column>,
    /// The rows.
    pub rows: Vec<Row>,
    /// Whether its rows can be searched, and by what they can be filtered.
    pub search: Option<Vec<Filter>>,
    /// Classes of the style sheet.
    pub class: &'a str,
}

impl Table<'_> {
    /// The table, in a container that it can be scrolled in, below its controls.
    pub fn markup(self) -> Markup {
        let mut section = Markup::new();
        if let Some(filters) = &self.search {
            section.push(controls(self.id, filters, &self.rows));
        }
        let head = self.columns.iter().map(heading).collect();
        let head = element("thead", &[], element("tr", &[], head));
        let columns = &self.columns;
        let rows = self.rows.into_iter().map(|row| table_row(row, columns));
        let body = element("tbody", &[], rows.collect());
        let caption = element("caption", &[], Markup::text(self.caption));
        let attributes = [("id", self.id), ("class", self.class)];
        let table = element("table", &attributes, caption.and(head).and(body));
        let attributes = [
            ("class", "scroll"),
            ("role", "region"),
            ("aria-label", self.caption),
            ("tabindex", "0"),
        ];
        section.and(element("div", &attributes, table))
    }
}

fn heading(column: &Column) -> Markup {
    let (class, sort) = match column.kind {
        Kind::Words => ("words", "words"),
        Kind::Figures => ("figure", "figures"),
        Kind::Drawings => ("drawing", "none"),
    };
    let attributes = [("scope", "col"), ("class", class), ("data-sort", sort)];
    element("th", &attributes, column.heading.clone())
}

fn table_row(row: Row, columns: &[Column]) -> Markup {
    let mut fields = Markup::new();
    let mut column = 0;
    for (place, field) in row.fields.into_iter().enumerate() {
        let span = field.columns;
        fields.push(field.markup(columns.get(column), place == 0));
        column += span;
    }
    let properties = row.properties.iter();
    let attributes: Vec<_> = properties
        .map(|(name, value)| (*name, value.as_str()))
        .collect();
    element("tr", &attributes, fields)
}

/// A search box, a choice for each filter, and how many rows are shown. They are hidden where
/// there is no script to make them work.
fn controls(table: &str, filters: &[Filter], rows: &[Row]) -> Markup {
    let search = [
        ("type", "search"),
        ("autocomplete", "off"),
        ("spellcheck", "false"),
    ];
    let search = Markup::text("Search ").and(void("input", &search));
    let mut content = element("label", &[], search);
    for filter in filters {
        let mut values: Vec<&str> = Vec::new();
        for row in rows {
            let properties = row.properties.iter();
            for (_, value) in properties.filter(|(name, _)| *name == filter.property) {
                if !values.contains(&value.as_str()) {
                    values.push(value);
                }
            }
        }
        let mut options = element("option", &[("value", "")], Markup::text("all"));
        for value in values {
            options.push(element("option", &[("value", value)], Markup::text(value)));
        }
        let select = element("select", &[("data-by", filter.property)], options);
        let name = Markup::text(format!("{} ", filter.name));
        content.push(element("label", &[], name.and(select)));
    }
    let count = format!("{} of {} shown", rows.len(), rows.len());
    content.push(element(
        "output",
        &[("aria-live", "polite")],
        Markup::text(count),
    ));
    let attributes = [
        ("class", "controls"),
        ("role", "search"),
        ("data-for", table),
        ("hidden", ""),
    ];
    element("div", &attributes, content)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_say_what_they_hold() {
        let table = Table {
            id: "t",
            caption: "A table",
            columns: vec![Column::words("name"), Column::figures("n")],
            rows: vec![
                Row {
                    fields: vec![Field::foreign("<a>"), Field::figure(Some(1.25), 1)],
                    properties: vec![("data-kind", "x\"y".to_owned())],
                },
                Row {
                    fields: vec![Field::text("b"), Field::figure(Some(f64::NAN), 1)],
                    properties: vec![("data-kind", "z".to_owned())],
                },
            ],
            search: Some(vec![Filter {
                property: "data-kind",
                name: "kind",
            }]),
            class: "wide",
        };
        let markup = table.markup();
        let text = markup.as_str();
        for part in [
            "<div class=\"controls\" role=\"search\" data-for=\"t\" hidden=\"\">",
            "<option value=\"x&quot;y\">x&quot;y</option>",
            "2 of 2 shown",
            "<th scope=\"col\" class=\"figure\" data-sort=\"figures\">n</th>",
            "<tr data-kind=\"x&quot;y\"><th scope=\"row\"><bdi class=\"prose\">&lt;a&gt;</bdi></th>\
             <td class=\"figure\" data-value=\"1.25\">1.2</td></tr>",
            "<td class=\"figure\">–</td>",
        ] {
            assert!(text.contains(part), "{part}\n{text}");
        }
    }
}
