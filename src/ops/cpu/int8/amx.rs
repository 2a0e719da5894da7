//! Products in eight bits on Intel's matrix registers (AMX): 16 rows by 16 outputs by 64 inputs an
//! instruction.
//!
//! The compiler has no stable functions for these instructions, so they are written as assembler.
//! A tile is 32 rows by 32 outputs: four of the eight registers hold sums, two inputs, two weights.

use std::arch::asm;
use std::mem::MaybeUninit;
use std::sync::OnceLock;

use super::aligned::LINE;
use super::kernel::{Dot, Multiply, Tile, assert_long_enough};
use super::sets::Avx512Vnni;

/// Rows and outputs of a register, which has so many rows of so many numbers of 32 bits.
const SIDE: usize = 16;

/// Inputs that an instruction multiplies.
const INPUTS: usize = 64;

/// `tdpbusd`: unsigned inputs times signed weights.
pub(super) struct Amx;

/// What the registers look like: all of them 16 rows of 64 bytes.
#[repr(C, align(64))]
struct Shapes([u8; 64]);

impl Shapes {
    const ALIKE: Self = {
        let mut bytes = [0; 64];
        // The only palette there is.
        bytes[0] = 1;
        let mut register = 0;
        while register < 8 {
            bytes[16 + 2 * register] = INPUTS as u8;
            bytes[48 + register] = SIDE as u8;
            register += 1;
        }
        Self(bytes)
    };
}

/// Those of a tile, 32 rows of 32.
#[repr(C, align(64))]
struct Sums([i32; 4 * SIDE * SIDE]);

/// Whether the processor has these instructions and the system lets this process use them.
pub(super) fn is_here() -> bool {
    static HERE: OnceLock<bool> = OnceLock::new();
    *HERE.get_or_init(|| in_processor() && allowed())
}

fn in_processor() -> bool {
    // Leaf 7 of CPUID: AMX-TILE and AMX-INT8 are bits 24 and 25 of EDX.
    let features = std::arch::x86_64::__cpuid_count(7, 0).edx;
    features & (0b11 << 24) == 0b11 << 24
}

/// Linux gives the registers to processes that ask: they make the state of a thread much larger.
fn allowed() -> bool {
    const ARCH_REQ_XCOMP_PERM: libc::c_ulong = 0x1023;
    const XFEATURE_XTILEDATA: libc::c_ulong = 18;
    // SAFETY: the call takes two numbers and no pointer; a system that does not know it says so.
    let answer = unsafe {
        libc::syscall(
            libc::SYS_arch_prctl,
            ARCH_REQ_XCOMP_PERM,
            XFEATURE_XTILEDATA,
        )
    };
    answer == 0
}

impl Multiply for Amx {
    type Input = u8;
    const WIDTH: usize = 2 * SIDE;
    const STEP: usize = 4;
    const DEPTH: usize = INPUTS;
    const ROWS: usize = 2 * SIDE;
    const ROWS_TOGETHER: usize = SIDE;
    const ROWS_BEYOND: usize = 2 * SIDE - 1;

    #[inline(always)]
    fn input(code: u8, zero: u8) -> u8 {
        <Avx512Vnni as Dot>::input(code, zero)
    }

    #[inline(always)]
    fn offset(zero: u8) -> i32 {
        <Avx512Vnni as Dot>::offset(zero)
    }

    #[inline(always)]
    fn row_stride(depth: usize) -> usize {
        // An odd number of cache lines: rows a power of two apart would all want the same place in
        // the first-level cache.
        ((depth / LINE) | 1) * LINE
    }

    #[inline(always)]
    unsafe fn begin() {
        // SAFETY: the processor has the instruction, as the caller grants; it reads 64 bytes.
        unsafe { asm!("ldtilecfg [{}]", in(reg) &Shapes::ALIKE, options(nostack, readonly)) }
    }

    #[inline(always)]
    unsafe fn end() {
        // SAFETY: the processor has the instruction, as the caller grants. What is in the registers
        // is of no use any more, and the system need not save it.
        unsafe { asm!("tilerelease", options(nostack, nomem)) }
    }

