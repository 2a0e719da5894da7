//! What is done to each token's features on their own: kernels/rows.cuh.

use candle_core::cuda_backend::cudarc::driver::{DeviceRepr, PushKernelArg};
use candle_core::{Device, Error, Result, Tensor, bail};

use super::launch::{
    Address, Output, address_or_none, device_of, elements, hold, kernel, pack, start, suffix, warps,
};
use super::tables::tables;
use crate::ops::Activation;
use crate::ops::rotary::{Pairing, Rotary};
use crate::ops::sequences::Sequences;

/// Tables at the most in one sum.
const MOST_TABLES: usize = 4;

/// The number of an activation in rows.cuh.
pub(super) fn code(activation: Activation) -> i32 {
    match activation {
        Activation::Gelu => 1,
        Activation::GeluTanh => 2,
        Activation::Relu => 3,
        Activation::Silu => 4,
        Activation::Tanh => 5,
    }
}

fn whole(number: usize) -> Result<i32> {
    i32::try_from(number).map_err(Error::wrap)
}

/// Fails where two tensors that are taken number by number are not alike.
fn check_alike(x: &Tensor, y: &Tensor) -> Result<()> {
    if x.shape() != y.shape() || x.dtype() != y.dtype() {
        bail!(
            "{:?} in {:?} and {:?} in {:?} are not alike",
            x.shape(),
            x.dtype(),
            y.shape(),
            y.dtype()
        )
    }
    Ok(())
}

/// The norm of `x`, or of `x + residual`; `affine` is `[2, features]` in `f32`. See
/// [`crate::ops::Norm`].
pub(in crate::ops) fn norm(
    x: &Tensor,
    residual: Option<&Tensor>,
    affine: &Tensor,
    epsilon: Option<f32>,
) -> Result<Tensor> {
    let (rows, features) = x.dims2()?;
    if affine.dims() != [2, features] {
        bail!("{features} features, and a norm of {:?}", affine.shape())
    }
    if let Some(residual) = residual {
        check_alike(x, residual)?;
    }
    // SAFETY: each warp writes a row, and there is one for each.
    let output = unsafe { Output::new(device_of(x)?, (rows, features), x.dtype())? };
    let (held, affine) = (hold(x)?, hold(affine)?);
    let residual = residual.map(hold).transpose()?;
    let (from, residual) = (held.address()?, address_or_none(residual.as_ref())?);
    let weight = affine.address()?;
    let bias: Address = weight + (features * size_of::<f32>()) as u64;
    let (into, columns, epsilon) = (output.address(), whole(features)?, epsilon.unwrap_or(-1.0));
    let function = kernel(
        device_of(x)?,
        &format!("norm_{}", pack(x.dtype(), features)?.1),
    )?;
    let mut call = function.call();
    call.arg(&from).arg(&residual).arg(&weight).arg(&bias);
    call.arg(&into).arg(&rows).arg(&columns).arg(&epsilon);
    // SAFETY: these are the kernel's arguments; shapes and dtypes were compared, and all are held.
    unsafe { start(call, warps(rows))? };
    Ok(output.finish())
}

/// See [`crate::ops::add()`].
pub(in crate::ops) fn add(x: &Tensor, y: &Tensor) -> Result<Tensor> {
    check_alike(x, y)?;
    let count = x.elem_count();
    // SAFETY: the kernel writes each number.
    let output = unsafe { Output::new(device_of(x)?, x.shape(), x.dtype())? };
    let (x_held, y_held) = (hold(x)?, hold(y)?);
    let (first, second, into) = (x_held.address()?, y_held.address()?, output.address());
    let (wide, suffix) = pack(x.dtype(), count)?;
    let packs = count / wide;
    let function = kernel(device_of(x)?, &format!("add_{suffix}"))?;
    let mut call = function.call();
    call.arg(&first).arg(&second).arg(&into).arg(&packs);
    // SAFETY: these are the kernel's arguments; all three are alike, and held.
    unsafe { start(call, elements(packs))? };
    Ok(output.finish())
}

