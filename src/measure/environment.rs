//! The machine, the system and the build that figures were measured with.

/// What a figure depends on besides the model; absent where the system does not tell.
#[derive(Debug, Clone, PartialEq, Eq)]
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
    /// How this program was built.
    pub build: Build,
}

/// How this program was built.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
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
        Self {
            cpu_model: cpu_model(),
            architecture: std::env::consts::ARCH,
            cpu_features: cpu_features(),
            logical_cores: std::thread::available_parallelism().map_or(1, usize::from),
            memory_total_bytes: memory_total_bytes(),
            os: os_name(),
            kernel: read_line("/proc/sys/kernel/osrelease"),
            build: Build::current(),
        }
    }
}

fn read_line(path: &str) -> Option<String> {
    let text = std::fs::read_to_string(path).ok()?;
    Some(text.lines().next()?.trim().to_owned())
}

/// The value after the colon of the first line that starts with `key`.
fn field(path: &str, key: &str, separator: char) -> Option<String> {
    let text = std::fs::read_to_string(path).ok()?;
    let line = text.lines().find(|line| line.starts_with(key))?;
    let (_, value) = line.split_once(separator)?;
    Some(value.trim().trim_matches('"').to_owned())
}

#[cfg(not(target_os = "macos"))]
fn cpu_model() -> Option<String> {
    field("/proc/cpuinfo", "model name", ':')
}

#[cfg(target_os = "macos")]
fn cpu_model() -> Option<String> {
    system_control("machdep.cpu.brand_string")
}

#[cfg(not(target_os = "macos"))]
fn memory_total_bytes() -> Option<u64> {
    let total = field("/proc/meminfo", "MemTotal", ':')?;
    let kibibytes: u64 = total.trim_end_matches("kB").trim().parse().ok()?;
    Some(kibibytes * 1024)
}

#[cfg(target_os = "macos")]
fn memory_total_bytes() -> Option<u64> {
    system_control("hw.memsize")?.parse().ok()
}

#[cfg(target_os = "macos")]
fn system_control(name: &str) -> Option<String> {
    let output = std::process::Command::new("sysctl")
        .args(["-n", name])
        .output();
    let text = String::from_utf8(output.ok()?.stdout).ok()?;
    Some(text.trim().to_owned())
}

fn os_name() -> String {
    let name = field("/etc/os-release", "PRETTY_NAME", '=');
    name.unwrap_or_else(|| std::env::consts::OS.to_owned())
}

#[cfg(target_arch = "x86_64")]
fn cpu_features() -> Vec<&'static str> {
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

#[cfg(not(target_arch = "x86_64"))]
fn cpu_features() -> Vec<&'static str> {
    Vec::new()
}
