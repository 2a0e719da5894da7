//! What kind of error each wrong answer is.

use std::ops::Range;

use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::text::{Sentences, byte_of, fold, occurrences};
use super::{Case, Gold, Reach};

/// The kind of error of an answer that is no exact match.
///
/// Where several hold, the first in this order is the kind: what kept any
/// answer from being given or from being right comes before what was chosen
/// wrongly. Of several golds, and of several places of a prediction whose
/// place is not known, the ones that make the error smallest decide.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum ErrorKind {
    /// There is no prediction.
    MissingPrediction,
    /// The decoder found no span that may be an answer.
    NoCandidate,
    /// The question has no answer and was given one.
    AnswerInsteadOfNull,
    /// Equal to a gold after NFKD and case folding, when only letters, digits
    /// and the vowel signs of Indic scripts are kept.
    NormalisationOnly,
    /// No window holds a whole gold, or only more tokens than an answer may have.
    GoldTruncated,
    /// No gold begins and ends where tokens do.
    GoldOffTokenBoundary,
    /// No gold stands in the passage.
    GoldNotInPassage,
    /// The question has an answer and was given none.
    NullInsteadOfAnswer,
    /// The prediction stands nowhere in the passage.
    PredictionNotInPassage,
    /// The prediction overlaps a gold's place.
    Boundary,
    /// The prediction shares a sentence with a gold's place, and no character.
    WrongPlace,
    /// The prediction is in another sentence than every gold.
    WrongSentence,
}

impl ErrorKind {
    /// All of them, in their order of precedence.
    pub const ALL: [Self; 12] = [
        Self::MissingPrediction,
        Self::NoCandidate,
        Self::AnswerInsteadOfNull,
        Self::NormalisationOnly,
        Self::GoldTruncated,
        Self::GoldOffTokenBoundary,
        Self::GoldNotInPassage,
        Self::NullInsteadOfAnswer,
        Self::PredictionNotInPassage,
        Self::Boundary,
        Self::WrongPlace,
        Self::WrongSentence,
    ];

    /// The kind's name in records.
    pub fn name(self) -> &'static str {
        match self {
            Self::MissingPrediction => "missing_prediction",
            Self::NoCandidate => "no_candidate",
            Self::AnswerInsteadOfNull => "answer_instead_of_null",
            Self::NormalisationOnly => "normalisation_only",
            Self::GoldTruncated => "gold_unreachable_truncated",
            Self::GoldOffTokenBoundary => "gold_unreachable_token_boundary",
            Self::GoldNotInPassage => "gold_unreachable_not_in_passage",
            Self::NullInsteadOfAnswer => "null_instead_of_answer",
            Self::PredictionNotInPassage => "prediction_not_in_passage",
            Self::Boundary => "boundary",
            Self::WrongPlace => "wrong_place",
            Self::WrongSentence => "wrong_sentence",
        }
    }
}

/// The kind of each case's error; nothing where the answer is an exact match.
pub(super) fn kinds(cases: &[Case]) -> Vec<Option<ErrorKind>> {
    cases.par_iter().map(kind).collect()
}

fn kind(case: &Case) -> Option<ErrorKind> {
    if case.score.exact_match > 0.0 {
        return None;
    }
    let Some(prediction) = case.prediction else {
        return Some(ErrorKind::MissingPrediction);
    };
    Some(if case.no_candidate {
        ErrorKind::NoCandidate
    } else if case.golds.is_empty() {
        ErrorKind::AnswerInsteadOfNull
    } else if is_same_but_for_form(prediction, &case.golds) {
        ErrorKind::NormalisationOnly
    } else {
        unequal(case, prediction)
    })
}

/// The kind where a question that has an answer was answered with another text.
fn unequal(case: &Case, prediction: &str) -> ErrorKind {
    let passage = case.passage_text;
    let golds: Vec<_> = case
        .golds
        .iter()
        .flat_map(|g| gold_places(passage, g))
        .collect();
    match case.reach {
        Some(Reach::CutOff) => return ErrorKind::GoldTruncated,
        Some(Reach::OffBoundary) => return ErrorKind::GoldOffTokenBoundary,
        _ if golds.is_empty() => return ErrorKind::GoldNotInPassage,
        Some(Reach::Reachable) | None => {}
    }
    if case.is_null() == Some(true) {
        return ErrorKind::NullInsteadOfAnswer;
    }
    let known = case.answer_span.and_then(|span| bytes(passage, span));
    let predicted = known.map_or_else(|| occurrences(passage, prediction), |place| vec![place]);
    if predicted.is_empty() {
        return ErrorKind::PredictionNotInPassage;
    }
    let any_pair = |holds: &dyn Fn(&Range<usize>, &Range<usize>) -> bool| {
        predicted.iter().any(|a| golds.iter().any(|b| holds(a, b)))
    };
    if any_pair(&|a, b| a.start < b.end && b.start < a.end) {
        return ErrorKind::Boundary;
    }
    let sentences = Sentences::of(passage);
    if any_pair(&|a, b| sentences.share(a, b)) {
        ErrorKind::WrongPlace
    } else {
        ErrorKind::WrongSentence
    }
}

fn is_same_but_for_form(prediction: &str, golds: &[Gold]) -> bool {
    let prediction = fold(prediction);
    !prediction.is_empty() && golds.iter().any(|gold| fold(gold.text) == prediction)
}

/// The annotated place where the gold stands there, and else every place where it stands.
fn gold_places(passage: &str, gold: &Gold) -> Vec<Range<usize>> {
    let annotated = gold.start.and_then(|start| byte_of(passage, start));
    match annotated {
        Some(start) if !gold.text.is_empty() && passage[start..].starts_with(gold.text) => {
            std::iter::once(start..start + gold.text.len()).collect()
        }
        _ => occurrences(passage, gold.text),
    }
}

