//! What a cell is made from, as hashes: whether a result is still that of what is asked for.

use serde::Serialize;
use sha2::{Digest, Sha256};

use super::{CellError, CellSpec};
use crate::dataset::Dataset;
use crate::hash::hex;
use crate::hub;
use crate::measure::environment::Build;
use crate::models::locate;
use crate::record::wire::{WireDataset, WireFile, WireModel};

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
    }
    let mut spec = spec.clone();
    spec.name = String::new();
    spec.settings.offline = false;
    let asked = Asked {
        spec: &spec,
        measuring,
        build: Build::current(),
    };
    let text = serde_json::to_vec(&asked)
        .expect("OK because the types have text keys and writing to a Vec cannot fail");
    hex(&Sha256::digest(&text))
}

/// A cell's model files and data set as they are now.
#[derive(Debug, Clone, PartialEq)]
pub struct Inputs {
    model_files: Vec<WireFile>,
    dataset_sha256: String,
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
        Ok(Self {
            model_files: wire_files(&files),
            dataset_sha256: dataset.sha256,
        })
    }

    /// Whether a result's model and data set are these.
    pub fn are_those_of(&self, model: &WireModel, dataset: &WireDataset) -> bool {
        self.model_files == model.files && self.dataset_sha256 == dataset.sha256
    }
}
