//! Records and questions made up by hand.

use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use spanbench::record::wire::{
    WireMeasuredShard, WireMerged, WireMergedShard, WireNoise, WireQuestion, WireRepetition,
};
use spanbench::record::{Record, Run, WireRecord};

/// A run that answered `questions`, measured once.
pub fn run(questions: Vec<WireQuestion>) -> Run {
    let mut record = record();
    record.dataset.questions = questions.len();
    Run {
        path: PathBuf::from("made/up"),
        record: Record::Single(Box::new(record)),
        questions,
    }
}

/// The record of a single run.
pub fn single(run: &mut Run) -> &mut WireRecord {
    match &mut run.record {
        Record::Single(record) => record,
        Record::Merged(_) => panic!("merged shards"),
    }
}

/// The same answers as those of `run`, as if they were merged from `shards` shards, the last of
/// which has no question; each was measured as `run` was.
pub fn merged(run: &Run, shards: usize) -> Run {
    let record = run.record.measured().unwrap();
    let shard = |number: usize| WireMergedShard {
        shard: number,
        path: format!("parts/{number}"),
        questions: usize::from(number < shards),
        measured: (number < shards).then(|| WireMeasuredShard::from(record)),
    };
    let analysis = || {
        let template = include_str!("record.json");
        let template = WireRecord::parse(Path::new("record.json"), template);
        template.unwrap().analysis.unwrap()
    };
    Run {
        path: run.path.join("merged"),
        record: Record::Merged(Box::new(WireMerged {
            schema: record.schema,
            cell: record.cell.clone(),
            started: record.started.clone(),
            model: record.model.clone(),
            dataset: record.dataset.clone(),
            device: record.device.clone(),
            protocol: record.protocol.clone(),
            accuracy: record.accuracy.clone(),
            analysis: record.analysis.clone().unwrap_or_else(analysis),
            not_merged: Vec::new(),
            shards: (1..=shards).map(shard).collect(),
            warnings: Vec::new(),
        })),
        questions: run.questions.clone(),
    }
}

/// A line of questions.jsonl, as an older program wrote it.
pub fn question(id: &str, answer: &str, exact_match: f64, f1: f64) -> WireQuestion {
    let line = json!({
        "id": id, "exact_match": exact_match, "f1": f1, "answer": answer, "score": 5.0,
        "margin": 2.0, "windows": 1, "latency_ms": 10.0,
    });
    serde_json::from_value(line).unwrap()
}

/// Two runs that answered the questions of `rows`: passage, then exact match and F1 of both.
pub fn runs(rows: &[(usize, [f64; 4])]) -> [Run; 2] {
    [0, 1].map(|side| {
        let lines = rows.iter().enumerate().map(|(number, (passage, scores))| {
            let (exact_match, f1) = (scores[2 * side], scores[2 * side + 1]);
            let answer = format!("{exact_match} {f1}");
            WireQuestion {
                passage: Some(*passage),
                ..question(&number.to_string(), &answer, exact_match, f1)
            }
        });
        run(lines.collect())
    })
}

/// `n` questions, each of a passage of its own, of which the candidate loses and gains some.
pub fn flipping(n: usize, lost: usize, gained: usize) -> [Run; 2] {
    let rows: Vec<_> = (0..n)
        .map(|number| {
            let (base, candidate) = if number < lost {
                (1.0, 0.0)
            } else if number < lost + gained {
                (0.0, 1.0)
            } else {
                (1.0, 1.0)
            };
            (number, [base, base, candidate, candidate])
        })
        .collect();
    runs(&rows)
}

/// A record of one repetition, with [`repetition_at`]'s figures.
pub fn record() -> WireRecord {
    record_at(100.0)
}

