//! Accuracy: the official SQuAD and MLQA scorers, to the last digit.

pub mod means;
pub mod mlqa;
pub mod normalize;
pub mod precision_recall;
pub mod predictions;
pub mod protocol;
pub mod squad_v1;
pub mod squad_v2;
pub mod summation;

use std::collections::HashMap;

use crate::dataset::{Dataset, Question};
pub use predictions::{NoAnswerProbabilities, Predictions};
pub use protocol::{Protocol, ProtocolChoice};
use serde::{Deserialize, Serialize};
pub use summation::{Summation, Term};

/// What can go wrong between a prediction file and its score.
#[derive(Debug, thiserror::Error)]
pub enum ScoreError {
    /// The prediction or probability file could not be read.
    #[error("{path}: cannot be read; check the path and its permissions")]
    Unreadable {
        /// The file.
        path: String,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// The file is not a JSON object.
    #[error(
        "{path}: not a JSON object of question id to {expected}; write {{\"id\": {expected}, …}}"
    )]
    NotAnObject {
        /// The file.
        path: String,
        /// What each value should be.
        expected: &'static str,
        /// What the parser said, with line and column.
        #[source]
        source: serde_json::Error,
    },
    /// A value has the wrong type.
    #[error("{path}: at \"{id}\": expected {expected}, found {found}; correct or remove the entry")]
    WrongValue {
        /// The file.
        path: String,
        /// The key of the value.
        id: String,
        /// What it should be.
        expected: &'static str,
        /// What it is.
        found: String,
    },
    /// SQuAD v1.1 and MLQA have no notion of an unanswerable question.
    #[error(
        "{dataset}: at {place}: question \"{id}\" has no gold answer, which {protocol} cannot score; use --protocol squad-v2"
    )]
    NoGoldAnswer {
        /// The data set's file.
        dataset: String,
        /// Where in it.
        place: String,
        /// The question's id.
        id: String,
        /// The protocol in force.
        protocol: Protocol,
    },
    /// A predicted question lacks its no-answer probability.
    #[error(
        "{path}: no entry for question \"{id}\", which has a prediction; every predicted question needs one"
    )]
    NoProbability {
        /// The probability file.
        path: String,
        /// The question's id.
        id: String,
    },
    /// The prediction file belongs to another data set.
    #[error(
        "{predictions}: holds no prediction for any question of {dataset}; is it of another data set?"
    )]
    NothingPredicted {
        /// The data set's file.
        dataset: String,
        /// The prediction file.
        predictions: String,
    },
    /// A no-answer probability or threshold with a protocol that has none.
    #[error(
        "no-answer probabilities belong to squad-v2, and the protocol here is {protocol}; leave --na-prob out or use --protocol squad-v2"
    )]
    ProbabilitiesUnused {
        /// The protocol in force.
        protocol: Protocol,
    },
    /// The protocol's name is not known.
    #[error(
        "unknown protocol \"{name}\"; known are auto, squad-v1, squad-v2 and mlqa:LANG, LANG being one of {}",
        mlqa::codes()
    )]
    UnknownProtocol {
        /// What was asked for.
        name: String,
    },
    /// The MLQA script does not know the language.
    #[error(
        "mlqa does not know the language \"{code}\"; known are {}",
        mlqa::codes()
    )]
    UnknownLanguage {
        /// What was asked for.
        code: String,
    },
    /// The manner of summation is not known.
    #[error("unknown summation \"{name}\"; known are plain and compensated")]
    UnknownSummation {
        /// What was asked for.
        name: String,
    },
}

/// Exact match and token F1 of one question, each between 0 and 1.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub struct QuestionScore {
    /// 1 where the normalised prediction equals a normalised gold answer, else 0.
    pub exact_match: f64,
    /// Token F1 against the best-fitting gold answer.
    pub f1: f64,
}

/// A data set's score under one protocol.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Accuracy {
    /// Under `squad-v1`.
    SquadV1(means::Means),
    /// Under `mlqa:LANG`.
    Mlqa(means::Means),
    /// Under `squad-v2`.
    SquadV2(squad_v2::SquadV2),
}

