//! The words of a passage, as the google decoder's scripts split it.

/// A stretch of a passage between white space.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Word<'a> {
    /// The word.
    pub text: &'a str,
    /// Its first code point in the passage.
    pub start: u32,
    /// Its past-the-end code point.
    pub end: u32,
}

/// Splits a passage at space, tab, line feed, carriage return and U+202F, and at
/// no other white space (`read_squad_examples` in BERT's `run_squad.py`).
pub fn split(passage: &str) -> Vec<Word<'_>> {
    let is_space = |c: char| matches!(c, ' ' | '\t' | '\r' | '\n' | '\u{202f}');
    let mut words = Vec::new();
    let mut position = 0;
    for text in passage.split(is_space) {
        let length = u32::try_from(text.chars().count())
            .expect("OK because a passage of 4 billion characters fits no memory here");
        if length > 0 {
            words.push(Word {
                text,
                start: position,
                end: position + length,
            });
        }
        position += length + 1;
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_stand_between_the_five_characters() {
        let words = split(" né\u{202f}à\t\r\nb\u{a0}c ");
        let found: Vec<_> = words.iter().map(|w| (w.text, w.start, w.end)).collect();
        assert_eq!(found, [("né", 1, 3), ("à", 4, 5), ("b\u{a0}c", 8, 11)]);
        assert_eq!(split(" \n "), []);
    }
}
