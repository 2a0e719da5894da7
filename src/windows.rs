//! Questions and passages to token windows: run_qa's doc-stride windows, with offsets.

use std::ops::Range;
use std::time::{Duration, Instant};

use rayon::prelude::*;
use tokenizers::{Encoding, PostProcessorWrapper, Tokenizer};

use crate::dataset::{Dataset, Question};
use crate::python;
use crate::tokenizer::TokenizerSource;
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

/// How passages are cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WindowSettings {
    /// Tokens of a window at the most, question and special tokens included.
    pub max_seq_len: usize,
    /// Tokens that two neighbouring windows of a passage share (run_qa's meaning of the word).
    pub doc_stride: usize,
}

impl Default for WindowSettings {
    /// run_qa's defaults: 384 and 128.
    fn default() -> Self {
        Self {
            max_seq_len: 384,
            doc_stride: 128,
        }
    }
}

/// One question with one stretch of its passage, as the model reads it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Window {
    /// Index of the question in the data set.
    pub question: usize,
    /// Token ids, special tokens included; no padding.
    pub token_ids: Vec<u32>,
    /// Segment ids, as long as `token_ids`.
    pub token_types: Vec<u32>,
    /// Position of the first passage token in `token_ids`.
    pub passage_start: usize,
    /// Where each passage token stands in the passage: first and past-the-end code point.
    pub offsets: Vec<(u32, u32)>,
}

impl Window {
    /// The number of tokens.
    pub fn len(&self) -> usize {
        self.token_ids.len()
    }

    /// Whether the window holds no token at all.
    pub fn is_empty(&self) -> bool {
        self.token_ids.is_empty()
    }

    /// The stretch of the passage that the token at `position` stands for;
    /// nothing for tokens of the question and special tokens.
    pub fn offset(&self, position: usize) -> Option<(u32, u32)> {
        let token = position.checked_sub(self.passage_start)?;
        self.offsets.get(token).copied()
    }
}

/// The sizes of the tables that a model looks tokens up in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TableSizes {
    /// Rows of the word table.
    pub words: usize,
    /// Rows of the segment table; 0 where the model has none.
    pub segments: usize,
}

/// The windows of a data set, and what cutting them took.
#[derive(Debug, Clone, Default)]
pub struct DatasetWindows {
    /// All windows, those of a question one after another, questions in the data set's order.
    pub windows: Vec<Window>,
    /// Time that tokenising each question with its passage took, on one thread.
    pub times: Vec<Duration>,
}

/// A tokeniser set up to cut windows.
pub struct Windower {
    settings: WindowSettings,
    tokenizer: Tokenizer,
    /// Whether tokens have the tokeniser's segment ids, or all zero.
    has_segments: bool,
    /// Whether a window's first passage token keeps the white space before it.
    keeps_first_space: bool,
}

impl Windower {
    /// Sets a tokeniser up for the model's tables.
    ///
    /// The tokeniser must fit the model's tables: every id below the number
    /// of words, and not so much smaller that the rest cannot be padding.
    ///
    /// # Errors
    ///
    /// Fails where the file cannot be read as a tokeniser, does not fit the
    /// vocabulary, or `settings` leave no step between windows.
    pub fn new(
        source: TokenizerSource,
        tables: TableSizes,
        settings: WindowSettings,
    ) -> Result<Self, WindowError> {
        let TokenizerSource {
            path,
            mut tokenizer,
            gives_segments,
        } = source;
        if settings.doc_stride >= settings.max_seq_len {
            return Err(WindowError::BadSettings(format!(
                "--doc-stride {} must be smaller than --max-seq-len {}: it is the overlap of two windows",
                settings.doc_stride, settings.max_seq_len
            )));
        }
        // Padding is for other batches than these. Truncation is done here: tokenizers 0.23.2
        // stops tokenising at the limit and so loses a long passage's later windows.
        tokenizer.with_padding(None);
        let untruncated = tokenizer.with_truncation(None);
        untruncated.map_err(|source| WindowError::BadTokenizer {
            path: path.clone(),
            source,
        })?;
        // One segment is none: models of that kind are given no segment ids.
        let has_segments = gives_segments && tables.segments > 1;
        check_vocabulary(&path, &tokenizer, tables.words)?;
        check_framing(&path, &tokenizer, tables, has_segments)?;
        let keeps_first_space = tokenizer
            .get_post_processor()
            .is_some_and(keeps_first_space);
        Ok(Self {
            settings,
            tokenizer,
            has_segments,
            keeps_first_space,
        })
    }

