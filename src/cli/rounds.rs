//! The rounds of a run: every cell once a round, each in a process of its own.

use std::time::{Duration, SystemTime};

use spanbench::cell::assemble::{self, About};
use spanbench::cell::child::Event;
use spanbench::cell::failure::{Failure, FailureKind};
use spanbench::cell::isolate::{self, CellProcess, Isolation, Outcome, Step, Watcher};
use spanbench::cell::{CellSpec, Job, Work, fetch};
use spanbench::measure::roofline::{self, Roofline};
use spanbench::message::one_line;
use spanbench::record::wire::WireFailure;
use spanbench::record::{CellOutput, CellRecord, Folder};
use spanbench::render;

use super::cells::Folders;
use super::progress::Bars;
use super::{Reported, scoring, terminal};

/// What is to be run.
#[derive(Debug)]
pub struct Plan {
    /// The cells.
    pub cells: Vec<CellSpec>,
    /// How often each is measured.
    pub repetitions: usize,
    /// How their processes are made and watched.
    pub isolation: Isolation,
    /// Whether the machine's peak is wanted; if so, whether it is measured anew.
    pub roofline: Option<bool>,
    /// Whether a pass is profiled.
    pub profile: bool,
    /// How long a turn is, where the cells of a round compute in turns.
    pub turn: Option<Duration>,
    /// Whether records are printed as JSON.
    pub json: bool,
    /// What the records of this run have in common and no other run's.
    pub run_id: String,
    /// The command that was given.
    pub command: Vec<String>,
}

impl Plan {
    fn about<'a>(&'a self, roofline: Option<&'a Roofline>) -> About<'a> {
        About {
            roofline,
            run_id: Some(&self.run_id),
            command: Some(&self.command),
        }
    }
}

/// A name that no other run has.
pub fn run_id() -> String {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    let nanoseconds = now.map_or(0, |now| now.as_nanos());
    format!("{nanoseconds:x}-{:x}", std::process::id())
}

/// How far a cell is.
enum State {
    /// So many repetitions are done.
    Going(Vec<Work>),
    /// It failed while it was measured.
    Failed(Box<WireFailure>),
    /// Its input is at fault; nothing was measured.
    Refused,
}

/// Runs the plan, writes what comes of it and prints the table.
pub fn execute(plan: &Plan, folders: &Folders) -> anyhow::Result<()> {
    let result = measure(plan, folders);
    folders.discard();
    result
}

/// The repetitions of different cells in turn, so that a machine that becomes slower makes all
/// cells slower.
fn measure(plan: &Plan, folders: &Folders) -> anyhow::Result<()> {
    let bars = Bars::new();
    let peaks = Peaks::measure(plan)?;
    let mut states: Vec<State> = plan.cells.iter().map(|cell| begin(cell, &bars)).collect();
    let mut written = Ok(());
    for number in 1..=plan.repetitions {
        let round = Round {
            plan,
            folders,
            peaks: &peaks,
            bars: &bars,
            number,
        };
        written = if plan.turn.is_some() {
            round.in_turns(&mut states)?
        } else {
            round.one_by_one(&mut states)?
        };
        if written.is_err() {
            break;
        }
    }
    let records = conclude(plan, folders, &states, &peaks, written.is_ok())?;
    written?;
    if records < plan.cells.len() {
        return Err(Reported.into());
    }
    Ok(())
}

/// The machine's peak with each number of threads that a cell computes with.
struct Peaks(Vec<Roofline>);

