//! Safe vector code, compiled for each instruction set and chosen at run time.

pub(super) use pulp::Simd;

/// A computation on vectors.
///
/// [`Kernel::run`] and everything it calls must be `#[inline(always)]`, and
/// hot loops must call no closures: only what is inlined into the dispatched
/// function is compiled for its instruction set.
pub(super) trait Kernel {
    /// Computes, with the vectors of `S`.
    fn run<S: Simd>(self, simd: S);
}

/// Runs a kernel with the best instruction set this processor has.
pub(super) fn dispatch(kernel: impl Kernel) {
    pulp::Arch::new().dispatch(Dispatched(kernel));
}

/// Runs a kernel with a given instruction set.
#[cfg(test)]
pub(super) fn dispatch_on(arch: pulp::Arch, kernel: impl Kernel) {
    arch.dispatch(Dispatched(kernel));
}

/// All instruction sets of this processor.
#[cfg(test)]
pub(super) fn all() -> Vec<pulp::Arch> {
    let mut all = vec![pulp::Arch::Scalar];
    #[cfg(target_arch = "x86_64")]
    {
        all.extend(pulp::x86::V3::try_new().map(pulp::Arch::V3));
        all.extend(pulp::x86::V4::try_new().map(pulp::Arch::V4));
    }
    #[cfg(target_arch = "aarch64")]
    all.extend(pulp::aarch64::Neon::try_new().map(pulp::Arch::Neon));
    all
}

struct Dispatched<K>(K);

impl<K: Kernel> pulp::WithSimd for Dispatched<K> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        self.0.run(simd);
    }
}

/// The best instruction set this processor has, by its usual name.
pub(in crate::ops) fn instructions() -> &'static str {
    match pulp::Arch::new() {
        #[cfg(target_arch = "x86_64")]
        pulp::Arch::V4(_) => "avx512",
        #[cfg(target_arch = "x86_64")]
        pulp::Arch::V3(_) => "avx2",
        #[cfg(target_arch = "aarch64")]
        pulp::Arch::Neon(_) => "neon",
        _ => "scalar",
    }
}

/// Numbers in a vector of the best instruction set this processor has.
pub(super) fn lanes() -> usize {
    lanes_of(pulp::Arch::new())
}

/// Numbers in a vector of an instruction set.
pub(super) fn lanes_of(arch: pulp::Arch) -> usize {
    struct Lanes;
    impl pulp::WithSimd for Lanes {
        type Output = usize;
        #[inline(always)]
        fn with_simd<S: Simd>(self, _: S) -> usize {
            S::F32_LANES
        }
    }
    arch.dispatch(Lanes)
}
