//! The command line: one file a command. Arguments in, library called, result out.

mod cells;
mod list;
mod measuring;
mod progress;
mod pull;
mod questions;
mod report;
mod rounds;
mod run;
mod run_cell;
mod score;
mod scoring;
mod terminal;

use std::process::ExitCode;

use clap::{Parser, Subcommand};
use spanbench::message::one_line;

/// Benchmark extractive question-answering models: EM/F1, speed, latency and
/// memory of the same answers, in one record.
///
/// Without a command, `run` is meant: the bundled model answers the bundled
/// data set, with no network.
///
/// Exit codes: 0 good, 1 an answer that is a no, 2 bad input or failure.
#[derive(Debug, Parser)]
#[command(version, args_conflicts_with_subcommands = true)]
pub struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    run: run::RunArguments,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Answer data sets with models and record accuracy, speed and memory
    Run(Box<run::RunArguments>),
    /// Do one cell's job: what `run` starts for each
    #[command(hide = true)]
    RunCell(run_cell::RunCellArguments),
    /// Score anyone's predictions as the official scripts do
    Score(score::ScoreArguments),
    /// Fetch a model or data set from the Hugging Face Hub into the shared cache
    Pull(pull::PullArguments),
    /// Rank many runs, and write them as Markdown, CSV, LaTeX, model-index or JUnit XML
    Report(report::ReportArguments),
    /// List models, data sets or devices
    List(list::ListArguments),
}

impl Cli {
    /// Does what the command line asks for.
    ///
    /// # Errors
    ///
    /// Fails with a chain of messages, the outermost naming what was done.
    pub fn execute(self) -> anyhow::Result<()> {
        match self.command {
            None => run::execute(&self.run),
            Some(Command::Run(arguments)) => run::execute(&arguments),
            Some(Command::RunCell(arguments)) => run_cell::execute(&arguments),
            Some(Command::Score(arguments)) => score::execute(&arguments),
            Some(Command::Pull(arguments)) => pull::execute(&arguments),
            Some(Command::Report(arguments)) => report::execute(&arguments),
            Some(Command::List(arguments)) => list::execute(&arguments),
        }
    }
}

/// Prints help where that was asked for, else what is wrong with the command line, as one line.
pub fn explain(error: &clap::Error) -> ExitCode {
    if !error.use_stderr() {
        // Help that nobody is there to read is no failure.
        let _ = error.print();
        return ExitCode::SUCCESS;
    }
    let text = error.to_string();
    let lines = text.lines().map(str::trim);
    let lines =
        lines.take_while(|line| !line.starts_with("Usage:") && !line.starts_with("For more"));
    let lines: Vec<_> = lines.filter(|line| !line.is_empty()).collect();
    terminal::note(&format!("{}; see --help", lines.join(" ")));
    ExitCode::from(2)
}

/// An error that was told already.
#[derive(Debug, thiserror::Error)]
#[error("told already")]
struct Reported;

/// The command did its work, and its answer is told by an exit code.
#[derive(Debug, thiserror::Error)]
#[error("the answer is exit code {0}")]
struct Answer(u8);

/// The exit code of an error.
pub fn exit_code(error: &anyhow::Error) -> ExitCode {
    ExitCode::from(error.downcast_ref().map_or(2, |Answer(code)| *code))
}

/// Prints an error and its causes as one line on standard error, unless that was done.
pub fn report(error: &anyhow::Error) {
    if error.is::<Reported>() || error.is::<Answer>() {
        return;
    }
    terminal::note(&format!("error: {}", one_line(error.as_ref())));
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }
}
