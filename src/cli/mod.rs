//! The command line: one file a command. Arguments in, library called, result out.

mod list;
mod progress;
mod pull;
mod questions;
mod run;
mod score;
mod scoring;
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
    /// Fetch a model or data set from the Hugging Face Hub into the shared cache
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
        let text = cause.to_string();
        // The tensor library puts a backtrace behind its first line. Other line breaks are part
        // of what a file says, and do not cut the message off.
        let library = cause.is::<candle_core::Error>();
        let text = match text.split_once('\n') {
            Some((first, _)) if library => first.trim(),
            _ => text.trim(),
        };
        if text.is_empty() || line.ends_with(text) {
            continue;
        }
        if !line.is_empty() {
            line.push_str(": ");
        }
        push_shortened(&mut line, text);
    }
    line
}

/// The most characters that one cause may take: what a file says may be of any length.
const LONGEST_CAUSE: usize = 1000;

/// Adds `text` on one line; of a long one the beginning and the end, where the remedy stands.
fn push_shortened(line: &mut String, text: &str) {
    let plain = |c: char| if c.is_control() { ' ' } else { c };
    let count = text.chars().count();
    if count <= LONGEST_CAUSE {
        line.extend(text.chars().map(plain));
        return;
    }
    let half = LONGEST_CAUSE / 2;
    line.extend(text.chars().take(half).map(plain));
    line.push('…');
    line.extend(text.chars().skip(count - half).map(plain));
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
        let line = "a.json: writing failed: disk full   backtrace";
        assert_eq!(one_line(&error), line);
        let library = candle_core::Error::Msg("no room\n   0: backtrace".to_owned());
        let error = anyhow::Error::from(library).context("forward");
        assert_eq!(one_line(&error), "forward: no room");
        let long = anyhow!("begins {} remedy", "x".repeat(100_000));
        let line = one_line(&long);
        assert!(line.starts_with("begins x") && line.ends_with("x remedy") && line.len() < 1100);
        let repeated = anyhow!("no").context("no");
        assert_eq!(one_line(&repeated), "no");
    }
}
