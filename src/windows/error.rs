//! What can go wrong between text and tokens.

use crate::tokenizer::vocabulary::TokenizerError;

/// What can go wrong between text and tokens.
#[derive(Debug, thiserror::Error)]
pub enum WindowError {
    /// The tokeniser's file cannot be used.
    #[error("{path}: not a tokenizer.json that this version reads; is the file whole?")]
    BadTokenizer {
        /// The file.
        path: String,
        /// What the parser said.
        #[source]
        source: tokenizers::Error,
    },
    /// The tokeniser's file would lead the tokenizers library astray.
    #[error("{path}: {fault}; fetch it again")]
    UnusableTokenizer {
        /// The file.
        path: String,
        /// The place and what is wrong there.
        fault: String,
    },
    /// The tokeniser cannot be built from vocabulary files.
    #[error(transparent)]
    Vocabulary(#[from] TokenizerError),
    /// What says how the tokeniser is used cannot be read.
    #[error("{path}: at {place}: not the settings of a tokenizer")]
    BadTokenizerSettings {
        /// The file.
        path: String,
        /// JSON path of the fault.
        place: String,
        /// What the parser said.
        #[source]
        source: serde_json::Error,
    },
    /// The tokeniser and the weights do not belong together.
    #[error(
        "{path}: {fault}: the tokenizer is of another model than the weights (config.json: vocab_size {vocabulary})"
    )]
    WrongVocabulary {
        /// The tokeniser's file.
        path: String,
        /// What does not fit.
        fault: String,
        /// The rows of the model's embedding table.
        vocabulary: usize,
    },
    /// The tokeniser does not frame a pair as a BERT-class model wants it.
    #[error("{path}: {fault}; see its post_processor")]
    BadFraming {
        /// The tokeniser's file.
        path: String,
        /// What is wrong.
        fault: String,
    },
    /// The settings contradict each other or the model.
    #[error("{0}")]
    BadSettings(String),
    /// A question leaves no room for its passage.
    #[error(
        "{dataset}: at {place}: question \"{id}\" and the special tokens take {taken} of the window's {max_seq_len} tokens, which leaves {left} for the passage, and the windows' overlap alone is {doc_stride}; raise --max-seq-len, lower --doc-stride or shorten the question"
    )]
    QuestionTooLong {
        /// The data set's file.
        dataset: String,
        /// Where the question stands.
        place: String,
        /// Its id.
        id: String,
        /// Tokens of the question and the special tokens.
        taken: usize,
        /// The window's length in tokens.
        max_seq_len: usize,
        /// What is left for the passage.
        left: usize,
        /// The overlap of two windows in tokens.
        doc_stride: usize,
    },
    /// A question fills its windows.
    #[error(
        "{dataset}: at {place}: question \"{id}\" and the special tokens take {taken} tokens, which leaves none of the window's {max_seq_len} for the passage; raise --max-seq-len or shorten the question"
    )]
    NoRoom {
        /// The data set's file.
        dataset: String,
        /// Where the question stands.
        place: String,
        /// Its id.
        id: String,
        /// Tokens of the question, as far as it is kept, and the special tokens.
        taken: usize,
        /// The window's length in tokens.
        max_seq_len: usize,
    },
    /// The tokeniser gave up on a text.
    #[error("{dataset}: at {place}: the tokenizer failed on question \"{id}\" and its passage")]
    Tokenize {
        /// The data set's file.
        dataset: String,
        /// Where the question stands.
        place: String,
        /// Its id.
        id: String,
        /// What the tokeniser said.
        #[source]
        source: tokenizers::Error,
    },
}
