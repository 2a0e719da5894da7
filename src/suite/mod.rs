//! Suites: many cells in one TOML file, and what may be said of a cell at all.
//!
//! ```toml
//! schema = 1
//! name = "precision"                 # [default: the file's name]
//! description = "What half the bytes cost."   # Markdown, returns in the report
//!
//! [run]                              # of the whole run: repeat, turns, roofline, profile,
//! repeat = 5                         # time-limit, stall-limit, offline
//!
//! [defaults]                         # of every cell that does not say otherwise
//! dataset = "squad"
//!
//! [[matrix]]                         # an option may be a list: a cell for each combination,
//! name = "large"                     # the list written last changing fastest
//! prose = "Twice the layers."        # name is a prefix of the cells' names; both may be left out
//! model = ["bert-large-uncased-wwm-squad", "owner/name@revision", "../checkpoints/mine"]
//! dtype = ["f32", "bf16"]
//! exclude = [{ model = "owner/name@revision", dtype = "bf16" }]
//! include = [{ model = "bert-base-uncased-squad-v1", dtype = "f16" }]
//!
//! [[cell]]                           # one cell; name is the whole of its name
//! name = "reference"
//! model = "bert-base-uncased-squad-v1"
//!
//! [[override]]                       # for the cells that match, in the order of the file
//! match = { dtype = "bf16" }
//! set = { batch-tokens = 4096 }
//!
//! [[expect]]                         # a cell that misses it has an error record
//! match = { name = "reference" }
//! exact-match = 80.9                 # percent; also f1, and at-least-exact-match and at-least-f1
//! f1 = 88.2
//! tolerance = 0.1                    # points, on either side [default: 0.01]
//! ```
//!
//! Options are those of `spanbench run`, without the dashes: [`Options::KEYS`] and
//! [`RunOptions::KEYS`]. Numbers and `true` stand as they are, all else in quotation marks.
//!
//! - `exclude` leaves out the cells of its matrix that have all of what it says. `include` adds
//!   cells to a matrix: they have the options of the matrix that are no lists, and their own.
//! - `match` finds the cells that have all of what it says, by `name` too. What a cell does not
//!   say is as by default: `match = { dtype = "f32" }` finds cells that say nothing of it.
//!   An `exclude` or `match` that finds nothing is an error: it is a slip of the pen.
//! - `model`, `dataset`, `ids` and `cell-program` are paths relative to the suite where there is
//!   such a file beside it; else they mean what they mean on the command line. A card's name
//!   always means the card.
//! - A cell is called by its model, its data set, every option that its matrix lists, and every
//!   option in which it differs from `[defaults]`; the name of a matrix stands for the options
//!   that it does not list. So a cell keeps its name where other cells come and go, but where one
//!   comes whose model or data set has the same last part. Overrides do not change names.
//! - Options on the command line hold for every cell, over what the suite says; `--model` and
//!   `--dataset` are the suite's own. Where they change which questions are asked or what is
//!   answered, expectations are not checked, and a note says so.

mod error;
pub mod estimate;
mod expand;
pub mod expect;
mod file;
pub mod manifest;
pub(crate) mod names;
mod options;
mod resolve;
#[cfg(test)]
mod tests;
pub mod values;

use std::path::Path;

use sha2::{Digest, Sha256};

use crate::bundled;
use crate::hash::hex;
pub use error::SuiteError;
pub use expect::Expected;
pub use file::SCHEMA;
pub use names::file_name;
pub use options::{Options, RunOptions};
pub use resolve::{CellPlan, OptionsError, RunSettings};

/// A suite, ready to be run.
#[derive(Debug, Clone, PartialEq)]
pub struct Suite {
    /// Its name.
    pub name: String,
    /// What its author says of it, in Markdown.
    pub description: Option<String>,
    /// The file, or that it is the program's own.
    pub origin: String,
    /// SHA-256 of the file, in hexadecimal.
    pub sha256: String,
    /// Of the run as a whole.
    pub run: RunSettings,
    /// The cells, each with a name of its own; at least one.
    pub cells: Vec<CellPlan>,
    /// What its user should know.
    pub notes: Vec<String>,
}

