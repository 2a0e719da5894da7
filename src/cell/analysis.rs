//! What a run knows of its answers, for the analysis.

use rayon::prelude::*;

use super::answer::{AnswerSettings, Answers};
use crate::analysis::cases::{Circumstances, case};
use crate::analysis::{self, Analysis, Case};
use crate::dataset::characters::CharacterIndex;
use crate::dataset::{Dataset, Question};
use crate::decode::{Answer, AnswerOrigin};
use crate::score::{Protocol, Scored};
use crate::windows::Window;
use crate::windows::reach::{Reach, reach};

/// Analyses a run's answers, on the current rayon pool.
pub fn analyze(
    dataset: &Dataset,
    answers: &Answers,
    scored: &Scored,
    protocol: Protocol,
    answering: &AnswerSettings,
    settings: &analysis::Settings,
) -> Analysis {
    let mut windows = answers.windows.as_slice();
    let mut of_question = Vec::with_capacity(dataset.questions.len());
    for &count in &answers.windows_of {
        let (own, rest) = windows.split_at(count);
        of_question.push(own);
        windows = rest;
    }
    let cases: Vec<Case> = dataset
        .questions
        .par_iter()
        .zip(answers.answers.par_iter())
        .zip(scored.per_question.par_iter())
        .zip(of_question.par_iter())
        .map(|(((question, answer), score), own)| {
            let is_wrong = score.is_none_or(|score| score.exact_match == 0.0);
            let kept = (answer.origin == AnswerOrigin::Null)
                .then(|| protocol.score_question(&answer.best_span, question));
            let circumstances = Circumstances {
                answer_span: span(answer),
                no_candidate: answer.origin == AnswerOrigin::NoCandidate,
                windows: Some(own.len()),
                null_odds: answer.null_odds.map(f64::from),
                // Only of a wrong answer is it asked.
                reach: is_wrong
                    .then(|| gold_reach(dataset, question, own, protocol, answering))
                    .flatten(),
                kept,
            };
            case(dataset, question, Some(&answer.text), *score, circumstances)
        })
        .collect();
    analysis::analyze(&cases, settings)
}

/// The span of an answer in its passage, in code points.
pub fn span(answer: &Answer) -> Option<(usize, usize)> {
    match answer.origin {
        AnswerOrigin::Span { start, end, .. } => Some((start as usize, end as usize)),
        AnswerOrigin::Null | AnswerOrigin::NoCandidate => None,
    }
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
