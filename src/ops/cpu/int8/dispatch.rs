//! One computation compiled for each of the instruction sets, and the choice at run time.

use super::kernel::{Dot, width};
use super::sets::{self, Instructions, Scalar, Set};

/// A computation with small whole numbers.
///
/// [`Compute::on`] and everything hot that it calls must be `#[inline(always)]`: only what is
/// inlined is compiled for the instruction set.
pub(super) trait Compute {
    /// Computes with the instructions of `D`.
    ///
    /// # Safety
    ///
    /// The processor has them.
    unsafe fn on<D: Dot>(self);
}

/// A function that is compiled for some instructions.
macro_rules! compiled {
    ($name:ident, $dot:ty, $features:literal) => {
        #[target_feature(enable = $features)]
        fn $name(computation: impl Compute) {
            // SAFETY: this function runs only where its features are, and they are all that the
            // instructions need.
            unsafe { computation.on::<$dot>() }
        }
    };
}

#[cfg(target_arch = "x86_64")]
compiled!(
    avx512_vnni,
    sets::Avx512Vnni,
    "avx512f,avx512bw,avx512dq,avx512vl,avx512vnni"
);
#[cfg(target_arch = "x86_64")]
compiled!(avx_vnni, sets::AvxVnni, "avx2,avxvnni");
#[cfg(target_arch = "x86_64")]
compiled!(avx2, sets::Avx2, "avx2");
#[cfg(target_arch = "aarch64")]
compiled!(dot_product, sets::DotProduct, "neon,dotprod");

impl Instructions {
    /// Computes with these instructions.
    pub(super) fn run(self, computation: impl Compute) {
        match self.set() {
            // SAFETY: a value of this type was made where the processor has the instructions.
            #[cfg(target_arch = "x86_64")]
            Set::Avx512Vnni => unsafe { avx512_vnni(computation) },
            #[cfg(target_arch = "x86_64")]
            Set::AvxVnni => unsafe { avx_vnni(computation) },
            #[cfg(target_arch = "x86_64")]
            Set::Avx2 => unsafe { avx2(computation) },
            #[cfg(target_arch = "aarch64")]
            Set::DotProduct => unsafe { dot_product(computation) },
            Set::Scalar => unsafe { computation.on::<Scalar>() },
        }
    }

    /// Outputs of a panel, and neighbouring inputs that are multiplied at once.
    pub(super) fn shape(self) -> (usize, usize) {
        const fn of<D: Dot>() -> (usize, usize) {
            (width::<D>(), D::STEP)
        }
        match self.set() {
            #[cfg(target_arch = "x86_64")]
            Set::Avx512Vnni => of::<sets::Avx512Vnni>(),
            #[cfg(target_arch = "x86_64")]
            Set::AvxVnni => of::<sets::AvxVnni>(),
            #[cfg(target_arch = "x86_64")]
            Set::Avx2 => of::<sets::Avx2>(),
            #[cfg(target_arch = "aarch64")]
            Set::DotProduct => of::<sets::DotProduct>(),
            Set::Scalar => of::<Scalar>(),
        }
    }
}
