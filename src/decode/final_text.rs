//! Tokens' text back to the text of the passage (`get_final_text`).

use super::BasicTokenizer;

/// The part of `original` that `predicted`, the text of tokens, stands for; all
/// of `original` where it cannot be told.
///
/// Both are compared without spaces after [`BasicTokenizer`] has split
/// `original`: `predicted` is looked for there, and where splitting kept the
/// number of characters, the k-th of one is the k-th of the other.
///
/// Source: `get_final_text` in BERT's `run_squad.py`, which transformers'
/// `squad_metrics.py` shares.
pub fn final_text(predicted: &str, original: &str, tokenizer: BasicTokenizer) -> String {
    aligned(predicted, original, tokenizer).unwrap_or_else(|| original.to_owned())
}

fn aligned(predicted: &str, original: &str, tokenizer: BasicTokenizer) -> Option<String> {
    let split = tokenizer.tokenize_joined(original);
    let found = split.find(predicted)?;
    let start = split[..found].chars().count();
    // An empty text ends before it starts, and nothing stands there.
    let end = (start + predicted.chars().count()).checked_sub(1)?;

    let original: Vec<char> = original.chars().collect();
    let positions = |characters: &mut dyn Iterator<Item = char>| -> Vec<usize> {
        let characters = characters.enumerate();
        let visible = characters.filter(|&(_, character)| character != ' ');
        visible.map(|(position, _)| position).collect()
    };
    let in_original = positions(&mut original.iter().copied());
    let in_split = positions(&mut split.chars());
    if in_original.len() != in_split.len() {
        return None;
    }
    let project = |position: usize| {
        let rank = in_split.binary_search(&position).ok()?;
        Some(in_original[rank])
    };
    let (first, last) = (project(start)?, project(end)?);
    original.get(first..=last).map(|part| part.iter().collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The golden strings are in tests/decoders.rs.
    #[test]
    fn what_surrounds_the_prediction_is_cut_off() {
        let uncased = BasicTokenizer {
            lower_case: true,
            transformers: false,
        };
        let text = |predicted, original| final_text(predicted, original, uncased);
        assert_eq!(text("steve smith", "Steve Smith's"), "Steve Smith");
        assert_eq!(text("zoe", "(Zoë),"), "Zoë");
        // Not found, and a ligature more: all of it.
        assert_eq!(text("smythe", "Steve Smith's"), "Steve Smith's");
        assert_eq!(text("", "Steve"), "Steve");
        assert_eq!(text("a", "a\u{ad}b c"), "a\u{ad}b c");
    }
}
