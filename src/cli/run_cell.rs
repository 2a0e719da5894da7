//! `spanbench run-cell`: the process of one cell, started by `run`.

use std::path::PathBuf;

use clap::Args;
use spanbench::cell::child;
use spanbench::models;

use super::Ended;

/// What to do.
#[derive(Debug, Args)]
pub struct RunCellArguments {
    /// The job's file, which is removed when it was read
    job: PathBuf,
}

/// Does the job and writes events to standard output.
pub fn execute(arguments: &RunCellArguments) -> anyhow::Result<()> {
    if child::serve(&arguments.job, &models::load_kept, std::io::stdout()) {
        Ok(())
    } else {
        Err(Ended::Failed.into())
    }
}
