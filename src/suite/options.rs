//! What can be said of a cell and of a run, all of it optional: one table for the command line and
//! for suites.

use std::path::PathBuf;
use std::time::Duration;

use super::values::{
    self, Form, RooflineChoice, Shown, Written, name, named, positive, some_time, time,
};
use crate::bundled;
use crate::cell::WindowOrder;
use crate::decode::Decoder;
use crate::device::DeviceChoice;
use crate::measure::scenario::rules::Scenario;
use crate::models::Precision;
use crate::ops::FormChoice;
use crate::score::{ProtocolChoice, Summation};
use crate::windows::WindowSettings;

/// Makes a struct of options of a table of them: field, type, key, form in a suite, and reader.
macro_rules! options {
    (
        $(#[$meta:meta])*
        $struct:ident {
            $($(#[$doc:meta])* $field:ident: $type:ty = $key:literal, $form:ident, $parse:expr;)*
        }
    ) => {
        $(#[$meta])*
        #[derive(Debug, Clone, Default, PartialEq)]
        pub struct $struct {
            $($(#[$doc])* pub $field: Option<$type>,)*
        }

        impl $struct {
            /// The options' names: in suites, and after two dashes on the command line.
            pub const KEYS: &[&str] = &[$($key),*];

            /// These, and what `base` says where they say nothing.
            #[must_use]
            pub fn over(self, base: &Self) -> Self {
                Self {
                    $($field: self.$field.or_else(|| base.$field.clone()),)*
                }
            }

            /// What was said, as names and texts, in the order of [`Self::KEYS`].
            pub fn entries(&self) -> Vec<(&'static str, String)> {
                let all = [$(($key, self.$field.as_ref().map(Shown::shown))),*];
                let said = all.into_iter();
                said.filter_map(|(key, value)| Some((key, value?))).collect()
            }

            /// Sets the option called `key`; says what is wrong with the value.
            pub(super) fn set(&mut self, key: &str, written: &Written) -> Result<(), String> {
                match key {
                    $($key => self.$field = Some(written.read(Form::$form, $parse)?),)*
                    _ => return Err("is no option".to_owned()),
                }
                Ok(())
            }
        }
    };
}

options! {
    /// What can be said of a cell. What is left out is as in [`Options::defaults`], or follows
    /// from the rest.
    Options {
        /// A card, a directory or a repository.
        model: String = "model", Text, name;
        /// A card's name, a file, or a name on the hub.
        dataset: String = "dataset", Text, name;
        /// Where to compute.
        device: DeviceChoice = "device", Text, named;
        /// What weights are kept in.
        dtype: Precision = "dtype", Text, named;
        /// How questions arrive.
        scenario: Scenario = "scenario", Text, named;
        /// Queries a second that arrive.
        rate: f64 = "rate", Decimal, values::rate;
        /// Whether the highest rate is looked for that holds the bound.
        find_rate: bool = "find-rate", Flag, named;
        /// What the 99th percentile of latency must not exceed.
        latency_bound: Duration = "latency-bound", Text, some_time;
        /// How long the timed pass lasts at least.
        min_duration: Duration = "min-duration", Text, time;
        /// Queries of the timed pass at the least.
        min_queries: usize = "min-queries", Number, positive;
        /// Whether MLPerf's rules hold.
        mlperf: bool = "mlperf", Flag, named;
        /// Tokens of a window at the most.
        max_seq_len: usize = "max-seq-len", Number, named;
        /// Tokens that two neighbouring windows share, or the step between them.
        doc_stride: usize = "doc-stride", Number, named;
        /// Tokens of a question at the most.
        max_question_len: usize = "max-question-len", Number, positive;
        /// Best starts and ends of a window that are paired.
        n_best: usize = "n-best", Number, positive;
        /// Tokens of an answer at the most.
        max_answer_len: usize = "max-answer-len", Number, positive;
        /// Whose way of cutting windows and choosing answers is followed.
        decode: Decoder = "decode", Text, named;
        /// The scorer.
        protocol: ProtocolChoice = "protocol", Text, named;
        /// How its script adds.
        summation: Summation = "summation", Text, named;
        /// Bootstrap resamples of the analysis.
        resamples: usize = "resamples", Number, values::resamples;
        /// Folds of the analysis.
        folds: usize = "folds", Number, values::folds;
        /// Only the questions whose ids are in this file.
        ids: PathBuf = "ids", Text, name;
        /// Only so many questions, drawn at random.
        sample: usize = "sample", Number, positive;
        /// Only so many questions, the first.
        limit: usize = "limit", Number, positive;
        /// Threads that compute.
        threads: usize = "threads", Number, values::threads;
        /// Tokens of a batch at the most.
        batch_tokens: usize = "batch-tokens", Number, positive;
        /// The order in which windows are computed.
        window_order: WindowOrder = "window-order", Text, named;
        /// Seed of what is random.
        seed: u64 = "seed", Number, named;
        /// The form of the operations.
        ops: FormChoice = "ops", Text, named;
        /// The program that runs the cell: another build of spanbench.
        cell_program: PathBuf = "cell-program", Text, name;
    }
}

options! {
    /// What can be said of a run as a whole.
    RunOptions {
        /// How often each cell is measured.
        repeat: usize = "repeat", Number, positive;
        /// How long a turn is, where the cells of a round compute in turns.
        turns: Duration = "turns", Text, some_time;
        /// Whether the machine's peak is measured, and when.
        roofline: RooflineChoice = "roofline", Text, named;
        /// Whether a pass is profiled.
        profile: bool = "profile", Flag, named;
        /// How long the process of a cell may take.
        time_limit: Duration = "time-limit", Text, some_time;
        /// How long it may go on without any progress.
        stall_limit: Duration = "stall-limit", Text, some_time;
        /// Whether the hub must not be asked.
        offline: bool = "offline", Flag, named;
    }
}

impl Options {
    /// What holds where nothing is said, but for what follows from other options or the machine:
    /// `max-answer-len` and the rules of the scenario, `threads` and `batch-tokens`.
    pub fn defaults() -> Self {
        let windows = WindowSettings::default();
        Self {
            model: Some(bundled::MODEL.to_owned()),
            dataset: Some(bundled::DATASET.to_owned()),
            device: Some(DeviceChoice::Auto),
            dtype: Some(Precision::F32),
            scenario: Some(Scenario::Offline),
            find_rate: Some(false),
            mlperf: Some(false),
            max_seq_len: Some(windows.max_seq_len),
            doc_stride: Some(windows.doc_stride),
            decode: Some(Decoder::RunQa),
            protocol: Some(ProtocolChoice::Auto),
            summation: Some(Summation::Plain),
            resamples: Some(10_000),
            folds: Some(5),
            window_order: Some(WindowOrder::AsGiven),
            seed: Some(0),
            ops: Some(FormChoice::Auto),
            ..Self::default()
        }
    }

    /// The options among these that change which questions are asked, or what is answered or how
    /// it scores: published figures do not hold for them. Of those of a cell with a sample the seed
    /// is one, since it chooses the sample.
    pub fn that_change_answers(&self, is_sampled: bool) -> Vec<&'static str> {
        const CHANGING: [&str; 12] = [
            "model",
            "dataset",
            "max-seq-len",
            "doc-stride",
            "max-question-len",
            "n-best",
            "max-answer-len",
            "decode",
            "protocol",
            "ids",
            "sample",
            "limit",
        ];
        let keys = self.entries().into_iter().map(|(key, _)| key);
        keys.filter(|key| CHANGING.contains(key) || is_sampled && *key == "seed")
            .collect()
    }
}

impl RunOptions {
    /// What holds where nothing is said.
    pub fn defaults() -> Self {
        Self {
            repeat: Some(1),
            profile: Some(false),
            time_limit: Some(Duration::from_hours(12)),
            stall_limit: Some(Duration::from_mins(15)),
            offline: Some(false),
            ..Self::default()
        }
    }
}
