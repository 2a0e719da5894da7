//! What can go wrong with a tokeniser's files, in words a user can act on.

/// Why no tokeniser was built.
#[derive(Debug, thiserror::Error)]
pub enum TokenizerError {
    /// No tokeniser of this kind can be built from a vocabulary file.
    #[error("{what}: {reason}; use a checkpoint that has a tokenizer.json")]
    NotBuildable {
        /// The model_type or tokenizer_class.
        what: String,
        /// Why not.
        reason: &'static str,
    },
    /// A file that is needed was not given.
    #[error(
        "model_type \"{model_type}\": there is no tokenizer.json and no {name} to build a tokenizer from; copy {name} of the checkpoint beside its config.json"
    )]
    Missing {
        /// The checkpoint's model_type.
        model_type: String,
        /// The file's name.
        name: &'static str,
    },
    /// A file is not text.
    #[error("{path}: at byte {at}: not UTF-8; fetch the file again")]
    NotUtf8 {
        /// The file.
        path: String,
        /// The first byte that is no UTF-8.
        at: usize,
        /// What the decoder said.
        #[source]
        source: std::str::Utf8Error,
    },
    /// A file is not the JSON that it should be.
    #[error("{path}: line {line}, column {column}: not {wanted}; fetch the file again")]
    BadJson {
        /// The file.
        path: String,
        /// The line, from 1.
        line: usize,
        /// The column, from 1.
        column: usize,
        /// What it should be.
        wanted: &'static str,
        /// What the parser said.
        #[source]
        source: serde_json::Error,
    },
    /// Something in a file cannot be used.
    #[error("{path}: {place}: {fault}; {remedy}")]
    Bad {
        /// The file.
        path: String,
        /// The line or the field.
        place: String,
        /// What is wrong there.
        fault: String,
        /// What helps.
        remedy: &'static str,
    },
    /// The tokenizers library does not take what the file says.
    #[error("{path}: the tokenizers library refuses its {part}; fetch the file again")]
    Refused {
        /// The file.
        path: String,
        /// Which part.
        part: &'static str,
        /// What the library said.
        #[source]
        source: tokenizers::Error,
    },
}

/// The remedy for a file that cannot have been written like this.
pub(super) const FETCH_AGAIN: &str = "fetch the file again";

/// Makes a [`TokenizerError::Bad`].
pub(super) fn bad(
    path: &str,
    place: impl Into<String>,
    fault: impl Into<String>,
    remedy: &'static str,
) -> TokenizerError {
    TokenizerError::Bad {
        path: path.to_owned(),
        place: place.into(),
        fault: fault.into(),
        remedy,
    }
}

/// Makes the error for what the tokenizers library said about a part of a file.
pub(super) fn refused(
    path: &str,
    part: &'static str,
) -> impl FnOnce(tokenizers::Error) -> TokenizerError {
    move |source| TokenizerError::Refused {
        path: path.to_owned(),
        part,
        source,
    }
}

/// A token as it is shown in a message: in quotes, on one line, and short.
pub(super) fn quote(token: &str) -> String {
    const MOST: usize = 40;
    if token.chars().count() <= MOST {
        return format!("{token:?}");
    }
    let start: String = token.chars().take(MOST).collect();
    format!("{start:?}…")
}
