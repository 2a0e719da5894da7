//! Parquet tables, as the hub stores data sets and data-frame libraries write them.

use std::sync::Arc;

use bytes::Bytes;
use parquet::errors::ParquetError;
use parquet::file::metadata::ParquetMetaData;
use parquet::file::reader::{FileReader, SerializedFileReader};
use parquet::record::reader::RowIter;
use parquet::record::{Field, Row as TableRow};
use parquet::schema::types::Type;

use super::builder::Builder;
use super::content::LARGEST_DOCUMENT;
use super::rows::{self, Row};
use super::{DatasetError, Place};
use crate::panics;

/// Columns by what they mean, each with the names it goes by, the commonest first.
const ID: &[&str] = &["id", "qid", "key"];
const TITLE: &[&str] = &["title"];
const CONTEXT: &[&str] = &["context"];
const QUESTION: &[&str] = &["question"];
const ANSWERS: &[&str] = &["answers"];
const LANGUAGE: &[&str] = &["language", "lang"];
const SUBSET: &[&str] = &["subset"];

/// The most values of a column in one group of rows.
const MOST_VALUES: u64 = 10_000_000;

/// Adds the rows of a parquet file to `builder`.
///
/// # Errors
///
/// See [`DatasetError`]; each names the file, and the row and column where there is one.
pub(super) fn parse(builder: &mut Builder, bytes: Vec<u8>) -> Result<(), DatasetError> {
    let path = builder.path().to_owned();
    // The library panics on some damaged files.
    let reader = fallible(&path, 0, || SerializedFileReader::new(Bytes::from(bytes)))?;
    let schema = reader.metadata().file_metadata().schema();
    let projection = projection(builder, schema)?;
    check_size(&path, reader.metadata())?;
    let mut rows = fallible(&path, 0, || RowIter::from_file(Some(projection), &reader))?;
    let promised = reader.metadata().file_metadata().num_rows();
    for number in 1.. {
        let Some(table_row) = fallible(&path, number, || rows.next().transpose())? else {
            if i64::try_from(number - 1) == Ok(promised) {
                break;
            }
            let words = format!("{promised} rows are promised, and {} are there", number - 1);
            return fallible(&path, 0, || Err(ParquetError::General(words)));
        };
        let place = Place::Row { row: number };
        let row = row(table_row, builder.subset.as_deref())
            .map_err(|(column, fault)| builder.unusable(place.field(column), fault))?;
        if let Some(row) = row {
            rows::add(builder, place, row)?;
        }
    }
    Ok(())
}

/// Refuses a file that says of itself that it holds more than any data set: a few
/// bytes can stand for very many.
fn check_size(path: &str, metadata: &ParquetMetaData) -> Result<(), DatasetError> {
    let mut bytes = 0_u64;
    for (group, row_group) in metadata.row_groups().iter().enumerate() {
        for column in row_group.columns() {
            bytes = bytes.saturating_add(column.uncompressed_size().unsigned_abs());
            if column.num_values().unsigned_abs() > MOST_VALUES {
                let name = column.column_path().string();
                return Err(DatasetError::TooLarge {
                    path: path.to_owned(),
                    place: format!("row group {group}, column {name}"),
                    limit: format!("{MOST_VALUES} values"),
                });
            }
        }
    }
    if bytes > LARGEST_DOCUMENT {
        return Err(DatasetError::TooLarge {
            path: path.to_owned(),
            place: "the table, uncompressed,".to_owned(),
            limit: format!("{LARGEST_DOCUMENT} bytes"),
        });
    }
    Ok(())
}

/// A call into the library, whose panics are errors too; `row` is 0 for the whole file.
fn fallible<T>(
    path: &str,
    row: usize,
    call: impl FnOnce() -> Result<T, ParquetError>,
) -> Result<T, DatasetError> {
    let result = panics::caught(call).unwrap_or_else(|words| Err(ParquetError::General(words)));
    result.map_err(|source| DatasetError::BadParquet {
        path: path.to_owned(),
        place: match row {
            0 => "the file".to_owned(),
            row => format!("row {row}"),
        },
        source: Box::new(source),
    })
}

