//! Plain loops, compiled for each instruction set and chosen at run time.

/// A computation whose loops the compiler should vectorise.
///
/// [`Kernel::run`] and everything it calls must be `#[inline(always)]`, and
/// hot loops must call no closures: only what is inlined into the dispatched
/// function is compiled for its instruction set.
pub(super) trait Kernel {
    /// Computes. `FUSED` tells whether the processor has fused multiply-add;
    /// where it has not, that operation is a slow library call.
    fn run<const FUSED: bool>(self);
}

/// Runs a kernel with the best instruction set this processor has.
pub(super) fn dispatch(kernel: impl Kernel) {
    match pulp::Arch::new() {
        pulp::Arch::Scalar => kernel.run::<false>(),
        arch => arch.dispatch(Dispatched(kernel)),
    }
}

struct Dispatched<K>(K);

impl<K: Kernel> pulp::WithSimd for Dispatched<K> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: pulp::Simd>(self, _: S) {
        self.0.run::<true>();
    }
}
