//! The corners of Python's `str` and `re` that decide a score.
//!
//! The official scripts are Python, and their building blocks differ from the
//! Rust functions of the same name: `str.split()` knows four more white-space
//! characters, `re`'s `\b` draws the line between words by `str.isalnum()`,
//! which takes `²` for a letter and a combining mark for none, and every
//! Python has the Unicode of its release built in.
//!
//! # Which Unicode
//!
//! Scores depend on it: a character assigned later is unassigned to an older
//! Python, so it is no letter, no punctuation, has no lower case, and does not
//! count where a final sigma is looked for. Here everything is as in
//! **CPython 3.11, which knows Unicode 14.0**, whatever Rust and its crates
//! know: the code points unassigned in 14.0 are a table, and for all others
//! the later versions agree with 14.0 in what is asked here, but for two letters
//! beside a sigma (tests/normalize.rs compares every code point with Python's answers).
//!
//! Python 3.12 (Unicode 15.0), 3.13 (15.1) and 3.14 (16.0) score differently
//! only text with characters assigned since 14.0: letters of scripts such as
//! Kawi, Nag Mundari, Garay or Todhri become words, ideographs of CJK
//! extensions H and I too, their punctuation is dropped by the MLQA script,
//! and capitals such as U+1C89 are lowered. Of older characters they change
//! one, in one respect: after a letter with U+1171E, an Ahom sign, Python 3.14
//! lowers a sigma otherwise.

mod unassigned;

use unicode_general_category::{GeneralCategory as Category, get_general_category};

use unassigned::UNASSIGNED;

/// Characters that a version after 14.0 sees otherwise where a final sigma is
/// looked for, each with one that is still seen so: U+0295 had case until
/// 17.0, and U+1171E was a non-spacing mark, which is skipped, until 16.0.
const RECLASSIFIED: [(char, char); 2] = [('\u{295}', '\u{296}'), ('\u{1171e}', '\u{1171d}')];

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
        category(character),
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

/// Whether `unicodedata.category()` of `character` begins with `P`.
pub fn is_punctuation(character: char) -> bool {
    matches!(
        category(character),
        Category::ConnectorPunctuation
            | Category::DashPunctuation
            | Category::OpenPunctuation
            | Category::ClosePunctuation
            | Category::InitialPunctuation
            | Category::FinalPunctuation
            | Category::OtherPunctuation
    )
}

/// `str.lower()`.
///
/// Rust's and Python's are the same algorithm, down to the final sigma, on
/// tables of different Unicode versions. What is unassigned in Python's has
/// no lower case and ends the search for a neighbour of a sigma, as a text's
/// end does: so the pieces between such characters are lowered one by one.
pub fn lower(text: &str) -> String {
    if text.is_ascii() {
        return text.to_ascii_lowercase();
    }
    let mut lowered = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find(is_unassigned) {
        let (piece, after) = rest.split_at(at);
        lower_piece(piece, &mut lowered);
        let mut after = after.chars();
        lowered.extend(after.next());
        rest = after.as_str();
    }
    lower_piece(rest, &mut lowered);
    lowered
}

/// Lower-cases text without unassigned characters.
fn lower_piece(piece: &str, lowered: &mut String) {
    if !piece.contains(RECLASSIFIED.map(|(character, _)| character)) {
        lowered.push_str(&piece.to_lowercase());
        return;
    }
    let substituted = piece.chars().map(|character| {
        let pair = RECLASSIFIED.iter().find(|pair| pair.0 == character);
        pair.map_or(character, |pair| pair.1)
    });
    let substituted: String = substituted.collect();
    // No capital becomes one of these, so they stand in the same order after lowering.
    let mut originals = piece.chars().filter(|character| {
        let mut pairs = RECLASSIFIED.iter();
        pairs.any(|pair| pair.0 == *character || pair.1 == *character)
    });
    lowered.extend(substituted.to_lowercase().chars().map(|character| {
        let substitute = RECLASSIFIED.iter().any(|pair| pair.1 == character);
        let original = substitute.then(|| originals.next()).flatten();
        original.unwrap_or(character)
    }));
}

/// The general category in Unicode 14.0.
fn category(character: char) -> Category {
    if is_unassigned(character) {
        return Category::Unassigned;
    }
    get_general_category(character)
}

/// Whether Unicode 14.0 has no character at this code point.
fn is_unassigned(character: char) -> bool {
    let code = u32::from(character);
    // Ranges begin at even indices, so an odd number of boundaries lies at or below what is inside.
    code >= UNASSIGNED[0] && UNASSIGNED.partition_point(|boundary| *boundary <= code) % 2 == 1
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

    #[test]
    fn characters_of_later_unicode_versions_are_unassigned() {
        // python3.11 -c 'print("AΣ\u1c89 AΣ\u0897B AΣ\u0301B".lower())'
        let text = "AΣ\u{1c89} AΣ\u{897}B AΣ\u{301}B";
        assert_eq!(lower(text), "aς\u{1c89} aς\u{897}b aσ\u{301}b");
        assert!(!is_word('\u{1c89}') && !is_punctuation('\u{11f43}'));
    }
}
