//! Decoding as `run_qa.py` of Hugging Face transformers does it (`postprocess_qa_predictions`).

use super::{Answer, AnswerOrigin, DecodeSettings, WindowLogits};
use crate::dataset::characters::CharacterIndex;

/// The answer run_qa gives where no span is allowed at all.
const NO_CANDIDATE: &str = "empty";

/// A span of the passage that may be the answer.
struct Candidate {
    /// Start logit plus end logit, added in f32 as NumPy does.
    score: f32,
    /// First and past-the-end code point in the passage.
    offsets: (u32, u32),
    /// Which of the windows it is from.
    window: usize,
}

/// Chooses the answer to one question from the logits of its windows.
///
/// Of each window the `n_best` starts and ends over all positions are paired,
/// then pairs are dropped that leave the passage, run backwards or are longer
/// than `max_answer_len` tokens. The best score wins, the earlier candidate
/// among equals. The null score is the smallest over the windows of the two
/// logits at position 0.
pub fn answer(
    passage: &CharacterIndex<'_>,
    windows: &[WindowLogits<'_>],
    settings: &DecodeSettings,
) -> Answer {
    let mut candidates = Vec::new();
    let mut null_score: Option<f32> = None;
    for (index, logits) in windows.iter().enumerate() {
        let null = logits.start[0] + logits.end[0];
        // "Smaller than", so that the first of equals stays, as in run_qa.
        if null_score.is_none_or(|least| null < least) {
            null_score = Some(null);
        }
        collect(logits, index, settings, &mut candidates);
    }
    // Stable, so that equals keep the order of windows, starts and ends.
    candidates.sort_by(|a, b| b.score.total_cmp(&a.score));
    let text_of = |candidate: &Candidate| {
        let (start, end) = candidate.offsets;
        // Offsets that run backwards make an empty slice in Python too.
        let text = passage.slice(start as usize, end as usize);
        text.unwrap_or_default()
    };
    // With "no answer" allowed, run_qa passes over spans of no text: they would read as null.
    let best = candidates
        .iter()
        .find(|candidate| !settings.null_allowed || !text_of(candidate).is_empty());
    let (best_score, best_text) =
        best.map_or((0.0, NO_CANDIDATE), |best| (best.score, text_of(best)));
    let other = candidates.iter().find(|c| text_of(c) != best_text);
    let null_score = null_score.filter(|_| settings.null_allowed);
    let null_odds = null_score.map(|null| null - best_score);
    let (score, text, origin) = match null_score {
        Some(null) if null - best_score > settings.null_threshold => (null, "", AnswerOrigin::Null),
        _ => (best_score, best_text, origin_of(best)),
    };
    Answer {
        text: text.to_owned(),
        best_span: best_text.to_owned(),
        score,
        margin: other.map(|other| best_score - other.score),
        null_odds,
        origin,
    }
}

fn origin_of(best: Option<&Candidate>) -> AnswerOrigin {
    best.map_or(AnswerOrigin::NoCandidate, |best| {
        let (start, end) = best.offsets;
        AnswerOrigin::Span {
            start,
            end: end.max(start),
            window: best.window,
        }
    })
}

/// Adds the candidates of one window.
fn collect(
    logits: &WindowLogits<'_>,
    window: usize,
    settings: &DecodeSettings,
    candidates: &mut Vec<Candidate>,
) {
    let ends = best_positions(logits.end, settings.n_best);
    for start in best_positions(logits.start, settings.n_best) {
        let Some((first, _)) = logits.window.offset(start) else {
            continue;
        };
        for &end in &ends {
            let Some((_, last)) = logits.window.offset(end) else {
                continue;
            };
            if end < start || end - start + 1 > settings.max_answer_len {
                continue;
            }
            candidates.push(Candidate {
                score: logits.start[start] + logits.end[end],
                offsets: (first, last),
                window,
            });
        }
    }
}

/// Positions of the `count` largest logits, the largest first, the later position first among equals.
///
/// That is `np.argsort(logits)[-1 : -count - 1 : -1]` with a stable sort.
fn best_positions(logits: &[f32], count: usize) -> Vec<usize> {
    let better = |a: &usize, b: &usize| logits[*b].total_cmp(&logits[*a]).then(b.cmp(a));
    let mut positions: Vec<usize> = (0..logits.len()).collect();
    if count == 0 {
        return Vec::new();
    }
    if count < positions.len() {
        positions.select_nth_unstable_by(count - 1, better);
        positions.truncate(count);
    }
    positions.sort_unstable_by(better);
    positions
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::windows::Window;

    /// Passage "red green blue" after a question of one token: positions 3, 4, 5.
    fn window() -> Window {
        Window {
            question: 0,
            token_ids: vec![0; 7],
            token_types: vec![0; 7],
            passage_start: 3,
            offsets: vec![(0, 3), (4, 9), (10, 14)],
            ..Window::default()
        }
    }

    fn decode(start: [f32; 7], end: [f32; 7], settings: &DecodeSettings) -> Answer {
        let window = window();
        let logits = WindowLogits {
            window: &window,
            start: &start,
            end: &end,
        };
        answer(&CharacterIndex::new("red green blue"), &[logits], settings)
    }

    #[test]
    fn the_best_pair_in_the_passage_wins() {
        let answer = decode(
            [9.0, 9.0, 9.0, 1.0, 3.0, 0.0, 9.0],
            [9.0, 9.0, 9.0, 5.0, 1.0, 2.0, 9.0],
            &DecodeSettings::default(),
        );
        // 1+5 for "red" beats 3+2 for "green blue"; the 5 does not pair with the later start.
        assert_eq!(answer.text, "red");
        assert_eq!(
            answer.origin,
            AnswerOrigin::Span {
                start: 0,
                end: 3,
                window: 0
            }
        );
        assert!((answer.score - 6.0).abs() < 1e-6);
        assert_eq!(answer.margin, Some(1.0));
        assert_eq!(answer.null_odds, None);
    }

    #[test]
    fn starts_outside_the_passage_use_up_the_n_best() {
        let settings = DecodeSettings {
            n_best: 3,
            ..DecodeSettings::default()
        };
        let answer = decode(
            [9.0, 9.0, 9.0, 1.0, 3.0, 0.0, 0.0],
            [0.0, 0.0, 0.0, 5.0, 1.0, 2.0, 0.0],
            &settings,
        );
        assert_eq!(answer.text, "empty");
        assert_eq!(answer.origin, AnswerOrigin::NoCandidate);
        assert_eq!(answer.margin, None);
    }

    #[test]
    fn long_spans_are_dropped() {
        let settings = DecodeSettings {
            max_answer_len: 2,
            ..DecodeSettings::default()
        };
        let answer = decode(
            [0.0, 0.0, 0.0, 9.0, 1.0, 0.0, 0.0],
            [0.0, 0.0, 0.0, 0.0, 1.0, 9.0, 0.0],
            &settings,
        );
        // 9+9 would be three tokens; 9+1 and 1+9 tie, and the start that sorts first is kept.
        assert_eq!(answer.text, "red green");
    }

    #[test]
    fn null_wins_only_above_the_threshold() {
        let start = [2.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0];
        let end = [1.0, 0.0, 0.0, 1.5, 0.0, 0.0, 0.0];
        let mut settings = DecodeSettings {
            null_allowed: true,
            ..DecodeSettings::default()
        };
        let answer = decode(start, end, &settings);
        assert_eq!((answer.text.as_str(), answer.score), ("", 3.0));
        assert_eq!(answer.null_odds, Some(0.5));
        assert_eq!(answer.origin, AnswerOrigin::Null);
        settings.null_threshold = 0.5;
        assert_eq!(decode(start, end, &settings).text, "red");
    }

    #[test]
    fn the_null_score_is_the_least_over_windows() {
        let window = window();
        let start = [[4.0, 0., 0., 0., 0., 0., 0.], [1.0, 0., 0., 2., 0., 0., 0.]];
        let end = [0.0; 7];
        let windows: Vec<_> = start
            .iter()
            .map(|start| WindowLogits {
                window: &window,
                start,
                end: &end,
            })
            .collect();
        let settings = DecodeSettings {
            null_allowed: true,
            ..DecodeSettings::default()
        };
        let answer = answer(&CharacterIndex::new("red green blue"), &windows, &settings);
        assert_eq!(answer.null_odds, Some(-1.0));
        // The equal spans "red", "red green" and "red green blue": the later end sorts first.
        assert_eq!(answer.text, "red green blue");
    }

    #[test]
    fn equal_logits_sort_the_later_position_first() {
        assert_eq!(best_positions(&[1.0, 3.0, 3.0, 2.0], 3), [2, 1, 3]);
        assert_eq!(best_positions(&[1.0, 3.0], 5), [1, 0]);
        assert_eq!(best_positions(&[1.0, 3.0], 0), [0_usize; 0]);
    }
}
