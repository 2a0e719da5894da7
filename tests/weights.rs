//! Checkpoints in every form they come in, and those that are refused.

mod support;

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use candle_core::{DType, Device, IndexOp, Tensor};
use serde_json::Value;
use spanbench::models::{ModelError, Precision, SpanModel};
use spanbench::ops::FormChoice;
use support::golden::{Golden, alone, largest_difference};
use support::{golden, project};

/// Of logits of about 3.
const ROUNDING: f32 = 1e-4;

/// The folder of the golden BERT.
fn bert() -> PathBuf {
    project("tests/goldens/architectures/bert")
}

fn load(folder: &Path) -> Result<Box<dyn SpanModel>, ModelError> {
    golden::load(folder, Precision::F32, FormChoice::Auto)
}

/// A directory with a copy of the golden BERT.
fn copy() -> tempfile::TempDir {
    copy_of(&bert(), |_| {})
}

#[test]
fn the_number_of_threads_changes_no_bit() {
    let golden = Golden::read(&bert());
    let model = load(&bert()).unwrap();
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
    let golden = Golden::read(&bert());
    let model = load(&bert()).unwrap();
    let path = bert().join("model.safetensors");
    let mut tensors = candle_core::safetensors::load(&path, &Device::Cpu).unwrap();
    let head = (
        tensors.remove("qa_outputs.weight"),
        tensors.remove("qa_outputs.bias"),
    );
    let (weight, bias) = (head.0.unwrap(), head.1.unwrap());
    let config = std::fs::read(bert().join("config.json")).unwrap();
    let config = serde_json::from_slice(&config).unwrap();
    let builder = candle_nn::VarBuilder::from_tensors(tensors, DType::F32, &Device::Cpu);
    let theirs = candle_transformers::models::bert::BertModel::load(builder, &config).unwrap();
    for index in 0..golden.batch.windows.len() {
        let batch = alone(&golden.batch, index);
        let row = |ids: &[u32]| {
            let row = Tensor::new(ids, &Device::Cpu).unwrap();
            row.unsqueeze(0).unwrap()
        };
        let hidden = theirs
            .forward(&row(&batch.token_ids), &row(&batch.token_types), None)
            .unwrap();
        let logits = hidden.i(0).unwrap().matmul(&weight.t().unwrap()).unwrap();
        let logits = logits.broadcast_add(&bias).unwrap();
        let start: Vec<f32> = logits.i((.., 0)).unwrap().to_vec1().unwrap();
        let ours = model.span_logits(&batch).unwrap();
        assert!(
            largest_difference(&ours.start, &start) < ROUNDING,
            "{index}"
        );
    }
}

/// The files of a form of the smallest checkpoint, in a directory of their own.
fn form(name: &str) -> tempfile::TempDir {
    let all = project("tests/goldens/architectures/files");
    let directory = tempfile::tempdir().unwrap();
    std::fs::copy(
        all.join("config.json"),
        directory.path().join("config.json"),
    )
    .unwrap();
    // The encoder does not read the tokeniser; a run would.
    std::fs::write(directory.path().join("tokenizer.json"), "{}").unwrap();
    for entry in std::fs::read_dir(all.join(name)).unwrap() {
        let path = entry.unwrap().path();
        if path.is_file() && path.extension().is_some_and(|ending| ending != "md") {
            let copy = directory.path().join(path.file_name().unwrap());
            std::fs::copy(path, copy).unwrap();
        }
    }
    directory
}

#[test]
fn every_form_of_weight_files_gives_the_same_logits() {
    let golden = Golden::read(&project("tests/goldens/architectures/files"));
    for (name, files, tolerance) in [
        (".", 1, ROUNDING),
        ("safetensors-shards", 4, ROUNDING),
        ("bin-zip", 1, ROUNDING),
        ("bin-legacy", 1, ROUNDING),
        ("bin-shards", 4, ROUNDING),
    ] {
        let directory = form(name);
        if name == "." {
            std::fs::remove_file(directory.path().join("golden.safetensors")).unwrap();
        }
        let model = load(directory.path()).unwrap();
        let error = golden.error(&*model, Precision::F32);
        assert!(error < tolerance, "{name}: {error:e}");
        let weights = std::fs::read_dir(directory.path())
            .unwrap()
            .filter(|entry| {
                let name = entry.as_ref().unwrap().file_name();
                name.to_string_lossy().contains("model")
            });
        assert_eq!(weights.count(), files, "{name}");
    }
    // Half precision on disk, single precision computed.
    let model = load(form("bin-f16").path()).unwrap();
    assert!(golden.error(&*model, Precision::F16) < ROUNDING);
}

