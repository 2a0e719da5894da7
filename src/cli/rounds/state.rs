//! How far a cell is, and what an earlier run left of it.

use std::path::{Path, PathBuf};

use spanbench::cell::inputs::{self, Inputs, Measuring};
use spanbench::cell::kept::Kept;
use spanbench::cell::{Work, fetch};
use spanbench::hash;
use spanbench::message::one_line;
use spanbench::record::run;
use spanbench::record::wire::{WireAccuracy, WireFailure, WireRecord};
use spanbench::record::{Cell, Folder};
use spanbench::suite::CellPlan;

use super::Plan;
use crate::cli::progress::Bars;
use crate::cli::terminal;

/// Why a cell is measured again whose hash is another.
const OTHER_SETTINGS: &str = "it was measured with other settings, or by another build";

/// How far a cell is.
pub enum State {
    /// So many repetitions are done.
    Going(Vec<Work>),
    /// All are done, and their record is written; of a shard without questions there is none.
    Finished,
    /// It failed while it was measured.
    Failed(Box<WireFailure>),
    /// Its input is at fault, as this says; nothing was measured.
    Refused(String),
}

/// A cell with what is known of it.
pub struct Progressing<'a> {
    pub plan: &'a CellPlan,
    pub folder: &'a Folder,
    /// The program that runs it, where that is not this one.
    pub program: Option<PathBuf>,
    /// Hash of what is asked for.
    pub asked_sha256: String,
    pub kept: Kept,
    pub state: State,
    /// Its record as it was written last.
    pub record: Option<Box<WireRecord>>,
    /// Whether some of its repetitions are of an earlier run: they were in no round with those of
    /// other cells.
    pub is_of_several_runs: bool,
}

impl<'a> Progressing<'a> {
    /// Fetches what the cell needs, so that its process needs no network and its time limit is
    /// not spent on it, and looks for what an earlier run left.
    pub fn begin(whole: &Plan, plan: &'a CellPlan, folder: &'a Folder, bars: &Bars) -> Self {
        let program = plan.program.as_deref().map(find_program);
        let program_sha256 = program.as_ref().map(|path| hash::file_sha256(path));
        let fetched = fetch::fetch(&plan.spec, bars).map_err(|fault| one_line(&fault));
        let found = match (&program, &program_sha256) {
            (Some(program), Some(Err(fault))) => Err(format!(
                "cell-program {}: cannot be read: {fault}",
                program.display()
            )),
            _ => fetched,
        };
        let program_sha256 = program_sha256.and_then(Result::ok);
        let asked_sha256 = asked(whole, plan, program_sha256.as_deref());
        let kept = Kept::new(folder.path(), &asked_sha256);
        let mut cell = Self {
            plan,
            folder,
            program,
            asked_sha256,
            kept,
            state: State::Going(Vec::new()),
            record: None,
            is_of_several_runs: false,
        };
        if let Err(message) = found {
            cell.refuse(message);
        }
        if whole.resume && matches!(cell.state, State::Going(_)) {
            cell.resume(whole.run.repetitions);
        }
        cell
    }

    /// Its input is at fault, which is said.
    pub fn refuse(&mut self, message: String) {
        terminal::note(&format!("error: {message}"));
        self.state = State::Refused(message);
    }

    /// Whether its folder holds the figures of a run.
    pub fn has_results(&self) -> bool {
        let found = run::open(&self.folder.path().join("run.json"));
        matches!(found.as_deref(), Ok([Cell::Finished(_)]))
    }

    /// Takes up what an earlier run left of the cell, where that is of what is asked for now.
    fn resume(&mut self, repetitions: usize) {
        let found = run::open(&self.folder.path().join("run.json"));
        let record = match found.map(|mut cells| cells.pop()) {
            Ok(Some(Cell::Finished(run))) => Some(run.record),
            // A cell that failed is tried again; one that is not whole is no result.
            _ => None,
        };
        let inputs = match Inputs::read(&self.plan.spec) {
            Ok(inputs) => inputs,
            Err(fault) => return self.refuse(one_line(&fault)),
        };
        let name = &self.plan.spec.name;
        match record {
            Some(record) if record.repetitions.len() >= repetitions => {
                let reason = if record.asked_sha256.as_ref() != Some(&self.asked_sha256) {
                    OTHER_SETTINGS
                } else if !inputs.are_those_of(&record.model, &record.dataset) {
                    "its model's or data set's files have changed since"
                } else if self.is_missed(&record.accuracy) {
                    "its accuracy is not what the suite expects"
                } else {
                    self.state = State::Finished;
                    self.record = Some(Box::new(record));
                    return;
                };
                terminal::note(&format!("{name}: measured again: {reason}"));
            }
            left => {
                let works = self.kept.read(&inputs);
                let done = works.len();
                if done > 0 {
                    terminal::note(&format!(
                        "{name}: goes on after {done} of {repetitions} repetitions"
                    ));
                } else if let Some(left) = left {
                    let reason = if left.asked_sha256.as_ref() == Some(&self.asked_sha256) {
                        "what it had of its repetitions is of another machine, or of other files"
                    } else {
                        OTHER_SETTINGS
                    };
                    terminal::note(&format!("{name}: measured again: {reason}"));
                }
                self.is_of_several_runs = !works.is_empty();
                self.state = State::Going(works);
            }
        }
    }

    fn is_missed(&self, accuracy: &WireAccuracy) -> bool {
        let expected = self.plan.expected.as_ref();
        expected.is_some_and(|expected| expected.check(accuracy).is_some())
    }
}

/// The file that a program is run from: one without a folder is looked for where the system looks.
fn find_program(program: &Path) -> PathBuf {
    let is_name = program.parent() == Some(Path::new(""));
    let folders = std::env::var_os("PATH").filter(|_| is_name);
    let folders: Vec<PathBuf> = folders.iter().flat_map(std::env::split_paths).collect();
    let mut places = folders.iter().map(|folder| folder.join(program));
    let found = places.find(|place| place.is_file());
    found.unwrap_or_else(|| program.to_owned())
}

/// `program` is the hash of the program that measures, where that is not this one: another build
/// may take the place of a program of the same name.
fn asked(whole: &Plan, cell: &CellPlan, program: Option<&str>) -> String {
    let measuring = Measuring {
        repetitions: whole.run.repetitions,
        profile: whole.run.profile,
        roofline: whole.run.roofline.is_some(),
        turn_s: whole.run.turn.map(|turn| turn.as_secs_f64()),
        program,
    };
    inputs::asked_sha256(&cell.spec, &measuring)
}
