//! Tensors as kernels see them, and how kernels are started.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use candle_core::backend::{BackendDevice, BackendStorage};
use candle_core::cuda_backend::cudarc::driver::sys::CUfunction_attribute;
use candle_core::cuda_backend::cudarc::driver::{
    CudaFunction, CudaStream, DevicePtr, LaunchArgs, LaunchConfig,
};
use candle_core::cuda_backend::{CudaDevice, CudaStorageSlice, DeviceId};
use candle_core::op::BackpropOp;
use candle_core::{
    CudaStorage, DType, Device, Error, Layout, Result, Shape, Storage, StorageRef, Tensor, bail,
};

/// What `build.rs` had compiled of `kernels/kernels.cu`.
const KERNELS: &str = include_str!(concat!(env!("OUT_DIR"), "/kernels.ptx"));

/// The least compute capability that kernels are compiled for: they multiply and copy by instructions that
/// older cards have not.
const LEAST_CAPABILITY: (i32, i32) = (8, 0);

/// Whether kernels run on a device.
pub(in crate::ops) fn has_kernels_for(device: &Device) -> bool {
    let Device::Cuda(device) = device else {
        return false;
    };
    let stream = device.cuda_stream();
    let capability = stream.context().compute_capability();
    capability.is_ok_and(|capability| capability >= LEAST_CAPABILITY)
}

/// One of a kind for each device, made when it is first asked for; it is there until the program ends.
pub(super) struct PerDevice<T>(OnceLock<Mutex<HashMap<DeviceId, Arc<T>>>>);

impl<T> PerDevice<T> {
    pub(super) const fn new() -> Self {
        Self(OnceLock::new())
    }

    pub(super) fn of(
        &self,
        device: &CudaDevice,
        new: impl FnOnce() -> Result<T>,
    ) -> Result<Arc<T>> {
        let all = self.0.get_or_init(Mutex::default);
        let mut all = all.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(found) = all.get(&device.id()) {
            return Ok(Arc::clone(found));
        }
        let made = Arc::new(new()?);
        all.insert(device.id(), Arc::clone(&made));
        Ok(made)
    }
}

/// What shared memory a kernel is given without having asked for more.
const USUAL_SHARED_BYTES: u32 = 48 * 1024;

/// Threads of a block where each has elements of its own.
const THREADS: u32 = 256;

/// Blocks at the most where threads go on to other elements when they are done with theirs: several
/// for each multiprocessor of the largest card.
const MOST_BLOCKS: usize = 4096;

/// Where on a device something lies.
pub(super) type Address = u64;

/// A contiguous tensor on a CUDA device, held as long as something is asked of it.
pub(super) struct Held<'a> {
    storage: StorageRef<'a>,
    layout: &'a Layout,
}

/// Borrows the numbers of a tensor.
pub(super) fn hold(tensor: &Tensor) -> Result<Held<'_>> {
    let (storage, layout) = tensor.storage_and_layout();
    if !matches!(*storage, Storage::Cuda(_)) || !layout.is_contiguous() {
        bail!("the CUDA form wants contiguous tensors on its device")
    }
    Ok(Held { storage, layout })
}

impl Held<'_> {
    fn cuda(&self) -> Result<&CudaStorage> {
        match &*self.storage {
            Storage::Cuda(storage) => Ok(storage),
            _ => bail!("the CUDA form wants tensors on its device"),
        }
    }

    /// Where its first number lies.
    pub(super) fn address(&self) -> Result<Address> {
        let storage = self.cuda()?;
        let offset = self.layout.start_offset() * storage.dtype().size_in_bytes();
        Ok(start_of(storage)? + offset as Address)
    }
}

/// Where an allocation begins.
pub(super) fn start_of(storage: &CudaStorage) -> Result<Address> {
    let stream = storage.device.cuda_stream();
    // What comes with the address waits for other streams, of which there are none.
    Ok(match &storage.slice {
        CudaStorageSlice::F32(slice) => slice.device_ptr(&stream).0,
        CudaStorageSlice::F16(slice) => slice.device_ptr(&stream).0,
        CudaStorageSlice::BF16(slice) => slice.device_ptr(&stream).0,
        CudaStorageSlice::U8(slice) => slice.device_ptr(&stream).0,
        CudaStorageSlice::U32(slice) => slice.device_ptr(&stream).0,
        CudaStorageSlice::I32(slice) => slice.device_ptr(&stream).0,
        _ => bail!("the CUDA form has no kernels for {:?}", storage.dtype()),
    })
}

/// The address of a tensor that may be absent: that of nothing then.
pub(super) fn address_or_none(held: Option<&Held<'_>>) -> Result<Address> {
    held.map_or(Ok(0), Held::address)
}

