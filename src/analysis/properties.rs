//! The properties by which questions are told apart.

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};

use super::question_type::question_type;
use super::text::{byte_of, occurrences, tokens, word};
use super::{Case, Gold};

/// What questions are told apart by.
///
/// Where a question has several golds, its answer is the gold text that most
/// annotators gave, the first listed of several such, so that the slice does
/// not depend on what was predicted. Questions without an answer are in no
/// slice of the three properties of answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Property {
    /// Tokens of the answer: parts between white space, Chinese characters each by itself.
    AnswerLength,
    /// The question word: the first of who, what, when, where, why, how, which, or `other`.
    QuestionType,
    /// Tokens of the passage, counted as those of answers.
    ContextLength,
    /// Windows that the question was cut into.
    Windows,
    /// The fifth of the passage, in code points, in which the answer begins.
    AnswerPosition,
    /// Whether the question has an answer.
    HasAnswer,
    /// The number of passages (of those asked about) that hold the rarest word of the answer.
    AnswerRarity,
    /// The article's title.
    Article,
    /// The language tag.
    Language,
}

impl Property {
    /// All of them, in the order of reports.
    pub const ALL: [Self; 9] = [
        Self::AnswerLength,
        Self::QuestionType,
        Self::ContextLength,
        Self::Windows,
        Self::AnswerPosition,
        Self::HasAnswer,
        Self::AnswerRarity,
        Self::Article,
        Self::Language,
    ];

    /// The property's name in records.
    pub fn name(self) -> &'static str {
        match self {
            Self::AnswerLength => "answer_length",
            Self::QuestionType => "question_type",
            Self::ContextLength => "context_length",
            Self::Windows => "windows",
            Self::AnswerPosition => "answer_position",
            Self::HasAnswer => "has_answer",
            Self::AnswerRarity => "answer_rarity",
            Self::Article => "article",
            Self::Language => "language",
        }
    }
}

/// What is known of all passages together.
pub(super) struct Passages<'a> {
    /// Tokens of each passage.
    lengths: HashMap<usize, usize>,
    /// Passages that hold a word, for the words of answers.
    frequencies: HashMap<String, usize>,
    /// Each question's answer.
    answers: Vec<Option<Gold<'a>>>,
}

impl<'a> Passages<'a> {
    /// Reads the passages of `cases`, each once.
    pub(super) fn of(cases: &[&Case<'a>]) -> Self {
        let answers: Vec<_> = cases.iter().map(|case| answer(&case.golds)).collect();
        let golds = answers.iter().flatten();
        let words = golds.flat_map(|gold| tokens(gold.text).filter_map(word));
        let mut frequencies: HashMap<String, usize> = words.map(|word| (word, 0)).collect();
        let mut lengths = HashMap::new();
        for case in cases {
            if lengths.contains_key(&case.passage) {
                continue;
            }
            let mut seen = HashSet::new();
            let mut length = 0;
            for token in tokens(case.passage_text) {
                length += 1;
                if let Some(word) = word(token)
                    && let Some(count) = frequencies.get_mut(&word)
                    && seen.insert(word)
                {
                    *count += 1;
                }
            }
            lengths.insert(case.passage, length);
        }
        Self {
            lengths,
            frequencies,
            answers,
        }
    }

    /// The slice of `case`, the one with that `number`, by `property`; nothing where it is in none.
    pub(super) fn slice(
        &self,
        number: usize,
        case: &Case<'a>,
        property: Property,
    ) -> Option<Cow<'a, str>> {
        let answer = || self.answers[number];
        let bucket = |value, starts: &[usize]| Some(Cow::Owned(bucket(value, starts)));
        match property {
            Property::AnswerLength => Some(Cow::Owned(answer_length_range(answer()?.text))),
            Property::QuestionType => Some(Cow::Borrowed(question_type(
                case.question,
                case.question_language,
            ))),
            Property::ContextLength => bucket(
                self.lengths[&case.passage],
                &[0, 101, 151, 201, 301, 501, 1001],
            ),
            Property::Windows => Some(Cow::Owned(windows_range(case.windows?))),
            Property::AnswerPosition => position(case.passage_text, answer()?),
            Property::HasAnswer => Some(Cow::Borrowed(if case.golds.is_empty() {
                "no"
            } else {
                "yes"
            })),
            Property::AnswerRarity => {
                let words = tokens(answer()?.text).filter_map(word);
                let rarest = words.filter_map(|word| self.frequencies.get(&word)).min()?;
                bucket(*rarest, &[0, 1, 2, 4, 11, 51])
            }
            Property::Article => case.article.map(Cow::Borrowed),
            Property::Language => case.language.map(Cow::Borrowed),
        }
    }
}

