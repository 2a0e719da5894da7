//! A comparison as it is written to JSON. Version 1; fields are only ever added.
//!
//! A figure that has no value is null. Accuracy is in percent, its differences
//! in percentage points, always candidate less base; ratios are candidate by base.

use serde::{Deserialize, Serialize};

use super::{Aspect, Cause, Direction, Verdict};

/// The version of the layout below.
pub const SCHEMA: u32 = 1;

/// A candidate against a base: `spanbench compare --json`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct WireComparison {
    /// [`SCHEMA`].
    pub schema: u32,
    /// What is compared with.
    pub base: WireSide,
    /// What is compared.
    pub candidate: WireSide,
    /// What can change a figure or a verdict.
    pub settings: WireComparisonSettings,
    /// Whether the two can be compared.
    pub comparability: WireComparability,
    /// Exact match and F1.
    pub accuracy: WireAccuracyComparison,
    /// Speed, memory and energy: the figures that both records have. Where a side is of merged
    /// shards, which have none, those of the other side, or else all, none of them comparable.
    pub performance: Vec<WireFigureComparison>,
    /// Questions that only one of the two answered exactly.
    pub flips: WireFlips,
    /// Accuracy by parts of the questions, the surest drop first; those of fewer than
    /// `settings.min_slice` questions after all others.
    pub slices: Vec<WireSliceComparison>,
    /// What a reader of the figures should know, a sentence each.
    pub notes: Vec<String>,
}

/// One of the two records.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct WireSide {
    /// The cell's folder or file.
    pub path: String,
    /// The cell's name.
    pub cell: String,
    /// The run that it is a cell of; cells of one run were measured in the same rounds.
    pub run_id: Option<String>,
    /// When it began, in UTC (RFC 3339).
    pub started: String,
    /// The model's id.
    pub model: String,
    /// The model's commit, for models of the hub.
    pub revision: Option<String>,
    /// `model_type`.
    pub architecture: String,
    /// The dtype that weights are kept in.
    pub dtype: String,
    /// The dtype that matrices are multiplied in.
    pub compute_dtype: String,
    /// The form of the operations.
    pub ops: String,
    /// The data set's id.
    pub dataset: String,
    /// Where it ran.
    pub device: String,
    /// Questions in its `questions.jsonl`.
    pub questions: usize,
    /// Repetitions that it was measured in.
    pub repetitions: usize,
    /// The number of shards that it was merged from; absent of a single run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shards: Option<usize>,
    /// Why its figures of speed and memory should not be trusted.
    pub doubts: Vec<String>,
}

/// The settings of a comparison.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct WireComparisonSettings {
    /// Confidence level of all intervals, two-sided; McNemar's p is held against 1 less it.
    pub level: f64,
    /// Percentage points of exact match that are no matter.
    pub exact_match_margin: f64,
    /// Percentage points of F1 that are no matter.
    pub f1_margin: f64,
    /// The relative difference of speed and memory that is noise.
    pub noise_threshold: f64,
    /// Margins of scores below which rounding chose the answer.
    pub tie_margin: f64,
    /// Whether accuracy is compared where one of the two has more questions than the other.
    pub common_questions_suffice: bool,
    /// Slices of fewer questions are ordered after all others.
    pub min_slice: usize,
    /// Bootstrap resamples; of slices a tenth.
    pub resamples: usize,
    /// Their seed.
    pub seed: u64,
}

/// Whether two records can be compared.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct WireComparability {
    /// Whether accuracy can.
    pub accuracy: bool,
    /// Whether speed and energy can.
    pub speed: bool,
    /// Whether memory can.
    pub memory: bool,
    /// What differs between the two, besides the models; hindrances first.
    pub differences: Vec<WireRecordDifference>,
}

/// Something that differs between two records.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WireRecordDifference {
    /// Its place in the record, such as `protocol.max_seq_len`; `questions` where the
    /// questions are not the same, `shards` where a side is of merged ones.
    pub field: String,
    /// The base's value.
    pub base: String,
    /// The candidate's value.
    pub candidate: String,
    /// What it makes incomparable; empty where it is only to be known.
    pub hinders: Vec<Aspect>,
}

/// Accuracy over the questions that both have.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct WireAccuracyComparison {
    /// Which questions were compared.
    pub questions: WirePairing,
    /// McNemar's exact test of exact match.
    pub mcnemar: WireMcNemar,
    /// What the intervals were resampled by.
    pub resampled: WireResampled,
    /// Exact match.
    pub exact_match: WireScoreComparison,
    /// Token F1.
    pub f1: WireScoreComparison,
    /// Questions that have an answer, where others have none.
    pub has_answer: Option<WireGroupComparison>,
    /// Questions that have none.
    pub no_answer: Option<WireGroupComparison>,
}

/// Which questions were compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct WirePairing {
    /// Questions that both have.
    pub common: usize,
    /// Questions that the base alone has.
    pub only_base: usize,
    /// Questions that the candidate alone has.
    pub only_candidate: usize,
}

/// McNemar's exact test: a two-sided binomial test of who is right where only one is.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct WireMcNemar {
    /// Questions that the candidate alone answered exactly.
    pub gained: usize,
    /// Questions that the base alone answered exactly.
    pub lost: usize,
    /// The probability of as uneven a split where neither is better.
    pub p: f64,
}

/// What was drawn as a whole by the bootstrap.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WireResampled {
    /// `passages` with all their questions, or `questions`.
    pub unit: String,
    /// Their number.
    pub units: usize,
    /// Why it was not passages.
    pub because: Option<String>,
}

