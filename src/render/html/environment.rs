//! Machines and builds: what differs between the cells first, then all of it.

use serde_json::Value;

use super::figures::bytes;
use super::markup::{Markup, element};
use super::table::{Column, Field, Row, Table};
use super::{Finished, Section};
use crate::record::common::ShardNumbers;

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
    let machines = machines(finished);
    let properties = properties(&machines);
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
    let names: Vec<&str> = machines
        .iter()
        .map(|machine| machine.name.as_str())
        .collect();
    let mut content = merged(finished);
    if machines.len() > 1 {
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
    let (title, columns) = if machines.len() > 1 {
        ("What is the same in all cells", &["all cells"][..])
    } else {
        ("All of it", &names[..])
    };
    let summary = element("summary", &[], Markup::text(title));
    let table = table("environment-table", title, columns, &same);
    content.push(element("details", &[], summary.and(table)));
    Section::new("environment", "Environment", content)
}

/// A machine that a cell, or some of its shards, ran on.
struct Machine {
    /// The cell's, with the shards' numbers.
    name: String,
    properties: Properties,
}

/// What there is to be told of a machine, each by its place in the record.
type Properties = Vec<(String, String)>;

/// The machine of each cell; of merged shards that of each, those once that are alike.
fn machines(finished: &[Finished<'_>]) -> Vec<Machine> {
    let mut machines = Vec::new();
    for cell in finished {
        let mut own: Vec<(Properties, Vec<usize>)> = Vec::new();
        for place in cell.run.record.places() {
            let mut flat = vec![("device".to_owned(), place.device.to_owned())];
            flat.push(("threads".to_owned(), place.threads.to_string()));
            let environment = serde_json::to_value(place.environment).unwrap_or_default();
            flatten(&environment, "", &mut flat);
            if place.shard.is_some() {
                // Else no two shards are alike.
                flat.retain(|(name, _)| !MOMENTARY.contains(&name.as_str()));
            }
            match own.iter_mut().find(|(known, _)| *known == flat) {
                Some((_, shards)) => shards.extend(place.shard),
                None => own.push((flat, place.shard.into_iter().collect())),
            }
        }
        machines.extend(own.into_iter().map(|(properties, shards)| Machine {
            name: if shards.is_empty() {
                cell.name.clone()
            } else {
                format!("{}, {}", cell.name, ShardNumbers(&shards))
            },
            properties,
        }));
    }
    machines
}

/// Which cells were merged from shards.
fn merged(finished: &[Finished<'_>]) -> Markup {
    let lines = finished.iter().filter_map(|cell| {
        let why = cell.run.record.unmeasured()?;
        let text = Markup::foreign(&cell.name).and(Markup::text(format!(": {why}.")));
        Some(element("p", &[], text))
    });
    lines.collect()
}

fn properties(machines: &[Machine]) -> Vec<Property> {
    let mut properties: Vec<Property> = Vec::new();
    for (number, machine) in machines.iter().enumerate() {
        for (place, value) in &machine.properties {
            let known = properties
                .iter()
                .position(|property| property.place == *place);
            let known = known.unwrap_or_else(|| {
                properties.push(Property {
                    place: place.clone(),
                    values: vec![String::new(); machines.len()],
                });
                properties.len() - 1
            });
            properties[known].values[number].clone_from(value);
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
