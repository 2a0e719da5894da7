//! `spanbench run`: a suite, or models × data sets; a record each.

use std::path::{Path, PathBuf};

use clap::Args;
use spanbench::record::{Folder, baseline};
use spanbench::render::dry_run::{self, DryRun, Start};
use spanbench::suite::estimate::{self, Earlier};
use spanbench::suite::manifest::WireManifest;
use spanbench::suite::{CellPlan, Options, RunOptions, RunSettings, Suite};

use super::cell_arguments::CellArguments;
use super::job_array::ShardArguments;
use super::rounds::resume::{self, Asked, Found};
use super::rounds::{self, Plan};
use super::{cells, folders, terminal};

/// A suite or none, and the rest.
#[derive(Debug, Args)]
pub struct RunCommand {
    /// A suite: a TOML file, or one of `spanbench list suites`; options hold for all of its cells, over what it says itself
    #[arg(value_name = "SUITE")]
    suite: Option<String>,
    #[command(flatten)]
    arguments: RunArguments,
}

/// What to run, and how.
#[derive(Debug, Args)]
#[allow(clippy::struct_excessive_bools)] // each is a switch of its own
pub struct RunArguments {
    /// A card's name, a directory in Hub layout, or owner/name[@revision]; may be repeated [default: minilm-l6-squad]
    #[arg(long = "model", value_name = "M")]
    models: Vec<String>,
    /// A card's name, a file (SQuAD or MRQA format or rows as JSON lines, also gzip-compressed; parquet), or
    /// hf:owner/name[@revision][:config][:split]; may be repeated [default: mixed-bag]
    #[arg(long = "dataset", value_name = "D")]
    datasets: Vec<String>,
    #[command(flatten)]
    cell: CellArguments,
    #[command(flatten)]
    part: ShardArguments,
    /// Where results go [default: reports/<UTC time>-<name>/<cell>]
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Leave cells as they are that an earlier run into the same folder finished, where nothing they are made from has
    /// changed since; go on after the repetitions that it did of the others [default folder: the newest of this name]
    #[arg(long)]
    resume: bool,
    /// Keep the records as reports/baseline/NAME, to compare later runs with
    #[arg(long, value_name = "NAME", value_parser = baseline_name, conflicts_with_all = ["dry_run", "shard"])]
    save_baseline: Option<String>,
    /// List the cells with the time they will take, and run none; nothing is fetched or written. With --resume also which
    /// are kept, which go on, and which run again and why
    #[arg(long)]
    dry_run: bool,
    /// Print the record as JSON in place of the table
    #[arg(long)]
    json: bool,
}

fn baseline_name(name: &str) -> Result<String, String> {
    match baseline::check_name(name) {
        Ok(()) => Ok(name.to_owned()),
        Err(fault) => Err(fault.to_string()),
    }
}

/// Runs the suite, if there is one, else what the arguments say.
pub fn execute_command(command: &RunCommand) -> anyhow::Result<()> {
    run(command.suite.as_deref(), &command.arguments)
}

/// Runs what the arguments say.
pub fn execute(arguments: &RunArguments) -> anyhow::Result<()> {
    run(None, arguments)
}

/// Runs every cell, writes its folder, and prints the table.
fn run(suite: Option<&str>, arguments: &RunArguments) -> anyhow::Result<()> {
    let options = arguments.options();
    let run_options = arguments.run_options();
    let suite = suite.map(|name| Suite::open(name, &options, &run_options));
    let suite = suite.transpose()?;
    let (mut cells, settings) = if let Some(suite) = &suite {
        (suite.cells.clone(), suite.run.clone())
    } else {
        let settings = run_options.resolve();
        let cells = cells::matrix(&arguments.models, &arguments.datasets, &options, &settings)?;
        (cells, settings)
    };
    let notes = suite.iter().flat_map(|suite| &suite.notes);
    notes.for_each(|note| terminal::note(note));
    if let Some(shard) = arguments.part.shard()? {
        if cells.iter().any(|cell| cell.expected.is_some()) {
            terminal::note(
                "the expected EM and F1 are not checked, for they are of all shards together",
            );
        }
        for cell in &mut cells {
            cell.take_shard(shard);
        }
    }
    let name = suite.as_ref().map(|suite| suite.name.as_str());
    let name = name.unwrap_or(&cells[0].spec.name);
    if arguments.dry_run {
        return show(suite.as_ref(), name, &cells, &settings, arguments);
    }
    let out = arguments.out.as_deref();
    let folders = folders::make(out, name, arguments.resume, &cells)?;
    if let Some(suite) = &suite {
        WireManifest::new(suite).write(folders.base())?;
    }
    let plan = Plan {
        cells,
        run: settings,
        resume: arguments.resume,
        json: arguments.json,
        run_id: rounds::run_id(),
        command: rounds::command(),
    };
    let ran = rounds::execute(&plan, &folders);
    if ran.is_err() && arguments.save_baseline.is_some() {
        terminal::note("no baseline was saved: only a run whose cells all have figures can be one");
    }
    ran?;
    if let Some(name) = &arguments.save_baseline {
        let cells: Vec<&Path> = folders.cells.iter().map(Folder::path).collect();
        let saved = baseline::save(Path::new(baseline::FOLDER), name, &cells)?;
        terminal::note(&format!("baseline: {}", saved.display()));
    }
    Ok(())
}

