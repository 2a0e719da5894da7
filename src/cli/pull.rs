//! `spanbench pull`: the files of a model or data set into the cache.

use clap::Args;
use spanbench::dataset::DatasetSource;
use spanbench::dataset::source::pull;
use spanbench::hub::Snapshot;
use spanbench::models::locate;

use super::progress::Bars;
use super::terminal;

/// What to fetch.
#[derive(Debug, Args)]
pub struct PullArguments {
    /// A model: a card's name or owner/name[@revision]; or a data set: dataset:D, where D is a
    /// card's name or owner/name[@revision][:config][:split]
    #[arg(value_name = "M|dataset:D")]
    what: String,
    /// Ask no hub; say whether the cache has it, whole
    #[arg(long)]
    offline: bool,
}

/// Fetches and verifies the files and prints where they are.
pub fn execute(arguments: &PullArguments) -> anyhow::Result<()> {
    let bars = Bars::new(None);
    let snapshot = match arguments.what.strip_prefix("dataset:") {
        Some(dataset) => dataset_files(dataset, arguments.offline, &bars)?,
        None => match locate::repository(&arguments.what)? {
            Some(reference) => Some(locate::pull(&reference, arguments.offline, &bars)?),
            None => None,
        },
    };
    let Some(snapshot) = snapshot else {
        terminal::note(&format!("{}: bundled, nothing to fetch", arguments.what));
        return Ok(());
    };
    let mut lines = vec![format!("{} at {}\n", snapshot.repo.id(), snapshot.commit)];
    lines.extend(snapshot.files.iter().map(|file| {
        let path = file.path.display();
        format!("{}  {}  {path}\n", file.sha256, file.bytes)
    }));
    terminal::print(&lines.concat())
}

/// Nothing where the data set is part of the program.
fn dataset_files(name: &str, offline: bool, bars: &Bars) -> anyhow::Result<Option<Snapshot>> {
    let DatasetSource::Hub(source) = DatasetSource::parse_remote(name)? else {
        return Ok(None);
    };
    let (snapshot, _) = pull(&source, offline, bars)?;
    Ok(Some(snapshot))
}
