//! Flat rows, one a question, whatever container they come in: `id`, `title`,
//! `context`, `question`, `answers` with `text` and `answer_start`, as the
//! data sets of the hub have them.

use super::builder::{Builder, RawQuestion};
use super::{DatasetError, Place};

/// One row.
pub(super) struct Row {
    pub(super) id: String,
    /// Title of the article; rows without one are articles of their own, passage by passage.
    pub(super) title: Option<String>,
    pub(super) context: String,
    pub(super) question: String,
    pub(super) answers: Vec<(String, Option<i64>)>,
    pub(super) language: Option<String>,
}

/// Adds a row. Rows with the same title and context share a passage.
///
/// # Errors
///
/// See [`DatasetError`]; each names the file and the place.
pub(super) fn add(builder: &mut Builder, place: Place, row: Row) -> Result<(), DatasetError> {
    let at = || place.field("context");
    let passage = builder.passage(row.title.as_deref(), row.context, at)?;
    let raw = RawQuestion {
        id: row.id,
        text: row.question,
        answers: row.answers,
        language: row.language,
    };
    builder.add_question(place, passage, raw)
}

/// Pairs the two lists of an `answers` object.
///
/// # Errors
///
/// Says what does not fit.
pub(super) fn pair(
    texts: Vec<String>,
    starts: Option<Vec<Option<i64>>>,
) -> Result<Vec<(String, Option<i64>)>, String> {
    let Some(starts) = starts else {
        return Ok(texts.into_iter().map(|text| (text, None)).collect());
    };
    if starts.len() != texts.len() {
        return Err(format!(
            "{} texts and {} offsets; every answer has one of each",
            texts.len(),
            starts.len()
        ));
    }
    Ok(texts.into_iter().zip(starts).collect())
}
