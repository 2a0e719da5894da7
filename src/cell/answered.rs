//! What is kept of an answer when its windows are gone: plain data, from which scores and analysis
//! are made in a run, and made again where shards are merged.

use rayon::prelude::*;

use super::answer::{AnswerSettings, Answers};
use super::line::Line;
use crate::dataset::characters::CharacterIndex;
use crate::dataset::{Dataset, Question};
use crate::decode::{Answer, AnswerOrigin};
use crate::score::{Protocol, Scored};
use crate::windows::Window;
use crate::windows::reach::{Reach, reach};

/// One question's answer with all that scores and analysis ask of it.
#[derive(Debug, Clone, PartialEq)]
pub struct Answered {
    /// The answer; empty for "no answer".
    pub text: String,
    /// The best span's text: that of `text`, unless "no answer" was given instead.
    pub best_span: String,
    /// Start logit plus end logit of what was answered with; a probability for the pipeline.
    pub score: f32,
    /// Distance to the best span of another text.
    pub margin: Option<f32>,
    /// Null score less best span score, where "no answer" was allowed.
    pub null_odds: Option<f32>,
    /// Where the answer stands in the passage, in code points, the end exclusive.
    pub span: Option<(usize, usize)>,
    /// Whether no span was allowed at all.
    pub no_candidate: bool,
    /// The number of windows.
    pub windows: usize,
    /// What the window shows of the passage that the answer was taken from, in code points, the
    /// end exclusive.
    pub window: Option<(usize, usize)>,
    /// Whether some gold answer could have been given; asked of wrong answers only.
    pub reach: Option<Reach>,
}

impl Answered {
    /// Whether "no answer" won.
    pub fn is_null(&self) -> bool {
        self.span.is_none() && !self.no_candidate
    }

    fn new(answer: &Answer, windows: &[Window]) -> Self {
        let (span, window) = match answer.origin {
            AnswerOrigin::Span { start, end, window } => (
                Some((start as usize, end as usize)),
                windows.get(window).and_then(shown),
            ),
            AnswerOrigin::Null | AnswerOrigin::NoCandidate => (None, None),
        };
        Self {
            text: answer.text.clone(),
            best_span: answer.best_span.clone(),
            score: answer.score,
            margin: answer.margin,
            null_odds: answer.null_odds,
            span,
            no_candidate: answer.origin == AnswerOrigin::NoCandidate,
            windows: windows.len(),
            window,
            reach: None,
        }
    }
}

/// What a window shows of its passage, in code points.
fn shown(window: &Window) -> Option<(usize, usize)> {
    let offsets = &window.offsets;
    let start = offsets.iter().map(|offset| offset.0).min()?;
    let end = offsets.iter().map(|offset| offset.1).max()?;
    Some((start as usize, end as usize))
}

/// What is kept of a run's answers.
pub fn answered(answers: &Answers) -> Vec<Answered> {
    let own = windows_of_questions(answers);
    let answers = answers.answers.iter().zip(own);
    answers
        .map(|(answer, own)| Answered::new(answer, own))
        .collect()
}

/// Tells of each wrong answer whether a gold answer could have been given, on the current rayon
/// pool.
pub fn add_reach(
    answered: &mut [Answered],
    line: &Line<'_>,
    answers: &Answers,
    scored: &Scored,
    protocol: Protocol,
) {
    let (dataset, answering) = (line.dataset, &line.settings);
    answered
        .par_iter_mut()
        .zip(dataset.questions.par_iter())
        .zip(windows_of_questions(answers).into_par_iter())
        .zip(scored.per_question.par_iter())
        .filter(|(_, score)| score.is_none_or(|score| score.exact_match == 0.0))
        .for_each(|(((answered, question), own), _)| {
            answered.reach = gold_reach(dataset, question, own, protocol, answering);
        });
}

fn windows_of_questions(answers: &Answers) -> Vec<&[Window]> {
    let mut windows = answers.windows.as_slice();
    let mut of_question = Vec::with_capacity(answers.windows_of.len());
    for &count in &answers.windows_of {
        let (own, rest) = windows.split_at(count);
        of_question.push(own);
        windows = rest;
    }
    of_question
}

fn gold_reach(
    dataset: &Dataset,
    question: &Question,
    windows: &[Window],
    protocol: Protocol,
    answering: &AnswerSettings,
) -> Option<Reach> {
    let windows: Vec<&Window> = windows.iter().collect();
    reach(
        &CharacterIndex::new(dataset.passage(question)),
        &windows,
        &question.answers,
        answering.decode.decoder,
        answering.decode.max_answer_len,
        |text| protocol.normalize(text),
    )
}
