//! The questions that several runs have in common.

use std::collections::HashMap;

use super::FEWEST_PASSAGES;
use crate::record::run::Run;
use crate::record::wire::WireQuestion;

/// F1 of the same questions by several runs, added up by what is resampled as a whole.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Common {
    /// Questions that every run has.
    pub questions: usize,
    /// `passages` or `questions`.
    pub units: &'static str,
    /// A row a unit: its questions, and each run's sum of F1 (0 to 1 a question) over them.
    pub sums: Vec<(usize, Vec<f64>)>,
}

impl Common {
    /// Of `runs`, in the order of the first one's questions. Of questions with the same id a run's
    /// first one counts.
    pub fn of(runs: &[&Run]) -> Self {
        let Some((first, others)) = runs.split_first() else {
            return Self::by_unit(&[], 0);
        };
        let others: Vec<HashMap<&str, f64>> = others.iter().map(|run| by_id(run)).collect();
        let mut seen = std::collections::HashSet::new();
        let mut rows: Vec<(&WireQuestion, Vec<f64>)> = Vec::with_capacity(first.questions.len());
        for question in &first.questions {
            let found = others.iter().map(|run| run.get(question.id.as_str()));
            let found: Option<Vec<&f64>> = found.collect();
            if let Some(found) = found
                && seen.insert(question.id.as_str())
            {
                let scores = std::iter::once(question.f1).chain(found.into_iter().copied());
                rows.push((question, scores.collect()));
            }
        }
        Self::by_unit(&rows, runs.len())
    }

    fn by_unit(rows: &[(&WireQuestion, Vec<f64>)], runs: usize) -> Self {
        let passages: Option<Vec<usize>> = rows.iter().map(|(q, _)| q.passage).collect();
        let mut places = HashMap::new();
        let passages: Option<Vec<usize>> = passages.map(|numbers| {
            let place = |number| {
                let next = places.len();
                *places.entry(number).or_insert(next)
            };
            numbers.into_iter().map(place).collect()
        });
        let count = places.len();
        let of_passage = passages.filter(|_| count >= FEWEST_PASSAGES);
        let mut sums: Vec<(usize, Vec<f64>)> = Vec::new();
        for (index, (_, scores)) in rows.iter().enumerate() {
            let unit = of_passage.as_ref().map_or(index, |places| places[index]);
            if unit == sums.len() {
                sums.push((0, vec![0.0; runs]));
            }
            let (size, sum) = &mut sums[unit];
            *size += 1;
            sum.iter_mut().zip(scores).for_each(|(sum, f1)| *sum += f1);
        }
        Self {
            questions: rows.len(),
            units: if of_passage.is_some() {
                "passages"
            } else {
                "questions"
            },
            sums,
        }
    }
}

/// F1 by id; of several the first.
fn by_id(run: &Run) -> HashMap<&str, f64> {
    let questions = run.questions.iter().rev();
    questions.map(|q| (q.id.as_str(), q.f1)).collect()
}
