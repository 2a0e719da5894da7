//! Span logits to answers.

pub mod run_qa;

/// How spans are chosen.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct DecodeSettings {
    /// How many best starts and ends of a window are paired.
    pub n_best: usize,
    /// Tokens of an answer at the most.
    pub max_answer_len: usize,
    /// Whether "no answer" may be given: the questions may be unanswerable.
    pub null_allowed: bool,
    /// "No answer" is given where the null score exceeds the best span's score by more than this.
    pub null_threshold: f32,
}

impl Default for DecodeSettings {
    /// run_qa's defaults: 20 best, 30 tokens, no unanswerable questions, threshold 0.
    fn default() -> Self {
        Self {
            n_best: 20,
            max_answer_len: 30,
            null_allowed: false,
            null_threshold: 0.0,
        }
    }
}

/// What was decided for one question.
#[derive(Debug, Clone, PartialEq)]
pub struct Answer {
    /// The answer: a literal part of the passage, or empty for "no answer".
    pub text: String,
    /// Start logit plus end logit of the best span (of the null answer's, where that was given).
    pub score: f32,
    /// How far the best span's score is above the best one of another text;
    /// nothing where there is no other.
    pub margin: Option<f32>,
    /// Null score less the best span's score, where "no answer" was allowed.
    pub null_odds: Option<f32>,
}
