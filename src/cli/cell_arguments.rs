//! What may be said of a cell on the command line, besides its model and data set.

use clap::Args;
use spanbench::cell::WindowOrder;
use spanbench::decode::Decoder;
use spanbench::device::DeviceChoice;
use spanbench::models::Precision;
use spanbench::ops::FormChoice;
use spanbench::suite::values::{positive, threads};
use spanbench::suite::{Options, RunOptions};

use super::measuring::MeasuringArguments;
use super::questions::QuestionArguments;
use super::scoring::ScoringArguments;

/// How a cell answers, and how it is measured.
#[derive(Debug, Args)]
pub struct CellArguments {
    /// Where to compute: auto (the best there is), cpu, cuda, cuda:N, cuda:N,M,… (a replica on each) or metal [default: auto]
    #[arg(long, value_name = "DEVICE")]
    device: Option<DeviceChoice>,
    /// What weights are kept in: f32, f16, bf16 or int8 [default: f32]
    #[arg(long, value_name = "DTYPE")]
    dtype: Option<Precision>,
    #[command(flatten)]
    measuring: MeasuringArguments,
    /// Tokens of a window at the most, question and special tokens included [default: 384]
    #[arg(long, value_name = "N")]
    max_seq_len: Option<usize>,
    /// Tokens that two neighbouring windows of a passage share; with --decode google the step between them [default: 128]
    #[arg(long, value_name = "N")]
    doc_stride: Option<usize>,
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
    /// BERT and MLPerf), or pipeline (the question-answering pipeline of transformers) [default: run_qa]
    #[arg(long, value_name = "WHOSE")]
    decode: Option<Decoder>,
    #[command(flatten)]
    scoring: ScoringArguments,
    #[command(flatten)]
    questions: QuestionArguments,
    /// Threads that compute [default: every processor this process may use]
    #[arg(long, value_name = "N", value_parser = threads)]
    threads: Option<usize>,
    /// Tokens of a batch at the most [default: 2048; on CUDA 16384]
    #[arg(long, value_name = "N", value_parser = positive)]
    batch_tokens: Option<usize>,
    /// The order in which windows are computed, which changes no answer: as-given, by-length or shuffled [default: as-given]
    #[arg(long, value_name = "ORDER")]
    window_order: Option<WindowOrder>,
    /// Which form of the operations computes: auto, or portable (plain candle, the reference) [default: auto]
    #[arg(long, value_name = "FORM")]
    ops: Option<FormChoice>,
    /// Ask no hub; use what is in the cache
    #[arg(long)]
    offline: bool,
}

impl CellArguments {
    /// What was said of the cell.
    pub fn options(&self) -> Options {
        let measuring = &self.measuring;
        let questions = &self.questions;
        let scoring = &self.scoring;
        Options {
            model: None,
            dataset: None,
            device: self.device,
            dtype: self.dtype,
            scenario: measuring.scenario,
            rate: measuring.rate,
            find_rate: measuring.find_rate.then_some(true),
            latency_bound: measuring.latency_bound,
            min_duration: measuring.min_duration,
            min_queries: measuring.min_queries,
            mlperf: measuring.mlperf.then_some(true),
            max_seq_len: self.max_seq_len,
            doc_stride: self.doc_stride,
            max_question_len: self.max_question_len,
            n_best: self.n_best,
            max_answer_len: self.max_answer_len,
            decode: self.decode,
            protocol: scoring.protocol,
            summation: scoring.summation,
            resamples: scoring.resamples,
            folds: scoring.folds,
            ids: questions.ids.clone(),
            sample: questions.sample,
            limit: questions.limit,
            threads: self.threads,
            batch_tokens: self.batch_tokens,
            window_order: self.window_order,
            seed: questions.seed,
            ops: self.ops,
            cell_program: measuring.cell_program.clone(),
        }
    }

    /// What was said of the run as a whole.
    pub fn run_options(&self) -> RunOptions {
        self.measuring.run_options(self.offline)
    }
}
