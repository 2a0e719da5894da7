//! One repetition of every cell.

use spanbench::cell::assemble::{self, About};
use spanbench::cell::child::Event;
use spanbench::cell::failure::{Failure, FailureKind};
use spanbench::cell::isolate::{
    self, CellProcess, Isolation, IsolationError, Outcome, Step, Watcher,
};
use spanbench::cell::{Job, Work};
use spanbench::message::one_line;
use spanbench::record::wire::WireFailure;
use spanbench::render;
use spanbench::suite::CellPlan;

use super::interrupt::interrupted;
use super::state::{Progressing, State};
use super::{Peaks, Plan};
use crate::cli::progress::Bars;
use crate::cli::terminal;

/// Why no further round is run.
#[derive(Debug)]
pub enum Halt {
    /// Somebody pressed Ctrl-C, or the system wants the program to end.
    Interrupted,
    /// Something is wrong with this machine, not with a cell.
    Failed(anyhow::Error),
}

impl<E: Into<anyhow::Error>> From<E> for Halt {
    fn from(error: E) -> Self {
        Self::Failed(error.into())
    }
}

/// One repetition of every cell that has not had it.
pub struct Round<'a> {
    pub plan: &'a Plan,
    pub peaks: &'a Peaks,
    pub bars: &'a Bars,
    /// Its number, from 1.
    pub number: usize,
}

