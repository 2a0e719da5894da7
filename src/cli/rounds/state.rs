//! How far a cell is, and what an earlier run left of it.

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
        let asked_sha256 = asked(whole, plan);
        let kept = Kept::new(folder.path(), &asked_sha256);
        let state = match fetch::fetch(&plan.spec, bars) {
            Ok(()) => State::Going(Vec::new()),
            Err(error) => {
                let message = one_line(&error);
                terminal::note(&format!("error: {message}"));
                State::Refused(message)
            }
        };
        let mut cell = Self {
            plan,
            folder,
            asked_sha256,
            kept,
            state,
            record: None,
            is_of_several_runs: false,
        };
        if whole.resume && matches!(cell.state, State::Going(_)) {
            cell.resume(whole.run.repetitions);
        }
        cell
    }

    /// Takes up what an earlier run left of the cell, where that is of what is asked for now.
    fn resume(&mut self, repetitions: usize) {
        let found = run::open(&self.folder.path().join("run.json"));
        let record = match found.map(|mut cells| cells.pop()) {
            Ok(Some(Cell::Finished(run))) => Some(run.record),
            // A cell that failed is tried again; one that is not whole is no result.
            _ => None,
        };
        let inputs = Inputs::read(&self.plan.spec).ok();
        let Some(inputs) = inputs else {
            // What is wrong with them is told by the cell's process.
            return;
        };
        let name = &self.plan.spec.name;
        match record {
            Some(record) if record.repetitions.len() >= repetitions => {
                let reason = if record.asked_sha256.as_ref() != Some(&self.asked_sha256) {
                    "it was measured with other settings, or by another build"
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
            _ => {
                let works = self.kept.read(&inputs);
                if !works.is_empty() {
                    let done = works.len();
                    terminal::note(&format!(
                        "{name}: goes on after {done} of {repetitions} repetitions"
                    ));
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

fn asked(whole: &Plan, cell: &CellPlan) -> String {
    // By its content: another build may take the place of a program of the same name.
    let program = cell.program.as_ref();
    let program = program.map(|program| hash::file_sha256(program).unwrap_or_default());
    let measuring = Measuring {
        repetitions: whole.run.repetitions,
        profile: whole.run.profile,
        roofline: whole.run.roofline.is_some(),
        turn_s: whole.run.turn.map(|turn| turn.as_secs_f64()),
        program: program.as_deref(),
    };
    inputs::asked_sha256(&cell.spec, &measuring)
}
