//! Reads the records of `benchmarks/verdicts/run` and counts what the comparison calls.
//!
//! Cells of the same build are compared pairwise, each with each: whatever is called faster or
//! slower there is a false alarm. Each slowed cell is compared with the cell that ran before it.

use std::path::Path;
use std::process::ExitCode;

use spanbench::record::WireRecord;
use spanbench::stats::paired::{Rule, Verdict, compare_paired};

/// Figures that a verdict is made of, with whether more is better.
const FIGURES: [(&str, bool); 3] = [
    ("throughput.windows_per_s", true),
    ("throughput.questions_per_s", true),
    ("latency_ms.p50", false),
];

fn main() -> ExitCode {
    let Some(folder) = std::env::args().nth(1) else {
        eprintln!("usage: verdicts FOLDER, which benchmarks/verdicts/run has filled");
        return ExitCode::from(2);
    };
    let folder = Path::new(&folder);
    let same = records(folder, "-same");
    let slowed = records(folder, "-slowed");
    if same.is_empty() || slowed.is_empty() {
        eprintln!("{}: no records of same and slowed cells", folder.display());
        return ExitCode::from(2);
    }
    let environment = &same[0].environment;
    println!(
        "{}, {} threads, {} repetitions, {}, spanbench {}",
        environment
            .cpu_model
            .as_deref()
            .unwrap_or("processor not known"),
        same[0].protocol.threads,
        same[0].repetitions.len(),
        same[0].started,
        environment
            .tool_revision
            .as_deref()
            .unwrap_or("without revision"),
    );
    for (figure, more_is_better) in FIGURES {
        let mut alarms = 0_u32;
        let mut pairs = 0_u32;
        for (number, base) in same.iter().enumerate() {
            for candidate in &same[number + 1..] {
                pairs += 1;
                let verdict = verdict(base, candidate, figure);
                alarms += u32::from(matches!(verdict, Verdict::Higher | Verdict::Lower));
            }
        }
        let worse = if more_is_better {
            Verdict::Lower
        } else {
            Verdict::Higher
        };
        let found = same.iter().zip(&slowed);
        let found = found.filter(|(base, slow)| verdict(base, slow, figure) == worse);
        println!(
            "{figure}: {alarms} of {pairs} pairs of the same build called ({:.1} %); {} of {} slowed cells called",
            100.0 * f64::from(alarms) / f64::from(pairs),
            found.count(),
            slowed.len()
        );
    }
    ExitCode::SUCCESS
}

/// The records of cells whose names end in `kind`, or in `kind` and a number, in order.
fn records(folder: &Path, kind: &str) -> Vec<WireRecord> {
    (1..)
        .map(|number| match number {
            1 => format!("minilm-l6-squad{kind}"),
            number => format!("minilm-l6-squad{kind}-{number}"),
        })
        .map(|cell| folder.join(cell).join("run.json"))
        .map_while(|path| Some((std::fs::read_to_string(&path).ok()?, path)))
        .map(|(text, path)| WireRecord::parse(&path, &text).expect("a record"))
        .collect()
}

fn verdict(base: &WireRecord, candidate: &WireRecord, figure: &str) -> Verdict {
    let values = |record: &WireRecord| {
        let mut intervals = record.intervals.iter();
        let interval = intervals.find(|interval| interval.figure == figure);
        interval
            .expect("every record has its figures")
            .values
            .clone()
    };
    let compared = compare_paired(&values(base), &values(candidate), &Rule::default());
    compared
        .expect("the cells have as many repetitions")
        .verdict
}
