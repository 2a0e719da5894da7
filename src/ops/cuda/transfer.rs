//! Numbers on their way between the computer's memory and a device's. The device fetches and brings them
//! by itself, from memory that is pinned, in the order of its stream: nobody waits for it before its end.

use std::ffi::c_void;
use std::mem::size_of_val;
use std::slice;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use candle_core::cuda_backend::CudaDevice;
use candle_core::cuda_backend::cudarc::driver::sys::CUevent_flags;
use candle_core::cuda_backend::cudarc::driver::{CudaContext, CudaEvent, CudaStream, result};
use candle_core::{DType, Device, Error, Result, Shape, Tensor, WithDType, bail};

use super::launch::{Address, Output, PerDevice, device_of, hold};
use crate::ops::readback::Brought;

/// Bytes of each half of an outbox: the tables of several batches.
const HALF_BYTES: usize = 4 << 20;

/// Between the beginnings of what is sent.
const ALIGNMENT: usize = 16;

/// The computer's memory that a device reads and writes by itself.
struct Pinned {
    start: *mut c_void,
    bytes: usize,
    context: Arc<CudaContext>,
}

// SAFETY: the memory belongs to nobody else, and is the same from every thread.
unsafe impl Send for Pinned {}

impl Pinned {
    fn new(bytes: usize, context: &Arc<CudaContext>) -> Result<Self> {
        context.bind_to_thread().map_err(Error::wrap)?;
        // SAFETY: nothing is read of it before it is written.
        let start = unsafe { result::malloc_host(bytes, 0) }.map_err(Error::wrap)?;
        let context = Arc::clone(context);
        Ok(Self {
            start,
            bytes,
            context,
        })
    }
}

impl Drop for Pinned {
    fn drop(&mut self) {
        if self.context.bind_to_thread().is_ok() {
            // SAFETY: allocated by `new` and not freed before. Nothing can be done about a failure.
            let _ = unsafe { result::free_host(self.start) };
        }
    }
}

/// What is sent to a device: two halves of pinned memory by turns. One is filled anew when the device has
/// fetched all of it.
struct Outbox {
    memory: Pinned,
    half: usize,
    used: usize,
    /// When all that was sent of a half has been fetched.
    fetched: [Option<CudaEvent>; 2],
}

static OUTBOXES: PerDevice<Mutex<Outbox>> = PerDevice::new();

impl Outbox {
    fn new(stream: &CudaStream) -> Result<Self> {
        Ok(Self {
            memory: Pinned::new(2 * HALF_BYTES, stream.context())?,
            half: 0,
            used: 0,
            fetched: [None, None],
        })
    }

    /// Has bytes copied to a device; they may be gone when this returns.
    ///
    /// # Safety
    ///
    /// As many bytes must have been allocated at `into`, in the order of the stream.
    unsafe fn send(&mut self, bytes: &[u8], into: Address, stream: &CudaStream) -> Result<()> {
        if self.used + bytes.len() > HALF_BYTES {
            self.fetched[self.half] = Some(stream.record_event(None).map_err(Error::wrap)?);
            self.half = 1 - self.half;
            self.used = 0;
            if let Some(fetched) = self.fetched[self.half].take() {
                fetched.synchronize().map_err(Error::wrap)?;
            }
        }
        let place = self.half * HALF_BYTES + self.used;
        self.used += bytes.len().next_multiple_of(ALIGNMENT);
        stream.context().bind_to_thread().map_err(Error::wrap)?;
        // SAFETY: the place is within the memory, of which nothing is read by the device any more from
        // there on; the caller has promised the destination.
        unsafe {
            let kept = self.memory.start.cast::<u8>().add(place);
            kept.copy_from_nonoverlapping(bytes.as_ptr(), bytes.len());
            let kept = slice::from_raw_parts(kept, bytes.len());
            result::memcpy_htod_async(into, kept, stream.cu_stream()).map_err(Error::wrap)
        }
    }
}

/// A tensor of `values`, which may be gone when this returns.
pub(super) fn upload<T: WithDType>(
    values: &[T],
    shape: impl Into<Shape>,
    device: &Device,
) -> Result<Tensor> {
    let (shape, bytes) = (shape.into(), size_of_val(values));
    let Device::Cuda(cuda) = device else {
        bail!("the CUDA form wants a CUDA device")
    };
    if values.len() != shape.elem_count() {
        bail!("{} numbers for a tensor of {shape:?}", values.len())
    }
    if bytes == 0 || bytes > HALF_BYTES {
        return Tensor::from_slice(values, shape, device);
    }
    let stream = cuda.cuda_stream();
    let outbox = OUTBOXES.of(cuda, || Ok(Mutex::new(Outbox::new(&stream)?)))?;
    let mut outbox = outbox.lock().unwrap_or_else(PoisonError::into_inner);
    // SAFETY: plain numbers, all bytes of which are read; as many are written to the output, by the copy.
    unsafe {
        let output = Output::new(cuda, shape, T::DTYPE)?;
        let bytes = slice::from_raw_parts(values.as_ptr().cast(), bytes);
        outbox.send(bytes, output.address(), &stream)?;
        Ok(output.finish())
    }
}

