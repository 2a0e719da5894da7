//! The machine, the system and the build that figures were measured with.

mod limits;
mod model;
pub(super) mod platform;
pub(super) mod processor;

use serde::Serialize;

use super::system_files::SystemFiles;

pub use limits::Limits;
pub use platform::Platform;
pub use processor::{Cache, NumaNode, Processor, Scaling};

/// What a figure depends on besides the model; absent where the system does not tell.
#[derive(Debug, Clone, PartialEq)]
pub struct Environment {
    /// The processor's own name.
    pub cpu_model: Option<String>,
    /// `x86_64`, `aarch64`, …
    pub architecture: &'static str,
    /// Instruction sets that matter to matrix products, of those the processor has.
    pub cpu_features: Vec<&'static str>,
    /// Logical processors this process may use.
    pub logical_cores: usize,
    /// Physical memory in bytes.
    pub memory_total_bytes: Option<u64>,
    /// The distribution's name, or that of the system.
    pub os: String,
    /// Release of the kernel.
    pub kernel: Option<String>,
    /// The processor's parts and frequencies.
    pub processor: Processor,
    /// What this process may use of the machine.
    pub limits: Limits,
    /// What lies between this process and the hardware.
    pub platform: Platform,
    /// How this program was built.
    pub build: Build,
}

/// How this program was built.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Build {
    /// Version of this package.
    pub version: &'static str,
    /// Git commit, with `-dirty` where the sources were changed since; absent outside a checkout.
    pub revision: Option<&'static str>,
    /// `rustc --version`.
    pub compiler: &'static str,
    /// The target triple.
    pub target: &'static str,
    /// `-C target-cpu`, or `generic`.
    pub target_cpu: &'static str,
    /// `release` or `debug`.
    pub profile: &'static str,
    /// Optimisation level of this package.
    pub opt_level: &'static str,
    /// Cargo features, comma-separated.
    pub features: &'static str,
    /// Versions of the libraries that compute, `name version` comma-separated; absent without Cargo.lock.
    pub libraries: Option<&'static str>,
}

impl Build {
    /// The build of this program.
    pub const fn current() -> Self {
        Self {
            version: env!("CARGO_PKG_VERSION"),
            revision: option_env!("SPANBENCH_REVISION"),
            compiler: env!("SPANBENCH_COMPILER"),
            target: env!("SPANBENCH_TARGET"),
            target_cpu: env!("SPANBENCH_TARGET_CPU"),
            profile: env!("SPANBENCH_PROFILE"),
            opt_level: env!("SPANBENCH_OPT_LEVEL"),
            features: env!("SPANBENCH_FEATURES"),
            libraries: option_env!("SPANBENCH_LIBRARIES"),
        }
    }
}

impl Environment {
    /// Reads the environment of this process.
    pub fn read() -> Self {
        let found = Self::read_from(&SystemFiles::here());
        Self {
            cpu_model: found
                .cpu_model
                .or_else(|| system_control("machdep.cpu.brand_string")),
            memory_total_bytes: found
                .memory_total_bytes
                .or_else(|| system_control("hw.memsize")?.parse().ok()),
            ..found
        }
    }

    /// Reads what `files` tell; what only this process itself can know
    /// (architecture, instruction sets, cores, C library, build) is its own.
    pub fn read_from(files: &SystemFiles) -> Self {
        let os = files.field("/etc/os-release", "PRETTY_NAME", '=');
        Self {
            cpu_model: model::cpu_model(files),
            architecture: std::env::consts::ARCH,
            cpu_features: model::cpu_features(),
            logical_cores: std::thread::available_parallelism().map_or(1, usize::from),
            memory_total_bytes: memory_info_bytes(files, "MemTotal"),
            os: os.unwrap_or_else(|| std::env::consts::OS.to_owned()),
            kernel: files.line("/proc/sys/kernel/osrelease"),
            processor: Processor::read(files),
            limits: Limits::read(files),
            platform: Platform::read(files),
            build: Build::current(),
        }
    }
}

/// A field of `/proc/meminfo`, which counts in KiB, in bytes.
fn memory_info_bytes(files: &SystemFiles, key: &str) -> Option<u64> {
    let value = files.field("/proc/meminfo", key, ':')?;
    let kibibytes: u64 = value.trim_end_matches("kB").trim().parse().ok()?;
    kibibytes.checked_mul(1024)
}

/// A value of macOS's `sysctl`.
fn system_control(name: &str) -> Option<String> {
    if !cfg!(target_os = "macos") {
        return None;
    }
    let output = std::process::Command::new("sysctl")
        .args(["-n", name])
        .output();
    let text = String::from_utf8(output.ok()?.stdout).ok()?;
    Some(text.trim().to_owned())
}

#[cfg(test)]
mod tests;