    /// The windows of one question, in the passage's order.
    ///
    /// Equal to what the Python tokenisers return for the pair (question with
    /// its leading white space removed, passage) with `truncation="only_second"`,
    /// `stride` and `return_overflowing_tokens`.
    ///
    /// # Errors
    ///
    /// Fails where the question leaves the passage no room.
    pub fn question_windows(
        &self,
        dataset: &Dataset,
        index: usize,
    ) -> Result<Vec<Window>, WindowError> {
        let question = &dataset.questions[index];
        let passage = dataset.passage(question);
        let pair = (python::left_strip(&question.text), passage);
        let failed = |source| WindowError::Tokenize {
            dataset: dataset.origin.clone(),
            place: question.place.to_string(),
            id: question.id.clone(),
            source,
        };
        let whole = self
            .tokenizer
            .encode_char_offsets(pair, true)
            .map_err(failed)?;
        if whole.len() <= self.settings.max_seq_len {
            let passage = passage_range(&whole);
            return Ok(vec![self.window(index, &whole, &passage, passage.clone())]);
        }
        self.check_room(dataset, question, &whole)?;
        let passage = passage_range(&whole);
        let room = self.settings.max_seq_len - (whole.len() - passage.len());
        let parts = cut(passage.len(), room, self.settings.doc_stride);
        Ok(parts
            .map(|part| {
                let part = passage.start + part.start..passage.start + part.end;
                self.window(index, &whole, &passage, part)
            })
            .collect())
    }

    /// The windows of all questions, question by question, cut in parallel on
    /// the current rayon pool.
    ///
    /// # Errors
    ///
    /// Fails with the first question (in the data set's order) that leaves its passage no room.
    pub fn dataset_windows(&self, dataset: &Dataset) -> Result<DatasetWindows, WindowError> {
        let questions = (0..dataset.questions.len()).into_par_iter();
        let cut: Vec<_> = questions
            .map(|index| {
                let started = Instant::now();
                let windows = self.question_windows(dataset, index);
                (windows, started.elapsed())
            })
            .collect();
        let mut all = DatasetWindows {
            windows: Vec::with_capacity(cut.len()),
            times: Vec::with_capacity(cut.len()),
        };
        for (windows, time) in cut {
            all.windows.extend(windows?);
            all.times.push(time);
        }
        Ok(all)
    }

    /// The window that shows `part` of the passage's tokens: all that stands before
    /// and after them in the encoded pair stays.
    fn window(
        &self,
        question: usize,
        whole: &Encoding,
        passage: &Range<usize>,
        part: Range<usize>,
    ) -> Window {
        let narrow = |at: usize| {
            u32::try_from(at)
                .expect("OK because a passage of 4 billion characters fits no memory here")
        };
        let keep = |all: &[u32]| {
            let parts = [
                &all[..passage.start],
                &all[part.clone()],
                &all[passage.end..],
            ];
            parts.concat()
        };
        let token_ids = keep(whole.get_ids());
        let token_types = if self.has_segments {
            keep(whole.get_type_ids())
        } else {
            vec![0; token_ids.len()]
        };
        let mut offsets = whole.get_offsets()[part.clone()].to_vec();
        if self.keeps_first_space
            && part.start > passage.start
            && let Some((start, end)) = offsets.first_mut()
        {
            let spaces = leading_spaces(&whole.get_tokens()[part.start]);
            if start == end {
                *end = end.saturating_sub(spaces);
            }
            *start = start.saturating_sub(spaces);
        }
        Window {
            question,
            token_ids,
            token_types,
            passage_start: passage.start,
            offsets: offsets
                .into_iter()
                .map(|(start, end)| (narrow(start), narrow(end)))
                .collect(),
        }
    }

    fn check_room(
        &self,
        dataset: &Dataset,
        question: &Question,
        whole: &Encoding,
    ) -> Result<(), WindowError> {
        let WindowSettings {
            max_seq_len,
            doc_stride,
        } = self.settings;
        let taken = whole.len() - passage_range(whole).len();
        let left = max_seq_len.saturating_sub(taken);
        if left > doc_stride {
            return Ok(());
        }
        Err(WindowError::QuestionTooLong {
            dataset: dataset.origin.clone(),
            place: question.place.to_string(),
            id: question.id.clone(),
            taken,
            max_seq_len,
            left,
            doc_stride,
        })
    }
}

/// The most rows an embedding table may have beyond the tokeniser's last id.
///
/// Tables are padded to round sizes for speed (ModernBERT by 88, DeBERTa-v3 by
/// 99); BERT's cased vocabulary is 1,526 short of the uncased one.
const VOCABULARY_PADDING: usize = 1024;

