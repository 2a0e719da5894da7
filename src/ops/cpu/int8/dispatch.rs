//! One computation compiled for each of the instruction sets, and the choice at run time.

#[cfg(all(target_arch = "x86_64", target_os = "linux"))]
use super::amx::Amx;
use super::kernel::Multiply;
use super::sets::{self, Instructions, Scalar, Set};

/// A computation with small whole numbers.
///
/// [`Compute::on`] and everything hot that it calls must be `#[inline(always)]`: only what is
/// inlined is compiled for the instruction set.
pub(super) trait Compute {
    /// Computes with the instructions of `M`.
    ///
    /// # Safety
    ///
    /// The processor has them.
    unsafe fn on<M: Multiply>(self);
}

/// See [`Multiply`].
#[derive(Debug, Clone, Copy)]
pub(super) struct PanelShape {
    pub(super) width: usize,
    pub(super) step: usize,
    pub(super) depth: usize,
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

#[cfg(all(target_arch = "x86_64", target_os = "linux"))]
compiled!(amx, Amx, "avx512f,avx512bw,avx512dq,avx512vl,avx512vnni");
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
            #[cfg(all(target_arch = "x86_64", target_os = "linux"))]
            Set::Amx => unsafe { amx(computation) },
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

    /// What panels of weights look like for these instructions.
    pub(super) fn shape(self) -> PanelShape {
        const fn of<M: Multiply>() -> PanelShape {
            PanelShape {
                width: M::WIDTH,
                step: M::STEP,
                depth: M::DEPTH,
            }
        }
        match self.set() {
            #[cfg(all(target_arch = "x86_64", target_os = "linux"))]
            Set::Amx => of::<Amx>(),
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
