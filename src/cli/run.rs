//! `spanbench run`: models × data sets, a record each.

use std::path::PathBuf;

use clap::Args;
use clap::builder::PossibleValuesParser;
use spanbench::bundled;
use spanbench::cell::{CellSettings, WindowOrder};
use spanbench::decode::{DecodeSettings, Decoder};
use spanbench::device::DeviceChoice;
use spanbench::models::Precision;
use spanbench::ops::FormChoice;
use spanbench::windows::WindowSettings;

use super::cells;
use super::measuring::MeasuringArguments;
use super::questions::{QuestionArguments, positive};
use super::rounds::{self, CellPlan, Plan};
use super::scoring::ScoringArguments;

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
    #[command(flatten)]
    measuring: MeasuringArguments,
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
    /// Leave cells as they are that an earlier run into the same folder finished, where nothing they are made from has
    /// changed since; go on after the repetitions that it did of the others [default folder: the newest of this name]
    #[arg(long)]
    resume: bool,
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
    let cells = cells::matrix(
        &arguments.models,
        &arguments.datasets,
        &arguments.questions.selection()?,
        settings(arguments)?,
    );
    let folders = cells::folders(
        arguments.out.as_deref(),
        &cells[0].name,
        arguments.resume,
        &cells,
    )?;
    let program = arguments.measuring.cell_program.as_ref();
    let cells = cells.into_iter().map(|spec| CellPlan {
        spec,
        program: program.cloned(),
    });
    let plan = Plan {
        cells: cells.collect(),
        repetitions: arguments.measuring.repeat,
        time_limit: arguments.measuring.time_limit,
        stall_limit: arguments.measuring.stall_limit,
        roofline: arguments.measuring.roofline(),
        profile: arguments.measuring.profile,
        turn: arguments.measuring.turn()?,
        resume: arguments.resume,
        json: arguments.json,
        run_id: rounds::run_id(),
        command: rounds::command(),
    };
    rounds::execute(&plan, &folders)
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

fn settings(arguments: &RunArguments) -> anyhow::Result<CellSettings> {
    let decode = DecodeSettings::new(arguments.decode);
    let windows = WindowSettings::default();
    Ok(CellSettings {
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
        timing: arguments.measuring.timing(arguments.questions.seed)?,
        offline: arguments.offline,
    })
}

/// Every processor that the system, its control groups and affinity leave to this process.
fn default_threads() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}
