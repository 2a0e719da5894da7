//! Every architecture against Hugging Face transformers: logits and answers of
//! tiny checkpoints, in every precision and in all forms of the operations.

mod support;

use std::path::Path;

use spanbench::bundled;
use spanbench::cell::{Line, Silent, WindowOrder, answer};
use spanbench::dataset::Dataset;
use spanbench::decode::DecodeSettings;
use spanbench::measure::phases::PhaseClock;
use spanbench::models::architectures::ARCHITECTURES;
use spanbench::models::files::ModelFiles;
use spanbench::models::{Precision, SpanModel};
use spanbench::ops::FormChoice;
use spanbench::tokenizer;
use spanbench::windows::{WindowSettings, Windower};
use support::device::{choices, device};
use support::golden::{ExpectedAnswers, Golden, alone, checkpoints, largest_difference, load};
use support::{json, shared, skipped};

/// Of the largest logit's magnitude: what rounding in another order may come to.
const ROUNDING: f32 = 2e-5;

/// How many times as far from single precision as PyTorch's own half precision
/// ours may be: the two round at different places.
const HALF_PRECISION: f32 = 3.0;

fn name(folder: &Path) -> String {
    folder.file_name().unwrap().to_string_lossy().into_owned()
}

#[test]
fn every_architecture_has_a_checkpoint() {
    let folders = checkpoints();
    for architecture in ARCHITECTURES {
        let known = folders
            .iter()
            .any(|folder| name(folder) == architecture.name);
        assert!(known, "{}", architecture.name);
    }
}

#[test]
fn all_forms_give_the_logits_of_transformers() {
    for folder in checkpoints() {
        let golden = Golden::read(&folder);
        let scale = json::<ExpectedAnswers>(&folder.join("expected.json")).logit_scale;
        for form in choices() {
            let model = load(&folder, Precision::F32, form).unwrap();
            let error = golden.error(&*model, Precision::F32) / scale;
            assert!(error <= ROUNDING, "{} {form:?}: {error:e}", name(&folder));
        }
    }
}

/// The CPU form keeps weights in half precision and computes in single: its
/// logits are those of transformers in `f32` with the weights rounded.
#[test]
fn half_precision_weights_give_the_logits_of_rounded_ones() {
    if !device().is_cpu() {
        return skipped("GPUs compute in half precision what is kept in it");
    }
    for folder in checkpoints() {
        let golden = Golden::read(&folder);
        let scale = json::<ExpectedAnswers>(&folder.join("expected.json")).logit_scale;
        for precision in [Precision::F16, Precision::Bf16] {
            let model = load(&folder, precision, FormChoice::Auto).unwrap();
            assert_eq!(model.description().compute_dtype, "f32");
            let error = golden.error(&*model, precision) / scale;
            let name = name(&folder);
            assert!(error <= ROUNDING, "{name} {}: {error:e}", precision.name());
        }
    }
}

/// The portable form and those of GPUs compute in half precision: no further from single
/// precision than a few times what PyTorch's is.
#[test]
fn half_precision_arithmetic_stays_near_single_precision() {
    for folder in checkpoints() {
        let golden = Golden::read(&folder);
        let expected: ExpectedAnswers = json(&folder.join("expected.json"));
        for precision in [Precision::F16, Precision::Bf16] {
            let form = choices().pop().unwrap();
            let model = load(&folder, precision, form).unwrap();
            assert_eq!(model.description().compute_dtype, precision.name());
            let error = golden.error(&*model, Precision::F32) / expected.logit_scale;
            let theirs = expected.half_arithmetic[precision.name()];
            let name = name(&folder);
            // With --nocapture: the table in the README is made of this.
            println!(
                "{name:22} {:5} {error:.4} (PyTorch {theirs:.4})",
                precision.name()
            );
            assert!(
                error <= HALF_PRECISION * theirs,
                "{name} {}: {error:e}, and PyTorch {theirs:e}",
                precision.name()
            );
        }
    }
}

#[test]
fn a_batch_gives_each_window_the_very_bits_it_gets_alone() {
    // Of a product's algorithms a GPU's library takes that which is best for the number of tokens.
    let exact = device().is_cpu();
    for folder in checkpoints() {
        let golden = Golden::read(&folder);
        let model = load(&folder, Precision::F32, FormChoice::Auto).unwrap();
        let together = model.span_logits(&golden.batch).unwrap();
        let scale = json::<ExpectedAnswers>(&folder.join("expected.json")).logit_scale;
        let alone = (0..golden.batch.windows.len()).map(|index| alone(&golden.batch, index));
        let alone: Vec<_> = alone.collect();
        // All are begun before the first is waited for.
        let begun: Vec<_> = alone.iter().map(|one| model.begin(one).unwrap()).collect();
        for (index, pass) in begun.into_iter().enumerate() {
            let range = golden.batch.boundaries[index]..golden.batch.boundaries[index + 1];
            let pass = pass.finish().unwrap();
            assert_eq!(pass.device_time.is_some(), device().is_cuda());
            for (found, together) in [
                (&pass.logits.start, &together.start[range.clone()]),
                (&pass.logits.end, &together.end[range]),
            ] {
                let name = name(&folder);
                if exact {
                    assert_eq!(found, together, "{name} {index}");
                }
                for (found, together) in found.iter().zip(together) {
                    let bound = 1e-4 * scale;
                    assert!((found - together).abs() <= bound, "{name} {index}");
                }
            }
        }
    }
}

