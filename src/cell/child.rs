//! The cell's own process: a job from a file in, events on standard output.

use std::io::Write;
use std::path::Path;
use std::sync::{Mutex, MutexGuard};
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use super::answer::{AnswerError, Progress};
use super::work::{self, Job, Loader, Work};
use super::{CellError, failure::FailureKind};
use crate::hub;
use crate::message::one_line;
use crate::record::wire::WireShard;

/// The version of job and events. The program that runs cells may be another build.
pub const SCHEMA: u32 = 1;

/// A job as it lies in its file.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct WireJob {
    /// [`SCHEMA`].
    pub schema: u32,
    /// The job.
    pub job: Job,
}

/// What the process says, a line of JSON each.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Event {
    /// The first line.
    Hello {
        /// [`SCHEMA`].
        schema: u32,
    },
    /// What begins now.
    Phase(String),
    /// So many of a unit are about to be computed.
    Begin(String, usize),
    /// More of them are done.
    Advance(usize),
    /// All of them are.
    End,
    /// It waits for its next turn: for a line on its standard input.
    Turn,
    /// The input is at fault; nothing was measured.
    Refused(String),
    /// No question falls to the shard: nothing was measured, and nothing is wrong.
    Empty(Box<WireShard>),
    /// Something failed that was being measured.
    Failed(FailureKind, String),
    /// All is done.
    Done(Box<Work>),
}

/// How often progress is told at the most: telling it takes time from what is measured.
const INTERVAL: Duration = Duration::from_millis(100);

/// Does the job that lies in `path` and writes events to `output`; `load` makes the model.
///
/// Returns whether the job was done. Where nobody reads the events any more, the process ends.
pub fn serve(path: &Path, load: Loader<'_>, output: impl Write + Send) -> bool {
    let mut teller = Teller::new(output);
    teller.tell(&Event::Hello { schema: SCHEMA });
    let job = match read_job(path) {
        Ok(job) => {
            teller.turn = job.turn;
            job
        }
        Err(message) => {
            teller.tell(&Event::Refused(message));
            return false;
        }
    };
    match work::perform(&job, load, &hub::Silent, &teller) {
        Ok(work) => {
            teller.tell(&Event::Done(Box::new(work)));
            true
        }
        Err(error) => {
            teller.tell(&event_of(&error));
            matches!(error, CellError::EmptyShard(_))
        }
    }
}

fn read_job(path: &Path) -> Result<Job, String> {
    let origin = path.display();
    let text = std::fs::read_to_string(path)
        .map_err(|fault| format!("{origin}: the job cannot be read: {fault}"))?;
    // It is read once, and whoever wrote it may be gone when this ends.
    let _ = std::fs::remove_file(path);
    let job: WireJob = serde_json::from_str(&text)
        .map_err(|fault| format!("{origin}: not a job of this version of spanbench: {fault}"))?;
    if job.schema != SCHEMA {
        return Err(format!(
            "{origin}: a job of version {}; this program does those of version {SCHEMA}",
            job.schema
        ));
    }
    Ok(job.job)
}

fn event_of(error: &CellError) -> Event {
    let message = one_line(error);
    match error {
        CellError::Answer(AnswerError::NotFinite { .. }) => {
            Event::Failed(FailureKind::NotFinite, message)
        }
        CellError::EmptyShard(shard) => Event::Empty(shard.clone()),
        CellError::Answer(AnswerError::Model(_)) => Event::Failed(FailureKind::Model, message),
        _ => Event::Refused(message),
    }
}

/// Writes events, progress not more often than [`INTERVAL`].
struct Teller<W> {
    state: Mutex<State<W>>,
    /// How long a turn is, where turns are taken.
    turn: Option<Duration>,
}

struct State<W> {
    output: W,
    /// Progress not told yet.
    pending: usize,
    told: Instant,
    /// When this turn began.
    turn_began: Option<Instant>,
}

impl<W: Write> Teller<W> {
    fn new(output: W) -> Self {
        Self {
            state: Mutex::new(State {
                output,
                pending: 0,
                told: Instant::now(),
                turn_began: None,
            }),
            turn: None,
        }
    }

    fn lock(&self) -> MutexGuard<'_, State<W>> {
        let state = self.state.lock();
        state.expect("OK because nothing panics while it writes a line")
    }

    fn tell(&self, event: &Event) {
        self.lock().tell(event);
    }
}

impl<W: Write> State<W> {
    fn turn_is_over(&self, turn: Duration) -> bool {
        self.turn_began.is_none_or(|began| began.elapsed() >= turn)
    }

    fn tell(&mut self, event: &Event) {
        if self.pending > 0 && !matches!(event, Event::Advance(_)) {
            let pending = std::mem::take(&mut self.pending);
            self.tell(&Event::Advance(pending));
        }
        let mut line = serde_json::to_vec(event)
            .expect("OK because the type has text keys and writing to a Vec cannot fail");
        line.push(b'\n');
        let written = self.output.write_all(&line);
        if written.and_then(|()| self.output.flush()).is_err() {
            // Nobody is there: the program that wanted the result was stopped.
            std::process::exit(2);
        }
    }
}

impl<W: Write + Send> Progress for Teller<W> {
    fn phase(&self, name: &'static str) {
        if name == "timed" {
            // The timed pass begins with a turn of its own.
            let mut state = self.lock();
            state.turn_began = None;
        }
        self.tell(&Event::Phase(name.to_owned()));
    }

    fn begin(&self, unit: &'static str, count: usize) {
        self.tell(&Event::Begin(unit.to_owned(), count));
    }

    fn advance(&self, count: usize) {
        let mut state = self.lock();
        state.pending += count;
        if state.told.elapsed() >= INTERVAL {
            state.told = Instant::now();
            let pending = std::mem::take(&mut state.pending);
            state.tell(&Event::Advance(pending));
        }
    }

    fn end(&self) {
        self.tell(&Event::End);
    }

    fn turn_is_over(&self) -> bool {
        self.turn.is_some_and(|turn| self.lock().turn_is_over(turn))
    }

    fn turn(&self) {
        let Some(turn) = self.turn else { return };
        let mut state = self.lock();
        if !state.turn_is_over(turn) {
            return;
        }
        state.tell(&Event::Turn);
        let mut line = String::new();
        if !matches!(std::io::stdin().read_line(&mut line), Ok(1..)) {
            // Whoever gave the turns is gone.
            std::process::exit(2);
        }
        state.turn_began = Some(Instant::now());
    }
}
