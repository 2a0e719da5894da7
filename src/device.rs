//! Where to compute: the CPU, or what the build was given besides.

use std::fmt;
use std::str::FromStr;

use candle_core::Device;
use serde::{Deserialize, Serialize};

/// A named device is used or refused; `auto` takes the best there is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum DeviceChoice {
    /// CUDA, else Metal, else the CPU.
    #[default]
    Auto,
    /// The CPU.
    Cpu,
    /// The CUDA device of that number.
    Cuda(usize),
    /// Apple's GPU.
    Metal,
}

/// The device cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum DeviceError {
    /// The build lacks it.
    #[error(
        "--device {name}: this build has no {kind}; build it with `cargo build --release --features {kind}`"
    )]
    NotBuilt {
        /// What was asked for.
        name: String,
        /// The feature it takes.
        kind: &'static str,
    },
    /// The system has none that works.
    #[error("--device {name}: no such device can be used here; --device cpu can")]
    Unusable {
        /// What was asked for.
        name: String,
        /// What the library said.
        #[source]
        source: candle_core::Error,
    },
}

/// A device that was opened.
#[derive(Debug, Clone)]
pub struct OpenDevice {
    /// For tensors.
    pub device: Device,
    /// `cpu`, `cuda:0`, `metal`: never `auto`.
    pub name: String,
    /// What `auto` would rather have had, and why it could not.
    pub note: Option<String>,
}

impl DeviceChoice {
    /// Opens the device.
    ///
    /// # Errors
    ///
    /// Fails where a named device is not to be had; `auto` ends at the CPU.
    pub fn open(self) -> Result<OpenDevice, DeviceError> {
        if self != Self::Auto {
            return Ok(self.opened(self.open_named()?, None));
        }
        let mut note = None;
        if cfg!(feature = "cuda") || cfg!(feature = "metal") {
            let choice = if cfg!(feature = "cuda") {
                Self::Cuda(0)
            } else {
                Self::Metal
            };
            match choice.open_named() {
                Ok(device) => return Ok(choice.opened(device, None)),
                Err(fault) => note = Some(auto_note(&fault)),
            }
        }
        Ok(Self::Cpu.opened(Device::Cpu, note))
    }

    fn opened(self, device: Device, note: Option<String>) -> OpenDevice {
        OpenDevice {
            device,
            name: self.to_string(),
            note,
        }
    }

    fn open_named(self) -> Result<Device, DeviceError> {
        let (built, kind) = match self {
            Self::Auto | Self::Cpu => return Ok(Device::Cpu),
            Self::Metal => (cfg!(feature = "metal"), "metal"),
            Self::Cuda(_) => (cfg!(feature = "cuda"), "cuda"),
        };
        if !built {
            return Err(DeviceError::NotBuilt {
                name: self.to_string(),
                kind,
            });
        }
        let opened = match self {
            Self::Cuda(number) => open_cuda(number),
            _ => Device::new_metal(0),
        };
        opened.map_err(|source| DeviceError::Unusable {
            name: self.to_string(),
            source,
        })
    }
}

/// A device on which all threads' work goes through one stream, in order.
fn open_cuda(number: usize) -> candle_core::Result<Device> {
    // The usual stream is another one for each thread, and none waits for what another has asked for.
    let device = Device::new_cuda_with_stream(number)?;
    #[cfg(feature = "cuda")]
    if let Device::Cuda(device) = &device {
        // SAFETY: there is no other stream that would have to wait for this one, or it for them.
        unsafe { device.disable_event_tracking() };
        keep_freed_memory(device)?;
    }
    Ok(device)
}

/// Lets the pool that tensors are taken from keep what is freed until the process ends: by default it
/// gives all back whenever the device is waited for, which is after every batch.
#[cfg(feature = "cuda")]
fn keep_freed_memory(device: &candle_core::CudaDevice) -> candle_core::Result<()> {
    use candle_core::Error;
    use candle_core::cuda_backend::cudarc::driver::result::{device as devices, mem_pool};
    use candle_core::cuda_backend::cudarc::driver::sys::CUmemPool_attribute;

    let stream = device.cuda_stream();
    if !stream.context().has_async_alloc() {
        return Ok(());
    }
    let attribute = CUmemPool_attribute::CU_MEMPOOL_ATTR_RELEASE_THRESHOLD;
    let mut most = u64::MAX;
    // SAFETY: the device is open, and the attribute is a number of 64 bits.
    unsafe {
        let pool =
            devices::get_default_mem_pool(stream.context().cu_device()).map_err(Error::wrap)?;
        let value = std::ptr::from_mut(&mut most).cast();
        mem_pool::set_attribute(pool, attribute, value).map_err(Error::wrap)
    }
}

/// The fault with its cause, in one line.
fn auto_note(fault: &DeviceError) -> String {
    let cause = std::error::Error::source(fault)
        .map(ToString::to_string)
        .unwrap_or_default();
    let cause = cause.lines().next().unwrap_or_default().to_owned();
    format!("--device auto computes on the CPU: {fault}: {cause}")
}

impl fmt::Display for DeviceChoice {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Auto => formatter.write_str("auto"),
            Self::Cpu => formatter.write_str("cpu"),
            Self::Cuda(number) => write!(formatter, "cuda:{number}"),
            Self::Metal => formatter.write_str("metal"),
        }
    }
}

impl FromStr for DeviceChoice {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        match name {
            "auto" => Ok(Self::Auto),
            "cpu" => Ok(Self::Cpu),
            "cuda" => Ok(Self::Cuda(0)),
            "metal" => Ok(Self::Metal),
            other => {
                let number = other
                    .strip_prefix("cuda:")
                    .and_then(|number| number.parse().ok());
                number.map(Self::Cuda).ok_or_else(|| {
                    format!(
                        "unknown device \"{other}\"; known are auto, cpu, cuda, cuda:N and metal"
                    )
                })
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_and_shown() {
        for (text, choice) in [
            ("auto", DeviceChoice::Auto),
            ("cpu", DeviceChoice::Cpu),
            ("cuda:3", DeviceChoice::Cuda(3)),
            ("metal", DeviceChoice::Metal),
        ] {
            assert_eq!(text.parse(), Ok(choice));
            assert_eq!(choice.to_string(), text);
        }
        assert_eq!("cuda".parse(), Ok(DeviceChoice::Cuda(0)));
        for text in ["", "gpu", "cuda:", "cuda:-1", "cuda:x", "CPU"] {
            assert!(text.parse::<DeviceChoice>().is_err(), "{text}");
        }
    }

    #[cfg(not(any(feature = "cuda", feature = "metal")))]
    #[test]
    fn a_device_the_build_lacks_is_refused_and_auto_is_the_cpu() {
        for name in ["cuda", "metal"] {
            let choice: DeviceChoice = name.parse().unwrap();
            let refusal = choice.open().unwrap_err().to_string();
            assert!(refusal.contains(&format!("--features {name}")), "{refusal}");
        }
        let opened = DeviceChoice::Auto.open().unwrap();
        assert_eq!((opened.name.as_str(), opened.note), ("cpu", None));
    }
}
