//! The rounds of a run: every cell once a round, each in a process of its own.

mod interrupt;
pub mod resume;
mod round;
mod state;

use std::path::PathBuf;
use std::time::SystemTime;

use spanbench::cell::CellSpec;
use spanbench::cell::assemble::About;
use spanbench::cell::failure::{Failure, FailureKind};
use spanbench::device::DeviceChoice;
use spanbench::measure::roofline::{self, Roofline};
use spanbench::record::CellRecord;
use spanbench::record::folder::RECORD_FILE;
use spanbench::record::wire::{WireFailure, WireRecord};
use spanbench::render;
use spanbench::suite::{CellPlan, RunSettings};

use self::round::{Halt, Round};
use self::state::{Progressing, State};
use super::folders::Folders;
use super::progress::Bars;
use super::{Ended, scoring, terminal};

/// What is to be run.
#[derive(Debug)]
pub struct Plan {
    /// The cells.
    pub cells: Vec<CellPlan>,
    /// How they are run.
    pub run: RunSettings,
    /// Whether cells that an earlier run finished are left as they are.
    pub resume: bool,
    /// Whether records are printed as JSON.
    pub json: bool,
    /// What the records of this run have in common and no other run's.
    pub run_id: String,
    /// The command that was given.
    pub command: Vec<String>,
}

impl Plan {
    fn about<'a>(&'a self, roofline: Option<&'a Roofline>, asked_sha256: &'a str) -> About<'a> {
        About {
            roofline,
            run_id: Some(&self.run_id),
            command: Some(&self.command),
            asked_sha256: Some(asked_sha256),
        }
    }
}

/// A name that no other run has.
pub fn run_id() -> String {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    let nanoseconds = now.map_or(0, |now| now.as_nanos());
    format!("{nanoseconds:x}-{:x}", std::process::id())
}

/// The command that was given, its arguments one by one.
pub fn command() -> Vec<String> {
    let arguments = std::env::args_os();
    arguments
        .map(|argument| argument.to_string_lossy().into_owned())
        .collect()
}

/// What came of a plan.
pub struct Measured {
    /// The cells that have something to show, in the plan's order, with where it lies.
    pub records: Vec<(PathBuf, CellRecord)>,
    /// Whether every cell has all its figures.
    pub is_whole: bool,
    /// Why it ended before all was done.
    halt: Option<Halt>,
}

/// Runs the plan, writes what comes of it and prints the table.
pub fn execute(plan: &Plan, folders: &Folders) -> anyhow::Result<()> {
    let measured = measure(plan, folders)?;
    conclude(plan, &measured)?;
    let is_whole = measured.is_whole;
    measured.check(true)?;
    if is_whole {
        Ok(())
    } else {
        Err(Ended::Failed.into())
    }
}

impl Measured {
    /// Whether the run came to its end, be it with cells that failed. `can_resume` says whether the
    /// command knows `--resume`.
    ///
    /// # Errors
    ///
    /// Fails where it was interrupted, or this machine is at fault.
    pub fn check(self, can_resume: bool) -> anyhow::Result<()> {
        match self.halt {
            None => Ok(()),
            Some(Halt::Failed(error)) => Err(error),
            Some(Halt::Interrupted) => {
                terminal::note(if can_resume {
                    "interrupted; go on with the same command and --resume"
                } else {
                    "interrupted"
                });
                Err(Ended::Interrupted.into())
            }
        }
    }
}

/// Runs the plan and writes what comes of it.
///
/// # Errors
///
/// Fails where not even the machine's peak can be measured.
pub fn measure(plan: &Plan, folders: &Folders) -> anyhow::Result<Measured> {
    let made = folders.made();
    interrupt::watch(move || made.discard());
    let measured = all_rounds(plan, folders);
    folders.discard();
    measured
}

/// The repetitions of different cells in turn, so that a machine that becomes slower makes all
/// cells slower.
fn all_rounds(plan: &Plan, folders: &Folders) -> anyhow::Result<Measured> {
    let bars = Bars::new(folders.announcement());
    let peaks = Peaks::measure(plan)?;
    let cells = plan.cells.iter().zip(&folders.cells);
    let mut cells: Vec<Progressing> = cells
        .map(|(cell, folder)| Progressing::begin(plan, cell, folder, &bars))
        .collect();
    let halt = interrupt::finishing(|| {
        rounds(plan, &peaks, &bars, &mut cells)?;
        match plan.cells.len() {
            1 => Ok(()),
            _ => cells.iter_mut().try_for_each(|cell| refused(plan, cell)),
        }
    });
    let halt = halt.err();
    let mut is_whole = true;
    let mut records = Vec::new();
    for cell in cells {
        is_whole &= matches!(cell.state, State::Finished);
        let record = match (cell.state, cell.record) {
            (State::Failed(failure), _) => CellRecord::Failed(failure),
            (_, Some(record)) => CellRecord::Finished(record),
            (_, None) => continue,
        };
        records.push((cell.folder.path().to_owned(), record));
    }
    Ok(Measured {
        records,
        is_whole,
        halt,
    })
}

