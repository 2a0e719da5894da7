//! The BERT encoder against Hugging Face transformers and candle-transformers.

mod support;

use std::collections::HashMap;
use std::path::Path;

use candle_core::{DType, Device, IndexOp, Tensor};
use spanbench::batch::Batch;
use spanbench::models::files::ModelFiles;
use spanbench::models::{self, ModelError, SpanModel};
use spanbench::ops::FormChoice;
use support::{project, shared};

/// A directory with a copy of the tiny golden model, as a run would want it.
fn tiny() -> tempfile::TempDir {
    let directory = tempfile::tempdir().unwrap();
    for name in ["config.json", "model.safetensors"] {
        let from = project("tests/goldens/bert-tiny").join(name);
        std::fs::copy(from, directory.path().join(name)).unwrap();
    }
    // The encoder does not read the tokeniser; a run would.
    std::fs::write(directory.path().join("tokenizer.json"), "{}").unwrap();
    directory
}

fn load(directory: &Path, form: FormChoice) -> Result<Box<dyn SpanModel>, ModelError> {
    let files = ModelFiles::from_directory("test", directory)?;
    models::load(&files, &Device::Cpu, form)
}

struct Golden {
    batch: Batch,
    start: Vec<f32>,
    end: Vec<f32>,
}

fn golden() -> Golden {
    let path = project("tests/goldens/bert-tiny/golden.safetensors");
    let tensors = candle_core::safetensors::load(path, &Device::Cpu).unwrap();
    let integers = |name: &str| -> Vec<i64> { tensors[name].to_vec1().unwrap() };
    let ids = |name: &str| {
        integers(name)
            .iter()
            .map(|&id| u32::try_from(id).unwrap())
            .collect()
    };
    let mut boundaries = vec![0];
    for length in integers("lengths") {
        boundaries.push(boundaries.last().unwrap() + usize::try_from(length).unwrap());
    }
    Golden {
        batch: Batch {
            token_ids: ids("input_ids"),
            token_types: ids("token_type_ids"),
            windows: (0..boundaries.len() - 1).collect(),
            boundaries,
        },
        start: tensors["start_logits"].to_vec1().unwrap(),
        end: tensors["end_logits"].to_vec1().unwrap(),
    }
}

/// The `index`-th sequence of a batch as a batch of its own.
fn alone(batch: &Batch, index: usize) -> Batch {
    let range = batch.boundaries[index]..batch.boundaries[index + 1];
    Batch {
        token_ids: batch.token_ids[range.clone()].to_vec(),
        token_types: batch.token_types[range.clone()].to_vec(),
        boundaries: vec![0, range.len()],
        windows: vec![index],
    }
}

fn assert_close(found: &[f32], expected: &[f32], tolerance: f32, what: &str) {
    assert_eq!(found.len(), expected.len(), "{what}");
    for (at, (found, expected)) in found.iter().zip(expected).enumerate() {
        let error = (found - expected).abs();
        assert!(
            error <= tolerance,
            "{what}: at {at} {found}, not {expected}"
        );
    }
}

#[test]
fn both_forms_give_the_logits_of_transformers() {
    let (directory, golden) = (tiny(), golden());
    for form in [FormChoice::Auto, FormChoice::Portable] {
        let model = load(directory.path(), form).unwrap();
        let logits = model.span_logits(&golden.batch).unwrap();
        assert_close(&logits.start, &golden.start, 2e-4, model.description().ops);
        assert_close(&logits.end, &golden.end, 2e-4, model.description().ops);
    }
}

#[test]
fn a_batch_gives_each_window_the_very_bits_it_gets_alone() {
    let (directory, golden) = (tiny(), golden());
    let model = load(directory.path(), FormChoice::Auto).unwrap();
    let together = model.span_logits(&golden.batch).unwrap();
    for index in 0..golden.batch.windows.len() {
        let range = golden.batch.boundaries[index]..golden.batch.boundaries[index + 1];
        let logits = model.span_logits(&alone(&golden.batch, index)).unwrap();
        assert_eq!(
            logits.start,
            together.start[range.clone()],
            "sequence {index}"
        );
        assert_eq!(logits.end, together.end[range], "sequence {index}");
    }
}

