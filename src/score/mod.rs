//! Accuracy: the official SQuAD scorers, to the last digit.

pub mod normalize;
pub mod predictions;
pub mod squad_v1;
pub mod squad_v2;

use std::collections::HashMap;
use std::fmt;
use std::str::FromStr;

use serde::Serialize;

use crate::dataset::{Dataset, Question};
pub use predictions::{NoAnswerProbabilities, Predictions};

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
    #[error("{path}: not a JSON object of question id to {expected}")]
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
    #[error("{path}: at \"{id}\": expected {expected}, found {found}")]
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
    /// SQuAD v1.1 has no notion of an unanswerable question.
    #[error(
        "{dataset}: at {place}: question \"{id}\" has no gold answer, which squad-v1 cannot score; use --protocol squad-v2"
    )]
    NoGoldAnswer {
        /// The data set's file.
        dataset: String,
        /// Where in it.
        place: String,
        /// The question's id.
        id: String,
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
    #[error("no-answer probabilities belong to squad-v2; the protocol here is {protocol}")]
    ProbabilitiesUnused {
        /// The protocol in force.
        protocol: Protocol,
    },
    /// The protocol's name is not known.
    #[error("unknown protocol \"{name}\"; known are auto, squad-v1 and squad-v2")]
    UnknownProtocol {
        /// What was asked for.
        name: String,
    },
}

/// A scoring protocol: one official script.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Protocol {
    /// `evaluate-v1.1.py`.
    SquadV1,
    /// `evaluate-v2.0.py`.
    SquadV2,
}

impl Protocol {
    /// `squad-v2` for a data set with unanswerable questions, else `squad-v1`.
    pub fn for_dataset(dataset: &Dataset) -> Self {
        if dataset.has_unanswerable {
            Self::SquadV2
        } else {
            Self::SquadV1
        }
    }

    /// The protocol's name on the command line and in records.
    pub fn name(self) -> &'static str {
        match self {
            Self::SquadV1 => "squad-v1",
            Self::SquadV2 => "squad-v2",
        }
    }
}

impl fmt::Display for Protocol {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name())
    }
}

/// A protocol as asked for: by name, or left to the data set.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ProtocolChoice {
    /// Chosen by [`Protocol::for_dataset`].
    #[default]
    Auto,
    /// Named by the user.
    Named(Protocol),
}

impl ProtocolChoice {
    /// The protocol that scores `dataset`.
    pub fn resolve(self, dataset: &Dataset) -> Protocol {
        match self {
            Self::Auto => Protocol::for_dataset(dataset),
            Self::Named(protocol) => protocol,
        }
    }
}

impl FromStr for ProtocolChoice {
    type Err = ScoreError;

    fn from_str(name: &str) -> Result<Self, ScoreError> {
        match name {
            "auto" => Ok(Self::Auto),
            "squad-v1" => Ok(Self::Named(Protocol::SquadV1)),
            "squad-v2" => Ok(Self::Named(Protocol::SquadV2)),
            other => Err(ScoreError::UnknownProtocol {
                name: other.to_owned(),
            }),
        }
    }
}

/// Exact match and token F1 of one question, each between 0 and 1.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
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
    SquadV1(squad_v1::SquadV1),
    /// Under `squad-v2`.
    SquadV2(squad_v2::SquadV2),
}

impl Accuracy {
    /// Exact match over all questions, in percent.
    pub fn exact_match(&self) -> f64 {
        match self {
            Self::SquadV1(accuracy) => accuracy.exact_match,
            Self::SquadV2(accuracy) => accuracy.all.exact,
        }
    }

    /// Token F1 over all questions, in percent.
    pub fn f1(&self) -> f64 {
        match self {
            Self::SquadV1(accuracy) => accuracy.f1,
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
/// `--na-prob-file` and `--na-prob-thresh`.
///
/// # Errors
///
/// See [`ScoreError`].
pub fn score(
    dataset: &Dataset,
    predictions: &Predictions,
    protocol: Protocol,
    no_answer: Option<(&NoAnswerProbabilities, f64)>,
) -> Result<Scored, ScoreError> {
    match protocol {
        Protocol::SquadV1 => {
            if no_answer.is_some() {
                return Err(ScoreError::ProbabilitiesUnused { protocol });
            }
            let (accuracy, per_question) = squad_v1::score(dataset, predictions)?;
            Ok(Scored {
                accuracy: Accuracy::SquadV1(accuracy),
                per_question,
            })
        }
        Protocol::SquadV2 => {
            let (probabilities, threshold) = no_answer.unzip();
            // 1 is the script's default: no probability is above it.
            let threshold = threshold.unwrap_or(1.0);
            let (accuracy, per_question) =
                squad_v2::score(dataset, predictions, probabilities, threshold)?;
            Ok(Scored {
                accuracy: Accuracy::SquadV2(accuracy),
                per_question,
            })
        }
    }
}

/// Scores each question that has a prediction.
fn per_question(
    dataset: &Dataset,
    predictions: &Predictions,
    score: impl Fn(&str, &Question) -> QuestionScore,
) -> Vec<Option<QuestionScore>> {
    let questions = dataset.questions.iter();
    questions
        .map(|question| {
            predictions
                .get(&question.id)
                .map(|text| score(text, question))
        })
        .collect()
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
