//! Tokens, places and sentences of passages.

use std::ops::Range;

use unicode_normalization::char::{canonical_combining_class, decompose_compatible};
use unicode_segmentation::UnicodeSegmentation;

use crate::python;
use crate::unicode::is_chinese;

/// The combining class of signs such as the Devanagari virama, which joins consonants.
const VIRAMA: u8 = 9;

/// Parts between white space (Python's `str.split()`), where each Chinese
/// character is a part of its own, as BERT's tokenizers have it.
pub(super) fn tokens(text: &str) -> impl Iterator<Item = &str> {
    python::split(text).flat_map(|part| {
        let mut rest = part;
        std::iter::from_fn(move || {
            let first = rest.chars().next()?;
            let end = if is_chinese(first) {
                first.len_utf8()
            } else {
                rest.find(is_chinese).unwrap_or(rest.len())
            };
            let (token, after) = rest.split_at(end);
            rest = after;
            Some(token)
        })
    })
}

/// A token as it is counted: in lower case and without what is neither letter
/// nor digit at its ends; nothing where that is all of it.
pub(super) fn word(token: &str) -> Option<String> {
    let word = token.trim_matches(|character: char| !character.is_alphanumeric());
    (!word.is_empty()).then(|| word.to_lowercase())
}

/// `text` after NFKD and case folding, and of that only letters, digits and
/// the signs that spell in Indic scripts.
///
/// Marks that are placed on a letter (combining class above 0: accents, Arabic
/// vowel points, the nukta) are dropped; dependent vowels and the virama of
/// the Indic scripts are letters in all but name and are kept.
pub(super) fn fold(text: &str) -> String {
    let mut folded = String::with_capacity(text.len());
    text.chars().for_each(|c| fold_character(c, &mut folded));
    folded
}

fn fold_character(character: char, folded: &mut String) {
    if character.is_ascii() {
        if character.is_ascii_alphanumeric() {
            folded.push(character.to_ascii_lowercase());
        }
        return;
    }
    decompose_compatible(character, |part| {
        // Lower, upper and lower case again is Unicode's full case folding up to a
        // one-to-one change of letters, but that the dotless ı becomes i.
        let lower = part.to_lowercase().flat_map(char::to_uppercase);
        let letters = lower.flat_map(char::to_lowercase);
        folded.extend(letters.filter(|&letter| {
            let class = canonical_combining_class(letter);
            class == VIRAMA || (class == 0 && letter.is_alphanumeric())
        }));
    });
}

/// Where `answer` stands in `passage`, in bytes: literally (white space at its
/// ends aside), or, where that is nowhere, after [`fold`]. Places that begin or
/// end within a word count only where there are no others.
pub(super) fn occurrences(passage: &str, answer: &str) -> Vec<Range<usize>> {
    let answer = answer.trim();
    if answer.is_empty() {
        return Vec::new();
    }
    let literal: Vec<_> = passage
        .match_indices(answer)
        .map(|(start, found)| start..start + found.len())
        .collect();
    let places = if literal.is_empty() {
        folded_occurrences(passage, &fold(answer))
    } else {
        literal
    };
    let (whole, within): (Vec<_>, Vec<_>) = places
        .into_iter()
        .partition(|place| !parts_word(passage, place.start) && !parts_word(passage, place.end));
    if whole.is_empty() { within } else { whole }
}

/// Whether a letter or digit stands on both sides of `byte`. Chinese characters are words each.
fn parts_word(text: &str, byte: usize) -> bool {
    let spells = |c: Option<char>| c.is_some_and(|c| c.is_alphanumeric() && !is_chinese(c));
    let (before, after) = text.split_at(byte);
    spells(before.chars().next_back()) && spells(after.chars().next())
}

fn folded_occurrences(passage: &str, answer: &str) -> Vec<Range<usize>> {
    if answer.is_empty() {
        return Vec::new();
    }
    let mut folded = String::with_capacity(passage.len());
    // Of each character that leaves something: where that begins, and its own bytes.
    let mut sources: Vec<(usize, Range<usize>)> = Vec::with_capacity(passage.len());
    for (byte, character) in passage.char_indices() {
        let before = folded.len();
        fold_character(character, &mut folded);
        if folded.len() > before {
            sources.push((before, byte..byte + character.len_utf8()));
        }
    }
    let source = |byte: usize| {
        let after = sources.partition_point(|(begin, _)| *begin <= byte);
        &sources[after - 1].1
    };
    folded
        .match_indices(answer)
        .map(|(start, found)| source(start).start..source(start + found.len() - 1).end)
        .collect()
}

