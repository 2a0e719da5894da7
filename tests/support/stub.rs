//! A model without weights: its logits follow from the tokens by a rule that a test can reckon with.

use spanbench::batch::{Batch, SpanLogits};
use spanbench::models::pending::Pending;
use spanbench::models::{ModelDescription, ModelError, SpanModel};
use spanbench::windows::TableSizes;

/// Gives each token a start and end logit by a function of (token id, position, window length).
pub struct Stub<F> {
    description: ModelDescription,
    logits: F,
}

impl<F: Fn(u32, usize, usize) -> (f32, f32) + Send + Sync> Stub<F> {
    pub fn new(logits: F) -> Self {
        Self {
            description: ModelDescription {
                architecture: "stub",
                parameters: 0,
                weights_bytes: 0,
                dtype: "f32",
                compute_dtype: "f32",
                ops: "none",
                instructions: None,
                tf32: None,
                quantization: None,
                max_positions: Some(512),
                tables: TableSizes {
                    words: 30_522,
                    segments: 2,
                },
            },
            logits,
        }
    }
}

impl<F: Fn(u32, usize, usize) -> (f32, f32) + Send + Sync> SpanModel for Stub<F> {
    fn description(&self) -> &ModelDescription {
        &self.description
    }

    fn begin(&self, batch: &Batch) -> Result<Pending<'_>, ModelError> {
        let mut logits = SpanLogits {
            start: Vec::new(),
            end: Vec::new(),
        };
        for pair in batch.boundaries.windows(2) {
            let window = &batch.token_ids[pair[0]..pair[1]];
            for (position, &id) in window.iter().enumerate() {
                let (start, end) = (self.logits)(id, position, window.len());
                logits.start.push(start);
                logits.end.push(end);
            }
        }
        Ok(Pending::ready(logits.into()))
    }

    fn window_flops(&self, length: usize) -> u64 {
        length as u64
    }
}
