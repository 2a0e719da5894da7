//! How to run each cell again, and by which hashes it is the same.

use serde_json::Value;

use super::figures::bytes;
use super::markup::{Markup, element};
use super::table::{Column, Field, Row, Table};
use super::{Finished, Section};
use crate::record::Record;

/// What a cell was made with.
#[derive(PartialEq)]
enum Made {
    /// A command for each line.
    By(Vec<String>),
    /// The record, or one of its shards, does not say.
    NotKept,
}

/// Each command with the cells that it ran, then every cell's settings and files.
pub fn section(finished: &[Finished<'_>]) -> Option<Section> {
    let mut commands: Vec<(Made, Vec<&str>)> = Vec::new();
    for cell in finished {
        let command = made(&cell.run.record);
        match commands.iter_mut().find(|(known, _)| *known == command) {
            Some((_, cells)) => cells.push(&cell.name),
            None => commands.push((command, vec![&cell.name])),
        }
    }
    let mut content = Markup::new();
    for (command, cells) in commands {
        let names = cells.join(", ");
        if let Made::By(lines) = command {
            let name = element("p", &[("class", "of")], Markup::foreign(&names));
            let code = element("code", &[], Markup::text(lines.join("\n")));
            let attributes = [("tabindex", "0"), ("aria-label", "command")];
            content.push(name.and(element("pre", &attributes, code)));
        } else {
            let text = "The record, of an earlier version, does not hold its command, or those of its shards: ";
            let text = Markup::text(text).and(Markup::foreign(&names));
            content.push(element("p", &[], text));
        }
    }
    for (number, cell) in finished.iter().enumerate() {
        let summary = Markup::foreign(&cell.name).and(Markup::text(": settings and files"));
        let summary = element("summary", &[], summary);
        let tables =
            settings(number + 1, &cell.run.record).and(files(number + 1, &cell.run.record));
        content.push(element("details", &[], summary.and(tables)));
    }
    Section::new("reproduce", "How to reproduce", content)
}

/// The command of a single run; of merged shards each one's, those of a job array once, and the
/// one that merges their folders.
fn made(record: &Record) -> Made {
    let merged = match record {
        Record::Single(record) => {
            let command = record.command.as_ref();
            return command.map_or(Made::NotKept, |words| Made::By(vec![shell(words)]));
        }
        Record::Merged(merged) => merged,
    };
    let mut lines: Vec<String> = Vec::new();
    for measured in merged
        .shards
        .iter()
        .filter_map(|shard| shard.measured.as_ref())
    {
        let Some(words) = &measured.command else {
            return Made::NotKept;
        };
        let line = shell(words);
        if !lines.contains(&line) {
            lines.push(line);
        }
    }
    let mut words = ["spanbench", "merge"].map(str::to_owned).to_vec();
    words.extend(merged.shards.iter().map(|shard| shard.path.clone()));
    words.extend(["--out", "merged"].map(str::to_owned));
    lines.push(shell(&words));
    Made::By(lines)
}

/// Words as they are typed in a POSIX shell.
fn shell(words: &[String]) -> String {
    let quoted = words.iter().map(|word| {
        let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_./:=@%+,".contains(c);
        if !word.is_empty() && word.chars().all(is_plain) {
            word.clone()
        } else {
            format!("'{}'", word.replace('\'', "'\\''"))
        }
    });
    quoted.collect::<Vec<_>>().join(" ")
}

fn settings(number: usize, record: &Record) -> Markup {
    let mut rows = vec![
        ("model".to_owned(), record.model().id.clone()),
        (
            "revision of the model".to_owned(),
            record.model().revision.clone().unwrap_or("none".to_owned()),
        ),
        ("data set".to_owned(), record.dataset().id.clone()),
        (
            "revision of the data set".to_owned(),
            record
                .dataset()
                .revision
                .clone()
                .unwrap_or("none".to_owned()),
        ),
        (
            "weights kept in, multiplied in".to_owned(),
            format!("{}, {}", record.model().dtype, record.model().compute_dtype),
        ),
    ];
    let protocol = serde_json::to_value(record.protocol()).unwrap_or_default();
    let settings = protocol.as_object().into_iter().flatten();
    for (name, value) in settings {
        match value {
            Value::Null => {}
            Value::Object(object) => rows.extend(
                object
                    .iter()
                    .filter(|(_, value)| !value.is_null())
                    .map(|(inner, value)| setting(&format!("{name}: {inner}"), value)),
            ),
            value => rows.push(setting(name, value)),
        }
    }
    let rows = rows.iter().map(|(name, value)| Row {
        fields: vec![Field::text(name), Field::foreign(value)],
        properties: Vec::new(),
    });
    Table {
        id: &format!("settings-{number}"),
        caption: "Settings",
        columns: vec![Column::words("setting"), Column::words("value")],
        rows: rows.collect(),
        search: None,
        class: "properties",
    }
    .markup()
}

fn setting(name: &str, value: &Value) -> (String, String) {
    let units = [("_s", " s"), ("_ms", " ms"), ("_per_s", " /s")];
    let unit = units
        .into_iter()
        .rev()
        .find(|(ending, _)| name.ends_with(ending) && value.is_number());
    let (name, unit) = unit.map_or((name, ""), |(ending, unit)| {
        (name.strip_suffix(ending).unwrap_or(name), unit)
    });
    let value = value.as_str().map_or(value.to_string(), str::to_owned);
    (name.replace('_', " "), value + unit)
}

fn files(number: usize, record: &Record) -> Markup {
    let model = record.model().files.iter().map(|file| ("model", file));
    let data = record.dataset().files.iter().map(|file| ("data set", file));
    let rows = model.chain(data).map(|(of, file)| Row {
        fields: vec![
            Field::foreign(&file.name),
            Field::text(of),
            Field::text(bytes(file.bytes)).sorted_by(file.bytes as f64),
            Field::of(element("code", &[], Markup::text(&file.sha256))),
        ],
        properties: Vec::new(),
    });
    Table {
        id: &format!("files-{number}"),
        caption: "Files and their hashes",
        columns: vec![
            Column::words("file"),
            Column::words("of"),
            Column::figures("size"),
            Column::words("SHA-256"),
        ],
        rows: rows.collect(),
        search: None,
        class: "",
    }
    .markup()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_can_be_typed() {
        let words = [
            "spanbench",
            "run",
            "--model",
            "it's; rm -rf $HOME",
            "",
            "a/b@c",
        ];
        let command = shell(&words.map(str::to_owned));
        assert_eq!(
            command,
            "spanbench run --model 'it'\\''s; rm -rf $HOME' '' a/b@c"
        );
    }

    #[test]
    fn settings_have_units() {
        assert_eq!(
            setting("min_duration_s", &5.0.into()),
            ("min duration".to_owned(), "5.0 s".to_owned())
        );
        assert_eq!(
            setting("rate_per_s", &2.into()),
            ("rate".to_owned(), "2 /s".to_owned())
        );
        assert_eq!(
            setting("name", &"x_s".into()),
            ("name".to_owned(), "x_s".to_owned())
        );
    }
}
