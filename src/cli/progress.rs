//! Progress bars on standard error, where that is a terminal.

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use spanbench::{cell, hub};

use super::terminal;

/// Draws downloads and forward passes; notes go to standard error as lines.
#[derive(Debug)]
pub struct Bars {
    download: ProgressBar,
    windows: ProgressBar,
}

impl Bars {
    /// Bars that are not drawn yet.
    pub fn new() -> Self {
        Self {
            download: bar("{msg} {wide_bar} {bytes}/{total_bytes} {bytes_per_sec} eta {eta}"),
            windows: bar("{msg} {wide_bar} {pos}/{len} windows {per_sec} eta {eta}"),
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

impl cell::Progress for Bars {
    fn begin(&self, windows: usize) {
        self.windows.reset();
        self.windows.set_message("answering");
        self.windows.set_length(windows as u64);
    }

    fn advance(&self, windows: usize) {
        self.windows.inc(windows as u64);
    }

    fn end(&self) {
        self.windows.finish_and_clear();
    }
}
