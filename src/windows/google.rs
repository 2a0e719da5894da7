//! Windows as `run_squad.py` of BERT cuts them: of a passage tokenised word by word,
//! at a fixed step.

use std::ops::Range;

use super::{Window, WindowError, Windower, words};
use crate::dataset::Dataset;
use crate::python;

/// A passage's tokens, word by word.
#[derive(Default)]
pub(super) struct WordTokens {
    ids: Vec<u32>,
    offsets: Vec<(u32, u32)>,
    words: Vec<Option<u32>>,
}

impl Windower {
    /// The windows of one question for the google decoder.
    ///
    /// The question is cut to its first tokens. Each window begins `doc_stride`
    /// tokens after the one before (or right behind it, where that is nearer: there
    /// transformers would leave tokens out), and the first to reach the end is the last.
    pub(super) fn stepped_windows(
        &self,
        dataset: &Dataset,
        index: usize,
        passage: &WordTokens,
    ) -> Result<Vec<Window>, WindowError> {
        let question = &dataset.questions[index];
        let asked = self.tokenizer.encode_fast(question.text.as_str(), false);
        let asked = asked.map_err(|source| Self::failed(dataset, question, source))?;
        let kept = asked.len().min(self.settings.max_question_len);
        let asked = &asked.get_ids()[..kept];

        let taken = asked.len() + self.frame.len();
        let room = self.settings.max_seq_len.saturating_sub(taken);
        let tokens = passage.ids.len();
        if room == 0 && tokens > 0 {
            return Err(WindowError::NoRoom {
                dataset: dataset.origin.clone(),
                place: dataset.place(question),
                id: question.id.clone(),
                taken,
                max_seq_len: self.settings.max_seq_len,
            });
        }
        let mut windows = Vec::new();
        let mut start = 0;
        loop {
            let part = start..(start + room).min(tokens);
            start += part.len().min(self.settings.doc_stride);
            let is_last = part.end == tokens;
            windows.push(self.framed(index, asked, passage, part));
            if is_last {
                return Ok(windows);
            }
        }
    }

    /// Tokenises each word of a passage for itself.
    pub(super) fn words_tokens(&self, passage: &str) -> tokenizers::Result<WordTokens> {
        let mut tokens = WordTokens::default();
        for (number, word) in (0..).zip(words::split(passage)) {
            // Byte-level tokens of a word tell by a space that they begin it.
            let spaced = self.is_byte_level && !word.text.starts_with(python::is_space);
            let text = if spaced {
                format!(" {}", word.text)
            } else {
                word.text.to_owned()
            };
            let encoding = self.tokenizer.encode_char_offsets(text, false)?;
            let within = |position: usize| {
                let position = position.saturating_sub(usize::from(spaced));
                let position = u32::try_from(position)
                    .expect("OK because a passage of 4 billion characters fits no memory here");
                word.start + position
            };
            tokens.ids.extend(encoding.get_ids());
            let offsets = encoding.get_offsets().iter();
            let offsets = offsets.map(|&(start, end)| (within(start), within(end)));
            tokens.offsets.extend(offsets);
            tokens.words.resize(tokens.ids.len(), Some(number));
        }
        Ok(tokens)
    }

    /// The window that shows `part` of the passage's tokens.
    fn framed(
        &self,
        question: usize,
        asked: &[u32],
        passage: &WordTokens,
        part: Range<usize>,
    ) -> Window {
        let frame = &self.frame;
        let shown = &passage.ids[part.clone()];
        let in_segment = |ids: &[u32], segment: u32| -> Vec<(u32, u32)> {
            ids.iter().map(|&id| (id, segment)).collect()
        };
        let tokens = [
            frame.before.clone(),
            in_segment(asked, frame.question_segment),
            frame.between.clone(),
            in_segment(shown, frame.passage_segment),
            frame.after.clone(),
        ]
        .concat();
        let (token_ids, mut token_types): (Vec<u32>, Vec<u32>) = tokens.into_iter().unzip();
        if !self.has_segments {
            token_types.fill(0);
        }
        Window {
            question,
            token_ids,
            token_types,
            passage_start: frame.before.len() + asked.len() + frame.between.len(),
            offsets: passage.offsets[part.clone()].to_vec(),
            words: passage.words[part.clone()].to_vec(),
            first_token: part.start,
        }
    }
}
