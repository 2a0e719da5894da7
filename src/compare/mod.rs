//! A candidate against a base: whether accuracy, speed and memory are better or worse, how
//! surely, and which questions went the other way.

pub mod accuracy;
pub mod comparability;
mod convert;
pub mod flips;
pub mod group;
pub mod pairing;
pub mod performance;
pub mod slices;
pub mod wire;

use serde::{Deserialize, Serialize};

use crate::record::run::Run;
use accuracy::Accuracy;
use comparability::{Difference, differences, hindrances};
use flips::{Flips, TieRule};
use pairing::Pairing;
use performance::{FigureComparison, in_same_rounds, performance};
use slices::{Slice, slices};
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

/// How two runs are compared.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Settings {
    /// Confidence level of all intervals, two-sided; p is held against 1 less it.
    pub level: f64,
    /// Percentage points of exact match that are no matter.
    pub exact_match_margin: f64,
    /// Percentage points of F1 that are no matter.
    pub f1_margin: f64,
    /// The relative difference of speed and memory that is noise; see
    /// [`crate::stats::paired::Rule`].
    pub noise_threshold: f64,
    /// Margins of scores below which rounding chose the answer.
    pub tie_margin: f64,
    /// Whether accuracy is compared over the common questions where one of the two has others.
    pub common_questions_suffice: bool,
    /// Slices of fewer questions are ordered after all others.
    pub min_slice: usize,
    /// Bootstrap resamples; of slices a tenth.
    pub resamples: usize,
    /// Their seed.
    pub seed: u64,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            level: 0.95,
            exact_match_margin: 1.0,
            f1_margin: 1.0,
            noise_threshold: 0.02,
            tie_margin: 1e-3,
            common_questions_suffice: false,
            min_slice: 10,
            resamples: 10_000,
            seed: 0,
        }
    }
}

/// A setting that nothing can be compared by.
#[derive(Debug, Clone, Copy, PartialEq, thiserror::Error)]
#[error("{setting} is {value}; it must be {must}")]
pub struct BadSetting {
    /// The setting's name.
    pub setting: &'static str,
    /// Its value.
    pub value: f64,
    /// What it must be.
    pub must: &'static str,
}

impl Settings {
    /// Whether the settings can be compared by.
    ///
    /// # Errors
    ///
    /// Fails where the level is not between 0 and 1, a margin or threshold is not a finite
    /// number from 0 on, or there are no resamples.
    pub fn check(&self) -> Result<(), BadSetting> {
        const FROM_0: &str = "a finite number, 0 or more";
        let is_from_0 = |value: f64| value >= 0.0 && value.is_finite();
        let is_level = self.level > 0.0 && self.level < 1.0;
        let resamples = self.resamples as f64;
        let checks = [
            ("level", self.level, is_level, "between 0 and 1"),
            (
                "exact_match_margin",
                self.exact_match_margin,
                is_from_0(self.exact_match_margin),
                FROM_0,
            ),
            (
                "f1_margin",
                self.f1_margin,
                is_from_0(self.f1_margin),
                FROM_0,
            ),
            (
                "noise_threshold",
                self.noise_threshold,
                is_from_0(self.noise_threshold),
                FROM_0,
            ),
            (
                "tie_margin",
                self.tie_margin,
                is_from_0(self.tie_margin),
                FROM_0,
            ),
            ("resamples", resamples, self.resamples > 0, "1 or more"),
        ];
        let bad = checks.into_iter().find(|(.., good, _)| !good);
        bad.map_or(Ok(()), |(setting, value, _, must)| {
            Err(BadSetting {
                setting,
                value,
                must,
            })
        })
    }
}

/// A candidate against a base.
#[derive(Debug, Clone, PartialEq)]
pub struct Comparison<'a> {
    /// What is compared with.
    pub base: &'a Run,
    /// What is compared.
    pub candidate: &'a Run,
    /// How.
    pub settings: Settings,
    /// The questions of both.
    pub pairing: Pairing<'a>,
    /// What differs besides the models, hindrances first.
    pub differences: Vec<Difference>,
    /// Exact match and F1.
    pub accuracy: Accuracy,
    /// Speed, memory and energy.
    pub performance: Vec<FigureComparison>,
    /// Questions that only one answered exactly.
    pub flips: Flips<'a>,
    /// Accuracy by parts of the questions, the surest drop first.
    pub slices: Vec<Slice>,
    /// What a reader of the figures should know.
    pub notes: Vec<String>,
}

