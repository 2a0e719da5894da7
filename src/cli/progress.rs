//! Progress bars on standard error, where that is a terminal.

use std::sync::{Mutex, PoisonError};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use spanbench::hub;

use super::terminal;

/// Draws downloads and forward passes; notes go to standard error as lines.
#[derive(Debug)]
pub struct Bars {
    download: ProgressBar,
    work: ProgressBar,
    /// A line that is due once something is computed.
    announcement: Mutex<Option<String>>,
}

impl Bars {
    /// Bars that are not drawn yet. Once a cell computes, the `announcement` is made: where what
    /// it is given is at fault, nothing comes of the run but a line that says so.
    pub fn new(announcement: Option<String>) -> Self {
        Self {
            download: bar("{msg} {wide_bar} {bytes}/{total_bytes} {bytes_per_sec} eta {eta}"),
            work: bar("{prefix}{msg} {wide_bar} {pos}/{len} {per_sec} eta {eta}"),
            announcement: Mutex::new(announcement),
        }
    }
}

fn bar(template: &str) -> ProgressBar {
    // Drawn nowhere where standard error is no terminal.
    let bar = ProgressBar::with_draw_target(Some(0), ProgressDrawTarget::stderr());
    let style = ProgressStyle::with_template(template);
    bar.with_style(style.expect("OK because the templates above are well-formed"))
}

impl hub::Progress for Bars {
    fn begin(&self, file: &str, total_bytes: Option<u64>, already_bytes: u64) {
        self.download.reset();
        self.download.set_message(file.to_owned());
        self.download.set_length(total_bytes.unwrap_or(0));
        self.download.set_position(already_bytes);
        // What was there before must not count as speed.
        self.download.reset_eta();
    }

    fn advance(&self, bytes: u64) {
        self.download.inc(bytes);
    }

    fn end(&self) {
        self.download.finish_and_clear();
    }

    fn note(&self, message: &str) {
        self.download.suspend(|| terminal::note(message));
    }
}

impl Bars {
    /// Which repetition of which cell is at work, to be put before what it is at.
    pub fn label(&self, label: &str) {
        self.work.set_prefix(label.to_owned());
    }

    /// What a cell's process is at.
    pub fn phase(&self, name: &str) {
        if name == "first_forward" {
            let mut announcement = self
                .announcement
                .lock()
                .unwrap_or_else(PoisonError::into_inner);
            if let Some(line) = announcement.take() {
                self.work.suspend(|| terminal::note(&line));
            }
        }
        self.work.set_message(match name {
            "accuracy" => "answering",
            "timed" => "timing",
            "find_rate" => "searching",
            "profile" => "profiling",
            "score" | "analysis" => "scoring",
            _ => "preparing",
        });
    }

    /// So many of a unit are about to be computed.
    pub fn begin(&self, unit: &str, count: usize) {
        self.work.reset();
        let doing = self.work.message();
        let doing = doing.split(' ').next().unwrap_or_default();
        self.work.set_message(format!("{doing} {unit}"));
        self.work.set_length(count as u64);
    }

    /// More of them are done.
    pub fn advance(&self, count: usize) {
        // A timed pass goes on until it has lasted long enough.
        let done = self.work.position() + count as u64;
        if self.work.length().is_some_and(|length| done > length) {
            self.work.set_length(done);
        }
        self.work.inc(count as u64);
    }

    /// All of them are.
    pub fn end(&self) {
        self.work.finish_and_clear();
    }
}
