//! `spanbench run`: models × data sets, a record each.

use std::path::{Path, PathBuf};
use std::time::SystemTime;

use anyhow::Context;
use clap::Args;
use clap::builder::PossibleValuesParser;
use spanbench::bundled;
use spanbench::cell::{self, CellSettings, CellSpec, WindowOrder};
use spanbench::dataset::QuestionSelection;
use spanbench::dataset::source::stem;
use spanbench::decode::{DecodeSettings, Decoder};
use spanbench::device::DeviceChoice;
use spanbench::models::Precision;
use spanbench::ops::FormChoice;
use spanbench::record::{Folder, WireRecord};
use spanbench::render;
use spanbench::windows::WindowSettings;

use super::progress::Bars;
use super::questions::{QuestionArguments, positive};
use super::scoring::{self, ScoringArguments};
use super::terminal;

/// What to run, and how.
#[derive(Debug, Args)]
pub struct RunArguments {
    /// A card's name, a directory in Hub layout, or owner/name[@revision]; may be repeated
    #[arg(long = "model", value_name = "M", default_value = bundled::MODEL)]
    models: Vec<String>,
    /// A card's name, a file (SQuAD or MRQA format or rows as JSON lines, also gzip-compressed; parquet), or hf:owner/name[@revision][:config][:split]; may be repeated
    #[arg(long = "dataset", value_name = "D", default_value = bundled::DATASET)]
    datasets: Vec<String>,
    /// Where to compute: auto (the best there is), cpu, cuda[:N] or metal
    #[arg(long, value_name = "DEVICE", default_value = "auto")]
    device: DeviceChoice,
    /// What weights are kept in: f32, f16 or bf16
    #[arg(long, value_name = "DTYPE", default_value = "f32")]
    dtype: Precision,
    /// How questions arrive: offline is all at once
    #[arg(long, default_value = "offline", value_parser = PossibleValuesParser::new(["offline"]))]
    scenario: String,
    /// Tokens of a window at the most, question and special tokens included
    #[arg(long, value_name = "N", default_value_t = 384)]
    max_seq_len: usize,
    /// Tokens that two neighbouring windows of a passage share; with --decode google the step between them
    #[arg(long, value_name = "N", default_value_t = 128)]
    doc_stride: usize,
    /// Tokens of a question at the most, with --decode google [default: 64]
    #[arg(long, value_name = "N", value_parser = positive)]
    max_question_len: Option<usize>,
    /// How many best starts and ends of a window are paired [default: 20]
    #[arg(long, value_name = "N", value_parser = positive)]
    n_best: Option<usize>,
    /// Tokens of an answer at the most [default: 30; 15 with --decode pipeline]
    #[arg(long, value_name = "N", value_parser = positive)]
    max_answer_len: Option<usize>,
    /// Whose way of cutting windows and choosing answers: run_qa (run_qa.py of transformers), google (run_squad.py of
    /// BERT and MLPerf), or pipeline (the question-answering pipeline of transformers)
    #[arg(long, value_name = "WHOSE", default_value = "run_qa")]
    decode: Decoder,
    #[command(flatten)]
    scoring: ScoringArguments,
    #[command(flatten)]
    questions: QuestionArguments,
    /// Threads that compute [default: every processor this process may use]
    #[arg(long, value_name = "N", value_parser = threads)]
    threads: Option<usize>,
    /// Tokens of a batch at the most
    #[arg(long, value_name = "N", default_value_t = 2048, value_parser = positive)]
    batch_tokens: usize,
    /// The order in which windows are computed; it changes no answer
    #[arg(long, default_value = "as-given", value_parser = PossibleValuesParser::new(["as-given", "by-length", "shuffled"]))]
    window_order: String,
    /// Which form of the operations computes: auto, or portable (plain candle, the reference)
    #[arg(long, value_name = "FORM", default_value = "auto")]
    ops: FormChoice,
    /// Where results go [default: reports/<UTC time>-<name>/<cell>]
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Ask no hub; use what is in the cache
    #[arg(long)]
    offline: bool,
    /// Print the record as JSON in place of the table
    #[arg(long)]
    json: bool,
}

