//! How far a cell is, and what an earlier run left of it.

use std::path::PathBuf;

use spanbench::cell::kept::Kept;
use spanbench::cell::{Work, fetch};
use spanbench::message::one_line;
use spanbench::record::folder::RECORD_FILE;
use spanbench::record::run;
use spanbench::record::wire::{WireFailure, WireRecord};
use spanbench::record::{Cell, Folder};
use spanbench::suite::{CellPlan, RunSettings};

use super::Plan;
use super::resume::{self, Asked, Found};
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
        let fetched = fetch::fetch(&plan.spec, bars).map_err(|fault| one_line(&fault));
        let asked = Asked::of(&whole.run, plan);
        let found = asked.fault.map_or(fetched, Err);
        let kept = Kept::new(folder.path(), &asked.sha256);
        let mut cell = Self {
            plan,
            folder,
            program: asked.program,
            asked_sha256: asked.sha256,
            kept,
            state: State::Going(Vec::new()),
            record: None,
            is_of_several_runs: false,
        };
        if let Err(message) = found {
            cell.refuse(message);
        }
        if whole.resume && matches!(cell.state, State::Going(_)) {
            cell.resume(&whole.run);
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
        let found = run::open(&self.folder.path().join(RECORD_FILE));
        matches!(found.as_deref(), Ok([Cell::Finished(_)]))
    }

    /// Takes up what an earlier run left of the cell, where that is of what is asked for now.
    fn resume(&mut self, run: &RunSettings) {
        let name = &self.plan.spec.name;
        match resume::find(run, self.plan, &self.asked_sha256, self.folder.path()) {
            Found::Finished(record) => {
                self.state = State::Finished;
                self.record = Some(record);
            }
            Found::Repetitions(works) => {
                let (done, of) = (works.len(), run.repetitions);
                terminal::note(&format!("{name}: goes on after {done} of {of} repetitions"));
                self.is_of_several_runs = true;
                self.state = State::Going(works);
            }
            Found::Changed(reason) => {
                terminal::note(&format!("{name}: measured again: {reason}"));
            }
            Found::OutOfReach(fault) => self.refuse(fault),
            Found::Nothing | Found::Failed(_) => {}
        }
    }
}
