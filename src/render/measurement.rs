//! How a record's figures of speed were measured: sections of its report.

use super::analysis::Section;
use super::figure;
use crate::record::WireRecord;
use crate::record::wire::{WireInterval, WireProfile, WireProof, WireRepetition};

/// Every section that the record has something for.
pub fn sections(record: &WireRecord) -> Vec<Section> {
    let mut sections = vec![scenarios(record)];
    sections.extend(record.proof.as_ref().map(proof));
    sections.extend(intervals(record));
    if let Some(first) = record.repetitions.first() {
        sections.extend([memory(first), quiet(record), energy(record)]);
    }
    sections.extend(roofline(record));
    sections.extend(record.profile.as_ref().map(profile));
    sections.retain(|section| !section.rows.is_empty());
    sections
}

fn number(value: Option<f64>, unit: &str) -> String {
    value.map_or("not known".to_owned(), |value| {
        format!("{}{unit}", figure(value))
    })
}

fn megabytes(bytes: Option<u64>) -> String {
    number(bytes.map(|bytes| bytes as f64 / 1e6), "")
}

/// A row a repetition: what was asked, how long it took, and whether it counts.
fn scenarios(record: &WireRecord) -> Section {
    let rows = record.repetitions.iter().map(|repetition| {
        let scenario = &repetition.scenario;
        vec![
            scenario.name.clone(),
            scenario.queries.to_string(),
            format!("{:.2}", scenario.duration_s),
            scenario.rate_per_s.map_or("-".to_owned(), figure),
            scenario
                .percentile_latency_ms
                .map_or("-".to_owned(), figure),
            scenario
                .late
                .map_or("-".to_owned(), |late| late.to_string()),
            if scenario.valid {
                "valid".to_owned()
            } else {
                scenario.invalid_because.join("; ")
            },
        ]
    });
    let headings = [
        "scenario",
        "queries",
        "seconds",
        "arriving/s",
        "percentile ms",
        "late",
        "verdict",
    ];
    Section::new("Timed pass", &headings, rows.collect())
}

/// That the timed answers are the scored ones; a record in which they are not has no report.
fn proof(proof: &WireProof) -> Section {
    let row = vec![
        proof.compared.to_string(),
        proof.questions.to_string(),
        proof.differing.to_string(),
        format!("{:e}", proof.largest_score_difference),
    ];
    let headings = [
        "timed answers",
        "questions",
        "that differ",
        "largest difference of a score",
    ];
    Section::new(
        "Timed answers against the scored ones",
        &headings,
        vec![row],
    )
}

fn intervals(record: &WireRecord) -> Option<Section> {
    let row = |interval: &WireInterval| {
        let WireInterval {
            median,
            lower,
            upper,
            ..
        } = interval;
        // Bytes are shown in megabytes, shares and rates as they are.
        let scale = if interval.figure.ends_with("_bytes") {
            1e-6
        } else {
            1.0
        };
        vec![
            interval.figure.clone(),
            figure(median * scale),
            format!("{}–{}", figure(lower * scale), figure(upper * scale)),
            format!("{:.1}", 100.0 * interval.coverage),
        ]
    };
    let rows: Vec<_> = record.intervals.iter().map(row).collect();
    let repetitions = record.repetitions.len();
    (!rows.is_empty()).then(|| {
        Section::new(
            &format!("Over {repetitions} repetitions (bytes in MB)"),
            &["figure", "median", "interval of the median", "coverage %"],
            rows,
        )
    })
}

fn memory(first: &WireRepetition) -> Section {
    let rows = first.memory.phases.iter().map(|phase| {
        vec![
            phase.phase.clone(),
            megabytes(phase.rss_end_bytes),
            megabytes(phase.rss_peak_bytes),
            megabytes(phase.rss_anon_end_bytes),
            megabytes(phase.rss_anon_peak_bytes),
        ]
    });
    let headings = [
        "phase",
        "resident at its end",
        "most",
        "anonymous at its end",
        "most",
    ];
    Section::new("Memory by phase in MB", &headings, rows.collect())
}