impl Peaks {
    fn measure(plan: &Plan) -> anyhow::Result<Self> {
        let mut peaks = Self(Vec::new());
        let Some(fresh) = plan.roofline else {
            return Ok(peaks);
        };
        for cell in &plan.cells {
            let threads = cell.settings.threads;
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

/// Fetches what a cell needs, so that its process needs no network and its time limit is not
/// spent on it.
fn begin(cell: &CellSpec, bars: &Bars) -> State {
    match fetch::fetch(cell, bars) {
        Ok(()) => State::Going(Vec::new()),
        Err(error) => {
            terminal::note(&format!("error: {}", one_line(&error)));
            State::Refused
        }
    }
}

/// One repetition of every cell.
struct Round<'a> {
    plan: &'a Plan,
    folders: &'a Folders,
    peaks: &'a Peaks,
    bars: &'a Bars,
    number: usize,
}

/// Whether what was measured could be written.
type Written = anyhow::Result<()>;

impl Round<'_> {
    /// Each cell after the one before.
    fn one_by_one(&self, states: &mut [State]) -> anyhow::Result<Written> {
        for (index, state) in states.iter_mut().enumerate() {
            if let State::Going(works) = state {
                let job = self.job(index, works);
                let watching = Watching { bars: self.bars };
                let outcome = isolate::run(&job, &self.plan.isolation, &watching)?;
                self.take(index, state, outcome);
            }
            // After every cell, so that a run that is cut off keeps what it measured.
            let written = self.write(index, state);
            if written.is_err() {
                return Ok(written);
            }
        }
        Ok(Ok(()))
    }

    /// All at once, one of them computing at a time: each comes to its timed pass, and then they
    /// take turns.
    fn in_turns(&self, states: &mut [State]) -> anyhow::Result<Written> {
        let watching = Watching { bars: self.bars };
        let mut waiting: Vec<(usize, CellProcess<'_>)> = Vec::new();
        for (index, state) in states.iter_mut().enumerate() {
            if let State::Going(works) = state {
                let job = self.job(index, works);
                waiting.push((index, CellProcess::start(&job, &self.plan.isolation)?));
                let (_, process) = waiting.last_mut().expect("OK because one was pushed");
                if let Step::Ended(outcome) = process.advance(&watching) {
                    waiting.pop();
                    self.take(index, state, outcome);
                }
            }
        }
        while !waiting.is_empty() {
            waiting.retain_mut(|(index, process)| match process.advance(&watching) {
                Step::Waits => true,
                Step::Ended(outcome) => {
                    self.take(*index, &mut states[*index], outcome);
                    false
                }
            });
        }
        let written = states.iter().enumerate();
        let written: anyhow::Result<Vec<()>> = written
            .map(|(index, state)| self.write(index, state))
            .collect();
        Ok(written.map(|_| ()))
    }

    fn job(&self, index: usize, works: &[Work]) -> Job {
        let mut job = Job {
            spec: self.plan.cells[index].clone(),
            accuracy: works.is_empty(),
            profile: self.plan.profile && works.is_empty(),
            turn: self.plan.turn,
        };
        // Everything is here; the same commit is to be used in every repetition.
        job.spec.settings.offline = true;
        job
    }

    /// Brings a cell to its new state.
    fn take(&self, index: usize, state: &mut State, outcome: Outcome) {
        self.bars.end();
        let cell = &self.plan.cells[index];
        let fail = |failure: Failure| {
            let phase = failure.phase.as_deref().unwrap_or("start");
            let message = &failure.message;
            terminal::note(&format!("error: {}: {message} (phase {phase})", cell.name));
            State::Failed(Box::new(WireFailure::new(cell, self.number, failure)))
        };
        let State::Going(works) = state else { return };
        match outcome {
            Outcome::Done(work) => {
                works.push(*work);
                if let Err(failure) = assemble::check(cell, works) {
                    let message = &failure.error.message;
                    terminal::note(&format!("error: {}: {message}", cell.name));
                    *state = State::Failed(failure);
                }
            }
            // What was good once and is refused now has changed.
            Outcome::Refused(message) if self.number > 1 => {
                *state = fail(Failure {
                    kind: FailureKind::Changed,
                    message,
                    phase: None,
                    stderr: String::new(),
                });
            }
            Outcome::Refused(message) => {
                terminal::note(&format!("error: {message}"));
                *state = State::Refused;
            }
            Outcome::Failed(failure) => *state = fail(failure),
        }
    }

    fn write(&self, index: usize, state: &State) -> Written {
        let cell = &self.plan.cells[index];
        let about = self.plan.about(self.peaks.of(cell));
        write(cell, &self.folders.cells[index], state, &about)
    }
}

/// Writes what there is of a cell.
fn write(cell: &CellSpec, folder: &Folder, state: &State, about: &About<'_>) -> anyhow::Result<()> {
    match state {
        State::Refused => {}
        State::Failed(failure) => folder.write_failure(failure)?,
        State::Going(works) => {
            let output = assemble::assemble(cell, works, about);
            folder.write(&output, &render::markdown::report(&output.record))?;
        }
    }
    Ok(())
}

/// Notes, table or JSON, and where the records lie. Returns the number of cells that have figures.
fn conclude(
    plan: &Plan,
    folders: &Folders,
    states: &[State],
    peaks: &Peaks,
    written: bool,
) -> anyhow::Result<usize> {
    let mut records: Vec<CellRecord> = Vec::new();
    let mut paths = Vec::new();
    let mut good = 0;
    let cells = plan.cells.iter().zip(&folders.cells);
    for ((cell, folder), state) in cells.zip(states) {
        let record = match state {
            State::Going(works) if !works.is_empty() && written => {
                good += 1;
                let about = plan.about(peaks.of(cell));
                let CellOutput { record, .. } = assemble::assemble(cell, works, &about);
                notes(&record);
                CellRecord::Finished(Box::new(record))
            }
            State::Failed(failure) => CellRecord::Failed(failure.clone()),
            _ => continue,
        };
        records.push(record);
        paths.push(folder.path().join("run.json"));
    }
    if !records.is_empty() {
        print_records(&records, plan)?;
    }
    for path in paths {
        terminal::note(&format!("record: {}", path.display()));
    }
    Ok(good)
}

fn notes(record: &spanbench::record::WireRecord) {
    for warning in &record.warnings {
        terminal::note(&format!("warning: {warning}"));
    }
    let protocol = &record.protocol;
    if let Some(reason) = &protocol.auto_reason {
        let note = scoring::auto_note(&record.dataset.id, &protocol.name, reason);
        terminal::note(&note);
    }
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
}
