//! `spanbench merge`: the shards of a run to one record.

use std::path::{Path, PathBuf};

use clap::Args;
use spanbench::merge::{self, Merged};
use spanbench::record::Folder;
use spanbench::record::folder::{RECORD_FILE, SHARD_FILE};
use spanbench::record::wire::{SCHEMA, WireMerged};
use spanbench::render::merged;

use super::terminal;

/// What to merge.
#[derive(Debug, Args)]
pub struct MergeArguments {
    /// Folders that `run --shard I/N` wrote, or a folder of such folders: every shard, once
    #[arg(value_name = "SHARD", required = true)]
    shards: Vec<PathBuf>,
    /// Where the merged record goes; of several cells each into a folder of it
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// Print the record as JSON in place of the table
    #[arg(long)]
    json: bool,
}

/// Merges each cell's shards, writes its folder and prints the table.
pub fn execute(arguments: &MergeArguments) -> anyhow::Result<()> {
    let cells = merge::cells(merge::find(&arguments.shards)?)?;
    let merged: Result<Vec<Merged>, _> = cells.iter().map(merge::merge).collect();
    let merged = merged?;
    let mut paths = Vec::new();
    for one in &merged {
        let path = match merged.len() {
            1 => arguments.out.clone(),
            _ => arguments.out.join(&one.record.cell),
        };
        write(&path, one)?;
        paths.push(path.join(RECORD_FILE));
    }
    let records: Vec<WireMerged> = merged.into_iter().map(|one| one.record).collect();
    if arguments.json {
        match &records[..] {
            [record] => terminal::print_json(record)?,
            records => {
                terminal::print_json(&serde_json::json!({ "schema": SCHEMA, "records": records }))?;
            }
        }
    } else {
        terminal::print(&merged::table(&records, terminal::emphasis()))?;
    }
    for path in paths {
        terminal::note(&format!("record: {}", path.display()));
    }
    Ok(())
}

fn write(path: &Path, merged: &Merged) -> anyhow::Result<()> {
    // Its files would be replaced, and what was merged is all that there is of it.
    if path.join(SHARD_FILE).exists() {
        anyhow::bail!(
            "{}: the folder of a shard; choose another folder with --out DIR",
            path.display()
        );
    }
    let folder = Folder::create(path)?;
    folder.write_merged(merged, &merged::report(&merged.record))?;
    Ok(())
}
