//! Decoding as `run_squad.py` of BERT does it (`write_predictions`), which MLPerf
//! took over, and which earlier versions of Hugging Face transformers extended to
//! other tokenisers (`compute_predictions_logits` in `squad_metrics.py`).
//!
//! Where the two differ, BERT's script is followed for WordPiece tokenisers and
//! transformers for all others:
//!
//! - WordPiece tokens are joined by spaces and every `##` is dropped, also that of
//!   a span which begins within a word. (transformers' tokenisers keep that one, so
//!   that such a span becomes its whole words; the Rust-backed ones also tidy the
//!   spaces around punctuation, and then most spans with punctuation do.)
//! - [`BasicTokenizer`] composes characters, and drops unassigned and private-use
//!   ones, only for other tokenisers.
//! - Where nothing but "no answer" is among the n best, transformers takes `empty`
//!   with a score of 0 for the best span, and so does this; BERT's script fails.
//!
//! Two things are as neither has them. Windows are not padded, so that padded
//! positions take no places among the n best starts and ends. And where two
//! separators stand between question and passage, the passage's tokens are where
//! they are: transformers knows that of RoBERTa, CamemBERT and MPNet only, and for
//! XLM-RoBERTa looks for each token's word one token too far left.

use super::{Answer, AnswerOrigin, BasicTokenizer, DecodeSettings, WindowLogits, final_text};
use crate::dataset::characters::CharacterIndex;
use crate::python;
use crate::tokenizer::detokenizer::Detokenizer;
use crate::windows::words::{self, Word};

/// The answer given where no span is allowed at all.
const NO_CANDIDATE: &str = "empty";

/// A span of a window that may be the answer.
struct Candidate {
    /// Index of the window.
    window: usize,
    /// First and last position in it.
    span: (usize, usize),
    /// Start and end logit; the script's numbers are Python's, so f64.
    logits: (f64, f64),
}

impl Candidate {
    fn score(&self) -> f64 {
        self.logits.0 + self.logits.1
    }
}

