//! A comparison for a terminal and, as Markdown, for a pull request.

use super::analysis::Section;
use super::columns::aligned;
use super::figure;
use super::markdown::escape;
use crate::compare::wire::{
    WireChange, WireComparison, WireEnds, WireFigureComparison, WireFlip, WireFlipAnswer,
    WireGroupComparison, WireSide, WireSliceComparison,
};
use crate::compare::{Aspect, Verdict};

/// Flips and slices that a terminal shows; there are more in the JSON.
const SHOWN_TEXT: usize = 8;

/// Flips and slices that a page shows: a comment on a pull request has an end.
const SHOWN_PAGE: usize = 100;

/// Doubts of one side that are shown; the others are counted.
const DOUBTS_SHOWN: usize = 2;

/// Characters of a question, an answer or a value that are shown.
const LONGEST_TEXT: usize = 40;
const LONGEST_PAGE: usize = 200;

/// The comparison in aligned columns, the verdicts first.
///
/// `emphasis` is put before and after the verdicts and headings: escape sequences
/// for a terminal that has them, or nothing.
pub fn text(comparison: &WireComparison, emphasis: (&str, &str)) -> String {
    let (on, off) = emphasis;
    let bold = |line: &str| format!("{on}{}{off}", plain(line));
    let mut lines: Vec<String> = headline(comparison).iter().map(|line| bold(line)).collect();
    lines.push(String::new());
    lines.extend(aligned(&printable(sides(comparison)), 6));
    let mut sections = vec![accuracy(comparison), performance(comparison)];
    sections.push(causes(comparison));
    sections.push(slices(comparison, SHOWN_TEXT));
    sections.push(flips(comparison, SHOWN_TEXT, LONGEST_TEXT));
    sections.push(differences(comparison, LONGEST_TEXT));
    for section in sections.iter().filter(|section| !section.rows.is_empty()) {
        let headings = section.headings.iter().map(ToString::to_string).collect();
        let rows: Vec<Vec<String>> = std::iter::once(headings)
            .chain(section.rows.iter().cloned())
            .collect();
        let rows = printable(rows);
        lines.extend([String::new(), plain(&section.title)]);
        let table = lines.len();
        lines.extend(aligned(&rows, names(section)));
        lines[table] = format!("{on}{}{off}", lines[table]);
    }
    let notes = notes(comparison);
    if !notes.is_empty() {
        lines.push(String::new());
        lines.extend(notes.iter().map(|note| plain(note)));
    }
    lines.join("\n") + "\n"
}

fn printable(rows: Vec<Vec<String>>) -> Vec<Vec<String>> {
    let rows = rows.into_iter();
    rows.map(|row| row.iter().map(|cell| plain(cell)).collect())
        .collect()
}

/// The comparison as Markdown: the verdicts, tables, and folded what is long.
pub fn markdown(comparison: &WireComparison) -> String {
    let mut page = String::from("# Comparison\n\n");
    for line in headline(comparison) {
        page += &format!("**{}**\n\n", escape(&line));
    }
    page += "| | model | dtype | data set | device | cell |\n|---|---|---|---|---|---|\n";
    for row in sides(comparison) {
        page += &row_of(&row);
    }
    page += "\n";
    for section in [accuracy(comparison), performance(comparison)] {
        page += &table("##", &section);
    }
    for note in notes(comparison) {
        page += &format!("> {}\n\n", literal(&note));
    }
    page += &table("##", &causes(comparison));
    for (title, section) in [
        ("Flips", flips(comparison, SHOWN_PAGE, LONGEST_PAGE)),
        ("Slices", slices(comparison, SHOWN_PAGE)),
        ("What differs", differences(comparison, LONGEST_PAGE)),
    ] {
        if !section.rows.is_empty() {
            page += &format!("<details><summary>{title}</summary>\n\n");
            page += &table("###", &section);
            page += "</details>\n\n";
        }
    }
    page
}

fn table(level: &str, section: &Section) -> String {
    if section.rows.is_empty() {
        return String::new();
    }
    let names = names(section);
    let rule = (0..section.headings.len()).map(|place| if place < names { "---|" } else { "--:|" });
    let mut table = format!("{level} {}\n\n", escape(&section.title));
    table += &format!(
        "| {} |\n|{}\n",
        section.headings.join(" | "),
        rule.collect::<String>()
    );
    section.rows.iter().for_each(|row| table += &row_of(row));
    table + "\n"
}

fn row_of(cells: &[String]) -> String {
    let cells: Vec<String> = cells.iter().map(|cell| literal(cell)).collect();
    format!("| {} |\n", cells.join(" | "))
}

/// A cell whose text is taken literally, by Markdown and by what a code forge makes of names,
/// numbers and formulas: those are left alone within code.
fn literal(cell: &str) -> String {
    let is_forges = |c| matches!(c, '@' | '#' | '$' | '~');
    let cell = plain(cell);
    if cell.contains(is_forges) || cell.contains("www.") {
        let escaped = escape(&cell).replace('~', "\\~").replace('$', "\\$");
        format!("<code>{escaped}</code>")
    } else {
        escape(&cell)
    }
}

/// How many columns of a section hold names: those before the first that holds figures.
fn names(section: &Section) -> usize {
    let figures = ["base", "lost", "questions"];
    let first = section
        .headings
        .iter()
        .position(|heading| figures.contains(heading));
    first.unwrap_or(section.headings.len())
}

/// One line of any text: without control characters and such as turn the direction of
/// writing, which would lay a line out as something else.
fn plain(text: &str) -> String {
    let turns = |c: char| matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{200e}' | '\u{200f}' | '\u{61c}');
    let breaks = |c: char| c.is_control() || matches!(c, '\u{2028}' | '\u{2029}');
    text.chars()
        .map(|c| if breaks(c) || turns(c) { ' ' } else { c })
        .collect()
}

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
fn headline(comparison: &WireComparison) -> Vec<String> {
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

fn sides(comparison: &WireComparison) -> Vec<Vec<String>> {
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

fn accuracy(comparison: &WireComparison) -> Section {
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

fn performance(comparison: &WireComparison) -> Section {
    let row = |of: &WireFigureComparison| {
        let scale = if of.aspect == Aspect::Memory {
            1e-6
        } else {
            1.0
        };
        vec![
            name(&of.figure).to_owned(),
            figure(scale * of.base),
            figure(scale * of.candidate),
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
    let [base, candidate] = [&comparison.base, &comparison.candidate].map(|s| s.repetitions);
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

fn causes(comparison: &WireComparison) -> Section {
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
fn slices(comparison: &WireComparison, most: usize) -> Section {
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

fn flips(comparison: &WireComparison, most: usize, longest: usize) -> Section {
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

fn differences(comparison: &WireComparison, longest: usize) -> Section {
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
fn notes(comparison: &WireComparison) -> Vec<String> {
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
