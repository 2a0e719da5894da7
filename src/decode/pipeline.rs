//! Decoding as the question-answering pipeline of Hugging Face transformers does it
//! (`QuestionAnsweringPipeline` of version 4.57.3, the last one that has it).
//!
//! One answer is asked for, by a tokeniser of the tokenizers library, and answers
//! are aligned to words. The question is not stripped of leading white space. With
//! `null_allowed`, `handle_impossible_answer` is on.
//!
//! The arithmetic is NumPy's in f32 (on x86-64 with AVX2 or AVX-512), sums over windows in f64.
//! NumPy leaves the order of equal probabilities to its partition and sort, which
//! differ between processors; here the earlier start, then the earlier end comes first.
//! Spans whose probability is 0 in f32 are no candidates: the pipeline lets some in
//! where a window has fewer than twelve others, and they win only where there is nothing else.
//! A question that spells out the classification token has that token's
//! probability in the sum, as in the pipeline, but no answer begins there.

use super::{Answer, AnswerOrigin, DecodeSettings, WindowLogits, numpy};
use crate::dataset::characters::CharacterIndex;
use crate::windows::Window;

/// Candidates of a window: `top_k * 2 + 10` for the one answer asked for.
const CANDIDATES: usize = 12;

/// What stands for the logit of a token that is no part of the passage.
const MASKED: f32 = -10_000.0;

/// An answer with the probabilities of all spans that have its text, whatever their case.
struct Candidate<'a> {
    /// Summed in f64 over f32 probabilities, as Python does.
    score: f64,
    /// First and past-the-end code point of the first such span.
    offsets: (u32, u32),
    /// The window of that span.
    window: usize,
    text: &'a str,
    lowered: String,
}