/// A score of both, and what is to be made of the difference.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct WireScoreComparison {
    /// Both scores and their difference.
    #[serde(flatten)]
    pub change: WireChange,
    /// The margin within which scores are the same, in points.
    pub margin: f64,
    /// Whether it is shown that the candidate is not worse by the margin or more: the whole
    /// interval lies above it.
    pub non_inferior: bool,
    /// What is to be made of it.
    pub verdict: Verdict,
    /// Why, where the verdict is `inconclusive` or `not_comparable`.
    pub reasons: Vec<String>,
}

/// A score of base and candidate over the same questions.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct WireChange {
    /// The base's, in percent.
    pub base: f64,
    /// The candidate's, in percent.
    pub candidate: f64,
    /// Candidate less base, in percentage points.
    pub difference: f64,
    /// The difference's percentile bootstrap interval; null below two units.
    pub interval: Option<WireEnds>,
    /// The same, wider where units are few, so that the level is held (Hesterberg's expanded
    /// percentile interval): verdicts go by this one.
    pub expanded: Option<WireEnds>,
    /// Questions in which the candidate's is higher.
    #[serde(default)]
    pub higher: usize,
    /// Questions in which it is lower.
    #[serde(default)]
    pub lower: usize,
}

/// From `lower` up to `upper`.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct WireEnds {
    /// The lower end.
    pub lower: f64,
    /// The upper end.
    pub upper: f64,
}

/// Some questions' scores.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct WireGroupComparison {
    /// The number of questions.
    pub n: usize,
    /// Questions that the candidate alone answered exactly.
    pub gained: usize,
    /// Questions that the base alone answered exactly.
    pub lost: usize,
    /// Exact match.
    pub exact_match: WireChange,
    /// Token F1.
    pub f1: WireChange,
}

/// A figure of speed, memory or energy.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct WireFigureComparison {
    /// Its place in the record, such as `throughput.windows_per_s`.
    pub figure: String,
    /// What it is a figure of; energy counts as speed.
    pub aspect: Aspect,
    /// Whether a higher value is the better one.
    pub higher_is_better: bool,
    /// The base's median over its repetitions; null of merged shards.
    pub base: Option<f64>,
    /// The candidate's.
    pub candidate: Option<f64>,
    /// Whether the repetitions were compared round by round, both being cells of one run.
    pub paired: bool,
    /// Candidate by base: of trimmed means of logarithms, so not quite that of the two medians.
    /// Null where a value is 0 or there is none.
    pub ratio: Option<f64>,
    /// The ratio's interval; null with one repetition, and where it has no end.
    pub interval: Option<WireEnds>,
    /// What is to be made of it.
    pub verdict: Verdict,
    /// Why, where the verdict is `inconclusive` or `not_comparable`.
    pub reasons: Vec<String>,
}

/// Questions that only one of the two answered exactly.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct WireFlips {
    /// Right by the base, wrong by the candidate.
    pub lost: usize,
    /// Wrong by the base, right by the candidate.
    pub gained: usize,
    /// No flips: exact match is the same and F1 higher than the base's.
    pub f1_higher: usize,
    /// No flips: exact match is the same and F1 lower than the base's.
    pub f1_lower: usize,
    /// Questions with another answer, whatever it scored.
    pub answers_changed: usize,
    /// The causes that occur, the most frequent first.
    pub causes: Vec<WireCauseCount>,
    /// Kinds of errors of the wrong answers among the flips, the most frequent first.
    pub errors: Vec<WireErrorCount>,
    /// Each flip: lost ones first, then as in the base's `questions.jsonl`.
    pub questions: Vec<WireFlip>,
}

/// Flips of one cause.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct WireCauseCount {
    /// The cause.
    pub cause: Cause,
    /// Lost for it.
    pub lost: usize,
    /// Gained for it.
    pub gained: usize,
}

/// Flips whose wrong answer has one kind of error.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WireErrorCount {
    /// The kind, as in `questions.jsonl`; `unknown` where that does not say it.
    pub error: String,
    /// Errors that the candidate makes and the base does not.
    pub lost: usize,
    /// Errors that the base makes and the candidate does not.
    pub gained: usize,
}

/// A question that only one of the two answered exactly.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct WireFlip {
    /// The question's id.
    pub id: String,
    /// Whether it was lost or gained.
    pub direction: Direction,
    /// Why the answers differ.
    pub cause: Cause,
    /// The question; null in older records.
    pub question: Option<String>,
    /// The distinct gold answers, empty where there is none; null in older records.
    pub golds: Option<Vec<String>>,
    /// The number of its passage; null in older records.
    pub passage: Option<usize>,
    /// The base's answer.
    pub base: WireFlipAnswer,
    /// The candidate's answer.
    pub candidate: WireFlipAnswer,
}

/// One side's answer to a question that flipped, as in its `questions.jsonl`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct WireFlipAnswer {
    /// The answer; empty for "no answer".
    pub answer: String,
    /// Token F1, between 0 and 1.
    pub f1: f64,
    /// Start logit plus end logit; for the pipeline a probability.
    pub score: f32,
    /// Distance to the best span of another text.
    pub margin: Option<f32>,
    /// Null score less best span score, where "no answer" was allowed.
    pub null_odds: Option<f32>,
    /// First and past-the-end code point in the passage.
    pub span: Option<[usize; 2]>,
    /// Code points of the passage that the window shows which the answer was taken from.
    pub window: Option<[usize; 2]>,
    /// The kind of error; null where the answer is right.
    pub error: Option<String>,
}

/// Questions that share a property; a gate names them `property=name`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct WireSliceComparison {
    /// `question_type`, `has_answer`, `answer_length`, `windows` (the base's) or `passage`
    /// (those with flips).
    pub property: String,
    /// What they share.
    pub name: String,
    /// The number of questions, flips and scores.
    #[serde(flatten)]
    pub group: WireGroupComparison,
    /// What the intervals were resampled by: `passages` or `questions`.
    pub resampled: String,
}
