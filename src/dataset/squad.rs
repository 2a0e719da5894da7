//! The SQuAD v1.1 and v2.0 file format.

use std::collections::HashMap;

use serde::Deserialize;

use super::characters::CharacterIndex;
use super::{Dataset, DatasetError, GoldAnswer, Place, Question};
use crate::json::{self, Object};
use crate::python;

#[derive(Deserialize)]
struct WireDataset {
    data: Vec<Object<WireArticle>>,
}

#[derive(Deserialize)]
struct WireArticle {
    paragraphs: Vec<Object<WireParagraph>>,
}

#[derive(Deserialize)]
struct WireParagraph {
    context: String,
    qas: Vec<Object<WireQuestion>>,
}

#[derive(Deserialize)]
struct WireQuestion {
    id: String,
    question: String,
    answers: Vec<Object<WireAnswer>>,
}

#[derive(Deserialize)]
struct WireAnswer {
    text: String,
    answer_start: Option<i64>,
}

/// Parses and checks a SQuAD file; `origin` names it in messages.
///
/// # Errors
///
/// See [`DatasetError`]; each names the file and the place.
pub fn parse(origin: &str, text: &str) -> Result<Dataset, DatasetError> {
    let wire: WireDataset =
        json::read(text.as_bytes()).map_err(|fault| DatasetError::Malformed {
            path: origin.to_owned(),
            place: fault.place,
            source: fault.source,
        })?;
    let mut builder = Builder {
        dataset: Dataset {
            origin: origin.to_owned(),
            ..Dataset::default()
        },
        seen: HashMap::new(),
    };
    for (article, Object(wire)) in wire.data.into_iter().enumerate() {
        for (paragraph, Object(wire)) in wire.paragraphs.into_iter().enumerate() {
            let place = Place {
                article,
                paragraph,
                question: 0,
            };
            builder.add_paragraph(place, wire)?;
        }
    }
    if builder.dataset.questions.is_empty() {
        let fault = "the data set holds no question";
        return Err(builder.unusable("data".to_owned(), fault.to_owned()));
    }
    Ok(builder.dataset)
}

struct Builder {
    dataset: Dataset,
    seen: HashMap<String, Place>,
}

impl Builder {
    fn add_paragraph(&mut self, place: Place, wire: WireParagraph) -> Result<(), DatasetError> {
        if wire.context.chars().all(python::is_space) {
            let at = format!(
                "data[{}].paragraphs[{}].context",
                place.article, place.paragraph
            );
            let fault = "the passage is empty; remove it or give it its text";
            return Err(self.unusable(at, fault.to_owned()));
        }
        let passage = self.dataset.passages.len();
        let characters = CharacterIndex::new(&wire.context);
        for (question, Object(wire_question)) in wire.qas.into_iter().enumerate() {
            let place = Place { question, ..place };
            self.add_question(place, passage, &characters, wire_question)?;
        }
        self.dataset.passages.push(wire.context);
        Ok(())
    }

    fn add_question(
        &mut self,
        place: Place,
        passage: usize,
        characters: &CharacterIndex<'_>,
        wire: WireQuestion,
    ) -> Result<(), DatasetError> {
        if wire.question.chars().all(python::is_space) {
            let fault = format!(
                "the question \"{}\" is empty; remove it or give it its text",
                wire.id
            );
            return Err(self.unusable(format!("{place}.question"), fault));
        }
        if let Some(first) = self.seen.insert(wire.id.clone(), place) {
            let fault = format!(
                "the question id \"{}\" is already used at {first}; ids must be unique",
                wire.id
            );
            return Err(self.unusable(format!("{place}.id"), fault));
        }
        let mut misplaced_answers = 0;
        let mut answers = Vec::with_capacity(wire.answers.len());
        for Object(answer) in wire.answers {
            let start = answer.answer_start.and_then(|s| usize::try_from(s).ok());
            // A file without offsets can be scored, so only a wrong one is worth a word.
            if answer.answer_start.is_some()
                && !start.is_some_and(|start| characters.has_at(start, &answer.text))
            {
                misplaced_answers += 1;
            }
            answers.push(GoldAnswer {
                text: answer.text,
                start,
            });
        }
        self.dataset.has_unanswerable |= answers.is_empty();
        self.dataset.questions.push(Question {
            id: wire.id,
            text: wire.question,
            passage,
            answers,
            misplaced_answers,
            place,
        });
        Ok(())
    }

    fn unusable(&self, place: String, fault: String) -> DatasetError {
        DatasetError::Unusable {
            path: self.dataset.origin.clone(),
            place,
            fault,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::Value;

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