/// The bytes of a span of code points; nothing where the passage has no such span.
fn bytes(passage: &str, (start, end): (usize, usize)) -> Option<Range<usize>> {
    let place = byte_of(passage, start)?..byte_of(passage, end)?;
    (place.start < place.end).then_some(place)
}

/// How questions of one kind were answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ConfusionRow {
    /// With an exact match that is not the empty answer.
    pub exact: usize,
    /// With no exact match, but tokens in common with a gold (F1 above 0).
    pub partial: usize,
    /// With another answer.
    pub wrong: usize,
    /// With the empty answer, "no answer".
    pub null: usize,
    /// Not at all: there is no prediction.
    pub missing: usize,
}

/// What was asked for against what was answered, in questions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Confusion {
    /// Questions that have an answer.
    pub has_answer: ConfusionRow,
    /// Questions that have none; `null` is right for them.
    pub no_answer: ConfusionRow,
}

impl Confusion {
    pub(super) fn of(cases: &[Case]) -> Self {
        let mut confusion = Self::default();
        for case in cases {
            let row = if case.golds.is_empty() {
                &mut confusion.no_answer
            } else {
                &mut confusion.has_answer
            };
            let cell = match case.is_null() {
                None => &mut row.missing,
                Some(true) => &mut row.null,
                Some(_) if case.score.exact_match > 0.0 => &mut row.exact,
                Some(_) if case.score.f1 > 0.0 => &mut row.partial,
                Some(_) => &mut row.wrong,
            };
            *cell += 1;
        }
        confusion
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::score::QuestionScore;

    const PASSAGE: &str = "Émile met Ann in Paris in May 1990. Later Bob met Ann in Rome.";

    fn case<'a>(gold: &'a [Gold<'a>], prediction: Option<&'a str>) -> Case<'a> {
        Case {
            id: "q",
            question: "Who?",
            passage: 0,
            passage_text: PASSAGE,
            article: None,
            language: None,
            question_language: None,
            golds: gold.to_vec(),
            prediction,
            score: QuestionScore::default(),
            kept: None,
            answer_span: None,
            no_candidate: false,
            windows: None,
            null_odds: None,
            reach: None,
        }
    }

    fn gold(text: &str, start: usize) -> [Gold<'_>; 1] {
        [Gold {
            text,
            start: Some(start),
        }]
    }

    #[test]
    fn each_kind_is_told() {
        use ErrorKind::*;
        let ann = gold("Ann", 10);
        for (golds, prediction, expected) in [
            (&ann[..], None, MissingPrediction),
            (&[], Some("Ann"), AnswerInsteadOfNull),
            (&ann, Some("“ANN”"), NormalisationOnly),
            (&ann, Some(""), NullInsteadOfAnswer),
            (&ann, Some("met Ann in"), Boundary),
            (&ann, Some("Paris"), WrongPlace),
            (&ann, Some("Rome"), WrongSentence),
            (&ann, Some("London"), PredictionNotInPassage),
            (&gold("London", 3), Some("Paris"), GoldNotInPassage),
            (&gold("Émile", 0), Some("emile"), NormalisationOnly),
            // The annotated place is wrong; the text's own place counts.
            (&gold("Rome", 0), Some("in Rome"), Boundary),
            (&gold("...", 0), Some(""), GoldNotInPassage),
        ] {
            assert_eq!(
                kind(&case(golds, prediction)),
                Some(expected),
                "{prediction:?}"
            );
        }
    }

    #[test]
    fn what_made_a_right_answer_impossible_comes_first() {
        let ann = gold("Ann", 10);
        let mut case = case(&ann, Some(""));
        case.reach = Some(Reach::CutOff);
        assert_eq!(kind(&case), Some(ErrorKind::GoldTruncated));
        case.reach = Some(Reach::OffBoundary);
        assert_eq!(kind(&case), Some(ErrorKind::GoldOffTokenBoundary));
        case.prediction = Some("ann");
        assert_eq!(kind(&case), Some(ErrorKind::NormalisationOnly));
        case.no_candidate = true;
        assert_eq!(kind(&case), Some(ErrorKind::NoCandidate));
        case.golds.clear();
        assert_eq!(kind(&case), Some(ErrorKind::NoCandidate));
        case.score.exact_match = 1.0;
        assert_eq!(kind(&case), None);
    }

    #[test]
    fn a_known_place_is_the_only_one() {
        let ann = gold("Ann", 10);
        // Without its place the second "met" would be taken for the first, in Ann's sentence.
        let mut case = case(&ann, Some("met"));
        assert_eq!(kind(&case), Some(ErrorKind::WrongPlace));
        case.answer_span = Some((46, 49));
        assert_eq!(kind(&case), Some(ErrorKind::WrongSentence));
        // A span that the passage does not have is no place.
        case.answer_span = Some((46, 999));
        assert_eq!(kind(&case), Some(ErrorKind::WrongPlace));
    }

    #[test]
    fn folding_keeps_the_vowels_of_hindi() {
        for (a, b, same) in [
            ("काम", "कम", false),
            ("“काम”", "काम।", true),
            ("१९९०", "१९९१", false),
            ("10–3", "10-3", true),
            ("STRAẞE", "strasse", true),
            ("Ⅷ ²", "viii2", true),
            ("كَتَبَ", "كتب", true),
            ("tiếng", "tieng", true),
            ("ΣΑΣ", "σας", true),
        ] {
            assert_eq!(fold(a) == fold(b), same, "{a} {b}");
        }
    }
}
