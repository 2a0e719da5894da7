//! `spanbench score`: the official scorers, for anyone's predictions.

use std::path::PathBuf;

use clap::Args;
use spanbench::analysis::cases::{self, Circumstances};
use spanbench::analysis::wire::WireAnalysis;
use spanbench::analysis::{self, Case, MissingPrediction, NullScale};
use spanbench::cell::{CellSettings, CellSpec};
use spanbench::dataset::Dataset;
use spanbench::record::wire::WireAccuracy;
use spanbench::render;
use spanbench::score::{
    self, NoAnswerProbabilities, Predictions, Protocol, ProtocolChoice, Scored,
};
use spanbench::suite::{Options, OptionsError};

use super::job_array::ShardArguments;
use super::progress::Bars;
use super::questions::QuestionArguments;
use super::scoring::{self, ScoringArguments};
use super::terminal;

/// What to score, and how.
#[derive(Debug, Args)]
pub struct ScoreArguments {
    /// A card's name, a file (SQuAD or MRQA format or rows as JSON lines, also gzip-compressed; parquet), or hf:owner/name[@revision][:config][:split]
    #[arg(long, value_name = "D")]
    dataset: String,
    #[command(flatten)]
    questions: QuestionArguments,
    #[command(flatten)]
    part: ShardArguments,
    /// Predictions as {id: text}
    #[arg(long, value_name = "P.json")]
    predictions: PathBuf,
    /// Probabilities as {id: number} that a question has no answer (squad-v2)
    #[arg(long, value_name = "N.json")]
    na_prob: Option<PathBuf>,
    /// The probability above which a prediction counts as "no answer"
    #[arg(long, value_name = "T", default_value_t = 1.0, requires = "na_prob", value_parser = threshold, allow_negative_numbers = true)]
    na_prob_thresh: f64,
    #[command(flatten)]
    scoring: ScoringArguments,
    /// Show slices, kinds of errors, answerability, intervals and folds too
    #[arg(long)]
    analysis: bool,
    /// Print the accuracy object as JSON
    #[arg(long)]
    json: bool,
    /// Ask no hub; use what is in the cache
    #[arg(long)]
    offline: bool,
}

/// A number; one that is none would switch the threshold off.
fn threshold(text: &str) -> Result<f64, String> {
    match text.parse() {
        Ok(number) if f64::is_nan(number) => Err("must be a number".to_owned()),
        Ok(number) => Ok(number),
        Err(fault) => Err(format!("{fault}")),
    }
}

/// Scores the file and prints what the official script prints.
pub fn execute(arguments: &ScoreArguments) -> anyhow::Result<()> {
    let bars = Bars::new(None);
    let mut asked = asked(arguments)?;
    asked.questions.shard = arguments.part.shard()?;
    let mut dataset = Dataset::open(&arguments.dataset, arguments.offline, &bars)?;
    dataset.select(&asked.questions)?;
    let predictions = Predictions::read(&arguments.predictions)?;
    let probabilities = arguments.na_prob.as_deref();
    let probabilities = probabilities.map(NoAnswerProbabilities::read).transpose()?;
    let CellSettings {
        protocol: choice,
        summation,
        ..
    } = asked.settings;
    let protocol = choice.resolve(&dataset);
    let no_answer = probabilities
        .as_ref()
        .map(|p| (p, arguments.na_prob_thresh));
    let scored = score::score(&dataset, &predictions, protocol, no_answer, summation)?;
    print_notes(arguments, choice, &dataset, &predictions, &scored);
    let accuracy = WireAccuracy::from(&scored.accuracy);
    let analysis = arguments.analysis.then(|| {
        let settings =
            analysis_settings(arguments, &asked.settings, protocol, probabilities.as_ref());
        let cases = cases(&dataset, &predictions, &scored, protocol, no_answer);
        WireAnalysis::new(&analysis::analyze(&cases, &settings), &settings)
    });
    if arguments.json {
        return match analysis {
            None => terminal::print_json(&accuracy),
            Some(analysis) => terminal::print_json(&serde_json::json!({
                "schema": spanbench::record::wire::SCHEMA,
                "protocol": protocol,
                "accuracy": accuracy,
                "analysis": analysis,
            })),
        };
    }
    let tables = analysis.map_or_else(String::new, |a| render::analysis::text(&a));
    terminal::print(&(lines(protocol, &accuracy) + &tables))
}

