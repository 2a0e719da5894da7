//! Processor, limits and platform as they stand in a record.

use serde::{Deserialize, Serialize};

use crate::measure::CgroupVersion;
use crate::measure::environment::{Limits, Platform, Processor};

/// The processor; absent or empty where the system does not tell.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct WireProcessor {
    /// Physical packages.
    pub sockets: Option<usize>,
    /// Cores of all sockets that are online.
    pub physical_cores: Option<usize>,
    /// Logical processors of a core.
    pub threads_per_core: Option<usize>,
    /// Whether simultaneous multithreading is at work.
    pub smt: Option<bool>,
    /// Memory domains: `[number, processors]`.
    pub numa_nodes: Vec<(usize, String)>,
    /// Caches: `[name, bytes of one, how many]`.
    pub caches: Vec<(String, u64, usize)>,
    /// What sets the frequency.
    pub scaling_driver: Option<String>,
    /// By which rule.
    pub governors: Vec<String>,
    /// Lowest frequency that the settings allow.
    pub min_mhz: Option<f64>,
    /// Highest frequency that the settings allow.
    pub max_mhz: Option<f64>,
    /// Highest frequency that the hardware can do.
    pub hardware_max_mhz: Option<f64>,
    /// The fastest processor's frequency when it was read.
    pub current_mhz: Option<f64>,
    /// Whether frequencies above the nominal one are allowed.
    pub turbo: Option<bool>,
}

impl From<&Processor> for WireProcessor {
    fn from(processor: &Processor) -> Self {
        let nodes = processor.numa_nodes.iter();
        let caches = processor.caches.iter();
        let scaling = &processor.scaling;
        Self {
            sockets: processor.sockets,
            physical_cores: processor.physical_cores,
            threads_per_core: processor.threads_per_core,
            smt: processor.smt,
            numa_nodes: nodes.map(|n| (n.node, n.cpus.to_string())).collect(),
            caches: caches
                .map(|cache| (cache.name.clone(), cache.bytes, cache.instances))
                .collect(),
            scaling_driver: scaling.driver.clone(),
            governors: scaling.governors.clone(),
            min_mhz: scaling.min_mhz,
            max_mhz: scaling.max_mhz,
            hardware_max_mhz: scaling.hardware_max_mhz,
            current_mhz: scaling.current_mhz,
            turbo: scaling.turbo,
        }
    }
}

/// What the system leaves to this process; absent where there is no limit or it does not tell.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct WireLimits {
    /// Version of the control groups' interface.
    pub cgroup_version: Option<u32>,
    /// Processor time per time.
    pub cpu_quota_cores: Option<f64>,
    /// Processors of the control group.
    pub cpuset: Option<String>,
    /// Processors of this process.
    pub affinity: Option<String>,
    /// Memory in bytes.
    pub memory_bytes: Option<u64>,
    /// Swap in bytes, beside that memory.
    pub swap_bytes: Option<u64>,
}

impl From<&Limits> for WireLimits {
    fn from(limits: &Limits) -> Self {
        Self {
            cgroup_version: limits.cgroup.map(|version| match version {
                CgroupVersion::V1 => 1,
                CgroupVersion::V2 => 2,
            }),
            cpu_quota_cores: limits.cpu_quota_cores,
            cpuset: limits.cpuset.as_ref().map(ToString::to_string),
            affinity: limits.affinity.as_ref().map(ToString::to_string),
            memory_bytes: limits.memory_bytes,
            swap_bytes: limits.swap_bytes,
        }
    }
}

/// What lies between this process and the hardware; absent where the system does not tell.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct WirePlatform {
    /// Maker and model of the machine, real or virtual.
    pub machine: Option<String>,
    /// The hypervisor, or `none`.
    pub hypervisor: Option<String>,
    /// `docker`, `kubernetes`, … or `none`.
    pub container: Option<String>,
    /// Settings of the kernel's command line that change timings.
    pub kernel_settings: Vec<String>,
    /// `always`, `madvise` or `never`.
    pub transparent_huge_pages: Option<String>,
    /// Swap space in bytes.
    pub swap_total_bytes: Option<u64>,
    /// Name and version of the C library.
    pub c_library: Option<String>,
    /// Runnable tasks, averaged over 1, 5 and 15 minutes.
    pub load_average: Option<[f64; 3]>,
    /// What the kernel takes the time from.
    pub clock_source: Option<String>,
}

impl From<&Platform> for WirePlatform {
    fn from(platform: &Platform) -> Self {
        Self {
            machine: platform.machine.clone(),
            hypervisor: platform.hypervisor.clone(),
            container: platform.container.clone(),
            kernel_settings: platform.kernel_settings.clone(),
            transparent_huge_pages: platform.transparent_huge_pages.clone(),
            swap_total_bytes: platform.swap_total_bytes,
            c_library: platform.c_library.clone(),
            load_average: platform.load_average,
            clock_source: platform.clock_source.clone(),
        }
    }
}