/// A number of threads that a machine may have.
fn threads(text: &str) -> Result<usize, String> {
    match positive(text)? {
        number if number > 1024 => Err("must be at most 1024".to_owned()),
        number => Ok(number),
    }
}

/// Runs every cell, writes its folder, and prints the table.
pub fn execute(arguments: &RunArguments) -> anyhow::Result<()> {
    check_decoder(arguments)?;
    let cells = cells(arguments, &arguments.questions.selection()?);
    limit_library_threads(cells[0].settings.threads);
    let base = match &arguments.out {
        Some(out) => out.clone(),
        None => fresh_folder(&cells[0].name)?,
    };
    // `--out` itself is the folder of a single cell.
    let paths: Vec<PathBuf> = match cells.as_slice() {
        [_] if arguments.out.is_some() => vec![base.clone()],
        cells => cells.iter().map(|cell| base.join(&cell.name)).collect(),
    };
    let fresh = !base.exists() || arguments.out.is_none();
    let result = run_cells(arguments, &cells, &paths);
    if result.is_err() && fresh {
        // Finished cells keep what they wrote; a folder that holds something is not removed.
        let _ = std::fs::remove_dir(base);
    }
    result
}

fn run_cells(
    arguments: &RunArguments,
    cells: &[CellSpec],
    paths: &[PathBuf],
) -> anyhow::Result<()> {
    let bars = Bars::new();
    let mut folders: Vec<Folder> = Vec::with_capacity(paths.len());
    let mut records = Vec::with_capacity(cells.len());
    let result = (|| {
        // Made before anything is computed, so that a run does not end with "permission denied".
        for path in paths {
            folders.push(Folder::create(path)?);
        }
        for (cell, folder) in cells.iter().zip(&folders) {
            let output = cell::run(cell, &bars, &bars)?;
            for warning in &output.record.warnings {
                terminal::note(&format!("warning: {warning}"));
            }
            folder.write(&output, &render::markdown::report(&output.record))?;
            let protocol = &output.record.protocol;
            if let Some(reason) = &protocol.auto_reason {
                let dataset = &output.record.dataset.id;
                terminal::note(&scoring::auto_note(dataset, &protocol.name, reason));
            }
            records.push(output.record);
        }
        Ok(())
    })();
    if result.is_err() {
        folders.iter().for_each(Folder::discard);
    }
    // Cells that were finished before one failed have their result all the same.
    if !records.is_empty() {
        print_records(&records, arguments.json)?;
    }
    for folder in folders.iter().take(records.len()) {
        let path = folder.path().join("run.json");
        terminal::note(&format!("record: {}", path.display()));
    }
    result
}

/// The table; or, as JSON, the one record or all of them.
fn print_records(records: &[WireRecord], json: bool) -> anyhow::Result<()> {
    if !json {
        return terminal::print(&render::table::table(records, terminal::emphasis()));
    }
    match records {
        [record] => terminal::print_json(record),
        records => terminal::print_json(&serde_json::json!({
            "schema": spanbench::record::wire::SCHEMA,
            "records": records,
        })),
    }
}

/// The matrix of models and data sets.
fn cells(arguments: &RunArguments, questions: &QuestionSelection) -> Vec<CellSpec> {
    let settings = settings(arguments);
    let mut cells: Vec<CellSpec> = Vec::new();
    for model in &arguments.models {
        for dataset in &arguments.datasets {
            let mut name = format!("{}-{}", file_name(model), file_name(dataset));
            let base = name.clone();
            let mut count = 1;
            while cells.iter().any(|cell| cell.name == name) {
                count += 1;
                name = format!("{base}-{count}");
            }
            cells.push(CellSpec {
                name,
                model: model.clone(),
                dataset: dataset.clone(),
                questions: questions.clone(),
                settings,
            });
        }
    }
    cells
}

/// Settings that the decoder would take no notice of are refused.
fn check_decoder(arguments: &RunArguments) -> anyhow::Result<()> {
    let decoder = arguments.decode;
    if arguments.n_best.is_some() && decoder == Decoder::Pipeline {
        anyhow::bail!(
            "--n-best has no meaning with --decode pipeline, which looks at all spans; leave it out"
        );
    }
    if arguments.max_question_len.is_some() && decoder != Decoder::Google {
        anyhow::bail!(
            "--max-question-len has no meaning with --decode {decoder}, which keeps questions whole; leave it out"
        );
    }
    Ok(())
}

