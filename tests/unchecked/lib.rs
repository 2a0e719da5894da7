//! The unchecked loops of the CPU form by themselves, in a crate that Miri can run in seconds: the
//! very files of the project, in the folders they expect around them.
//!
//! Every slice is as long as it must be and no longer, results are uninitialised, and rows lie
//! further apart than they are long: Miri stops at a number read or written outside, or read before
//! it was written. `scripts/check-unchecked` runs this for plain Rust, with AVX2, and on an emulated ARM processor.

#![cfg(test)]
#![allow(dead_code)] // What of a file only the rest of the project uses.

#[path = "."]
mod ops {
    #[path = "."]
    pub(crate) mod cpu {
        #[path = "../../src/ops/cpu/simd.rs"]
        pub(crate) mod simd;

        #[path = "."]
        mod product {
            #[path = "../../src/ops/cpu/product/kernel.rs"]
            pub(super) mod kernel;
        }

        #[path = "."]
        mod int8 {
            #[path = "../../src/ops/cpu/int8/aligned.rs"]
            mod aligned;
            #[cfg(all(target_arch = "x86_64", target_os = "linux"))]
            #[path = "../../src/ops/cpu/int8/amx.rs"]
            mod amx;
            #[path = "../../src/ops/cpu/int8/dispatch.rs"]
            mod dispatch;
            #[path = "../../src/ops/cpu/int8/kernel.rs"]
            mod kernel;
            #[path = "../../src/ops/cpu/int8/rows.rs"]
            mod rows;
            #[path = "../../src/ops/cpu/int8/sets.rs"]
            mod sets;

            #[path = "int8.rs"]
            mod tests;
        }

        #[path = "product.rs"]
        mod tests;
    }
}
