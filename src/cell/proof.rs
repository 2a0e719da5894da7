//! The proof that the answers on the clock are the answers that were scored.

use super::timed::TimedAnswer;
use crate::record::QuestionResult;

/// How many differing answers are shown.
const SHOWN: usize = 10;

/// What the comparison of timed and scored answers found.
#[derive(Debug, Clone, PartialEq)]
pub struct Proof {
    /// Answers given on the clock, each compared.
    pub compared: usize,
    /// Questions that they were answers to.
    pub questions: usize,
    /// Answers that are not the scored ones.
    pub differing: usize,
    /// The largest difference of a span score, where the answer is the same.
    pub largest_score_difference: f64,
    /// Some of those that differ.
    pub examples: Vec<Difference>,
}

/// An answer that was not the one that was scored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    /// The question's id.
    pub id: String,
    /// What was scored.
    pub scored: String,
    /// What was answered on the clock.
    pub timed: String,
}

/// Compares every timed answer with the scored one of the same question, by its text.
///
/// Where every answer is the same the score is that of the timed answers too.
pub fn prove<'a>(
    scored: &[QuestionResult],
    timed: impl IntoIterator<Item = &'a TimedAnswer>,
) -> Proof {
    let mut proof = Proof {
        compared: 0,
        questions: 0,
        differing: 0,
        largest_score_difference: 0.0,
        examples: Vec::new(),
    };
    let mut seen = vec![false; scored.len()];
    for answer in timed {
        proof.compared += answer.times;
        let Some(expected) = scored.get(answer.question) else {
            // A question that the data set does not have was not scored.
            proof.differing += answer.times;
            continue;
        };
        seen[answer.question] = true;
        if expected.answer == answer.text {
            let difference = f64::from((answer.score - expected.span_score).abs());
            proof.largest_score_difference = proof.largest_score_difference.max(difference);
            continue;
        }
        proof.differing += answer.times;
        if proof.examples.len() < SHOWN {
            proof.examples.push(Difference {
                id: expected.id.clone(),
                scored: expected.answer.clone(),
                timed: answer.text.clone(),
            });
        }
    }
    proof.questions = seen.into_iter().filter(|&seen| seen).count();
    proof
}
