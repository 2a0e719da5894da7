//! Every architecture in eight bits: both forms of the operations against each other, against
//! single precision, and the answers of the bundled model.

mod support;

use std::path::{Path, PathBuf};

use candle_core::Device;
use serde_json::Value;
use spanbench::batch::SpanLogits;
use spanbench::bundled;
use spanbench::models::architectures::ARCHITECTURES;
use spanbench::models::files::ModelFiles;
use spanbench::models::quantization::{LIMIT, Quantization};
use spanbench::models::{self, Precision, SpanModel};
use spanbench::ops::FormChoice;
use support::device::device;
use support::golden::{ExpectedAnswers, Golden, alone, checkpoints, largest_difference, load};
use support::program::{read, short_run, spanbench, text};
use support::{json, project};

fn name(folder: &Path) -> String {
    folder.file_name().unwrap().to_string_lossy().into_owned()
}

fn quantization(model: &dyn SpanModel) -> &Quantization {
    model.description().quantization.as_ref().unwrap()
}

fn distance(a: &SpanLogits, b: &SpanLogits) -> f32 {
    largest_difference(&a.start, &b.start).max(largest_difference(&a.end, &b.end))
}

/// The two round the same numbers in the same way; but where what is rounded differs in the last
/// bit, a code may be the next one.
#[test]
fn both_forms_agree_and_stay_near_single_precision() {
    for folder in checkpoints() {
        let name = name(&folder);
        let golden = Golden::read(&folder);
        let scale = json::<ExpectedAnswers>(&folder.join("expected.json")).logit_scale;
        let cpu = load(&folder, Precision::Int8, FormChoice::Auto).unwrap();
        // The reference is the CPU's wherever the other form computes.
        let files = ModelFiles::from_directory("test", &folder).unwrap();
        let portable = models::load(&files, &Device::Cpu, Precision::Int8, FormChoice::Portable);
        let portable = portable.unwrap();
        let found = cpu.span_logits(&golden.batch).unwrap();
        let forms = distance(&found, &portable.span_logits(&golden.batch).unwrap()) / scale;
        let full = golden.error(&*cpu, Precision::F32) / scale;
        let (of_cpu, of_portable) = (quantization(&*cpu), quantization(&*portable));
        println!(
            "{name:22} forms {forms:.4} f32 {full:.4} logits {:.4} in full {} of {}",
            of_cpu.logit_loss,
            of_cpu.in_full.len(),
            of_cpu.layers
        );
        assert_eq!(cpu.description().dtype, "int8");
        assert_eq!(cpu.description().compute_dtype, "int8");
        assert_eq!(portable.description().compute_dtype, "f32");
        assert!(
            of_cpu.logit_loss <= LIMIT && of_portable.logit_loss <= LIMIT,
            "{name}"
        );
        assert!(
            of_cpu.layers > 0 && of_cpu.in_full.len() <= of_cpu.layers,
            "{name}"
        );
        assert!(
            of_cpu.windows > 0 && of_cpu.tokens > of_cpu.windows,
            "{name}"
        );
        // On CUDA what is not in eight bits is in half precision, and which layers that are may differ.
        let cuda = cpu.description().ops == "cuda";
        assert!(forms <= if cuda { 0.25 } else { 0.03 }, "{name}: {forms}");
        // The largest of all differences, of random weights: a span logit of theirs has few inputs.
        assert!(full > 0.0 && full <= 0.25, "{name}: {full}");
    }
}

#[test]
fn a_batch_gives_each_window_the_very_bits_it_gets_alone() {
    // To settle what is in eight bits takes an emulated GPU seconds: one checkpoint an architecture.
    let emulated = std::env::var_os("SPANBENCH_EMULATED").is_some();
    let is_one = |folder: &PathBuf| ARCHITECTURES.iter().any(|known| known.name == name(folder));
    let folders = checkpoints().into_iter();
    for folder in folders.filter(|folder| !emulated || is_one(folder)) {
        let golden = Golden::read(&folder);
        let model = load(&folder, Precision::Int8, FormChoice::Auto).unwrap();
        let together = model.span_logits(&golden.batch).unwrap();
        let scale = json::<ExpectedAnswers>(&folder.join("expected.json")).logit_scale;
        let full = golden.distance(&together, Precision::F32) / scale;
        assert!(full > 0.0 && full <= 0.25, "{}: {full}", name(&folder));
        for index in 0..golden.batch.windows.len() {
            let range = golden.batch.boundaries[index]..golden.batch.boundaries[index + 1];
            let logits = model.span_logits(&alone(&golden.batch, index)).unwrap();
            let own = SpanLogits {
                start: together.start[range.clone()].to_vec(),
                end: together.end[range].to_vec(),
            };
            if device().is_cpu() {
                assert_eq!(logits, own, "{} {index}", name(&folder));
            } else {
                // A GPU's library has other algorithms for other numbers of tokens, and a last bit of theirs may
                // make another code.
                let distance = distance(&logits, &own) / scale;
                assert!(distance <= 0.03, "{} {index}: {distance}", name(&folder));
            }
        }
    }
}

