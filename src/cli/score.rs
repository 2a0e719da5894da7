//! `spanbench score`: the official scorers, for anyone's predictions.

use std::path::PathBuf;

use clap::Args;
use spanbench::dataset::Dataset;
use spanbench::record::wire::WireAccuracy;
use spanbench::score::{self, NoAnswerProbabilities, Predictions, ProtocolChoice, Summation};

use super::progress::Bars;
use super::questions::QuestionArguments;
use super::terminal;

/// What to score, and how.
#[derive(Debug, Args)]
pub struct ScoreArguments {
    /// A card's name, a file (SQuAD or MRQA format, parquet), or hf:owner/name[:config][:split]
    #[arg(long, value_name = "D")]
    dataset: String,
    #[command(flatten)]
    questions: QuestionArguments,
    /// Predictions as {id: text}
    #[arg(long, value_name = "P.json")]
    predictions: PathBuf,
    /// Probabilities as {id: number} that a question has no answer (squad-v2)
    #[arg(long, value_name = "N.json")]
    na_prob: Option<PathBuf>,
    /// The probability above which a prediction counts as "no answer"
    #[arg(long, value_name = "T", default_value_t = 1.0, requires = "na_prob")]
    na_prob_thresh: f64,
    /// How answers are scored: auto, squad-v1 or squad-v2
    #[arg(long, value_name = "P", default_value = "auto")]
    protocol: ProtocolChoice,
    /// Print the accuracy object as JSON
    #[arg(long)]
    json: bool,
    /// Ask no hub; use what is in the cache
    #[arg(long)]
    offline: bool,
}

/// Scores the file and prints what the official script prints.
pub fn execute(arguments: &ScoreArguments) -> anyhow::Result<()> {
    let bars = Bars::new();
    let selection = arguments.questions.selection()?;
    let mut dataset = Dataset::open(&arguments.dataset, arguments.offline, &bars)?;
    dataset.select(&selection)?;
    let predictions = Predictions::read(&arguments.predictions)?;
    let probabilities = arguments.na_prob.as_deref();
    let probabilities = probabilities.map(NoAnswerProbabilities::read).transpose()?;
    let protocol = arguments.protocol.resolve(&dataset);
    let no_answer = probabilities
        .as_ref()
        .map(|p| (p, arguments.na_prob_thresh));
    let scored = score::score(
        &dataset,
        &predictions,
        protocol,
        no_answer,
        Summation::Plain,
    )?;

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
    let accuracy = WireAccuracy::from(&scored.accuracy);
    if arguments.json {
        return terminal::print_json(&accuracy);
    }
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
    let lines: Vec<_> = lines
        .map(|(name, value)| format!("{name:<17}  {value}\n"))
        .collect();
    terminal::print(&lines.concat())
}
