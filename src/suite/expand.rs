//! A suite as written to its cells, in order, with their names.

use std::collections::HashMap;

use super::error::SuiteError;
use super::expect::Expected;
use super::file::{Axis, Expectation, Group, Match, Override, Place, WireSuite};
use super::names::{Detail, cell_name, is_file_name};
use super::options::Options;

/// The most cells of a suite: more are a slip of the pen.
const MOST_CELLS: usize = 10_000;

/// A cell before the command line had its say.
#[derive(Debug)]
pub(super) struct Draft {
    pub place: Place,
    pub name: String,
    pub prose: Option<String>,
    pub expected: Option<Expected>,
    /// The suite's defaults included.
    pub options: Options,
    /// The cell's own name, where it has one.
    own_name: Option<String>,
    /// A prefix of its name.
    prefix: Option<String>,
    /// The options that its name tells.
    told: Vec<&'static str>,
}

/// The cells of `suite`, which is at `path`.
pub(super) fn expand(path: &str, suite: &WireSuite) -> Result<Vec<Draft>, SuiteError> {
    let mut drafts = Vec::new();
    for group in &suite.groups {
        drafts.extend(cells(path, group, &suite.defaults)?);
        if drafts.len() > MOST_CELLS {
            return Err(too_many(path, &group.place));
        }
    }
    give_names(path, &mut drafts)?;
    for Override { of, set } in &suite.overrides {
        for draft in matched(path, &mut drafts, of)? {
            draft.options = set.clone().over(&draft.options);
        }
    }
    for Expectation { of, expected } in &suite.expectations {
        for draft in matched(path, &mut drafts, of)? {
            if draft.expected.replace(*expected).is_some() {
                let message = format!(
                    "{}: cell {} has an expectation already; make the two match different cells",
                    of.place.title, draft.name
                );
                return Err(content(path, &of.place, message));
            }
        }
    }
    Ok(drafts)
}

fn content(path: &str, place: &Place, message: String) -> SuiteError {
    SuiteError::Content {
        path: path.to_owned(),
        line: place.line,
        message,
    }
}

fn too_many(path: &str, place: &Place) -> SuiteError {
    let message = format!(
        "{}: the cells are more than {MOST_CELLS}; shorten its lists",
        place.title
    );
    content(path, place, message)
}

/// The cells of a matrix without those that are left out and with those that are added.
fn cells(path: &str, group: &Group, defaults: &Options) -> Result<Vec<Draft>, SuiteError> {
    let count = group.axes.iter().map(|axis| axis.values.len());
    let count = count.fold(1_usize, usize::saturating_mul);
    if count > MOST_CELLS {
        return Err(too_many(path, &group.place));
    }
    let mut cells = product(&group.axes);
    for exclude in &group.exclude {
        let before = cells.len();
        cells.retain(|cell| !has(&cell.clone().over(defaults), &exclude.options));
        if cells.len() == before {
            return Err(matches_nothing(path, exclude));
        }
    }
    let scalars = group.axes.iter().filter(|axis| !axis.is_list);
    let scalars = scalars.fold(Options::default(), |options, axis| {
        axis.values[0].clone().over(&options)
    });
    let included = group.include.iter();
    let included = included.map(|(place, own)| (place, own.clone().over(&scalars)));
    let written = cells.into_iter().map(|cell| (&group.place, cell));
    let listed = group.axes.iter().filter(|axis| axis.is_list);
    let listed: Vec<&'static str> = listed.map(|axis| axis.key).collect();
    let prefix = group.name.clone().filter(|_| group.is_matrix);
    let defaults_of_all = defaults.clone().over(&Options::defaults());
    // A prefix stands for what all cells of the matrix have in common.
    let base = match prefix {
        Some(_) => scalars.clone().over(&defaults_of_all),
        None => defaults_of_all,
    };
    let drafts = written.chain(included).map(|(place, own)| {
        let options = own.over(defaults);
        Draft {
            place: place.clone(),
            name: String::new(),
            prose: group.prose.clone(),
            expected: None,
            own_name: group.name.clone().filter(|_| !group.is_matrix),
            prefix: prefix.clone(),
            told: told(&options, &base, &listed),
            options,
        }
    });
    let drafts: Vec<Draft> = drafts.collect();
    if drafts.is_empty() {
        let message = format!(
            "{}: every cell is left out by exclude; leave the matrix out",
            group.place.title
        );
        return Err(content(path, &group.place, message));
    }
    Ok(drafts)
}