/// The gold text given most often, at its first place; blank ones do not count.
fn answer<'a>(golds: &[Gold<'a>]) -> Option<Gold<'a>> {
    let mut best: Option<(usize, Gold<'a>)> = None;
    let mut counts: HashMap<&str, usize> = HashMap::new();
    for gold in golds {
        *counts.entry(gold.text).or_default() += 1;
    }
    for gold in golds.iter().filter(|gold| !gold.text.trim().is_empty()) {
        let count = counts[gold.text];
        if best.is_none_or(|(most, _)| count > most) {
            best = Some((count, *gold));
        }
    }
    best.map(|(_, gold)| gold)
}

/// The slice of [`Property::AnswerLength`] that an answer is in.
pub(crate) fn answer_length_range(answer: &str) -> String {
    bucket(tokens(answer).count(), &[1, 2, 3, 4, 6, 11])
}

/// The slice of [`Property::Windows`] that a question of so many windows is in.
pub(crate) fn windows_range(windows: usize) -> String {
    bucket(windows, &[1, 2, 3, 4, 8])
}

/// The name of the range that `value` is in: `starts` holds the least value of each range.
fn bucket(value: usize, starts: &[usize]) -> String {
    let index = starts.partition_point(|start| *start <= value);
    let index = index.saturating_sub(1);
    let start = starts[index];
    match starts.get(index + 1) {
        None => format!("{start}+"),
        Some(next) if next - 1 == start => start.to_string(),
        Some(next) => format!("{start}-{}", next - 1),
    }
}

/// The fifth of the passage in which the answer begins.
fn position(passage: &str, answer: Gold) -> Option<Cow<'static, str>> {
    const FIFTHS: [&str; 5] = ["0-20%", "20-40%", "40-60%", "60-80%", "80-100%"];
    let start = match answer.start {
        Some(start) if byte_of(passage, start).is_some() => start,
        _ => {
            let place = occurrences(passage, answer.text).into_iter().next()?;
            passage[..place.start].chars().count()
        }
    };
    let length = passage.chars().count().max(1);
    Some(Cow::Borrowed(FIFTHS[(5 * start / length).min(4)]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buckets_are_named_by_their_ends() {
        let starts = [1, 2, 4, 11];
        for (value, expected) in [
            (1, "1"),
            (2, "2-3"),
            (3, "2-3"),
            (4, "4-10"),
            (10, "4-10"),
            (11, "11+"),
            (99, "11+"),
        ] {
            assert_eq!(bucket(value, &starts), expected);
        }
    }

    #[test]
    fn the_answer_is_what_most_annotators_gave() {
        let gold = |text, start| Gold {
            text,
            start: Some(start),
        };
        let golds = [
            gold("a b", 0),
            gold("c", 9),
            gold("b", 2),
            gold("c", 4),
            gold("b", 2),
        ];
        assert_eq!(answer(&golds), Some(gold("c", 9)));
        assert_eq!(answer(&golds[..1]), Some(gold("a b", 0)));
        assert_eq!(answer(&[gold(" ", 0)]), None);
        assert_eq!(answer(&[]), None);
    }

    #[test]
    fn answers_begin_in_a_fifth() {
        let text = "ñbcdefghij";
        let at = |text, start| Gold { text, start };
        assert_eq!(position(text, at("ñ", Some(0))).unwrap(), "0-20%");
        assert_eq!(position(text, at("c", Some(2))).unwrap(), "20-40%");
        assert_eq!(position(text, at("j", None)).unwrap(), "80-100%");
        assert_eq!(position(text, at("e", Some(99))).unwrap(), "40-60%");
        assert_eq!(position(text, at("x", None)), None);
        assert_eq!(position("", at("x", Some(0))).unwrap(), "0-20%");
    }
}
