//! The processor's name and its vector instructions.

use super::super::system_files::SystemFiles;

/// The processor's own name; on ARM, where it has none, that of its core's design.
pub(super) fn cpu_model(files: &SystemFiles) -> Option<String> {
    let cpuinfo = |key| files.field("/proc/cpuinfo", key, ':');
    cpuinfo("model name").or_else(|| {
        let (implementer, part) = (cpuinfo("CPU implementer")?, cpuinfo("CPU part")?);
        let known = arm_core(&implementer, &part).map(str::to_owned);
        Some(known.unwrap_or_else(|| format!("ARM implementer {implementer} part {part}")))
    })
}

/// Names of the cores that servers and small boards have, by the numbers of their `MIDR_EL1` register.
///
/// Source: Arm's technical reference manuals, and `lscpu-arm.c` of util-linux.
fn arm_core(implementer: &str, part: &str) -> Option<&'static str> {
    Some(match (implementer, part) {
        ("0x41", "0xd03") => "ARM Cortex-A53",
        ("0x41", "0xd05") => "ARM Cortex-A55",
        ("0x41", "0xd07") => "ARM Cortex-A57",
        ("0x41", "0xd08") => "ARM Cortex-A72",
        ("0x41", "0xd0b") => "ARM Cortex-A76",
        ("0x41", "0xd0c") => "ARM Neoverse-N1",
        ("0x41", "0xd40") => "ARM Neoverse-V1",
        ("0x41", "0xd49") => "ARM Neoverse-N2",
        ("0x41", "0xd4f") => "ARM Neoverse-V2",
        ("0xc0", "0xac3") => "Ampere-1",
        ("0xc0", "0xac4") => "Ampere-1a",
        _ => return None,
    })
}

/// Instruction sets that matter to matrix products.
#[cfg(target_arch = "x86_64")]
pub(super) fn cpu_features() -> Vec<&'static str> {
    let mut features = Vec::new();
    macro_rules! note {
        ($($name:tt),*) => {
            $(if std::arch::is_x86_feature_detected!($name) { features.push($name); })*
        };
    }
    note!(
        "avx2",
        "fma",
        "f16c",
        "avx512f",
        "avx512bw",
        "avx512vl",
        "avx512vnni",
        "avx512bf16"
    );
    features
}

/// Instruction sets that matter to matrix products.
#[cfg(target_arch = "aarch64")]
pub(super) fn cpu_features() -> Vec<&'static str> {
    let mut features = Vec::new();
    macro_rules! note {
        ($($name:tt),*) => {
            $(if std::arch::is_aarch64_feature_detected!($name) { features.push($name); })*
        };
    }
    note!("neon", "fp16", "dotprod", "i8mm", "bf16", "sve", "sve2");
    features
}

/// Instruction sets that matter to matrix products.
#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
pub(super) fn cpu_features() -> Vec<&'static str> {
    Vec::new()
}
