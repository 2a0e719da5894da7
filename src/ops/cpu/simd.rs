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

struct Dispatched<K>(K);

impl<K: Kernel> pulp::WithSimd for Dispatched<K> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        self.0.run(simd);
    }
}
