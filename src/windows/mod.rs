//! Questions and passages to token windows, with offsets: those of run_qa or of another decoder.

mod cut;
pub mod error;
mod fit;
mod frame;
mod google;
pub mod reach;
mod window;
pub mod words;

use std::ops::Range;

use serde::{Deserialize, Serialize};
use tokenizers::{Encoding, PostProcessor, PostProcessorWrapper, Tokenizer};

use crate::dataset::{Dataset, Question};
use crate::decode::Decoder;
use crate::python;
use crate::tokenizer::TokenizerSource;
use crate::tokenizer::detokenizer::{self, Detokenizer};
pub use cut::CutQuestions;
pub use error::WindowError;
use fit::{check_framing, check_vocabulary, keeps_first_space};
use frame::Frame;
use google::WordTokens;
pub use window::Window;

/// How passages are cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct WindowSettings {
    /// Tokens of a window at the most, question and special tokens included.
    pub max_seq_len: usize,
    /// Tokens that two neighbouring windows of a passage share; for the google
    /// decoder those from the beginning of one to the beginning of the next.
    pub doc_stride: usize,
    /// Tokens of a question at the most, for the google decoder: it drops the
    /// rest (`max_query_length`). The others keep questions whole.
    pub max_question_len: usize,
    /// Whose windows are cut.
    pub decoder: Decoder,
}

impl Default for WindowSettings {
    /// run_qa's defaults: 384 and 128 (and 64 tokens of a question for google).
    fn default() -> Self {
        Self {
            max_seq_len: 384,
            doc_stride: 128,
            max_question_len: 64,
            decoder: Decoder::RunQa,
        }
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

/// A passage's tokens.
enum Passage {
    /// Of the passage as it is.
    Whole(Encoding),
    /// Word by word, for the google decoder.
    Words(WordTokens),
}

/// A tokeniser set up to cut windows.
pub struct Windower {
    settings: WindowSettings,
    /// Without its post-processor where that is `framing`.
    tokenizer: Tokenizer,
    /// What puts special tokens around question and passage; nothing for the google decoder, which has `frame`.
    framing: Option<PostProcessorWrapper>,
    /// Whether tokens have the tokeniser's segment ids, or all zero.
    has_segments: bool,
    /// Whether a window's first passage token keeps the white space before it.
    keeps_first_space: bool,
    /// The special tokens around question and passage.
    frame: Frame,
    /// Whether a word's first token tells by a space that it is one.
    is_byte_level: bool,
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
        if settings.decoder == Decoder::Google && settings.doc_stride == 0 {
            return Err(WindowError::BadSettings(
                "--doc-stride must be at least 1: it is the step from one window to the next"
                    .to_owned(),
            ));
        }
        if settings.decoder != Decoder::Google && settings.doc_stride >= settings.max_seq_len {
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
        let frame = check_framing(&path, &tokenizer, tables, has_segments)?;
        let keeps_first_space = tokenizer
            .get_post_processor()
            .is_some_and(keeps_first_space);
        let is_byte_level = tokenizer
            .get_pre_tokenizer()
            .is_some_and(detokenizer::is_byte_level);
        let framing = match settings.decoder {
            Decoder::Google => None,
            Decoder::RunQa | Decoder::Pipeline => tokenizer.get_post_processor().cloned(),
        };
        if framing.is_some() {
            tokenizer.with_post_processor(None::<PostProcessorWrapper>);
        }
        Ok(Self {
            settings,
            tokenizer,
            framing,
            has_segments,
            keeps_first_space,
            frame,
            is_byte_level,
        })
    }

    /// The tokeniser as the google decoder turns tokens back to text with it.
    pub fn detokenizer(&self) -> Detokenizer<'_> {
        Detokenizer::new(&self.tokenizer)
    }

    /// The windows of one question, in the passage's order.
    ///
    /// For run_qa, equal to what the Python tokenisers return for the pair (question
    /// with its leading white space removed, passage) with `truncation="only_second"`,
    /// `stride` and `return_overflowing_tokens`. The pipeline's are the same, with the
    /// question as it is. Google's are those of `convert_examples_to_features` in BERT's
    /// `run_squad.py`, and of `squad_convert_examples_to_features` in transformers.
    ///
    /// # Errors
    ///
    /// Fails where the question leaves the passage no room.
    pub fn question_windows(
        &self,
        dataset: &Dataset,
        index: usize,
    ) -> Result<Vec<Window>, WindowError> {
        let passage = self.passage(dataset, index)?;
        self.windows_in(dataset, index, &passage)
    }

    /// The tokens of a question's passage.
    fn passage(&self, dataset: &Dataset, index: usize) -> Result<Passage, WindowError> {
        let question = &dataset.questions[index];
        let text = dataset.passage(question);
        let tokens = match self.settings.decoder {
            Decoder::RunQa | Decoder::Pipeline => {
                let whole = self.tokenizer.encode_char_offsets(text, false);
                whole.map(Passage::Whole)
            }
            Decoder::Google => self.words_tokens(text).map(Passage::Words),
        };
        tokens.map_err(|source| Self::failed(dataset, question, source))
    }

    /// The windows of a question, of whose passage these are the tokens.
    fn windows_in(
        &self,
        dataset: &Dataset,
        index: usize,
        passage: &Passage,
    ) -> Result<Vec<Window>, WindowError> {
        let question = &dataset.questions[index];
        let passage = match passage {
            Passage::Whole(passage) => passage,
            Passage::Words(passage) => return self.stepped_windows(dataset, index, passage),
        };
        let asked = match self.settings.decoder {
            Decoder::RunQa => python::left_strip(&question.text),
            Decoder::Pipeline | Decoder::Google => &question.text,
        };
        let whole = self
            .framed_pair(asked, passage)
            .map_err(|source| Self::failed(dataset, question, source))?;
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

    /// What the tokeniser makes of the pair, without tokenising the passage again: this is
    /// what `encode` of the tokenizers library does where nothing is truncated or padded.
    fn framed_pair(&self, asked: &str, passage: &Encoding) -> tokenizers::Result<Encoding> {
        let asked = self.tokenizer.encode_char_offsets(asked, false)?;
        let framing = self.framing.as_ref();
        let framing = framing
            .expect("OK because the tokeniser frames pairs, and this decoder leaves that to it");
        framing.process(asked, Some(passage.clone()), true)
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
        let words = match self.settings.decoder {
            Decoder::Pipeline => whole.get_word_ids()[part.clone()].to_vec(),
            _ => Vec::new(),
        };
        Window {
            question,
            token_ids,
            token_types,
            passage_start: passage.start,
            offsets: offsets
                .into_iter()
                .map(|(start, end)| (narrow(start), narrow(end)))
                .collect(),
            first_token: part.start - passage.start,
            words,
        }
    }

    fn failed(dataset: &Dataset, question: &Question, source: tokenizers::Error) -> WindowError {
        WindowError::Tokenize {
            dataset: dataset.origin.clone(),
            place: dataset.place(question),
            id: question.id.clone(),
            source,
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
            ..
        } = self.settings;
        let taken = whole.len() - passage_range(whole).len();
        let left = max_seq_len.saturating_sub(taken);
        if left > doc_stride {
            return Ok(());
        }
        Err(WindowError::QuestionTooLong {
            dataset: dataset.origin.clone(),
            place: dataset.place(question),
            id: question.id.clone(),
            taken,
            max_seq_len,
            left,
            doc_stride,
        })
    }
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