/// Chooses the answer to one question from the logits of its windows, which are
/// cut for [`super::Decoder::Pipeline`].
///
/// In each window, starts and ends have probabilities by a softmax over the
/// passage's tokens and the first token, which stands for "no answer". The twelve
/// most probable spans of at most `max_answer_len` tokens are widened to whole
/// words, and those of one text, in any window, added up. The null score is the
/// smallest over the windows of the first token's two probabilities' product.
pub fn answer(
    passage: &CharacterIndex<'_>,
    windows: &[WindowLogits<'_>],
    settings: &DecodeSettings,
) -> Answer {
    let mut candidates: Vec<Candidate<'_>> = Vec::new();
    let mut null: Option<f64> = None;
    for (index, logits) in windows.iter().enumerate() {
        let mut start = probabilities(logits.window, logits.start);
        let mut end = probabilities(logits.window, logits.end);
        let score = f64::from(start[0] * end[0]);
        null = Some(null.map_or(score, |least| least.min(score)));
        (start[0], end[0]) = (0.0, 0.0);
        for (score, first, last) in best_spans(&start, &end, settings.max_answer_len) {
            // Other tokens than the passage's may be the classification token too.
            let window = logits.window;
            if window.offset(first).is_some() && window.offset(last).is_some() {
                let (first, last) = (first - window.passage_start, last - window.passage_start);
                let offsets = window.word_span(first, last);
                add(&mut candidates, passage, f64::from(score), offsets, index);
            }
        }
    }
    let null = null.filter(|_| settings.null_allowed);
    // Stable, so that equals keep the order in which they were found.
    candidates.sort_by(|a, b| b.score.total_cmp(&a.score));
    let best = candidates.first();
    let best_score = best.map_or(0.0, |best| best.score);
    let null_odds = null.map(|null| (null - best_score) as f32);
    let is_null = null_odds.is_some_and(|odds| odds > settings.null_threshold);
    let (score, text, origin) = match (null, best) {
        (Some(null), _) if is_null => (null, "", AnswerOrigin::Null),
        (_, Some(best)) => (best.score, best.text, origin(best)),
        (_, None) => (0.0, "", AnswerOrigin::NoCandidate),
    };
    Answer {
        text: text.to_owned(),
        best_span: best.map_or_else(String::new, |best| best.text.to_owned()),
        score: score as f32,
        margin: candidates
            .get(1)
            .map(|other| (best_score - other.score) as f32),
        null_odds,
        origin,
    }
}

fn origin(best: &Candidate<'_>) -> AnswerOrigin {
    let (start, end) = best.offsets;
    AnswerOrigin::Span {
        start,
        end: end.max(start),
        window: best.window,
    }
}

/// Softmax over the passage's tokens and those of the first token's id; 0 elsewhere.
fn probabilities(window: &Window, logits: &[f32]) -> Vec<f32> {
    let class = window.token_ids[0];
    let masked = |position: usize| {
        if window.offset(position).is_some() || window.token_ids[position] == class {
            logits[position]
        } else {
            MASKED
        }
    };
    let masked: Vec<f32> = (0..logits.len()).map(masked).collect();
    let largest = masked.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let exponentials: Vec<f32> = masked.iter().map(|x| numpy::exp(x - largest)).collect();
    let sum = numpy::sum(&exponentials);
    exponentials.into_iter().map(|x| x / sum).collect()
}

/// The most probable spans of a window: probability, first and last position, the
/// most probable first, the earlier one first among equals.
fn best_spans(start: &[f32], end: &[f32], max_answer_len: usize) -> Vec<(f32, usize, usize)> {
    let mut best: Vec<(f32, usize, usize)> = Vec::with_capacity(CANDIDATES + 1);
    for (first, &start) in start.iter().enumerate() {
        for (length, &end) in end[first..].iter().take(max_answer_len).enumerate() {
            let score = start * end;
            let worst = best.get(CANDIDATES - 1).map_or(0.0, |span| span.0);
            if score > worst {
                let at = best.partition_point(|span| span.0 >= score);
                best.insert(at, (score, first, first + length));
                best.truncate(CANDIDATES);
            }
        }
    }
    best
}

/// Adds to the answer of the same text, or as a new one.
fn add<'a>(
    candidates: &mut Vec<Candidate<'a>>,
    passage: &CharacterIndex<'a>,
    score: f64,
    offsets: (u32, u32),
    window: usize,
) {
    // Offsets that run backwards make an empty slice in Python too.
    let text = passage.slice(offsets.0 as usize, offsets.1 as usize);
    let text = text.unwrap_or_default();
    let lowered = text.to_lowercase();
    match candidates.iter_mut().find(|c| c.lowered == lowered) {
        Some(candidate) => candidate.score += score,
        None => candidates.push(Candidate {
            score,
            offsets,
            window,
            text,
            lowered,
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decode::Decoder;

    /// Passage "Red red green" after a question of one token; "green" is two tokens.
    fn window() -> Window {
        Window {
            token_ids: vec![1, 5, 2, 10, 10, 11, 12, 2],
            token_types: vec![0; 8],
            passage_start: 3,
            offsets: vec![(0, 3), (4, 7), (8, 10), (10, 13)],
            words: vec![Some(0), Some(1), Some(2), Some(2)],
            ..Window::default()
        }
    }

    fn decode(start: [f32; 8], end: [f32; 8], null_allowed: bool) -> Answer {
        let window = window();
        let logits = WindowLogits {
            window: &window,
            start: &start,
            end: &end,
        };
        let settings = DecodeSettings {
            null_allowed,
            ..DecodeSettings::new(Decoder::Pipeline)
        };
        answer(&CharacterIndex::new("Red red green"), &[logits], &settings)
    }

    #[test]
    fn a_part_of_a_word_stands_for_the_word() {
        let logits = [0.0, 9.0, 9.0, 0.0, 0.0, 0.0, 20.0, 9.0];
        let answer = decode(logits, logits, false);
        assert_eq!(answer.text, "green");
        assert_eq!(
            answer.origin,
            AnswerOrigin::Span {
                start: 8,
                end: 13,
                window: 0
            }
        );
        assert!((answer.score - 1.0).abs() < 1e-6, "{}", answer.score);
    }

    #[test]
    fn equal_texts_add_up_whatever_their_case() {
        // Both "red" have 0.15 less a little, "green" 0.2 or so: together they win.
        let logits = [-50.0, 0.0, 0.0, 1.0, 1.0, -50.0, 1.2, 0.0];
        let apart = decode(logits, logits, true);
        assert_eq!(apart.text, "Red");
        assert_eq!(
            apart.origin,
            AnswerOrigin::Span {
                start: 0,
                end: 3,
                window: 0
            }
        );
        assert!(apart.null_odds.unwrap() < 0.0);
    }

    #[test]
    fn the_first_token_stands_for_no_answer() {
        let logits = [3.0, 9.0, 9.0, 1.0, 0.0, 0.0, 0.0, 9.0];
        let answer = decode(logits, logits, true);
        assert_eq!(
            (answer.text.as_str(), answer.origin),
            ("", AnswerOrigin::Null)
        );
        assert!((answer.null_odds.unwrap() - (answer.score - 0.0)).abs() < 0.2);
        let answer = decode(logits, logits, false);
        assert_eq!((answer.text.as_str(), answer.null_odds), ("Red", None));
    }
}
