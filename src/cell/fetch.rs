//! Everything that a cell needs of the hub, fetched before its process begins.

use super::{CellError, CellSpec};
use crate::dataset::{DatasetSource, source};
use crate::hub::Progress;
use crate::models::locate;

/// Fetches the files of the cell's model and data set where they are on the hub and not yet here.
///
/// # Errors
///
/// Fails where a name means nothing, or files are not to be had.
pub fn fetch(cell: &CellSpec, progress: &dyn Progress) -> Result<(), CellError> {
    let offline = cell.settings.offline;
    if let DatasetSource::Hub(dataset) = DatasetSource::parse(&cell.dataset)? {
        source::pull(&dataset, offline, progress)?;
    }
    locate::fetch(&cell.model, offline, progress)?;
    Ok(())
}
