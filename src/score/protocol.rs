//! The scoring protocols and their names.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::mlqa::{self, Language};
use super::normalize::normalize_answer;
use super::{QuestionScore, ScoreError, squad_v1, squad_v2};
use crate::dataset::{Dataset, Question};

/// A scoring protocol: one official script, and for MLQA's its language.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Protocol {
    /// `evaluate-v1.1.py`.
    SquadV1,
    /// `evaluate-v2.0.py`.
    SquadV2,
    /// `mlqa_evaluation_v1.py`.
    Mlqa(Language),
}

impl Protocol {
    /// The protocol that the data set's card or name asks for; else `squad-v2`
    /// for one with unanswerable questions and `squad-v1` for others. With the reason.
    pub fn for_dataset(dataset: &Dataset) -> (Self, &'static str) {
        if let Some(protocol) = dataset.protocol {
            return (protocol, "as its card or name says");
        }
        if dataset.has_unanswerable {
            (
                Self::SquadV2,
                "because some of its questions have no answer",
            )
        } else {
            (Self::SquadV1, "because all of its questions have an answer")
        }
    }

    /// The protocol's name on the command line and in records.
    pub fn name(self) -> &'static str {
        match self {
            Self::SquadV1 => "squad-v1",
            Self::SquadV2 => "squad-v2",
            Self::Mlqa(language) => match language {
                Language::English => "mlqa:en",
                Language::Spanish => "mlqa:es",
                Language::Hindi => "mlqa:hi",
                Language::Vietnamese => "mlqa:vi",
                Language::German => "mlqa:de",
                Language::Arabic => "mlqa:ar",
                Language::Chinese => "mlqa:zh",
            },
        }
    }

    /// An answer as the protocol's script compares it: its `normalize_answer`.
    pub fn normalize(self, text: &str) -> String {
        match self {
            Self::SquadV1 | Self::SquadV2 => normalize_answer(text),
            Self::Mlqa(language) => mlqa::normalize_answer(text, language),
        }
    }

    /// Exact match and F1 of one prediction, whatever its no-answer probability.
    pub fn score_question(self, prediction: &str, question: &Question) -> QuestionScore {
        match self {
            Self::SquadV1 => squad_v1::score_question(prediction, question),
            Self::SquadV2 => squad_v2::score_question(prediction, question),
            Self::Mlqa(language) => mlqa::score_question(prediction, question, language),
        }
    }

    /// Whether the protocol knows questions that have no answer.
    pub fn allows_no_answer(self) -> bool {
        self == Self::SquadV2
    }

    /// Checks that the protocol can score `dataset`.
    ///
    /// # Errors
    ///
    /// Fails where a question has no gold answer and the protocol wants one:
    /// the official v1.1 and MLQA scripts stop there too.
    pub fn check(self, dataset: &Dataset) -> Result<(), ScoreError> {
        if self.allows_no_answer() {
            return Ok(());
        }
        match dataset.questions.iter().find(|q| q.answers.is_empty()) {
            None => Ok(()),
            Some(question) => Err(ScoreError::NoGoldAnswer {
                dataset: dataset.origin.clone(),
                place: dataset.place(question),
                id: question.id.clone(),
                protocol: self,
            }),
        }
    }
}

impl fmt::Display for Protocol {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name())
    }
}

/// As its [name](Protocol::name).
impl Serialize for Protocol {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}

/// From its [name](Protocol::name).
impl<'de> Deserialize<'de> for Protocol {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let name = String::deserialize(deserializer)?;
        name.parse().map_err(serde::de::Error::custom)
    }
}

/// A protocol as asked for: by name, or left to the data set.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
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
            Self::Auto => Protocol::for_dataset(dataset).0,
            Self::Named(protocol) => protocol,
        }
    }

    /// Why the protocol was chosen, where it was left to the data set.
    pub fn reason(self, dataset: &Dataset) -> Option<&'static str> {
        (self == Self::Auto).then(|| Protocol::for_dataset(dataset).1)
    }
}

impl FromStr for ProtocolChoice {
    type Err = ScoreError;

    fn from_str(name: &str) -> Result<Self, ScoreError> {
        if name == "auto" {
            return Ok(Self::Auto);
        }
        name.parse().map(Self::Named)
    }
}

impl FromStr for Protocol {
    type Err = ScoreError;

    fn from_str(name: &str) -> Result<Self, ScoreError> {
        match name {
            "squad-v1" => Ok(Self::SquadV1),
            "squad-v2" => Ok(Self::SquadV2),
            _ => match name.strip_prefix("mlqa:") {
                Some(code) => Ok(Self::Mlqa(code.parse()?)),
                None => Err(ScoreError::UnknownProtocol {
                    name: name.to_owned(),
                }),
            },
        }
    }
}
