//! BERT's splitting of text into words and punctuation (`BasicTokenizer`), by
//! which the google decoder aligns tokens with the passage.

use tokenizers::NormalizedString;
use unicode_general_category::{GeneralCategory as Category, get_general_category};

use crate::python;
use crate::unicode::is_chinese;

/// The `BasicTokenizer` of BERT's `tokenization.py`, or that of transformers.
///
/// Unicode's categories and decompositions are those of this program's
/// libraries; the scripts take those of the Python they run under.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BasicTokenizer {
    /// Whether words are lower-cased and lose their accents.
    pub lower_case: bool,
    /// Whether transformers' class is followed, which composes characters (NFC)
    /// first and drops unassigned and private-use characters too.
    pub transformers: bool,
}

impl BasicTokenizer {
    /// The words and punctuation marks of `text`, joined by single spaces.
    pub fn tokenize_joined(self, text: &str) -> String {
        let mut spaced = String::with_capacity(text.len() + 16);
        for character in text.chars().filter(|&c| !self.is_dropped(c)) {
            if is_space(character) {
                spaced.push(' ');
            } else if is_chinese(character) {
                spaced.extend([' ', character, ' ']);
            } else {
                spaced.push(character);
            }
        }
        if self.transformers && !spaced.is_ascii() {
            let mut composed = NormalizedString::from(spaced.as_str());
            composed.nfc();
            composed.get().clone_into(&mut spaced);
        }
        let mut split = String::with_capacity(spaced.len() + 16);
        for word in python::split(&spaced) {
            let word = self.fold(word);
            for character in word.chars() {
                if is_punctuation(character) {
                    split.extend([' ', character, ' ']);
                } else {
                    split.push(character);
                }
            }
            split.push(' ');
        }
        // Lower-casing and decomposing may bring forth white space.
        python::split(&split).collect::<Vec<_>>().join(" ")
    }

    /// Control characters, the null and the replacement character.
    fn is_dropped(self, character: char) -> bool {
        match character {
            '\t' | '\n' | '\r' => false,
            '\0' | '\u{fffd}' => true,
            _ => match get_general_category(character) {
                Category::Control | Category::Format => true,
                Category::Unassigned | Category::PrivateUse => self.transformers,
                _ => false,
            },
        }
    }

    /// Lower case without accents: NFD less the non-spacing marks.
    fn fold(self, word: &str) -> String {
        if !self.lower_case {
            return word.to_owned();
        }
        let lowered = word.to_lowercase();
        if lowered.is_ascii() {
            return lowered;
        }
        let mut decomposed = NormalizedString::from(lowered);
        decomposed.nfd();
        let characters = decomposed.get().chars();
        characters
            .filter(|&c| get_general_category(c) != Category::NonspacingMark)
            .collect()
    }
}

fn is_space(character: char) -> bool {
    matches!(character, ' ' | '\t' | '\n' | '\r')
        || get_general_category(character) == Category::SpaceSeparator
}

/// Punctuation: all of ASCII that is neither letter nor number, and Unicode's `P` categories.
fn is_punctuation(character: char) -> bool {
    character.is_ascii_punctuation() || python::is_punctuation(character)
}
