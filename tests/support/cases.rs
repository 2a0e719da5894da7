//! Questions for the analysis, built by hand.

use spanbench::analysis::{Case, Gold};
use spanbench::score::QuestionScore;

/// The answer of [`case`].
pub const GOLD: Gold = Gold {
    text: "Ann",
    start: Some(4),
};

/// A question about passage number `passage` with the wrong prediction "met" and the given score.
pub fn case(passage: usize, has_answer: bool, score: QuestionScore) -> Case<'static> {
    Case {
        id: "",
        question: "Who is it?",
        passage,
        passage_text: "met Ann there",
        article: None,
        language: None,
        question_language: None,
        golds: if has_answer { vec![GOLD] } else { Vec::new() },
        prediction: Some("met"),
        score,
        kept: None,
        answer_span: None,
        no_candidate: false,
        windows: None,
        null_odds: None,
        reach: None,
    }
}

pub fn score(exact_match: f64, f1: f64) -> QuestionScore {
    QuestionScore { exact_match, f1 }
}