impl Comparison<'_> {
    /// Whether nothing hinders a verdict about `aspect`.
    pub fn is_comparable(&self, aspect: Aspect) -> bool {
        let mut differences = self.differences.iter();
        differences.all(|difference| !difference.hinders.contains(&aspect))
    }
}

/// Compares two runs, on the current rayon pool. Figures of records that cannot be compared
/// are given as well; their verdict is [`Verdict::NotComparable`].
///
/// `settings` are taken as they are: see [`Settings::check`].
///
/// Exact match is better or worse where McNemar's exact test says so at the level and the
/// bootstrap interval of the difference lies on one side of 0; F1 where the interval does.
/// Otherwise they are the same where the whole interval lies within the margin, and
/// inconclusive where it does not. Where fewer than 20 questions changed, exact tests of how
/// many have to agree. The interval is the one that is expanded for few passages. Equal answers
/// are the same.
/// Of speed and memory see [`crate::stats::paired`].
pub fn compare<'a>(base: &'a Run, candidate: &'a Run, settings: &Settings) -> Comparison<'a> {
    let pairing = Pairing::of(&base.questions, &candidate.questions);
    let (of_base, of_candidate) = (&base.record, &candidate.record);
    let differences = differences(of_base, of_candidate, &pairing, settings);
    let hindrances = |aspect| hindrances(&differences, aspect);
    let accuracy = Accuracy::of(&pairing.pairs, &hindrances(Aspect::Accuracy), settings);
    let performance = performance(of_base, of_candidate, hindrances, settings);
    let ties = TieRule::of(of_base, of_candidate, settings.tie_margin);
    let flips = Flips::of(&pairing.pairs, &ties);
    let language = of_base.dataset().language.as_deref();
    Comparison {
        base,
        candidate,
        settings: *settings,
        accuracy,
        performance,
        flips,
        slices: slices(&pairing.pairs, language, settings),
        notes: notes(base, candidate, &pairing),
        pairing,
        differences,
    }
}

/// What a reader of the figures should know, whatever the verdicts.
fn notes(base: &Run, candidate: &Run, pairing: &Pairing) -> Vec<String> {
    let mut notes = Vec::new();
    if !pairing.is_complete() {
        notes.push(format!(
            "accuracy is that of the {} questions which both have",
            pairing.pairs.len()
        ));
    }
    let repetitions = |run: &Run| run.record.measured().map(|record| record.repetitions.len());
    let several = |run: &Run| repetitions(run).is_some_and(|count| count > 1);
    let same_rounds = in_same_rounds(&base.record, &candidate.record);
    if several(base) && several(candidate) && !same_rounds {
        notes.push(
            "the two were not measured in the same rounds: what drifted between them is in the \
             ratios of speed; `spanbench run` with both models measures them in turn"
                .to_owned(),
        );
    }
    for (side, run) in [("base", base), ("candidate", candidate)] {
        if let Some(unmeasured) = run.record.unmeasured() {
            notes.push(format!(
                "{side}: {unmeasured}: speed and memory are not compared"
            ));
        }
        if repetitions(run) == Some(0) {
            notes.push(format!(
                "{side}: an older record without repetitions: speed and memory are not compared"
            ));
        }
        if run
            .questions
            .iter()
            .any(|line| line.golds.is_none() || line.question.is_none())
        {
            notes.push(format!(
                "{side}: an older record that does not say what was asked"
            ));
        }
        let measured = run.record.measured();
        for repetition in measured.iter().flat_map(|record| &record.repetitions) {
            if !repetition.scenario.valid {
                let because = repetition.scenario.invalid_because.join("; ");
                notes.push(format!("{side}: a timed pass is not valid: {because}"));
            }
        }
    }
    notes
}