fn record_at(speed: f64) -> WireRecord {
    let repetition = repetition_json(speed);
    let figures = |name: &str| repetition[name].clone();
    let record = json!({
        "schema": 1, "cell": "cell", "started": "2026-11-22T12:00:00Z",
        "model": {
            "id": "model", "revision": null, "architecture": "bert", "parameters": 1,
            "dtype": "f32", "compute_dtype": "f32", "ops": "cpu", "files": [],
        },
        "dataset": {
            "id": "data", "sha256": "aa", "questions": 0, "unanswerable": 0, "windows": 0,
            "tokens": 0, "misplaced_answers": 0,
        },
        "device": "cpu",
        "protocol": {
            "name": "squad-v2", "auto": true, "scenario": "offline", "decode": "run_qa",
            "timing": {
                "mlperf": false, "min_duration_s": 10.0, "min_queries": 1, "samples_per_query": 1,
                "percentile": 0.99, "latency_bound_ms": null, "rate_per_s": null, "find_rate": false,
            },
            "max_seq_len": 384, "doc_stride": 128, "n_best": 20, "max_answer_len": 30,
            "null_threshold": 0.0, "limit": null, "threads": 2, "batch_tokens": 3072,
            "window_order": "length", "seed": 0,
        },
        "accuracy": { "exact_match": 0.0, "f1": 0.0, "total": 0 },
        "throughput": figures("throughput"), "latency_ms": figures("latency_ms"),
        "batch_latency_ms": figures("batch_latency_ms"), "memory": figures("memory"),
        "phases_s": {}, "wall_s": 1.0,
        "environment": {
            "cpu_model": "processor", "architecture": "x86_64", "cpu_features": ["avx2"],
            "logical_cores": 2, "cores_used": 2, "memory_total_bytes": 8_000_000_000_u64,
            "os": "Linux", "kernel": "6.1", "tool_version": "0.1.0", "tool_revision": "abc",
            "compiler": "rustc", "target": "x86_64-unknown-linux-gnu", "target_cpu": "generic",
            "profile": "release", "opt_level": "3", "features": "", "libraries": "candle 0.11",
        },
        "repetitions": [repetition], "warnings": [],
    });
    WireRecord::parse(Path::new("made up"), &record.to_string()).unwrap()
}

/// A repetition in which everything is proportional to `speed`, in questions a second;
/// memory is 1 GB, half of it anonymous.
pub fn repetition_at(speed: f64) -> WireRepetition {
    // By way of a record, whose reader the library has compiled.
    record_at(speed).repetitions.remove(0)
}

fn repetition_json(speed: f64) -> Value {
    let slowness = 1000.0 / speed;
    let latencies = json!({
        "n": 10, "mean": slowness, "p50": slowness, "p90": 2.0 * slowness, "p95": 2.0 * slowness,
        "p99": 3.0 * slowness, "p999": 3.0 * slowness, "max": 4.0 * slowness,
    });
    json!({
        "started": "2026-11-22T12:00:00Z",
        "throughput": {
            "questions_per_s": speed, "windows_per_s": 2.0 * speed, "tokens_per_s": 200.0 * speed,
            "padding_waste": 0.0, "flops_per_s": 1e9 * speed, "peak_fraction": null,
            "forward_s": 1.0, "end_to_end_s": 1.0,
        },
        "latency_ms": latencies, "window_latency_ms": latencies, "batch_latency_ms": latencies,
        "scenario": {
            "name": "offline", "queries": 10, "questions": 10, "windows": 10, "duration_s": 1.0,
            "unanswered": 0, "valid": true, "invalid_because": [], "loadgen": {},
        },
        "memory": {
            "weights_bytes": 1, "rss_peak_bytes": 1_000_000_000, "rss_anon_peak_bytes": 500_000_000,
        },
        "energy": { "domains_j": {} },
        "steadiness": { "method": "MSER-5", "warm_up_passes": 1, "passes": 10 },
        "noise": WireNoise::default(),
        "phases_s": {}, "wall_s": 1.0, "doubts": [],
    })
}
