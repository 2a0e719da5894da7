//! Span logits to answers.

mod basic_tokenizer;
mod final_text;
pub mod google;
mod numpy;
pub mod pipeline;
pub mod run_qa;

use std::fmt;
use std::str::FromStr;

use crate::dataset::characters::CharacterIndex;
use crate::tokenizer::detokenizer::Detokenizer;
use crate::windows::Window;
use serde::{Deserialize, Serialize};

pub use basic_tokenizer::BasicTokenizer;
pub use final_text::final_text;

/// Which script's way of choosing answers is followed, its windows included.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum Decoder {
    /// `run_qa.py` of Hugging Face transformers: see [`run_qa`].
    #[default]
    RunQa,
    /// `run_squad.py` of BERT, and of MLPerf and earlier transformers: see [`google`].
    Google,
    /// The question-answering pipeline of Hugging Face transformers: see [`pipeline`].
    Pipeline,
}

/// A name that no decoder has.
#[derive(Debug, thiserror::Error)]
#[error("{0:?} is no decoder; there are run_qa, google and pipeline")]
pub struct UnknownDecoder(String);

impl Decoder {
    /// All decoders.
    pub const ALL: [Self; 3] = [Self::RunQa, Self::Google, Self::Pipeline];

    /// Name on the command line and in records.
    pub fn name(self) -> &'static str {
        match self {
            Self::RunQa => "run_qa",
            Self::Google => "google",
            Self::Pipeline => "pipeline",
        }
    }

    /// Tokens of an answer at the most, where the script is not told otherwise.
    pub fn default_max_answer_len(self) -> usize {
        match self {
            Self::RunQa | Self::Google => 30,
            Self::Pipeline => 15,
        }
    }
}

impl fmt::Display for Decoder {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name())
    }
}

impl FromStr for Decoder {
    type Err = UnknownDecoder;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        let mut all = Self::ALL.into_iter();
        let found = all.find(|decoder| decoder.name() == name);
        found.ok_or_else(|| UnknownDecoder(name.to_owned()))
    }
}

/// How spans are chosen.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct DecodeSettings {
    /// Whose way of choosing is followed. The windows must be of the same
    /// ([`crate::windows::WindowSettings::decoder`]).
    pub decoder: Decoder,
    /// How many best starts and ends of a window are paired.
    /// The pipeline looks at all pairs and takes no notice of it.
    pub n_best: usize,
    /// Tokens of an answer at the most.
    pub max_answer_len: usize,
    /// Whether "no answer" may be given: the questions may be unanswerable.
    pub null_allowed: bool,
    /// "No answer" is given where the null odds exceed this. For the pipeline,
    /// which takes the more probable of the two, only 0 makes sense.
    pub null_threshold: f32,
}

impl DecodeSettings {
    /// The script's defaults: 20 best, 30 tokens (the pipeline: 15), no
    /// unanswerable questions, threshold 0.
    pub fn new(decoder: Decoder) -> Self {
        Self {
            decoder,
            n_best: 20,
            max_answer_len: decoder.default_max_answer_len(),
            null_allowed: false,
            null_threshold: 0.0,
        }
    }
}

impl Default for DecodeSettings {
    /// run_qa's defaults.
    fn default() -> Self {
        Self::new(Decoder::default())
    }
}

/// Where an answer comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AnswerOrigin {
    /// A part of the passage.
    Span {
        /// First code point of what the answer covers.
        start: u32,
        /// Past-the-end code point. The google decoder's text may be a part of
        /// what is covered, which is whole words there.
        end: u32,
        /// Which of the question's windows it was taken from; of several with the same text
        /// (pipeline) the first.
        window: usize,
    },
    /// "No answer" won.
    Null,
    /// No span was allowed at all.
    NoCandidate,
}

/// What was decided for one question.
#[derive(Debug, Clone, PartialEq)]
pub struct Answer {
    /// The answer: a part of the passage, or empty for "no answer"; what the
    /// script says (`empty` or nothing) where no span was allowed.
    pub text: String,
    /// The best span's text: that of `text`, unless "no answer" was given instead.
    pub best_span: String,
    /// Start logit plus end logit of the best span (of the null answer's, where that was given);
    /// the pipeline's probability there.
    pub score: f32,
    /// How far the best span's score is above the best one of another text;
    /// nothing where there is no other.
    pub margin: Option<f32>,
    /// Null score less the best span's score, where "no answer" was allowed: it
    /// is given exactly where this exceeds the threshold.
    pub null_odds: Option<f32>,
    /// Where the answer comes from.
    pub origin: AnswerOrigin,
}

/// One window with its logits: `start` and `end` are as long as the window.
#[derive(Clone, Copy)]
pub struct WindowLogits<'a> {
    /// The window.
    pub window: &'a Window,
    /// Start logit of each token.
    pub start: &'a [f32],
    /// End logit of each token.
    pub end: &'a [f32],
}

/// Chooses the answer to one question from the logits of its windows, which
/// were cut for the same decoder.
pub fn answer(
    passage: &CharacterIndex<'_>,
    detokenizer: &Detokenizer<'_>,
    windows: &[WindowLogits<'_>],
    settings: &DecodeSettings,
) -> Answer {
    match settings.decoder {
        Decoder::RunQa => run_qa::answer(passage, windows, settings),
        Decoder::Google => google::answer(passage, detokenizer, windows, settings),
        Decoder::Pipeline => pipeline::answer(passage, windows, settings),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decoders_are_known_by_name() {
        for decoder in Decoder::ALL {
            assert_eq!(decoder.to_string().parse::<Decoder>().unwrap(), decoder);
        }
        let fault = "runqa".parse::<Decoder>().unwrap_err();
        assert!(fault.to_string().contains("run_qa, google and pipeline"));
    }
}
