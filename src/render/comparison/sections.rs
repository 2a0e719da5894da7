//! What a comparison shows: lines and tables, for terminals and pages alike.

use super::LONGEST_PAGE;
use crate::compare::wire::{
    WireChange, WireComparison, WireEnds, WireFigureComparison, WireFlip, WireFlipAnswer,
    WireGroupComparison, WireSide, WireSliceComparison,
};
use crate::compare::{Aspect, Verdict};
use crate::render::analysis::Section;
use crate::render::figure;

/// Doubts of one side that are shown; the others are counted.
const DOUBTS_SHOWN: usize = 2;

fn shortened(text: &str, longest: usize) -> String {
    if text.chars().count() <= longest {
        return text.to_owned();
    }
    text.chars()
        .take(longest.saturating_sub(1))
        .collect::<String>()
        + "…"
}

/// What came of it: a line a verdict, the worst first.
pub(super) fn headline(comparison: &WireComparison) -> Vec<String> {
    let accuracy = &comparison.accuracy;
    let mut verdicts = vec![
        ("exact match", accuracy.exact_match.verdict),
        ("F1", accuracy.f1.verdict),
    ];
    let performance = comparison.performance.iter();
    verdicts.extend(performance.map(|figure| (name(&figure.figure), figure.verdict)));
    let order = [
        Verdict::Worse,
        Verdict::Better,
        Verdict::Same,
        Verdict::Inconclusive,
        Verdict::NotComparable,
    ];
    let lines = order.into_iter().filter_map(|verdict| {
        let of = verdicts.iter().filter(|(_, found)| *found == verdict);
        let of: Vec<_> = of.map(|(name, _)| *name).collect();
        (!of.is_empty()).then(|| format!("{}: {}", verdict.name(), of.join(", ")))
    });
    lines.collect()
}

pub(super) fn sides(comparison: &WireComparison) -> Vec<Vec<String>> {
    let row = |name: &str, side: &WireSide| {
        vec![
            name.to_owned(),
            side.model.clone(),
            side.dtype.clone(),
            side.dataset.clone(),
            side.device.clone(),
            side.cell.clone(),
        ]
    };
    vec![
        row("base", &comparison.base),
        row("candidate", &comparison.candidate),
    ]
}

fn range(ends: Option<WireEnds>, digits: usize, signed: bool) -> String {
    match ends {
        None => "-".to_owned(),
        Some(WireEnds { lower, upper }) if signed => {
            format!("{lower:+.digits$} to {upper:+.digits$}")
        }
        Some(WireEnds { lower, upper }) => format!("{lower:.digits$} to {upper:.digits$}"),
    }
}

fn change_cells(change: &WireChange) -> Vec<String> {
    vec![
        format!("{:.2}", change.base),
        format!("{:.2}", change.candidate),
        format!("{:+.2}", change.difference),
        range(change.interval, 2, true),
    ]
}

pub(super) fn accuracy(comparison: &WireComparison) -> Section {
    let accuracy = &comparison.accuracy;
    let mut rows = Vec::new();
    for (name, score) in [
        ("exact match %", &accuracy.exact_match),
        ("F1 %", &accuracy.f1),
    ] {
        let mut row = vec![name.to_owned()];
        row.extend(change_cells(&score.change));
        row.push(score.verdict.name().to_owned());
        rows.push(row);
    }
    for (name, group) in [
        ("with an answer", &accuracy.has_answer),
        ("without an answer", &accuracy.no_answer),
    ] {
        let Some(WireGroupComparison {
            n, exact_match, f1, ..
        }) = group
        else {
            continue;
        };
        for (score, change) in [("exact match", exact_match), ("F1", f1)] {
            let mut row = vec![format!("{n} {name}: {score} %")];
            row.extend(change_cells(change));
            row.push(String::new());
            rows.push(row);
        }
    }
    let level = 100.0 * comparison.settings.level;
    let (resampled, test) = (&accuracy.resampled, &accuracy.mcnemar);
    Section::new(
        &format!(
            "Accuracy of {} questions: {} lost, {} gained, p {} (McNemar, exact); {level} % \
             intervals resampling {} {}",
            accuracy.questions.common,
            test.lost,
            test.gained,
            probability(test.p),
            resampled.units,
            resampled.unit
        ),
        &["", "base", "candidate", "difference", "interval", "verdict"],
        rows,
    )
}

