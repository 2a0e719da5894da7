//! The SQuAD v1.1 and v2.0 file format: one JSON document.

use serde::Deserialize;

use super::builder::{Builder, RawQuestion};
use super::{DatasetError, Place, WireId, WireOffset};
use crate::json::{self, Object};

#[derive(Deserialize)]
struct WireDataset {
    data: Vec<Object<WireArticle>>,
}

#[derive(Deserialize)]
struct WireArticle {
    title: Option<String>,
    paragraphs: Vec<Object<WireParagraph>>,
}

#[derive(Deserialize)]
struct WireParagraph {
    context: String,
    qas: Vec<Object<WireQuestion>>,
}

#[derive(Deserialize)]
struct WireQuestion {
    id: WireId,
    question: String,
    answers: Vec<Object<WireAnswer>>,
}

#[derive(Deserialize)]
struct WireAnswer {
    text: String,
    answer_start: Option<WireOffset>,
}

/// Adds a SQuAD document to `builder`.
///
/// # Errors
///
/// See [`DatasetError`]; each names the file and the place.
pub(super) fn parse(builder: &mut Builder, text: &str) -> Result<(), DatasetError> {
    let wire: WireDataset =
        json::read(text.as_bytes()).map_err(|fault| DatasetError::Malformed {
            path: builder.path().to_owned(),
            place: fault.place,
            format: "SQuAD",
            source: fault.source,
        })?;
    for (article, Object(wire)) in wire.data.into_iter().enumerate() {
        let number = builder.add_article(wire.title);
        for (paragraph, Object(wire)) in wire.paragraphs.into_iter().enumerate() {
            let at = || format!("data[{article}].paragraphs[{paragraph}].context");
            let passage = builder.add_passage(number, wire.context, at)?;
            for (question, Object(wire)) in wire.qas.into_iter().enumerate() {
                let place = Place::Document {
                    article,
                    paragraph,
                    question,
                };
                let answers = wire.answers.into_iter();
                let raw = RawQuestion {
                    id: wire.id.0,
                    text: wire.question,
                    answers: answers
                        .map(|Object(answer)| {
                            let start = answer.answer_start.map(|start| start.0);
                            (answer.text, start)
                        })
                        .collect(),
                    language: None,
                };
                builder.add_question(place, passage, raw)?;
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::Dataset;
    use super::*;
    use serde_json::Value;

    fn parse(path: &str, text: &str) -> Result<Dataset, DatasetError> {
        let mut builder = Builder::new(path);
        super::parse(&mut builder, text)?;
        builder.finish("data")
    }

    fn one_question(context: &str, id: &str, question: &str, answers: &str) -> String {
        let [context, id, question] = [context, id, question].map(Value::from);
        format!(
            r#"{{"data":[{{"paragraphs":[{{"context":{context},"qas":[{{"id":{id},"question":{question},"answers":{answers}}}]}}]}}]}}"#
        )
    }

    fn fault(text: &str) -> String {
        let error = parse("d.json", text).expect_err("the text is faulty");
        let source = std::error::Error::source(&error).map(ToString::to_string);
        format!("{error} | {}", source.unwrap_or_default())
    }

    #[test]
    fn offsets_count_code_points() {
        let text = one_question(
            "👩‍🚀 café noir",
            "1",
            "What?",
            r#"[{"text":"noir","answer_start":9}]"#,
        );
        assert_eq!(parse("d.json", &text).unwrap().misplaced_answers(), 0);
        let text = one_question(
            "👩‍🚀 café noir",
            "1",
            "What?",
            r#"[{"text":"noir","answer_start":8}]"#,
        );
        let dataset = parse("d.json", &text).unwrap();
        assert_eq!(dataset.misplaced_answers(), 1);
        assert!(
            dataset
                .misplaced_warning()
                .unwrap()
                .contains("data[0].paragraphs[0].qas[0]")
        );
    }

    #[test]
    fn offsets_beyond_the_passage_are_misplaced() {
        for start in ["99", "-1"] {
            let answers = format!(r#"[{{"text":"b","answer_start":{start}}}]"#);
            let text = one_question("a b", "1", "What?", &answers);
            assert_eq!(parse("d.json", &text).unwrap().misplaced_answers(), 1);
        }
    }

    #[test]
    fn faults_name_file_and_place() {
        let empty_question = one_question("a b", "1", " ", "[]");
        let empty_passage = one_question(" ", "1", "What?", "[]");
        let wrong_type = one_question("a b", "1", "What?", r#"{"text":["b"]}"#);
        for (text, parts) in [
            ("{", ["d.json: at the top level", "line 1 column 1"]),
            (
                "[1]",
                ["d.json: at the top level", "expected an object at line 1"],
            ),
            (
                r#"{"data":[[[["a",[]]]]]}"#,
                ["d.json: at data[0]", "expected an object"],
            ),
            (
                r#"{"data":[{}]}"#,
                ["d.json: at data[0]", "missing field `paragraphs`"],
            ),
            (r#"{"data":[]}"#, ["d.json: at data", "no question"]),
            (
                &wrong_type,
                ["data[0].paragraphs[0].qas[0].answers", "line 1"],
            ),
            (
                &empty_question,
                ["data[0].paragraphs[0].qas[0].question", "empty"],
            ),
            (&empty_passage, ["data[0].paragraphs[0].context", "empty"]),
        ] {
            let fault = fault(text);
            for part in parts {
                assert!(fault.contains(part), "{fault:?} lacks {part:?}");
            }
        }
    }

    #[test]
    fn repeated_ids_are_refused() {
        let qa = r#"{"id":"x","question":"What?","answers":[]}"#;
        let text =
            format!(r#"{{"data":[{{"paragraphs":[{{"context":"a","qas":[{qa},{qa}]}}]}}]}}"#);
        let fault = fault(&text);
        assert!(fault.contains("qas[1].id"), "{fault}");
        assert!(
            fault.contains("already used at data[0].paragraphs[0].qas[0]"),
            "{fault}"
        );
    }
}