#[test]
fn answers_are_those_of_transformers() {
    for folder in checkpoints() {
        assert_answers(&folder, bundled::DATASET, FormChoice::Auto);
    }
}

/// Answers the questions that `expected.json` names and compares those that were no close call.
fn assert_answers(folder: &Path, dataset: &str, form: FormChoice) {
    let expected: ExpectedAnswers = json(&folder.join("expected.json"));
    let mut dataset = Dataset::open(dataset, true, &spanbench::hub::Silent).unwrap();
    let asked = |id: &str| expected.predictions.contains_key(id);
    dataset.questions.retain(|question| asked(&question.id));
    assert_eq!(dataset.questions.len(), expected.predictions.len());
    let files = ModelFiles::from_directory("test", folder).unwrap();
    let model = load(folder, Precision::F32, form).unwrap();
    let answers = answers(&files, &*model, &dataset, &expected);
    let mut wrong = String::new();
    for (question, answer) in dataset.questions.iter().zip(answers) {
        let theirs = &expected.predictions[&question.id];
        let margin = expected.margin_to_second[&question.id];
        if answer != *theirs && margin >= 1e-3 {
            let id = &question.id;
            wrong += &format!("{id}: {answer:?}, not {theirs:?} (margin {margin})\n");
        }
    }
    assert!(wrong.is_empty(), "{}:\n{wrong}", name(folder));
}

fn answers(
    files: &ModelFiles,
    model: &dyn SpanModel,
    dataset: &Dataset,
    expected: &ExpectedAnswers,
) -> Vec<String> {
    let windows = WindowSettings {
        max_seq_len: expected.settings.max_seq_len,
        doc_stride: expected.settings.doc_stride,
        ..WindowSettings::default()
    };
    let description = model.description();
    let source = tokenizer::read(description.architecture, &files.config, &files.tokenizer);
    let windower = Windower::new(source.unwrap(), description.tables, windows).unwrap();
    let settings = answer::AnswerSettings {
        windows,
        decode: DecodeSettings {
            n_best: expected.settings.n_best,
            max_answer_len: expected.settings.max_answer_len,
            ..DecodeSettings::default()
        },
        batch_tokens: 2048,
        order: WindowOrder::AsGiven,
        seed: 0,
    };
    let line = Line {
        model,
        windower: &windower,
        dataset,
        settings,
    };
    let mut clock = PhaseClock::start();
    let answers = line.answer_all(&mut clock, &Silent).unwrap();
    answers
        .answers
        .into_iter()
        .map(|answer| answer.text)
        .collect()
}

/// Checkpoints beside the project, with other sizes, where they are there.
#[test]
fn shared_checkpoints_agree() {
    let Some(folder) = shared("goldens") else {
        return;
    };
    let dataset = shared("data/xquad.en.json").unwrap();
    for architecture in ARCHITECTURES {
        let folder = folder.join(architecture.name);
        for form in choices() {
            assert_padded_golden(&folder, form);
        }
        assert_answers(&folder, &dataset.to_string_lossy(), FormChoice::Auto);
    }
}

/// Compares with a golden file of padded rows.
fn assert_padded_golden(folder: &Path, form: FormChoice) {
    let path = folder.join("golden.safetensors");
    let tensors = candle_core::safetensors::load(path, &candle_core::Device::Cpu).unwrap();
    let rows = |name: &str| -> Vec<Vec<i64>> { tensors[name].to_vec2().unwrap() };
    let logits = |name: &str| -> Vec<Vec<f32>> { tensors[name].to_vec2().unwrap() };
    let (ids, mask) = (rows("input_ids"), rows("attention_mask"));
    let types = tensors
        .contains_key("token_type_ids")
        .then(|| rows("token_type_ids"));
    let (start, end) = (logits("start_logits"), logits("end_logits"));
    let all = start.iter().chain(&end).flatten();
    let scale = all.fold(0.0_f32, |largest, logit| largest.max(logit.abs()));
    let model = load(folder, Precision::F32, form).unwrap();
    for row in 0..ids.len() {
        let length = mask[row].iter().filter(|&&seen| seen == 1).count();
        let narrow = |values: &[i64]| -> Vec<u32> {
            let values = values[..length].iter();
            values.map(|&value| u32::try_from(value).unwrap()).collect()
        };
        let batch = spanbench::batch::Batch {
            token_ids: narrow(&ids[row]),
            token_types: types
                .as_ref()
                .map_or(vec![0; length], |types| narrow(&types[row])),
            boundaries: vec![0, length],
            windows: vec![0],
        };
        let found = model.span_logits(&batch).unwrap();
        let error = largest_difference(&found.start, &start[row][..length])
            .max(largest_difference(&found.end, &end[row][..length]));
        let error = error / scale;
        assert!(error <= 1e-4, "{} {form:?}: {error:e}", name(folder));
    }
}