/// Prints what would be run.
fn show(
    suite: Option<&Suite>,
    name: &str,
    cells: &[CellPlan],
    run: &RunSettings,
    arguments: &RunArguments,
) -> anyhow::Result<()> {
    let folders = [Some(Path::new(folders::REPORTS)), arguments.out.as_deref()];
    let folders: Vec<&Path> = folders.into_iter().flatten().collect();
    let starts = if arguments.resume {
        starts(arguments.out.as_deref(), name, cells, run)
    } else {
        vec![Start::New; cells.len()]
    };
    let done: Vec<usize> = starts.iter().map(|start| start.done(run)).collect();
    let estimates = estimate::estimates(cells, run, &done, &Earlier::read(&folders));
    let plan = DryRun {
        suite,
        cells,
        run,
        starts: arguments.resume.then_some(starts.as_slice()),
        estimates: &estimates,
    };
    if arguments.json {
        terminal::print_json(&dry_run::json(&plan))
    } else {
        terminal::print(&dry_run::text(&plan))
    }
}

/// Where each cell starts with `--resume`.
fn starts(out: Option<&Path>, name: &str, cells: &[CellPlan], run: &RunSettings) -> Vec<Start> {
    let Some((base, paths)) = folders::earlier(out, name, cells) else {
        terminal::note(&format!(
            "{}: there is no earlier run of {name}",
            folders::REPORTS
        ));
        return vec![Start::New; cells.len()];
    };
    if out.is_none() {
        terminal::note(&format!("results: {}", base.display()));
    }
    let found = cells.iter().zip(&paths);
    let found = found.map(|(cell, path)| {
        let asked = Asked::of(run, cell);
        let found = match asked.fault {
            Some(fault) => Found::OutOfReach(fault),
            None => resume::find(run, cell, &asked.sha256, path),
        };
        match found {
            Found::Nothing => Start::New,
            Found::Finished(_) => Start::Kept,
            Found::Repetitions(works) => Start::After(works.len()),
            Found::Changed(reason) => Start::Again(reason.to_owned()),
            Found::Failed(kind) => Start::Again(format!("it failed: {kind}")),
            Found::OutOfReach(fault) => Start::Unknown(fault),
        }
    });
    found.collect()
}

impl RunArguments {
    /// What was said of every cell; of several models or data sets the first.
    fn options(&self) -> Options {
        Options {
            model: self.models.first().cloned(),
            dataset: self.datasets.first().cloned(),
            ..self.cell.options()
        }
    }

    /// What was said of the run as a whole.
    fn run_options(&self) -> RunOptions {
        self.cell.run_options()
    }
}

#[cfg(test)]
mod tests {
    use clap::{CommandFactory, Parser};

    use super::*;
    use crate::cli::Cli;

    #[derive(Debug, Parser)]
    struct Program {
        #[command(flatten)]
        run: RunCommand,
    }

    fn parse(arguments: &[&str]) -> RunCommand {
        let program = ["spanbench"].iter().chain(arguments);
        Program::try_parse_from(program).unwrap().run
    }

    /// Every default that the help tells is the one that holds, and is told.
    #[test]
    fn the_help_tells_the_defaults() {
        let command = Cli::command();
        let run = command.find_subcommand("run").unwrap();
        let defaults = Options::defaults().entries().into_iter();
        let defaults = defaults.chain(RunOptions::defaults().entries());
        let mut told = 0;
        for (key, value) in defaults.filter(|(_, value)| value != "false") {
            let mut all = run.get_arguments();
            let argument = all.find(|argument| argument.get_long() == Some(key));
            let help = argument.unwrap().get_help().unwrap().to_string();
            let default = format!("[default: {value}]");
            assert!(help.ends_with(&default), "--{key}: {help}");
            told += 1;
        }
        assert!(told >= 18);
    }

