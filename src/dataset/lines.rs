//! JSON lines: MRQA's format, a passage a line, and flat rows, a question a line.

use std::collections::HashMap;
use std::fmt;
use std::io::BufRead;

use serde::Deserialize;
use serde::de::value::{MapAccessDeserializer, SeqAccessDeserializer};
use serde::de::{Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

use super::builder::{Builder, RawQuestion};
use super::content::LineReader;
use super::rows::{self, Row};
use super::{DatasetError, Place, WireId, WireOffset};
use crate::dataset::characters::CharacterIndex;
use crate::json::{self, Object};

/// A line of an MRQA file: a passage, or the header before them all.
#[derive(Deserialize)]
struct WireMrqaLine {
    header: Option<IgnoredAny>,
    context: Option<String>,
    qas: Option<Vec<Object<WireMrqaQuestion>>>,
}

#[derive(Deserialize)]
struct WireMrqaQuestion {
    qid: WireId,
    question: String,
    /// What predictions are scored against: the annotated answer and its aliases.
    answers: Option<Vec<String>>,
    /// Where answers stand in the passage.
    detected_answers: Option<Vec<Object<WireDetectedAnswer>>>,
}

#[derive(Deserialize)]
struct WireDetectedAnswer {
    text: String,
    /// First and last code point, both within the answer.
    #[serde(default)]
    char_spans: Vec<(i64, i64)>,
}

/// A line that is a row.
#[derive(Deserialize)]
struct WireRow {
    id: WireId,
    title: Option<String>,
    context: String,
    question: String,
    answers: WireAnswers,
    language: Option<String>,
    lang: Option<String>,
}

/// `{"text": [...], "answer_start": [...]}`, or a list of such pairs or of texts.
struct WireAnswers(Vec<(String, Option<i64>)>);

/// Adds the lines of a file to `builder`; `first` was read already.
///
/// # Errors
///
/// See [`DatasetError`]; each names the file and the line.
pub(super) fn parse(
    builder: &mut Builder,
    first: (usize, String),
    rest: &mut LineReader<impl BufRead>,
    is_mrqa: bool,
) -> Result<(), DatasetError> {
    let mut next = Some(first);
    while let Some((line, text)) = next {
        if is_mrqa {
            add_passage(builder, line, read(builder.path(), line, &text, "MRQA")?)?;
        } else {
            add_row(
                builder,
                line,
                read(builder.path(), line, &text, "JSON lines")?,
            )?;
        }
        next = rest.next_line(builder.path())?;
    }
    Ok(())
}

fn read<'a, T: Deserialize<'a>>(
    path: &str,
    line: usize,
    text: &'a str,
    format: &'static str,
) -> Result<T, DatasetError> {
    json::read(text.as_bytes()).map_err(|fault| DatasetError::Malformed {
        path: path.to_owned(),
        place: match fault.place.as_str() {
            "the top level" => format!("line {line}"),
            place => format!("line {line}, {place}"),
        },
        format,
        source: fault.source,
    })
}

fn add_row(builder: &mut Builder, line: usize, wire: WireRow) -> Result<(), DatasetError> {
    let place = Place::Line {
        line,
        question: None,
    };
    let row = Row {
        id: wire.id.0,
        title: wire.title,
        context: wire.context,
        question: wire.question,
        answers: wire.answers.0,
        language: wire.language.or(wire.lang),
    };
    rows::add(builder, place, row)
}

fn add_passage(builder: &mut Builder, line: usize, wire: WireMrqaLine) -> Result<(), DatasetError> {
    if wire.header.is_some() {
        return Ok(());
    }
    let missing = |field: &str| {
        let fault = format!("a line of an MRQA file has `context` and `qas`; `{field}` is missing");
        builder.unusable(format!("line {line}"), fault)
    };
    let context = wire.context.ok_or_else(|| missing("context"))?;
    let questions = wire.qas.ok_or_else(|| missing("qas"))?;
    let hidden = |(_, Object(question)): &(usize, &Object<WireMrqaQuestion>)| {
        question.answers.is_none() && question.detected_answers.is_none()
    };
    if let Some((index, _)) = questions.iter().enumerate().find(hidden) {
        let fault = "neither `answers` nor `detected_answers`; a split whose answers are hidden cannot be scored";
        return Err(builder.unusable(format!("line {line}, qas[{index}]"), fault.to_owned()));
    }
    let raws: Vec<RawQuestion> = {
        let characters = CharacterIndex::new(&context);
        let raws = questions.into_iter();
        raws.map(|Object(wire)| raw_question(&characters, wire))
            .collect()
    };
    let article = builder.add_article(None);
    let passage = builder.add_passage(article, context, || format!("line {line}, context"))?;
    for (question, raw) in raws.into_iter().enumerate() {
        let place = Place::Line {
            line,
            question: Some(question),
        };
        builder.add_question(place, passage, raw)?;
    }
    Ok(())
}

/// The gold answers are `answers`, as in the official script; one that was
/// detected in the passage has the offset of its first occurrence there.
fn raw_question(characters: &CharacterIndex<'_>, wire: WireMrqaQuestion) -> RawQuestion {
    let mut starts: HashMap<String, i64> = HashMap::new();
    let mut detected_texts = Vec::new();
    for Object(detected) in wire.detected_answers.unwrap_or_default() {
        detected_texts.push(detected.text.clone());
        for (first, last) in detected.char_spans {
            starts.entry(detected.text.clone()).or_insert(first);
            // The text as it stands in the passage may differ from the annotated one in case.
            let span = usize::try_from(first).ok().zip(usize::try_from(last).ok());
            let literal =
                span.and_then(|(first, last)| characters.slice(first, last.checked_add(1)?));
            if let Some(literal) = literal {
                starts.entry(literal.to_owned()).or_insert(first);
            }
        }
    }
    let answers = wire.answers.unwrap_or(detected_texts).into_iter();
    RawQuestion {
        id: wire.qid.0,
        text: wire.question,
        answers: answers
            .map(|text| {
                // An offset is kept where the very text stands there: aliases have none.
                let start = starts.get(&text).copied();
                let start = start.filter(|&start| {
                    usize::try_from(start).is_ok_and(|start| characters.has_at(start, &text))
                });
                (text, start)
            })
            .collect(),
        language: None,
    }
}

impl<'de> Deserialize<'de> for WireAnswers {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct AnswersVisitor;
        impl<'de> Visitor<'de> for AnswersVisitor {
            type Value = WireAnswers;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter
                    .write_str("answers: an object of lists `text` and `answer_start`, or a list")
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<WireAnswers, A::Error> {
                #[derive(Deserialize)]
                struct Lists {
                    text: Vec<String>,
                    answer_start: Option<Vec<Option<WireOffset>>>,
                }
                let lists = Lists::deserialize(MapAccessDeserializer::new(map))?;
                let starts = lists.answer_start.map(|starts| {
                    let starts = starts.into_iter();
                    starts.map(|start| start.map(|start| start.0)).collect()
                });
                let pairs = rows::pair(lists.text, starts);
                pairs.map(WireAnswers).map_err(serde::de::Error::custom)
            }

            fn visit_seq<A: SeqAccess<'de>>(self, seq: A) -> Result<WireAnswers, A::Error> {
                #[derive(Deserialize)]
                #[serde(untagged, expecting = "an answer: text, or an object with `text`")]
                enum Answer {
                    Text(String),
                    Object {
                        text: String,
                        answer_start: Option<WireOffset>,
                    },
                }
                let answers = Vec::<Answer>::deserialize(SeqAccessDeserializer::new(seq))?;
                let pairs = answers.into_iter().map(|answer| match answer {
                    Answer::Text(text) => (text, None),
                    Answer::Object { text, answer_start } => {
                        (text, answer_start.map(|start| start.0))
                    }
                });
                Ok(WireAnswers(pairs.collect()))
            }
        }
        deserializer.deserialize_any(AnswersVisitor)
    }
}
