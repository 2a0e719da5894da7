//! What this process may use of the machine.

use std::path::Path;

use super::super::cgroup::{CgroupVersion, Groups};
use super::super::cpu_set::CpuSet;
use super::super::system_files::SystemFiles;

/// Version 1 writes "no limit" as the largest number of pages, in bytes.
const NO_LIMIT_BYTES: u64 = 1 << 62;

/// Limits on this process; each absent where there is none, or where the system does not tell.
///
/// A limit of a control group holds for the groups inside it, so each figure
/// is the tightest from the process's own group up to the root that it sees.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Limits {
    /// Which interface the groups have; absent where none could be read.
    pub cgroup: Option<CgroupVersion>,
    /// Processor time per time: 1.5 is one and a half cores.
    pub cpu_quota_cores: Option<f64>,
    /// Processors of the group.
    pub cpuset: Option<CpuSet>,
    /// Processors of this process (`sched_setaffinity`, `taskset`).
    pub affinity: Option<CpuSet>,
    /// Memory in bytes.
    pub memory_bytes: Option<u64>,
    /// Swap in bytes, beside that memory.
    pub swap_bytes: Option<u64>,
}

impl Limits {
    pub(super) fn read(files: &SystemFiles) -> Self {
        let cpu = Groups::of(files, "cpu");
        let cpuset = Groups::of(files, "cpuset");
        let memory = Groups::of(files, "memory");
        let (memory_bytes, swap_bytes) = memory
            .as_ref()
            .map_or((None, None), |groups| memory_limits(files, groups));
        let cgroup = [&memory, &cpu, &cpuset].into_iter().flatten().next();
        let cgroup = cgroup.map(|groups| groups.version);
        let affinity = files.field("/proc/self/status", "Cpus_allowed_list", ':');
        Self {
            cgroup,
            cpu_quota_cores: cpu.and_then(|groups| cpu_quota_cores(files, &groups)),
            cpuset: cpuset.and_then(|groups| effective_cpus(files, &groups)),
            affinity: affinity.and_then(|text| CpuSet::parse(&text)),
            memory_bytes,
            swap_bytes,
        }
    }
}

fn cpu_quota_cores(files: &SystemFiles, groups: &Groups) -> Option<f64> {
    let quota = |folder: &Path| {
        let (quota, period) = match groups.version {
            CgroupVersion::V1 => (
                files.line(folder.join("cpu.cfs_quota_us"))?,
                files.line(folder.join("cpu.cfs_period_us"))?,
            ),
            CgroupVersion::V2 => {
                let line = files.line(folder.join("cpu.max"))?;
                let (quota, period) = line.split_once(' ')?;
                (quota.to_owned(), period.to_owned())
            }
        };
        // No quota is "max" or -1.
        let (quota, period): (u64, u64) = (quota.parse().ok()?, period.parse().ok()?);
        (period > 0).then(|| quota as f64 / period as f64)
    };
    groups.values(quota).reduce(f64::min)
}

/// The processors of the nearest group that tells; the kernel has narrowed them to those of the groups around it.
fn effective_cpus(files: &SystemFiles, groups: &Groups) -> Option<CpuSet> {
    let names = match groups.version {
        CgroupVersion::V1 => ["cpuset.effective_cpus", "cpuset.cpus"],
        CgroupVersion::V2 => ["cpuset.cpus.effective", "cpuset.cpus"],
    };
    let cpus = |folder: &Path| {
        let line = names.iter().find_map(|name| files.line(folder.join(name)));
        CpuSet::parse(&line?)
    };
    groups.values(cpus).next()
}

/// The limits of memory and of swap.
fn memory_limits(files: &SystemFiles, groups: &Groups) -> (Option<u64>, Option<u64>) {
    let tightest = |name: &str| {
        // No limit is "max", or a very large number.
        let values = groups.values(|folder| files.number::<u64>(folder.join(name)));
        values.filter(|&bytes| bytes < NO_LIMIT_BYTES).min()
    };
    match groups.version {
        CgroupVersion::V1 => {
            let memory = tightest("memory.limit_in_bytes");
            let both = tightest("memory.memsw.limit_in_bytes");
            let swap = both.and_then(|both| Some(both.saturating_sub(memory?)));
            (memory, swap)
        }
        CgroupVersion::V2 => (tightest("memory.max"), tightest("memory.swap.max")),
    }
}
