//! Multiply-adds on registers alone: the processor's own ceiling; and the like in eight bits.

use std::hint::black_box;
use std::time::Duration;

use pulp::{Arch, Simd, WithSimd};

use super::best_rate;
use crate::ops::int8_tiles;

/// Tiles in one repetition.
const TILES: u64 = 64;

/// Steps of the chains in one repetition.
const STEPS: u64 = 1 << 14;

/// Operations a second of all threads of the current pool together.
pub(super) fn fma_peak(time: Duration) -> f64 {
    let arch = Arch::new();
    let flops = arch.dispatch(Chains { steps: 1 }) * STEPS as f64;
    let threads = rayon::current_num_threads() as f64;
    best_rate(flops * threads, time, |repetitions| {
        rayon::broadcast(|_| {
            arch.dispatch(Chains {
                steps: STEPS * repetitions,
            })
        });
    })
}

/// Operations in eight bits a second of all threads of the current pool together.
pub(super) fn int8_peak(time: Duration) -> f64 {
    let threads = rayon::current_num_threads() as f64;
    let operations = int8_tiles(TILES) * threads;
    best_rate(operations, time, |repetitions| {
        rayon::broadcast(|_| int8_tiles(TILES * repetitions));
    })
}

/// Chains of multiply-adds that do not depend on each other; gives the operations they are.
struct Chains {
    steps: u64,
}

impl WithSimd for Chains {
    type Output = f64;

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) -> f64 {
        // Processors finish up to four vectors a cycle, each four or five cycles after its
        // start: as many chains as registers have room for, beside the factor and the addend.
        if S::REGISTER_COUNT >= 32 {
            chains::<S, 24>(simd, self.steps)
        } else {
            chains::<S, 12>(simd, self.steps)
        }
    }
}

#[inline(always)]
fn chains<S: Simd, const CHAINS: usize>(simd: S, steps: u64) -> f64 {
    // Towards 1 from wherever they begin: neither overflow nor subnormal numbers.
    let factor = simd.splat_f32s(black_box(0.75));
    let addend = simd.splat_f32s(black_box(0.25));
    let mut values: [S::f32s; CHAINS] =
        std::array::from_fn(|chain| simd.splat_f32s(black_box(chain as f32)));
    for _ in 0..steps {
        for value in &mut values {
            *value = simd.mul_add_e_f32s(*value, factor, addend);
        }
    }
    let mut sum = simd.splat_f32s(0.0);
    for value in values {
        sum = simd.add_f32s(sum, value);
    }
    // Without it nothing would have to be computed.
    black_box(simd.reduce_sum_f32s(sum));
    2.0 * (S::F32_LANES * CHAINS) as f64 * steps as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn operations_are_two_a_lane_chain_and_step() {
        assert_eq!(
            pulp::Scalar::new().vectorize(Chains { steps: 7 }),
            2.0 * 12.0 * 7.0
        );
        let one = Arch::new().dispatch(Chains { steps: 1 });
        assert_eq!(Arch::new().dispatch(Chains { steps: 10 }), 10.0 * one);
    }
}
