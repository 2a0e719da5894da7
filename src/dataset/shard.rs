//! Which questions of a selection are a shard's: `--shard I/N`.

use std::fmt;
use std::ops::Range;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::Dataset;
use crate::hash::hex;

/// One of the parts that a selection of questions is divided into.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Shard {
    number: usize,
    count: usize,
}

/// What is no shard.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no shard; write I/N with I from 1 to N, the first of eight as 1/8")]
pub struct BadShard(String);

impl Shard {
    /// Part `number`, from 1, of `count`.
    ///
    /// # Errors
    ///
    /// Fails where there is no such part.
    pub fn new(number: usize, count: usize) -> Result<Self, BadShard> {
        if (1..=count).contains(&number) {
            Ok(Self { number, count })
        } else {
            Err(BadShard(format!("{number}/{count}")))
        }
    }

    /// Which part, from 1.
    pub fn number(self) -> usize {
        self.number
    }

    /// How many there are.
    pub fn count(self) -> usize {
        self.count
    }

    /// The shard's entries among those of these weights: a run of them, which begins where that
    /// of the shard before ends. An entry belongs to the shard that its middle lies in when all
    /// weights are laid end to end and cut into parts of the same length, so no shard is heavier
    /// than its share by more than an entry. A weight of 0 counts as 1.
    fn range(self, weights: &[u64]) -> Range<usize> {
        let weight = |weight: &u64| u128::from((*weight).max(1));
        let whole: u128 = weights.iter().map(weight).sum();
        let mut before = 0;
        let shards = weights.iter().map(|entry| {
            let twice_the_middle = 2 * before + weight(entry);
            before += weight(entry);
            // No overflow: text is less than 2^60 bytes, however often it is asked about.
            twice_the_middle * self.count as u128 / (2 * whole)
        });
        let (mut start, mut end) = (0, 0);
        for shard in shards {
            start += usize::from(shard + 1 < self.number as u128);
            end += usize::from(shard < self.number as u128);
        }
        start..end
    }
}

impl fmt::Display for Shard {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}/{}", self.number, self.count)
    }
}

impl FromStr for Shard {
    type Err = BadShard;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let numbers = text.split_once('/');
        let numbers = numbers.and_then(|(i, n)| Some((i.parse().ok()?, n.parse().ok()?)));
        let (number, count) = numbers.ok_or_else(|| BadShard(text.to_owned()))?;
        Self::new(number, count)
    }
}

/// What part of a selection a data set was left with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part {
    /// Which.
    pub shard: Shard,
    /// Place of its first question in the whole selection, from 0.
    pub first: usize,
    /// Questions of the whole selection.
    pub whole_questions: usize,
    /// Their [`ids_sha256`].
    pub whole_ids_sha256: String,
}

/// SHA-256 of a JSON list of ids without white space, in hexadecimal: the same for the same
/// questions in the same order, and for no others.
pub fn ids_sha256<'a>(ids: impl Iterator<Item = &'a str>) -> String {
    let ids: Vec<&str> = ids.collect();
    let list =
        serde_json::to_vec(&ids).expect("OK because text is JSON and writing to a Vec cannot fail");
    hex(&Sha256::digest(&list))
}

impl Dataset {
    /// Keeps the questions of `shard`: a run of them, in the data set's order.
    ///
    /// The runs of all shards one after another are the whole. They hold about as much text
    /// (bytes of each question and its passage), which is what answering takes time for; that
    /// depends on the questions alone, not on a model, a tokeniser or a machine. A shard may be
    /// left without any question, where there are more shards than questions or one passage is
    /// longer than a shard.
    pub(super) fn keep_shard(&mut self, shard: Shard) {
        let weights: Vec<u64> = self
            .questions
            .iter()
            .map(|question| (question.text.len() + self.passage(question).len()) as u64)
            .collect();
        let range = shard.range(&weights);
        self.part = Some(Part {
            shard,
            first: range.start,
            whole_questions: self.questions.len(),
            whole_ids_sha256: ids_sha256(self.questions.iter().map(|q| q.id.as_str())),
        });
        self.questions.truncate(range.end);
        self.questions.drain(..range.start);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::SplitMix64;

    fn ranges(weights: &[u64], count: usize) -> Vec<Range<usize>> {
        let shards = (1..=count).map(|number| Shard::new(number, count).unwrap());
        shards.map(|shard| shard.range(weights)).collect()
    }

    #[test]
    fn every_question_is_in_one_shard_and_the_order_kept() {
        let mut numbers = SplitMix64::new(17);
        for _ in 0..2000 {
            let questions = numbers.below(60) as usize;
            let count = 1 + numbers.below(70) as usize;
            let longest = [1, 10, 100_000][numbers.below(3) as usize];
            let weights: Vec<u64> = (0..questions).map(|_| numbers.below(longest)).collect();
            let ranges = ranges(&weights, count);
            let all: Vec<usize> = ranges.iter().cloned().flatten().collect();
            assert_eq!(
                all,
                (0..questions).collect::<Vec<_>>(),
                "{weights:?} {count}"
            );
            let whole: u64 = weights.iter().map(|w| (*w).max(1)).sum();
            let heaviest = weights.iter().max().copied().unwrap_or(0).max(1);
            for range in ranges {
                let own: u64 = weights[range].iter().map(|w| (*w).max(1)).sum();
                assert!(own <= whole / count as u64 + heaviest + 1);
            }
        }
    }

    #[test]
    fn questions_alike_are_dealt_out_evenly() {
        for (questions, count) in [(24, 4), (26, 4), (8, 8), (3, 8), (1000, 7)] {
            let sizes: Vec<usize> = ranges(&vec![5; questions], count)
                .iter()
                .map(ExactSizeIterator::len)
                .collect();
            let (least, most) = (sizes.iter().min().unwrap(), sizes.iter().max().unwrap());
            assert!(most - least <= 1, "{questions} {count} {sizes:?}");
        }
        // A long passage is a shard of its own, and a shard beside it stays empty.
        assert_eq!(
            ranges(&[1000, 1, 1, 1], 4),
            [0..0, 0..1, 1..1, 1..4],
            "the middle of the first lies in the second quarter"
        );
        let huge = Shard::new(usize::MAX, usize::MAX).unwrap();
        assert_eq!(huge.range(&[u64::from(u32::MAX); 3]), 3..3);
    }

    #[test]
    fn shards_are_written_from_one() {
        for text in ["1/1", "3/8", "8/8"] {
            assert_eq!(text.parse::<Shard>().unwrap().to_string(), text);
        }
        for text in [
            "0/8", "9/8", "3", "3/", "/8", "-1/8", "a/b", "1/0", "1/8/2", "",
        ] {
            let said = text.parse::<Shard>().unwrap_err().to_string();
            assert!(said.contains("I from 1 to N"), "{said}");
        }
    }

    #[test]
    fn the_digest_is_that_of_the_json_list() {
        // printf '["a","b\\n"]' | sha256sum
        assert_eq!(
            ids_sha256(["a", "b\n"].into_iter()),
            "ba67ed66dcdb2f900190e19707592b82e268a66b4303ed135f436725209d0e9c"
        );
    }
}
