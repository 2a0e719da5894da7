//! The instruction sets that products in eight bits are made with.

#[cfg(all(target_arch = "x86_64", target_os = "linux"))]
use super::amx;
use super::kernel::{Dot, Outputs};
use super::rows::RowScale;

/// Which instructions multiply. A value of this type stands for a processor that has them: it is
/// made by [`Instructions::best`] and its like alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Instructions(Set);

/// All that there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Set {
    #[cfg(all(target_arch = "x86_64", target_os = "linux"))]
    Amx,
    #[cfg(target_arch = "x86_64")]
    Avx512Vnni,
    #[cfg(target_arch = "x86_64")]
    AvxVnni,
    #[cfg(target_arch = "x86_64")]
    Avx2,
    #[cfg(target_arch = "aarch64")]
    DotProduct,
    Scalar,
}

impl Set {
    /// From the best to that which every processor has.
    const ALL: &[Self] = &[
        #[cfg(all(target_arch = "x86_64", target_os = "linux"))]
        Self::Amx,
        #[cfg(target_arch = "x86_64")]
        Self::Avx512Vnni,
        #[cfg(target_arch = "x86_64")]
        Self::AvxVnni,
        #[cfg(target_arch = "x86_64")]
        Self::Avx2,
        #[cfg(target_arch = "aarch64")]
        Self::DotProduct,
        Self::Scalar,
    ];

    /// Whether this processor has it.
    fn is_here(self) -> bool {
        match self {
            Self::Scalar => true,
            #[cfg(all(target_arch = "x86_64", target_os = "linux"))]
            Self::Amx => Self::Avx512Vnni.is_here() && amx::is_here(),
            #[cfg(target_arch = "x86_64")]
            Self::Avx512Vnni => {
                is_x86_feature_detected!("avx512f")
                    && is_x86_feature_detected!("avx512bw")
                    && is_x86_feature_detected!("avx512dq")
                    && is_x86_feature_detected!("avx512vl")
                    && is_x86_feature_detected!("avx512vnni")
            }
            #[cfg(target_arch = "x86_64")]
            Self::AvxVnni => {
                is_x86_feature_detected!("avx2") && is_x86_feature_detected!("avxvnni")
            }
            #[cfg(target_arch = "x86_64")]
            Self::Avx2 => is_x86_feature_detected!("avx2"),
            #[cfg(target_arch = "aarch64")]
            Self::DotProduct => std::arch::is_aarch64_feature_detected!("dotprod"),
        }
    }
}

impl Instructions {
    /// The best that this processor has.
    pub(super) fn best() -> Self {
        let mut all = Set::ALL.iter().copied();
        Self(all.find(|set| set.is_here()).unwrap_or(Set::Scalar))
    }

    /// Plain Rust.
    #[cfg(test)]
    pub(super) const SCALAR: Self = Self(Set::Scalar);

    /// Which they are.
    pub(super) fn set(self) -> Set {
        self.0
    }

    /// All that this processor has.
    #[cfg(test)]
    pub(super) fn all() -> Vec<Self> {
        let all = Set::ALL.iter().copied();
        all.filter(|set| set.is_here()).map(Self).collect()
    }

    /// As records have it.
    pub(super) fn name(self) -> &'static str {
        match self.0 {
            #[cfg(all(target_arch = "x86_64", target_os = "linux"))]
            Set::Amx => "amx-int8",
            #[cfg(target_arch = "x86_64")]
            Set::Avx512Vnni => "avx512-vnni",
            #[cfg(target_arch = "x86_64")]
            Set::AvxVnni => "avx-vnni",
            #[cfg(target_arch = "x86_64")]
            Set::Avx2 => "avx2",
            #[cfg(target_arch = "aarch64")]
            Set::DotProduct => "neon-dotprod",
            Set::Scalar => "scalar",
        }
    }
}

/// Plain Rust, which every processor has, and the twin that the others are tested against.
pub(super) struct Scalar;

