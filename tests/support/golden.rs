//! Golden checkpoints: tiny models with the logits transformers gives for them.

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};

use candle_core::{Device, Tensor};
use serde::Deserialize;
use spanbench::batch::{Batch, SpanLogits};
use spanbench::models::files::ModelFiles;
use spanbench::models::{self, ModelError, Precision, SpanModel};
use spanbench::ops::FormChoice;

use super::device::device;
use super::project;

/// `expected.json` of a checkpoint.
#[derive(Deserialize)]
pub struct ExpectedAnswers {
    pub settings: Settings,
    #[serde(default)]
    pub logit_scale: f32,
    #[serde(default)]
    pub half_arithmetic: HashMap<String, f32>,
    pub predictions: BTreeMap<String, String>,
    pub margin_to_second: BTreeMap<String, f64>,
}

#[derive(Deserialize)]
pub struct Settings {
    pub max_seq_len: usize,
    pub doc_stride: usize,
    pub n_best: usize,
    pub max_answer_len: usize,
}

/// The folders under tests/goldens/architectures that hold a checkpoint each.
pub fn checkpoints() -> Vec<PathBuf> {
    let all = std::fs::read_dir(project("tests/goldens/architectures")).unwrap();
    let all = all.map(|entry| entry.unwrap().path());
    let mut folders: Vec<_> = all
        .filter(|path| path.join("tokenizer.json").exists())
        .collect();
    folders.sort();
    assert!(folders.len() > 30, "{folders:?}");
    folders
}

/// Loads the model of a folder, on the device under test.
pub fn load(
    folder: &Path,
    precision: Precision,
    form: FormChoice,
) -> Result<Box<dyn SpanModel>, ModelError> {
    let files = ModelFiles::from_directory("test", folder)?;
    models::load(&files, &device(), precision, form)
}

/// The tensors of a golden file: sequences one after another, lengths beside them.
pub struct Golden {
    pub batch: Batch,
    tensors: HashMap<String, Tensor>,
}

impl Golden {
    pub fn read(folder: &Path) -> Self {
        let path = folder.join("golden.safetensors");
        let tensors = candle_core::safetensors::load(path, &Device::Cpu).unwrap();
        let integers = |name: &str| -> Vec<i64> { tensors[name].to_vec1().unwrap() };
        let narrow = |values: Vec<i64>| -> Vec<u32> {
            let values = values.into_iter();
            values.map(|value| u32::try_from(value).unwrap()).collect()
        };
        let mut boundaries = vec![0];
        for length in integers("lengths") {
            boundaries.push(boundaries.last().unwrap() + usize::try_from(length).unwrap());
        }
        let token_ids = narrow(integers("input_ids"));
        let token_types = if tensors.contains_key("token_type_ids") {
            narrow(integers("token_type_ids"))
        } else {
            vec![0; token_ids.len()]
        };
        Self {
            batch: Batch {
                token_ids,
                token_types,
                windows: (0..boundaries.len() - 1).collect(),
                boundaries,
            },
            tensors,
        }
    }

    /// `start_logits` or `end_logits`, with weights rounded to `precision`.
    pub fn logits(&self, precision: Precision, which: &str) -> Vec<f32> {
        let name = match precision {
            Precision::F32 => which.to_owned(),
            other => format!("{}.{which}", other.name()),
        };
        self.tensors[&name].to_vec1().unwrap()
    }

    /// The largest difference between a model's logits and the golden ones of `precision`.
    pub fn error(&self, model: &dyn SpanModel, precision: Precision) -> f32 {
        self.distance(&model.span_logits(&self.batch).unwrap(), precision)
    }

    /// The largest difference between logits of the batch and the golden ones of `precision`.
    pub fn distance(&self, found: &SpanLogits, precision: Precision) -> f32 {
        let start = largest_difference(&found.start, &self.logits(precision, "start_logits"));
        let end = largest_difference(&found.end, &self.logits(precision, "end_logits"));
        start.max(end)
    }
}

/// The largest absolute difference; infinite where a value is no number.
pub fn largest_difference(found: &[f32], expected: &[f32]) -> f32 {
    assert_eq!(found.len(), expected.len());
    let pairs = found.iter().zip(expected);
    pairs.fold(0.0, |largest, (found, expected)| {
        let difference = (found - expected).abs();
        if difference.is_nan() {
            f32::INFINITY
        } else {
            largest.max(difference)
        }
    })
}

/// The `index`-th sequence of a batch as a batch of its own.
pub fn alone(batch: &Batch, index: usize) -> Batch {
    let range = batch.boundaries[index]..batch.boundaries[index + 1];
    Batch {
        token_ids: batch.token_ids[range.clone()].to_vec(),
        token_types: batch.token_types[range.clone()].to_vec(),
        boundaries: vec![0, range.len()],
        windows: vec![index],
    }
}