/// See [`crate::ops::gate()`].
pub(in crate::ops) fn gate(x: &Tensor, activation: Activation) -> Result<Tensor> {
    let (rows, features) = x.dims2()?;
    if !features.is_multiple_of(2) {
        bail!("{features} features are no two halves")
    }
    let width = features / 2;
    // SAFETY: the kernel writes each number.
    let output = unsafe { Output::new(device_of(x)?, (rows, width), x.dtype())? };
    let held = hold(x)?;
    let (from, into) = (held.address()?, output.address());
    let (wide, suffix) = pack(x.dtype(), width)?;
    let (packs, columns, activation) = (rows * width / wide, whole(width)?, code(activation));
    let function = kernel(device_of(x)?, &format!("gate_{suffix}"))?;
    let mut call = function.call();
    call.arg(&from).arg(&into).arg(&packs);
    call.arg(&columns).arg(&activation);
    // SAFETY: these are the kernel's arguments; the input has twice as many columns as the output, of
    // which a pack never leaves a row.
    unsafe { start(call, elements(packs))? };
    Ok(output.finish())
}

/// Angles on a device: `[positions, pairs]` each.
#[derive(Debug, Clone)]
pub(in crate::ops) struct Angles {
    cosines: Tensor,
    sines: Tensor,
}

impl Angles {
    fn new(rotary: &Rotary, device: &Device) -> Result<Self> {
        let table = |angles: &[f32]| {
            let shape = (angles.len() / rotary.pairs.max(1), rotary.pairs);
            Tensor::from_slice(angles, shape, device)
        };
        Ok(Self {
            cosines: table(&rotary.cosines)?,
            sines: table(&rotary.sines)?,
        })
    }

    /// Those of `rotary`, made when they are first asked for.
    fn of<'a>(rotary: &'a Rotary, device: &Device) -> Result<&'a Self> {
        if let Some(angles) = rotary.on_device.get() {
            return Ok(angles);
        }
        let angles = Self::new(rotary, device)?;
        Ok(rotary.on_device.get_or_init(|| angles))
    }
}

/// `Turned` of rows.cuh.
#[repr(C)]
#[derive(Clone, Copy)]
struct Turned {
    hidden: i32,
    pairs: i32,
    parts: i32,
    halves: i32,
}

// SAFETY: plain numbers, in the layout of the kernels' struct.
unsafe impl DeviceRepr for Turned {}

/// Turns queries and keys in place: see [`crate::ops::rotate()`].
pub(in crate::ops) fn rotate(
    projected: &Tensor,
    sequences: &Sequences<'_>,
    heads: usize,
    rotary: &Rotary,
) -> Result<()> {
    let (tokens, width) = projected.dims2()?;
    let hidden = width / 3;
    let known = rotary.cosines.len() / rotary.pairs.max(1);
    if sequences.longest() > known || heads * rotary.pairs * 2 != hidden {
        let (longest, pairs) = (sequences.longest(), rotary.pairs);
        bail!(
            "{longest} tokens and angles for {known}, {hidden} features and {heads} x 2 x {pairs}"
        )
    }
    let angles = Angles::of(rotary, projected.device())?;
    let tables = tables(sequences, projected.device())?;
    let turned = Turned {
        hidden: whole(hidden)?,
        pairs: whole(rotary.pairs)?,
        parts: whole(rotary.parts())?,
        halves: i32::from(rotary.pairing == Pairing::Halves),
    };
    let (held, held_tables) = (hold(projected)?, tables.hold()?);
    let (cosines, sines) = (hold(&angles.cosines)?, hold(&angles.sines)?);
    let (into, positions) = (held.address()?, held_tables.positions());
    let (cosines, sines) = (cosines.address()?, sines.address()?);
    let function = kernel(
        device_of(projected)?,
        &format!("rotate_{}", suffix(projected.dtype())?),
    )?;
    let mut call = function.call();
    call.arg(&into).arg(&positions).arg(&cosines).arg(&sines);
    call.arg(&tokens).arg(&turned);
    let pairs = tokens * rotary.parts() * hidden / 2;
    // SAFETY: these are the kernel's arguments; each pair is one thread's, positions have angles, and
    // the caller's tensor may be overwritten.
    unsafe { start(call, elements(pairs)) }
}

