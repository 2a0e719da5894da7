//! One model on several devices, which take batches by turns.

use std::sync::atomic::{AtomicUsize, Ordering};

use super::fitting::Fitting;
use crate::batch::Batch;
use crate::models::pending::Pending;
use crate::models::replays::{Keep, Prepared};
use crate::models::{ModelDescription, ModelError, SpanModel};

/// A replica on each of several devices. A batch is computed by one of them, so that answers are those of a
/// single device of that kind.
pub struct Replicas {
    /// At least one.
    models: Vec<Fitting>,
    next: AtomicUsize,
}

impl Replicas {
    /// Of at least one model; all must be of the same files, kept and computed alike.
    ///
    /// # Panics
    ///
    /// Panics where there is none.
    pub fn new(models: Vec<Fitting>) -> Self {
        assert!(!models.is_empty(), "a model on no device");
        Self {
            models,
            next: AtomicUsize::new(0),
        }
    }

    /// What a reader of figures should know.
    pub fn warnings(&self) -> impl Iterator<Item = String> {
        self.models.iter().filter_map(Fitting::warning)
    }
}

impl SpanModel for Replicas {
    fn description(&self) -> &ModelDescription {
        self.models[0].description()
    }

    fn begin(&self, batch: &Batch) -> Result<Pending<'_>, ModelError> {
        let turn = self.next.fetch_add(1, Ordering::Relaxed);
        self.models[turn % self.models.len()].begin(batch)
    }

    fn prepare(&self, batches: &[Batch], keep: Keep) -> Result<Vec<Prepared>, ModelError> {
        let mut all = Vec::new();
        for model in &self.models {
            all.extend(model.prepare(batches, keep)?);
        }
        Ok(all)
    }

    fn batches_at_once(&self) -> usize {
        let models = self.models.iter();
        models.map(Fitting::batches_at_once).sum()
    }

    fn window_flops(&self, length: usize) -> u64 {
        self.models[0].window_flops(length)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::batch::SpanLogits;

    /// Gives its number as every logit.
    struct Numbered(ModelDescription, f32);

    impl SpanModel for Numbered {
        fn description(&self) -> &ModelDescription {
            &self.0
        }

        fn begin(&self, batch: &Batch) -> Result<Pending<'_>, ModelError> {
            let logits = vec![self.1; batch.tokens()];
            let logits = SpanLogits {
                start: logits.clone(),
                end: logits,
            };
            Ok(Pending::ready(logits.into()))
        }

        fn batches_at_once(&self) -> usize {
            2
        }

        fn window_flops(&self, _: usize) -> u64 {
            0
        }
    }

    #[test]
    fn devices_take_batches_by_turns() {
        let numbered = |number| {
            let model = Numbered(ModelDescription::of_a_test(), number);
            Fitting::new(Box::new(model))
        };
        let replicas = Replicas::new(vec![numbered(0.0), numbered(1.0)]);
        assert_eq!(replicas.batches_at_once(), 4);
        let batch = Batch {
            token_ids: vec![7],
            token_types: vec![0],
            boundaries: vec![0, 1],
            windows: vec![0],
        };
        let turns = (0..4).map(|_| replicas.span_logits(&batch).unwrap().start[0]);
        assert_eq!(turns.collect::<Vec<_>>(), [0.0, 1.0, 0.0, 1.0]);
    }
}
