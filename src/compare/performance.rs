//! Speed, memory and energy: ratios over the repetitions.

use super::{Aspect, Settings, Verdict};
use crate::cell::figures;
use crate::record::{Record, WireRecord};
use crate::stats::Interval;
use crate::stats::order::median;
use crate::stats::paired::{self, Doubt, Rule, compare_paired, compare_unpaired};

/// The figures that are compared: name, what they are figures of, whether higher is better.
pub(crate) const COMPARED: &[(&str, Aspect, bool)] = &[
    ("throughput.questions_per_s", Aspect::Speed, true),
    ("throughput.windows_per_s", Aspect::Speed, true),
    ("latency_ms.p50", Aspect::Speed, false),
    ("latency_ms.p90", Aspect::Speed, false),
    ("latency_ms.p99", Aspect::Speed, false),
    ("memory.rss_peak_bytes", Aspect::Memory, false),
    ("memory.rss_anon_peak_bytes", Aspect::Memory, false),
    ("memory.device_peak_bytes", Aspect::Memory, false),
    ("energy.per_question_j", Aspect::Speed, false),
];

/// One figure of both.
#[derive(Debug, Clone, PartialEq)]
pub struct FigureComparison {
    /// Its place in the record.
    pub figure: &'static str,
    /// What it is a figure of.
    pub aspect: Aspect,
    /// Whether a higher value is the better one.
    pub higher_is_better: bool,
    /// The base's median; nothing of merged shards.
    pub base: Option<f64>,
    /// The candidate's median.
    pub candidate: Option<f64>,
    /// Whether the repetitions were compared round by round.
    pub paired: bool,
    /// Candidate by base, where that is a number.
    pub ratio: Option<f64>,
    /// The ratio's interval, where it has two ends.
    pub interval: Option<Interval>,
    /// The verdict.
    pub verdict: Verdict,
    /// Why, where the verdict is `Inconclusive` or `NotComparable`.
    pub reasons: Vec<String>,
}

/// Whether the repetitions of two records are rounds of one run, one soon after the other.
pub(super) fn in_same_rounds(base: &Record, candidate: &Record) -> bool {
    let (Some(base), Some(candidate)) = (base.measured(), candidate.measured()) else {
        return false;
    };
    base.run_id.is_some()
        && base.run_id == candidate.run_id
        && base.repetitions.len() == candidate.repetitions.len()
}

/// The figures that every repetition of both records has; of merged shards, which have none,
/// those that the other record has, or else all. `hindrances` say why an aspect cannot be
/// compared.
pub(super) fn performance(
    base: &Record,
    candidate: &Record,
    hindrances: impl Fn(Aspect) -> Vec<String>,
    settings: &Settings,
) -> Vec<FigureComparison> {
    let paired = in_same_rounds(base, candidate);
    let rule = Rule {
        level: settings.level,
        noise_threshold: settings.noise_threshold,
    };
    let compared = COMPARED.iter();
    let compared = compared.filter_map(|&(figure, aspect, higher_is_better)| {
        // A single run that lacks the figure has nothing to compare; merged shards cannot have it.
        let of = |record: &Record| match record.measured() {
            Some(record) => {
                let values = values(record, figure);
                values.filter(|values| median(values).is_some()).map(Some)
            }
            None => Some(None),
        };
        let (values, others) = (of(base)?, of(candidate)?);
        let mut compared = FigureComparison {
            figure,
            aspect,
            higher_is_better,
            base: values.as_deref().and_then(median),
            candidate: others.as_deref().and_then(median),
            paired,
            ratio: None,
            interval: None,
            verdict: Verdict::NotComparable,
            reasons: hindrances(aspect),
        };
        if let (Some(values), Some(others)) = (values, others) {
            let found = if paired {
                compare_paired(&values, &others, &rule)
            } else {
                compare_unpaired(&values, &others, &rule)
            };
            let found = found.map_err(|fault| fault.to_string());
            if compared.reasons.is_empty() {
                (compared.verdict, compared.reasons) = judge(&found, higher_is_better);
            }
            let ratio = found.as_ref().map(|found| found.ratio);
            let interval = found.as_ref().ok().and_then(|found| found.interval);
            compared.ratio = ratio.ok().filter(|ratio| ratio.is_finite());
            compared.interval = interval.filter(|ends| ends.upper.is_finite());
        }
        Some(compared)
    });
    compared.collect()
}

/// The figure in each repetition; nothing where one lacks it or there is none.
fn values(record: &WireRecord, name: &str) -> Option<Vec<f64>> {
    let (_, figure) = figures::ALL.iter().find(|(figure, _)| *figure == name)?;
    let values: Vec<f64> = record
        .repetitions
        .iter()
        .map(figure)
        .collect::<Option<_>>()?;
    (!values.is_empty()).then_some(values)
}

fn judge(
    found: &Result<paired::Comparison, String>,
    higher_is_better: bool,
) -> (Verdict, Vec<String>) {
    let (better, worse) = if higher_is_better {
        (paired::Verdict::Higher, paired::Verdict::Lower)
    } else {
        (paired::Verdict::Lower, paired::Verdict::Higher)
    };
    let because = |reason: &str| (Verdict::Inconclusive, vec![reason.to_owned()]);
    match found {
        Err(fault) => because(fault),
        Ok(found) => match found.verdict {
            verdict if verdict == better => (Verdict::Better, Vec::new()),
            verdict if verdict == worse => (Verdict::Worse, Vec::new()),
            paired::Verdict::Inconclusive(Doubt::TooFewRepetitions) => {
                because("too few repetitions")
            }
            paired::Verdict::Inconclusive(Doubt::WideInterval) => {
                because("the interval lies on both sides of the noise threshold")
            }
            _ => (Verdict::Same, Vec::new()),
        },
    }
}
