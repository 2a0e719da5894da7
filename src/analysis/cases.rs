//! From questions, their answers and scores to the cases of an analysis.

use super::Reach;
use super::{Case, Gold};
use crate::dataset::{Dataset, Question};
use crate::score::QuestionScore;

/// What is known of an answer besides its text; nothing of it for a prediction file.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Circumstances {
    /// The predicted span in the passage, in code points, the end exclusive.
    pub answer_span: Option<(usize, usize)>,
    /// Whether the decoder found no span that may be an answer.
    pub no_candidate: bool,
    /// The number of windows.
    pub windows: Option<usize>,
    /// How sure "no answer" is.
    pub null_odds: Option<f64>,
    /// Whether some gold answer can be given.
    pub reach: Option<Reach>,
    /// The score of the answer that no threshold turned into "no answer".
    pub kept: Option<QuestionScore>,
}

/// One question's case; `score` is that of `prediction`, nothing where there is none.
pub fn case<'a>(
    dataset: &'a Dataset,
    question: &'a Question,
    prediction: Option<&'a str>,
    score: Option<QuestionScore>,
    circumstances: Circumstances,
) -> Case<'a> {
    let passage = &dataset.passages[question.passage];
    let title = dataset.articles[passage.article].as_str();
    let own = question.language.as_deref();
    let language = own.or(dataset.language.as_deref());
    let golds = question.answers.iter().map(|answer| Gold {
        text: &answer.text,
        start: answer.start,
    });
    Case {
        id: &question.id,
        question: &question.text,
        passage: question.passage,
        passage_text: &passage.text,
        article: (!title.is_empty()).then_some(title),
        language,
        question_language: own.or(dataset.question_language.as_deref()).or(language),
        golds: golds.collect(),
        prediction,
        score: score.unwrap_or_default(),
        kept: circumstances.kept,
        answer_span: circumstances.answer_span,
        no_candidate: circumstances.no_candidate,
        windows: circumstances.windows,
        null_odds: circumstances.null_odds,
        reach: circumstances.reach,
    }
}