impl Round<'_> {
    /// Each cell after the one before.
    pub fn one_by_one(&self, cells: &mut [Progressing<'_>]) -> Result<(), Halt> {
        for index in 0..cells.len() {
            if let Some(works) = self.due(&cells[index]) {
                self.label(index);
                let cell = &cells[index];
                let (job, isolation) = (self.job(cell, works), self.isolation(cell)?);
                let ran = isolate::run(&job, &isolation, &Watching { bars: self.bars });
                let outcome = ran.or_else(|fault| unstarted(cell, fault))?;
                // After every cell, so that a run that is cut off keeps what it measured.
                self.take(index, cells, outcome)?;
            }
        }
        Ok(())
    }

    /// All at once, one of them computing at a time: each comes to its timed pass, and then they
    /// take turns.
    pub fn in_turns(&self, cells: &mut [Progressing<'_>]) -> Result<(), Halt> {
        let watching = Watching { bars: self.bars };
        let isolations: Result<Vec<Isolation>, Halt> =
            cells.iter().map(|cell| self.isolation(cell)).collect();
        let isolations = isolations?;
        let mut waiting: Vec<(usize, CellProcess<'_>)> = Vec::new();
        for index in 0..cells.len() {
            if let Some(works) = self.due(&cells[index]) {
                self.label(index);
                let job = self.job(&cells[index], works);
                let mut process = match CellProcess::start(&job, &isolations[index]) {
                    Ok(process) => process,
                    Err(fault) => {
                        let outcome = unstarted(&cells[index], fault)?;
                        self.take(index, cells, outcome)?;
                        continue;
                    }
                };
                match process.advance(&watching) {
                    Step::Waits => waiting.push((index, process)),
                    Step::Ended(outcome) => self.take(index, cells, outcome)?,
                }
            }
        }
        while !waiting.is_empty() {
            let mut ended = Vec::new();
            waiting.retain_mut(|(index, process)| match process.advance(&watching) {
                Step::Waits => true,
                Step::Ended(outcome) => {
                    ended.push((*index, outcome));
                    false
                }
            });
            for (index, outcome) in ended {
                self.take(index, cells, outcome)?;
            }
        }
        Ok(())
    }

    /// The repetitions that are done, where this one is not.
    fn due<'c>(&self, cell: &'c Progressing<'_>) -> Option<&'c [Work]> {
        match &cell.state {
            State::Going(works) if works.len() < self.number => Some(works),
            _ => None,
        }
    }

    fn label(&self, index: usize) {
        let cells = self.plan.cells.len();
        let name = &self.plan.cells[index].spec.name;
        let mut label = String::new();
        if self.plan.run.repetitions > 1 {
            label += &format!("{}/{} ", self.number, self.plan.run.repetitions);
        }
        if cells > 1 {
            label += &format!("{}/{cells} {name} ", index + 1);
        }
        self.bars.label(&label);
    }

    fn isolation(&self, cell: &Progressing<'_>) -> Result<Isolation, Halt> {
        Ok(Isolation {
            program: match &cell.program {
                Some(program) => program.clone(),
                None => std::env::current_exe()?,
            },
            time_limit: self.plan.run.time_limit,
            stall_limit: self.plan.run.stall_limit,
        })
    }

    fn job(&self, cell: &Progressing<'_>, works: &[Work]) -> Job {
        let mut job = Job {
            spec: cell.plan.spec.clone(),
            accuracy: works.is_empty(),
            profile: self.plan.run.profile && works.is_empty(),
            device_peak: self.plan.run.roofline.is_some(),
            turn: self.plan.run.turn,
        };
        // Everything is here; the same commit is to be used in every repetition.
        job.spec.settings.offline = true;
        job
    }

    /// Brings a cell to its new state, and writes what there is of it.
    fn take(
        &self,
        index: usize,
        cells: &mut [Progressing<'_>],
        outcome: Outcome,
    ) -> Result<(), Halt> {
        self.bars.end();
        // A batch system may signal the cell's process too, which then ends as if it had crashed.
        if interrupted() && !matches!(outcome, Outcome::Done(_)) {
            return Err(Halt::Interrupted);
        }
        let cell = &mut cells[index];
        let spec = &cell.plan.spec;
        let State::Going(works) = &mut cell.state else {
            return Ok(());
        };
        let fail = |failure| Box::new(WireFailure::new(spec, self.number, failure));
        let failure = match outcome {
            Outcome::Interrupted => return Err(Halt::Interrupted),
            Outcome::Done(work) => {
                works.push(*work);
                assemble::check(spec, works).err()
            }
            // What was good once and is refused now has changed.
            Outcome::Refused(message) if self.number > 1 => Some(fail(Failure {
                kind: FailureKind::Changed,
                message,
                phase: None,
                stderr: String::new(),
            })),
            Outcome::Refused(message) => {
                cell.refuse(message);
                return Ok(());
            }
            Outcome::Empty(shard) => {
                let (name, number, of) = (&spec.name, shard.shard, shard.of);
                terminal::note(&format!(
                    "{name}: no question falls to shard {number}/{of}; merging needs its shard.json all the same"
                ));
                cell.folder.write_empty_shard(&shard)?;
                cell.kept.clear()?;
                cell.state = State::Finished;
                return Ok(());
            }
            Outcome::Failed(failure) => Some(fail(failure)),
        };
        match failure {
            Some(failure) => fail_cell(cell, failure)?,
            None => self.write(cell)?,
        }
        self.tell(index, &cells[index]);
        Ok(())
    }

    /// Writes the cell's record as it is now, and keeps its repetitions until all are done.
    pub fn write(&self, cell: &mut Progressing<'_>) -> Result<(), Halt> {
        let State::Going(works) = &cell.state else {
            return Ok(());
        };
        let Some(latest) = works.last() else {
            return Ok(());
        };
        if let Some(failure) = missed(cell.plan, works) {
            let failure = WireFailure::new(&cell.plan.spec, 1, failure);
            return fail_cell(cell, Box::new(failure));
        }
        let is_done = works.len() >= self.plan.run.repetitions;
        if !is_done {
            cell.kept.add(works.len(), latest)?;
        }
        let spec = &cell.plan.spec;
        let about = About {
            run_id: (!cell.is_of_several_runs).then_some(self.plan.run_id.as_str()),
            ..self.plan.about(self.peaks.of(spec), &cell.asked_sha256)
        };
        let output = assemble::assemble(spec, works, &about);
        let report = render::markdown::report(&output.record);
        cell.folder.write(&output, &report)?;
        if is_done {
            cell.kept.clear()?;
            cell.state = State::Finished;
        }
        cell.record = Some(Box::new(output.record));
        Ok(())
    }

    /// A line for a log: of several cells each is told when it ends.
    fn tell(&self, index: usize, cell: &Progressing<'_>) {
        let cells = self.plan.cells.len();
        if cells < 2 {
            return;
        }
        let place = format!("{} of {cells}", index + 1);
        let name = &cell.plan.spec.name;
        if let (State::Finished, Some(record)) = (&cell.state, &cell.record) {
            terminal::note(&format!(
                "{place}: {name}: EM {:.2}, F1 {:.2}, {:.1} windows/s",
                record.accuracy.exact_match, record.accuracy.f1, record.throughput.windows_per_s
            ));
        }
    }
}

/// That a program of the cell's own does not start is the cell's fault.
fn unstarted(cell: &Progressing<'_>, fault: IsolationError) -> Result<Outcome, Halt> {
    match fault {
        IsolationError::Start { .. } if cell.program.is_some() => Ok(Outcome::Refused(format!(
            "cell-program {}",
            one_line(&fault)
        ))),
        fault => Err(fault.into()),
    }
}

/// An accuracy that is not what the suite expects.
fn missed(plan: &CellPlan, works: &[Work]) -> Option<Failure> {
    let scored = works.first()?.accuracy.as_ref()?;
    let message = plan.expected.as_ref()?.check(&scored.accuracy)?;
    Some(Failure {
        kind: FailureKind::Accuracy,
        message,
        phase: None,
        stderr: String::new(),
    })
}

/// Makes it a cell that failed, says so, and writes that in place of a record.
fn fail_cell(cell: &mut Progressing<'_>, failure: Box<WireFailure>) -> Result<(), Halt> {
    let error = &failure.error;
    let phase = error.phase.as_ref();
    let phase = phase.map_or(String::new(), |phase| format!(" (phase {phase})"));
    let name = &cell.plan.spec.name;
    terminal::note(&format!("error: {name}: {}{phase}", error.message));
    cell.folder.write_failure(&failure)?;
    cell.kept.clear()?;
    cell.state = State::Failed(failure);
    cell.record = None;
    Ok(())
}

/// Draws a process's progress.
struct Watching<'a> {
    bars: &'a Bars,
}

impl Watcher for Watching<'_> {
    fn event(&self, event: &Event) {
        match event {
            Event::Phase(name) => self.bars.phase(name),
            Event::Begin(unit, count) => self.bars.begin(unit, *count),
            Event::Advance(count) => self.bars.advance(*count),
            Event::End => self.bars.end(),
            _ => {}
        }
    }

    fn interrupted(&self) -> bool {
        interrupted()
    }
}
