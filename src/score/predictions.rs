//! Prediction and no-answer-probability files, in the official format.

use std::cmp::Ordering;
use std::collections::HashMap;
use std::path::Path;

use serde_json::{Map, Value};

use super::ScoreError;
use crate::analysis::NullScale;

/// Answers by question id: the content of a `predictions.json`.
#[derive(Debug, Clone)]
pub struct Predictions {
    /// Where they come from, for messages.
    pub origin: String,
    texts: HashMap<String, String>,
}

impl Predictions {
    /// Predictions made here rather than read.
    pub fn new(
        origin: impl Into<String>,
        texts: impl IntoIterator<Item = (String, String)>,
    ) -> Self {
        Self {
            origin: origin.into(),
            texts: texts.into_iter().collect(),
        }
    }

    /// Reads `{id: text}`. Of a repeated key the last one counts, as in Python.
    ///
    /// # Errors
    ///
    /// Fails where the file is unreadable, no JSON object, or holds a value that is no text.
    pub fn read(path: &Path) -> Result<Self, ScoreError> {
        let entries = read_object(path, "text")?;
        let texts = entries.into_iter().map(|(id, value)| match value {
            Value::String(text) => Ok((id, text)),
            other => Err(wrong_value(path, id, "text", &other)),
        });
        Ok(Self {
            origin: path.display().to_string(),
            texts: texts.collect::<Result<_, _>>()?,
        })
    }

    /// The answer to the question `id`.
    pub fn get(&self, id: &str) -> Option<&str> {
        self.texts.get(id).map(String::as_str)
    }

    /// The number of predictions.
    pub fn len(&self) -> usize {
        self.texts.len()
    }

    /// Whether there is no prediction at all.
    pub fn is_empty(&self) -> bool {
        self.texts.is_empty()
    }
}

/// The probability, by question id, that a question has no answer.
///
/// The official script calls the file `na_prob.json`. Any number that grows
/// with the belief in "no answer" serves, such as run_qa's null odds.
#[derive(Debug, Clone)]
pub struct NoAnswerProbabilities {
    /// Where they come from, for messages.
    pub origin: String,
    /// In the order of the file, which decides between equals in the threshold search.
    values: Vec<(String, f64)>,
    index: HashMap<String, usize>,
}

impl NoAnswerProbabilities {
    /// Probabilities made here rather than read, in their order.
    pub fn new(origin: impl Into<String>, values: impl IntoIterator<Item = (String, f64)>) -> Self {
        let values: Vec<(String, f64)> = values.into_iter().collect();
        let index = values.iter().enumerate();
        Self {
            origin: origin.into(),
            index: index.map(|(at, (id, _))| (id.clone(), at)).collect(),
            values,
        }
    }

    /// Reads `{id: number}`.
    ///
    /// # Errors
    ///
    /// Fails where the file is unreadable, no JSON object, or holds a value that is no number.
    pub fn read(path: &Path) -> Result<Self, ScoreError> {
        let entries = read_object(path, "number")?;
        let values = entries.into_iter().map(|(id, value)| match value.as_f64() {
            Some(number) => Ok((id, number)),
            None => Err(wrong_value(path, id, "a number", &value)),
        });
        let values = values.collect::<Result<Vec<_>, _>>()?;
        Ok(Self::new(path.display().to_string(), values))
    }

    /// The probability of the question `id`, if there is one.
    pub fn get(&self, id: &str) -> Option<f64> {
        self.index.get(id).map(|&at| self.values[at].1)
    }

    /// What the values are, by the range that holds them all.
    pub fn scale(&self) -> NullScale {
        let all_within = |range: std::ops::RangeInclusive<f64>| {
            let mut values = self.values.iter();
            values.all(|(_, value)| range.contains(value))
        };
        if all_within(0.0..=1.0) {
            NullScale::Probability
        } else if all_within(-1.0..=1.0) {
            NullScale::ProbabilityDifference
        } else {
            NullScale::LogitDifference
        }
    }

    /// The probability of the question `id`.
    pub(super) fn of(&self, id: &str) -> Result<f64, ScoreError> {
        let at = self
            .index
            .get(id)
            .ok_or_else(|| ScoreError::NoProbability {
                path: self.origin.clone(),
                id: id.to_owned(),
            })?;
        Ok(self.values[*at].1)
    }

    /// Ids and probabilities from the lowest to the highest; equals stay in file order.
    pub(super) fn ascending(&self) -> impl Iterator<Item = (&str, f64)> {
        let mut order: Vec<_> = self.values.iter().collect();
        // Stable, with -0 equal to 0 as in Python; JSON has no NaN.
        order.sort_by(|a, b| a.1.partial_cmp(&b.1).unwrap_or(Ordering::Equal));
        order.into_iter().map(|(id, value)| (id.as_str(), *value))
    }
}

fn read_object(path: &Path, expected: &'static str) -> Result<Map<String, Value>, ScoreError> {
    let origin = path.display().to_string();
    let bytes = std::fs::read(path).map_err(|source| ScoreError::Unreadable {
        path: origin.clone(),
        source,
    })?;
    // A byte-order mark is no part of the document.
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&bytes);
    serde_json::from_slice(bytes).map_err(|source| ScoreError::NotAnObject {
        path: origin,
        expected,
        source,
    })
}

fn wrong_value(path: &Path, id: String, expected: &'static str, value: &Value) -> ScoreError {
    let found = match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "text",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    };
    ScoreError::WrongValue {
        path: path.display().to_string(),
        id,
        expected,
        found: found.to_owned(),
    }
}