/// The questions and the way of scoring that are asked for: those of a cell.
fn asked(arguments: &ScoreArguments) -> Result<CellSpec, OptionsError> {
    let ScoreArguments {
        questions, scoring, ..
    } = arguments;
    let options = Options {
        dataset: Some(arguments.dataset.clone()),
        ids: questions.ids.clone(),
        sample: questions.sample,
        limit: questions.limit,
        seed: questions.seed,
        protocol: scoring.protocol,
        summation: scoring.summation,
        resamples: scoring.resamples,
        folds: scoring.folds,
        ..Options::default()
    };
    options.resolve("score", arguments.offline)
}

/// What the figures do not say: the protocol that was chosen, and ids that do not match.
fn print_notes(
    arguments: &ScoreArguments,
    choice: ProtocolChoice,
    dataset: &Dataset,
    predictions: &Predictions,
    scored: &Scored,
) {
    if let Some(reason) = choice.reason(dataset) {
        let protocol = choice.resolve(dataset);
        terminal::note(&scoring::auto_note(&dataset.id, protocol.name(), reason));
    }
    if let Some(warning) = dataset.misplaced_warning() {
        terminal::note(&format!("warning: {warning}"));
    }
    let predicted = scored.per_question.iter().flatten().count();
    let missing = dataset.questions.len() - predicted;
    if missing > 0 {
        terminal::note(&format!(
            "warning: {}: {missing} of {} questions have no prediction",
            arguments.predictions.display(),
            dataset.questions.len()
        ));
    }
    let unknown = predictions.len() - predicted;
    if unknown > 0 {
        terminal::note(&format!(
            "warning: {}: predictions for no question of {}: {unknown}",
            arguments.predictions.display(),
            dataset.origin
        ));
    }
}

/// A line a figure, by the official scripts' own names.
fn lines(protocol: Protocol, accuracy: &WireAccuracy) -> String {
    let first = [
        ("protocol", protocol.to_string()),
        ("exact_match", accuracy.exact_match.to_string()),
        ("f1", accuracy.f1.to_string()),
        ("total", accuracy.total.to_string()),
    ];
    let rest = accuracy.more.iter();
    let rest = rest.map(|(name, value)| (name.as_str(), value.to_string()));
    let lines = first.into_iter().chain(rest);
    // The longest of the official names has 17 letters.
    lines
        .map(|(name, value)| format!("{name:<17}  {value}\n"))
        .collect()
}

fn analysis_settings(
    arguments: &ScoreArguments,
    asked: &CellSettings,
    protocol: Protocol,
    probabilities: Option<&NoAnswerProbabilities>,
) -> analysis::Settings {
    analysis::Settings {
        seed: asked.seed,
        resamples: asked.resamples,
        folds: asked.folds,
        null_scale: probabilities.map_or_else(NullScale::default, NoAnswerProbabilities::scale),
        threshold: probabilities.map(|_| arguments.na_prob_thresh),
        missing: if protocol == Protocol::SquadV2 {
            MissingPrediction::LeftOut
        } else {
            MissingPrediction::CountsZero
        },
        ..analysis::Settings::default()
    }
}

fn cases<'a>(
    dataset: &'a Dataset,
    predictions: &'a Predictions,
    scored: &Scored,
    protocol: Protocol,
    no_answer: Option<(&NoAnswerProbabilities, f64)>,
) -> Vec<Case<'a>> {
    let questions = dataset.questions.iter().zip(&scored.per_question);
    questions
        .map(|(question, score)| {
            let given = predictions.get(&question.id);
            let null_odds = no_answer.and_then(|(values, _)| values.get(&question.id));
            let above = no_answer.zip(null_odds);
            let is_null = above.is_some_and(|((_, threshold), odds)| odds > threshold);
            let circumstances = Circumstances {
                null_odds,
                kept: given
                    .filter(|_| is_null)
                    .map(|text| protocol.score_question(text, question)),
                ..Circumstances::default()
            };
            let given = given.map(|text| if is_null { "" } else { text });
            cases::case(dataset, question, given, *score, circumstances)
        })
        .collect()
}
