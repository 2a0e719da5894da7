//! A report as one HTML page: no file beside it, no network, nothing to build; it is read from
//! `file://` as from a server, on paper and without its script.

mod answerability;
mod board;
mod comparison;
mod details;
mod environment;
mod errors;
mod figures;
mod flips;
mod latency;
mod markup;
mod method;
mod names;
mod prose;
mod reproduce;
mod results;
mod slices;
mod summary;
mod svg;
mod table;
mod tradeoff;
mod verdicts;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest, Sha256};

use crate::compare::WireComparison;
use crate::leaderboard::wire::WireLeaderboard;
use crate::record::{Cell, Run, WireSamples};
use markup::{Markup, element, embedded, void};
use names::names;

const STYLE: &str = include_str!("style.css");
const SCRIPT: &str = include_str!("page.js");

/// What a page is about. What is absent has no section.
#[derive(Debug, Clone, Copy)]
pub struct Page<'a> {
    /// The suite's or the run's name.
    pub title: &'a str,
    /// What is measured and why, in plain text; an empty line begins a new paragraph.
    pub description: &'a str,
    /// The cells, failed ones too.
    pub cells: &'a [Cell],
    /// The raw samples of the cells, one entry a cell in the order of `cells`; an empty entry, or
    /// a list that is too short, where they are not at hand.
    pub samples: &'a [Vec<WireSamples>],
    /// Comparisons of two cells each.
    pub comparisons: &'a [WireComparison],
    /// The cells side by side.
    pub leaderboard: Option<&'a WireLeaderboard>,
}

/// A finished cell with its place in all drawings.
#[derive(Debug, Clone)]
struct Finished<'a> {
    /// A name that no other cell has, as short as it can be.
    name: String,
    /// The number of its colour and mark.
    series: usize,
    run: &'a Run,
    samples: &'a [WireSamples],
}

/// A part of the page with a heading.
#[derive(Debug)]
struct Section {
    id: String,
    title: String,
    content: Markup,
}

impl Section {
    /// A section, unless there is nothing in it.
    fn new(id: &str, title: &str, content: Markup) -> Option<Self> {
        (!content.is_empty()).then(|| Self {
            id: id.to_owned(),
            title: title.to_owned(),
            content,
        })
    }
}

/// The page as a file's text.
///
/// Whatever comes from records is escaped (`markup.rs`), and the page's policy lets nothing run or
/// style but its own script and style sheet, by their hashes.
pub fn page(input: &Page<'_>) -> String {
    let finished = finished(input);
    let sections = sections(input, &finished);
    let links = sections.iter().map(|section| {
        let target = format!("#{}", section.id);
        let link = element("a", &[("href", &target)], Markup::foreign(&section.title));
        element("li", &[], link)
    });
    let links = element("ul", &[], links.collect());
    let nav = element("nav", &[("aria-label", "Sections")], links);
    let header = summary::header(input, &finished);
    let main: Markup = sections.into_iter().map(section).collect();
    let footer = element("footer", &[], Markup::text(FOOTER));
    let body = header.and(nav).and(element("main", &[], main)).and(footer);
    let body = element("body", &[], body.and(embedded("script", SCRIPT)));
    let html = element("html", &[("lang", "en")], head(input.title).and(body));
    format!("<!doctype html>\n{}\n", html.as_str())
}

const FOOTER: &str = "Made by spanbench. The page is one file and asks nothing of any network.";

fn finished<'a>(input: &Page<'a>) -> Vec<Finished<'a>> {
    let runs = input
        .cells
        .iter()
        .enumerate()
        .filter_map(|(place, cell)| match cell {
            Cell::Finished(run) => Some((place, run.as_ref())),
            Cell::Failed { .. } => None,
        });
    let runs: Vec<(usize, &Run)> = runs.collect();
    let records: Vec<_> = runs.iter().map(|(_, run)| &run.record).collect();
    let named = names(&records).into_iter().zip(runs).enumerate();
    named
        .map(|(series, (name, (place, run)))| Finished {
            name,
            series,
            run,
            samples: input.samples.get(place).map_or(&[], Vec::as_slice),
        })
        .collect()
}

fn sections(input: &Page<'_>, finished: &[Finished<'_>]) -> Vec<Section> {
    let mut sections = vec![results::section(input.cells)];
    if let Some(leaderboard) = input.leaderboard {
        sections.push(tradeoff::section(leaderboard, finished));
        sections.push(board::section(leaderboard));
    }
    let comparisons = input.comparisons.iter().enumerate();
    sections.extend(comparisons.map(|(number, comparison)| {
        comparison::section(comparison, number + 1, input.comparisons.len())
    }));
    sections.extend([
        latency::section(finished),
        slices::section(finished),
        answerability::section(finished),
        errors::section(finished),
        details::section(finished),
        environment::section(finished),
        reproduce::section(finished),
        method::section(),
    ]);
    sections.into_iter().flatten().collect()
}

fn section(section: Section) -> Markup {
    let heading = element("h2", &[], Markup::foreign(&section.title));
    element(
        "section",
        &[("id", &section.id)],
        heading.and(section.content),
    )
}

/// The head: the policy stands before anything that it could forbid.
fn head(title: &str) -> Markup {
    let hash = |text: &str| STANDARD.encode(Sha256::digest(text));
    let policy = format!(
        "default-src 'none'; script-src 'sha256-{}'; style-src 'sha256-{}'; base-uri 'none'; form-action 'none'",
        hash(SCRIPT),
        hash(STYLE)
    );
    let head = [
        void("meta", &[("charset", "utf-8")]),
        void(
            "meta",
            &[
                ("http-equiv", "Content-Security-Policy"),
                ("content", &policy),
            ],
        ),
        void(
            "meta",
            &[
                ("name", "viewport"),
                ("content", "width=device-width, initial-scale=1"),
            ],
        ),
        void(
            "meta",
            &[("name", "color-scheme"), ("content", "light dark")],
        ),
        void("meta", &[("name", "referrer"), ("content", "no-referrer")]),
        element("title", &[], Markup::text(title)),
        embedded("style", STYLE),
    ];
    element("head", &[], head.into_iter().collect())
}

#[cfg(test)]
mod tests;
