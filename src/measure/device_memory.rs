//! Memory of an accelerator that this process's tensors take.

use candle_core::Device;

/// Follows the memory of a device over the phases of a run.
#[derive(Debug)]
pub struct DeviceMemory {
    devices: Vec<Device>,
    peak_bytes: Option<u64>,
}

impl DeviceMemory {
    /// Follows the memory of devices from here on.
    pub fn follow<'a>(devices: impl Iterator<Item = &'a Device>) -> Self {
        let devices: Vec<_> = devices.cloned().collect();
        for device in &devices {
            // Whatever was before is none of this run's.
            take_peak(device);
        }
        Self {
            devices,
            peak_bytes: None,
        }
    }

    /// The end of a phase, whose peak may be none of the run's.
    pub fn mark(&mut self, counts: bool) {
        let peaks = self.devices.iter().map(take_peak);
        // All are asked, for that sets them back.
        let peak = peaks.fold(None, Option::max).filter(|_| counts);
        self.peak_bytes = self.peak_bytes.max(peak);
    }

    /// The most that tensors took on a device in all phases that count, with the most that CUDA graphs kept for
    /// theirs; nothing on a CPU, nor where the device does not tell.
    pub fn peak_bytes(&self) -> Option<u64> {
        self.peak_bytes
    }
}

/// The most memory that tensors took since the last time this was asked; nothing on a CPU, nor where the
/// device does not tell.
pub fn take_peak(device: &Device) -> Option<u64> {
    match device {
        #[cfg(feature = "cuda")]
        Device::Cuda(device) => cuda::take_peak(device),
        _ => None,
    }
}

/// Memory of a device at a moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Room {
    /// What this process's tensors take.
    pub used_bytes: u64,
    /// What they could take besides.
    pub free_bytes: u64,
}

/// Asks a device how much memory there is; nothing on a CPU, nor where the device does not tell.
pub fn room(device: &Device) -> Option<Room> {
    match device {
        #[cfg(feature = "cuda")]
        Device::Cuda(device) => cuda::room(device),
        _ => None,
    }
}

#[cfg(feature = "cuda")]
mod cuda {
    use std::ffi::c_void;
    use std::ptr::from_mut;

    use super::Room;
    use candle_core::cuda_backend::CudaDevice;
    use candle_core::cuda_backend::cudarc::driver::result::{device, mem_pool};
    use candle_core::cuda_backend::cudarc::driver::sys::{
        CUgraphMem_attribute, CUmemPool_attribute, cuDeviceGetGraphMemAttribute,
        cuDeviceSetGraphMemAttribute,
    };

    /// The watermark of the pool that all tensors are taken from, and what CUDA graphs keep for theirs; both are
    /// set back to what is taken now.
    pub(super) fn take_peak(of: &CudaDevice) -> Option<u64> {
        Some(take_peak_of_pool(of)? + take_peak_of_graphs(of).unwrap_or(0))
    }

    /// The memory that graphs keep among themselves, which is none of the pool's.
    fn take_peak_of_graphs(of: &CudaDevice) -> Option<u64> {
        let device = of.cuda_stream().context().cu_device();
        let attribute = CUgraphMem_attribute::CU_GRAPH_MEM_ATTR_RESERVED_MEM_HIGH;
        let (mut peak, mut zero) = (0_u64, 0_u64);
        // SAFETY: the device is open, and the attribute is a number of 64 bits, to which 0 may be written.
        unsafe {
            let value = from_mut(&mut peak).cast::<c_void>();
            let told = cuDeviceGetGraphMemAttribute(device, attribute, value);
            told.result().ok()?;
            let value = from_mut(&mut zero).cast::<c_void>();
            let set = cuDeviceSetGraphMemAttribute(device, attribute, value);
            set.result().ok()?;
        }
        Some(peak)
    }

    /// The watermark of the pool.
    fn take_peak_of_pool(of: &CudaDevice) -> Option<u64> {
        let stream = of.cuda_stream();
        stream.context().bind_to_thread().ok()?;
        let attribute = CUmemPool_attribute::CU_MEMPOOL_ATTR_USED_MEM_HIGH;
        let (mut peak, mut zero) = (0_u64, 0_u64);
        // SAFETY: the device is open, and the attribute is a number of 64 bits, to which 0 may be written.
        unsafe {
            let pool = device::get_default_mem_pool(stream.context().cu_device()).ok()?;
            let value = from_mut(&mut peak).cast::<c_void>();
            mem_pool::get_attribute(pool, attribute, value).ok()?;
            let value = from_mut(&mut zero).cast::<c_void>();
            mem_pool::set_attribute(pool, attribute, value).ok()?;
        }
        Some(peak)
    }

    /// What the driver has free, and what the pool keeps of what was freed.
    pub(super) fn room(of: &CudaDevice) -> Option<Room> {
        let stream = of.cuda_stream();
        let (free, _) = stream.context().mem_get_info().ok()?;
        let told = |attribute| {
            let mut bytes = 0_u64;
            // SAFETY: the device is open, and the attribute is a number of 64 bits.
            unsafe {
                let pool = device::get_default_mem_pool(stream.context().cu_device()).ok()?;
                let value = from_mut(&mut bytes).cast::<c_void>();
                mem_pool::get_attribute(pool, attribute, value).ok()?;
            }
            Some(bytes)
        };
        let kept = told(CUmemPool_attribute::CU_MEMPOOL_ATTR_RESERVED_MEM_CURRENT)?;
        let used_bytes = told(CUmemPool_attribute::CU_MEMPOOL_ATTR_USED_MEM_CURRENT)?;
        Some(Room {
            used_bytes,
            free_bytes: free as u64 + kept.saturating_sub(used_bytes),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cpu_has_no_memory_of_its_own() {
        let mut memory = DeviceMemory::follow([Device::Cpu].iter());
        memory.mark(true);
        assert_eq!(memory.peak_bytes(), None);
        assert_eq!(room(&Device::Cpu), None);
    }
}
