//! The `model-index` of a model card: what the Hub shows as evaluation results.

use crate::dataset::card::{self as dataset_card, WireDatasetSource};
use crate::leaderboard::subset;
use crate::models::card::{self as model_card, WireSource};
use crate::record::Record;

/// Why records make no model index.
#[derive(Debug, thiserror::Error)]
pub enum ModelIndexError {
    /// There is no record with figures.
    #[error("a model index takes the record of a cell with figures, and there is none")]
    NoRecord,
    /// A model index is of one model.
    #[error(
        "a model index is of one model, and the records are of several: {models}; name the runs of one of them"
    )]
    SeveralModels {
        /// The models.
        models: String,
    },
    /// Two records say different things of the same.
    #[error(
        "{first} and {second}: two accuracies of the same questions of {dataset}; name one of the two"
    )]
    Contradiction {
        /// A cell.
        first: String,
        /// Another.
        second: String,
        /// The data set.
        dataset: String,
    },
}

/// The metadata of `records`, which are of one model, as YAML that stands between the `---` lines
/// of a model card. Where several are of the same questions and say the same, it is said once.
///
/// The results are marked as not verified by the Hub. They have a source where `source_url` tells
/// one: the Hub takes no name of a source without its address.
///
/// Source: the model-index of `huggingface/hub-docs`, modelcard.md;
/// `huggingface_hub.repocard_data`.
///
/// # Errors
///
/// Fails where the records are of several models, or contradict each other.
pub fn model_index(
    records: &[&Record],
    source_url: Option<&str>,
) -> Result<String, ModelIndexError> {
    if records.is_empty() {
        return Err(ModelIndexError::NoRecord);
    }
    let name = one_model(records)?;
    let mut text = format!("model-index:\n- name: {}\n  results:\n", quoted(&name));
    for record in distinct(records)? {
        text += &result(record, source_url);
    }
    Ok(text)
}

/// The repository of the model that all records are of, or its id.
fn one_model(records: &[&Record]) -> Result<String, ModelIndexError> {
    let first = records[0];
    let is_first = |record: &&Record| {
        record.model().id == first.model().id && weights(record) == weights(first)
    };
    if !records.iter().all(is_first) {
        let mut models: Vec<String> = records
            .iter()
            .map(|record| match &record.model().revision {
                Some(revision) => format!("{}@{revision}", record.model().id),
                None => format!("{} ({})", record.model().id, record.cell()),
            })
            .collect();
        models.sort();
        models.dedup();
        let models = models.join("; ");
        return Err(ModelIndexError::SeveralModels { models });
    }
    let id = &first.model().id;
    Ok(match model_card::card(id).map(|card| card.source) {
        Some(WireSource::Repository { repository, .. }) => repository,
        _ => id.clone(),
    })
}

/// The hashes of the model's files, whatever their order.
fn weights(record: &Record) -> Vec<&str> {
    let files = record.model().files.iter();
    let mut hashes: Vec<&str> = files.map(|file| file.sha256.as_str()).collect();
    hashes.sort_unstable();
    hashes
}

/// The records without those that repeat another.
fn distinct<'a>(records: &[&'a Record]) -> Result<Vec<&'a Record>, ModelIndexError> {
    let mut distinct: Vec<&Record> = Vec::new();
    for record in records {
        let same = |other: &&&Record| {
            other.dataset().sha256 == record.dataset().sha256
                && other.protocol().name == record.protocol().name
                && subset(other.protocol()) == subset(record.protocol())
        };
        match distinct.iter().find(same) {
            None => distinct.push(record),
            Some(other) if other.accuracy() == record.accuracy() => {}
            Some(other) => {
                return Err(ModelIndexError::Contradiction {
                    first: other.cell().to_owned(),
                    second: record.cell().to_owned(),
                    dataset: record.dataset().id.clone(),
                });
            }
        }
    }
    Ok(distinct)
}