/// The names of the program's own suites, in alphabetical order.
pub fn names() -> impl Iterator<Item = &'static str> {
    bundled::SUITES.iter().map(|(name, _)| *name)
}

impl Suite {
    /// Reads the suite at the path `name`, or the program's own of that name. What `options` and
    /// `run` say holds over what the suite says.
    ///
    /// Nothing is fetched; only files of ids are read.
    ///
    /// # Errors
    ///
    /// See [`SuiteError`]: each names the file and the line.
    pub fn open(name: &str, options: &Options, run: &RunOptions) -> Result<Self, SuiteError> {
        let path = Path::new(name);
        let own = bundled::SUITES.iter().find(|(own, _)| *own == name);
        // A name without a point or slash means the program's own also where a folder is called so.
        if let Some((own, text)) = own.filter(|_| !path.is_file()) {
            return Self::parse(&format!("{own} (built in)"), own, text, None, options, run);
        }
        if !path.exists() {
            return Err(SuiteError::Unknown {
                name: name.to_owned(),
                known: names().collect::<Vec<_>>().join(", "),
            });
        }
        let text = std::fs::read_to_string(path).map_err(|source| SuiteError::Unreadable {
            path: name.to_owned(),
            source,
        })?;
        let stem = path.file_stem().unwrap_or_default().to_string_lossy();
        let folder = path.parent();
        Self::parse(name, &file_name(&stem), &text, folder, options, run)
    }

    fn parse(
        path: &str,
        default_name: &str,
        text: &str,
        folder: Option<&Path>,
        over: &Options,
        run: &RunOptions,
    ) -> Result<Self, SuiteError> {
        for (given, option) in [
            (over.model.is_some(), "model"),
            (over.dataset.is_some(), "dataset"),
        ] {
            if given {
                return Err(SuiteError::SuitesOwn { option });
            }
        }
        let wire = file::read(path, text, folder)?;
        let drafts = expand::expand(path, &wire)?;
        let run = run.clone().over(&wire.run).resolve();
        let mut changing: Vec<&'static str> = Vec::new();
        let mut cells: Vec<CellPlan> = Vec::with_capacity(drafts.len());
        for draft in &drafts {
            let options = over.clone().over(&draft.options);
            let made = CellPlan::new(&draft.name, &options, &run);
            let made = made.map_err(|source| SuiteError::Cell {
                path: path.to_owned(),
                line: draft.place.line,
                place: draft.place.title.clone(),
                cell: draft.name.clone(),
                source: Box::new(source),
            })?;
            let of_cell = over.that_change_answers(options.sample.is_some());
            let expected = draft.expected.filter(|_| of_cell.is_empty());
            if draft.expected.is_some() {
                changing.extend(of_cell);
            }
            cells.push(CellPlan {
                expected,
                prose: draft.prose.clone(),
                ..made
            });
        }
        check_unequal(path, &cells, over)?;
        let mut notes = Vec::new();
        changing.sort_unstable();
        changing.dedup();
        if !changing.is_empty() {
            let changing: Vec<String> = changing.iter().map(|key| format!("--{key}")).collect();
            notes.push(format!(
                "{path}: the expected EM and F1 are not checked, for they do not hold with {}",
                changing.join(" and ")
            ));
        }
        Ok(Self {
            name: wire.name.unwrap_or_else(|| default_name.to_owned()),
            description: wire.description,
            origin: path.to_owned(),
            sha256: hex(&Sha256::digest(text.as_bytes())),
            run,
            cells,
            notes,
        })
    }
}

/// Two cells with the same options would be the same measurement twice, and no comparison.
fn check_unequal(path: &str, cells: &[CellPlan], over: &Options) -> Result<(), SuiteError> {
    for (index, cell) in cells.iter().enumerate() {
        let mut earlier = cells[..index].iter();
        if let Some(first) = earlier.find(|other| other.options == cell.options) {
            return Err(SuiteError::Equal {
                path: path.to_owned(),
                first: first.spec.name.clone(),
                second: cell.spec.name.clone(),
                because: if *over == Options::default() {
                    ""
                } else {
                    " with these options of the command line"
                },
            });
        }
    }
    Ok(())
}