/// A row a repetition: how steady it was, and what went on beside it.
fn quiet(record: &WireRecord) -> Section {
    let rows = record.repetitions.iter().map(|repetition| {
        let (steadiness, noise) = (&repetition.steadiness, &repetition.noise);
        let percent = |share: Option<f64>| share.map(|share| 100.0 * share);
        let passes = steadiness.passes;
        let steady = match (steadiness.steady, steadiness.truncated) {
            (Some(true), Some(cut)) => format!("from pass {} of {passes}", cut + 1),
            (Some(false), _) => format!("not in {passes} passes"),
            _ => format!("{passes} passes are too few to tell"),
        };
        vec![
            steady,
            number(steadiness.drift_percent, " %"),
            steadiness
                .severely_slow_outliers
                .map_or("not known".to_owned(), |count| count.to_string()),
            number(percent(noise.steal_share), " %"),
            number(noise.others_busy_cores, ""),
            noise
                .involuntary_switches
                .map_or("not known".to_owned(), |count| count.to_string()),
            number(noise.load_average_start, ""),
        ]
    });
    let headings = [
        "steady (MSER-5)",
        "drift",
        "severely slow passes",
        "steal",
        "cores busy with others",
        "preemptions",
        "load before",
    ];
    Section::new("How quiet it was", &headings, rows.collect())
}

fn energy(record: &WireRecord) -> Section {
    let rows = record.repetitions.iter().map(|repetition| {
        let energy = &repetition.energy;
        let told = |joules: Option<f64>| joules.map_or("-".to_owned(), |j| number(Some(j), " J"));
        let packages = energy.absent_because.clone();
        vec![
            packages.unwrap_or_else(|| number(energy.packages_j, " J")),
            told(energy.memory_j),
            told(energy.cards_j),
            told(energy.per_question_j),
        ]
    });
    Section::new(
        "Energy",
        &["packages", "memory", "cards", "a question"],
        rows.collect(),
    )
}

/// What the machine can do, and what part of it the model reaches.
fn roofline(record: &WireRecord) -> Option<Section> {
    let peak = record.matrix_peak_flops_per_s()?;
    let giga = |value: f64| figure(value / 1e9);
    let reached = record.throughput.flops_per_s;
    let mut rows = vec![
        vec!["model, GFLOP/s".to_owned(), giga(reached)],
        vec!["matrix peak, GFLOP/s".to_owned(), giga(peak)],
        vec![
            "model by peak, %".to_owned(),
            record
                .throughput
                .peak_fraction
                .map_or("-".to_owned(), |share| figure(100.0 * share)),
        ],
    ];
    if let Some(roofline) = &record.roofline {
        let of_processor = [
            (
                "largest product of the library, GFLOP/s",
                giga(roofline.gemm_peak_flops_per_s),
            ),
            ("memory, GB/s", giga(roofline.bandwidth_bytes_per_s)),
            ("measured", roofline.measured.clone()),
        ];
        rows.extend(of_processor.map(|(what, figure)| vec![what.to_owned(), figure]));
    }
    Some(Section::new("Roofline", &["what", "figure"], rows))
}

/// Where the time goes.
pub fn profile(profile: &WireProfile) -> Section {
    let ran = profile.rows.iter().filter(|row| row.calls > 0);
    let rows = ran.map(|row| {
        let share = row.forward_share;
        vec![
            row.operation.clone(),
            row.calls.to_string(),
            format!("{:.4}", row.seconds),
            share.map_or("-".to_owned(), |share| format!("{:.1}", 100.0 * share)),
            row.flops_per_s
                .map_or("-".to_owned(), |rate| figure(rate / 1e9)),
        ]
    });
    let headings = ["operation", "calls", "seconds", "% of forward", "GFLOP/s"];
    let title = format!("Where the time goes, over {} questions", profile.questions);
    Section::new(&title, &headings, rows.collect())
}