/// Rewrites the golden BERT's tensors.
fn with_tensors(change: impl Fn(&mut HashMap<String, Tensor>)) -> tempfile::TempDir {
    let directory = copy();
    let path = directory.path().join("model.safetensors");
    // Loaded into memory of its own, so that the file can be written over.
    let mut tensors = candle_core::safetensors::load(&path, &Device::Cpu).unwrap();
    change(&mut tensors);
    candle_core::safetensors::save(&tensors, &path).unwrap();
    directory
}

/// Rewrites the golden BERT's config.json.
fn with_config(change: impl Fn(&mut Value)) -> tempfile::TempDir {
    copy_of(&bert(), change)
}

/// A directory with a copy of a checkpoint whose config.json is rewritten.
fn copy_of(folder: &Path, change: impl Fn(&mut Value)) -> tempfile::TempDir {
    let directory = tempfile::tempdir().unwrap();
    for name in ["config.json", "model.safetensors", "tokenizer.json"] {
        std::fs::copy(folder.join(name), directory.path().join(name)).unwrap();
    }
    let path = directory.path().join("config.json");
    let mut config = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
    change(&mut config);
    std::fs::write(&path, config.to_string()).unwrap();
    directory
}

/// Why a checkpoint is refused, with the causes; the answer must come within a second.
fn refusal(directory: &tempfile::TempDir) -> String {
    let started = Instant::now();
    let Err(error) = load(directory.path()) else {
        panic!("the model should be refused")
    };
    let took = started.elapsed();
    assert!(took < Duration::from_secs(1), "{error}: {took:?}");
    let chain = std::iter::successors(Some(&error as &dyn std::error::Error), |fault| {
        fault.source()
    });
    let texts: Vec<String> = chain.map(ToString::to_string).collect();
    let text = texts.join(": ");
    assert!(!text.contains('\n'), "{text}");
    text
}

