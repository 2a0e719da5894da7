//! The TOML of a suite, with the lines that its parts stand on.

use std::path::Path;

use toml::de::{DeTable, DeValue};

use super::error::SuiteError;
use super::expect::{DEFAULT_TOLERANCE, Expected};
use super::names::is_file_name;
use super::options::{Options, RunOptions};
use super::values::{Form, Written};
use crate::{dataset, models};

/// The version of the layout.
pub const SCHEMA: u32 = 1;

/// Where a table of the file is.
#[derive(Debug, Clone)]
pub(super) struct Place {
    /// As `[[matrix]] 2`.
    pub title: String,
    /// From 1.
    pub line: usize,
}

/// A suite as it was written.
#[derive(Debug, Default)]
pub(super) struct WireSuite {
    pub name: Option<String>,
    pub description: Option<String>,
    pub run: RunOptions,
    pub defaults: Options,
    pub groups: Vec<Group>,
    pub overrides: Vec<Override>,
    pub expectations: Vec<Expectation>,
}

/// A `[[matrix]]`, or a `[[cell]]`: a matrix without lists.
#[derive(Debug)]
pub(super) struct Group {
    pub place: Place,
    pub is_matrix: bool,
    /// A prefix of the names, or the name.
    pub name: Option<String>,
    pub prose: Option<String>,
    /// In the order written.
    pub axes: Vec<Axis>,
    pub exclude: Vec<Match>,
    pub include: Vec<(Place, Options)>,
}

/// An option of a matrix with its values.
#[derive(Debug)]
pub(super) struct Axis {
    pub key: &'static str,
    /// Whether the values were written as a list.
    pub is_list: bool,
    /// Of each, options that say it alone.
    pub values: Vec<Options>,
}

/// Which cells are meant: those that have all of this.
#[derive(Debug)]
pub(super) struct Match {
    pub place: Place,
    pub name: Option<String>,
    pub options: Options,
}

/// An `[[override]]`.
#[derive(Debug)]
pub(super) struct Override {
    pub of: Match,
    pub set: Options,
}

/// An `[[expect]]`.
#[derive(Debug)]
pub(super) struct Expectation {
    pub of: Match,
    pub expected: Expected,
}

/// Reads `text`, the content of the suite at `path`; paths in it are relative to `folder`.
pub(super) fn read(path: &str, text: &str, folder: Option<&Path>) -> Result<WireSuite, SuiteError> {
    let reader = Reader { path, text, folder };
    let document = DeTable::parse(text).map_err(|fault| {
        let offset = fault.span().map_or(0, |span| span.start);
        reader.fault(offset, format!("no TOML: {}", fault.message().trim()))
    })?;
    reader.document(document.get_ref())
}

struct Reader<'a> {
    path: &'a str,
    text: &'a str,
    folder: Option<&'a Path>,
}

/// An entry of a table.
struct Entry<'a> {
    key: &'a str,
    at: usize,
    value: &'a DeValue<'a>,
}

/// The entries in the order written.
fn entries<'a>(table: &'a DeTable<'a>) -> Vec<Entry<'a>> {
    let entries = table.iter().map(|(key, value)| Entry {
        key: key.get_ref(),
        at: key.span().start,
        value: value.get_ref(),
    });
    let mut entries: Vec<_> = entries.collect();
    entries.sort_by_key(|entry| entry.at);
    entries
}

type Read<T> = Result<T, SuiteError>;

