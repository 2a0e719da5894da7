//! Dense layers in eight bits: kernels/int8.cuh.

use candle_core::cuda_backend::cudarc::driver::{DeviceRepr, LaunchConfig, PushKernelArg};
use candle_core::{DType, Device, Error, Result, Tensor, bail};

use super::launch::{
    Address, Output, address_or_none, device_of, hold, kernel, start, suffix, warps,
};
use super::rows::code;
use crate::ops::Activation;
use crate::ops::int8::Int8Weights;
use crate::ops::span::bytes;

/// Tokens and outputs of a block: `INT8_ROWS` of int8.cuh.
const ROWS: usize = 128;

/// Inputs at a time: `INT8_DEPTH`.
const DEPTH: usize = 64;

/// Threads of a block: `INT8_THREADS`.
const THREADS: u32 = 256;

/// Shared memory of a block: three stages of two tiles, whose rows are 16 bytes longer.
const SHARED_BYTES: usize = 3 * 2 * ROWS * (DEPTH + 16);

/// Weights of a dense layer in eight bits on a CUDA device.
#[derive(Debug, Clone)]
pub(in crate::ops) struct Int8DenseWeights {
    groups: Vec<Group>,
    /// `[outputs]` in `f32`.
    bias: Option<Tensor>,
}

/// Weights of inputs that are multiplied by themselves.
#[derive(Debug, Clone)]
struct Group {
    inputs: usize,
    /// `[outputs, padded]`: the codes, as bytes; zeros beyond the inputs.
    codes: Tensor,
    /// `[outputs]` in `f32`.
    scales: Tensor,
    /// `[outputs]` in `i32`: the sums of the codes.
    sums: Tensor,
    /// What each input is multiplied by: `[inputs]` in `f32`.
    input_factors: Tensor,
}

/// `Int8Product` of int8.cuh.
#[repr(C)]
#[derive(Clone, Copy)]
struct Int8Product {
    codes: Address,
    token_scales: Address,
    zeros: Address,
    weights: Address,
    scales: Address,
    weight_sums: Address,
    bias: Address,
    tokens: i32,
    outputs: i32,
    padded: i32,
    stride: i32,
    activation: i32,
}

// SAFETY: plain numbers, in the layout of the kernels' struct.
unsafe impl DeviceRepr for Int8Product {}

impl Group {
    fn new(weights: &Int8Weights, device: &Device) -> Result<Self> {
        let outputs = weights.scales.len();
        let padded = weights.inputs.next_multiple_of(DEPTH);
        let mut codes = vec![0_u8; outputs * padded];
        let mut sums = Vec::with_capacity(outputs);
        for (into, row) in codes.chunks_exact_mut(padded).zip(weights.rows()) {
            for (into, code) in into.iter_mut().zip(row) {
                *into = code.cast_unsigned();
            }
            sums.push(row.iter().map(|&code| i32::from(code)).sum::<i32>());
        }
        Ok(Self {
            inputs: weights.inputs,
            codes: Tensor::from_vec(codes, (outputs, padded), device)?,
            scales: Tensor::from_slice(&weights.scales, outputs, device)?,
            sums: Tensor::from_vec(sums, outputs, device)?,
            input_factors: Tensor::from_slice(&weights.input_factors, weights.inputs, device)?,
        })
    }

    fn outputs(&self) -> usize {
        self.codes.dims()[0]
    }
}

impl Int8DenseWeights {
    pub(in crate::ops) fn new(
        weights: &[Int8Weights],
        bias: Option<&Tensor>,
        device: &Device,
    ) -> Result<Self> {
        let groups = weights.iter().map(|weights| Group::new(weights, device));
        Ok(Self {
            groups: groups.collect::<Result<_>>()?,
            bias: bias.map(Tensor::contiguous).transpose()?,
        })
    }

    pub(in crate::ops) fn outputs(&self) -> usize {
        self.groups.iter().map(Group::outputs).sum()
    }

    /// Weights without biases and padding.
    pub(in crate::ops) fn count(&self) -> usize {
        let groups = self.groups.iter();
        groups.map(|group| group.inputs * group.outputs()).sum()
    }

    pub(in crate::ops) fn bytes(&self) -> u64 {
        let of_group = |group: &Group| {
            let tensors = [&group.codes, &group.scales, &group.sums];
            tensors.into_iter().map(bytes).sum::<u64>() + bytes(&group.input_factors)
        };
        self.groups.iter().map(of_group).sum::<u64>() + self.bias.as_ref().map_or(0, bytes)
    }