/// Overwrites a tensor with `values`, which may be gone when this returns.
pub(super) fn resend(values: &[u32], into: &Tensor) -> Result<()> {
    let bytes = size_of_val(values);
    if into.dtype() != DType::U32 || into.elem_count() != values.len() || bytes > HALF_BYTES {
        let (count, shape) = (values.len(), into.shape());
        bail!("{count} numbers for a tensor of {shape:?}")
    }
    let device = device_of(into)?;
    let stream = device.cuda_stream();
    let outbox = OUTBOXES.of(device, || Ok(Mutex::new(Outbox::new(&stream)?)))?;
    let mut outbox = outbox.lock().unwrap_or_else(PoisonError::into_inner);
    // SAFETY: plain numbers, all bytes of which are read; the tensor has as many, and is written in the
    // order of the stream, after all that was asked of it before.
    unsafe {
        let bytes = slice::from_raw_parts(values.as_ptr().cast(), bytes);
        outbox.send(bytes, hold(into)?.address()?, &stream)
    }
}

/// Memory that results were brought in and that can be used again.
static INBOXES: PerDevice<Mutex<Vec<Pinned>>> = PerDevice::new();

/// What a device was asked from a moment on, which it notes when it comes to it.
pub(in crate::ops) struct Begun {
    started: CudaEvent,
    stream: Arc<CudaStream>,
}

/// Numbers that a device computes and will bring.
pub(in crate::ops) struct Bringing {
    /// There until it is finished.
    memory: Option<Pinned>,
    count: usize,
    started: CudaEvent,
    ended: CudaEvent,
    /// What is brought: it must be there until it has been.
    source: Tensor,
}

impl Begun {
    pub(in crate::ops) fn now(device: &CudaDevice) -> Result<Self> {
        let stream = device.cuda_stream();
        let started = note(&stream)?;
        Ok(Self { started, stream })
    }

    /// Asks for `f32` numbers, after all that was asked before.
    pub(in crate::ops) fn bring(self, values: &Tensor) -> Result<Bringing> {
        if values.dtype() != DType::F32 {
            bail!("results are brought in F32, not in {:?}", values.dtype())
        }
        let values = values.contiguous()?;
        let device = device_of(&values)?;
        let count = values.elem_count();
        let memory = inbox(device, count * size_of::<f32>(), &self.stream)?;
        let context = self.stream.context();
        context.bind_to_thread().map_err(Error::wrap)?;
        if count > 0 {
            // SAFETY: the memory holds as many numbers, and is neither read nor given away before the
            // copy is over: `Bringing` waits for it.
            unsafe {
                let into = slice::from_raw_parts_mut(memory.start.cast::<f32>(), count);
                let from = hold(&values)?.address()?;
                result::memcpy_dtoh_async(into, from, self.stream.cu_stream())
                    .map_err(Error::wrap)?;
            }
        }
        Ok(Bringing {
            memory: Some(memory),
            count,
            started: self.started,
            ended: note(&self.stream)?,
            source: values,
        })
    }
}

/// Has the device note when it has done what it was asked before.
fn note(stream: &CudaStream) -> Result<CudaEvent> {
    let event = stream.record_event(Some(CUevent_flags::CU_EVENT_DEFAULT));
    event.map_err(Error::wrap)
}

/// Memory for results, used before if there is some.
fn inbox(device: &CudaDevice, bytes: usize, stream: &CudaStream) -> Result<Pinned> {
    let kept = INBOXES.of(device, || Ok(Mutex::default()))?;
    let mut kept = kept.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(place) = kept.iter().position(|memory| memory.bytes >= bytes) {
        return Ok(kept.swap_remove(place));
    }
    // What is too small now is so again: batches are mostly of one size.
    kept.pop();
    Pinned::new(bytes.next_power_of_two(), stream.context())
}

impl Bringing {
    /// Waits for the numbers; the device was busy with them from [`Begun::now`] on.
    pub(in crate::ops) fn finish(mut self) -> Result<Brought> {
        let was_over = self.ended.is_complete();
        let Some(memory) = self.memory.take() else {
            bail!("these results were taken before")
        };
        if let Err(fault) = self.ended.synchronize() {
            // Whether the device still writes there is not known any more.
            std::mem::forget(memory);
            return Err(Error::wrap(fault));
        }
        let elapsed_ms = self.started.elapsed_ms(&self.ended);
        let elapsed_ms = f64::from(elapsed_ms.map_err(Error::wrap)?);
        // SAFETY: the device has written all of them.
        let values = unsafe { slice::from_raw_parts(memory.start.cast::<f32>(), self.count) };
        let values = values.to_vec();
        let kept = INBOXES.of(device_of(&self.source)?, || Ok(Mutex::default()))?;
        let mut kept = kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.push(memory);
        Ok(Brought {
            values,
            device_time: Some(Duration::from_secs_f64(elapsed_ms / 1e3)),
            was_over,
        })
    }
}

impl Drop for Bringing {
    fn drop(&mut self) {
        if let Some(memory) = self.memory.take()
            && self.ended.synchronize().is_err()
        {
            std::mem::forget(memory);
        }
    }
}
