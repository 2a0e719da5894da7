//! Results that a device computes while the program does other things.

use std::time::Duration;

use candle_core::{Device, Result, Tensor};

use super::cuda;

/// What a device is asked from now on, until [`Begun::bring`].
pub struct Begun(Option<cuda::Begun>);

/// Numbers on their way from a device.
pub struct Bringing(Way);

enum Way {
    Here(Vec<f32>),
    Coming(cuda::Bringing),
}

impl Begun {
    /// From now on. CUDA devices note the time when they come to it.
    ///
    /// # Errors
    ///
    /// Fails where the device does.
    pub fn now(device: &Device) -> Result<Self> {
        Ok(Self(match device {
            Device::Cuda(device) => Some(cuda::Begun::now(device)?),
            Device::Cpu | Device::Metal(_) => None,
        }))
    }

    /// Asks for the numbers of an `f32` tensor. A CUDA device has computed nothing of it yet, maybe; on
    /// others this waits until they are here.
    ///
    /// # Errors
    ///
    /// Fails where the device does.
    pub fn bring(self, values: &Tensor) -> Result<Bringing> {
        Ok(Bringing(match self.0 {
            Some(begun) => Way::Coming(begun.bring(values)?),
            None => Way::Here(values.flatten_all()?.to_vec1()?),
        }))
    }
}

impl Bringing {
    /// Waits for the numbers, and tells how long a device that keeps time was busy with them.
    ///
    /// # Errors
    ///
    /// Fails where the device does, maybe of what it was asked long before.
    pub fn finish(self) -> Result<(Vec<f32>, Option<Duration>)> {
        match self.0 {
            Way::Here(values) => Ok((values, None)),
            Way::Coming(values) => {
                let (values, busy) = values.finish()?;
                Ok((values, Some(busy)))
            }
        }
    }
}