    /// `[tokens, inputs]` to `[tokens, outputs]`.
    pub(in crate::ops) fn forward(
        &self,
        x: &Tensor,
        activation: Option<Activation>,
    ) -> Result<Tensor> {
        let (tokens, width) = x.dims2()?;
        let inputs: usize = self.groups.iter().map(|group| group.inputs).sum();
        if width != inputs {
            bail!("{width} inputs, and weights in eight bits for {inputs}")
        }
        let dtype = x.dtype();
        // SAFETY: the groups' products write all columns.
        let output = unsafe { Output::new(device_of(x)?, (tokens, self.outputs()), dtype)? };
        let (mut first_input, mut first_output) = (0, 0);
        for group in &self.groups {
            let quantized = quantize(x, first_input, group)?;
            self.multiply(
                group,
                &quantized,
                (&output, dtype),
                first_output,
                activation,
            )?;
            first_input += group.inputs;
            first_output += group.outputs();
        }
        Ok(output.finish())
    }

    /// Computes a group's columns of the output, from `first_output` on.
    fn multiply(
        &self,
        group: &Group,
        quantized: &Quantized,
        (output, dtype): (&Output, DType),
        first_output: usize,
        activation: Option<Activation>,
    ) -> Result<()> {
        let tokens = quantized.codes.dim(0)?;
        if tokens == 0 {
            return Ok(());
        }
        let (codes, scales) = (hold(&quantized.codes)?, hold(&quantized.scales)?);
        let (zeros, weights) = (hold(&quantized.zeros)?, hold(&group.codes)?);
        let (weight_scales, sums) = (hold(&group.scales)?, hold(&group.sums)?);
        let bias = self.bias.as_ref().map(hold).transpose()?;
        let after = (first_output * size_of::<f32>()) as Address;
        let product = Int8Product {
            codes: codes.address()?,
            token_scales: scales.address()?,
            zeros: zeros.address()?,
            weights: weights.address()?,
            scales: weight_scales.address()?,
            weight_sums: sums.address()?,
            bias: match address_or_none(bias.as_ref())? {
                0 => 0,
                bias => bias + after,
            },
            tokens: whole(tokens)?,
            outputs: whole(group.outputs())?,
            padded: whole(group.codes.dim(1)?)?,
            stride: whole(self.outputs())?,
            activation: activation.map_or(0, code),
        };
        let into = output.address() + (first_output * dtype.size_in_bytes()) as Address;
        let function = kernel(
            device_of(&quantized.codes)?,
            &format!("multiply_int8_{}", suffix(dtype)?),
        )?;
        function.allow_shared(SHARED_BYTES as u32)?;
        let blocks = |count: usize| count.div_ceil(ROWS) as u32;
        let launch = LaunchConfig {
            grid_dim: (blocks(group.outputs()), blocks(tokens), 1),
            block_dim: (THREADS, 1, 1),
            shared_mem_bytes: SHARED_BYTES as u32,
        };
        let mut call = function.call();
        call.arg(&product).arg(&into);
        // SAFETY: these are the kernel's arguments. All tensors are held, of the shapes that the struct says,
        // rows padded to a multiple of DEPTH; the output has room for the columns.
        unsafe { start(call, launch) }
    }
}

fn whole(number: usize) -> Result<i32> {
    i32::try_from(number).map_err(Error::wrap)
}

/// Activations in eight bits.
struct Quantized {
    /// `[tokens, padded]`.
    codes: Tensor,
    /// `[tokens]` in `f32`.
    scales: Tensor,
    /// `[tokens]` in `i32`.
    zeros: Tensor,
}

/// The inputs of a group, which are those of `x` from `first` on.
fn quantize(x: &Tensor, first: usize, group: &Group) -> Result<Quantized> {
    let (tokens, width) = x.dims2()?;
    let (device, padded) = (device_of(x)?, group.codes.dim(1)?);
    // SAFETY: each warp writes a token's, and there is one for each.
    let (codes, scales, zeros) = unsafe {
        (
            Output::new(device, (tokens, padded), DType::U8)?,
            Output::new(device, tokens, DType::F32)?,
            Output::new(device, tokens, DType::I32)?,
        )
    };
    let (held, factors) = (hold(x)?, hold(&group.input_factors)?);
    let from = held.address()? + (first * x.dtype().size_in_bytes()) as Address;
    let (factors, into) = (factors.address()?, codes.address());
    let (into_scales, into_zeros) = (scales.address(), zeros.address());
    let (stride, inputs, padded) = (whole(width)?, whole(group.inputs)?, whole(padded)?);
    let function = kernel(device, &format!("quantize_{}", suffix(x.dtype())?))?;
    let mut call = function.call();
    call.arg(&from).arg(&factors).arg(&into);
    call.arg(&into_scales).arg(&into_zeros).arg(&tokens);
    call.arg(&stride).arg(&inputs).arg(&padded);
    // SAFETY: these are the kernel's arguments; `x` has a row a token and the group's columns, a factor
    // for each of which there is, and the outputs were allocated so. All are held.
    unsafe { start(call, warps(tokens))? };
    Ok(Quantized {
        codes: codes.finish(),
        scales: scales.finish(),
        zeros: zeros.finish(),
    })
}