/// The CUDA device that a tensor lies on.
pub(super) fn device_of(tensor: &Tensor) -> Result<&CudaDevice> {
    match tensor.device() {
        Device::Cuda(device) => Ok(device),
        _ => bail!("the CUDA form wants tensors on its device"),
    }
}

/// Numbers that are still to be written.
pub(super) struct Output {
    storage: CudaStorage,
    shape: Shape,
    address: Address,
}

impl Output {
    /// Room for a tensor.
    ///
    /// # Safety
    ///
    /// Every number must be written before [`Output::finish`].
    pub(super) unsafe fn new(
        device: &CudaDevice,
        shape: impl Into<Shape>,
        dtype: DType,
    ) -> Result<Self> {
        let shape = shape.into();
        // SAFETY: what is read of it is written before, as the caller has promised.
        let storage = unsafe { device.alloc_uninit(&shape, dtype)? };
        let address = start_of(&storage)?;
        Ok(Self {
            storage,
            shape,
            address,
        })
    }

    /// Where its first number lies.
    pub(super) fn address(&self) -> Address {
        self.address
    }

    /// The tensor, of which all has been written or asked to be.
    pub(super) fn finish(self) -> Tensor {
        let storage = Storage::Cuda(self.storage);
        Tensor::from_storage(storage, self.shape, BackpropOp::none(), false)
    }
}

/// What kernels for numbers of this kind end in.
pub(super) fn suffix(dtype: DType) -> Result<&'static str> {
    Ok(match dtype {
        DType::F32 => "f32",
        DType::F16 => "f16",
        DType::BF16 => "bf16",
        other => bail!("the CUDA form has no kernels for {other:?}"),
    })
}

/// A kernel on a device.
pub(super) struct Kernel {
    function: CudaFunction,
    stream: Arc<CudaStream>,
}

/// A kernel by its name in kernels.cu.
pub(super) fn kernel(device: &CudaDevice, name: &str) -> Result<Kernel> {
    let function = device.get_or_load_custom_func(name, "spanbench", KERNELS)?;
    Ok(Kernel {
        function: function.into_cuda_function(),
        stream: device.cuda_stream(),
    })
}

impl Kernel {
    /// A call of it, which is still to be given its arguments.
    pub(super) fn call(&self) -> LaunchArgs<'_> {
        self.stream.launch_builder(&self.function)
    }

    /// Lets it have as much shared memory as it needs.
    pub(super) fn allow_shared(&self, bytes: u32) -> Result<()> {
        if bytes > USUAL_SHARED_BYTES {
            // The attribute is the function's on the thread's own device.
            let context = self.stream.context();
            context.bind_to_thread().map_err(Error::wrap)?;
            let attribute = CUfunction_attribute::CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES;
            let bytes = i32::try_from(bytes).map_err(Error::wrap)?;
            let allowed = self.function.set_attribute(attribute, bytes);
            allowed.map_err(Error::wrap)?;
        }
        Ok(())
    }
}

/// How many numbers kernels take at once where rows have `columns`, and what their names end in.
pub(super) fn pack(dtype: DType, columns: usize) -> Result<(usize, String)> {
    let suffix = suffix(dtype)?;
    let wide = 16 / dtype.size_in_bytes();
    Ok(if columns.is_multiple_of(wide) {
        (wide, format!("{suffix}_wide"))
    } else {
        (1, suffix.to_owned())
    })
}

/// A launch where threads share out `count` elements.
pub(super) fn elements(count: usize) -> LaunchConfig {
    let blocks = count.div_ceil(THREADS as usize).clamp(1, MOST_BLOCKS);
    LaunchConfig {
        grid_dim: (blocks as u32, 1, 1),
        block_dim: (THREADS, 1, 1),
        shared_mem_bytes: 0,
    }
}

/// A launch where each warp has a row: `ROWS` of rows.cuh a block.
pub(super) fn warps(rows: usize) -> LaunchConfig {
    const ROWS: usize = 4;
    LaunchConfig {
        grid_dim: (rows.div_ceil(ROWS) as u32, 1, 1),
        block_dim: (ROWS as u32 * 32, 1, 1),
        shared_mem_bytes: 0,
    }
}

/// Starts a kernel, with the arguments it was given.
///
/// # Safety
///
/// The arguments must be those of the kernel, in their order; what they point to must be there when
/// the kernel runs, and be as large as it takes it to be.
pub(super) unsafe fn start(mut call: LaunchArgs<'_>, launch: LaunchConfig) -> Result<()> {
    if launch.grid_dim.0 == 0 {
        return Ok(());
    }
    // SAFETY: the caller has promised what the kernel relies on.
    unsafe { call.launch(launch) }.map_err(Error::wrap)?;
    Ok(())
}
