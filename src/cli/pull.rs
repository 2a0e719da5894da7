//! `spanbench pull`: a model's files into the cache.

use clap::Args;
use spanbench::models::locate;

use super::progress::Bars;
use super::terminal;

/// What to fetch.
#[derive(Debug, Args)]
pub struct PullArguments {
    /// A card's name or owner/name[@revision] on the Hugging Face Hub
    #[arg(value_name = "M")]
    model: String,
    /// Ask no hub; say whether the cache has it, whole
    #[arg(long)]
    offline: bool,
}

/// Fetches and verifies the files and prints where they are.
pub fn execute(arguments: &PullArguments) -> anyhow::Result<()> {
    let bars = Bars::new();
    let Some(reference) = locate::repository(&arguments.model)? else {
        terminal::note(&format!("{}: bundled, nothing to fetch", arguments.model));
        return Ok(());
    };
    let snapshot = locate::pull(&reference, arguments.offline, &bars)?;
    let mut lines = vec![format!("{} at {}\n", reference.id(), snapshot.commit)];
    lines.extend(snapshot.files.iter().map(|file| {
        let path = file.path.display();
        format!("{}  {}  {path}\n", file.sha256, file.bytes)
    }));
    terminal::print(&lines.concat())
}
