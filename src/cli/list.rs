//! `spanbench list`: what there is to run.

use clap::{Args, ValueEnum};
use spanbench::bundled;
use spanbench::dataset::Dataset;
use spanbench::measure::environment::Environment;
use spanbench::models::locate;

use super::terminal;

/// What to list.
#[derive(Debug, Args)]
pub struct ListArguments {
    /// What to list
    #[arg(value_enum, default_value = "models")]
    what: What,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum What {
    /// Model cards
    Models,
    /// Bundled data sets
    Datasets,
    /// Devices this build can compute on
    Devices,
}

/// Prints the list, a line an entry.
pub fn execute(arguments: &ListArguments) -> anyhow::Result<()> {
    let text = match arguments.what {
        What::Models => models(),
        What::Datasets => datasets()?,
        What::Devices => devices(),
    };
    terminal::print(&text)
}

fn models() -> String {
    let cards = bundled::CARDS.iter();
    let cards = cards.filter_map(|(name, _)| Some((name, locate::card(name)?)));
    let lines = cards.map(|(name, card)| {
        let millions = card.parameters as f64 / 1e6;
        let description = &card.description;
        format!(
            "{name}  {}  {millions:.1} M  {description}\n",
            card.architecture
        )
    });
    lines.collect()
}

fn datasets() -> anyhow::Result<String> {
    let dataset = Dataset::open(bundled::DATASET)?;
    let unanswerable = dataset.questions.iter().filter(|q| q.answers.is_empty());
    Ok(format!(
        "{}  {} passages, {} questions, {} of them unanswerable (squad-v2)\n",
        dataset.id,
        dataset.passages.len(),
        dataset.questions.len(),
        unanswerable.count()
    ))
}

fn devices() -> String {
    let environment = Environment::read();
    let name = environment.cpu_model.unwrap_or_default();
    format!("cpu  {name}, {} threads\n", environment.logical_cores)
}
