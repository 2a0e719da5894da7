//! What a device was asked for a batch, recorded to be asked again at once: most of what a small batch takes
//! is the asking, one kernel after another.

use candle_core::{Device, Result, Tensor, bail};

use super::cuda;
use super::readback::Bringing;
use super::sequences::Sequences;

/// What a CUDA device has recorded, for batches of as many tokens as the recorded one.
///
/// It computes with the very memory that the recorded operations read: weights and tables must be there as
/// long as it is replayed.
pub(crate) struct Replay(cuda::Replay);

impl Replay {
    /// Records what `forward` asks of `device` for sequences like these, which have been made
    /// [`Sequences::with_any_lengths`]; it gives numbers in `f32`. Nothing else may be asked of the device
    /// meanwhile.
    ///
    /// # Errors
    ///
    /// Fails where the device does, or is none that records; what `forward` asks for then is not done.
    pub(crate) fn record(
        device: &Device,
        sequences: &Sequences<'_>,
        forward: &dyn Fn(&Sequences<'_>) -> Result<Tensor>,
    ) -> Result<Self> {
        match device {
            Device::Cuda(device) => Ok(Self(cuda::Replay::record(device, sequences, forward)?)),
            Device::Cpu | Device::Metal(_) => bail!("only CUDA devices record what they are asked"),
        }
    }

    /// Has the same computed of other sequences: as many tokens, in as many sequences or fewer, none of which
    /// is longer than tables of a fixed length are for.
    ///
    /// # Errors
    ///
    /// Fails where they are not of that shape, and where the device does.
    pub(crate) fn begin(&self, sequences: &Sequences<'_>) -> Result<Bringing> {
        Ok(Bringing::coming(self.0.begin(sequences)?))
    }
}

/// Has a device give back the memory of recordings that are there no more.
///
/// # Errors
///
/// Fails where the device does.
pub(crate) fn trim(device: &Device) -> Result<()> {
    match device {
        Device::Cuda(device) => cuda::trim(device),
        Device::Cpu | Device::Metal(_) => Ok(()),
    }
}