fn result(record: &Record, source_url: Option<&str>) -> String {
    let data = Data::of(record);
    let mut text =
        "  - task:\n      type: question-answering\n      name: Question Answering\n".to_owned();
    text += "    dataset:\n";
    let fields = [
        ("type", Some(&data.kind)),
        ("name", Some(&data.name)),
        ("config", data.config.as_ref()),
        ("split", data.split.as_ref()),
        ("revision", data.revision.as_ref()),
    ];
    for (name, value) in fields {
        if let Some(value) = value {
            text += &format!("      {name}: {}\n", quoted(value));
        }
    }
    text += "    metrics:\n";
    let accuracy = record.accuracy();
    for (kind, name, value) in [
        ("exact_match", "Exact Match", accuracy.exact_match),
        ("f1", "F1", accuracy.f1),
    ] {
        // With a point it is a number with a fraction for every reader.
        text += &format!(
            "    - type: {kind}\n      value: {value:?}\n      name: {name}\n      verified: false\n"
        );
    }
    if let Some(url) = source_url {
        let mut versions: Vec<&str> = Vec::new();
        for place in record.places() {
            if !versions.contains(&place.environment.tool_version.as_str()) {
                versions.push(&place.environment.tool_version);
            }
        }
        let version = versions.join(" and ");
        let name = quoted(&format!("spanbench {version}, {}", record.protocol().name));
        text += &format!(
            "    source:\n      name: {name}\n      url: {}\n",
            quoted(url)
        );
    }
    text
}

/// A data set in the Hub's words.
struct Data {
    /// Its repository, or what it is called here.
    kind: String,
    name: String,
    config: Option<String>,
    split: Option<String>,
    revision: Option<String>,
}

impl Data {
    fn of(record: &Record) -> Self {
        let id = &record.dataset().id;
        let name = match subset(record.protocol()) {
            Some(subset) => format!("{id} ({subset})"),
            None => id.clone(),
        };
        let revision = record.dataset().revision.clone();
        if let Some(card) = dataset_card::card(id)
            && let WireDatasetSource::Repository {
                repository,
                config,
                split,
                ..
            } = card.source
        {
            return Self {
                kind: repository,
                name,
                config,
                split: Some(split),
                revision,
            };
        }
        // `owner/name:config:split` is the id of a data set of the hub that has no card.
        let mut parts = id.split(':').map(str::to_owned);
        match (parts.next(), parts.next(), parts.next(), parts.next()) {
            (Some(kind), Some(config), Some(split), None) if revision.is_some() => Self {
                kind,
                name,
                config: Some(config),
                split: Some(split),
                revision,
            },
            _ => Self {
                kind: id.clone(),
                name,
                config: None,
                split: None,
                revision,
            },
        }
    }
}

/// A double-quoted scalar: whatever the text, one line that every YAML reader takes for that text.
fn quoted(text: &str) -> String {
    let mut quoted = "\"".to_owned();
    for character in text.chars() {
        match character {
            '"' | '\\' => quoted.extend(['\\', character]),
            // Line ends of YAML 1.1, what is not printable, and what turns the direction of a line.
            '\0'..='\u{1f}'
            | '\u{7f}'..='\u{9f}'
            | '\u{200e}'
            | '\u{200f}'
            | '\u{2028}'..='\u{202e}'
            | '\u{2066}'..='\u{2069}'
            | '\u{feff}'
            | '\u{fffe}'
            | '\u{ffff}' => quoted.push_str(&format!("\\u{:04x}", u32::from(character))),
            other => quoted.push(other),
        }
    }
    quoted + "\""
}

#[cfg(test)]
mod tests {
    use super::quoted;

    #[test]
    fn text_is_one_scalar() {
        let text = "a: \"b\"\\\n- c\u{85}\u{2028}#\u{1f600}";
        let expected = "\"a: \\\"b\\\"\\\\\\u000a- c\\u0085\\u2028#\u{1f600}\"";
        assert_eq!(quoted(text), expected);
    }
}
