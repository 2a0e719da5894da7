//! candle's own BERT as a peer of `benchmarks/peers/cpu.py`: `candle_bert MODEL FOLDER THREADS`
//! chooses its fastest batch on some windows and prints it; with that as a fourth argument it
//! computes all windows for each line it is sent.

use std::io::BufRead;
use std::path::Path;
use std::time::{Duration, Instant};

use candle_core::{DType, Device, Tensor};
use candle_nn::{Linear, Module, VarBuilder, linear};
use candle_transformers::models::bert::{BertModel, Config};
use serde_json::json;
use spanbench::measure::memory::MemoryWatch;

/// Windows that each batch size is tried on.
const TRIED_ON: usize = 32;

/// Windows of a batch, the most last.
const SIZES: [usize; 3] = [1, 4, 8];

/// How often each is tried.
const TURNS: usize = 3;

type Failure = Box<dyn std::error::Error>;

/// BERT and its span head.
struct Model {
    encoder: BertModel,
    head: Linear,
}

impl Model {
    fn load(folder: &Path) -> Result<Self, Failure> {
        let config: Config = serde_json::from_slice(&std::fs::read(folder.join("config.json"))?)?;
        let weights = std::fs::read(folder.join("model.safetensors"))?;
        let weights = VarBuilder::from_buffered_safetensors(weights, DType::F32, &Device::Cpu)?;
        Ok(Self {
            encoder: BertModel::load(weights.pp("bert"), &config)?,
            head: linear(config.hidden_size, 2, weights.pp("qa_outputs"))?,
        })
    }

    fn forward(&self, batch: &[Tensor; 3]) -> candle_core::Result<Vec<f32>> {
        let [ids, mask, types] = batch;
        let hidden = self.encoder.forward(ids, types, Some(mask))?;
        self.head.forward(&hidden)?.flatten_all()?.to_vec1()
    }
}

/// Token ids, masks and segments, a row a window, by falling length.
fn batches(folder: &Path, size: usize) -> Result<Vec<[Tensor; 3]>, Failure> {
    let read = |name: &str| {
        let found = Tensor::read_npz_by_name(folder.join("windows.npz"), &[name])?;
        found[0].to_vec1::<i64>()
    };
    let (ids, types, starts) = (read("ids")?, read("types")?, read("starts")?);
    let starts: Vec<usize> = starts
        .into_iter()
        .map(usize::try_from)
        .collect::<Result<_, _>>()?;
    let mut windows: Vec<_> = starts.windows(2).map(|pair| pair[0]..pair[1]).collect();
    windows.sort_by_key(|window| std::cmp::Reverse(window.len()));
    let batches = windows.chunks(size).map(|windows| {
        let longest = windows[0].len();
        let tensor = |values: &dyn Fn(usize) -> i64| {
            let padded = windows.iter().flat_map(|window| {
                let padding = std::iter::repeat_n(0, longest - window.len());
                window.clone().map(values).chain(padding)
            });
            Tensor::from_iter(padded, &Device::Cpu)?.reshape((windows.len(), longest))
        };
        Ok([
            tensor(&|at| ids[at])?,
            tensor(&|_| 1)?,
            tensor(&|at| types[at])?,
        ])
    });
    batches.collect()
}

fn compute(model: &Model, batches: &[[Tensor; 3]]) -> Result<Duration, Failure> {
    let began = Instant::now();
    for batch in batches {
        model.forward(batch)?;
    }
    Ok(began.elapsed())
}

/// The batch that some windows are computed fastest in: the best of a few turns, for machines are not
/// always quiet.
fn choose(model: &Model, folder: &Path) -> Result<usize, Failure> {
    let mut tried = Vec::new();
    for size in SIZES {
        let batches = batches(folder, size)?;
        // The same windows for each size, in whole batches of the largest.
        let groups: Vec<_> = batches.chunks(SIZES[2] / size).collect();
        let every = (groups.len() * SIZES[2] / TRIED_ON).max(1);
        let some = groups.into_iter().step_by(every).flatten().cloned();
        tried.push((Duration::MAX, size, some.collect::<Vec<_>>()));
    }
    for _ in 0..TURNS {
        for (least, _, some) in &mut tried {
            *least = compute(model, some)?.min(*least);
        }
    }
    let fastest = tried.iter().min_by_key(|(least, ..)| *least);
    Ok(fastest.map_or(1, |(_, size, _)| *size))
}

fn main() -> Result<(), Failure> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [model, folder, threads, chosen @ ..] = arguments.as_slice() else {
        return Err("usage: candle_bert MODEL FOLDER THREADS [BATCH]".into());
    };
    let (folder, threads) = (Path::new(folder), threads.parse()?);
    rayon::ThreadPoolBuilder::new()
        .num_threads(threads)
        .build_global()?;
    let memory = MemoryWatch::start();
    let model = Model::load(Path::new(model))?;
    let Some(chosen) = chosen.first() else {
        println!(
            "{}",
            json!({ "how": format!("batch {}", choose(&model, folder)?) })
        );
        return Ok(());
    };
    let batches = batches(folder, chosen.trim_start_matches("batch ").parse()?)?;
    println!("{}", json!({ "how": chosen }));
    for line in std::io::stdin().lock().lines() {
        line?;
        let seconds = compute(&model, &batches)?.as_secs_f64();
        let peak_bytes = memory.peaks().anonymous;
        println!(
            "{}",
            json!({ "seconds": seconds, "peak_bytes": peak_bytes })
        );
    }
    Ok(())
}
