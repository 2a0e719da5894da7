//! A shard as it stands in `shard.json`: what merging needs besides the other shards.

use serde::{Deserialize, Serialize};

use super::{SCHEMA, WireDataset, WireModel, WireProtocol};
use crate::cell::answered::Answered;
use crate::dataset::{Dataset, GoldAnswer, Part, Question};
use crate::windows::reach::Reach;

/// One shard of a cell: what it is a part of, its questions with their answers, and the passages.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct WireShard {
    /// [`SCHEMA`].
    pub schema: u32,
    /// Name of the cell.
    pub cell: String,
    /// Which shard, from 1.
    pub shard: usize,
    /// How many there are.
    pub of: usize,
    /// What they are the shards of.
    pub whole: WireWhole,
    /// Place of the shard's first question in the whole, from 0.
    pub first: usize,
    /// What answered; absent where the shard has no question, for which no model was loaded.
    #[serde(default)]
    pub model: Option<WireModel>,
    /// The shard's data set; its counts are those of the shard's questions.
    pub dataset: WireDataset,
    /// ISO code of the questions' language, where that is not the passages'.
    #[serde(default)]
    pub question_language: Option<String>,
    /// The settings.
    pub protocol: WireProtocol,
    /// Bootstrap resamples of the analysis.
    pub resamples: usize,
    /// Folds of the analysis.
    pub folds: usize,
    /// The passages that the questions are about.
    pub passages: Vec<WireShardPassage>,
    /// The questions, in the whole's order.
    pub questions: Vec<WireShardQuestion>,
}

/// The selection of questions that shards are parts of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WireWhole {
    /// How many there are.
    pub questions: usize,
    /// SHA-256 of the JSON list of their ids without white space, in hexadecimal.
    pub ids_sha256: String,
}

/// A passage of a shard.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WireShardPassage {
    /// Its number in the data set.
    pub number: usize,
    /// Title of its article; empty where there is none.
    pub article: String,
    /// The text.
    pub text: String,
}

/// A question of a shard.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct WireShardQuestion {
    /// Unique within the data set.
    pub id: String,
    /// The question as written.
    pub text: String,
    /// Number of its passage.
    pub passage: usize,
    /// Its language, where the file gives one question by question.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub language: Option<String>,
    /// Gold answers as annotated; none where the passage holds none.
    pub golds: Vec<WireGold>,
    /// Its answer.
    pub answer: WireShardAnswer,
}

/// A gold answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WireGold {
    /// As annotated.
    pub text: String,
    /// Its first code point in the passage, where it does stand there.
    pub start: Option<usize>,
}

/// An answer with what scores and analysis ask of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct WireShardAnswer {
    /// The answer; empty for "no answer".
    pub text: String,
    /// The best span's text, also where "no answer" was given instead.
    pub best_span: String,
    /// Start logit plus end logit; for the pipeline a probability.
    pub score: f32,
    /// Distance to the best span of another text.
    pub margin: Option<f32>,
    /// Null score less best span score, where "no answer" was allowed.
    pub null_odds: Option<f32>,
    /// First and past-the-end code point of the answer in the passage, where it is a part of it.
    pub span: Option<[usize; 2]>,
    /// Whether no span was allowed at all.
    pub no_candidate: bool,
    /// The number of windows.
    pub windows: usize,
    /// What the window shows of the passage that the answer was taken from.
    pub window: Option<[usize; 2]>,
    /// Of wrong answers: whether a gold answer could have been given, where that is known.
    pub reach: Option<WireReach>,
}

/// Whether some run of tokens is a gold answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WireReach {
    /// One is.
    Reachable,
    /// No window shows a gold answer whole, or it is too long.
    CutOff,
    /// Gold answers begin or end within a token.
    OffBoundary,
}

/// What a shard of a cell is made of besides its questions and answers.
#[derive(Debug, Clone)]
pub struct ShardOf<'a> {
    /// Name of the cell.
    pub cell: &'a str,
    /// Its part of the whole.
    pub part: &'a Part,
    /// What answered, where there was something to answer.
    pub model: Option<WireModel>,
    /// The data set as records have it.
    pub dataset: WireDataset,
    /// The settings.
    pub protocol: WireProtocol,
    /// Bootstrap resamples of the analysis.
    pub resamples: usize,
    /// Folds of the analysis.
    pub folds: usize,
}

impl WireShard {
    /// The shard whose questions are those of `dataset`, with an answer each.
    pub fn new(about: ShardOf<'_>, dataset: &Dataset, answered: &[Answered]) -> Self {
        let mut numbers: Vec<usize> = dataset.questions.iter().map(|q| q.passage).collect();
        numbers.sort_unstable();
        numbers.dedup();
        let passages = numbers.into_iter().map(|number| {
            let passage = &dataset.passages[number];
            WireShardPassage {
                number,
                article: dataset.articles[passage.article].clone(),
                text: passage.text.clone(),
            }
        });
        let questions = dataset.questions.iter().zip(answered);
        Self {
            schema: SCHEMA,
            cell: about.cell.to_owned(),
            shard: about.part.shard.number(),
            of: about.part.shard.count(),
            whole: WireWhole {
                questions: about.part.whole_questions,
                ids_sha256: about.part.whole_ids_sha256.clone(),
            },
            first: about.part.first,
            model: about.model,
            dataset: about.dataset,
            question_language: dataset.question_language.clone(),
            protocol: about.protocol,
            resamples: about.resamples,
            folds: about.folds,
            passages: passages.collect(),
            questions: questions.map(WireShardQuestion::new).collect(),
        }
    }
}

impl WireShardQuestion {
    fn new((question, answered): (&Question, &Answered)) -> Self {
        let golds = question.answers.iter().map(|gold| WireGold {
            text: gold.text.clone(),
            start: gold.start,
        });
        Self {
            id: question.id.clone(),
            text: question.text.clone(),
            passage: question.passage,
            language: question.language.clone(),
            golds: golds.collect(),
            answer: answered.into(),
        }
    }
}

impl From<&Answered> for WireShardAnswer {
    fn from(answered: &Answered) -> Self {
        let pair = |(start, end): (usize, usize)| [start, end];
        Self {
            text: answered.text.clone(),
            best_span: answered.best_span.clone(),
            score: answered.score,
            margin: answered.margin,
            null_odds: answered.null_odds,
            span: answered.span.map(pair),
            no_candidate: answered.no_candidate,
            windows: answered.windows,
            window: answered.window.map(pair),
            reach: answered.reach.map(|reach| match reach {
                Reach::Reachable => WireReach::Reachable,
                Reach::CutOff => WireReach::CutOff,
                Reach::OffBoundary => WireReach::OffBoundary,
            }),
        }
    }
}

impl From<WireShardAnswer> for Answered {
    fn from(answer: WireShardAnswer) -> Self {
        Self {
            text: answer.text,
            best_span: answer.best_span,
            score: answer.score,
            margin: answer.margin,
            null_odds: answer.null_odds,
            span: answer.span.map(Into::into),
            no_candidate: answer.no_candidate,
            windows: answer.windows,
            window: answer.window.map(Into::into),
            reach: answer.reach.map(|reach| match reach {
                WireReach::Reachable => Reach::Reachable,
                WireReach::CutOff => Reach::CutOff,
                WireReach::OffBoundary => Reach::OffBoundary,
            }),
        }
    }
}

impl From<WireGold> for GoldAnswer {
    fn from(gold: WireGold) -> Self {
        Self {
            text: gold.text,
            start: gold.start,
        }
    }
}
