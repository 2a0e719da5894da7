//! The cells that arguments mean.

use spanbench::bundled;
use spanbench::suite::{CellPlan, Options, RunSettings, file_name};

/// The matrix of models and data sets; where none is named, the program's own.
pub fn matrix(
    models: &[String],
    datasets: &[String],
    options: &Options,
    run: &RunSettings,
) -> anyhow::Result<Vec<CellPlan>> {
    let or_own = |names: &[String], own: &str| match names {
        [] => vec![own.to_owned()],
        names => names.to_vec(),
    };
    let datasets = or_own(datasets, bundled::DATASET);
    let mut cells: Vec<CellPlan> = Vec::new();
    for model in or_own(models, bundled::MODEL) {
        for dataset in &datasets {
            let base = format!("{}-{}", file_name(&model), file_name(dataset));
            let mut name = base.clone();
            let mut count = 1;
            // Folders' names, and some systems do not tell capitals apart.
            let is_taken = |name: &str| {
                let name = name.to_lowercase();
                cells
                    .iter()
                    .any(|cell| cell.spec.name.to_lowercase() == name)
            };
            while is_taken(&name) {
                count += 1;
                name = format!("{base}-{count}");
            }
            let options = Options {
                model: Some(model.clone()),
                dataset: Some(dataset.clone()),
                ..options.clone()
            };
            cells.push(CellPlan::new(&name, &options, run)?);
        }
    }
    Ok(cells)
}
