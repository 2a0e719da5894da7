//! Batches that a model was given and whose logits are still to come.

use std::time::Duration;

use super::ModelError;
use crate::batch::SpanLogits;

/// What a forward pass gave.
#[derive(Debug, Clone, PartialEq)]
pub struct ForwardPass {
    /// The logits.
    pub logits: SpanLogits,
    /// How long the device was busy with it by its own clock, from the first copy of its tables to the last
    /// of its logits, where the device has one.
    pub device_time: Option<Duration>,
    /// Tokens that were computed besides, to fill the batch up.
    pub filling: usize,
    /// Whether the device had ended before the program waited for it, nobody knows when.
    pub was_over: bool,
}

/// A forward pass that was begun. On a device that computes by itself the logits are there some time
/// later, and the program may do other things meanwhile.
pub struct Pending<'a>(Box<dyn FnOnce() -> Result<ForwardPass, ModelError> + 'a>);

impl<'a> Pending<'a> {
    /// One whose logits are waited for by `finish`.
    pub fn new(finish: impl FnOnce() -> Result<ForwardPass, ModelError> + 'a) -> Self {
        Self(Box::new(finish))
    }

    /// One that is over.
    pub fn ready(pass: ForwardPass) -> Self {
        Self::new(|| Ok(pass))
    }

    /// Waits for the logits.
    ///
    /// # Errors
    ///
    /// Fails where the tensor library or the device does.
    pub fn finish(self) -> Result<ForwardPass, ModelError> {
        (self.0)()
    }
}

impl From<SpanLogits> for ForwardPass {
    /// Logits without a device's time.
    fn from(logits: SpanLogits) -> Self {
        Self {
            logits,
            device_time: None,
            filling: 0,
            was_over: false,
        }
    }
}
