//! Profiles and model FLOPs of every architecture: FLOPs against PyTorch's own
//! counter, what the operations compute against the models' formulas, and the
//! trace against itself.

mod support;

use std::collections::{BTreeMap, HashMap};
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};

use serde_json::Value;
use spanbench::measure::profile::{Operation, Profile, Recorded, Recording, Trace, Work, span};
use spanbench::models::{Precision, SpanModel};
use spanbench::ops::FormChoice;
use support::golden::{Golden, checkpoints, load};
use support::{json, project};

/// A recording sees all spans of the process, so the tests take turns.
static TURN: Mutex<()> = Mutex::new(());

fn turn() -> MutexGuard<'static, ()> {
    TURN.lock().unwrap_or_else(PoisonError::into_inner)
}

fn name(folder: &Path) -> String {
    folder.file_name().unwrap().to_string_lossy().into_owned()
}

/// PyTorch's count by checkpoint, length and name, without the parts that are no model FLOPs.
fn golden_flops() -> BTreeMap<String, BTreeMap<usize, u64>> {
    let counts: BTreeMap<String, BTreeMap<usize, BTreeMap<String, u64>>> =
        json(&project("tests/goldens/flops.json"));
    let model_flops = |counts: BTreeMap<String, u64>| {
        let apart = counts.iter().filter(|(name, _)| *name != "counted");
        counts["counted"] - apart.map(|(_, flops)| flops).sum::<u64>()
    };
    let by_length = |lengths: BTreeMap<usize, BTreeMap<String, u64>>| {
        let lengths = lengths.into_iter();
        lengths
            .map(|(length, counts)| (length, model_flops(counts)))
            .collect()
    };
    let counts = counts.into_iter();
    counts
        .map(|(name, lengths)| (name, by_length(lengths)))
        .collect()
}

