//! The corners of Python's `str` and `re` that decide a score.
//!
//! The official scripts are Python, and three of their building blocks differ
//! from the Rust functions of the same name: `str.split()` knows four more
//! white-space characters, and `re`'s `\b` draws the line between words by
//! `str.isalnum()`, which takes `²` for a letter and a combining mark for none.

use unicode_general_category::{GeneralCategory as Category, get_general_category};

/// Whether `str.isspace()` holds for `character`.
///
/// Unicode white space plus the separators U+001C to U+001F, which Python
/// counts by their bidirectional class and Rust does not.
pub fn is_space(character: char) -> bool {
    character.is_whitespace() || ('\u{1c}'..='\u{1f}').contains(&character)
}

/// The parts `str.split()` yields: runs of non-space characters.
pub fn split(text: &str) -> impl Iterator<Item = &str> {
    text.split(is_space).filter(|part| !part.is_empty())
}

/// `str.lstrip()`.
pub fn left_strip(text: &str) -> &str {
    text.trim_start_matches(is_space)
}

/// Whether `re`'s `\w` matches `character` in a Unicode pattern: `str.isalnum()` or `_`.
///
/// That is every letter (general category `L*`) and every number (`N*`), but
/// no combining mark, unlike the `regex` crate's `\w`.
pub fn is_word(character: char) -> bool {
    if character.is_ascii() {
        return character.is_ascii_alphanumeric() || character == '_';
    }
    matches!(
        get_general_category(character),
        Category::UppercaseLetter
            | Category::LowercaseLetter
            | Category::TitlecaseLetter
            | Category::ModifierLetter
            | Category::OtherLetter
            | Category::DecimalNumber
            | Category::LetterNumber
            | Category::OtherNumber
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn splits_where_python_does() {
        // python3 -c 'print("a\x1cb\x1fc d\u00a0e\u3000f\u200bg".split())'
        let parts: Vec<_> = split("a\u{1c}b\u{1f}c d\u{a0}e\u{3000}f\u{200b}g").collect();
        assert_eq!(parts, ["a", "b", "c", "d", "e", "f\u{200b}g"]);
    }

    #[test]
    fn words_are_what_isalnum_says() {
        // python3 -c 'import re; print([bool(re.match(r"\w", c)) for c in "aé²½Ⅷ漢٣_Ⓐ\u0301\u093e-"])'
        let expected = [
            true, true, true, true, true, true, true, true, false, false, false, false,
        ];
        for (character, expected) in "aé²½Ⅷ漢٣_Ⓐ\u{301}\u{93e}-".chars().zip(expected) {
            assert_eq!(is_word(character), expected, "{character:?}");
        }
    }
}
