//! Rotary position embeddings in place.

use candle_core::{CpuStorage, InplaceOp1, Layout, Result, Tensor, bail};

use super::contiguous_mut;
use super::elementwise::{RowKernel, for_rows};
use super::simd::Simd;
use crate::ops::rotary::{Pairing, Rotary};

struct Rotate<'a> {
    positions: &'a [u32],
    heads: usize,
    rotary: &'a Rotary,
}

/// See [`crate::ops::rotate()`].
pub(in crate::ops) fn rotate(
    projected: &Tensor,
    positions: &[u32],
    heads: usize,
    rotary: &Rotary,
) -> Result<()> {
    let known = rotary.cosines.len() / rotary.pairs;
    if let Some(position) = positions.iter().find(|&&at| at as usize >= known) {
        bail!("position {position} has no angles in a table of {known}")
    }
    projected.inplace_op1(&Rotate {
        positions,
        heads,
        rotary,
    })
}

impl InplaceOp1 for Rotate<'_> {
    fn name(&self) -> &'static str {
        "rotate"
    }

    fn cpu_fwd(&self, storage: &mut CpuStorage, layout: &Layout) -> Result<()> {
        let width = layout.shape().dims2()?.1;
        for_rows(contiguous_mut(storage, layout)?, width, self);
        Ok(())
    }
}

impl RowKernel for Rotate<'_> {
    #[inline(always)]
    fn apply<S: Simd>(&self, _: S, row: usize, values: &mut [f32]) {
        let pairs = self.rotary.pairs;
        let start = self.positions[row] as usize * pairs;
        let cosines = &self.rotary.cosines[start..start + pairs];
        let sines = &self.rotary.sines[start..start + pairs];
        let turned = self.rotary.parts() * self.heads;
        for head in values.chunks_exact_mut(2 * pairs).take(turned) {
            match self.rotary.pairing {
                Pairing::Halves => {
                    let (first, second) = head.split_at_mut(pairs);
                    for pair in 0..pairs {
                        let (a, b) = (first[pair], second[pair]);
                        first[pair] = a * cosines[pair] - b * sines[pair];
                        second[pair] = b * cosines[pair] + a * sines[pair];
                    }
                }
                Pairing::Neighbours => {
                    let (features, _) = head.as_chunks_mut::<2>();
                    for (pair, [first, second]) in features.iter_mut().enumerate() {
                        let (a, b) = (*first, *second);
                        *first = a * cosines[pair] - b * sines[pair];
                        *second = b * cosines[pair] + a * sines[pair];
                    }
                }
            }
        }
    }
}
