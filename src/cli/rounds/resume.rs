//! What an earlier run left of a cell, and whether it is still of what is asked for.

use std::path::{Path, PathBuf};

use spanbench::cell::Work;
use spanbench::cell::inputs::{self, Inputs, Measuring};
use spanbench::cell::kept::{self, Kept};
use spanbench::hash;
use spanbench::message::one_line;
use spanbench::record::folder::RECORD_FILE;
use spanbench::record::wire::WireRecord;
use spanbench::record::{Cell, Record, run};
use spanbench::suite::{CellPlan, RunSettings};

/// Why a cell is measured again whose hash is another.
const OTHER_SETTINGS: &str = "it was measured with other settings, or by another build";

/// What is asked for.
#[derive(Debug)]
pub struct Asked {
    /// The program that runs the cell, where that is not this one.
    pub program: Option<PathBuf>,
    /// Hash of what is asked for.
    pub sha256: String,
    /// What is wrong with the program.
    pub fault: Option<String>,
}

impl Asked {
    /// What is asked for of the cell in a run of these settings.
    pub fn of(run: &RunSettings, cell: &CellPlan) -> Self {
        let program = cell.program.as_deref().map(find_program);
        // By its content: another build may take the place of a program of the same name.
        let program_sha256 = program.as_ref().map(|path| hash::file_sha256(path));
        let (program_sha256, fault) = match (&program, program_sha256) {
            (Some(program), Some(Err(fault))) => {
                let program = program.display();
                let fault = format!("cell-program {program}: cannot be started: {fault}");
                (None, Some(fault))
            }
            (_, sha256) => (sha256.and_then(Result::ok), None),
        };
        let measuring = Measuring {
            repetitions: run.repetitions,
            profile: run.profile,
            roofline: run.roofline.is_some(),
            turn_s: run.turn.map(|turn| turn.as_secs_f64()),
            program: program_sha256.as_deref(),
        };
        Self {
            sha256: inputs::asked_sha256(&cell.spec, &measuring),
            program,
            fault,
        }
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

/// What there is of a cell.
#[derive(Debug)]
pub enum Found {
    /// Nothing that could be of use.
    Nothing,
    /// A record with all repetitions, of what is asked for.
    Finished(Box<WireRecord>),
    /// The first repetitions, of what is asked for: at least one.
    Repetitions(Vec<Work>),
    /// Results of something else, and in what they differ.
    Changed(&'static str),
    /// It failed, for a reason of this kind; it is tried again.
    Failed(&'static str),
    /// The files of the model or data set cannot be read, as this says: whatever there is cannot
    /// be compared with them.
    OutOfReach(String),
}

/// Looks for what an earlier run left of the cell in `folder`. Nothing is written or fetched.
pub fn find(run: &RunSettings, cell: &CellPlan, asked_sha256: &str, folder: &Path) -> Found {
    // One that is not whole is no result.
    let mut cells = run::open(&folder.join(RECORD_FILE)).unwrap_or_default();
    let (record, failed) = match cells.pop() {
        Some(Cell::Finished(run)) => match run.record {
            Record::Single(record) => (Some(record), None),
            // Merged shards are no measurement.
            Record::Merged(_) => (None, None),
        },
        Some(Cell::Failed { failure, .. }) => (None, Some(failure.error.kind.name())),
        None => (None, None),
    };
    if record.is_none() && !kept::is_unfinished(folder) {
        return failed.map_or(Found::Nothing, Found::Failed);
    }
    let inputs = match Inputs::read(&cell.spec) {
        Ok(inputs) => inputs,
        Err(fault) => return Found::OutOfReach(one_line(&fault)),
    };
    let record = match record {
        Some(record) if record.repetitions.len() >= run.repetitions => {
            return match difference(cell, &record, asked_sha256, &inputs) {
                Some(difference) => Found::Changed(difference),
                None => Found::Finished(record),
            };
        }
        left => left,
    };
    let works = Kept::new(folder, asked_sha256).read(&inputs);
    match (record, failed) {
        _ if !works.is_empty() => Found::Repetitions(works),
        (Some(record), _) if record.asked_sha256.as_deref() == Some(asked_sha256) => {
            Found::Changed(
                "what it had of its repetitions is of another machine, or of other files",
            )
        }
        (Some(_), _) => Found::Changed(OTHER_SETTINGS),
        (None, Some(kind)) => Found::Failed(kind),
        (None, None) => Found::Nothing,
    }
}

/// In what a record with all repetitions is not of what is asked for.
fn difference(
    cell: &CellPlan,
    record: &WireRecord,
    asked_sha256: &str,
    inputs: &Inputs,
) -> Option<&'static str> {
    let expected = cell.expected.as_ref();
    if record.asked_sha256.as_deref() != Some(asked_sha256) {
        Some(OTHER_SETTINGS)
    } else if !inputs.are_those_of(&record.model, &record.dataset) {
        Some("its model's or data set's files have changed since")
    } else if expected.is_some_and(|expected| expected.check(&record.accuracy).is_some()) {
        Some("its accuracy is not what the suite expects")
    } else {
        None
    }
}
