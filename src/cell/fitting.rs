//! Batches that a device has memory for.

use std::sync::atomic::{AtomicUsize, Ordering};

use crate::batch::Batch;
use crate::models::pending::{ForwardPass, Pending};
use crate::models::replays::{Keep, Prepared};
use crate::models::{ModelDescription, ModelError, SpanModel};

/// A model whose batches are computed in parts where the device has no memory for them as they are.
///
/// What a batch has too many tokens for is halved, and later ones are cut from the beginning: the first
/// attempt costs time, and memory that other processes may want.
pub struct Fitting {
    model: Box<dyn SpanModel>,
    /// Tokens that are computed at a time at the most, as far as is known.
    limit: AtomicUsize,
}

impl Fitting {
    /// The same model, which has not been without memory yet.
    pub fn new(model: Box<dyn SpanModel>) -> Self {
        Self {
            model,
            limit: AtomicUsize::new(usize::MAX),
        }
    }

    /// What a reader of figures should know.
    pub fn warning(&self) -> Option<String> {
        let limit = self.limit.load(Ordering::Relaxed);
        (limit != usize::MAX).then(|| {
            format!(
                "the device had no memory for a whole batch: at most {limit} tokens were computed at a time; --batch-tokens {limit} asks for no more"
            )
        })
    }

    /// Whether a batch has more tokens than there is memory for, as far as is known.
    fn is_too_large(&self, batch: &Batch) -> bool {
        batch.windows.len() > 1 && batch.tokens() > self.limit.load(Ordering::Relaxed)
    }

    /// Computes the windows of a batch in two parts or more.
    fn halves(&self, batch: &Batch) -> Result<ForwardPass, ModelError> {
        // Where half of the tokens are before, with a window on each side.
        let half = batch.tokens() / 2;
        let middle = batch.boundaries.partition_point(|&start| start < half);
        let middle = middle.clamp(1, batch.windows.len() - 1);
        let places: Vec<usize> = (0..batch.windows.len()).collect();
        let first = self.begin(&batch.part(&places[..middle]))?.finish()?;
        let rest = self.begin(&batch.part(&places[middle..]))?.finish()?;
        let mut logits = first.logits;
        logits.start.extend(rest.logits.start);
        logits.end.extend(rest.logits.end);
        let times = first.device_time.zip(rest.device_time);
        Ok(ForwardPass {
            logits,
            device_time: times.map(|(first, rest)| first + rest),
            filling: first.filling + rest.filling,
            was_over: false,
        })
    }
}

impl SpanModel for Fitting {
    fn description(&self) -> &ModelDescription {
        self.model.description()
    }

    fn begin(&self, batch: &Batch) -> Result<Pending<'_>, ModelError> {
        if self.is_too_large(batch) {
            return Ok(Pending::ready(self.halves(batch)?));
        }
        // For want of memory a pass fails when it is begun: that is when memory is taken.
        match self.model.begin(batch) {
            Err(fault) if fault.is_out_of_memory() && batch.windows.len() > 1 => {
                self.limit.fetch_min(batch.tokens() / 2, Ordering::Relaxed);
                Ok(Pending::ready(self.halves(batch)?))
            }
            begun => begun,
        }
    }

    fn prepare(&self, batches: &[Batch], keep: Keep) -> Result<Vec<Prepared>, ModelError> {
        self.model.prepare(batches, keep)
    }

    fn batches_at_once(&self) -> usize {
        self.model.batches_at_once()
    }

    fn window_flops(&self, length: usize) -> u64 {
        self.model.window_flops(length)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;
    use std::time::Duration;

    use candle_core::Error;

    use super::*;
    use crate::batch::SpanLogits;

    /// A device with room for so many tokens, and what was asked of it.
    struct Small {
        description: ModelDescription,
        room: usize,
        asked: &'static Mutex<Vec<usize>>,
    }

    impl SpanModel for Small {
        fn description(&self) -> &ModelDescription {
            &self.description
        }

        fn begin(&self, batch: &Batch) -> Result<Pending<'_>, ModelError> {
            self.asked.lock().unwrap().push(batch.tokens());
            if batch.tokens() > self.room {
                return Err(ModelError::Tensor {
                    doing: "a test".to_owned(),
                    source: Error::Msg("DriverError(CUDA_ERROR_OUT_OF_MEMORY)".to_owned()).bt(),
                });
            }
            let logits = batch.token_ids.iter().map(|&id| id as f32);
            let logits = SpanLogits {
                start: logits.clone().collect(),
                end: logits.map(|logit| -logit).collect(),
            };
            Ok(Pending::ready(ForwardPass {
                logits,
                device_time: Some(Duration::from_secs(1)),
                filling: 0,
                was_over: false,
            }))
        }

        fn window_flops(&self, _: usize) -> u64 {
            0
        }
    }

    fn small(room: usize) -> (Fitting, &'static Mutex<Vec<usize>>) {
        let asked: &'static Mutex<Vec<usize>> = Box::leak(Box::default());
        let model = Small {
            description: ModelDescription::of_a_test(),
            room,
            asked,
        };
        (Fitting::new(Box::new(model)), asked)
    }

    fn batch(lengths: &[usize]) -> Batch {
        let mut boundaries = vec![0];
        for length in lengths {
            boundaries.push(boundaries.last().unwrap() + length);
        }
        let tokens = u32::try_from(*boundaries.last().unwrap()).unwrap();
        Batch {
            token_ids: (0..tokens).collect(),
            token_types: vec![0; tokens as usize],
            windows: (0..lengths.len()).collect(),
            boundaries,
        }
    }

    #[test]
    fn what_is_too_large_is_halved_and_later_batches_are_cut_at_once() {
        let (model, asked) = small(35);
        assert_eq!(model.warning(), None);
        let batch = batch(&[10, 20, 30, 5, 5, 30]);
        for attempts in [vec![100, 30, 30, 40, 10, 30], vec![10, 20, 30, 10, 30]] {
            asked.lock().unwrap().clear();
            let pass = model.begin(&batch).unwrap().finish().unwrap();
            let parts = attempts.iter().filter(|&&tokens| tokens <= 35).count() as u64;
            assert_eq!(pass.device_time, Some(Duration::from_secs(parts)));
            let logits = pass.logits;
            let expected: Vec<f32> = (0..100_u8).map(f32::from).collect();
            assert_eq!(logits.start, expected);
            assert_eq!(logits.end, expected.iter().map(|x| -x).collect::<Vec<_>>());
            assert_eq!(*asked.lock().unwrap(), attempts);
        }
        assert!(model.warning().unwrap().contains("at most 20 tokens"));
    }

    #[test]
    fn a_window_that_is_too_large_by_itself_is_a_fault() {
        let (model, asked) = small(4);
        let fault = model.span_logits(&batch(&[3, 6, 2])).unwrap_err();
        assert!(fault.is_out_of_memory());
        assert_eq!(asked.lock().unwrap().last(), Some(&6));
    }
}