fn check_vocabulary(
    origin: &str,
    tokenizer: &Tokenizer,
    vocabulary: usize,
) -> Result<(), WindowError> {
    let last = tokenizer.get_vocab(true).into_values().max();
    let needed = last.map_or(0, |last| last as usize + 1);
    let fault = if needed > vocabulary {
        format!("its highest token id is {}", needed - 1)
    } else if vocabulary - needed > VOCABULARY_PADDING {
        format!("it has {needed} tokens only")
    } else {
        return Ok(());
    };
    Err(WindowError::WrongVocabulary {
        path: origin.to_owned(),
        fault,
        vocabulary,
    })
}

/// Checks on a pair of short texts that question and passage are framed by special tokens
/// and that no id is outside the model's tables.
fn check_framing(
    origin: &str,
    tokenizer: &Tokenizer,
    tables: TableSizes,
    has_segments: bool,
) -> Result<(), WindowError> {
    let unframed = |fault: &str| WindowError::BadFraming {
        path: origin.to_owned(),
        fault: fault.to_owned(),
    };
    let encoding = tokenizer
        .encode_char_offsets(("1", "2"), true)
        .map_err(|source| WindowError::BadTokenizer {
            path: origin.to_owned(),
            source,
        })?;
    let mut parts = encoding.get_sequence_ids();
    // Special tokens repeat; what counts is what follows what.
    parts.dedup();
    if parts != [None, Some(0), None, Some(1), None] {
        return Err(unframed(
            "it does not put special tokens before, between and after question and passage",
        ));
    }
    let beyond = |ids: &[u32], rows: usize| ids.iter().any(|&id| id as usize >= rows);
    if beyond(encoding.get_ids(), tables.words)
        || has_segments && beyond(encoding.get_type_ids(), tables.segments)
    {
        return Err(unframed("it gives ids that the model's tables do not have"));
    }
    Ok(())
}

/// Positions of the passage's tokens in an encoded pair.
fn passage_range(encoding: &Encoding) -> Range<usize> {
    let sequences = encoding.get_sequence_ids();
    let start = sequences.iter().position(|&sequence| sequence == Some(1));
    let start = start.unwrap_or(sequences.len());
    let length = sequences[start..]
        .iter()
        .take_while(|&&sequence| sequence == Some(1));
    start..start + length.count()
}

/// Cuts `tokens` tokens into runs of at most `room`, neighbours sharing `overlap` of them.
///
/// The runs are those of the Python tokenisers: each begins `room - overlap`
/// after the one before, and the first to reach the end is the last.
fn cut(tokens: usize, room: usize, overlap: usize) -> impl Iterator<Item = Range<usize>> {
    let step = room - overlap;
    let count = 1 + tokens.saturating_sub(room).div_ceil(step);
    (0..count).map(move |part| {
        let start = part * step;
        start..(start + room).min(tokens)
    })
}

/// The white space at the beginning of a byte-level token, where a space is written Ġ.
fn leading_spaces(token: &str) -> usize {
    let spaces = token.chars().take_while(|&c| c == 'Ġ' || c.is_whitespace());
    spaces.count()
}

/// Whether the post-processor trims white space off all offsets but those of a
/// window's first token, as byte-level ones do that put a space before the text.
///
/// They take that token's space for the one they added, also where a window
/// begins in the middle of a passage (`process_offsets` of the tokenizers library).
fn keeps_first_space(post_processor: &PostProcessorWrapper) -> bool {
    match post_processor {
        PostProcessorWrapper::ByteLevel(byte_level) => {
            byte_level.trim_offsets && byte_level.add_prefix_space
        }
        PostProcessorWrapper::Roberta(roberta) => roberta.trim_offsets && roberta.add_prefix_space,
        PostProcessorWrapper::Sequence(sequence) => {
            let processors: &[PostProcessorWrapper] = sequence.as_ref();
            processors.iter().any(keeps_first_space)
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_overlap_and_reach_the_end_once() {
        let runs = |tokens, room, overlap| cut(tokens, room, overlap).collect::<Vec<_>>();
        assert_eq!(runs(10, 6, 2), [0..6, 4..10]);
        assert_eq!(runs(11, 6, 2), [0..6, 4..10, 8..11]);
        assert_eq!(runs(7, 6, 5), [0..6, 1..7]);
        assert_eq!(runs(6, 6, 2), [0..6; 1]);
    }
}
