//! Attention: kernels/attention.cuh and attention_f32.cuh.

use std::mem::size_of;

use candle_core::cuda_backend::cudarc::driver::{DeviceRepr, LaunchConfig, PushKernelArg};
use candle_core::{DType, Error, Result, Tensor, bail};

use super::launch::{Held, Output, address_or_none, device_of, hold, kernel, start, suffix};
use super::product::{Operand, Product, multiply};
use super::tables::tables;
use crate::ops::attention::{Attention, PositionTerms};
use crate::ops::sequences::Sequences;

/// Queries of a block, and keys at a time.
pub(super) const QUERIES: usize = 64;

/// The widths of heads there are kernels for; narrower ones are filled up with zeros.
const WIDTHS: [usize; 4] = [32, 64, 96, 128];

/// `Heads` of scores.cuh.
#[repr(C)]
#[derive(Clone, Copy)]
struct Heads {
    hidden: i32,
    size: i32,
    tokens: i32,
    scale: f32,
}

// SAFETY: plain numbers, in the layout of the kernels' struct.
unsafe impl DeviceRepr for Heads {}

/// `Additions` of scores.cuh.
#[repr(C)]
#[derive(Clone, Copy)]
struct Additions {
    bias: u64,
    content_to_position: u64,
    position_to_content: u64,
    row_of_distance: u64,
    longest: i32,
    rows_longest: i32,
    rows: i32,
    reach: i32,
}

// SAFETY: plain numbers, in the layout of the kernels' struct.
unsafe impl DeviceRepr for Additions {}

/// See [`crate::ops::attention()`].
pub(in crate::ops) fn attention(
    projected: &Tensor,
    sequences: &Sequences<'_>,
    attention: &Attention<'_>,
) -> Result<Tensor> {
    let (tokens, width) = projected.dims2()?;
    let (hidden, heads) = (width / 3, attention.heads);
    let size = hidden / heads;
    let Some(width) = WIDTHS.into_iter().find(|&width| size <= width) else {
        bail!("heads of {size} features: the CUDA form has up to 128, --ops portable has all")
    };
    let device = device_of(projected)?;
    let dtype = projected.dtype();
    let tables = tables(sequences, projected.device())?;
    let added = Added::new(projected, attention)?;
    let (input, held_tables) = (hold(projected)?, tables.hold()?);
    let whole = |number: usize| i32::try_from(number).map_err(Error::wrap);
    let heads_argument = Heads {
        hidden: whole(hidden)?,
        size: whole(size)?,
        tokens: whole(tokens)?,
        scale: attention.scale,
    };
    let held = added.hold()?;
    let additions = added.argument(&held, attention)?;
    // SAFETY: the tiles are all tokens, each once, and the kernel writes all heads of their queries.
    let output = unsafe { Output::new(device, (tokens, hidden), dtype)? };
    let name = format!("attention_{}_{width}", suffix(dtype)?);
    let function = kernel(device, &name)?;
    let launch = LaunchConfig {
        grid_dim: (tables.tiles() as u32, heads as u32, 1),
        ..block(dtype, width)
    };
    function.allow_shared(launch.shared_mem_bytes)?;
    let (from, into, tiles) = (input.address()?, output.address(), held_tables.tiles());
    let mut call = function.call();
    call.arg(&from).arg(&into).arg(&tiles);
    call.arg(&heads_argument).arg(&additions);
    // SAFETY: these are the kernel's arguments. Tiles name tokens of `projected`, of which there are as
    // many rows of the output; tables are as large as `Added` says and are held, as is the input.
    unsafe { start(call, launch)? };
    Ok(output.finish())
}

/// Threads and shared memory of a block: what the kernels' `shared_bytes` and `shared_floats` say.
fn block(dtype: DType, width: usize) -> LaunchConfig {
    let (threads, shared) = if dtype == DType::F32 {
        let numbers = 3 * width * QUERIES + QUERIES * (QUERIES + 4);
        (256, numbers * size_of::<f32>())
    } else {
        (128, 5 * QUERIES * (width + 8) * 2)
    };
    LaunchConfig {
        grid_dim: (1, 1, 1),
        block_dim: (threads, 1, 1),
        shared_mem_bytes: shared as u32,
    }
}

