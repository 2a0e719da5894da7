//! What stands for the CUDA form in a build without it. None of it is ever reached: such a build opens
//! no device that the form would be chosen for.

use candle_core::{CudaDevice, Device, Result, Tensor, bail};

use crate::ops::int8::Int8Weights;
use crate::ops::readback::Brought;
use crate::ops::rotary::Rotary;
use crate::ops::sequences::Sequences;
use crate::ops::{Activation, Attention};

/// Of the sequences.
#[derive(Debug)]
pub(in crate::ops) enum Tables {}

/// Of a rotary embedding.
#[derive(Debug, Clone)]
pub(in crate::ops) enum Angles {}

/// Of a dense layer.
#[derive(Debug, Clone)]
pub(in crate::ops) enum DenseWeights {}

pub(in crate::ops) fn has_kernels_for(_: &Device) -> bool {
    false
}

fn absent<T>() -> Result<T> {
    bail!("this build computes on no CUDA device")
}

/// Of a dense layer in eight bits.
#[derive(Debug, Clone)]
pub(in crate::ops) enum Int8DenseWeights {}

impl Int8DenseWeights {
    pub(in crate::ops) fn new(_: &[Int8Weights], _: Option<&Tensor>, _: &Device) -> Result<Self> {
        absent()
    }

    pub(in crate::ops) fn outputs(&self) -> usize {
        match *self {}
    }

    pub(in crate::ops) fn count(&self) -> usize {
        match *self {}
    }

    pub(in crate::ops) fn bytes(&self) -> u64 {
        match *self {}
    }

    pub(in crate::ops) fn forward(&self, _: &Tensor, _: Option<Activation>) -> Result<Tensor> {
        match *self {}
    }
}

impl DenseWeights {
    pub(in crate::ops) fn new(_: &Tensor, _: Option<&Tensor>, _: usize) -> Result<Self> {
        absent()
    }

    pub(in crate::ops) fn outputs(&self) -> usize {
        match *self {}
    }

    pub(in crate::ops) fn count(&self) -> usize {
        match *self {}
    }

    pub(in crate::ops) fn bytes(&self) -> u64 {
        match *self {}
    }

    pub(in crate::ops) fn forward(&self, _: &Tensor, _: Option<Activation>) -> Result<Tensor> {
        match *self {}
    }
}

/// What a device was asked.
pub(in crate::ops) enum Begun {}

/// What it will bring.
pub(in crate::ops) enum Bringing {}

impl Begun {
    pub(in crate::ops) fn now(_: &CudaDevice) -> Result<Self> {
        absent()
    }

    pub(in crate::ops) fn bring(self, _: &Tensor) -> Result<Bringing> {
        match self {}
    }
}

impl Bringing {
    pub(in crate::ops) fn finish(self) -> Result<Brought> {
        match self {}
    }
}

/// What a device has recorded.
pub(in crate::ops) enum Replay {}

impl Replay {
    pub(in crate::ops) fn record(
        _: &CudaDevice,
        _: &Sequences<'_>,
        _: &dyn Fn(&Sequences<'_>) -> Result<Tensor>,
    ) -> Result<Self> {
        absent()
    }

    pub(in crate::ops) fn begin(&self, _: &Sequences<'_>) -> Result<Bringing> {
        match *self {}
    }
}

pub(in crate::ops) fn trim(_: &CudaDevice) -> Result<()> {
    absent()
}

pub(in crate::ops) fn attention(
    _: &Tensor,
    _: &Sequences<'_>,
    _: &Attention<'_>,
) -> Result<Tensor> {
    absent()
}

pub(in crate::ops) fn norm(
    _: &Tensor,
    _: Option<&Tensor>,
    _: &Tensor,
    _: Option<f32>,
) -> Result<Tensor> {
    absent()
}

pub(in crate::ops) fn add(_: &Tensor, _: &Tensor) -> Result<Tensor> {
    absent()
}

pub(in crate::ops) fn gate(_: &Tensor, _: Activation) -> Result<Tensor> {
    absent()
}

pub(in crate::ops) fn rotate(_: &Tensor, _: &Sequences<'_>, _: usize, _: &Rotary) -> Result<()> {
    absent()
}

pub(in crate::ops) fn sum_embeddings(_: &[(&Tensor, usize)], _: &Sequences<'_>) -> Result<Tensor> {
    absent()
}

pub(in crate::ops) fn neighbours(_: &Tensor, _: &Sequences<'_>, _: usize) -> Result<Tensor> {
    absent()
}

pub(in crate::ops) fn beside(_: &[Tensor]) -> Result<Tensor> {
    absent()
}
