//! The text that quantization is decided on.

use crate::batch::Batch;
use crate::dataset::Dataset;
use crate::models::ModelError;
use crate::models::files::ModelFiles;
use crate::tokenizer;
use crate::windows::{TableSizes, WindowSettings, Windower};

/// Questions whose first windows are taken, from all over the data set.
const QUESTIONS: usize = 8;

/// Tokens of a window at the most.
const WINDOW_TOKENS: usize = 128;

/// The first windows of a few questions of the bundled data set, in the model's own tokens.
///
/// # Errors
///
/// Fails where the model's tokeniser cannot be used, and where its windows are too short for any
/// of the questions.
pub fn windows(
    files: &ModelFiles,
    architecture: &str,
    tables: TableSizes,
    max_positions: Option<usize>,
) -> Result<Batch, ModelError> {
    let max_seq_len = WINDOW_TOKENS.min(max_positions.unwrap_or(WINDOW_TOKENS));
    let settings = WindowSettings {
        max_seq_len,
        // Only the first window of each passage is taken.
        doc_stride: 0,
        ..WindowSettings::default()
    };
    let of_tokeniser = |source| ModelError::Calibration {
        path: files.config.path.clone(),
        source: Box::new(source),
    };
    let source = tokenizer::read(architecture, &files.config, &files.tokenizer);
    let windower = source.and_then(|source| Windower::new(source, tables, settings));
    let windower = windower.map_err(of_tokeniser)?;
    let dataset = Dataset::bundled();
    let step = dataset.questions.len() / QUESTIONS;
    let mut windows = Vec::new();
    let mut failed = None;
    for index in (0..QUESTIONS).map(|number| number * step) {
        match windower.question_windows(&dataset, index) {
            Ok(found) => windows.extend(found.into_iter().next()),
            Err(source) => failed = Some(source),
        }
    }
    match failed {
        // A question too long for a short window is of no matter where others are not.
        Some(source) if windows.is_empty() => Err(of_tokeniser(source)),
        _ => Ok(Batch::pack(
            &windows,
            &(0..windows.len()).collect::<Vec<_>>(),
        )),
    }
}
