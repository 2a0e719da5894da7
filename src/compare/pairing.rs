//! Which line of one `questions.jsonl` belongs to which line of the other.

use std::collections::HashMap;

use crate::record::wire::WireQuestion;

/// A question that both were asked.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Pair<'a> {
    /// The base's line.
    pub base: &'a WireQuestion,
    /// The candidate's line.
    pub candidate: &'a WireQuestion,
}

/// The questions of both.
#[derive(Debug, Clone, PartialEq)]
pub struct Pairing<'a> {
    /// Those that both have, in the base's order.
    pub pairs: Vec<Pair<'a>>,
    /// The number that the base alone has.
    pub only_base: usize,
    /// The number that the candidate alone has.
    pub only_candidate: usize,
}

impl<'a> Pairing<'a> {
    /// Pairs lines with the same id. A second line with an id has no partner.
    pub(super) fn of(base: &'a [WireQuestion], candidate: &'a [WireQuestion]) -> Self {
        let mut partners: HashMap<&str, &WireQuestion> = HashMap::with_capacity(candidate.len());
        for question in candidate {
            partners.entry(&question.id).or_insert(question);
        }
        let with_partner = |question: &'a WireQuestion| {
            let candidate = partners.remove(question.id.as_str())?;
            Some(Pair {
                base: question,
                candidate,
            })
        };
        let pairs: Vec<_> = base.iter().filter_map(with_partner).collect();
        Self {
            only_base: base.len() - pairs.len(),
            only_candidate: candidate.len() - pairs.len(),
            pairs,
        }
    }

    /// Whether both have the same questions.
    pub fn is_complete(&self) -> bool {
        self.only_base == 0 && self.only_candidate == 0
    }
}

impl Pair<'_> {
    /// Exact match and F1, candidate less base.
    pub(super) fn differences(&self) -> [f64; 2] {
        [
            self.candidate.exact_match - self.base.exact_match,
            self.candidate.f1 - self.base.f1,
        ]
    }

    /// The number of the question's passage, where a side tells it.
    pub(super) fn passage(&self) -> Option<usize> {
        self.base.passage.or(self.candidate.passage)
    }

    /// The gold answers, where a side tells them.
    pub(super) fn golds(&self) -> Option<&[String]> {
        let golds = self.base.golds.as_ref().or(self.candidate.golds.as_ref());
        golds.map(Vec::as_slice)
    }

    /// The question as written, where a side tells it.
    pub(super) fn question(&self) -> Option<&str> {
        let question = self.base.question.as_ref();
        question
            .or(self.candidate.question.as_ref())
            .map(String::as_str)
    }
}