/// The byte at which code point number `index` begins; the end of the text for
/// the number after the last, and nothing beyond.
pub(super) fn byte_of(text: &str, index: usize) -> Option<usize> {
    if text.is_ascii() {
        return (index <= text.len()).then_some(index);
    }
    let bytes = text.char_indices().map(|(byte, _)| byte);
    bytes.chain([text.len()]).nth(index)
}

/// Where the sentences of a text begin.
///
/// Sentences are those of UAX #29 (Unicode Text Segmentation): they end after
/// `.`, `!`, `?`, `।`, `。`, `؟` and their like with the closing quotes and
/// spaces that follow, and after line breaks; not after a full stop that lower case
/// follows. An abbreviation before a capital (`Mr. Smith`) ends one as well.
pub(super) struct Sentences {
    starts: Vec<usize>,
}

impl Sentences {
    /// The sentences of `text`.
    pub(super) fn of(text: &str) -> Self {
        let sentences = text.split_sentence_bound_indices();
        Self {
            starts: sentences.map(|(start, _)| start).collect(),
        }
    }

    /// Whether some sentence holds a part of both places.
    pub(super) fn share(&self, a: &Range<usize>, b: &Range<usize>) -> bool {
        let sentence = |byte| self.starts.partition_point(|start| *start <= byte);
        let last = |place: &Range<usize>| sentence(place.end.saturating_sub(1).max(place.start));
        sentence(a.start) <= last(b) && sentence(b.start) <= last(a)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_are_parts_between_spaces_and_chinese_characters() {
        let found: Vec<_> = tokens(" In  1990,北京a市 x").collect();
        assert_eq!(found, ["In", "1990,", "北", "京", "a", "市", "x"]);
        assert_eq!(word("(1990),"), Some("1990".to_owned()));
        assert_eq!(word("Élan’s"), Some("élan’s".to_owned()));
        assert_eq!(word("—"), None);
    }

    #[test]
    fn places_are_found_literally_first() {
        for (passage, answer, expected) in [
            ("on On on", " on ", &[(0, 2), (6, 8)][..]),
            ("Ärzte (10–3) x", "ärzte 10-3", &[(0, 14)]),
            ("a ﬁne day", "fin", &[(2, 6)]),
            ("abc", "...", &[]),
            ("Theodore said he", "he", &[(14, 16)]),
            ("art in Martin", "Art", &[(0, 3)]),
            ("unmarried", "marri", &[(2, 7)]),
            ("他们来了", "们来", &[(3, 9)]),
            ("", "a", &[]),
        ] {
            let found = occurrences(passage, answer).into_iter();
            let found: Vec<_> = found.map(|place| (place.start, place.end)).collect();
            assert_eq!(found, expected, "{passage}");
        }
    }

    #[test]
    fn code_points_have_bytes() {
        assert_eq!(
            [0, 1, 2, 3].map(|i| byte_of("né", i)),
            [Some(0), Some(1), Some(3), None]
        );
        assert_eq!([2, 3].map(|i| byte_of("ab", i)), [Some(2), None]);
    }

    #[test]
    fn sentences_end_in_seven_languages() {
        for (passage, a, b, same) in [
            ("It cost 3.5 million. He paid.", "cost", "million", true),
            ("It cost 3.5 million. He paid.", "cost", "He", false),
            ("He said “no.” She left.", "no", "She", false),
            ("¿Qué? ¡Sí! Vale", "Sí", "Vale", false),
            ("Am 3. mai kam er. Dann ging er.", "Am", "kam", true),
            ("Tại sao? Vì nó.", "sao", "nó", false),
            ("他来了。她走了。", "他", "她", false),
            ("他来了，她走了。", "他", "她", true),
            ("متى جاء؟ جاء أمس.", "متى", "أمس", false),
            ("वह आया। वह गया।", "आया", "गया", false),
            ("one\ntwo", "one", "two", false),
        ] {
            let place = |text| occurrences(passage, text)[0].clone();
            assert_eq!(
                Sentences::of(passage).share(&place(a), &place(b)),
                same,
                "{passage}"
            );
            assert_eq!(
                Sentences::of(passage).share(&place(b), &place(a)),
                same,
                "{passage}"
            );
        }
    }
}