/// The product of all lists; the one written last changes fastest.
fn product(axes: &[Axis]) -> Vec<Options> {
    axes.iter().fold(vec![Options::default()], |cells, axis| {
        let with = cells.iter().flat_map(|cell| {
            let values = axis.values.iter();
            values.map(move |value| value.clone().over(cell))
        });
        with.collect()
    })
}

/// The options that a cell's name tells: those that its matrix lists, and those in which it
/// differs from `base`. Other cells have no part in it, so that a cell keeps its
/// name where others come and go.
fn told(options: &Options, base: &Options, listed: &[&'static str]) -> Vec<&'static str> {
    let entries = options.clone().over(base).entries();
    let base = base.entries();
    let is_told = |key: &&'static str, value: &String| {
        listed.contains(key) || !base.iter().any(|(k, v)| k == key && v == value)
    };
    let told = entries.iter().filter(|(key, value)| is_told(key, value));
    told.map(|(key, _)| *key).collect()
}

/// Whether a cell with `options` has all that `wanted` says; what it does not say itself is as by
/// default.
fn has(options: &Options, wanted: &Options) -> bool {
    let entries = options.clone().over(&Options::defaults()).entries();
    let wanted = wanted.entries();
    wanted.iter().all(|wanted| entries.contains(wanted))
}

fn matched<'a>(
    path: &str,
    drafts: &'a mut [Draft],
    of: &Match,
) -> Result<Vec<&'a mut Draft>, SuiteError> {
    let is_meant = |draft: &&mut Draft| {
        let name_fits = of.name.as_ref().is_none_or(|name| *name == draft.name);
        name_fits && has(&draft.options, &of.options)
    };
    let found: Vec<_> = drafts.iter_mut().filter(is_meant).collect();
    if found.is_empty() {
        return Err(matches_nothing(path, of));
    }
    Ok(found)
}

fn matches_nothing(path: &str, of: &Match) -> SuiteError {
    let mut entries = of.options.entries();
    entries.extend(of.name.clone().map(|name| ("name", name)));
    let wanted = entries.iter().map(|(key, value)| format!("{key} {value}"));
    let message = format!(
        "{}: no cell has {}; see the cells with --dry-run",
        of.place.title,
        wanted.collect::<Vec<_>>().join(" and ")
    );
    content(path, &of.place, message)
}

/// Gives each cell its name. Where the last parts of two models' or data sets' names are equal,
/// their cells have the whole names.
fn give_names(path: &str, drafts: &mut [Draft]) -> Result<(), SuiteError> {
    for draft in drafts.iter_mut() {
        draft.name = draft.named(Detail::Short);
    }
    let mut counts: HashMap<String, usize> = HashMap::new();
    for draft in drafts.iter() {
        *counts.entry(draft.name.clone()).or_default() += 1;
    }
    for draft in drafts.iter_mut().filter(|draft| counts[&draft.name] > 1) {
        draft.name = draft.named(Detail::Whole);
    }
    let mut taken: HashMap<String, usize> = HashMap::new();
    for (index, draft) in drafts.iter().enumerate() {
        if !is_file_name(&draft.name) {
            let message = format!(
                "{}: the name {} is no folder's, or too long for one; give it another with name = \"…\"",
                draft.place.title, draft.name
            );
            return Err(content(path, &draft.place, message));
        }
        // Folders' names, and some systems do not tell capitals apart.
        if let Some(first) = taken.insert(draft.name.to_lowercase(), index) {
            let first = &drafts[first];
            let all = |draft: &Draft| draft.options.clone().over(&Options::defaults());
            let message = if all(first) == all(draft) {
                format!(
                    "{}: cell {} is also in {} (line {}); leave one out",
                    draft.place.title, draft.name, first.place.title, first.place.line
                )
            } else {
                format!(
                    "{}: the name {} is also that of a cell in {} (line {}); give one another with name = \"…\"",
                    draft.place.title, draft.name, first.place.title, first.place.line
                )
            };
            return Err(content(path, &draft.place, message));
        }
    }
    Ok(())
}

impl Draft {
    fn named(&self, detail: Detail) -> String {
        let made = || {
            let options = self.options.clone().over(&Options::defaults());
            cell_name(self.prefix.as_deref(), &options, &self.told, detail)
        };
        self.own_name.clone().unwrap_or_else(made)
    }
}
