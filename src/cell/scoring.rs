//! From answers to their score, and to what the score does not say.

use super::answer::{AnswerSettings, Answers, Line};
use super::work::AccuracyPass;
use super::{CellSettings, analysis};
use crate::analysis::wire::WireAnalysis;
use crate::analysis::{self as analyses, Analysis, MissingPrediction, NullScale};
use crate::dataset::{Dataset, Question};
use crate::decode::{Answer, AnswerOrigin, DecodeSettings, Decoder};
use crate::record::QuestionResult;
use crate::record::folder::shortest;
use crate::record::wire::WireAccuracy;
use crate::score::{
    self, NoAnswerProbabilities, Predictions, Protocol, ScoreError, Scored, Summation,
};
use crate::windows::Window;

/// How the cell's questions are answered under `protocol`.
pub(super) fn answer_settings(settings: &CellSettings, protocol: Protocol) -> AnswerSettings {
    AnswerSettings {
        windows: settings.windows,
        decode: DecodeSettings {
            decoder: settings.windows.decoder,
            n_best: settings.n_best,
            max_answer_len: settings.max_answer_len,
            null_allowed: protocol.allows_no_answer(),
            null_threshold: 0.0,
        },
        batch_tokens: settings.batch_tokens,
        order: settings.order,
        seed: settings.seed,
    }
}

pub(super) fn score_answers(
    dataset: &Dataset,
    answers: &Answers,
    protocol: Protocol,
    summation: Summation,
) -> Result<Scored, ScoreError> {
    let pairs = dataset.questions.iter().zip(&answers.answers);
    let texts = pairs.map(|(question, answer)| (question.id.clone(), answer.text.clone()));
    // The run's null_odds.json is what the official script takes for a no-answer probability file.
    let odds = pairs_of_odds(dataset, answers);
    let odds = NoAnswerProbabilities::new("this run", odds);
    // "No answer" is given already where it wins; no threshold is to give more of it.
    let no_answer = protocol
        .allows_no_answer()
        .then_some((&odds, f64::INFINITY));
    score::score(
        dataset,
        &Predictions::new("this run", texts),
        protocol,
        no_answer,
        summation,
    )
}

/// The null odds of each question, as `null_odds.json` has them.
fn pairs_of_odds<'a>(
    dataset: &'a Dataset,
    answers: &'a Answers,
) -> impl Iterator<Item = (String, f64)> + 'a {
    let questions = dataset.questions.iter().zip(&answers.answers);
    questions.filter_map(|(question, answer)| {
        let odds = answer.null_odds?;
        Some((question.id.clone(), shortest(odds)))
    })
}

fn analysis_settings(settings: &CellSettings, answering: &AnswerSettings) -> analyses::Settings {
    let decode = &answering.decode;
    analyses::Settings {
        seed: settings.seed,
        resamples: settings.resamples,
        folds: settings.folds,
        null_scale: match decode.decoder {
            Decoder::RunQa | Decoder::Google => NullScale::LogitDifference,
            Decoder::Pipeline => NullScale::ProbabilityDifference,
        },
        threshold: decode
            .null_allowed
            .then_some(f64::from(decode.null_threshold)),
        missing: MissingPrediction::default(),
        ..analyses::Settings::default()
    }
}

fn question_results(
    dataset: &Dataset,
    answers: Answers,
    scored: &Scored,
    analysis: &Analysis,
) -> Vec<QuestionResult> {
    let questions = dataset.questions.iter().zip(answers.answers);
    let mut first_window = 0;
    questions
        .zip(scored.per_question.iter().zip(answers.windows_of))
        .zip(&analysis.errors)
        .map(|(((question, answer), (score, windows)), &error)| {
            let own = &answers.windows[first_window..first_window + windows];
            first_window += windows;
            QuestionResult {
                id: question.id.clone(),
                question: question.text.clone(),
                golds: distinct_golds(question),
                passage: question.passage,
                error,
                span: analysis::span(&answer),
                window: shown(&answer, own),
                answer: answer.text,
                score: score.unwrap_or_default(),
                span_score: answer.score,
                margin: answer.margin,
                null_odds: answer.null_odds,
                windows,
                latency_ms: None,
            }
        })
        .collect()
}

/// The gold answers' texts in the data set's order, each once.
fn distinct_golds(question: &Question) -> Vec<String> {
    let mut texts: Vec<String> = Vec::new();
    for gold in &question.answers {
        if !texts.contains(&gold.text) {
            texts.push(gold.text.clone());
        }
    }
    texts
}

/// What the window shows of the passage that the answer was taken from, in code points.
fn shown(answer: &Answer, windows: &[Window]) -> Option<(usize, usize)> {
    let AnswerOrigin::Span { window, .. } = answer.origin else {
        return None;
    };
    let offsets = &windows.get(window)?.offsets;
    let start = offsets.iter().map(|offset| offset.0).min()?;
    let end = offsets.iter().map(|offset| offset.1).max()?;
    Some((start as usize, end as usize))
}

/// Analyses scored answers and gives both.
pub(super) fn accuracy_pass(
    settings: &CellSettings,
    line: &Line<'_>,
    protocol: Protocol,
    answers: Answers,
    scored: &Scored,
) -> AccuracyPass {
    let dataset = line.dataset;
    let analysis_settings = analysis_settings(settings, &line.settings);
    let analysis = analysis::analyze(
        dataset,
        &answers,
        scored,
        protocol,
        &line.settings,
        &analysis_settings,
    );
    AccuracyPass {
        accuracy: WireAccuracy::from(&scored.accuracy),
        analysis: WireAnalysis::new(&analysis, &analysis_settings),
        windows: answers.windows.len(),
        tokens: answers.tokens(),
        questions: question_results(dataset, answers, scored, &analysis),
    }
}