    /// An argument for each option that a suite can say, and none besides but those that are not
    /// of a cell or a measurement.
    #[test]
    fn arguments_are_called_as_the_options_of_suites() {
        let command = Cli::command();
        let run = command.find_subcommand("run").unwrap();
        let arguments = run.get_arguments().filter_map(|a| a.get_long());
        let mut arguments: Vec<&str> = arguments
            .filter(|name| {
                ![
                    "out",
                    "resume",
                    "save-baseline",
                    "dry-run",
                    "json",
                    "shard",
                    "help",
                ]
                .contains(name)
            })
            .collect();
        let mut keys: Vec<&str> = Options::KEYS
            .iter()
            .chain(RunOptions::KEYS)
            .copied()
            .collect();
        arguments.sort_unstable();
        keys.sort_unstable();
        assert_eq!(arguments, keys);
    }

    /// What is said on the command line is what the same words in a suite say.
    #[test]
    fn arguments_mean_what_a_suite_means() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("all.toml");
        let suite = "schema = 1\n\
            [run]\nrepeat = 3\nturns = \"200ms\"\nroofline = \"fresh\"\nprofile = true\n\
            time-limit = \"1h\"\nstall-limit = \"90s\"\noffline = true\n\
            [[cell]]\nname = \"all\"\nmodel = \"roberta-base-squad2\"\ndataset = \"squad\"\n\
            device = \"cuda\"\ndtype = \"bf16\"\nscenario = \"offline\"\n\
            min-duration = \"1m 30s\"\nmin-queries = 7\nmax-seq-len = 512\ndoc-stride = 64\n\
            max-question-len = 32\nn-best = 5\nmax-answer-len = 40\ndecode = \"google\"\n\
            protocol = \"mlqa:de\"\nsummation = \"compensated\"\nresamples = 100\nfolds = 3\n\
            sample = 20\nlimit = 10\nthreads = 2\nbatch-tokens = 4096\n\
            window-order = \"by-length\"\nseed = 18446744073709551615\nops = \"portable\"\n\
            cell-program = \"/usr/bin/other\"\n";
        std::fs::write(&path, suite).unwrap();
        let path = path.to_str().unwrap();
        let none = (Options::default(), RunOptions::default());
        let suite = Suite::open(path, &none.0, &none.1).unwrap();
        let line = "--repeat 3 --turns=200ms --roofline=fresh --profile --time-limit 60m \
            --stall-limit 90s --offline --model roberta-base-squad2 --dataset squad \
            --device cuda:0 --dtype bf16 --scenario offline --min-duration 90s --min-queries 7 \
            --max-seq-len 512 --doc-stride 64 --max-question-len 32 --n-best 5 \
            --max-answer-len 40 --decode google --protocol mlqa:de --summation compensated \
            --resamples 100 --folds 3 --sample 20 --limit 10 --threads 2 --batch-tokens 4096 \
            --window-order by-length --seed 18446744073709551615 --ops portable \
            --cell-program /usr/bin/other";
        let command = parse(&line.split_whitespace().collect::<Vec<_>>());
        let arguments = &command.arguments;
        assert_eq!(arguments.run_options().resolve(), suite.run);
        let said = arguments.options().over(&Options::defaults());
        assert_eq!(said, suite.cells[0].options);
        let cell = CellPlan::new(&suite.cells[0].spec.name, &arguments.options(), &suite.run);
        assert_eq!(cell.unwrap(), suite.cells[0]);
        let server = "--scenario server --find-rate --latency-bound 200ms";
        let server = parse(&server.split_whitespace().collect::<Vec<_>>());
        let entries = server.arguments.options().entries();
        let expected = [
            ("scenario", "server"),
            ("find-rate", "true"),
            ("latency-bound", "200ms"),
        ];
        assert_eq!(
            entries,
            expected.map(|(key, value)| (key, value.to_owned()))
        );
    }

    #[test]
    fn a_suite_is_named_first() {
        assert_eq!(
            parse(&["quick", "--limit", "2"]).suite.as_deref(),
            Some("quick")
        );
        assert_eq!(parse(&[]).suite, None);
        assert_eq!(parse(&[]).arguments.options(), Options::default());
    }
}
