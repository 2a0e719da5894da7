//! Lines to standard output and standard error.

use std::io::Write;

use anyhow::Context;
use spanbench::render::columns::plain;

/// Writes the result to standard output.
///
/// A reader that has gone away (`spanbench … | head`) is no failure.
pub fn print(text: &str) -> anyhow::Result<()> {
    let mut output = std::io::stdout().lock();
    match output
        .write_all(text.as_bytes())
        .and_then(|()| output.flush())
    {
        Err(fault) if fault.kind() == std::io::ErrorKind::BrokenPipe => Ok(()),
        result => result.context("standard output: the result could not be written"),
    }
}

/// Writes one JSON document to standard output.
pub fn print_json(value: &impl serde::Serialize) -> anyhow::Result<()> {
    let text = serde_json::to_string_pretty(value).context("the result is no JSON")?;
    print(&(text + "\n"))
}

/// Writes a line to standard error.
pub fn note(line: &str) {
    // A file's name may hold anything, and a note is one line.
    let line = plain(line);
    // Where standard error is gone, nobody is there to be told.
    let _ = writeln!(std::io::stderr().lock(), "{line}");
}

/// Escape sequences for headings, where standard output is a terminal that wants them.
///
/// `NO_COLOR`, `CLICOLOR` and `TERM` are honoured.
pub fn emphasis() -> (&'static str, &'static str) {
    match anstream::AutoStream::choice(&std::io::stdout()) {
        anstream::ColorChoice::Never => ("", ""),
        _ => ("\u{1b}[1m", "\u{1b}[0m"),
    }
}
