//! What can be wrong with a suite.

use super::resolve::OptionsError;

/// What can go wrong when a suite is read.
#[derive(Debug, thiserror::Error)]
pub enum SuiteError {
    /// There is neither such a file nor such a suite of the program's own.
    #[error(
        "{name}: neither a file nor one of the program's own suites, which are {known}; write a path to a suite's TOML file"
    )]
    Unknown {
        /// What was asked for.
        name: String,
        /// The names of the program's own.
        known: String,
    },
    /// The file is not to be read, or no text.
    #[error("{path}: cannot be read as a suite; is it a file of text?")]
    Unreadable {
        /// The file.
        path: String,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// Something in the file is wrong.
    #[error("{path}:{line}: {message}")]
    Content {
        /// The file.
        path: String,
        /// The line, from 1.
        line: usize,
        /// Where in it, what, and what to do.
        message: String,
    },
    /// What is said of a cell does not go together.
    #[error("{path}:{line}: {place}, cell {cell}")]
    Cell {
        /// The file.
        path: String,
        /// The line of the table that the cell comes from, from 1.
        line: usize,
        /// That table.
        place: String,
        /// The cell's name.
        cell: String,
        /// What does not.
        #[source]
        source: Box<OptionsError>,
    },
    /// Two cells would give the same figures twice.
    #[error("{path}: cells {first} and {second} are the same{because}; leave one out")]
    Equal {
        /// The file.
        path: String,
        /// The name of one.
        first: String,
        /// The name of the other.
        second: String,
        /// What the command line has to do with it.
        because: &'static str,
    },
    /// An option of the command line that a suite's own cells say.
    #[error(
        "--{option} cannot be given with a suite, whose cells have their own; leave it out, or leave the suite out"
    )]
    SuitesOwn {
        /// The option.
        option: &'static str,
    },
}
