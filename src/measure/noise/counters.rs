//! The system's counters.

use std::collections::BTreeMap;
use std::path::Path;

use super::super::cgroup::{CgroupVersion, Groups};
use super::super::cpu_set::CpuSet;
use super::super::system_files::SystemFiles;

/// The processors this process may use, as its main thread has them.
pub(super) fn allowed_cpus(files: &SystemFiles) -> Option<CpuSet> {
    CpuSet::parse(&files.field("/proc/self/status", "Cpus_allowed_list", ':')?)
}

/// What a logical processor's time went to, in ticks (of 10 ms on nearly every system).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Ticks {
    pub busy: u64,
    pub idle: u64,
    pub steal: u64,
}

impl Ticks {
    pub fn since(self, earlier: Self) -> Self {
        Self {
            busy: self.busy.saturating_sub(earlier.busy),
            idle: self.idle.saturating_sub(earlier.idle),
            steal: self.steal.saturating_sub(earlier.steal),
        }
    }

    pub fn add(&mut self, other: Self) {
        self.busy = self.busy.saturating_add(other.busy);
        self.idle = self.idle.saturating_add(other.idle);
        self.steal = self.steal.saturating_add(other.steal);
    }

    pub fn total(self) -> u64 {
        self.busy
            .saturating_add(self.idle)
            .saturating_add(self.steal)
    }
}

/// The lines `cpuN user nice system idle iowait irq softirq steal …` of `/proc/stat`.
///
/// The columns after steal are guests' time, which user and nice contain.
pub(super) fn ticks(files: &SystemFiles) -> BTreeMap<usize, Ticks> {
    let text = files.text("/proc/stat").unwrap_or_default();
    let lines = text.lines().filter_map(|line| {
        let mut words = line.split_whitespace();
        let cpu = words.next()?.strip_prefix("cpu")?.parse().ok()?;
        let values: Option<Vec<u64>> = words.take(8).map(|word| word.parse().ok()).collect();
        let [user, nice, system, idle, iowait, irq, softirq, steal] = values?.try_into().ok()?;
        let busy = [user, nice, system, irq, softirq];
        let ticks = Ticks {
            busy: busy.into_iter().fold(0, u64::saturating_add),
            idle: u64::saturating_add(idle, iowait),
            steal,
        };
        Some((cpu, ticks))
    });
    lines.collect()
}

/// What this process has used since it began, all its threads together, ended ones too.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct OwnUsage {
    pub user_s: f64,
    pub system_s: f64,
    pub voluntary_switches: u64,
    pub involuntary_switches: u64,
    pub minor_faults: u64,
    pub major_faults: u64,
}

impl OwnUsage {
    /// From getrusage(2), which has finer times than `/proc/self/stat`, and
    /// the switches of all threads, where `/proc/self/status` has one thread's.
    #[cfg(unix)]
    pub fn now() -> Option<Self> {
        let mut usage = std::mem::MaybeUninit::<libc::rusage>::uninit();
        // SAFETY: getrusage writes one whole `rusage` where the pointer points, which has room for it.
        let usage = unsafe {
            if libc::getrusage(libc::RUSAGE_SELF, usage.as_mut_ptr()) != 0 {
                return None;
            }
            usage.assume_init()
        };
        #[allow(clippy::cast_lossless)] // the fields' types differ between systems
        let seconds = |time: libc::timeval| time.tv_sec as f64 + time.tv_usec as f64 / 1e6;
        let count = |value: libc::c_long| u64::try_from(value).unwrap_or(0);
        Some(Self {
            user_s: seconds(usage.ru_utime),
            system_s: seconds(usage.ru_stime),
            voluntary_switches: count(usage.ru_nvcsw),
            involuntary_switches: count(usage.ru_nivcsw),
            minor_faults: count(usage.ru_minflt),
            major_faults: count(usage.ru_majflt),
        })
    }

    /// Not told on this system.
    #[cfg(not(unix))]
    pub fn now() -> Option<Self> {
        None
    }

    pub fn since(&self, earlier: &Self) -> Self {
        let grown = |count: fn(&Self) -> u64| count(self).saturating_sub(count(earlier));
        Self {
            user_s: (self.user_s - earlier.user_s).max(0.0),
            system_s: (self.system_s - earlier.system_s).max(0.0),
            voluntary_switches: grown(|usage| usage.voluntary_switches),
            involuntary_switches: grown(|usage| usage.involuntary_switches),
            minor_faults: grown(|usage| usage.minor_faults),
            major_faults: grown(|usage| usage.major_faults),
        }
    }
}

/// How long some task had to wait, since the machine started, in µs (pressure stall information).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct StallTimes {
    pub cpu: Option<u64>,
    pub memory: Option<u64>,
    pub io: Option<u64>,
}

impl StallTimes {
    pub fn read(files: &SystemFiles) -> Self {
        let total_us = |resource: &str| {
            let text = files.text(format!("/proc/pressure/{resource}"))?;
            let some = text.lines().find(|line| line.starts_with("some "))?;
            let mut words = some.split(' ');
            words
                .find_map(|word| word.strip_prefix("total="))?
                .parse()
                .ok()
        };
        Self {
            cpu: total_us("cpu"),
            memory: total_us("memory"),
            io: total_us("io"),
        }
    }
}

/// How often and for how long control groups were held back to keep their quota.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Throttle {
    pub periods: u64,
    pub ns: u64,
}

impl Throttle {
    /// Added up from the process's own group to the root that it sees: the quota of each holds it back.
    pub fn read(files: &SystemFiles) -> Option<Self> {
        let groups = Groups::of(files, "cpu")?;
        let throttle = |folder: &Path| {
            let counter = |key| files.counter(folder.join("cpu.stat"), key);
            let ns = match groups.version {
                CgroupVersion::V1 => counter("throttled_time")?,
                CgroupVersion::V2 => counter("throttled_usec")?.saturating_mul(1000),
            };
            let periods = counter("nr_throttled")?;
            Some(Self { periods, ns })
        };
        groups.values(throttle).reduce(|sum, group| Self {
            periods: sum.periods.saturating_add(group.periods),
            ns: sum.ns.saturating_add(group.ns),
        })
    }

    pub fn since(self, earlier: Self) -> Self {
        Self {
            periods: self.periods.saturating_sub(earlier.periods),
            ns: self.ns.saturating_sub(earlier.ns),
        }
    }
}

/// Thermal throttling events of all processors, as x86 counts them: a core's
/// event once for each of its threads, a package's once for each of its processors.
pub(super) fn thermal_events(files: &SystemFiles) -> Option<u64> {
    let folder = "/sys/devices/system/cpu";
    let counts = files.numbered(folder, "cpu").into_iter().flat_map(|cpu| {
        ["core", "package"].map(|part| {
            let path = format!("{folder}/cpu{cpu}/thermal_throttle/{part}_throttle_count");
            files.number::<u64>(path)
        })
    });
    counts.flatten().reduce(u64::saturating_add)
}