/// A probability with three decimals, or its size where they say nothing.
fn probability(p: f64) -> String {
    if p < 5e-4 && p > 0.0 {
        format!("{p:.1e}")
    } else {
        format!("{p:.3}")
    }
}

/// A figure's name for people; its place in the record where there is none.
fn name(figure: &str) -> &str {
    match figure {
        "throughput.questions_per_s" => "questions/s",
        "throughput.windows_per_s" => "windows/s",
        "latency_ms.p50" => "p50 ms",
        "latency_ms.p90" => "p90 ms",
        "latency_ms.p99" => "p99 ms",
        "memory.rss_peak_bytes" => "peak MB",
        "memory.rss_anon_peak_bytes" => "peak MB, anonymous",
        "memory.device_peak_bytes" => "peak MB, device",
        "energy.per_question_j" => "J/question",
        other => other,
    }
}

pub(super) fn performance(comparison: &WireComparison) -> Section {
    let row = |of: &WireFigureComparison| {
        let scale = if of.aspect == Aspect::Memory {
            1e-6
        } else {
            1.0
        };
        let value =
            |value: Option<f64>| value.map_or("-".to_owned(), |value| figure(scale * value));
        vec![
            name(&of.figure).to_owned(),
            value(of.base),
            value(of.candidate),
            of.ratio
                .map_or("-".to_owned(), |ratio| format!("{ratio:.3}")),
            range(of.interval, 3, false),
            of.verdict.name().to_owned(),
        ]
    };
    let rounds = match comparison.performance.first() {
        Some(figure) if figure.paired => "measured in the same rounds",
        _ => "not measured in the same rounds",
    };
    let [base, candidate] = [&comparison.base, &comparison.candidate].map(|side| {
        let shards = |count| format!("merged shards ({count})");
        side.shards.map_or(side.repetitions.to_string(), shards)
    });
    let (level, noise) = (
        100.0 * comparison.settings.level,
        100.0 * comparison.settings.noise_threshold,
    );
    Section::new(
        &format!(
            "Speed and memory: {base} and {candidate} repetitions, {rounds}; {level} % intervals, \
             {noise} % is noise"
        ),
        &["", "base", "candidate", "ratio", "interval", "verdict"],
        comparison.performance.iter().map(row).collect(),
    )
}

pub(super) fn causes(comparison: &WireComparison) -> Section {
    let flips = &comparison.flips;
    let row = |of: &str, name: &str, lost: usize, gained: usize| {
        vec![
            of.to_owned(),
            name.to_owned(),
            lost.to_string(),
            gained.to_string(),
        ]
    };
    let causes = flips.causes.iter();
    let mut rows: Vec<_> = causes
        .map(|of| row("cause", of.cause.name(), of.lost, of.gained))
        .collect();
    let errors = flips.errors.iter();
    rows.extend(errors.map(|of| row("error", &of.error, of.lost, of.gained)));
    Section::new(
        &format!(
            "Flips by cause and by error: {} answers changed; of the same exact match {} have a \
             lower F1, {} a higher one",
            flips.answers_changed, flips.f1_lower, flips.f1_higher
        ),
        &["by", "", "lost", "gained"],
        rows,
    )
}

/// The slices that dropped, the surest first.
pub(super) fn slices(comparison: &WireComparison, most: usize) -> Section {
    let dropped = |slice: &&WireSliceComparison| slice.group.exact_match.difference < 0.0;
    let row = |slice: &WireSliceComparison| {
        let WireGroupComparison {
            n,
            gained,
            lost,
            exact_match,
            f1,
        } = &slice.group;
        let mut row = vec![shortened(
            &format!("{}={}", slice.property, slice.name),
            LONGEST_PAGE,
        )];
        row.extend([n.to_string(), lost.to_string(), gained.to_string()]);
        row.extend(change_cells(exact_match));
        row.push(format!("{:+.2}", f1.difference));
        row
    };
    let all = comparison.slices.iter().filter(dropped).count();
    let slices = comparison.slices.iter().filter(dropped).take(most);
    Section::new(
        &format!(
            "Exact match of slices that dropped, the surest first: {} of {all}",
            all.min(most)
        ),
        &[
            "slice",
            "questions",
            "lost",
            "gained",
            "base",
            "candidate",
            "difference",
            "interval",
            "F1",
        ],
        slices.map(row).collect(),
    )
}