/// Chooses the answer to one question from the logits of its windows, which are
/// cut for [`super::Decoder::Google`].
///
/// Of each window the `n_best` starts and ends are paired; pairs are dropped that
/// leave the passage, run backwards, are longer than `max_answer_len` tokens, or
/// whose start has more context in another window. The best score wins, and its
/// tokens' text is aligned with the words they are part of ([`final_text`]). The
/// null score is the smallest over the windows of the two logits at position 0.
pub fn answer(
    passage: &CharacterIndex<'_>,
    detokenizer: &Detokenizer<'_>,
    windows: &[WindowLogits<'_>],
    settings: &DecodeSettings,
) -> Answer {
    let mut candidates = Vec::new();
    let mut null: Option<f64> = None;
    for (index, logits) in windows.iter().enumerate() {
        let score = f64::from(logits.start[0]) + f64::from(logits.end[0]);
        // "Smaller than", so that the first of equals stays, as in the script.
        if null.is_none_or(|least| score < least) {
            null = Some(score);
        }
        collect(windows, index, settings, &mut candidates);
    }
    let null = null.filter(|_| settings.null_allowed);
    // Stable, so that equals keep the order of windows, starts and ends.
    candidates.sort_by(|a, b| b.score().total_cmp(&a.score()));

    let texts = Texts::new(passage, detokenizer, windows);
    // With an n-best list of one, the null answer leaves no room for a span.
    let crowded_out =
        |best: &&Candidate| settings.n_best == 1 && null.is_some_and(|null| null > best.score());
    let best = candidates.first().filter(|best| !crowded_out(best));
    let best_text = best.map_or_else(|| NO_CANDIDATE.to_owned(), |best| texts.text(best));
    let best_score = best.map_or(0.0, Candidate::score);
    let other = candidates.iter().find(|c| texts.text(c) != best_text);
    let logits = best.map_or((0.0, 0.0), |best| best.logits);
    let null_odds = null.map(|null| (null - logits.0 - logits.1) as f32);
    let is_null = null_odds.is_some_and(|odds| odds > settings.null_threshold);
    let (score, text, origin) = match null {
        Some(null) if is_null => (null, String::new(), AnswerOrigin::Null),
        _ => (best_score, best_text.clone(), texts.origin(best)),
    };
    Answer {
        text,
        best_span: best_text,
        score: score as f32,
        margin: other.map(|other| (best_score - other.score()) as f32),
        null_odds,
        origin,
    }
}

/// Adds the candidates of one window.
fn collect(
    windows: &[WindowLogits<'_>],
    index: usize,
    settings: &DecodeSettings,
    candidates: &mut Vec<Candidate>,
) {
    let WindowLogits { window, start, end } = windows[index];
    let ends = best_positions(end, settings.n_best);
    for first in best_positions(start, settings.n_best) {
        if window.offset(first).is_none() || !has_most_context(windows, index, first) {
            continue;
        }
        for &last in &ends {
            let length = (last + 1).saturating_sub(first);
            if window.offset(last).is_none() || length == 0 || length > settings.max_answer_len {
                continue;
            }
            candidates.push(Candidate {
                window: index,
                span: (first, last),
                logits: (f64::from(start[first]), f64::from(end[last])),
            });
        }
    }
}

/// Positions of the `count` largest logits, the largest first, the earlier position first among equals.
fn best_positions(logits: &[f32], count: usize) -> Vec<usize> {
    let mut positions: Vec<usize> = (0..logits.len()).collect();
    positions.sort_by(|&a, &b| logits[b].total_cmp(&logits[a]));
    positions.truncate(count);
    positions
}

/// Whether no window shows the token at `position` of window `index` with more context
/// on its poorer side (and none before it with as much).
///
/// Windows' lengths weigh a little: a full one is better than a short last one.
fn has_most_context(windows: &[WindowLogits<'_>], index: usize, position: usize) -> bool {
    let window = windows[index].window;
    let token = window.first_token + position - window.passage_start;
    let mut best: Option<(f64, usize)> = None;
    for (other, logits) in windows.iter().enumerate() {
        let (first, length) = (logits.window.first_token, logits.window.offsets.len());
        if !(first..first + length).contains(&token) {
            continue;
        }
        let context = (token - first).min(first + length - 1 - token);
        let score = context as f64 + 0.01 * length as f64;
        if best.is_none_or(|(most, _)| score > most) {
            best = Some((score, other));
        }
    }
    best.is_some_and(|(_, other)| other == index)
}

/// What turns candidates into text.
struct Texts<'a> {
    words: Vec<Word<'a>>,
    windows: &'a [WindowLogits<'a>],
    detokenizer: &'a Detokenizer<'a>,
    tokenizer: BasicTokenizer,
}

impl<'a> Texts<'a> {
    fn new(
        passage: &CharacterIndex<'a>,
        detokenizer: &'a Detokenizer<'a>,
        windows: &'a [WindowLogits<'a>],
    ) -> Self {
        Self {
            words: words::split(passage.text()),
            windows,
            detokenizer,
            tokenizer: BasicTokenizer {
                lower_case: detokenizer.lower_case(),
                transformers: !detokenizer.is_word_piece(),
            },
        }
    }

    /// The words that a candidate's first to last token are part of.
    fn words(&self, candidate: &Candidate) -> &[Word<'a>] {
        let window = self.windows[candidate.window].window;
        let word = |position: usize| -> Option<usize> {
            let word = *window.words.get(position - window.passage_start)?;
            word.map(|word| word as usize)
        };
        let (first, last) = candidate.span;
        let range = word(first).zip(word(last));
        let words = range.and_then(|(first, last)| self.words.get(first..=last));
        words.expect("OK because each token of these windows has its word, in the passage's order")
    }

    fn text(&self, candidate: &Candidate) -> String {
        let window = self.windows[candidate.window].window;
        let (first, last) = candidate.span;
        let predicted = self.detokenizer.text(&window.token_ids[first..=last]);
        let predicted = python::split(&predicted).collect::<Vec<_>>().join(" ");
        let words: Vec<_> = self.words(candidate).iter().map(|word| word.text).collect();
        final_text(&predicted, &words.join(" "), self.tokenizer)
    }

    fn origin(&self, best: Option<&Candidate>) -> AnswerOrigin {
        let Some(best) = best else {
            return AnswerOrigin::NoCandidate;
        };
        let words = self.words(best);
        match words.first().zip(words.last()) {
            Some((first, last)) => AnswerOrigin::Span {
                start: first.start,
                end: last.end,
                window: best.window,
            },
            None => AnswerOrigin::NoCandidate,
        }
    }
}