#[test]
fn the_number_of_threads_changes_no_bit() {
    let (directory, golden) = (tiny(), golden());
    let model = load(directory.path(), FormChoice::Auto).unwrap();
    let on = |threads| {
        let pool = rayon::ThreadPoolBuilder::new()
            .num_threads(threads)
            .build()
            .unwrap();
        pool.install(|| model.span_logits(&golden.batch).unwrap())
    };
    let one = on(1);
    for threads in [2, 3, 7] {
        assert_eq!(on(threads), one, "{threads} threads");
    }
}

/// The other implementation at hand: candle-transformers' encoder, with our span head behind it.
#[test]
fn the_encoder_agrees_with_candle_transformers() {
    let (directory, golden) = (tiny(), golden());
    let model = load(directory.path(), FormChoice::Auto).unwrap();
    let path = directory.path().join("model.safetensors");
    let mut tensors = candle_core::safetensors::load(&path, &Device::Cpu).unwrap();
    let head = (
        tensors.remove("qa_outputs.weight"),
        tensors.remove("qa_outputs.bias"),
    );
    let (weight, bias) = (head.0.unwrap(), head.1.unwrap());
    let config = std::fs::read(directory.path().join("config.json")).unwrap();
    let mut config: serde_json::Value = serde_json::from_slice(&config).unwrap();
    // Their name for the tanh approximation.
    config["hidden_act"] = "geluapproximate".into();
    let config = serde_json::from_value(config).unwrap();
    let builder = candle_nn::VarBuilder::from_tensors(tensors, DType::F32, &Device::Cpu);
    let theirs = candle_transformers::models::bert::BertModel::load(builder, &config).unwrap();
    for index in 3..golden.batch.windows.len() {
        let batch = alone(&golden.batch, index);
        let row = |ids: &[u32]| {
            Tensor::new(ids, &Device::Cpu)
                .unwrap()
                .unsqueeze(0)
                .unwrap()
        };
        let hidden = theirs
            .forward(&row(&batch.token_ids), &row(&batch.token_types), None)
            .unwrap();
        let logits = hidden.i(0).unwrap().matmul(&weight.t().unwrap()).unwrap();
        let logits = logits.broadcast_add(&bias).unwrap();
        let start: Vec<f32> = logits.i((.., 0)).unwrap().to_vec1().unwrap();
        let ours = model.span_logits(&batch).unwrap();
        assert_close(&ours.start, &start, 2e-4, &format!("sequence {index}"));
    }
}

#[test]
fn a_shared_golden_checkpoint_agrees() {
    let Some(folder) = shared("goldens/bert") else {
        return;
    };
    let tensors = candle_core::safetensors::load(folder.join("golden.safetensors"), &Device::Cpu);
    let tensors = tensors.unwrap();
    let rows = |name: &str| -> Vec<Vec<i64>> { tensors[name].to_vec2().unwrap() };
    let (ids, mask, types) = (
        rows("input_ids"),
        rows("attention_mask"),
        rows("token_type_ids"),
    );
    let start: Vec<Vec<f32>> = tensors["start_logits"].to_vec2().unwrap();
    for form in [FormChoice::Auto, FormChoice::Portable] {
        let model = load(&folder, form).unwrap();
        for row in 0..ids.len() {
            let length = mask[row].iter().filter(|&&seen| seen == 1).count();
            let take = |values: &[i64]| {
                values[..length]
                    .iter()
                    .map(|&id| u32::try_from(id).unwrap())
                    .collect()
            };
            let batch = Batch {
                token_ids: take(&ids[row]),
                token_types: take(&types[row]),
                boundaries: vec![0, length],
                windows: vec![0],
            };
            let logits = model.span_logits(&batch).unwrap();
            assert_close(&logits.start, &start[row][..length], 1e-3, "shared golden");
        }
    }
}

/// Rewrites the tiny model's tensors.
fn with_tensors(change: impl Fn(&mut HashMap<String, Tensor>)) -> tempfile::TempDir {
    let directory = tiny();
    let path = directory.path().join("model.safetensors");
    // Loaded into memory of its own, so that the file can be written over.
    let mut tensors = candle_core::safetensors::load(&path, &Device::Cpu).unwrap();
    change(&mut tensors);
    candle_core::safetensors::save(&tensors, &path).unwrap();
    directory
}