#[test]
fn model_flops_are_those_that_torch_counts() {
    // Loading DeBERTa computes, which a recording would see.
    let _turn = turn();
    let golden = golden_flops();
    let mut wrong = String::new();
    for folder in checkpoints() {
        let model = load(&folder, Precision::F32, FormChoice::Auto).unwrap();
        let name = name(&folder);
        assert!(golden[&name].len() >= 3, "{name}");
        for (&length, &expected) in &golden[&name] {
            let found = model.window_flops(length);
            if found != expected {
                wrong += &format!("{name}, {length} tokens: {found}, not {expected}\n");
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
}

/// One forward pass over the golden sequences, recorded.
fn record(model: &dyn SpanModel, golden: &Golden) -> Recorded {
    let recording = Recording::start().unwrap();
    model.span_logits(&golden.batch).unwrap();
    recording.finish()
}

#[test]
fn operations_compute_the_model_flops_in_both_forms() {
    let _turn = turn();
    for folder in checkpoints() {
        let golden = Golden::read(&folder);
        for form in [FormChoice::Auto, FormChoice::Portable] {
            let model = load(&folder, Precision::F32, form).unwrap();
            let profile = record(&*model, &golden).profile;
            let expected: u64 = golden.batch.lengths().map(|n| model.window_flops(n)).sum();
            assert_eq!(profile.flops(), expected, "{} {form:?}", name(&folder));
            for operation in [Operation::Linear, Operation::Attention] {
                assert!(profile.row(operation).flops > 0, "{}", name(&folder));
            }
        }
    }
}

#[test]
fn every_architecture_has_every_row_and_the_rows_add_up() {
    let _turn = turn();
    for folder in checkpoints() {
        for form in [FormChoice::Auto, FormChoice::Portable] {
            rows_add_up(&folder, form);
        }
    }
}

fn rows_add_up(folder: &Path, form: FormChoice) {
    let golden = Golden::read(folder);
    let model = load(folder, Precision::F32, form).unwrap();
    let before = model.span_logits(&golden.batch).unwrap();
    let recording = Recording::start().unwrap();
    let recorded = model.span_logits(&golden.batch).unwrap();
    let Recorded { profile, trace } = recording.finish();
    let name = name(folder);
    assert_eq!(before, recorded, "{name}: recording changed the logits");
    for operation in Operation::ALL {
        let stage = matches!(operation, Operation::Tokenize | Operation::Decode);
        let row = profile.row(operation);
        assert_eq!(row.forward_share.is_none(), stage, "{name}: {}", row.name());
        // On the CPU it is part of the dense layer, but for ModernBERT's gates.
        let fused = operation == Operation::Activation
            && form == FormChoice::Auto
            && !name.starts_with("modernbert");
        assert_eq!(row.calls == 0, stage || fused, "{name}: {}", row.name());
        let moves = !stage && !fused && operation != Operation::ForwardPass;
        assert_eq!(row.bytes > 0, moves, "{name}: {}", row.name());
    }
    assert_adds_up(&profile, &trace);
    assert_nests(&trace);
}

/// The rows against the forward passes as the trace has them.
fn assert_adds_up(profile: &Profile, trace: &Trace) {
    let passes = trace.events().iter();
    let passes = passes.filter(|event| event.operation == Operation::ForwardPass);
    let passes_s = passes.map(|event| event.duration_ns).sum::<u64>() as f64 / 1e9;
    let parts = profile
        .rows
        .iter()
        .filter(|row| row.forward_share.is_some());
    let rows_s: f64 = parts.clone().map(|row| row.seconds).sum();
    let shares: f64 = parts.filter_map(|row| row.forward_share).sum();
    assert!((rows_s - passes_s).abs() < 1e-9, "{rows_s} of {passes_s}");
    assert!((profile.forward_s - passes_s).abs() < 1e-9);
    assert!((shares - 1.0).abs() < 1e-12, "{shares}");
}

/// Spans come by their start, and each lies within the one before it that is one less deep.
fn assert_nests(trace: &Trace) {
    let mut open: HashMap<u32, Vec<(u64, u64)>> = HashMap::new();
    let mut last = 0;
    for event in trace.events() {
        assert!(event.start_ns >= last);
        last = event.start_ns;
        let end = event.start_ns + event.duration_ns;
        let open = open.entry(event.thread).or_default();
        let depth = usize::try_from(event.depth).unwrap();
        assert!(depth <= open.len(), "a span without the one around it");
        if let Some(&(_, sibling_end)) = open.get(depth) {
            assert!(sibling_end <= event.start_ns, "spans that overlap");
        }
        open.truncate(depth);
        if let Some(&(outer_start, outer_end)) = open.last() {
            assert!(outer_start <= event.start_ns && end <= outer_end);
        }
        open.push((event.start_ns, end));
    }
}

#[test]
fn the_trace_file_is_what_the_trace_holds() {
    let _turn = turn();
    let folder = &checkpoints()[0];
    let model = load(folder, Precision::F32, FormChoice::Portable).unwrap();
    let golden = Golden::read(folder);
    let trace = record(&*model, &golden).trace;
    let mut file = Vec::new();
    trace.write(&mut file).unwrap();
    let file: Value = serde_json::from_slice(&file).unwrap();
    let events = file["traceEvents"].as_array().unwrap();
    let (names, spans): (Vec<_>, Vec<_>) = events.iter().partition(|event| event["ph"] == "M");
    // The process and the one thread that opened spans.
    assert_eq!(names.len(), 2);
    assert_eq!(spans.len(), trace.events().len());
    assert!(spans.len() > 20);
    let mut flops = 0;
    for (span, event) in spans.iter().zip(trace.events()) {
        assert_eq!(span["ph"], "X");
        assert_eq!(span["name"], event.operation.name());
        assert_eq!(span["tid"], event.thread);
        let nanoseconds = |key: &str| (span[key].as_f64().unwrap() * 1e3).round();
        assert_eq!(nanoseconds("ts"), event.start_ns as f64);
        assert_eq!(nanoseconds("dur"), event.duration_ns as f64);
        flops += span["args"]["flops"].as_u64().unwrap_or(0);
    }
    let expected: u64 = golden.batch.lengths().map(|n| model.window_flops(n)).sum();
    assert_eq!(flops, expected);
}

#[test]
fn there_is_one_recording_at_a_time_and_none_without_asking() {
    let _turn = turn();
    drop(span(Operation::Linear, || panic!("nothing records")));
    let first = Recording::start().unwrap();
    assert!(Recording::start().is_none());
    drop(first);
    let open = span(Operation::Decode, || panic!("the recording was dropped"));
    let second = Recording::start().unwrap();
    drop(open);
    let late = span(Operation::Decode, || Work::NONE);
    let recorded = second.finish();
    drop(late);
    assert!(recorded.trace.events().is_empty());
    assert!(recorded.profile.rows.iter().all(|row| row.calls == 0));
    // A span that outlived its recording is not one of the next.
    let third = Recording::start().unwrap();
    drop(span(Operation::Decode, || Work::NONE));
    let recorded = third.finish();
    assert_eq!(recorded.profile.row(Operation::Decode).calls, 1);
    assert_eq!(recorded.trace.events().len(), 1);
}

#[test]
fn what_is_cut_from_the_trace_is_in_the_profile() {
    let _turn = turn();
    let recording = Recording::start_keeping(3).unwrap();
    for _ in 0..10 {
        drop(span(Operation::Tokenize, || Work::NONE));
    }
    let Recorded { profile, trace } = recording.finish();
    assert_eq!(profile.row(Operation::Tokenize).calls, 10);
    assert_eq!((trace.events().len(), trace.cut()), (3, 7));
    assert!(trace.note().unwrap().contains("7 more"));
}

#[test]
fn other_stages_and_threads_take_nothing_from_the_forward_pass() {
    let _turn = turn();
    let pause = || std::thread::sleep(std::time::Duration::from_millis(20));
    let work = || Work { flops: 1, bytes: 1 };
    let recording = Recording::start().unwrap();
    // Outside a forward pass: in the trace alone.
    drop(span(Operation::Linear, work));
    std::thread::scope(|scope| {
        let named = std::thread::Builder::new().name("decoder".to_owned());
        named
            .spawn_scoped(scope, || {
                let _decode = span(Operation::Decode, || Work::NONE);
                pause();
            })
            .unwrap();
        let _pass = span(Operation::ForwardPass, || Work::NONE);
        let _linear = span(Operation::Linear, work);
        // As a thread does that takes up other work while it waits for a parallel loop.
        let _decode = span(Operation::Decode, || Work::NONE);
        pause();
        drop(span(Operation::Linear, work));
    });
    let Recorded { profile, trace } = recording.finish();
    let decode = profile.row(Operation::Decode);
    assert_eq!(decode.calls, 2);
    assert!(decode.seconds >= 0.040 && decode.forward_share.is_none());
    assert_eq!(profile.row(Operation::Linear).calls, 1);
    assert_eq!(profile.flops(), 1);
    assert_eq!(trace.events().len(), 6);
    let ns_of = |operation: Operation, depth: u32| {
        let mut events = trace.events().iter();
        let found = events.find(|event| (event.operation, event.depth) == (operation, depth));
        found.unwrap().duration_ns
    };
    let own_ns = ns_of(Operation::ForwardPass, 0) - ns_of(Operation::Decode, 2);
    assert!((profile.forward_s - own_ns as f64 / 1e9).abs() < 1e-9);
    assert_nests(&trace);
    let mut file = Vec::new();
    trace.write(&mut file).unwrap();
    assert!(String::from_utf8(file).unwrap().contains("\"decoder\""));
}
