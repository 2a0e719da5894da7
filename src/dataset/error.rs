//! What can be wrong with a data set.

use crate::hub::HubError;

/// What can be wrong with a data set.
#[derive(Debug, thiserror::Error)]
pub enum DatasetError {
    /// A file could not be read.
    #[error("{path}: cannot be read; check the path and its permissions")]
    Unreadable {
        /// The file.
        path: String,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// The name means nothing.
    #[error(
        "data set \"{name}\": no such file and no such card (`spanbench list datasets` lists {cards}); data sets of the hub are written hf:owner/name[:config][:split]"
    )]
    Unknown {
        /// What was asked for.
        name: String,
        /// How many cards there are.
        cards: usize,
    },
    /// The name begins as one of the hub's and is none.
    #[error("data set \"{name}\": {fault}; the form is hf:owner/name[@revision][:config][:split]")]
    BadName {
        /// What was asked for.
        name: String,
        /// What is wrong with it.
        fault: String,
    },
    /// The hub did not give the files.
    #[error(transparent)]
    Hub(#[from] HubError),
    /// The file is not text.
    #[error("{path}: {place}: not UTF-8; convert the file to it")]
    NotUtf8 {
        /// The file.
        path: String,
        /// The byte, or the line and the byte in it.
        place: String,
    },
    /// The compressed data is damaged or ends early.
    #[error("{path}: the gzip data is damaged or cut short; fetch or compress the file again")]
    BadGzip {
        /// The file.
        path: String,
        /// What the decompressor said.
        #[source]
        source: std::io::Error,
    },
    /// The content is larger than any data set.
    #[error(
        "{path}: {place} holds more than {limit}; is it a data set? Split it into several files"
    )]
    TooLarge {
        /// The file.
        path: String,
        /// What is too large.
        place: String,
        /// The most that is read.
        limit: String,
    },
    /// The file is a container of a kind that is not read.
    #[error("{path}: {found}; {remedy}")]
    OtherFormat {
        /// The file.
        path: String,
        /// What it looks like.
        found: &'static str,
        /// What to do about it.
        remedy: &'static str,
    },
    /// The file is not JSON, or JSON of another shape.
    #[error(
        "{path}: at {place}: not a data set in {format} format; see `spanbench run --help` for what is read"
    )]
    Malformed {
        /// The file.
        path: String,
        /// JSON path or line of the fault, or "the top level".
        place: String,
        /// The format that the file's beginning promised.
        format: &'static str,
        /// What the parser said, with line and column.
        #[source]
        source: serde_json::Error,
    },
    /// A parquet file could not be read.
    #[error(
        "{path}: {place}: damaged, cut short, or parquet of a kind that is not read; fetch it again, or write it with zstd or snappy compression"
    )]
    BadParquet {
        /// The file.
        path: String,
        /// The row, or "the file".
        place: String,
        /// What the parquet library said.
        #[source]
        source: Box<parquet::errors::ParquetError>,
    },
    /// The content is well-formed and cannot be used.
    #[error("{path}: at {place}: {fault}")]
    Unusable {
        /// The file.
        path: String,
        /// Where in it.
        place: String,
        /// What is wrong and what to do about it.
        fault: String,
    },
    /// The questions asked for are not there.
    #[error("{path}: line {line}: the data set {dataset} has no question \"{id}\"{hint}")]
    NoSuchQuestion {
        /// The file of ids.
        path: String,
        /// The line, from 1.
        line: usize,
        /// The data set.
        dataset: String,
        /// The id.
        id: String,
        /// How many others are missing too, or nothing.
        hint: String,
    },
    /// The file of ids holds none.
    #[error("{path}: holds no question id; write one id a line")]
    NoIds {
        /// The file of ids.
        path: String,
    },
}
