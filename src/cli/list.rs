//! `spanbench list`: what there is to run, and what was run.

use std::path::{Path, PathBuf};

use anyhow::bail;
use clap::{Args, ValueEnum};
use spanbench::dataset::card::{self as dataset_card, WireDatasetSource};
use spanbench::device::{Cards, DeviceChoice};
use spanbench::measure::environment::Environment;
use spanbench::models::card::{self, WireCard, WirePublished, WireSource};
use spanbench::record::listing;
use spanbench::render;
use spanbench::render::columns::aligned;
use spanbench::suite::{self, Options, RunOptions, Suite};

use super::folders::REPORTS;
use super::terminal;

/// What to list.
#[derive(Debug, Args)]
pub struct ListArguments {
    /// What to list
    #[arg(value_enum, default_value = "models")]
    what: What,
    /// With runs: the folder to look in, and in the folders of up to four levels below it [default: reports]
    #[arg(value_name = "FOLDER")]
    folder: Option<PathBuf>,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum What {
    /// Model cards
    Models,
    /// Data-set cards
    Datasets,
    /// The program's own suites
    Suites,
    /// Devices this build can compute on
    Devices,
    /// Runs that are there, a cell a line, the latest first
    Runs,
}

/// Prints the list, a line an entry.
pub fn execute(arguments: &ListArguments) -> anyhow::Result<()> {
    if arguments.folder.is_some() && !matches!(arguments.what, What::Runs) {
        bail!("FOLDER has no meaning here, only with `spanbench list runs`; leave it out");
    }
    let text = match arguments.what {
        What::Models => models(),
        What::Datasets => datasets(),
        What::Suites => suites()?,
        What::Devices => devices(),
        What::Runs => runs(arguments.folder.as_deref())?,
    };
    terminal::print(&text)
}

/// A line a card: name, architecture, size, data, the first published scores, licence, source.
fn models() -> String {
    let cards = card::names().filter_map(|name| Some((name, card::card(name)?)));
    let mut rows = vec![[
        "name".to_owned(),
        "architecture".to_owned(),
        "weights".to_owned(),
        "trained on".to_owned(),
        "published EM/F1".to_owned(),
        "licence".to_owned(),
        "source".to_owned(),
    ]];
    rows.extend(cards.map(|(name, card)| row(name, card)));
    columns(&rows)
}

fn row(name: &str, card: WireCard) -> [String; 7] {
    let unknown = || "unknown".to_owned();
    let published = card.published.first().map(|published| {
        let WirePublished {
            exact_match,
            f1,
            dataset,
            ..
        } = published;
        let figure =
            |value: &Option<f64>| value.map_or("-".to_owned(), |value| format!("{value:.1}"));
        format!("{}/{} {dataset}", figure(exact_match), figure(f1))
    });
    let millions = |count| format!("{:.1} M", count as f64 / 1e6);
    [
        name.to_owned(),
        card.architecture,
        card.parameters.map_or_else(unknown, millions),
        card.trained_on.unwrap_or_else(unknown),
        published.unwrap_or_else(unknown),
        card.licence.unwrap_or_else(unknown),
        match card.source {
            WireSource::Bundled { .. } => "bundled".to_owned(),
            WireSource::Repository {
                repository,
                revision,
            } => format!("{repository}@{revision}"),
        },
    ]
}

/// Rows in columns; what is longer than a column may be is cut short, but for the last.
fn columns<const N: usize>(rows: &[[String; N]]) -> String {
    const WIDEST: usize = 44;
    let short = |(column, cell): (usize, &String)| {
        if column + 1 < N && cell.chars().count() > WIDEST {
            cell.chars().take(WIDEST - 1).chain(['…']).collect()
        } else {
            cell.clone()
        }
    };
    let rows = rows
        .iter()
        .map(|row| row.iter().enumerate().map(short).collect());
    let lines = aligned(&rows.collect::<Vec<_>>(), N);
    lines.iter().map(|line| format!("{line}\n")).collect()
}

/// A line a card: name, language, questions, protocol, licence, source.
fn datasets() -> String {
    let unknown = || "unknown".to_owned();
    let mut rows = vec![[
        "name".to_owned(),
        "language".to_owned(),
        "questions".to_owned(),
        "unanswerable".to_owned(),
        "protocol".to_owned(),
        "licence".to_owned(),
        "source".to_owned(),
    ]];
    let names = dataset_card::names();
    let cards = names.filter_map(|name| Some((name, dataset_card::card(name)?)));
    rows.extend(cards.map(|(name, card)| {
        let count = |count: Option<usize>| count.map_or_else(unknown, |count| count.to_string());
        [
            name.to_owned(),
            card.language,
            count(card.questions),
            count(card.unanswerable),
            card.protocol,
            card.licence.unwrap_or_else(unknown),
            match card.source {
                WireDatasetSource::Bundled { .. } => "bundled".to_owned(),
                WireDatasetSource::Repository {
                    repository,
                    revision,
                    config,
                    split,
                    subset,
                    ..
                } => {
                    let config = config.unwrap_or_default();
                    let subset = subset.map(|name| format!(", rows of subset {name}"));
                    let subset = subset.unwrap_or_default();
                    format!("hf:{repository}@{revision}:{config}:{split}{subset}")
                }
            },
        ]
    }));
    columns(&rows)
}

/// A line a suite: name, cells, repetitions, the first line of what it says of itself.
fn suites() -> anyhow::Result<String> {
    let heading = ["name", "cells", "measured", "description"];
    let mut rows = vec![heading.map(str::to_owned)];
    for name in suite::names() {
        let suite = Suite::open(name, &Options::default(), &RunOptions::default())?;
        let description = suite.description.unwrap_or_default();
        let first = description.lines().next().unwrap_or_default();
        rows.push([
            suite.name,
            suite.cells.len().to_string(),
            format!("{}×", suite.run.repetitions),
            first.to_owned(),
        ]);
    }
    Ok(columns(&rows))
}

/// A line a cell under the folder.
fn runs(folder: Option<&Path>) -> anyhow::Result<String> {
    let listed = match folder {
        // Before the first run there is no such folder, and that is no fault.
        None if !Path::new(REPORTS).exists() => Vec::new(),
        folder => listing::under(folder.unwrap_or(Path::new(REPORTS)))?,
    };
    if listed.is_empty() {
        let folder = folder.unwrap_or(Path::new(REPORTS));
        terminal::note(&format!("{}: no runs are here", folder.display()));
    }
    Ok(render::listing::text(&listed))
}

fn devices() -> String {
    let environment = Environment::read();
    let name = environment.cpu_model.unwrap_or_default();
    let mut text = format!("cpu  {name}, {} threads\n", environment.logical_cores);
    let others = [
        (cfg!(feature = "cuda"), DeviceChoice::Cuda(Cards::FIRST)),
        (cfg!(feature = "metal"), DeviceChoice::Metal),
    ];
    for (_, choice) in others.into_iter().filter(|(built, _)| *built) {
        let state = match choice.open() {
            Ok(_) => "ready".to_owned(),
            Err(fault) => fault.to_string(),
        };
        text += &format!("{choice}  {state}\n");
    }
    text
}