impl Accuracy {
    /// Exact match over all questions, in percent.
    pub fn exact_match(&self) -> f64 {
        match self {
            Self::SquadV1(accuracy) | Self::Mlqa(accuracy) => accuracy.exact_match,
            Self::SquadV2(accuracy) => accuracy.all.exact,
        }
    }

    /// Token F1 over all questions, in percent.
    pub fn f1(&self) -> f64 {
        match self {
            Self::SquadV1(accuracy) | Self::Mlqa(accuracy) => accuracy.f1,
            Self::SquadV2(accuracy) => accuracy.all.f1,
        }
    }
}

/// A score with what it is made of.
#[derive(Debug, Clone)]
pub struct Scored {
    /// The figures the official script prints.
    pub accuracy: Accuracy,
    /// One entry a question, in the data set's order; `None` where there is no prediction.
    pub per_question: Vec<Option<QuestionScore>>,
}

/// Scores `predictions` under `protocol`.
///
/// `no_answer` holds the probabilities and threshold of the v2.0 script's
/// `--na-prob-file` and `--na-prob-thresh`. `summation` is for `squad-v2`
/// alone: the other scripts never call `sum()`.
///
/// # Errors
///
/// See [`ScoreError`].
pub fn score(
    dataset: &Dataset,
    predictions: &Predictions,
    protocol: Protocol,
    no_answer: Option<(&NoAnswerProbabilities, f64)>,
    summation: Summation,
) -> Result<Scored, ScoreError> {
    if no_answer.is_some() && !protocol.allows_no_answer() {
        return Err(ScoreError::ProbabilitiesUnused { protocol });
    }
    let (accuracy, per_question) = match protocol {
        Protocol::SquadV1 => {
            let (means, scores) = squad_v1::score(dataset, predictions)?;
            (Accuracy::SquadV1(means), scores)
        }
        Protocol::Mlqa(language) => {
            let (means, scores) = mlqa::score(dataset, predictions, language)?;
            (Accuracy::Mlqa(means), scores)
        }
        Protocol::SquadV2 => {
            let (probabilities, threshold) = no_answer.unzip();
            // 1 is the script's default: no probability is above it.
            let threshold = threshold.unwrap_or(1.0);
            let (accuracy, scores) =
                squad_v2::score(dataset, predictions, probabilities, threshold, summation)?;
            (Accuracy::SquadV2(accuracy), scores)
        }
    };
    Ok(Scored {
        accuracy,
        per_question,
    })
}

/// Scores each question that has a prediction.
fn per_question<S>(
    dataset: &Dataset,
    predictions: &Predictions,
    score: impl Fn(&str, &Question) -> S,
) -> Vec<Option<S>> {
    let questions = dataset.questions.iter();
    questions
        .map(|question| {
            predictions
                .get(&question.id)
                .map(|text| score(text, question))
        })
        .collect()
}

/// The texts of a question's gold answers, each once: annotators often agree,
/// and the best score over equal answers is that of one.
fn distinct_golds(question: &Question) -> impl Iterator<Item = &str> {
    let answers = question.answers.iter().enumerate();
    let distinct = answers.filter(|(at, answer)| {
        let mut earlier = question.answers[..*at].iter();
        !earlier.any(|other| other.text == answer.text)
    });
    distinct.map(|(_, answer)| answer.text.as_str())
}

/// Token F1 of two bags of tokens; 0 where they share none.
fn token_overlap(prediction: &[&str], gold: &[&str]) -> f64 {
    let mut unmatched: HashMap<&str, usize> = HashMap::with_capacity(gold.len());
    for token in gold {
        *unmatched.entry(token).or_default() += 1;
    }
    let mut shared = 0_usize;
    for token in prediction {
        if let Some(count) = unmatched.get_mut(token).filter(|count| **count > 0) {
            *count -= 1;
            shared += 1;
        }
    }
    if shared == 0 {
        return 0.0;
    }
    let precision = shared as f64 / prediction.len() as f64;
    let recall = shared as f64 / gold.len() as f64;
    (2.0 * precision * recall) / (precision + recall)
}