impl Dot for Scalar {
    type Input = i16;
    type Vector = [i32; 4];
    type Factors = [i32; 4];
    const LANES: usize = 4;
    const STEP: usize = 1;
    const VECTORS: usize = 2;
    const ROWS: usize = 4;

    #[inline(always)]
    fn input(code: u8, zero: u8) -> i16 {
        i16::from(code) - i16::from(zero)
    }

    #[inline(always)]
    fn offset(_: u8) -> i32 {
        0
    }

    #[inline(always)]
    unsafe fn zero() -> [i32; 4] {
        [0; 4]
    }

    #[inline(always)]
    unsafe fn weights(from: *const i8, _: usize) -> [i32; 4] {
        // SAFETY: there are four weights, as the caller grants.
        unsafe { from.cast::<[i8; 4]>().read_unaligned() }.map(i32::from)
    }

    #[inline(always)]
    unsafe fn inputs(from: *const i16) -> [i32; 4] {
        // SAFETY: there is an input, as the caller grants.
        [i32::from(unsafe { *from }); 4]
    }

    #[inline(always)]
    unsafe fn add(mut sums: [i32; 4], inputs: [i32; 4], weights: [i32; 4]) -> [i32; 4] {
        for ((sum, input), weight) in sums.iter_mut().zip(inputs).zip(weights) {
            *sum += input * weight;
        }
        sums
    }

    #[inline(always)]
    unsafe fn finish(sums: [i32; 4], outputs: Outputs, row: RowScale, to: *mut f32) {
        for (lane, sum) in sums.into_iter().enumerate() {
            // SAFETY: there are four outputs, as the caller grants.
            unsafe {
                let sum = sum - row.offset * *outputs.sums.add(lane);
                let scaled = sum as f32 * *outputs.scales.add(lane);
                to.add(lane)
                    .write(scaled * row.scale + *outputs.bias.add(lane));
            }
        }
    }
}

#[cfg(target_arch = "x86_64")]
pub(super) use x86::{Avx2, Avx512Vnni, AvxVnni};

#[cfg(target_arch = "x86_64")]
mod x86 {
    #[allow(clippy::wildcard_imports)] // Their names say where they are from.
    use std::arch::x86_64::*;

    use super::{Dot, Outputs, RowScale};

    /// `vpdpbusd` on 16 sums: four unsigned inputs times four signed weights.
    pub(in super::super) struct Avx512Vnni;

    /// The same on eight, of processors without AVX-512.
    pub(in super::super) struct AvxVnni;

    /// `vpmaddubsw`, whose sums of two products would be cut off at 16 bits, and sums of two of these
    /// sums wrap around, were it not for what [`Int8Weights`](crate::ops::int8) keeps weights to; and
    /// then these in pairs.
    pub(in super::super) struct Avx2;

    macro_rules! unsigned_input {
        () => {
            type Input = u8;

            #[inline(always)]
            fn input(code: u8, _: u8) -> u8 {
                code
            }

            #[inline(always)]
            fn offset(zero: u8) -> i32 {
                i32::from(zero)
            }
        };
    }

    impl Dot for Avx512Vnni {
        unsigned_input!();
        type Vector = __m512i;
        type Factors = __m512i;
        const LANES: usize = 16;
        const STEP: usize = 4;
        const VECTORS: usize = 3;
        const ROWS: usize = 9;

        #[inline(always)]
        unsafe fn zero() -> __m512i {
            // SAFETY: the processor has AVX-512, as the caller grants.
            unsafe { _mm512_setzero_si512() }
        }

        #[inline(always)]
        unsafe fn weights(from: *const i8, _: usize) -> __m512i {
            // SAFETY: there are 64 weights, as the caller grants; read unaligned.
            unsafe { _mm512_loadu_si512(from.cast()) }
        }

        #[inline(always)]
        unsafe fn inputs(from: *const u8) -> __m512i {
            // SAFETY: there are four inputs, as the caller grants; read unaligned.
            unsafe { _mm512_set1_epi32(from.cast::<i32>().read_unaligned()) }
        }

