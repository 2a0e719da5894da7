//! What a model is given to read at once.

/// One question with one stretch of its passage, as the model reads it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
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
    /// Index of the first passage token among all tokens of the passage.
    pub first_token: usize,
    /// The word that each passage token is part of: the tokeniser's own number
    /// of it for the pipeline, the index in [`super::words::split`] for google; empty for run_qa.
    pub words: Vec<Option<u32>>,
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

    /// First and past-the-end code point of the words that two passage tokens (counted
    /// in this window) are part of, as far as the window shows them; of the tokens
    /// themselves where one is part of no word. For windows that know their words.
    pub fn word_span(&self, first: usize, last: usize) -> (u32, u32) {
        let start_word = self.words[first];
        let end_word = self.words[last];
        let (mut from, mut to) = (first, last);
        if start_word.is_some() && end_word.is_some() {
            // A word's tokens stand together.
            let same = |word, other: &&Option<u32>| **other == word;
            from -= self.words[..first]
                .iter()
                .rev()
                .take_while(|w| same(start_word, w))
                .count();
            to += self.words[last + 1..]
                .iter()
                .take_while(|w| same(end_word, w))
                .count();
        }
        (self.offsets[from].0, self.offsets[to].1)
    }
}