impl Reader<'_> {
    fn fault(&self, offset: usize, message: String) -> SuiteError {
        SuiteError::Content {
            path: self.path.to_owned(),
            line: self.line(offset),
            message,
        }
    }

    fn line(&self, offset: usize) -> usize {
        let before = &self.text.as_bytes()[..offset.min(self.text.len())];
        before.split(|byte| *byte == b'\n').count()
    }

    fn place(&self, title: String, offset: usize) -> Place {
        let line = self.line(offset);
        Place { title, line }
    }

    fn document(&self, document: &DeTable<'_>) -> Read<WireSuite> {
        self.schema(document)?;
        let mut suite = WireSuite::default();
        for entry in entries(document) {
            match entry.key {
                "schema" => {}
                "name" => suite.name = Some(self.name("name", &entry)?),
                "description" => suite.description = Some(self.text("description", &entry)?),
                "run" => self.run(&entry, &mut suite.run)?,
                "defaults" => {
                    let table = self.table("[defaults]", entry.at, entry.value)?;
                    suite.defaults = self.options("[defaults]", table, "options of a cell")?;
                }
                "matrix" | "cell" => {
                    let groups = self.tables(&entry)?.into_iter();
                    let groups = groups.map(|(place, table)| self.group(place, table));
                    suite.groups.extend(groups.collect::<Read<Vec<_>>>()?);
                }
                "override" => {
                    for (place, table) in self.tables(&entry)? {
                        suite.overrides.push(self.override_(&place, table)?);
                    }
                }
                "expect" => {
                    for (place, table) in self.tables(&entry)? {
                        suite.expectations.push(self.expectation(&place, table)?);
                    }
                }
                key => {
                    let known = "schema, name, description, [run], [defaults], [[matrix]], [[cell]], [[override]] and [[expect]]";
                    return Err(self.unknown("the suite", key, entry.at, known));
                }
            }
        }
        // A matrix may stand after a cell: what counts is the file.
        suite.groups.sort_by_key(|group| group.place.line);
        if suite.groups.is_empty() {
            let message = "there are no cells; write a [[matrix]] or a [[cell]]";
            return Err(self.fault(0, message.to_owned()));
        }
        Ok(suite)
    }

    fn schema(&self, document: &DeTable<'_>) -> Read<()> {
        let all = entries(document);
        let Some(entry) = all.iter().find(|entry| entry.key == "schema") else {
            let message = format!("the version is missing; write schema = {SCHEMA} at the top");
            return Err(self.fault(0, message));
        };
        let known = SCHEMA.to_string();
        match written(entry.value) {
            Written::Number(found) if found == known => Ok(()),
            _ => Err(self.fault(
                entry.at,
                format!("schema: this program reads suites of version {known}; write schema = {known}, or take a program of the suite's version"),
            )),
        }
    }

    fn run(&self, entry: &Entry<'_>, run: &mut RunOptions) -> Read<()> {
        for entry in entries(self.table("[run]", entry.at, entry.value)?) {
            if Options::KEYS.contains(&entry.key) {
                let message = format!(
                    "[run], {}: is said of cells, not of a run; write it in [defaults]",
                    entry.key
                );
                return Err(self.fault(entry.at, message));
            }
            if !RunOptions::KEYS.contains(&entry.key) {
                return Err(self.unknown_option("[run]", &entry, RunOptions::KEYS));
            }
            let set = run.set(entry.key, &written(entry.value));
            set.map_err(|fault| self.wrong("[run]", &entry, &fault))?;
        }
        Ok(())
    }

    fn group(&self, place: Place, table: &DeTable<'_>) -> Read<Group> {
        let is_matrix = place.title.starts_with("[[matrix");
        let title = place.title.clone();
        let mut group = Group {
            place,
            is_matrix,
            name: None,
            prose: None,
            axes: Vec::new(),
            exclude: Vec::new(),
            include: Vec::new(),
        };
        for entry in entries(table) {
            match entry.key {
                "name" => group.name = Some(self.name(&title, &entry)?),
                "prose" => group.prose = Some(self.text(&title, &entry)?),
                "exclude" if is_matrix => {
                    for (place, table) in self.inner_tables(&title, &entry)? {
                        group.exclude.push(self.match_(place, table, false)?);
                    }
                }
                "include" if is_matrix => {
                    for (place, table) in self.inner_tables(&title, &entry)? {
                        let options = self.options(&place.title, table, "options of a cell")?;
                        group.include.push((place, options));
                    }
                }
                _ => group.axes.push(self.axis(&title, &entry, is_matrix)?),
            }
        }
        Ok(group)
    }

    fn axis(&self, title: &str, entry: &Entry<'_>, is_matrix: bool) -> Read<Axis> {
        let Some(key) = Options::KEYS.iter().find(|key| **key == entry.key) else {
            return Err(self.unknown_option(title, entry, Options::KEYS));
        };
        let DeValue::Array(list) = entry.value else {
            let value = self.option(title, entry, entry.value)?;
            return Ok(Axis {
                key,
                is_list: false,
                values: vec![value],
            });
        };
        if !is_matrix {
            let fault = "a cell has one value of each option; write a [[matrix]] for several";
            return Err(self.wrong(title, entry, fault));
        }
        if list.is_empty() {
            let fault = "the list is empty, and so is the matrix; write a value, or leave it out";
            return Err(self.wrong(title, entry, fault));
        }
        let mut values: Vec<Options> = Vec::new();
        for value in list {
            let value = self.option(title, entry, value.get_ref())?;
            if values.contains(&value) {
                let twice = value.entries().pop().unwrap_or_default().1;
                let fault = format!("{twice:?} stands twice in the list; leave one out");
                return Err(self.wrong(title, entry, &fault));
            }
            values.push(value);
        }
        Ok(Axis {
            key,
            is_list: true,
            values,
        })
    }

    /// Options that say one value alone.
    fn option(&self, title: &str, entry: &Entry<'_>, value: &DeValue<'_>) -> Read<Options> {
        let mut options = Options::default();
        let written = match (entry.key, written(value)) {
            ("model" | "dataset" | "ids" | "cell-program", Written::Text(text)) => {
                Written::Text(self.located(entry.key, text))
            }
            (_, written) => written,
        };
        let set = options.set(entry.key, &written);
        set.map_err(|fault| self.wrong(title, entry, &fault))?;
        Ok(options)
    }

    /// A path relative to the suite, where that is one; a card is meant by its name wherever the
    /// suite is.
    fn located(&self, key: &str, text: String) -> String {
        let is_card = match key {
            "model" => models::card::card(&text).is_some(),
            "dataset" => dataset::card::card(&text).is_some(),
            _ => false,
        };
        let beside = self.folder.map(|folder| folder.join(&text));
        match beside {
            Some(path) if !is_card && !text.is_empty() && path.exists() => {
                path.display().to_string()
            }
            _ => text,
        }
    }

    /// A table of options, each with one value.
    fn options(&self, title: &str, table: &DeTable<'_>, what: &str) -> Read<Options> {
        let mut options = Options::default();
        for entry in entries(table) {
            if RunOptions::KEYS.contains(&entry.key) {
                let fault = format!("is said of a run, and these are {what}; write it in [run]");
                return Err(self.wrong(title, &entry, &fault));
            }
            if !Options::KEYS.contains(&entry.key) {
                return Err(self.unknown_option(title, &entry, Options::KEYS));
            }
            if matches!(entry.value, DeValue::Array(_)) {
                let fault = "has one value here; only a [[matrix]] takes lists";
                return Err(self.wrong(title, &entry, fault));
            }
            options = self.option(title, &entry, entry.value)?.over(&options);
        }
        Ok(options)
    }

    fn match_(&self, place: Place, table: &DeTable<'_>, may_name: bool) -> Read<Match> {
        let mut name = None;
        let mut rest = table.clone();
        if may_name {
            for entry in entries(table).iter().filter(|entry| entry.key == "name") {
                name = Some(self.text(&place.title, entry)?);
                rest.remove(entry.key);
            }
        }
        let options = self.options(&place.title, &rest, "options that cells are found by")?;
        if name.is_none() && options == Options::default() {
            let message = format!(
                "{}: says nothing and would mean every cell; write which cells are meant",
                place.title
            );
            return Err(SuiteError::Content {
                path: self.path.to_owned(),
                line: place.line,
                message,
            });
        }
        Ok(Match {
            place,
            name,
            options,
        })
    }

    fn override_(&self, place: &Place, table: &DeTable<'_>) -> Read<Override> {
        let mut of = None;
        let mut set = Options::default();
        for entry in entries(table) {
            let title = format!("{}, {}", place.title, entry.key);
            match entry.key {
                "match" => of = Some(self.inner_match(&title, &entry)?),
                "set" => {
                    let table = self.table(&title, entry.at, entry.value)?;
                    set = self.options(&title, table, "options of a cell")?;
                }
                key => return Err(self.unknown(&place.title, key, entry.at, "match and set")),
            }
        }
        match of {
            Some(of) if set != Options::default() => Ok(Override { of, set }),
            _ => Err(self.incomplete(place, "match = { … } and set = { … }")),
        }
    }

    fn expectation(&self, place: &Place, table: &DeTable<'_>) -> Read<Expectation> {
        let mut of = None;
        let mut expected = Expected::default();
        let mut tolerance = None;
        for entry in entries(table) {
            let title = &place.title;
            let percent = || self.percent(title, &entry).map(Some);
            match entry.key {
                "match" => of = Some(self.inner_match(&format!("{title}, match"), &entry)?),
                "exact-match" => expected.exact_match = percent()?,
                "f1" => expected.f1 = percent()?,
                "at-least-exact-match" => expected.at_least_exact_match = percent()?,
                "at-least-f1" => expected.at_least_f1 = percent()?,
                "tolerance" => tolerance = Some((entry.at, self.percent(title, &entry)?)),
                key => {
                    let known =
                        "match, exact-match, f1, at-least-exact-match, at-least-f1 and tolerance";
                    return Err(self.unknown(title, key, entry.at, known));
                }
            }
        }
        let has_figure = expected.exact_match.is_some() || expected.f1.is_some();
        let has_floor = expected.at_least_exact_match.is_some() || expected.at_least_f1.is_some();
        if let (Some((at, _)), false) = (tolerance, has_figure) {
            let message = format!(
                "{}, tolerance: has no meaning with floors, which are reached or not; leave it out",
                place.title
            );
            return Err(self.fault(at, message));
        }
        expected.tolerance = tolerance.map_or(DEFAULT_TOLERANCE, |(_, points)| points);
        match of {
            Some(of) if has_figure || has_floor => Ok(Expectation { of, expected }),
            _ => Err(self.incomplete(
                place,
                "match = { … } and one of exact-match, f1, at-least-exact-match, at-least-f1",
            )),
        }
    }

    fn inner_match(&self, title: &str, entry: &Entry<'_>) -> Read<Match> {
        let table = self.table(title, entry.at, entry.value)?;
        self.match_(self.place(title.to_owned(), entry.at), table, true)
    }

    fn incomplete(&self, place: &Place, wanted: &str) -> SuiteError {
        SuiteError::Content {
            path: self.path.to_owned(),
            line: place.line,
            message: format!("{}: is not whole; write {wanted}", place.title),
        }
    }

    /// The tables of `[[key]]`, each with its title and line.
    fn tables<'a>(&self, entry: &Entry<'a>) -> Read<Vec<(Place, &'a DeTable<'a>)>> {
        let title = |number: usize| format!("[[{}]] {number}", entry.key);
        self.list(entry, &format!("[[{}]]", entry.key), title)
    }

    /// The tables of a list within a table.
    fn inner_tables<'a>(
        &self,
        outer: &str,
        entry: &Entry<'a>,
    ) -> Read<Vec<(Place, &'a DeTable<'a>)>> {
        let title = |number: usize| format!("{outer}, {} {number}", entry.key);
        self.list(entry, &format!("{outer}, {}", entry.key), title)
    }

    fn list<'a>(
        &self,
        entry: &Entry<'a>,
        whole: &str,
        title: impl Fn(usize) -> String,
    ) -> Read<Vec<(Place, &'a DeTable<'a>)>> {
        let DeValue::Array(list) = entry.value else {
            return Err(self.fault(
                entry.at,
                format!("{whole}: is a list of tables; write it in two brackets"),
            ));
        };
        let tables = list.iter().enumerate();
        tables
            .map(|(index, value)| {
                let at = value.span().start;
                let title = title(index + 1);
                let table = self.table(&title, at, value.get_ref())?;
                Ok((self.place(title, at), table))
            })
            .collect()
    }

    fn table<'a>(&self, title: &str, at: usize, value: &'a DeValue<'a>) -> Read<&'a DeTable<'a>> {
        match value {
            DeValue::Table(table) => Ok(table),
            _ => Err(self.fault(at, format!("{title}: is a table; write key = value in it"))),
        }
    }

    fn text(&self, title: &str, entry: &Entry<'_>) -> Read<String> {
        let text = written(entry.value).read(Form::Text, |text| Ok(text.to_owned()));
        text.map_err(|fault| self.wrong(title, entry, &fault))
    }

    /// A name that a folder can have.
    fn name(&self, title: &str, entry: &Entry<'_>) -> Read<String> {
        let name = self.text(title, entry)?;
        if is_file_name(&name) {
            return Ok(name);
        }
        let fault = format!(
            "{name:?} cannot be a folder's name; write letters, digits and . _ - (200 at the most, no . at either end)"
        );
        Err(self.wrong(title, entry, &fault))
    }

    fn percent(&self, title: &str, entry: &Entry<'_>) -> Read<f64> {
        let figure = written(entry.value).read(Form::Decimal, |text| match text.parse::<f64>() {
            Ok(figure) if (0.0..=100.0).contains(&figure) => Ok(figure),
            Ok(_) => Err("must be from 0 to 100, in percent".to_owned()),
            Err(fault) => Err(fault.to_string()),
        });
        figure.map_err(|fault| self.wrong(title, entry, &fault))
    }

    fn wrong(&self, title: &str, entry: &Entry<'_>, fault: &str) -> SuiteError {
        let place = if title == entry.key {
            title.to_owned()
        } else {
            format!("{title}, {}", entry.key)
        };
        self.fault(entry.at, format!("{place}: {fault}"))
    }

    fn unknown(&self, title: &str, key: &str, at: usize, known: &str) -> SuiteError {
        let message = format!("{title}, {key}: there is no such key; there are {known}");
        self.fault(at, message)
    }

    fn unknown_option(&self, title: &str, entry: &Entry<'_>, known: &[&str]) -> SuiteError {
        let message = format!(
            "{title}, {}: there is no such option; there are {}",
            entry.key,
            known.join(", ")
        );
        self.fault(entry.at, message)
    }
}

fn written(value: &DeValue<'_>) -> Written {
    match value {
        DeValue::String(text) => Written::Text(text.to_string()),
        DeValue::Integer(number) => {
            match i128::from_str_radix(number.as_str(), number.radix()) {
                Ok(number) => Written::Number(number.to_string()),
                // Larger than any option: its own parser says so.
                Err(_) => Written::Number(number.to_string()),
            }
        }
        DeValue::Float(number) => Written::Decimal(number.as_str().to_owned()),
        DeValue::Boolean(flag) => Written::Flag(*flag),
        DeValue::Datetime(_) => Written::Other("a date"),
        DeValue::Array(_) => Written::Other("a list"),
        DeValue::Table(_) => Written::Other("a table"),
    }
}
