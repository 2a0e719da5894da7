//! The command line: one file a command. Arguments in, library called, result out.

mod list;
mod progress;
mod pull;
mod run;
mod score;
mod terminal;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Benchmark extractive question-answering models: EM/F1, speed, latency and
/// memory of the same answers, in one record.
///
/// Without a command, `run` is meant: the bundled model answers the bundled
/// data set, with no network.
///
/// Exit codes: 0 good, 2 bad input or failure.
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
    /// Score anyone's predictions as the official scripts do
    Score(score::ScoreArguments),
    /// Fetch a model from the Hugging Face Hub into the shared cache
    Pull(pull::PullArguments),
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
            Some(Command::Score(arguments)) => score::execute(&arguments),
            Some(Command::Pull(arguments)) => pull::execute(&arguments),
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

/// Prints an error and its causes as one line on standard error.
pub fn report(error: &anyhow::Error) {
    terminal::note(&format!("error: {}", one_line(error)));
}

/// The chain of causes on one line, each cause once.
fn one_line(error: &anyhow::Error) -> String {
    let mut line = String::new();
    for cause in error.chain() {
        // The tensor library puts a backtrace behind its first line.
        let text = cause.to_string();
        let text = text.lines().next().unwrap_or_default().trim();
        if text.is_empty() || line.ends_with(text) {
            continue;
        }
        if !line.is_empty() {
            line.push_str(": ");
        }
        line.extend(text.chars().map(|c| if c.is_control() { ' ' } else { c }));
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;
    use anyhow::anyhow;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn errors_are_one_line() {
        let error = anyhow!("disk\tfull\n  backtrace").context("a.json: writing failed");
        assert_eq!(one_line(&error), "a.json: writing failed: disk full");
        let repeated = anyhow!("no").context("no");
        assert_eq!(one_line(&repeated), "no");
    }
}