pub(super) fn flips(comparison: &WireComparison, most: usize, longest: usize) -> Section {
    let short = |text: &str| shortened(text, longest);
    let answer = |of: &WireFlipAnswer| {
        let text = if of.answer.trim().is_empty() {
            "(no answer)"
        } else {
            &of.answer
        };
        format!("{} ({:.0} %, {:.2})", short(text), 100.0 * of.f1, of.score)
    };
    let row = |flip: &WireFlip| {
        let golds = flip
            .golds
            .as_ref()
            .map_or("?".to_owned(), |golds| golds.join(" / "));
        vec![
            flip.direction.name().to_owned(),
            flip.cause.name().to_owned(),
            short(flip.question.as_deref().unwrap_or(&flip.id)),
            short(if golds.is_empty() {
                "(no answer)"
            } else {
                &golds
            }),
            answer(&flip.base),
            answer(&flip.candidate),
        ]
    };
    let flips = &comparison.flips.questions;
    let shown = flips.len().min(most);
    Section::new(
        &format!("Flips, {shown} of {} (F1, score)", flips.len()),
        &[
            "",
            "cause",
            "question",
            "gold",
            "base's answer",
            "candidate's answer",
        ],
        flips.iter().take(most).map(row).collect(),
    )
}

pub(super) fn differences(comparison: &WireComparison, longest: usize) -> Section {
    let differences = comparison.comparability.differences.iter();
    let rows = differences.map(|difference| {
        let hinders: Vec<_> = difference
            .hinders
            .iter()
            .map(|aspect| aspect.name())
            .collect();
        vec![
            difference.field.clone(),
            shortened(&difference.base, longest),
            shortened(&difference.candidate, longest),
            if hinders.is_empty() {
                "-".to_owned()
            } else {
                hinders.join(", ")
            },
        ]
    });
    Section::new(
        "What differs besides the models",
        &["field", "of the base", "of the candidate", "not comparable"],
        rows.collect(),
    )
}

/// Reasons against verdicts, what to know, and doubts.
pub(super) fn notes(comparison: &WireComparison) -> Vec<String> {
    let accuracy = &comparison.accuracy;
    let scores = [("exact match", &accuracy.exact_match), ("F1", &accuracy.f1)];
    let mut notes: Vec<String> = Vec::new();
    for (name, score) in scores {
        let inconclusive = score.verdict == Verdict::Inconclusive;
        let reasons = score.reasons.iter().filter(|_| inconclusive);
        notes.extend(reasons.map(|reason| format!("{name}: {reason}")));
    }
    for figure in &comparison.performance {
        let inconclusive = figure.verdict == Verdict::Inconclusive;
        let reasons = figure.reasons.iter().filter(|_| inconclusive);
        notes.extend(reasons.map(|reason| format!("{}: {reason}", name(&figure.figure))));
    }
    let because = accuracy.resampled.because.iter();
    notes.extend(because.map(|because| format!("intervals are by questions: {because}")));
    notes.extend(comparison.notes.iter().cloned());
    for (name, side) in [
        ("base", &comparison.base),
        ("candidate", &comparison.candidate),
    ] {
        let doubts = side.doubts.iter().take(DOUBTS_SHOWN);
        notes.extend(doubts.map(|doubt| format!("? {name}: {doubt}")));
        let more = side.doubts.len().saturating_sub(DOUBTS_SHOWN);
        if more > 0 {
            notes.push(format!("? {name}: and {more} more, see its run.json"));
        }
    }
    notes
}
