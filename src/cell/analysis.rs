//! What is known of answered questions, for the analysis.

use rayon::prelude::*;

use super::answered::Answered;
use crate::analysis::cases::{Circumstances, case};
use crate::analysis::{self, Analysis, Case};
use crate::dataset::Dataset;
use crate::score::{Protocol, Scored};

/// Analyses scored answers, on the current rayon pool.
pub fn analyze(
    dataset: &Dataset,
    answered: &[Answered],
    scored: &Scored,
    protocol: Protocol,
    settings: &analysis::Settings,
) -> Analysis {
    let cases: Vec<Case> = dataset
        .questions
        .par_iter()
        .zip(answered.par_iter())
        .zip(scored.per_question.par_iter())
        .map(|((question, answered), score)| {
            let kept = answered
                .is_null()
                .then(|| protocol.score_question(&answered.best_span, question));
            let circumstances = Circumstances {
                answer_span: answered.span,
                no_candidate: answered.no_candidate,
                windows: Some(answered.windows),
                null_odds: answered.null_odds.map(f64::from),
                reach: answered.reach,
                kept,
            };
            case(
                dataset,
                question,
                Some(&answered.text),
                *score,
                circumstances,
            )
        })
        .collect();
    analysis::analyze(&cases, settings)
}
