//! The questions of all shards with their answers, as one data set.

use std::collections::{BTreeMap, HashSet};

use super::{Cell, MergeError, ShardFolder};
use crate::cell::answered::Answered;
use crate::dataset::characters::CharacterIndex;
use crate::dataset::shard::ids_sha256;
use crate::dataset::{Dataset, GoldAnswer, Passage, Place, Question};
use crate::record::wire::{WireShardPassage, WireShardQuestion};

/// The whole, put together again.
pub struct Whole {
    /// The questions of all shards.
    pub dataset: Dataset,
    /// Their answers.
    pub answered: Vec<Answered>,
    /// Of each passage of `dataset`, its number in the data set that the shards were made of.
    pub passage_numbers: Vec<usize>,
    /// Tokens of all windows.
    pub tokens: usize,
    /// Gold answers whose text is not at their offset.
    pub misplaced_answers: usize,
}

/// Puts the shards' questions together, in the order of the whole.
///
/// # Errors
///
/// Fails where they are not the whole's questions, or an answer cannot be one.
pub fn whole(cell: &Cell) -> Result<Whole, MergeError> {
    let first = &cell.shards()[0];
    let passages = passages(cell)?;
    let dataset = &first.shard.dataset;
    let mut whole = Whole {
        dataset: Dataset {
            id: dataset.id.clone(),
            origin: format!("the shards of {}", cell.name()),
            sha256: dataset.sha256.clone(),
            language: dataset.language.clone(),
            question_language: first.shard.question_language.clone(),
            ..Dataset::default()
        },
        answered: Vec::new(),
        passage_numbers: passages.keys().copied().collect(),
        tokens: 0,
        misplaced_answers: 0,
    };
    for passage in passages.values() {
        whole.dataset.articles.push(passage.article.clone());
        whole.dataset.passages.push(Passage {
            text: passage.text.clone(),
            article: whole.dataset.articles.len() - 1,
        });
    }
    for folder in cell.shards() {
        whole.add(folder)?;
    }
    whole.check(first)?;
    Ok(whole)
}

/// The passages of all shards by their numbers. One that a shard ends within is in the next too.
fn passages(cell: &Cell) -> Result<BTreeMap<usize, &WireShardPassage>, MergeError> {
    let mut passages: BTreeMap<usize, &WireShardPassage> = BTreeMap::new();
    for folder in cell.shards() {
        for passage in &folder.shard.passages {
            let known = passages.entry(passage.number).or_insert(passage);
            if *known != passage {
                return Err(folder.damaged(format!(
                    "passage {} is another one in another shard",
                    passage.number
                )));
            }
        }
    }
    Ok(passages)
}

impl Whole {
    fn add(&mut self, folder: &ShardFolder) -> Result<(), MergeError> {
        let shard = &folder.shard;
        let counts = &shard.dataset;
        let count = shard.questions.len();
        if shard.first != self.answered.len() || counts.questions != count {
            return Err(folder.damaged(format!(
                "it has {count} questions from place {} on, where {} are said to be and {} come before",
                shard.first,
                counts.questions,
                self.answered.len()
            )));
        }
        for wire in &shard.questions {
            let place = self.answered.len() + 1;
            let question = self.question(folder, wire, place)?;
            self.dataset.questions.push(question);
            self.answered.push(wire.answer.clone().into());
        }
        self.tokens = self.tokens.saturating_add(counts.tokens);
        let misplaced = counts.misplaced_answers;
        self.misplaced_answers = self.misplaced_answers.saturating_add(misplaced);
        Ok(())
    }

    /// A question, where its golds and its answer are parts of its passage.
    fn question(
        &self,
        folder: &ShardFolder,
        wire: &WireShardQuestion,
        place: usize,
    ) -> Result<Question, MergeError> {
        let damaged = |fault: &str| folder.damaged(format!("question \"{}\": {fault}", wire.id));
        let passage = self.passage_numbers.binary_search(&wire.passage);
        let passage = passage.map_err(|_| damaged("its passage is not there"))?;
        let text = CharacterIndex::new(&self.dataset.passages[passage].text);
        let stands_there = |gold: &GoldAnswer| {
            let start = gold.start;
            start.is_none_or(|start| text.has_at(start, &gold.text))
        };
        let golds = wire.golds.iter().cloned().map(GoldAnswer::from);
        let answers: Vec<GoldAnswer> = golds.collect();
        if !answers.iter().all(stands_there) {
            return Err(damaged("a gold answer is not at its offset"));
        }
        let mut spans = [wire.answer.span, wire.answer.window].into_iter().flatten();
        if spans.any(|[start, end]| text.slice(start, end).is_none()) {
            return Err(damaged("its answer is outside its passage"));
        }
        Ok(Question {
            id: wire.id.clone(),
            text: wire.text.clone(),
            passage,
            answers,
            language: wire.language.clone(),
            misplaced_answers: 0,
            file: 0,
            place: Place::Row { row: place },
        })
    }

    /// Whether these are the whole's questions.
    fn check(&self, first: &ShardFolder) -> Result<(), MergeError> {
        let expected = &first.shard.whole;
        let ids = || self.dataset.questions.iter().map(|q| q.id.as_str());
        if self.answered.len() != expected.questions || ids_sha256(ids()) != expected.ids_sha256 {
            return Err(first.damaged(format!(
                "the shards have {} questions, and not the {} that they were divided from",
                self.answered.len(),
                expected.questions
            )));
        }
        let mut seen = HashSet::new();
        if let Some(id) = ids().find(|id| !seen.insert(*id)) {
            return Err(first.damaged(format!("question \"{id}\" is there twice")));
        }
        Ok(())
    }
}
