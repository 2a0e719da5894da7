//! `normalize_answer` of the official SQuAD scripts, shared by v1.1 and v2.0.

use crate::python;

/// Lower-cases, drops ASCII punctuation, blanks the articles *a*, *an* and
/// *the*, and collapses white space, in that order.
///
/// Source: `normalize_answer` in `evaluate-v1.1.py` and `evaluate-v2.0.py`.
pub fn normalize_answer(text: &str) -> String {
    let lowered = text.to_lowercase();
    let without_punctuation: String = lowered
        .chars()
        .filter(|character| !character.is_ascii_punctuation())
        .collect();
    let without_articles = blank_articles(&without_punctuation);
    let mut normalized = String::with_capacity(without_articles.len());
    for part in python::split(&without_articles) {
        if !normalized.is_empty() {
            normalized.push(' ');
        }
        normalized.push_str(part);
    }
    normalized
}

/// `re.sub(r'\b(a|an|the)\b', ' ', text)`.
///
/// An article is a whole run of word characters, so one pass over the runs
/// does what the pattern does.
fn blank_articles(text: &str) -> String {
    let mut blanked = String::with_capacity(text.len());
    let mut rest = text;
    while !rest.is_empty() {
        let word_end = rest
            .find(|character| !python::is_word(character))
            .unwrap_or(rest.len());
        let (word, after) = rest.split_at(word_end);
        blanked.push_str(if matches!(word, "a" | "an" | "the") {
            " "
        } else {
            word
        });
        let gap_end = after.find(python::is_word).unwrap_or(after.len());
        let (gap, next) = after.split_at(gap_end);
        blanked.push_str(gap);
        rest = next;
    }
    blanked
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Each expectation is what `evaluate-v2.0.py` returns under CPython 3.11;
    /// `tests/goldens/make_score.py` makes the larger set of tests/score.rs.
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
