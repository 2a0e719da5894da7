//! What was decided for a model, kept on disk for the next time it is loaded.
//!
//! A file of some hundred kilobytes in the user's cache folder for each model and set of instructions:
//! which layers stay in full, and how large each input of a layer is. It names all that this depends
//! on, this very program too; where any of it is another, it is decided anew. With the same numbers
//! weights are quantised to the same bits, so that no answer tells whether the file was there.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::UNIX_EPOCH;
use std::{fs, io};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::{Decision, LayerDecision};
use crate::caches;
use crate::hash::hex;
use crate::measure::environment::Build;
use crate::models::files::ModelFiles;
use crate::ops::Form;
use crate::ops::int8::Trial;

/// Version of the file's layout.
const SCHEMA: u32 = 1;

/// The folder among the user's caches.
const FOLDER: &str = "quantization";

/// The place of a model's file.
#[derive(Debug)]
pub struct Kept {
    path: PathBuf,
    program: WireProgram,
    model: WireKeptModel,
}

/// What a build is told by. Its time, since sources may be changed without another version or commit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct WireProgram {
    version: String,
    revision: Option<String>,
    bytes: u64,
    modified_ns: u64,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct WireKeptModel {
    files: Vec<WireKeptFile>,
    instructions: Option<String>,
    int8_instructions: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct WireKeptFile {
    name: String,
    sha256: String,
}

/// A [`Decision`] on disk, with what it depends on.
#[derive(Debug, Serialize, Deserialize)]
struct WireKept {
    schema: u32,
    program: WireProgram,
    model: WireKeptModel,
    layers: Vec<WireKeptLayer>,
    logit_loss: f64,
    windows: usize,
    tokens: usize,
}

/// What all versions have.
#[derive(Debug, Deserialize)]
struct WireVersion {
    schema: u32,
}

#[derive(Debug, Serialize, Deserialize)]
struct WireKeptLayer {
    name: String,
    loss: Option<f64>,
    in_full: bool,
    largest_inputs: Option<Vec<f32>>,
}

impl Kept {
    /// The place among the user's caches; nothing where the system names none, where this program's own
    /// file cannot be looked at, and of other forms than the CPU's: what a decision depends on is not
    /// fully known there.
    pub fn in_caches(files: &ModelFiles, form: Form) -> Option<Self> {
        if form != Form::Cpu {
            return None;
        }
        let model = WireKeptModel::of(files, form);
        let text = serde_json::to_vec(&model).expect("OK because texts are all JSON");
        let name = format!("{}.json", hex(&Sha256::digest(text)[..16]));
        Some(Self {
            path: caches::folder(FOLDER)?.join(name),
            program: WireProgram::this().ok()?,
            model,
        })
    }

    /// What was decided for these layers; nothing where there is no file, or that of another program.
    pub(super) fn read(&self, trials: &[Arc<Trial>]) -> Result<Option<Decision>, String> {
        let failed = |what: String| format!("{}: {what}", self.path.display());
        let bytes = match fs::read(&self.path) {
            Ok(bytes) => bytes,
            Err(fault) if fault.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(fault) => return Err(failed(format!("it cannot be read: {fault}"))),
        };
        let damaged = |fault| failed(format!("it is damaged: {fault}"));
        let WireVersion { schema } = serde_json::from_slice(&bytes).map_err(damaged)?;
        if schema != SCHEMA {
            return Ok(None);
        }
        let kept: WireKept = serde_json::from_slice(&bytes).map_err(damaged)?;
        if kept.program != self.program {
            return Ok(None);
        }
        let fits = kept.model == self.model
            && kept.layers.len() == trials.len()
            && kept
                .layers
                .iter()
                .zip(trials)
                .all(|(layer, trial)| layer.fits(trial));
        if !fits {
            return Err(failed("it is of another model".to_owned()));
        }
        Ok(Some(kept.decision()))
    }

    /// Keeps a decision, whole or not at all.
    pub(super) fn write(&self, decision: &Decision) -> Result<(), String> {
        let failed = |what| format!("{}: {what}", self.path.display());
        if !is_finite(decision) {
            return Err(failed(
                "numbers that are not finite cannot be kept".to_owned(),
            ));
        }
        let text = serde_json::to_vec(&self.wire(decision));
        let text = text.map_err(|fault| failed(fault.to_string()))?;
        caches::write(&self.path, &text)
            .map_err(|fault| failed(format!("it cannot be written: {fault}")))
    }

    fn wire(&self, decision: &Decision) -> WireKept {
        let layers = decision.layers.iter().map(|layer| WireKeptLayer {
            name: layer.name.clone(),
            loss: layer.loss,
            in_full: layer.in_full,
            largest_inputs: layer.largest_inputs.as_deref().map(<[f32]>::to_vec),
        });
        WireKept {
            schema: SCHEMA,
            program: self.program.clone(),
            model: self.model.clone(),
            layers: layers.collect(),
            logit_loss: decision.logit_loss,
            windows: decision.windows,
            tokens: decision.tokens,
        }
    }
}

impl WireProgram {
    /// The program that runs.
    fn this() -> io::Result<Self> {
        let about = std::env::current_exe()?.metadata()?;
        let modified = about.modified()?.duration_since(UNIX_EPOCH);
        let modified = modified.unwrap_or_default();
        let build = Build::current();
        Ok(Self {
            version: build.version.to_owned(),
            revision: build.revision.map(str::to_owned),
            bytes: about.len(),
            modified_ns: modified.as_secs() * 1_000_000_000 + u64::from(modified.subsec_nanos()),
        })
    }
}

impl WireKeptModel {
    fn of(files: &ModelFiles, form: Form) -> Self {
        let files = files.all().map(|file| WireKeptFile {
            name: file.name.clone(),
            sha256: file.sha256.clone(),
        });
        Self {
            files: files.collect(),
            instructions: form.instructions().map(str::to_owned),
            int8_instructions: form.int8_instructions().map(str::to_owned),
        }
    }
}

impl WireKept {
    fn decision(self) -> Decision {
        let layers = self.layers.into_iter().map(|layer| LayerDecision {
            name: layer.name,
            loss: layer.loss,
            in_full: layer.in_full,
            largest_inputs: layer.largest_inputs.map(Arc::from),
        });
        Decision {
            layers: layers.collect(),
            logit_loss: self.logit_loss,
            windows: self.windows,
            tokens: self.tokens,
        }
    }
}

impl WireKeptLayer {
    fn fits(&self, trial: &Trial) -> bool {
        let largest = self.largest_inputs.as_ref();
        self.name == trial.name() && largest.is_none_or(|largest| largest.len() == trial.inputs())
    }
}

/// JSON has no other numbers.
fn is_finite(decision: &Decision) -> bool {
    let layers = &decision.layers;
    let mut inputs = layers.iter().flat_map(|layer| layer.largest_inputs.iter());
    decision.logit_loss.is_finite()
        && layers
            .iter()
            .all(|layer| layer.loss.is_none_or(f64::is_finite))
        && inputs.all(|largest| largest.iter().all(|input| input.is_finite()))
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use candle_core::{Device, Tensor};

    use super::*;
    use crate::ops::Linear;

    fn kept(folder: &Path) -> Kept {
        let file = |name: &str| WireKeptFile {
            name: name.to_owned(),
            sha256: "5e".to_owned(),
        };
        Kept {
            path: folder.join("model.json"),
            program: WireProgram::this().unwrap(),
            model: WireKeptModel {
                files: vec![file("config.json"), file("model.safetensors")],
                instructions: Some("avx2".to_owned()),
                int8_instructions: None,
            },
        }
    }

    fn trial(name: &str, inputs: usize) -> Arc<Trial> {
        let tensors = move || {
            Ok((
                Tensor::zeros((2, inputs), candle_core::DType::F32, &Device::Cpu)?,
                None,
            ))
        };
        let (weight, bias) = tensors().unwrap();
        Linear::on_trial(name, (&weight, bias.as_ref()), tensors, 1, Form::Cpu)
            .unwrap()
            .1
    }

    fn decision() -> Decision {
        let layer = |name: &str, loss, largest: Option<Vec<f32>>| LayerDecision {
            name: name.to_owned(),
            loss,
            in_full: loss == Some(0.25),
            largest_inputs: largest.map(Arc::from),
        };
        Decision {
            layers: vec![
                layer(
                    "first",
                    Some(1.0 / 3.0),
                    Some(vec![0.1, f32::MIN_POSITIVE, 16_777_216.0]),
                ),
                layer("second", Some(0.25), Some(vec![1e-45])),
                layer("third", None, None),
            ],
            logit_loss: 0.1 + 0.2,
            windows: 8,
            tokens: 1000,
        }
    }

    fn trials() -> Vec<Arc<Trial>> {
        vec![trial("first", 3), trial("second", 1), trial("third", 2)]
    }

    #[test]
    fn what_was_decided_is_read_to_the_last_bit() {
        let folder = tempfile::tempdir().unwrap();
        let kept = kept(&folder.path().join("not/there/yet"));
        assert_eq!(kept.read(&trials()), Ok(None));
        kept.write(&decision()).unwrap();
        assert_eq!(kept.read(&trials()), Ok(Some(decision())));
    }

    #[test]
    fn another_programs_is_no_fault_and_another_models_is() {
        let folder = tempfile::tempdir().unwrap();
        let kept = kept(folder.path());
        kept.write(&decision()).unwrap();
        let good = fs::read_to_string(&kept.path).unwrap();
        let later = good.replace("\"schema\":1", "\"schema\":2");
        let rebuilt = good.replace("\"bytes\":", "\"bytes\":1");
        let other = good.replace("\"5e\"", "\"5f\"");
        let damaged = good.replace("null", "\"avx2\"");
        for (text, fault) in [
            (later.as_str(), None),
            (&rebuilt, None),
            ("{\"schema\":2,\"new\":1}", None),
            (&other, Some("of another model")),
            (&damaged, Some("damaged")),
            (&good[..good.len() / 2], Some("damaged")),
            ("", Some("damaged")),
        ] {
            assert_ne!(text, good);
            fs::write(&kept.path, text).unwrap();
            match (kept.read(&trials()), fault) {
                (Ok(None), None) => {}
                (Err(found), Some(fault)) => assert!(found.contains(fault), "{found}"),
                (found, _) => panic!("{text}: {found:?}"),
            }
        }
        fs::write(&kept.path, &good).unwrap();
        for (index, other) in [(0, trial("first", 4)), (1, trial("last", 1))] {
            let mut trials = trials();
            trials[index] = other;
            assert!(kept.read(&trials).is_err());
            trials.pop();
            assert!(kept.read(&trials).is_err());
        }
    }

    #[test]
    fn what_cannot_be_kept_is_said() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("file");
        fs::write(&file, "").unwrap();
        let fault = kept(&file).write(&decision()).unwrap_err();
        assert!(fault.contains("cannot be written"), "{fault}");
        let kept = kept(folder.path());
        for number in [f64::NAN, f64::INFINITY] {
            let mut loss = decision();
            loss.layers[0].loss = Some(number);
            let mut input = decision();
            input.layers[0].largest_inputs = Some(Arc::from([number as f32]));
            let logits = Decision {
                logit_loss: number,
                ..decision()
            };
            for decision in [loss, input, logits] {
                let fault = kept.write(&decision).unwrap_err();
                assert!(fault.contains("not finite"), "{fault}");
            }
        }
        assert!(!kept.path.exists());
    }
}
