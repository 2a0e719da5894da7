//! From answers to their score, and to what the score does not say.

use candle_core::Device;

use super::answer::AnswerSettings;
use super::answered::Answered;
use super::work::AccuracyPass;
use super::{CellSettings, analysis};
use crate::analysis::wire::WireAnalysis;
use crate::analysis::{self as analyses, Analysis, MissingPrediction, NullScale};
use crate::dataset::{Dataset, Question};
use crate::decode::{DecodeSettings, Decoder};
use crate::record::QuestionResult;
use crate::record::folder::shortest;
use crate::record::wire::WireAccuracy;
use crate::score::{
    self, NoAnswerProbabilities, Predictions, Protocol, ScoreError, Scored, Summation,
};

/// Tokens of a batch at the most where nothing is said of them. A CPU keeps the activations of so many
/// close by; a GPU is busy with many more before it is asked for the next.
pub fn usual_batch_tokens(device: &Device) -> usize {
    match device {
        Device::Cpu | Device::Metal(_) => 2048,
        Device::Cuda(_) => 16_384,
    }
}

/// How the cell's questions are answered under `protocol` on a device.
pub(super) fn answer_settings(
    settings: &CellSettings,
    protocol: Protocol,
    device: &Device,
) -> AnswerSettings {
    AnswerSettings {
        windows: settings.windows,
        decode: DecodeSettings {
            decoder: settings.windows.decoder,
            n_best: settings.n_best,
            max_answer_len: settings.max_answer_len,
            null_allowed: protocol.allows_no_answer(),
            null_threshold: 0.0,
        },
        batch_tokens: settings
            .batch_tokens
            .unwrap_or_else(|| usual_batch_tokens(device)),
        order: settings.order,
        seed: settings.seed,
    }
}

/// How answers are scored and analysed: with the data set and the answers, all that the figures
/// of accuracy depend on.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Scoring {
    /// The scorer.
    pub protocol: Protocol,
    /// How its script adds.
    pub summation: Summation,
    /// Whose way of choosing answers was followed.
    pub decoder: Decoder,
    /// The null odds above which "no answer" was given, where it was allowed.
    pub null_threshold: Option<f32>,
    /// Seed of resamples and folds.
    pub seed: u64,
    /// Bootstrap resamples.
    pub resamples: usize,
    /// Folds.
    pub folds: usize,
}

impl Scoring {
    /// How a cell's answers are scored under `protocol`.
    pub(super) fn of(
        settings: &CellSettings,
        answering: &AnswerSettings,
        protocol: Protocol,
    ) -> Self {
        let decode = &answering.decode;
        Self {
            protocol,
            summation: settings.summation,
            decoder: decode.decoder,
            null_threshold: decode.null_allowed.then_some(decode.null_threshold),
            seed: settings.seed,
            resamples: settings.resamples,
            folds: settings.folds,
        }
    }

    /// Scores the answers to all questions of `dataset`, in their order.
    ///
    /// # Errors
    ///
    /// See [`ScoreError`].
    pub fn score(&self, dataset: &Dataset, answered: &[Answered]) -> Result<Scored, ScoreError> {
        let pairs = dataset.questions.iter().zip(answered);
        let texts = pairs.map(|(question, answered)| (question.id.clone(), answered.text.clone()));
        // The run's null_odds.json is what the official script takes for a no-answer probability file.
        let odds = pairs_of_odds(dataset, answered);
        let odds = NoAnswerProbabilities::new("this run", odds);
        // "No answer" is given already where it wins; no threshold is to give more of it.
        let no_answer = self
            .protocol
            .allows_no_answer()
            .then_some((&odds, f64::INFINITY));
        score::score(
            dataset,
            &Predictions::new("this run", texts),
            self.protocol,
            no_answer,
            self.summation,
        )
    }

    /// Analyses scored answers, on the current rayon pool, and gives both.
    pub fn accuracy_pass(
        &self,
        dataset: &Dataset,
        answered: &[Answered],
        tokens: usize,
        scored: &Scored,
    ) -> AccuracyPass {
        let settings = self.analysis_settings();
        let analysis = analysis::analyze(dataset, answered, scored, self.protocol, &settings);
        let windows = answered.iter().map(|answered| answered.windows);
        // Those of merged shards are what their files say.
        let windows = windows.fold(0, usize::saturating_add);
        AccuracyPass {
            accuracy: WireAccuracy::from(&scored.accuracy),
            analysis: WireAnalysis::new(&analysis, &settings),
            windows,
            tokens,
            questions: question_results(dataset, answered, scored, &analysis),
        }
    }

    fn analysis_settings(&self) -> analyses::Settings {
        analyses::Settings {
            seed: self.seed,
            resamples: self.resamples,
            folds: self.folds,
            null_scale: match self.decoder {
                Decoder::RunQa | Decoder::Google => NullScale::LogitDifference,
                Decoder::Pipeline => NullScale::ProbabilityDifference,
            },
            threshold: self.null_threshold.map(f64::from),
            missing: MissingPrediction::default(),
            ..analyses::Settings::default()
        }
    }
}

/// The null odds of each question, as `null_odds.json` has them.
fn pairs_of_odds<'a>(
    dataset: &'a Dataset,
    answered: &'a [Answered],
) -> impl Iterator<Item = (String, f64)> + 'a {
    let questions = dataset.questions.iter().zip(answered);
    questions.filter_map(|(question, answered)| {
        let odds = answered.null_odds?;
        Some((question.id.clone(), shortest(odds)))
    })
}

fn question_results(
    dataset: &Dataset,
    answered: &[Answered],
    scored: &Scored,
    analysis: &Analysis,
) -> Vec<QuestionResult> {
    let questions = dataset.questions.iter().zip(answered);
    questions
        .zip(&scored.per_question)
        .zip(&analysis.errors)
        .map(|(((question, answered), score), &error)| QuestionResult {
            id: question.id.clone(),
            question: question.text.clone(),
            golds: distinct_golds(question),
            passage: question.passage,
            error,
            span: answered.span,
            window: answered.window,
            answer: answered.text.clone(),
            score: score.unwrap_or_default(),
            span_score: answered.score,
            margin: answered.margin,
            null_odds: answered.null_odds,
            windows: answered.windows,
            latency_ms: None,
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