        #[inline(always)]
        unsafe fn add(sums: __m512i, inputs: __m512i, weights: __m512i) -> __m512i {
            // SAFETY: the processor has VNNI, as the caller grants.
            unsafe { _mm512_dpbusd_epi32(sums, inputs, weights) }
        }

        #[inline(always)]
        unsafe fn finish(sums: __m512i, outputs: Outputs, row: RowScale, to: *mut f32) {
            // SAFETY: there are 16 outputs, as the caller grants; read and written unaligned.
            unsafe {
                let weights = _mm512_loadu_si512(outputs.sums.cast());
                let zero = _mm512_mullo_epi32(weights, _mm512_set1_epi32(row.offset));
                let sums = _mm512_cvtepi32_ps(_mm512_sub_epi32(sums, zero));
                let scaled = _mm512_mul_ps(sums, _mm512_loadu_ps(outputs.scales));
                let scaled = _mm512_mul_ps(scaled, _mm512_set1_ps(row.scale));
                _mm512_storeu_ps(to, _mm512_add_ps(scaled, _mm512_loadu_ps(outputs.bias)));
            }
        }
    }

    /// What all that make eight sums of four unsigned inputs each have in common.
    macro_rules! eight_sums {
        () => {
            unsigned_input!();
            type Vector = __m256i;
            const LANES: usize = 8;
            const STEP: usize = 4;
            const VECTORS: usize = 2;

            #[inline(always)]
            unsafe fn zero() -> __m256i {
                // SAFETY: the processor has AVX2, as the caller grants.
                unsafe { _mm256_setzero_si256() }
            }

            #[inline(always)]
            unsafe fn finish(sums: __m256i, outputs: Outputs, row: RowScale, to: *mut f32) {
                // SAFETY: there are eight outputs, as the caller grants; read and written unaligned.
                unsafe {
                    let weights = _mm256_loadu_si256(outputs.sums.cast());
                    let zero = _mm256_mullo_epi32(weights, _mm256_set1_epi32(row.offset));
                    let sums = _mm256_cvtepi32_ps(_mm256_sub_epi32(sums, zero));
                    let scaled = _mm256_mul_ps(sums, _mm256_loadu_ps(outputs.scales));
                    let scaled = _mm256_mul_ps(scaled, _mm256_set1_ps(row.scale));
                    _mm256_storeu_ps(to, _mm256_add_ps(scaled, _mm256_loadu_ps(outputs.bias)));
                }
            }
        };
    }

    impl Dot for AvxVnni {
        eight_sums!();
        type Factors = __m256i;
        const ROWS: usize = 6;

        #[inline(always)]
        unsafe fn weights(from: *const i8, _: usize) -> __m256i {
            // SAFETY: there are 32 weights, as the caller grants; read unaligned.
            unsafe { _mm256_loadu_si256(from.cast()) }
        }

        #[inline(always)]
        unsafe fn inputs(from: *const u8) -> __m256i {
            // SAFETY: there are four inputs, as the caller grants; read unaligned.
            unsafe { _mm256_set1_epi32(from.cast::<i32>().read_unaligned()) }
        }

        #[inline(always)]
        unsafe fn add(sums: __m256i, inputs: __m256i, weights: __m256i) -> __m256i {
            // SAFETY: the processor has AVX-VNNI, as the caller grants.
            unsafe { _mm256_dpbusd_avx_epi32(sums, inputs, weights) }
        }
    }

    impl Dot for Avx2 {
        eight_sums!();
        type Factors = [__m256i; 2];
        const STEPS: usize = 2;
        const ROWS: usize = 3;

        #[inline(always)]
        unsafe fn weights(from: *const i8, apart: usize) -> [__m256i; 2] {
            // SAFETY: there are twice 32 weights, as the caller grants; read unaligned.
            unsafe { [0, apart].map(|at| _mm256_loadu_si256(from.add(at).cast())) }
        }

