//! Whether a question's gold answer can be decoded from its windows at all.

use super::Window;
use crate::dataset::GoldAnswer;
use crate::dataset::characters::CharacterIndex;
use crate::decode::Decoder;

/// Whether some run of tokens is a gold answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reach {
    /// A window shows a run of tokens, not too long, whose text is a gold answer's.
    Reachable,
    /// No window shows all tokens of a gold answer, or they are more than an answer may have.
    CutOff,
    /// Windows show the tokens that cover a gold answer, and their text is another:
    /// it begins or ends within a token (for the pipeline, within a word).
    OffBoundary,
}

/// The tokens that cover a gold answer: the first, as counted in the passage, and how many.
struct Cover {
    first_token: usize,
    length: usize,
}

/// Tells whether any of `answers` could have been decoded from a question's windows.
///
/// For each answer the smallest run of tokens is looked at that covers the
/// characters at its offset; it reaches if it lies within one window, has at most
/// `max_answer_len` tokens, and its text normalises to that of any of the answers.
/// `decoder` is the one the windows were cut for: the pipeline's answers are widened
/// to words. Nothing is told where no answer says where it stands.
pub fn reach(
    passage: &CharacterIndex<'_>,
    windows: &[&Window],
    answers: &[GoldAnswer],
    decoder: Decoder,
    max_answer_len: usize,
    normalize: impl Fn(&str) -> String,
) -> Option<Reach> {
    let golds: Vec<String> = answers.iter().map(|gold| normalize(&gold.text)).collect();
    let mut found = None;
    for gold in answers {
        let Some(range) = characters(gold) else {
            continue;
        };
        let Some(cover) = cover(windows, range) else {
            // Characters that no token stands for, such as control characters.
            found = Some(Reach::OffBoundary);
            continue;
        };
        let holds = |window: &&&Window| {
            window.first_token <= cover.first_token
                && cover.first_token + cover.length <= window.first_token + window.offsets.len()
        };
        let mut holding = windows.iter().filter(holds).peekable();
        if cover.length > max_answer_len || holding.peek().is_none() {
            found = found.or(Some(Reach::CutOff));
            continue;
        }
        let is_gold = |window: &&Window| {
            let (start, end) = span(window, &cover, decoder);
            let text = passage.slice(start as usize, end as usize);
            text.is_some_and(|text| golds.contains(&normalize(text)))
        };
        if holding.any(is_gold) {
            return Some(Reach::Reachable);
        }
        found = Some(Reach::OffBoundary);
    }
    found
}

/// First and past-the-end code point of an answer without white space around it.
fn characters(gold: &GoldAnswer) -> Option<(u32, u32)> {
    let leading = gold.text.chars().take_while(|c| c.is_whitespace()).count();
    let start = u32::try_from(gold.start? + leading).ok()?;
    let length = u32::try_from(gold.text.trim().chars().count()).ok()?;
    Some((start, start.checked_add(length)?))
}

/// The tokens, over all windows, that stand for any of these characters.
fn cover(windows: &[&Window], (start, end): (u32, u32)) -> Option<Cover> {
    let tokens = windows.iter().flat_map(|window| {
        let offsets = window.offsets.iter().enumerate();
        offsets.map(|(token, &offset)| (window.first_token + token, offset))
    });
    let touching = tokens.filter(|&(_, (first, last))| first.max(start) < last.min(end));
    let ends = touching.fold(None, |ends: Option<(usize, usize)>, (token, _)| {
        let (least, most) = ends.unwrap_or((token, token));
        Some((least.min(token), most.max(token)))
    });
    ends.map(|(least, most)| Cover {
        first_token: least,
        length: most - least + 1,
    })
}

