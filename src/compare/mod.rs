//! A candidate against a base: whether accuracy, speed and memory are better or worse, how
//! surely, and which questions went the other way.

pub mod wire;

use serde::{Deserialize, Serialize};

pub use wire::WireComparison;

/// What is to be made of a difference.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// The candidate is better.
    Better,
    /// Any difference lies within what is no matter.
    Same,
    /// The candidate is worse.
    Worse,
    /// None of these is shown.
    Inconclusive,
    /// The records are not of the same thing.
    NotComparable,
}

impl Verdict {
    /// The verdict as people read it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Better => "better",
            Self::Same => "same",
            Self::Worse => "worse",
            Self::Inconclusive => "inconclusive",
            Self::NotComparable => "not comparable",
        }
    }
}

/// What a record tells about, each with conditions of its own for being compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Aspect {
    /// Exact match and F1.
    Accuracy,
    /// Throughput, latency and energy.
    Speed,
    /// Memory.
    Memory,
}

impl Aspect {
    /// The aspect's name in records.
    pub fn name(self) -> &'static str {
        match self {
            Self::Accuracy => "accuracy",
            Self::Speed => "speed",
            Self::Memory => "memory",
        }
    }
}

/// Which way a question went.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Direction {
    /// Right by the base, wrong by the candidate.
    Lost,
    /// Wrong by the base, right by the candidate.
    Gained,
}

impl Direction {
    /// The direction's name in records.
    pub fn name(self) -> &'static str {
        match self {
            Self::Lost => "lost",
            Self::Gained => "gained",
        }
    }
}

/// Why a question went the other way: the first that holds, in this order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Cause {
    /// The answers are the same text: golds or protocol differ.
    Scoring,
    /// Rounding chose: a side's answer was hardly ahead of the next one, or of "no answer".
    Tie,
    /// Exactly one of the two is "no answer".
    NullThreshold,
    /// The answers differ in writing only: they are the same letters and digits after NFKC and
    /// case folding.
    Normalisation,
    /// A side's answer is from a window that does not show the other's.
    Window,
    /// The answers overlap.
    Boundary,
    /// The answers are other places, or nothing tells where they are.
    OtherSpan,
}

impl Cause {
    /// The cause's name in records.
    pub fn name(self) -> &'static str {
        match self {
            Self::Scoring => "scoring",
            Self::Tie => "tie",
            Self::NullThreshold => "null_threshold",
            Self::Normalisation => "normalisation",
            Self::Window => "window",
            Self::Boundary => "boundary",
            Self::OtherSpan => "other_span",
        }
    }
}
