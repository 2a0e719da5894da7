//! `normalize_answer` of the official SQuAD scripts, and the steps it shares with MLQA's.

use crate::python;

/// Lower-cases, drops ASCII punctuation, blanks the articles *a*, *an* and
/// *the*, and collapses white space, in that order.
///
/// Source: `normalize_answer` in `evaluate-v1.1.py` and `evaluate-v2.0.py`.
pub fn normalize_answer(text: &str) -> String {
    let mut lowered = python::lower(text);
    lowered.retain(|character| !character.is_ascii_punctuation());
    let without_articles = blank_words(&lowered, |word| matches!(word, "a" | "an" | "the"));
    join(python::split(&without_articles))
}

/// `re.sub(r'\b(…|…)\b', ' ', text)`, where the alternatives are words.
///
/// Of word characters alone, such a match is a whole run of them, so one
/// pass over the runs does what the pattern does.
pub(super) fn blank_words(text: &str, is_article: impl Fn(&str) -> bool) -> String {
    let mut blanked = String::with_capacity(text.len());
    let mut rest = text;
    while !rest.is_empty() {
        let word_end = rest
            .find(|character| !python::is_word(character))
            .unwrap_or(rest.len());
        let (word, after) = rest.split_at(word_end);
        blanked.push_str(if is_article(word) { " " } else { word });
        let gap_end = after.find(python::is_word).unwrap_or(after.len());
        let (gap, next) = after.split_at(gap_end);
        blanked.push_str(gap);
        rest = next;
    }
    blanked
}

/// `' '.join(parts)`.
pub(super) fn join<'a>(parts: impl Iterator<Item = &'a str>) -> String {
    let mut joined = String::new();
    for part in parts {
        if !joined.is_empty() {
            joined.push(' ');
        }
        joined.push_str(part);
    }
    joined
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Each expectation is what `evaluate-v2.0.py` returns under CPython 3.11;
    /// tests/normalize.rs has the large set.
    #[test]
    fn agrees_with_the_script_on_awkward_text() {
        for (text, expected) in [
            ("The  Cat—a dog.", "cat— dog"),
            ("a²", "a²"),
            ("the\u{301} end", "\u{301} end"),
            ("AN an An's", "ans"),
            ("the_end a_ an", "theend"),
            ("İstanbul ΣΑΣ", "i\u{307}stanbul σας"),
            ("x\u{1c}y", "x y"),
            ("…", "…"),
            ("!?", ""),
            ("", ""),
        ] {
            assert_eq!(normalize_answer(text), expected, "{text:?}");
        }
    }
}