fn refusal(directory: &tempfile::TempDir) -> String {
    match load(directory.path(), FormChoice::Auto) {
        Ok(_) => panic!("the model should be refused"),
        Err(error) => error.to_string(),
    }
}

#[test]
fn faulty_weights_are_refused_by_name() {
    let missing = with_tensors(|t| drop(t.remove("bert.encoder.layer.1.output.dense.bias")));
    assert!(
        refusal(&missing).contains("\"bert.encoder.layer.1.output.dense.bias\" [48] is missing")
    );

    let headless = with_tensors(|t| drop(t.remove("qa_outputs.weight")));
    assert!(refusal(&headless).contains("no span head"));

    let zeros = |shape: &[usize]| Tensor::zeros(shape, DType::F32, &Device::Cpu).unwrap();
    let misshapen = with_tensors(|t| {
        t.insert("qa_outputs.bias".to_owned(), zeros(&[3]));
    });
    assert!(
        refusal(&misshapen)
            .contains("\"qa_outputs.bias\" has shape [3], and config.json makes it [2]")
    );

    let extra = with_tensors(|t| {
        t.insert(
            "bert.encoder.layer.2.output.dense.bias".to_owned(),
            zeros(&[48]),
        );
    });
    assert!(refusal(&extra).contains("the first \"bert.encoder.layer.2.output.dense.bias\""));

    let integer = with_tensors(|t| {
        let ids = Tensor::zeros(2, DType::U32, &Device::Cpu).unwrap();
        t.insert("qa_outputs.bias".to_owned(), ids);
    });
    assert!(refusal(&integer).contains("stored as U32"));
}

#[test]
fn tensors_of_other_heads_are_left_alone() {
    let directory = with_tensors(|t| {
        let zeros = Tensor::zeros((48, 48), DType::F32, &Device::Cpu).unwrap();
        t.insert("bert.pooler.dense.weight".to_owned(), zeros.clone());
        t.insert("cls.seq_relationship.weight".to_owned(), zeros);
        let positions = Tensor::arange(0_u32, 128, &Device::Cpu).unwrap();
        t.insert("bert.embeddings.position_ids".to_owned(), positions);
    });
    let plain = load(tiny().path(), FormChoice::Auto).unwrap();
    let model = load(directory.path(), FormChoice::Auto).unwrap();
    assert_eq!(model.description(), plain.description());
}

#[test]
fn older_names_and_half_precision_load() {
    let golden = golden();
    let bare = with_tensors(|t| {
        *t = t
            .drain()
            .map(|(name, tensor)| (name.trim_start_matches("bert.").to_owned(), tensor))
            .collect();
    });
    let model = load(bare.path(), FormChoice::Auto).unwrap();
    let logits = model.span_logits(&golden.batch).unwrap();
    assert_close(&logits.start, &golden.start, 2e-4, "without the prefix");

    let renamed = with_tensors(|t| {
        let rename = |name: String| {
            let name = name.replace("LayerNorm.weight", "LayerNorm.gamma");
            name.replace("LayerNorm.bias", "LayerNorm.beta")
        };
        *t = t
            .drain()
            .map(|(name, tensor)| (rename(name), tensor))
            .collect();
    });
    let model = load(renamed.path(), FormChoice::Auto).unwrap();
    let logits = model.span_logits(&golden.batch).unwrap();
    assert_close(
        &logits.start,
        &golden.start,
        2e-4,
        "with TensorFlow's names",
    );

    for dtype in [DType::F16, DType::BF16] {
        let half = with_tensors(|t| {
            for tensor in t.values_mut() {
                *tensor = tensor.to_dtype(dtype).unwrap();
            }
        });
        let model = load(half.path(), FormChoice::Auto).unwrap();
        assert!(
            model
                .span_logits(&golden.batch)
                .unwrap()
                .start
                .iter()
                .all(|x| x.is_finite())
        );
    }
}

#[test]
fn cut_weights_are_refused() {
    let directory = tiny();
    let path = directory.path().join("model.safetensors");
    let whole = std::fs::read(&path).unwrap();
    for length in [0, 4, 100, whole.len() / 2, whole.len() - 1] {
        std::fs::write(&path, &whole[..length]).unwrap();
        let refusal = refusal(&directory);
        assert!(
            refusal.contains("model.safetensors") && refusal.contains("not a whole"),
            "{refusal}"
        );
    }
}