/// The tables of what is added to the scores.
#[derive(Default)]
struct Added {
    bias: Option<Tensor>,
    content_to_position: Option<Tensor>,
    position_to_content: Option<Tensor>,
    row_of_distance: Option<Tensor>,
}

impl Added {
    fn new(projected: &Tensor, attention: &Attention<'_>) -> Result<Self> {
        let mut added = Self {
            bias: attention.bias.map(|bias| bias.by_distance.clone()),
            ..Self::default()
        };
        if let Some(terms) = attention.disentangled {
            // Queries are multiplied by the scale with what they are multiplied by.
            let keys = terms.position_keys;
            let keys = keys.map(|keys| products(projected, 0, keys, attention, attention.scale));
            added.content_to_position = keys.transpose()?;
            let queries = terms.position_queries;
            let queries = queries.map(|queries| products(projected, 1, queries, attention, 1.0));
            added.position_to_content = queries.transpose()?;
            added.row_of_distance = Some(terms.rows.on_device(projected.device())?.clone());
        }
        Ok(added)
    }

    /// The tables, in the order of the kernels' struct.
    fn hold(&self) -> Result<[Option<Held<'_>>; 4]> {
        fn held(table: Option<&Tensor>) -> Result<Option<Held<'_>>> {
            table.map(hold).transpose()
        }
        Ok([
            held(self.bias.as_ref())?,
            held(self.content_to_position.as_ref())?,
            held(self.position_to_content.as_ref())?,
            held(self.row_of_distance.as_ref())?,
        ])
    }

    fn argument(
        &self,
        held: &[Option<Held<'_>>; 4],
        attention: &Attention<'_>,
    ) -> Result<Additions> {
        let whole = |number: usize| i32::try_from(number).map_err(Error::wrap);
        let [
            bias,
            content_to_position,
            position_to_content,
            row_of_distance,
        ] = held;
        let products = self.content_to_position.as_ref();
        let products = products.or(self.position_to_content.as_ref());
        let terms = attention.disentangled;
        Ok(Additions {
            bias: address_or_none(bias.as_ref())?,
            content_to_position: address_or_none(content_to_position.as_ref())?,
            position_to_content: address_or_none(position_to_content.as_ref())?,
            row_of_distance: address_or_none(row_of_distance.as_ref())?,
            longest: whole(attention.bias.map_or(0, |bias| bias.longest))?,
            rows_longest: whole(terms.map_or(0, |terms| terms.rows.longest))?,
            rows: whole(products.map_or(Ok(0), |products| products.dim(2))?)?,
            reach: attention.reach.map_or(Ok(-1), whole)?,
        })
    }
}

/// Products of the queries (`part` 0) or keys (1) of each head with positions: `[heads, tokens, rows]`.
fn products(
    projected: &Tensor,
    part: usize,
    positions: &PositionTerms,
    attention: &Attention<'_>,
    scale: f32,
) -> Result<Tensor> {
    let (tokens, width) = projected.dims2()?;
    let (heads, size, rows) = positions.columns.dims3()?;
    if heads != attention.heads || heads * size * 3 != width {
        bail!("positions of {heads} heads of {size} features, and queries of {width} / 3")
    }
    let (content, columns) = (hold(projected)?, hold(&positions.columns)?);
    let dtype = projected.dtype();
    // SAFETY: the product writes all of it.
    let output = unsafe { Output::new(device_of(projected)?, (heads, tokens, rows), dtype)? };
    let content_start = part * width / 3 * dtype.size_in_bytes();
    let product = Product {
        outputs: rows,
        tokens,
        inputs: size,
        batch: heads,
        scale,
        dtype,
        weight: Operand {
            address: columns.address()?,
            row: rows,
            step: size * rows,
        },
        weight_by_inputs: true,
        x: Operand {
            address: content.address()? + content_start as u64,
            row: width,
            step: size,
        },
        result: Operand {
            address: output.address(),
            row: rows,
            step: tokens * rows,
        },
        bias: None,
    };
    // SAFETY: operands are as large as their shapes say, which were compared, and are held.
    unsafe { multiply(device_of(projected)?, &product)? };
    Ok(output.finish())
}
