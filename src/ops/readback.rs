//! Results that a device computes while the program does other things.

use std::time::Duration;

use candle_core::{Device, Result, Tensor};

use super::cuda;

/// What a device is asked from now on, until [`Begun::bring`].
pub struct Begun(Option<cuda::Begun>);

/// Numbers on their way from a device.
pub struct Bringing(Way);

/// Numbers that are here.
pub struct Brought {
    /// The numbers.
    pub values: Vec<f32>,
    /// How long the device was busy with them by its own clock, where it has one.
    pub device_time: Option<Duration>,
    /// Whether such a device had ended before it was waited for.
    pub was_over: bool,
}

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
    pub(super) fn coming(coming: cuda::Bringing) -> Self {
        Self(Way::Coming(coming))
    }

    /// Waits for the numbers.
    ///
    /// # Errors
    ///
    /// Fails where the device does, maybe of what it was asked long before.
    pub fn finish(self) -> Result<Brought> {
        match self.0 {
            Way::Here(values) => Ok(Brought {
                values,
                device_time: None,
                was_over: false,
            }),
            Way::Coming(coming) => coming.finish(),
        }
    }
}
