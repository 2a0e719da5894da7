//! Spans of the profile around operations, which wait for the device where it is no CPU.

use candle_core::{Device, Tensor};

use crate::measure::profile::{self, Operation, Work};

/// A span that ends when the device has computed what was asked of it within.
pub(super) struct OpSpan<'a> {
    waits_for: Option<&'a Device>,
    // Dropped after `drop` below has waited.
    _span: profile::Span,
}

/// Opens a span for an operation on `device`; `work` is asked for only while something records.
pub(super) fn span(
    operation: Operation,
    device: &Device,
    work: impl FnOnce() -> Work,
) -> OpSpan<'_> {
    let waits_for = Some(device).filter(|device| !device.is_cpu() && profile::is_recording());
    // What was asked for before is none of this operation's time.
    wait(waits_for);
    OpSpan {
        waits_for,
        _span: profile::span(operation, work),
    }
}

impl Drop for OpSpan<'_> {
    fn drop(&mut self) {
        wait(self.waits_for);
    }
}

fn wait(device: Option<&Device>) {
    if let Some(device) = device {
        // A device that failed says so again to whoever reads the result.
        let _ = device.synchronize();
    }
}

/// What a tensor takes in memory.
pub(super) fn bytes(tensor: &Tensor) -> u64 {
    (tensor.elem_count() * tensor.dtype().size_in_bytes()) as u64
}