/// The characters of the covering tokens, or of their words, in a window that shows them.
fn span(window: &Window, cover: &Cover, decoder: Decoder) -> (u32, u32) {
    let first = cover.first_token - window.first_token;
    let last = first + cover.length - 1;
    match decoder {
        Decoder::Pipeline => window.word_span(first, last),
        Decoder::RunQa | Decoder::Google => (window.offsets[first].0, window.offsets[last].1),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PASSAGE: &str = "She saw Paris-Nice in 1843.";

    /// "She saw Par|is - Nice", "Nice in 1843 ." with "Paris" in two tokens.
    fn windows() -> [Window; 2] {
        let all = [
            (0, 3),
            (4, 7),
            (8, 11),
            (11, 13),
            (13, 14),
            (14, 18),
            (19, 21),
            (22, 26),
            (26, 27),
        ];
        let words = [0, 1, 2, 2, 3, 4, 5, 6, 7].map(Some);
        let window = |first: usize, past: usize| Window {
            first_token: first,
            offsets: all[first..past].to_vec(),
            words: words[first..past].to_vec(),
            ..Window::default()
        };
        [window(0, 6), window(5, 9)]
    }

    fn reach_of(
        golds: &[(&str, Option<usize>)],
        decoder: Decoder,
        longest: usize,
    ) -> Option<Reach> {
        let answers: Vec<GoldAnswer> = golds
            .iter()
            .map(|&(text, start)| GoldAnswer {
                text: text.to_owned(),
                start,
            })
            .collect();
        let windows = windows();
        let windows: Vec<&Window> = windows.iter().collect();
        let passage = CharacterIndex::new(PASSAGE);
        let lower = |text: &str| text.trim().to_lowercase();
        reach(&passage, &windows, &answers, decoder, longest, lower)
    }

    #[test]
    fn answers_within_a_window_are_reachable() {
        for gold in [
            ("Paris", 8),
            (" Paris ", 7),
            ("saw Paris", 4),
            ("in 1843", 19),
        ] {
            let found = reach_of(&[(gold.0, Some(gold.1))], Decoder::RunQa, 30);
            assert_eq!(found, Some(Reach::Reachable), "{gold:?}");
        }
    }

    #[test]
    fn answers_over_two_windows_or_too_long_are_cut_off() {
        let gold = [("Paris-Nice in", Some(8))];
        assert_eq!(reach_of(&gold, Decoder::RunQa, 30), Some(Reach::CutOff));
        let gold = [("saw Paris", Some(4))];
        assert_eq!(reach_of(&gold, Decoder::RunQa, 2), Some(Reach::CutOff));
        assert_eq!(reach_of(&gold, Decoder::RunQa, 3), Some(Reach::Reachable));
    }

    #[test]
    fn answers_within_a_token_are_off_its_boundary() {
        let gold = [("184", Some(22))];
        assert_eq!(
            reach_of(&gold, Decoder::Google, 30),
            Some(Reach::OffBoundary)
        );
        // A token of its own, and a part of a word only.
        let gold = [("Par", Some(8))];
        assert_eq!(reach_of(&gold, Decoder::RunQa, 30), Some(Reach::Reachable));
        assert_eq!(
            reach_of(&gold, Decoder::Pipeline, 30),
            Some(Reach::OffBoundary)
        );
        // No token stands for the space.
        let gold = [("", Some(3))];
        assert_eq!(
            reach_of(&gold, Decoder::RunQa, 30),
            Some(Reach::OffBoundary)
        );
    }

    #[test]
    fn the_best_of_several_answers_counts() {
        let cut_off = ("Paris-Nice in", Some(8));
        let off = ("184", Some(22));
        let both = reach_of(&[cut_off, off], Decoder::RunQa, 30);
        assert_eq!(both, Some(Reach::OffBoundary));
        let all = reach_of(&[cut_off, off, ("Nice", Some(14))], Decoder::RunQa, 30);
        assert_eq!(all, Some(Reach::Reachable));
        assert_eq!(reach_of(&[("Nice", None)], Decoder::RunQa, 30), None);
        assert_eq!(reach_of(&[], Decoder::RunQa, 30), None);
        // The offset is another place's, and what stands there is the other gold answer.
        let misplaced = [("Nice", Some(22)), ("1843", None)];
        assert_eq!(
            reach_of(&misplaced, Decoder::RunQa, 30),
            Some(Reach::Reachable)
        );
    }
}
