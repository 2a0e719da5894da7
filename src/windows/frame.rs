//! The special tokens around question and passage.

use tokenizers::Encoding;

/// A token id with its segment id.
type Token = (u32, u32);

/// What a tokeniser puts around and between question and passage.
pub(super) struct Frame {
    pub before: Vec<Token>,
    pub between: Vec<Token>,
    pub after: Vec<Token>,
    /// Segment of the question's tokens.
    pub question_segment: u32,
    /// Segment of the passage's tokens.
    pub passage_segment: u32,
}

impl Frame {
    /// The special tokens of an encoded pair, neither part of which is empty.
    pub fn of(pair: &Encoding) -> Self {
        let sequences = pair.get_sequence_ids();
        let mut frame = Self {
            before: Vec::new(),
            between: Vec::new(),
            after: Vec::new(),
            question_segment: 0,
            passage_segment: 0,
        };
        let mut special = &mut frame.before;
        let tokens = pair.get_ids().iter().zip(pair.get_type_ids());
        for ((&id, &segment), sequence) in tokens.zip(sequences) {
            match sequence {
                None => special.push((id, segment)),
                Some(0) => {
                    frame.question_segment = segment;
                    special = &mut frame.between;
                }
                Some(_) => {
                    frame.passage_segment = segment;
                    special = &mut frame.after;
                }
            }
        }
        frame
    }

    /// The number of special tokens.
    pub fn len(&self) -> usize {
        self.before.len() + self.between.len() + self.after.len()
    }
}
