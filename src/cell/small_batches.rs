//! Getting a device ready for the small batches of scenarios whose queries come one by one.

use std::time::Duration;

use super::answer::AnswerError;
use super::line::Line;
use crate::batch::Batch;
use crate::models::replays::{Keep, Outcome, Prepared};
use crate::record::wire::WireCudaGraph;

/// Questions whose batches are looked at: enough for all shapes that are frequent.
const LOOKED_AT: usize = 1000;

/// What came of it.
#[derive(Debug, Default)]
pub struct SmallBatches {
    /// What was recorded.
    pub graphs: Vec<WireCudaGraph>,
    /// What a reader of figures should know.
    pub warnings: Vec<String>,
}

/// Has the device record the batches of single questions, if it can: that is how they are asked when the
/// device is quicker than the queries. Nothing is done for a model whose device does not compute by itself.
///
/// # Errors
///
/// See [`AnswerError`].
pub fn prepare(line: &Line<'_>) -> Result<SmallBatches, AnswerError> {
    if line.model.batches_at_once() == 1 {
        return Ok(SmallBatches::default());
    }
    let asked: Vec<usize> = (0..line.dataset.questions.len().min(LOOKED_AT)).collect();
    let cut = line.windower.cut(line.dataset, &asked)?;
    let mut first = 0;
    let batches = cut.counts.iter().map(|windows| {
        let own: Vec<usize> = (first..first + windows).collect();
        first += windows;
        Batch::pack(&cut.windows, &own)
    });
    let batches: Vec<Batch> = batches.collect();
    let mut found = SmallBatches::default();
    for prepared in line.model.prepare(&batches, Keep::Faster)? {
        found.add(prepared);
    }
    Ok(found)
}

impl SmallBatches {
    fn add(&mut self, prepared: Prepared) {
        let Prepared {
            tokens,
            windows,
            outcome,
        } = prepared;
        match outcome {
            Outcome::Compared {
                launched,
                replayed,
                is_kept,
            } => self.graphs.push(WireCudaGraph {
                tokens,
                windows,
                launched_ms: milliseconds(launched),
                replayed_ms: milliseconds(replayed),
                used: is_kept,
            }),
            Outcome::Failed(fault) => {
                self.warnings.push(format!(
                    "CUDA graphs are not used, for one of {windows} windows in {tokens} tokens could not be made: {fault}"
                ));
            }
        }
    }
}

fn milliseconds(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e3
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_compared_is_told_and_what_failed_is_a_warning() {
        let mut found = SmallBatches::default();
        let prepared = |outcome| Prepared {
            tokens: 96,
            windows: 2,
            outcome,
        };
        found.add(prepared(Outcome::Compared {
            launched: Duration::from_micros(1500),
            replayed: Duration::from_micros(250),
            is_kept: true,
        }));
        found.add(prepared(Outcome::Failed("no room".to_owned())));
        let graph = WireCudaGraph {
            tokens: 96,
            windows: 2,
            launched_ms: 1.5,
            replayed_ms: 0.25,
            used: true,
        };
        assert_eq!(found.graphs, [graph]);
        let [warning] = &found.warnings[..] else {
            panic!("{found:?}")
        };
        assert!(warning.contains("96 tokens") && warning.ends_with("no room"));
    }
}
