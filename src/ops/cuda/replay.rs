//! What a device was asked for a batch, recorded to be asked again at once (a CUDA graph).

use std::sync::{Arc, Mutex, PoisonError};

use candle_core::cuda_backend::CudaDevice;
use candle_core::cuda_backend::cudarc::driver::sys::{
    CUgraphInstantiate_flags, CUstreamCaptureMode, cuDeviceGraphMemTrim,
};
use candle_core::cuda_backend::cudarc::driver::{CudaGraph, CudaStream, result};
use candle_core::{DType, Device, Error, Result, Tensor, bail};

use super::launch::{Output, device_of, hold};
use super::tables::{Numbers, Tables, most_tiles};
use super::transfer::{Begun, Bringing, resend};
use crate::ops::sequences::Sequences;

/// A recording, of the numbers that a batch gives.
///
/// Kernels read the batch from a block of tables and write to a tensor that both stay where they are, and
/// are told nothing else of it but how many tokens and tiles there are: these are always the same.
pub(in crate::ops) struct Replay {
    graph: Mutex<Graph>,
    tables: Tables,
    /// `[tokens, …]` in `f32`.
    results: Tensor,
}

struct Graph(CudaGraph);

// SAFETY: a graph's handles belong to no thread; they are used by one at a time, which has the lock.
unsafe impl Send for Graph {}

impl Replay {
    /// Records what `forward` asks of a device for sequences like these. They must have been made
    /// [`Sequences::with_any_lengths`], and `forward` must read nothing else of a batch.
    ///
    /// Nothing else may be asked of the device meanwhile.
    pub(in crate::ops) fn record(
        device: &CudaDevice,
        sequences: &Sequences<'_>,
        forward: &dyn Fn(&Sequences<'_>) -> Result<Tensor>,
    ) -> Result<Self> {
        let stream = device.cuda_stream();
        if !stream.context().has_async_alloc() {
            bail!(
                "without memory pools a device takes memory at once, and not when it is asked to replay"
            )
        }
        let place = Device::Cuda(device.clone());
        let tiles = room_for(sequences);
        let sent = Tables::send(sequences, tiles, &place)?;
        let block = sent.block().clone();
        if sequences.on_device.set(sent).is_err() {
            bail!("a batch is recorded before it is computed")
        }
        // By launches first: whatever is made when it is first asked for is there then.
        let results = copy_of(&forward(sequences)?)?;
        stream.synchronize().map_err(Error::wrap)?;
        let graph = capture(&stream, || {
            let found = forward(sequences)?;
            copy(&found, &results)
        })?;
        // What the launches left there is not to be taken for what a replay gives.
        resend(&vec![0; block.elem_count()], &block)?;
        spoil(&results)?;
        Ok(Self {
            graph: Mutex::new(Graph(graph)),
            tables: Tables::in_block(block, sequences, tiles),
            results,
        })
    }

    /// Has the same computed of other sequences, as many tokens of which are in as many sequences or fewer.
    pub(in crate::ops) fn begin(&self, sequences: &Sequences<'_>) -> Result<Bringing> {
        let numbers = Numbers::of(sequences, self.tables.tiles())?;
        if numbers.tiles() != self.tables.tiles()
            || numbers.numbers.len() != self.tables.block().elem_count()
            || !self.tables.are_like(sequences)
        {
            bail!("a batch of another shape than the recorded one")
        }
        let device = device_of(&self.results)?;
        // Nobody fills the block anew before it is read.
        let graph = self.graph.lock().unwrap_or_else(PoisonError::into_inner);
        let begun = Begun::now(device)?;
        resend(&numbers.numbers, self.tables.block())?;
        graph.0.launch().map_err(Error::wrap)?;
        begun.bring(&self.results)
    }
}

/// Tiles for any sequences of as many tokens.
fn room_for(sequences: &Sequences<'_>) -> usize {
    most_tiles(sequences.tokens(), sequences.iter().count())
}

/// A tensor like `found` that stays.
fn copy_of(found: &Tensor) -> Result<Tensor> {
    let found = found.contiguous()?;
    // SAFETY: the copy writes all of it.
    let results = unsafe { Output::new(device_of(&found)?, found.shape(), found.dtype())? };
    let results = results.finish();
    copy(&found, &results)?;
    Ok(results)
}

/// Fills a tensor with what is no number.
fn spoil(results: &Tensor) -> Result<()> {
    let stream = device_of(results)?.cuda_stream();
    let bytes = results.elem_count() * results.dtype().size_in_bytes();
    // SAFETY: the tensor is as large and on this device, and belongs to the caller.
    let done = unsafe {
        result::memset_d8_async(hold(results)?.address()?, 0xff, bytes, stream.cu_stream())
    };
    done.map_err(Error::wrap)
}

/// Has numbers copied from one tensor to another of the same shape.
fn copy(from: &Tensor, into: &Tensor) -> Result<()> {
    let from = from.contiguous()?;
    if from.shape() != into.shape() || from.dtype() != DType::F32 || into.dtype() != DType::F32 {
        bail!("results are F32 and of one shape")
    }
    let stream = device_of(&from)?.cuda_stream();
    let (source, place) = (hold(&from)?, hold(into)?);
    let bytes = from.elem_count() * DType::F32.size_in_bytes();
    // SAFETY: both are as large, and on this device. What is written belongs to the caller.
    let done = unsafe {
        result::memcpy_dtod_async(
            place.address()?,
            source.address()?,
            bytes,
            stream.cu_stream(),
        )
    };
    done.map_err(Error::wrap)
}

/// Records what is asked of a stream, none of which is done.
fn capture(stream: &Arc<CudaStream>, ask: impl FnOnce() -> Result<()>) -> Result<CudaGraph> {
    // Other threads go on with what is theirs.
    let mode = CUstreamCaptureMode::CU_STREAM_CAPTURE_MODE_RELAXED;
    stream.begin_capture(mode).map_err(Error::wrap)?;
    let asked = ask();
    // What failed to give memory back is told here, and else by the next call, which must end the recording
    // whatever was before it.
    let given_back = stream.context().check_err();
    // Memory that was taken meanwhile was given back meanwhile: it is the graph's, and there each time.
    let graph = stream.end_capture(CUgraphInstantiate_flags(0));
    let asked = asked.and_then(|()| given_back.map_err(Error::wrap));
    match asked.and_then(|()| graph.map_err(Error::wrap))? {
        Some(graph) => Ok(graph),
        None => bail!("nothing was recorded"),
    }
}

/// Gives back the memory that graphs kept which are there no more.
pub(in crate::ops) fn trim(device: &CudaDevice) -> Result<()> {
    let stream = device.cuda_stream();
    stream.synchronize().map_err(Error::wrap)?;
    // SAFETY: the device is open.
    let trimmed = unsafe { cuDeviceGraphMemTrim(stream.context().cu_device()) };
    trimmed.result().map_err(Error::wrap)
}