fn settings(arguments: &RunArguments) -> CellSettings {
    let decode = DecodeSettings::new(arguments.decode);
    let windows = WindowSettings::default();
    CellSettings {
        windows: WindowSettings {
            max_seq_len: arguments.max_seq_len,
            doc_stride: arguments.doc_stride,
            max_question_len: arguments
                .max_question_len
                .unwrap_or(windows.max_question_len),
            decoder: arguments.decode,
        },
        n_best: arguments.n_best.unwrap_or(decode.n_best),
        max_answer_len: arguments.max_answer_len.unwrap_or(decode.max_answer_len),
        protocol: arguments.scoring.protocol,
        summation: arguments.scoring.summation,
        resamples: arguments.scoring.resamples,
        folds: arguments.scoring.folds,
        threads: arguments.threads.unwrap_or_else(default_threads),
        batch_tokens: arguments.batch_tokens,
        order: match arguments.window_order.as_str() {
            "by-length" => WindowOrder::ByLength,
            "shuffled" => WindowOrder::Shuffled,
            _ => WindowOrder::AsGiven,
        },
        seed: arguments.questions.seed,
        device: arguments.device,
        precision: arguments.dtype,
        ops: arguments.ops,
        offline: arguments.offline,
    }
}

/// Every processor that the system, its control groups and affinity leave to this process.
fn default_threads() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

/// Tells candle how many threads it may start: it reads these variables, and
/// has a pool of its own besides rayon's for the portable operations.
fn limit_library_threads(threads: usize) {
    for variable in ["RAYON_NUM_THREADS", "CANDLE_NUM_THREADS"] {
        // SAFETY: this is the program's first act after reading its arguments; no other thread
        // exists yet that could read the environment meanwhile.
        unsafe { std::env::set_var(variable, threads.to_string()) };
    }
}

/// The last part of a path or repository name, as a folder can be called everywhere.
fn file_name(name: &str) -> String {
    let name = name.trim_end_matches(['/', '\\']);
    let last = name.rsplit(['/', '\\']).next().unwrap_or(name);
    let last = stem(last);
    let safe = last.chars().map(|character| {
        let plain = character.is_alphanumeric() || "._-".contains(character);
        if plain { character } else { '-' }
    });
    let safe: String = safe.collect();
    let safe = safe.trim_matches('.');
    if safe.is_empty() {
        "here".to_owned()
    } else {
        safe.to_owned()
    }
}

/// A folder under reports/ that no other run has.
fn fresh_folder(name: &str) -> anyhow::Result<PathBuf> {
    let now = humantime::format_rfc3339_seconds(SystemTime::now()).to_string();
    let stamp = now.replace(['-', ':'], "");
    let reports = Path::new("reports");
    let remedy = || "reports: results cannot be written here; choose another folder with --out DIR";
    std::fs::create_dir_all(reports).with_context(remedy)?;
    for suffix in 1.. {
        let suffix = if suffix == 1 {
            String::new()
        } else {
            format!("-{suffix}")
        };
        let path = reports.join(format!("{stamp}-{name}{suffix}"));
        match std::fs::create_dir(&path) {
            Ok(()) => return Ok(path),
            // Another run began in the same second.
            Err(fault) if fault.kind() == std::io::ErrorKind::AlreadyExists => {}
            Err(fault) => return Err(fault).with_context(remedy),
        }
    }
    unreachable!("the numbers do not run out")
}

#[cfg(test)]
mod tests {
    use super::file_name;

    #[test]
    fn names_of_cells_are_names_of_folders() {
        for (name, expected) in [
            ("minilm-l6-squad", "minilm-l6-squad"),
            ("../models/minilm/", "minilm"),
            ("owner/name@main", "name-main"),
            ("data/xquad.en.json", "xquad.en"),
            ("..", "here"),
            ("a b:c", "a-b-c"),
        ] {
            assert_eq!(file_name(name), expected);
        }
    }
}
