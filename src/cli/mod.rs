//! The command line: one file a command. Arguments in, library called, result out.

mod audit;
mod cell_arguments;
mod cells;
mod compare;
mod folders;
mod job_array;
mod list;
mod measuring;
mod merge;
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
/// Exit codes: 0 good, 1 an answer that is a no (a regression, no model within a budget,
/// published figures that do not reproduce), 2 bad
/// input or failure, 3 not comparable or inconclusive, 130 interrupted.
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
    Run(Box<run::RunCommand>),
    /// Do one cell's job: what `run` starts for each
    #[command(hide = true)]
    RunCell(run_cell::RunCellArguments),
    /// Score anyone's predictions as the official scripts do
    Score(score::ScoreArguments),
    /// Merge the shards of a run into the record a single run would have given for accuracy
    Merge(merge::MergeArguments),
    /// Fetch a model or data set from the Hugging Face Hub into the shared cache
    Pull(pull::PullArguments),
    /// Compare a candidate with a base, question by question, and say whether it may take its place
    Compare(Box<compare::CompareArguments>),
    /// Rerun a model card's checkpoint: do its published EM and F1 reproduce, and under which protocol?
    Audit(Box<audit::AuditArguments>),
    /// Rank many runs, and write them as a page with plots, Markdown, CSV, LaTeX, model-index or JUnit XML
    Report(report::ReportArguments),
    /// List models, data sets, suites, devices or runs
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
            Some(Command::Run(command)) => run::execute_command(&command),
            Some(Command::RunCell(arguments)) => run_cell::execute(&arguments),
            Some(Command::Score(arguments)) => score::execute(&arguments),
            Some(Command::Merge(arguments)) => merge::execute(&arguments),
            Some(Command::Pull(arguments)) => pull::execute(&arguments),
            Some(Command::Compare(arguments)) => compare::execute(&arguments),
            Some(Command::Audit(arguments)) => audit::execute(&arguments),
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

/// How the program ends where that was told already, and is not by an error of its own.
#[derive(Debug, thiserror::Error)]
enum Ended {
    /// Something failed.
    #[error("failed")]
    Failed,
    /// Somebody pressed Ctrl-C, or the system wanted it to end.
    #[error("interrupted")]
    Interrupted,
    /// The command did its work, and its answer is told by an exit code.
    #[error("the answer is exit code {0}")]
    Answer(u8),
}

impl Ended {
    fn code(&self) -> u8 {
        match self {
            Self::Failed => FAILURE,
            Self::Interrupted => INTERRUPTED_CODE,
            Self::Answer(code) => *code,
        }
    }
}

/// Bad input, or a failure.
const FAILURE: u8 = 2;

/// Somebody pressed Ctrl-C: what shells say of a program that it ended.
const INTERRUPTED_CODE: u8 = 130;

/// Prints an error and its causes as one line on standard error, unless that was done, and gives
/// the exit code.
pub fn report(error: &anyhow::Error) -> ExitCode {
    if let Some(ended) = error.downcast_ref::<Ended>() {
        return ExitCode::from(ended.code());
    }
    terminal::note(&format!("error: {}", one_line(error.as_ref())));
    ExitCode::from(FAILURE)
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