/// `Lookups` of rows.cuh.
#[repr(C)]
#[derive(Clone, Copy, Default)]
struct Lookups {
    tables: [Address; MOST_TABLES],
    ids: [Address; MOST_TABLES],
    count: i32,
}

// SAFETY: plain numbers, in the layout of the kernels' struct.
unsafe impl DeviceRepr for Lookups {}

/// The sum of the tables' rows by their lists, each of which the table has or is `NO_ROW`.
pub(in crate::ops) fn sum_embeddings(
    lookups: &[(&Tensor, usize)],
    sequences: &Sequences<'_>,
) -> Result<Tensor> {
    let [(first, list), ..] = lookups else {
        bail!("no table to look up in")
    };
    if lookups.len() > MOST_TABLES {
        bail!(
            "{} tables in one sum, and at most {MOST_TABLES}",
            lookups.len()
        )
    }
    let features = first.dim(1)?;
    let lists = tables(sequences, first.device())?.hold()?;
    let (_, rows) = lists.list(*list)?;
    let held_tables = lookups.iter().map(|(table, _)| hold(table));
    let held_tables = held_tables.collect::<Result<Vec<_>>>()?;
    let mut argument = Lookups {
        count: whole(lookups.len())?,
        ..Lookups::default()
    };
    for (at, (&(table, list), held)) in lookups.iter().zip(&held_tables).enumerate() {
        let (ids, own_rows) = lists.list(list)?;
        if table.dim(1)? != features || table.dtype() != first.dtype() || own_rows != rows {
            bail!("tables of different rows in one sum")
        }
        argument.tables[at] = held.address()?;
        argument.ids[at] = ids;
    }
    // SAFETY: each warp writes a row, and there is one for each.
    let output = unsafe { Output::new(device_of(first)?, (rows, features), first.dtype())? };
    let (into, columns) = (output.address(), whole(features)?);
    let function = kernel(
        device_of(first)?,
        &format!("sum_rows_{}", suffix(first.dtype())?),
    )?;
    let mut call = function.call();
    call.arg(&argument).arg(&into).arg(&rows).arg(&columns);
    // SAFETY: these are the kernel's arguments; [`Sequences::list`] answers for the ids, all tables have
    // `features` columns, and all are held.
    unsafe { start(call, warps(rows))? };
    Ok(output.finish())
}

/// See [`crate::ops::neighbours()`].
pub(in crate::ops) fn neighbours(
    x: &Tensor,
    sequences: &Sequences<'_>,
    list: usize,
) -> Result<Tensor> {
    let (tokens, features) = x.dims2()?;
    let rows = sequences.list(list, tokens)?.len();
    let offsets = rows / tokens.max(1);
    sum_embeddings(&[(x, list)], sequences)?.reshape((tokens, offsets * features))
}

/// See [`crate::ops::beside()`].
pub(in crate::ops) fn beside(parts: &[Tensor]) -> Result<Tensor> {
    let Some(first) = parts.first() else {
        bail!("nothing to put side by side")
    };
    let (rows, dtype) = (first.dim(0)?, first.dtype());
    if parts
        .iter()
        .any(|part| part.dims().first() != Some(&rows) || part.dtype() != dtype)
    {
        bail!("matrices side by side have the same rows")
    }
    let widths = parts.iter().map(|part| part.dim(1));
    let width: usize = widths.sum::<Result<_>>()?;
    // SAFETY: the parts fill it, column by column.
    let output = unsafe { Output::new(device_of(first)?, (rows, width), dtype)? };
    let function = kernel(device_of(first)?, &format!("place_{}", suffix(dtype)?))?;
    let mut before = 0;
    for part in parts {
        let held = hold(part)?;
        let (from, into, count) = (held.address()?, output.address(), part.elem_count());
        let own = part.dim(1)?;
        let (columns, stride, first) = (whole(own)?, whole(width)?, whole(before)?);
        let mut call = function.call();
        call.arg(&from).arg(&into).arg(&count);
        call.arg(&columns).arg(&stride).arg(&first);
        // SAFETY: these are the kernel's arguments; the part has as many rows as the output, which is as
        // wide as all parts together.
        unsafe { start(call, elements(count))? };
        before += own;
    }
    Ok(output.finish())
}
