//! An audit as JSON. Version 1; fields are only ever added.

use serde::{Deserialize, Serialize};

use super::protocols::{Answering, Published, Scoring, departures};
use super::{Claim, Figures, Outcome, Verdict, verdict};
use crate::record::wire::{WireDataset, WireModel};

/// The version of the layout below.
pub const SCHEMA: u32 = 1;

/// An audit: what was published, what came of each protocol, and what that means.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct WireAudit {
    /// [`SCHEMA`].
    pub schema: u32,
    /// What answered.
    pub model: WireModel,
    /// What was asked.
    pub dataset: WireDataset,
    /// What was published.
    pub published: WireClaim,
    /// How far a figure may be from the published one, in points.
    pub tolerance: f64,
    /// What it comes to: `as_published`, `otherwise` or `nowhere`, and which of the protocols.
    pub verdict: Verdict,
    /// The protocols, the published one first, in the order in which they were tried.
    pub protocols: Vec<WireTrial>,
    /// Protocols that were not tried, since one before them reproduces.
    pub untried: usize,
    /// What is not known of how the published figures came to be, a line each.
    pub unknown: Vec<String>,
    /// 0 where the figures reproduce as published, else 1.
    pub exit_code: u8,
}

/// Published figures.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct WireClaim {
    /// In percent.
    pub exact_match: Option<f64>,
    /// In percent.
    pub f1: Option<f64>,
    /// The data in the words of the source.
    pub dataset: Option<String>,
    /// Who published them, and where.
    pub source: String,
}

/// A protocol, and what came of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct WireTrial {
    /// In what it departs from the published protocol, as options of `spanbench run`; null
    /// thresholds in words. Empty for the published one.
    pub departs: Vec<String>,
    /// `run_qa`, `google` or `pipeline`.
    pub decode: String,
    /// Tokens of a window at the most.
    pub max_seq_len: usize,
    /// Tokens that two windows share; for `google` the step from one to the next.
    pub doc_stride: usize,
    /// Best starts and ends paired; absent for `pipeline`, which looks at all.
    pub n_best: Option<usize>,
    /// Tokens of an answer at the most.
    pub max_answer_len: usize,
    /// The scorer.
    pub protocol: String,
    /// `0` or `best`; absent where every question gets an answer.
    pub null_threshold: Option<String>,
    /// What came of it; absent where it could not be run.
    pub figures: Option<Figures>,
    /// Exact match less the published one, in points, where there are both.
    pub exact_match_difference: Option<f64>,
    /// F1 less the published one, in points, where there are both.
    pub f1_difference: Option<f64>,
    /// The larger difference, without its sign.
    pub off_by: Option<f64>,
    /// Whether the published figures are reproduced.
    pub reproduces: bool,
    /// The folder of the record; absent where it could not be run.
    pub record: Option<String>,
}

impl WireTrial {
    /// What came of answers and their score.
    pub fn new(
        claim: &Claim,
        published: &Published,
        tolerance: f64,
        (answering, scored): (&Answering, Scoring),
        figures: Option<Figures>,
        record: Option<String>,
    ) -> Self {
        let differences = figures.map_or([None; 2], |found| claim.figures.differences(found));
        let is_good = |found| claim.figures.are_reproduced(found, tolerance);
        Self {
            departs: departures(published, answering, scored),
            decode: answering.decoder.name().to_owned(),
            max_seq_len: answering.max_seq_len,
            doc_stride: answering.doc_stride,
            n_best: answering.told_n_best(),
            max_answer_len: answering.max_answer_len,
            protocol: scored.scorer.name().to_owned(),
            null_threshold: scored.null_threshold.map(|t| t.name().to_owned()),
            figures,
            exact_match_difference: differences[0],
            f1_difference: differences[1],
            off_by: figures.map(|found| claim.figures.distance(found)),
            reproduces: figures.is_some_and(is_good),
            record,
        }
    }
}

impl WireAudit {
    /// The audit that trials come to, of the model and data that they were of.
    pub fn new(
        claim: &Claim,
        (model, dataset): (WireModel, WireDataset),
        tolerance: f64,
        protocols: Vec<WireTrial>,
        untried: usize,
    ) -> Self {
        let found: Vec<Option<Figures>> = protocols.iter().map(|trial| trial.figures).collect();
        let verdict = verdict(&claim.figures, tolerance, &found);
        Self {
            schema: SCHEMA,
            model,
            dataset,
            published: WireClaim {
                exact_match: claim.figures.exact_match,
                f1: claim.figures.f1,
                dataset: claim.words.clone(),
                source: claim.source.clone(),
            },
            tolerance,
            verdict,
            protocols,
            untried,
            unknown: claim.unknown.clone(),
            exit_code: u8::from(verdict.outcome != Outcome::AsPublished),
        }
    }
}