fn rounds(
    plan: &Plan,
    peaks: &Peaks,
    bars: &Bars,
    cells: &mut [Progressing<'_>],
) -> Result<(), Halt> {
    for number in 1..=plan.run.repetitions {
        let round = Round {
            plan,
            peaks,
            bars,
            number,
        };
        if number == 1 {
            take_up(&round, cells)?;
        }
        if plan.run.turn.is_some() {
            round.in_turns(cells)?;
        } else {
            round.one_by_one(cells)?;
        }
    }
    Ok(())
}

/// Takes up what there is of an earlier run's repetitions. Those that this run does not go on from
/// are in its way; of a cell whose input is out of reach they stay for when it is back.
fn take_up(round: &Round<'_>, cells: &mut [Progressing<'_>]) -> Result<(), Halt> {
    for cell in cells {
        match &cell.state {
            State::Going(works) if !works.is_empty() => round.write(cell)?,
            State::Refused(_) => {}
            _ => cell.kept.clear()?,
        }
    }
    Ok(())
}

/// One cell among several that was refused is a row like others that failed: what reads the folder
/// is to know of it. A run that goes on leaves what it finds: a hub that does not answer must not
/// cost the figures of yesterday.
fn refused(plan: &Plan, cell: &mut Progressing<'_>) -> Result<(), Halt> {
    if let State::Refused(message) = &cell.state {
        let failure = Failure {
            kind: FailureKind::Refused,
            message: message.clone(),
            phase: None,
            stderr: String::new(),
        };
        let failure = Box::new(WireFailure::new(&cell.plan.spec, 1, failure));
        if !(plan.resume && cell.has_results()) {
            cell.folder.write_failure(&failure)?;
        }
        cell.state = State::Failed(failure);
    }
    Ok(())
}

/// The processor's peak with each number of threads that a cell computes with.
struct Peaks(Vec<Roofline>);

impl Peaks {
    fn measure(plan: &Plan) -> anyhow::Result<Self> {
        let mut peaks = Self(Vec::new());
        let Some(fresh) = plan.run.roofline else {
            return Ok(peaks);
        };
        let of_processor = plan.cells.iter().filter(|cell| {
            // What other devices can do is measured by the cell's own process.
            let device = &cell.spec.settings.device;
            !matches!(device, DeviceChoice::Cuda(_) | DeviceChoice::Metal)
        });
        for cell in of_processor {
            let threads = cell.spec.settings.threads;
            if peaks.0.iter().any(|peak| peak.threads == threads) {
                continue;
            }
            let (peak, notes) = roofline::measure_or_cached(threads, fresh, None)?;
            for note in &notes {
                terminal::note(note);
            }
            peaks.0.push(peak);
        }
        Ok(peaks)
    }

    fn of(&self, cell: &CellSpec) -> Option<&Roofline> {
        let threads = cell.settings.threads;
        self.0.iter().find(|peak| peak.threads == threads)
    }
}

/// Notes, table or JSON, and where the records lie.
fn conclude(plan: &Plan, measured: &Measured) -> anyhow::Result<()> {
    let records: Vec<CellRecord> = measured.records.iter().map(|(_, r)| r.clone()).collect();
    let finished = records.iter().filter_map(|record| match record {
        CellRecord::Finished(record) => Some(record),
        CellRecord::Failed(_) => None,
    });
    let mut told: Vec<String> = Vec::new();
    for note in finished.flat_map(|record| notes(record)) {
        // Cells of the same data set have the same to say.
        if !told.contains(&note) {
            terminal::note(&note);
            told.push(note);
        }
    }
    // A program that reads JSON is given some also where a shard without questions has no record.
    if !records.is_empty() || plan.json && measured.is_whole {
        print_records(&records, plan)?;
    }
    for (folder, _) in &measured.records {
        terminal::note(&format!("record: {}", folder.join(RECORD_FILE).display()));
    }
    Ok(())
}

fn notes(record: &WireRecord) -> Vec<String> {
    let warnings = record.warnings.iter();
    let mut notes: Vec<String> = warnings.map(|text| format!("warning: {text}")).collect();
    let protocol = &record.protocol;
    if let Some(reason) = &protocol.auto_reason {
        notes.push(scoring::auto_note(
            &record.dataset.id,
            &protocol.name,
            reason,
        ));
    }
    notes
}

/// The table; or, as JSON, the record of the one cell or those of all.
fn print_records(records: &[CellRecord], plan: &Plan) -> anyhow::Result<()> {
    if !plan.json {
        return terminal::print(&render::table::table(records, terminal::emphasis()));
    }
    match records {
        [record] if plan.cells.len() == 1 => terminal::print_json(record),
        records => terminal::print_json(&serde_json::json!({
            "schema": spanbench::record::wire::SCHEMA,
            "records": records,
        })),
    }
}