/// Weights in eight bits take less, and of the bundled model no layer is kept in full.
#[test]
fn the_bundled_model_is_smaller() {
    let files: ModelFiles = bundled::model();
    let load = |precision| {
        let device = candle_core::Device::Cpu;
        spanbench::models::load(&files, &device, precision, FormChoice::Auto).unwrap()
    };
    let (full, int8) = (load(Precision::F32), load(Precision::Int8));
    let found = quantization(&*int8);
    assert_eq!((found.layers, found.in_full.len()), (24, 0));
    assert!(found.largest.as_ref().unwrap().loss < 0.03);
    assert!(found.logit_loss < 0.05, "{}", found.logit_loss);
    // Six blocks of 12 · 384² weights: three bytes less of each, but for scales and sums.
    let dense = 6 * 12 * 384 * 384;
    let saved = full.description().weights_bytes - int8.description().weights_bytes;
    assert!(saved < 3 * dense && saved > 29 * dense / 10, "{saved}");
    for length in [1, 100, 384] {
        assert_eq!(full.window_flops(length), int8.window_flops(length));
    }
}

/// The whole of the bundled data, beside the score of transformers in single precision, and what
/// the record says of it.
#[test]
fn answers_of_the_bundled_model() {
    let home = tempfile::tempdir().unwrap();
    let mut run = spanbench(home.path());
    run.args(["run", "--device", "cpu", "--dtype", "int8", "--out", "o"]);
    run.args(["--min-duration", "0s", "--resamples", "10"]);
    let output = run.output().unwrap();
    assert!(output.status.success(), "{}", text(&output.stderr));
    let record = read(&home.path().join("o/run.json"));
    let official = read(&project("tests/goldens/bundled/official.json"));
    let f1 = |of: &Value| of["f1"].as_f64().unwrap();
    let (int8, full) = (f1(&record["accuracy"]), f1(&official));
    assert!((full - int8).abs() < 0.5, "{full} and {int8}");
    let quantization = &record["model"]["quantization"];
    assert_eq!(quantization["dense_layers"], 24);
    assert_eq!(quantization["calibration"]["windows"], 8);
    assert_eq!(quantization["logit_loss_limit"], LIMIT);
}

/// The second time the choice of layers is read from the cache, and neither it nor the answers are
/// others; a file that is of no use is said to be so and replaced.
#[test]
fn a_choice_is_kept_for_the_next_time() {
    let home = tempfile::tempdir().unwrap();
    let run = |out: &str| {
        let mut run = short_run(home.path());
        run.args(["--device", "cpu", "--dtype", "int8", "--out", out]);
        let output = run.args(["--min-duration", "0s"]).output().unwrap();
        assert!(output.status.success(), "{}", text(&output.stderr));
        let in_run = |file: &str| home.path().join(out).join(file);
        let answers = std::fs::read(in_run("predictions.json")).unwrap();
        (read(&in_run("run.json")), answers)
    };
    let from_cache = |record: &Value| record["repetitions"][0]["quantization_from_cache"].clone();
    let (first, answers) = run("first");
    assert_eq!(from_cache(&first), false);
    let folder = home.path().join("cache/spanbench/quantization");
    let kept: Vec<_> = std::fs::read_dir(folder).unwrap().collect();
    let [Ok(kept)] = kept.as_slice() else {
        panic!("{kept:?}")
    };
    let (second, again) = run("second");
    assert_eq!(from_cache(&second), true);
    assert_eq!(first["model"], second["model"]);
    assert_eq!(
        (first["warnings"].clone(), answers),
        (second["warnings"].clone(), again)
    );
    // It is what the file says that is done.
    let choice = std::fs::read_to_string(kept.path()).unwrap();
    let other = choice.replacen("\"in_full\":false", "\"in_full\":true", 1);
    std::fs::write(kept.path(), other).unwrap();
    let in_full = |record: &Value| record["model"]["quantization"]["in_full"].clone();
    let changed = in_full(&run("changed").0);
    assert_eq!(in_full(&first), Value::Array(vec![]));
    assert_eq!(changed.as_array().unwrap().len(), 1, "{changed}");
    std::fs::write(kept.path(), "{").unwrap();
    let (third, _) = run("third");
    assert_eq!(
        (from_cache(&third), &third["model"]),
        (Value::Bool(false), &first["model"])
    );
    let warnings = third["warnings"].to_string();
    assert!(warnings.contains("it is damaged"), "{warnings}");
    assert_eq!(from_cache(&run("fourth").0), true);
}
