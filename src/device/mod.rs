//! Where to compute: the CPU, or what the build was given besides.

mod cards;

use std::fmt;
use std::str::FromStr;

use candle_core::Device;
use serde::{Deserialize, Serialize};

pub use cards::Cards;

/// A named device is used or refused; `auto` takes the best there is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum DeviceChoice {
    /// CUDA, else Metal, else the CPU.
    #[default]
    Auto,
    /// The CPU.
    Cpu,
    /// These CUDA devices, each of which has the whole model.
    Cuda(Cards),
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
    /// Others that compute beside it.
    pub more: Vec<Device>,
    /// `cpu`, `cuda:0`, `cuda:0,1`, `metal`: never `auto`.
    pub name: String,
    /// What `auto` would rather have had, and why it could not.
    pub note: Option<String>,
}

impl OpenDevice {
    /// All that compute, the first one first.
    pub fn all(&self) -> impl Iterator<Item = &Device> {
        std::iter::once(&self.device).chain(&self.more)
    }
}

impl DeviceChoice {
    /// Opens the device, or all of them.
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
                Self::Cuda(Cards::FIRST)
            } else {
                Self::Metal
            };
            match choice.open_named() {
                Ok(device) => return Ok(choice.opened(device, None)),
                Err(fault) => note = Some(auto_note(&fault)),
            }
        }
        Ok(Self::Cpu.opened(vec![Device::Cpu], note))
    }

    fn opened(self, mut devices: Vec<Device>, note: Option<String>) -> OpenDevice {
        let more = devices.split_off(1);
        OpenDevice {
            device: devices.swap_remove(0),
            more,
            name: self.to_string(),
            note,
        }
    }

    fn open_named(self) -> Result<Vec<Device>, DeviceError> {
        let (built, kind) = match self {
            Self::Auto | Self::Cpu => return Ok(vec![Device::Cpu]),
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
            Self::Cuda(cards) => cards.numbers().map(open_cuda).collect(),
            _ => Device::new_metal(0).map(|device| vec![device]),
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
            Self::Cuda(cards) => write!(formatter, "cuda:{cards}"),
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
            "cuda" => Ok(Self::Cuda(Cards::FIRST)),
            "metal" => Ok(Self::Metal),
            other => match other.strip_prefix("cuda:") {
                Some(cards) => cards.parse().map(Self::Cuda).map_err(|fault| {
                    format!("device \"{other}\": {fault}; cuda:0,1 names the first two")
                }),
                None => Err(format!(
                    "unknown device \"{other}\"; known are auto, cpu, cuda, cuda:N, cuda:N,M,… and metal"
                )),
            },
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
            ("cuda:3", DeviceChoice::Cuda(Cards::one(3).unwrap())),
            ("cuda:0,2,63", DeviceChoice::Cuda("0,2,63".parse().unwrap())),
            ("metal", DeviceChoice::Metal),
        ] {
            assert_eq!(text.parse(), Ok(choice));
            assert_eq!(choice.to_string(), text);
        }
        assert_eq!("cuda".parse(), Ok(DeviceChoice::Cuda(Cards::FIRST)));
        assert_eq!("cuda:1,0".parse(), "cuda:0,1".parse::<DeviceChoice>());
        for text in [
            "", "gpu", "cuda:", "cuda:-1", "cuda:x", "cuda:64", "cuda:0,", "cuda:1,1", "CPU",
        ] {
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