/// The columns that are read, out of the file's.
fn projection(builder: &Builder, schema: &Type) -> Result<Type, DatasetError> {
    let columns = schema.get_fields();
    let find = |names: &[&str]| {
        let mut found = names.iter();
        found.find_map(|name| columns.iter().find(|column| column.name() == *name))
    };
    let mut wanted: Vec<Arc<Type>> = Vec::new();
    for (names, needed) in [
        (ID, true),
        (TITLE, false),
        (CONTEXT, true),
        (QUESTION, true),
        (ANSWERS, true),
        (LANGUAGE, false),
        (SUBSET, builder.subset.is_some()),
    ] {
        match find(names) {
            Some(column) => wanted.push(Arc::clone(column)),
            None if needed => {
                let present: Vec<&str> = columns.iter().map(|column| column.name()).collect();
                let fault = format!(
                    "no column \"{}\" among {}; a question-answering table has id, context, question and answers (with text and answer_start), and may have title and language",
                    names[0],
                    present.join(", ")
                );
                return Err(builder.unusable("the columns".to_owned(), fault));
            }
            None => {}
        }
    }
    let projection = Type::group_type_builder(schema.name()).with_fields(wanted);
    fallible(builder.path(), 0, || projection.build())
}

/// A fault and the column it is in.
type Fault = (&'static str, String);

/// A row; nothing where it is of another subset than the one that is read.
fn row(table_row: TableRow, subset: Option<&str>) -> Result<Option<Row>, Fault> {
    let mut columns = table_row.into_columns();
    let mut take = |names: &[&'static str]| {
        let at = columns
            .iter()
            .position(|(name, _)| names.contains(&name.as_str()));
        at.map(|at| columns.swap_remove(at).1)
    };
    let mut optional = |names: &[&'static str]| match take(names) {
        None | Some(Field::Null) => Ok(None),
        Some(field) => text(field).map(Some).map_err(|fault| (names[0], fault)),
    };
    if subset.is_some() && optional(SUBSET)?.as_deref() != subset {
        return Ok(None);
    }
    let (title, language) = (optional(TITLE)?, optional(LANGUAGE)?);
    let mut needed = |names: &[&'static str]| take(names).unwrap_or(Field::Null);
    Ok(Some(Row {
        id: id(needed(ID)).map_err(|fault| (ID[0], fault))?,
        title: title.filter(|title| !title.is_empty()),
        context: text(needed(CONTEXT)).map_err(|fault| (CONTEXT[0], fault))?,
        question: text(needed(QUESTION)).map_err(|fault| (QUESTION[0], fault))?,
        answers: answers(needed(ANSWERS)).map_err(|fault| (ANSWERS[0], fault))?,
        language,
    }))
}

/// Ids are text, or whole numbers in some data sets.
fn id(field: Field) -> Result<String, String> {
    match (&field, whole_number(&field)) {
        (Field::ULong(number), _) => Ok(number.to_string()),
        (_, Some(number)) => Ok(number.to_string()),
        (_, None) => text(field),
    }
}

fn text(field: Field) -> Result<String, String> {
    match field {
        Field::Str(text) => Ok(text),
        Field::Bytes(bytes) => String::from_utf8(bytes.data().to_vec())
            .map_err(|fault| format!("not UTF-8 at byte {}", fault.utf8_error().valid_up_to())),
        other => Err(format!("expected text, found {}", kind(&other))),
    }
}

fn whole_number(field: &Field) -> Option<i64> {
    match *field {
        Field::Byte(number) => Some(number.into()),
        Field::Short(number) => Some(number.into()),
        Field::Int(number) => Some(number.into()),
        Field::Long(number) => Some(number),
        Field::UByte(number) => Some(number.into()),
        Field::UShort(number) => Some(number.into()),
        Field::UInt(number) => Some(number.into()),
        Field::ULong(number) => i64::try_from(number).ok(),
        _ => None,
    }
}

/// A struct of lists `text` and `answer_start`, a list of such structs, or a list of texts.
fn answers(field: Field) -> Result<Vec<(String, Option<i64>)>, String> {
    match field {
        Field::Group(group) => {
            let (texts, starts) = text_and_start(group)?;
            let texts = list(texts)?
                .into_iter()
                .map(text)
                .collect::<Result<_, _>>()?;
            let starts = match starts {
                None | Some(Field::Null) => None,
                Some(starts) => Some(list(starts)?.iter().map(offset).collect::<Result<_, _>>()?),
            };
            rows::pair(texts, starts)
        }
        Field::ListInternal(_) => list(field)?.into_iter().map(answer).collect(),
        Field::Null => {
            Err("found null; a split whose answers are hidden cannot be scored".to_owned())
        }
        other => Err(format!(
            "expected a struct of lists `text` and `answer_start`, found {}",
            kind(&other)
        )),
    }
}

fn answer(field: Field) -> Result<(String, Option<i64>), String> {
    let Field::Group(group) = field else {
        return Ok((text(field)?, None));
    };
    let (words, start) = text_and_start(group)?;
    Ok((text(words)?, start.as_ref().map_or(Ok(None), offset)?))
}

fn text_and_start(group: TableRow) -> Result<(Field, Option<Field>), String> {
    let (mut texts, mut starts) = (None, None);
    for (name, field) in group.into_columns() {
        match name.as_str() {
            "text" => texts = Some(field),
            "answer_start" => starts = Some(field),
            _ => {}
        }
    }
    let texts = texts.ok_or("the struct has no field `text`")?;
    Ok((texts, starts))
}

fn list(field: Field) -> Result<Vec<Field>, String> {
    match field {
        Field::ListInternal(list) => Ok(list.elements().to_vec()),
        other => Err(format!("expected a list, found {}", kind(&other))),
    }
}

fn offset(field: &Field) -> Result<Option<i64>, String> {
    match field {
        Field::Null => Ok(None),
        Field::Double(number) if number.fract() == 0.0 => Ok(Some(*number as i64)),
        other => match whole_number(other) {
            Some(number) => Ok(Some(number)),
            None => Err(format!(
                "expected a whole number as answer_start, found {}",
                kind(other)
            )),
        },
    }
}

fn kind(field: &Field) -> &'static str {
    match field {
        Field::Null => "null",
        Field::Bool(_) => "a boolean",
        Field::Str(_) => "text",
        Field::Bytes(_) => "bytes",
        Field::Group(_) => "a struct",
        Field::ListInternal(_) => "a list",
        Field::MapInternal(_) => "a map",
        field if whole_number(field).is_some() => "a whole number",
        _ => "a number or time",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The table of `tests/goldens/make_datasets.py`.
    fn ids(subset: Option<&str>) -> Result<Vec<String>, DatasetError> {
        let bytes = include_bytes!("../../tests/goldens/datasets/subsets.parquet");
        let mut builder = Builder::new("subsets").of_subset(subset.map(str::to_owned));
        parse(&mut builder, bytes.to_vec())?;
        let dataset = builder.finish("the data")?;
        Ok(dataset.questions.into_iter().map(|q| q.id).collect())
    }

    #[test]
    fn rows_of_other_subsets_are_left_out() {
        assert_eq!(ids(None).unwrap(), ["r1", "r2", "b1", "b2"]);
        assert_eq!(ids(Some("Bread")).unwrap(), ["b1", "b2"]);
        let fault = ids(Some("Stars")).unwrap_err().to_string();
        assert!(fault.contains("no question"), "{fault}");
    }
}