    #[inline(always)]
    unsafe fn multiply(tile: Tile<'_, u8>) {
        let rows_read = if tile.rows > SIDE { 2 * SIDE } else { SIDE };
        let outputs = assert_long_enough::<Self>(&tile, rows_read);
        // The loops count down to it.
        assert!(tile.depth > 0);
        let mut sums = MaybeUninit::<Sums>::uninit();
        let sums = sums.as_mut_ptr().cast::<i32>();
        // SAFETY: the registers are set up, as the caller grants, and the assertions above are for
        // all that is read: of 32 rows `depth` inputs, and the whole panel.
        unsafe {
            if tile.rows > SIDE {
                products_of_32_rows(&tile, sums);
            } else {
                products_of_16_rows(&tile, sums);
            }
        }
        let result = tile.result.as_mut_ptr().cast::<f32>();
        for (number, row) in tile.scales.iter().enumerate().take(tile.rows) {
            for first in [0, SIDE] {
                // SAFETY: the sums of the tile's rows were written, `WIDTH` a row; there are as many
                // outputs, which `assert_long_enough` has asserted for what they have and for the
                // result; the processor has AVX-512 where it has matrix registers.
                unsafe {
                    let sums = sums.add(number * Self::WIDTH + first);
                    let sums = std::arch::x86_64::_mm512_loadu_si512(sums.cast());
                    let to = result.add(number * tile.result_stride + first);
                    Avx512Vnni::finish(sums, outputs.skip(first), *row, to);
                }
            }
        }
    }
}

/// # Safety
///
/// The registers are set up, `tile` is as long as it says, and `sums` points at [`Sums`].
#[inline(always)]
unsafe fn products_of_32_rows(tile: &Tile<'_, u8>, sums: *mut i32) {
    let left = tile.left.as_ptr();
    let stride = tile.left_stride;
    // SAFETY: each load reads 16 rows of 64 bytes: on the left of rows 0 to 15 and 16 to 31, as far
    // as `depth`; of the panel 16 steps of four inputs, 32 outputs each, the loop going on to the
    // next 64 inputs as often as there are. The stores write all sums: 16 rows of 64 bytes each, in
    // rows of 128. There is one input at the least.
    unsafe {
        asm!(
            "tilezero tmm0",
            "tilezero tmm1",
            "tilezero tmm2",
            "tilezero tmm3",
            "2:",
            "tileloadd tmm4, [{panel} + {row}]",
            "tileloadd tmm5, [{panel} + {row} + 64]",
            "tileloadd tmm6, [{left} + {stride}]",
            "tileloadd tmm7, [{below} + {stride}]",
            "tdpbusd tmm0, tmm6, tmm4",
            "tdpbusd tmm1, tmm6, tmm5",
            "tdpbusd tmm2, tmm7, tmm4",
            "tdpbusd tmm3, tmm7, tmm5",
            "add {left}, 64",
            "add {below}, 64",
            "add {panel}, 2048",
            "dec {times}",
            "jnz 2b",
            "tilestored [{sums} + {row}], tmm0",
            "tilestored [{sums} + {row} + 64], tmm1",
            "add {sums}, 2048",
            "tilestored [{sums} + {row}], tmm2",
            "tilestored [{sums} + {row} + 64], tmm3",
            left = inout(reg) left => _,
            below = inout(reg) left.add(SIDE * stride) => _,
            panel = inout(reg) tile.panel.as_ptr() => _,
            times = inout(reg) tile.depth / INPUTS => _,
            sums = inout(reg) sums => _,
            stride = in(reg) stride,
            row = in(reg) 2 * SIDE * size_of::<i32>(),
            out("tmm0") _, out("tmm1") _, out("tmm2") _, out("tmm3") _,
            out("tmm4") _, out("tmm5") _, out("tmm6") _, out("tmm7") _,
            options(nostack),
        );
    }
}

/// # Safety
///
/// The registers are set up, `tile` is as long as it says, and `sums` points at [`Sums`].
#[inline(always)]
unsafe fn products_of_16_rows(tile: &Tile<'_, u8>, sums: *mut i32) {
    // SAFETY: as above, of rows 0 to 15 alone.
    unsafe {
        asm!(
            "tilezero tmm0",
            "tilezero tmm1",
            "2:",
            "tileloadd tmm4, [{panel} + {row}]",
            "tileloadd tmm5, [{panel} + {row} + 64]",
            "tileloadd tmm6, [{left} + {stride}]",
            "tdpbusd tmm0, tmm6, tmm4",
            "tdpbusd tmm1, tmm6, tmm5",
            "add {left}, 64",
            "add {panel}, 2048",
            "dec {times}",
            "jnz 2b",
            "tilestored [{sums} + {row}], tmm0",
            "tilestored [{sums} + {row} + 64], tmm1",
            left = inout(reg) tile.left.as_ptr() => _,
            panel = inout(reg) tile.panel.as_ptr() => _,
            times = inout(reg) tile.depth / INPUTS => _,
            sums = in(reg) sums,
            stride = in(reg) tile.left_stride,
            row = in(reg) 2 * SIDE * size_of::<i32>(),
            out("tmm0") _, out("tmm1") _, out("tmm4") _, out("tmm5") _, out("tmm6") _,
            options(nostack),
        );
    }
}
