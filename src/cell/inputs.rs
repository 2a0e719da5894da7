//! What a cell is made from, as hashes: whether a result is still that of what is asked for.

use std::sync::OnceLock;

use serde::Serialize;
use sha2::{Digest, Sha256};

use super::{CellError, CellSpec};
use crate::dataset::Dataset;
use crate::hash::{self, hex};
use crate::hub;
use crate::measure::environment::{Build, Environment};
use crate::models::locate;
use crate::record::wire::{WireDataset, WireEnvironment, WireFile, WireModel};

use super::sections::wire_files;

/// What beside the cell itself decides what its record holds.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Measuring<'a> {
    /// How often it is measured.
    pub repetitions: usize,
    /// Whether a pass is profiled.
    pub profile: bool,
    /// Whether the machine's peak goes along.
    pub roofline: bool,
    /// How long a turn is, in seconds.
    pub turn_s: Option<f64>,
    /// The program that measures, where it is another than this.
    pub program: Option<&'a str>,
}

/// The hash of what is asked for: of the cell with all its settings, of how it is measured, and
/// of this build of spanbench. The cell's name and whether the hub may be asked are no part of it.
pub fn asked_sha256(spec: &CellSpec, measuring: &Measuring<'_>) -> String {
    #[derive(Serialize)]
    struct Asked<'a> {
        spec: &'a CellSpec,
        measuring: &'a Measuring<'a>,
        build: Build,
        /// The program's own hash, where the commit does not tell what it was built from.
        #[serde(skip_serializing_if = "Option::is_none")]
        program: Option<&'static str>,
    }
    let mut spec = spec.clone();
    spec.name = String::new();
    spec.settings.offline = false;
    let asked = Asked {
        spec: &spec,
        measuring,
        build: Build::current(),
        program: unversioned_program(),
    };
    let text = serde_json::to_vec(&asked)
        .expect("OK because the types have text keys and writing to a Vec cannot fail");
    hex(&Sha256::digest(&text))
}

/// The hash of the running program, where it was built from sources that are no commit's.
fn unversioned_program() -> Option<&'static str> {
    static PROGRAM: OnceLock<Option<String>> = OnceLock::new();
    let is_commit = |revision: &str| !revision.ends_with("-dirty");
    if Build::current().revision.is_some_and(is_commit) {
        return None;
    }
    let read = || std::env::current_exe().and_then(|program| hash::file_sha256(&program));
    PROGRAM.get_or_init(|| read().ok()).as_deref()
}

/// A cell's model files and data set, and the machine, as they are now.
#[derive(Debug, Clone, PartialEq)]
pub struct Inputs {
    model_files: Vec<WireFile>,
    dataset_sha256: String,
    cpu_model: Option<String>,
    logical_cores: usize,
}

impl Inputs {
    /// Reads and hashes them; what is on the hub must be here already.
    ///
    /// # Errors
    ///
    /// Fails where one is missing or cannot be read.
    pub fn read(spec: &CellSpec) -> Result<Self, CellError> {
        let files = locate::open(&spec.model, true, &hub::Silent)?;
        let dataset = Dataset::open(&spec.dataset, true, &hub::Silent)?;
        let environment = Environment::read();
        Ok(Self {
            model_files: wire_files(&files),
            dataset_sha256: dataset.sha256,
            cpu_model: environment.cpu_model,
            logical_cores: environment.logical_cores,
        })
    }

    /// Whether the machine is of the kind that another result was measured on: repetitions on
    /// different ones are not of one figure.
    pub fn is_machine_of(&self, environment: &WireEnvironment) -> bool {
        self.cpu_model == environment.cpu_model && self.logical_cores == environment.logical_cores
    }

    /// Whether a result's model and data set are these.
    pub fn are_those_of(&self, model: &WireModel, dataset: &WireDataset) -> bool {
        self.model_files == model.files && self.dataset_sha256 == dataset.sha256
    }
}
