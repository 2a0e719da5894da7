//! Which statistic each figure is.

use super::Section;
use super::markup::{Markup, element};

const NOTES: [(&str, &str); 12] = [
    (
        "Exact match, F1",
        "Percent of all questions scored, by the official script of the protocol; a cell's timed answers were compared with the scored ones, one by one.",
    ),
    (
        "95 % of F1",
        "Percentile bootstrap over passages with all their questions, since questions about one passage are alike; absent below ten passages.",
    ),
    (
        "Questions/s",
        "Offline: questions by the seconds of tokenising, forward passes and decoding. In other scenarios: by the time from the beginning of the timed pass to its last answer.",
    ),
    (
        "Windows/s",
        "Windows by the seconds of the timed forward passes.",
    ),
    (
        "Latency",
        "Offline: a question's tokenising, each forward pass that one of its windows was part of (whole batches, so neighbours count), and its decoding. In other scenarios: from when its query was due to the answer to all of the query.",
    ),
    (
        "Percentiles",
        "By nearest rank: the smallest value that at least p percent of all values do not exceed. In tables the median of each percentile over the repetitions; curves are of all answers of all repetitions together.",
    ),
    (
        "Peak memory",
        "Most resident pages of the process, mapped files included, in the phases that every repetition has. 1 MB is 10\u{2076} bytes.",
    ),
    (
        "Repetitions",
        "Each in a process of its own. Figures are medians over them, and their intervals are distribution-free intervals of the median, by order statistics.",
    ),
    (
        "Wilson intervals",
        "95 % score intervals of exact match in a slice, which take questions for independent.",
    ),
    (
        "Comparisons",
        "Paired by question. Exact match: McNemar\u{2019}s exact test, two-sided. Differences: paired percentile bootstrap. Ratios of speed and memory: candidate by base, from trimmed means of logarithms over repetitions. Worse or better is called only where the whole interval lies beyond the margin.",
    ),
    (
        "Ranks",
        "By F1 over common questions; intervals are percentiles of the rank in a paired bootstrap.",
    ),
    (
        "Calibration",
        "Null odds through a logistic function, in 15 bins of equal width; the expected calibration error is the mean distance of probability and share, weighed by questions.",
    ),
];

/// A definition for each figure.
pub fn section() -> Option<Section> {
    let notes = NOTES.iter().map(|(name, text)| {
        let name = element("dt", &[], Markup::text(name));
        name.and(element("dd", &[], Markup::text(text)))
    });
    let list = element("dl", &[("class", "method")], notes.collect());
    Section::new("method", "What the figures are", list)
}
