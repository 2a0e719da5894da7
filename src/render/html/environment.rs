//! Machines and builds: what differs between the cells first, then all of it.

use serde_json::Value;

use super::figures::bytes;
use super::markup::{Markup, element};
use super::table::{Column, Field, Row, Table};
use super::{Finished, Section};

/// Read at a moment, these differ from one run to the next on any machine.
const MOMENTARY: [&str; 2] = ["processor.current_mhz", "platform.load_average"];

/// A property of the environment: its place in the record, and its value in each cell.
struct Property {
    place: String,
    values: Vec<String>,
}

impl Property {
    fn differs(&self) -> bool {
        self.values.iter().any(|value| *value != self.values[0])
    }
}

/// What differs between the cells, and what each has.
pub fn section(finished: &[Finished<'_>]) -> Option<Section> {
    let properties = properties(finished);
    if properties.is_empty() {
        return None;
    }
    let is_momentary = |property: &&Property| MOMENTARY.contains(&property.place.as_str());
    let differing: Vec<&Property> = properties
        .iter()
        .filter(|property| property.differs())
        .collect();
    let (momentary, lasting): (Vec<&Property>, Vec<&Property>) =
        differing.into_iter().partition(is_momentary);
    let names: Vec<&str> = finished.iter().map(|cell| cell.name.as_str()).collect();
    let mut content = Markup::new();
    if finished.len() > 1 {
        if lasting.is_empty() {
            let text = "All cells were measured in the same environment.";
            content.push(element("p", &[], Markup::text(text)));
        } else {
            content.push(element(
                "h3",
                &[],
                Markup::text("What differs between the cells"),
            ));
            let lasting: Vec<_> = lasting.into_iter().chain(momentary).collect();
            content.push(table(
                "environment-differences",
                "Environments: differences",
                &names,
                &lasting,
            ));
        }
    }
    let same: Vec<&Property> = properties
        .iter()
        .filter(|property| !property.differs())
        .collect();
    let (title, columns) = if finished.len() > 1 {
        ("What is the same in all cells", &["all cells"][..])
    } else {
        ("All of it", &names[..])
    };
    let summary = element("summary", &[], Markup::text(title));
    let table = table("environment-table", title, columns, &same);
    content.push(element("details", &[], summary.and(table)));
    Section::new("environment", "Environment", content)
}

fn properties(finished: &[Finished<'_>]) -> Vec<Property> {
    let mut properties: Vec<Property> = Vec::new();
    for (number, cell) in finished.iter().enumerate() {
        let record = &cell.run.record;
        let mut flat = vec![("device".to_owned(), record.device.clone())];
        flat.push(("threads".to_owned(), record.protocol.threads.to_string()));
        let environment = serde_json::to_value(&record.environment).unwrap_or_default();
        flatten(&environment, "", &mut flat);
        for (place, value) in flat {
            let known = properties
                .iter()
                .position(|property| property.place == place);
            let known = known.unwrap_or_else(|| {
                properties.push(Property {
                    place,
                    values: vec![String::new(); finished.len()],
                });
                properties.len() - 1
            });
            properties[known].values[number] = value;
        }
    }
    properties
}

/// An object's leaves by their place.
fn flatten(value: &Value, place: &str, out: &mut Vec<(String, String)>) {
    if let Value::Object(object) = value {
        for (name, value) in object {
            let place = if place.is_empty() {
                name.clone()
            } else {
                format!("{place}.{name}")
            };
            flatten(value, &place, out);
        }
        return;
    }
    out.push((place.to_owned(), written(place, value)));
}

fn written(place: &str, value: &Value) -> String {
    match value {
        Value::Null => "not known".to_owned(),
        Value::Bool(true) => "yes".to_owned(),
        Value::Bool(false) => "no".to_owned(),
        Value::Number(number) if place.ends_with("_bytes") => {
            number.as_u64().map_or(number.to_string(), bytes)
        }
        Value::Number(number) if place.ends_with("_mhz") => format!("{number} MHz"),
        Value::String(text) => text.clone(),
        Value::Array(values) if place == "processor.caches" => caches(values),
        Value::Array(values) if values.is_empty() => "none".to_owned(),
        Value::Array(values) => {
            let parts: Vec<String> = values.iter().map(|value| written("", value)).collect();
            let separator = if place == "cpu_features" { " " } else { ", " };
            parts.join(separator)
        }
        other => other.to_string(),
    }
}

/// `[name, bytes of one, how many]` each.
fn caches(values: &[Value]) -> String {
    let parts = values.iter().map(|cache| {
        let name = cache.get(0).and_then(Value::as_str).unwrap_or_default();
        let size = cache.get(1).and_then(Value::as_u64).unwrap_or_default();
        let count = cache.get(2).and_then(Value::as_u64).unwrap_or_default();
        format!("{name} {count} \u{d7} {}", bytes(size))
    });
    parts.collect::<Vec<_>>().join(", ")
}

fn table(id: &str, caption: &str, columns: &[&str], properties: &[&Property]) -> Markup {
    let rows = properties.iter().map(|property| {
        let name = property.place.replace('_', " ").replace('.', ": ");
        let name = name
            .strip_suffix(" bytes")
            .or(name.strip_suffix(" mhz"))
            .unwrap_or(&name);
        let mut fields = vec![Field::text(name)];
        fields.extend(
            property
                .values
                .iter()
                .take(columns.len())
                .map(|value| Field::foreign(value)),
        );
        Row {
            fields,
            properties: Vec::new(),
        }
    });
    let names = [Column::words("property")].into_iter();
    Table {
        id,
        caption,
        columns: names
            .chain(columns.iter().map(|name| Column::words(name)))
            .collect(),
        rows: rows.collect(),
        search: None,
        class: "properties",
    }
    .markup()
}
