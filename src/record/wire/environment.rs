//! The environment as it stands in a record.

use serde::{Deserialize, Serialize};

use super::{WireCard, WireLimits, WirePlatform, WireProcessor};
use crate::measure::environment::Environment;

/// The machine and the build.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct WireEnvironment {
    /// The processor's name.
    pub cpu_model: Option<String>,
    /// Instruction-set family.
    pub architecture: String,
    /// Vector extensions the processor has.
    pub cpu_features: Vec<String>,
    /// Logical processors this process may use.
    pub logical_cores: usize,
    /// Logical processors that computed: one a thread, as far as there are.
    pub cores_used: usize,
    /// Physical memory.
    pub memory_total_bytes: Option<u64>,
    /// The distribution.
    pub os: String,
    /// The kernel's release.
    pub kernel: Option<String>,
    /// What the processor is made of and how fast it may run; older records lack it.
    #[serde(default)]
    pub processor: WireProcessor,
    /// What the system leaves to this process; older records lack it.
    #[serde(default)]
    pub limits: WireLimits,
    /// What lies between this process and the hardware; older records lack it.
    #[serde(default)]
    pub platform: WirePlatform,
    /// The NVIDIA cards that computed; absent elsewhere.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub cards: Vec<WireCard>,
    /// Version of spanbench.
    pub tool_version: String,
    /// Its git commit.
    pub tool_revision: Option<String>,
    /// `rustc --version`.
    pub compiler: String,
    /// Target triple.
    pub target: String,
    /// `-C target-cpu`.
    pub target_cpu: String,
    /// `release` or `debug`.
    pub profile: String,
    /// Optimisation level.
    pub opt_level: String,
    /// Cargo features.
    pub features: String,
    /// Versions of the libraries that compute.
    pub libraries: Option<String>,
}

impl WireEnvironment {
    /// Whether timings of the build mean anything.
    pub fn is_optimised(&self) -> bool {
        matches!(self.opt_level.as_str(), "2" | "3")
    }

    /// The environment of a run on `threads` threads.
    pub fn new(environment: Environment, threads: usize) -> Self {
        let build = environment.build;
        let features = environment.cpu_features.iter();
        Self {
            cards: Vec::new(),
            cpu_model: environment.cpu_model,
            architecture: environment.architecture.to_owned(),
            cpu_features: features.map(ToString::to_string).collect(),
            logical_cores: environment.logical_cores,
            cores_used: threads.min(environment.logical_cores),
            memory_total_bytes: environment.memory_total_bytes,
            os: environment.os,
            kernel: environment.kernel,
            processor: (&environment.processor).into(),
            limits: (&environment.limits).into(),
            platform: (&environment.platform).into(),
            tool_version: build.version.to_owned(),
            tool_revision: build.revision.map(str::to_owned),
            compiler: build.compiler.to_owned(),
            target: build.target.to_owned(),
            target_cpu: build.target_cpu.to_owned(),
            profile: build.profile.to_owned(),
            opt_level: build.opt_level.to_owned(),
            features: build.features.to_owned(),
            libraries: build.libraries.map(str::to_owned),
        }
    }
}