#[test]
fn faulty_weights_are_refused_by_name() {
    let missing = with_tensors(|t| drop(t.remove("bert.encoder.layer.1.output.dense.bias")));
    assert!(
        refusal(&missing).contains("\"bert.encoder.layer.1.output.dense.bias\" [24] is missing")
    );

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
            zeros(&[24]),
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
fn a_checkpoint_without_a_span_head_is_refused_by_name() {
    let headless = with_tensors(|t| t.retain(|name, _| !name.starts_with("qa_outputs")));
    assert!(refusal(&headless).contains("no span head (qa_outputs.weight)"));

    // Two classes have the shape of a span head.
    let classifier = with_tensors(|t| {
        for part in ["weight", "bias"] {
            let head = t.remove(&format!("qa_outputs.{part}")).unwrap();
            t.insert(format!("classifier.{part}"), head);
        }
    });
    let text = refusal(&classifier);
    assert!(
        text.contains("no span head") && text.contains("\"classifier."),
        "{text}"
    );

    let masked = with_tensors(|t| {
        t.retain(|name, _| !name.starts_with("qa_outputs"));
        let bias = Tensor::zeros(8, DType::F32, &Device::Cpu).unwrap();
        t.insert("cls.predictions.bias".to_owned(), bias);
    });
    assert!(refusal(&masked).contains("\"cls.predictions.bias\""));
}

#[test]
fn a_modernbert_span_head_is_found_by_either_name() {
    let folder = project("tests/goldens/architectures/modernbert");
    let directory = tempfile::tempdir().unwrap();
    for name in ["config.json", "tokenizer.json"] {
        std::fs::copy(folder.join(name), directory.path().join(name)).unwrap();
    }
    let weights = folder.join("model.safetensors");
    let mut tensors = candle_core::safetensors::load(weights, &Device::Cpu).unwrap();
    for part in ["weight", "bias"] {
        let head = tensors.remove(&format!("classifier.{part}")).unwrap();
        tensors.insert(format!("qa_outputs.{part}"), head);
    }
    let path = directory.path().join("model.safetensors");
    candle_core::safetensors::save(&tensors, path).unwrap();
    let golden = Golden::read(&folder);
    let model = load(directory.path()).unwrap();
    assert!(golden.error(&*model, Precision::F32) < ROUNDING);
}

/// A classifier of two labels has the very tensors that a ModernBERT span head has.
#[test]
fn a_modernbert_classifier_is_no_span_head() {
    let folder = project("tests/goldens/architectures/modernbert");
    for classes in [
        serde_json::json!(["ModernBertForSequenceClassification"]),
        Value::Null,
    ] {
        let directory = copy_of(&folder, |config| config["architectures"] = classes.clone());
        let text = refusal(&directory);
        assert!(
            text.contains("no span head") && text.contains("\"classifier."),
            "{text}"
        );
    }
}

/// Rotary positions of a kind, or in a place, that is not implemented.
#[test]
fn modernbert_positions_of_other_kinds_are_refused() {
    let folder = project("tests/goldens/architectures/modernbert");
    let linear = serde_json::json!({"full_attention": {"type": "linear", "rope_theta": 1e4}});
    for (field, value) in [
        ("rope_parameters", linear),
        ("rope_parameters", serde_json::json!({"rope_theta": 5e4})),
        ("rope_scaling", serde_json::json!({"factor": 2})),
        ("sliding_window", 32.into()),
        ("local_rope_theta", Value::Null),
        ("layer_types", serde_json::json!(["full_attention"])),
    ] {
        let directory = copy_of(&folder, |config| config[field] = value.clone());
        assert!(refusal(&directory).contains(field), "{field}");
    }
    // A field of BERT's that ModernBERT has no use for.
    let directory = copy_of(&folder, |c| {
        c["position_embedding_type"] = "sans_pos".into();
    });
    assert!(load(directory.path()).is_ok());
}

/// Products beyond the range of `f16` end at its largest number, never as NaN.
#[test]
fn half_precision_gives_numbers_whatever_the_weights() {
    for name in [
        "bert",
        "megatron-bert",
        "modernbert",
        "deberta-v2-conv",
        "mobilebert",
        "mpnet",
    ] {
        let folder = project("tests/goldens/architectures").join(name);
        let directory = copy_of(&folder, |_| {});
        let path = directory.path().join("model.safetensors");
        let mut tensors = candle_core::safetensors::load(&path, &Device::Cpu).unwrap();
        for (name, tensor) in &mut tensors {
            if tensor.rank() > 1 && !name.contains("embed") {
                *tensor = (&*tensor * 3e4).unwrap().clamp(-6e4, 6e4).unwrap();
            }
        }
        candle_core::safetensors::save(&tensors, &path).unwrap();
        let golden = Golden::read(&folder);
        let model = golden::load(directory.path(), Precision::F16, FormChoice::Portable).unwrap();
        let logits = model.span_logits(&golden.batch).unwrap();
        let mut all = logits.start.iter().chain(&logits.end);
        assert!(all.all(|logit| logit.is_finite()), "{name}");
    }
}

#[test]
fn aliases_of_distilbert_go_first() {
    let folder = project("tests/goldens/architectures/distilbert");
    let directory = copy_of(&folder, |config| {
        config["n_heads"] = 1.into();
        config["num_attention_heads"] = 3.into();
    });
    let golden = Golden::read(&folder);
    let model = load(directory.path()).unwrap();
    assert!(golden.error(&*model, Precision::F32) < ROUNDING);
}

#[test]
fn tensors_of_other_heads_are_left_alone() {
    let directory = with_tensors(|t| {
        let zeros = Tensor::zeros((24, 24), DType::F32, &Device::Cpu).unwrap();
        t.insert("bert.pooler.dense.weight".to_owned(), zeros.clone());
        t.insert("cls.seq_relationship.weight".to_owned(), zeros);
        let positions = Tensor::arange(0_u32, 128, &Device::Cpu).unwrap();
        t.insert("bert.embeddings.position_ids".to_owned(), positions);
    });
    let plain = load(&bert()).unwrap();
    let model = load(directory.path()).unwrap();
    assert_eq!(model.description(), plain.description());
}

#[test]
fn older_names_load() {
    let golden = Golden::read(&bert());
    let renamed = |rename: &dyn Fn(&str) -> String| {
        with_tensors(|tensors| {
            let all = tensors.drain().collect::<Vec<_>>().into_iter();
            *tensors = all.map(|(name, tensor)| (rename(&name), tensor)).collect();
        })
    };
    let bare = renamed(&|name| name.trim_start_matches("bert.").to_owned());
    let tensorflow = renamed(&|name| {
        let name = name.replace("LayerNorm.weight", "LayerNorm.gamma");
        name.replace("LayerNorm.bias", "LayerNorm.beta")
    });
    for directory in [bare, tensorflow] {
        let model = load(directory.path()).unwrap();
        assert!(golden.error(&*model, Precision::F32) < ROUNDING);
    }
}

#[test]
fn half_precision_on_disk_loads() {
    let golden = Golden::read(&bert());
    for (dtype, precision) in [(DType::F16, Precision::F16), (DType::BF16, Precision::Bf16)] {
        let half = with_tensors(|t| {
            for tensor in t.values_mut() {
                *tensor = tensor.to_dtype(dtype).unwrap();
            }
        });
        let model = load(half.path()).unwrap();
        assert!(golden.error(&*model, precision) < ROUNDING, "{dtype:?}");
    }
}

#[test]
fn cut_weights_are_refused() {
    let directory = copy();
    let path = directory.path().join("model.safetensors");
    let whole = std::fs::read(&path).unwrap();
    for length in [0, 4, 100, whole.len() / 2, whole.len() - 1] {
        std::fs::write(&path, &whole[..length]).unwrap();
        let text = refusal(&directory);
        assert!(
            text.contains("model.safetensors") && text.contains("not a whole"),
            "{text}"
        );
    }
    let directory = form("bin-zip");
    let path = directory.path().join("pytorch_model.bin");
    let whole = std::fs::read(&path).unwrap();
    for length in [0, 4, 100, whole.len() / 2, whole.len() - 1] {
        std::fs::write(&path, &whole[..length]).unwrap();
        assert!(refusal(&directory).contains("pytorch_model.bin"));
    }
}

/// What is no file is not opened: a pipe would wait for ever.
#[cfg(unix)]
#[test]
fn folders_and_pipes_are_refused() {
    for name in ["config.json", "model.safetensors", "tokenizer.json"] {
        let directory = copy();
        let path = directory.path().join(name);
        std::fs::remove_file(&path).unwrap();
        std::fs::create_dir(&path).unwrap();
        let text = refusal(&directory);
        assert!(text.contains(name) && text.contains("not a file"), "{text}");
        std::fs::remove_dir(&path).unwrap();
        let made = std::process::Command::new("mkfifo").arg(&path).status();
        assert!(made.unwrap().success());
        assert!(refusal(&directory).contains("not a file"));
    }
}

/// Header and nothing else: 10 GB of claims in a file of a hundred bytes.
#[test]
fn a_shape_without_its_data_is_refused() {
    for (shape, offsets) in [
        ("[50000,50000]", "[0,10000000000]"),
        ("[50000,50000]", "[0,0]"),
        ("[4]", "[9000000000,9000000016]"),
        ("[18446744073709551615,18446744073709551615]", "[0,16]"),
        ("[4]", "[16,0]"),
    ] {
        let directory = copy();
        let header = format!(
            "{{\"qa_outputs.weight\":{{\"dtype\":\"F32\",\"shape\":{shape},\"data_offsets\":{offsets}}}}}"
        );
        let mut bytes = (header.len() as u64).to_le_bytes().to_vec();
        bytes.extend(header.as_bytes());
        bytes.extend([0; 16]);
        std::fs::write(directory.path().join("model.safetensors"), bytes).unwrap();
        assert!(
            refusal(&directory).contains("not a whole"),
            "{shape} {offsets}"
        );
    }
    // A header that says it is larger than any memory.
    let directory = copy();
    let path = directory.path().join("model.safetensors");
    std::fs::write(path, [0xff; 64]).unwrap();
    assert!(refusal(&directory).contains("not a whole"));
}

#[test]
fn a_config_larger_than_the_weights_is_refused() {
    for (field, value) in [
        ("hidden_size", 16_777_216),
        ("vocab_size", 16_777_216),
        ("num_hidden_layers", 16_777_216),
        ("max_position_embeddings", 16_777_216),
        ("intermediate_size", 16_777_216),
        ("num_hidden_layers", 1_000_000_000_000),
    ] {
        // ALBERT's layers share their weights: no tensor bounds their number.
        let albert = project("tests/goldens/architectures/albert");
        for folder in [bert(), albert] {
            let directory = copy_of(&folder, |config| config[field] = u64::into(value));
            let text = refusal(&directory);
            assert!(
                text.contains("config.json") || text.contains("is missing"),
                "{text}"
            );
        }
    }
}

#[test]
fn an_index_names_files_beside_it_and_no_others() {
    let index = "model.safetensors.index.json";
    for (text, says) in [
        (
            r#"{"weight_map": {"qa_outputs.weight": "../../x"}}"#,
            "weight_map.qa_outputs.weight names \"../../x\"",
        ),
        (
            r#"{"weight_map": {"qa_outputs.weight": "/etc/passwd"}}"#,
            "\"/etc/passwd\", which is no weight file beside it",
        ),
        (
            r#"{"weight_map": {"qa_outputs.weight": "model-00009-of-00009.safetensors"}}"#,
            "no weight file beside it",
        ),
        (r#"{"weight_map": {}}"#, "does not name"),
        (r#"{"weight_map": [1]}"#, "at weight_map: not an index"),
        ("[]", "not an index"),
        ("", "not an index"),
    ] {
        let directory = form("safetensors-shards");
        std::fs::write(directory.path().join(index), text).unwrap();
        let refused = refusal(&directory);
        assert!(
            refused.contains(index) && refused.contains(says),
            "{refused}"
        );
    }
    // One of the files is gone.
    let directory = form("safetensors-shards");
    let second = directory.path().join("model-00002-of-00003.safetensors");
    std::fs::copy(
        directory.path().join("model-00001-of-00003.safetensors"),
        &second,
    )
    .unwrap();
    assert!(refusal(&directory).contains("two of its files hold the tensor"));
    std::fs::remove_file(second).unwrap();
    assert!(refusal(&directory).contains("no weight file beside it"));
}

/// What a pickle could do to a program that ran it.
#[test]
fn a_pickle_that_wants_to_run_something_is_refused() {
    let mut bomb = b"\x80\x02cos\nsystem\nX".to_vec();
    let command = b"touch /tmp/spanbench-was-here";
    bomb.extend(u32::try_from(command.len()).unwrap().to_le_bytes());
    bomb.extend(command);
    bomb.extend(b"\x85R.");
    let directory = form("bin-zip");
    std::fs::write(directory.path().join("pytorch_model.bin"), &bomb).unwrap();
    let text = refusal(&directory);
    assert!(
        text.contains("pytorch_model.bin") && text.contains("os.system"),
        "{text}"
    );
    assert!(!Path::new("/tmp/spanbench-was-here").exists());
}

#[test]
fn values_that_change_the_result_are_refused_by_name() {
    for (field, value, says) in [
        (
            "model_type",
            "gpt2".into(),
            "\"gpt2\" is not supported; supported: bert, roberta",
        ),
        ("model_type", Value::Null, "(absent)"),
        ("hidden_act", "mish".into(), "hidden_act = mish"),
        (
            "position_embedding_type",
            "relative_key".into(),
            "relative_key",
        ),
        ("is_decoder", true.into(), "is_decoder"),
        ("num_attention_heads", 5.into(), "a divisor of the 24"),
        ("layer_norm_eps", 0.into(), "layer_norm_eps = 0"),
        ("hidden_size", "wide".into(), "hidden_size = \"wide\""),
    ] {
        let directory = with_config(|config| config[field] = Value::clone(&value));
        let text = refusal(&directory);
        assert!(
            text.contains(says) && text.contains("config.json"),
            "{text}"
        );
    }
}
