//! The official MLQA script, `mlqa_evaluation_v1.py`: SQuAD v1.1's figures
//! with a normaliser for each of seven languages.

use std::fmt;
use std::str::FromStr;

use super::means::{self, Means};
use super::normalize::{blank_words, join};
use super::{Predictions, Protocol, QuestionScore, ScoreError};
use crate::dataset::{Dataset, Question};
use crate::python;

/// A language whose answers the script can normalise.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Language {
    /// `en`.
    English,
    /// `es`.
    Spanish,
    /// `hi`.
    Hindi,
    /// `vi`.
    Vietnamese,
    /// `de`.
    German,
    /// `ar`.
    Arabic,
    /// `zh`.
    Chinese,
}

impl Language {
    /// All seven, in the order of the script.
    pub const ALL: [Self; 7] = [
        Self::English,
        Self::Spanish,
        Self::Hindi,
        Self::Vietnamese,
        Self::German,
        Self::Arabic,
        Self::Chinese,
    ];

    /// The code on the script's command line, `en` for English.
    pub fn code(self) -> &'static str {
        match self {
            Self::English => "en",
            Self::Spanish => "es",
            Self::Hindi => "hi",
            Self::Vietnamese => "vi",
            Self::German => "de",
            Self::Arabic => "ar",
            Self::Chinese => "zh",
        }
    }
}

/// The seven codes in a line, for messages.
pub(super) fn codes() -> String {
    Language::ALL.map(Language::code).join(", ")
}

impl fmt::Display for Language {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.code())
    }
}

impl FromStr for Language {
    type Err = ScoreError;

    fn from_str(code: &str) -> Result<Self, ScoreError> {
        let known = Self::ALL.into_iter().find(|known| known.code() == code);
        known.ok_or_else(|| ScoreError::UnknownLanguage {
            code: code.to_owned(),
        })
    }
}

/// Lower-cases, drops the punctuation of Unicode and of ASCII, blanks the
/// language's articles, and collapses white space, in that order. In Chinese
/// every ideograph then is a token of its own.
///
/// Source: `normalize_answer` in `mlqa_evaluation_v1.py`.
pub fn normalize_answer(text: &str, language: Language) -> String {
    let mut lowered = python::lower(text);
    lowered.retain(|character| !is_punctuation(character));
    let without_articles = blank_articles(lowered, language);
    match language {
        Language::Chinese => segment(&without_articles),
        _ => join(python::split(&without_articles)),
    }
}

/// The script's `PUNCT`: the categories `P*` and `string.punctuation`, which has symbols too.
fn is_punctuation(character: char) -> bool {
    character.is_ascii_punctuation() || !character.is_ascii() && python::is_punctuation(character)
}

/// `remove_articles`. The Vietnamese words are precomposed, as in the script:
/// a decomposed spelling is no article.
fn blank_articles(text: String, language: Language) -> String {
    let articles: &[&str] = match language {
        Language::Hindi | Language::Chinese => return text,
        // The pattern is '\sال^|ال'. Its first half asks for the start of the
        // text after two letters and never matches, so the second half blanks
        // the letters wherever they stand, inside of words as well.
        Language::Arabic => return text.replace("\u{627}\u{644}", " "),
        Language::English => &["a", "an", "the"],
        Language::Spanish => &["un", "una", "unos", "unas", "el", "la", "los", "las"],
        Language::Vietnamese => &[
            "c\u{1ee7}a",
            "l\u{e0}",
            "c\u{e1}i",
            "chi\u{1ebf}c",
            "nh\u{1eef}ng",
        ],
        Language::German => &[
            "ein", "eine", "einen", "einem", "eines", "einer", "der", "die", "das", "den", "dem",
            "des",
        ],
    };
    blank_words(&text, |word| articles.contains(&word))
}

/// `mixed_segmentation`: ideographs one by one, what is between them by white space.
///
/// The script's range ends at U+9FA5, where Unicode 1.1 ended; later
/// ideographs are letters like any other.
fn segment(text: &str) -> String {
    let mut spaced = String::with_capacity(text.len() * 2);
    for character in text.chars() {
        if ('\u{4e00}'..='\u{9fa5}').contains(&character) {
            spaced.extend([' ', character, ' ']);
        } else {
            spaced.push(character);
        }
    }
    join(python::split(&spaced))
}

/// Exact match and F1 of one prediction: the best over the gold answers.
pub fn score_question(prediction: &str, question: &Question, language: Language) -> QuestionScore {
    means::score_question(prediction, question, |text| {
        normalize_answer(text, language)
    })
}

/// Scores a prediction file as the official MLQA script does.
///
/// A question with no prediction counts as wrong. The script adds with `+=`,
/// so no Python compensates its sums.
///
/// # Errors
///
/// Fails where a question has no gold answer: the official script stops there too.
pub fn score(
    dataset: &Dataset,
    predictions: &Predictions,
    language: Language,
) -> Result<(Means, Vec<Option<QuestionScore>>), ScoreError> {
    means::score(dataset, predictions, Protocol::Mlqa(language))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Each expectation is what the script returns under CPython 3.11;
    /// tests/normalize.rs has the large set.
    #[test]
    fn agrees_with_the_script_on_awkward_text() {
        for (language, text, expected) in [
            (Language::English, "The «Cat»—a dog €", "cata dog €"),
            (Language::Spanish, "¿El Niño? Los unos", "niño"),
            (Language::Hindi, "the दिल्ली।", "the दिल्ली"),
            (Language::Vietnamese, "Của những la\u{300}", "la\u{300}"),
            (Language::German, "Eines der Häuser", "häuser"),
            (Language::Arabic, "العالم والسلام", "ع م و سلام"),
            (
                Language::Chinese,
                "the 北京,Abc上海\u{9fa6}x",
                "the 北 京 abc 上 海 \u{9fa6}x",
            ),
        ] {
            assert_eq!(normalize_answer(text, language), expected, "{text:?}");
        }
    }
}