        #[inline(always)]
        unsafe fn inputs(from: *const u8) -> [__m256i; 2] {
            // SAFETY: there are twice four inputs, as the caller grants; read unaligned.
            unsafe {
                [0, 4].map(|at| _mm256_set1_epi32(from.add(at).cast::<i32>().read_unaligned()))
            }
        }

        #[inline(always)]
        unsafe fn add(sums: __m256i, inputs: [__m256i; 2], weights: [__m256i; 2]) -> __m256i {
            // SAFETY: the processor has AVX2, as the caller grants.
            unsafe {
                let [first, second] =
                    [0, 1].map(|at| _mm256_maddubs_epi16(inputs[at], weights[at]));
                let fours = _mm256_add_epi16(first, second);
                _mm256_add_epi32(sums, _mm256_madd_epi16(fours, _mm256_set1_epi16(1)))
            }
        }
    }
}

#[cfg(target_arch = "aarch64")]
pub(super) use neon::DotProduct;

#[cfg(target_arch = "aarch64")]
mod neon {
    #[allow(clippy::wildcard_imports)] // Their names say where they are from.
    use std::arch::aarch64::*;
    use std::arch::asm;

    use super::{Dot, Outputs, RowScale};

    /// `sdot` on four sums: four signed inputs times four signed weights.
    pub(in super::super) struct DotProduct;

    impl Dot for DotProduct {
        type Input = i8;
        type Vector = int32x4_t;
        type Factors = int32x4_t;
        const LANES: usize = 4;
        const STEP: usize = 4;
        const VECTORS: usize = 3;
        const ROWS: usize = 8;

        #[inline(always)]
        fn input(code: u8, _: u8) -> i8 {
            // The code less 128: the same bits but the highest.
            (code ^ 128).cast_signed()
        }

        #[inline(always)]
        fn offset(zero: u8) -> i32 {
            i32::from(zero) - 128
        }

        #[inline(always)]
        unsafe fn zero() -> int32x4_t {
            // SAFETY: the processor has NEON, as the caller grants.
            unsafe { vdupq_n_s32(0) }
        }

        #[inline(always)]
        unsafe fn weights(from: *const i8, _: usize) -> int32x4_t {
            // SAFETY: there are 16 weights, as the caller grants.
            unsafe { vreinterpretq_s32_s8(vld1q_s8(from)) }
        }

        #[inline(always)]
        unsafe fn inputs(from: *const i8) -> int32x4_t {
            // SAFETY: there are four inputs, as the caller grants; read unaligned.
            unsafe { vdupq_n_s32(from.cast::<i32>().read_unaligned()) }
        }

        #[inline(always)]
        unsafe fn add(mut sums: int32x4_t, inputs: int32x4_t, weights: int32x4_t) -> int32x4_t {
            // SAFETY: the processor has the dot product, as the caller grants. The instruction
            // changes nothing but its first register. (Its intrinsic is not stable yet.)
            unsafe {
                asm!(
                    ".arch_extension dotprod",
                    "sdot {sums:v}.4s, {inputs:v}.16b, {weights:v}.16b",
                    sums = inout(vreg) sums,
                    inputs = in(vreg) inputs,
                    weights = in(vreg) weights,
                    options(pure, nomem, nostack, preserves_flags),
                );
            }
            sums
        }

        #[inline(always)]
        unsafe fn finish(sums: int32x4_t, outputs: Outputs, row: RowScale, to: *mut f32) {
            // SAFETY: there are four outputs, as the caller grants.
            unsafe {
                let sums = vmlsq_n_s32(sums, vld1q_s32(outputs.sums), row.offset);
                let scaled = vmulq_f32(vcvtq_f32_s32(sums), vld1q_f32(outputs.scales));
                let scaled = vmulq_n_f32(scaled, row.scale);
                vst1q_f32(to, vaddq_f32(scaled, vld1q_f32(outputs.bias)));
            }
        }
    }
}
