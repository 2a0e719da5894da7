//! The processor: its parts, and how fast they may run.

use std::collections::{BTreeMap, BTreeSet};

use super::super::cpu_set::CpuSet;
use super::super::system_files::SystemFiles;

const CPU_FOLDER: &str = "/sys/devices/system/cpu";
const NODE_FOLDER: &str = "/sys/devices/system/node";

/// What the logical processors are made of; each absent or empty where the system does not tell.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Processor {
    /// Physical packages.
    pub sockets: Option<usize>,
    /// Cores of all sockets that are online.
    pub physical_cores: Option<usize>,
    /// Logical processors of the core that has most of them online.
    pub threads_per_core: Option<usize>,
    /// Whether simultaneous multithreading is at work.
    pub smt: Option<bool>,
    /// Memory domains.
    pub numa_nodes: Vec<NumaNode>,
    /// Caches for data, by level; several of one name where cores are of several kinds.
    pub caches: Vec<Cache>,
    /// How fast the cores may run.
    pub scaling: Scaling,
}

/// A memory domain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NumaNode {
    /// Its number.
    pub node: usize,
    /// The processors next to it; none for a node that is memory only.
    pub cpus: CpuSet,
}

/// A kind of cache.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cache {
    /// `L1d`, `L2`, `L3`, …
    pub name: String,
    /// Size of one of them in bytes.
    pub bytes: u64,
    /// How many of them the machine has.
    pub instances: usize,
}

/// How fast the cores may run.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Scaling {
    /// `intel_pstate`, `acpi-cpufreq`, `amd-pstate-epp`, …
    pub driver: Option<String>,
    /// The governors of all processors, each once.
    pub governors: Vec<String>,
    /// Lowest frequency that the settings allow any processor.
    pub min_mhz: Option<f64>,
    /// Highest frequency that the settings allow any processor.
    pub max_mhz: Option<f64>,
    /// Highest frequency that the hardware can do.
    pub hardware_max_mhz: Option<f64>,
    /// The fastest processor's frequency at the moment of reading.
    pub current_mhz: Option<f64>,
    /// Whether frequencies above the nominal one (turbo, boost) are allowed.
    pub turbo: Option<bool>,
}

impl Processor {
    pub(super) fn read(files: &SystemFiles) -> Self {
        let cpus = online_cpus(files);
        let topology =
            |cpu: usize, name: &str| files.line(format!("{CPU_FOLDER}/cpu{cpu}/topology/{name}"));
        let package = |&cpu: &usize| topology(cpu, "physical_package_id");
        // Boards that do not know say -1.
        let packages = cpus.iter().filter_map(package).filter(|id| id != "-1");
        let packages: BTreeSet<String> = packages.collect();
        let siblings = |&cpu: &usize| {
            // The first name is newer.
            let list = topology(cpu, "core_cpus_list");
            list.or_else(|| topology(cpu, "thread_siblings_list"))
        };
        let cores: BTreeSet<String> = cpus.iter().filter_map(siblings).collect();
        let threads = cores.iter().filter_map(|list| CpuSet::parse(list));
        let threads_per_core = threads.map(|threads| threads.len()).max();
        let smt = files.number::<u8>(format!("{CPU_FOLDER}/smt/active"));
        Self {
            sockets: some_count(packages.len()),
            physical_cores: some_count(cores.len()),
            threads_per_core,
            smt: smt
                .map(|active| active != 0)
                .or(threads_per_core.map(|threads| threads > 1)),
            numa_nodes: numa_nodes(files),
            caches: caches(files, &cpus),
            scaling: Scaling::read(files, &cpus),
        }
    }
}

fn some_count(count: usize) -> Option<usize> {
    (count > 0).then_some(count)
}

/// Numbers of the processors that are online.
fn online_cpus(files: &SystemFiles) -> Vec<usize> {
    let online = files.line(format!("{CPU_FOLDER}/online"));
    let online = online.and_then(|list| CpuSet::parse(&list));
    let mut cpus = files.numbered(CPU_FOLDER, "cpu");
    cpus.retain(|&cpu| online.as_ref().is_none_or(|set| set.contains(cpu)));
    cpus
}

fn numa_nodes(files: &SystemFiles) -> Vec<NumaNode> {
    let nodes = files.numbered(NODE_FOLDER, "node").into_iter();
    let read = |node| {
        let list = files.text(format!("{NODE_FOLDER}/node{node}/cpulist"))?;
        let cpus = CpuSet::parse(&list)?;
        Some(NumaNode { node, cpus })
    };
    nodes.filter_map(read).collect()
}

fn caches(files: &SystemFiles, cpus: &[usize]) -> Vec<Cache> {
    // A cache is told from another of its kind by the processors that share it.
    let mut kinds: BTreeMap<(String, u64), BTreeSet<String>> = BTreeMap::new();
    for cpu in cpus {
        let folder = format!("{CPU_FOLDER}/cpu{cpu}/cache");
        for index in files.numbered(&folder, "index") {
            let value = |name| files.line(format!("{folder}/index{index}/{name}"));
            let Some((level, kind)) = value("level").zip(value("type")) else {
                continue;
            };
            let suffix = match kind.as_str() {
                "Data" => "d",
                "Unified" => "",
                _ => continue,
            };
            if let Some(bytes) = value("size").and_then(|size| cache_bytes(&size)) {
                let sharing = value("shared_cpu_list").unwrap_or_else(|| cpu.to_string());
                let instances = kinds.entry((format!("L{level}{suffix}"), bytes));
                instances.or_default().insert(sharing);
            }
        }
    }
    let kinds = kinds.into_iter().map(|((name, bytes), instances)| Cache {
        name,
        bytes,
        instances: instances.len(),
    });
    kinds.collect()
}

/// `48K` and the like in bytes.
fn cache_bytes(size: &str) -> Option<u64> {
    let digits = size.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let unit: u64 = match &size[digits.len()..] {
        "" => 1,
        "K" => 1 << 10,
        "M" => 1 << 20,
        "G" => 1 << 30,
        _ => return None,
    };
    digits.parse::<u64>().ok()?.checked_mul(unit)
}

impl Scaling {
    fn read(files: &SystemFiles, cpus: &[usize]) -> Self {
        let values = |name: &str| -> BTreeSet<String> {
            let value = |cpu| files.line(format!("{CPU_FOLDER}/cpu{cpu}/cpufreq/{name}"));
            cpus.iter().filter_map(value).collect()
        };
        let mhz = |name: &str| -> Vec<f64> {
            let values = values(name);
            values.iter().filter_map(|khz| mhz_of_khz(khz)).collect()
        };
        let highest = |values: Vec<f64>| values.into_iter().reduce(f64::max);
        let current = frequencies_mhz(files).into_values();
        Self {
            driver: values("scaling_driver").into_iter().next(),
            governors: values("scaling_governor").into_iter().collect(),
            min_mhz: mhz("scaling_min_freq").into_iter().reduce(f64::min),
            max_mhz: highest(mhz("scaling_max_freq")),
            hardware_max_mhz: highest(mhz("cpuinfo_max_freq")),
            current_mhz: highest(current.collect()),
            turbo: turbo(files),
        }
    }
}

/// Intel's driver tells what it forbids, the others what they allow.
fn turbo(files: &SystemFiles) -> Option<bool> {
    let flag = |path| files.number::<u8>(format!("{CPU_FOLDER}/{path}"));
    let forbidden = flag("intel_pstate/no_turbo").map(|flag| flag == 0);
    forbidden.or_else(|| Some(flag("cpufreq/boost")? != 0))
}

fn mhz_of_khz(khz: &str) -> Option<f64> {
    Some(khz.parse::<u64>().ok()? as f64 / 1e3)
}

/// Current frequency of each logical processor that tells one.
///
/// From cpufreq, else from `/proc/cpuinfo`, where a virtual machine often
/// shows the nominal frequency and nothing that changes.
pub(in super::super) fn frequencies_mhz(files: &SystemFiles) -> BTreeMap<usize, f64> {
    let scaled = online_cpus(files).into_iter().filter_map(|cpu| {
        let khz = files.line(format!("{CPU_FOLDER}/cpu{cpu}/cpufreq/scaling_cur_freq"))?;
        Some((cpu, mhz_of_khz(&khz)?))
    });
    let scaled: BTreeMap<_, _> = scaled.collect();
    if !scaled.is_empty() {
        return scaled;
    }
    let text = files.text("/proc/cpuinfo").unwrap_or_default();
    let mut found = BTreeMap::new();
    let mut cpu = None;
    for (name, value) in text.lines().filter_map(|line| line.split_once(':')) {
        match name.trim() {
            "processor" => cpu = value.trim().parse::<usize>().ok(),
            "cpu MHz" => {
                let mhz = value.trim().parse::<f64>().ok();
                let mhz = mhz.filter(|mhz| mhz.is_finite() && *mhz > 0.0);
                found.extend(cpu.zip(mhz));
            }
            _ => {}
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::cache_bytes;

    #[test]
    fn cache_sizes() {
        assert_eq!(cache_bytes("48K"), Some(49_152));
        assert_eq!(cache_bytes("2M"), Some(2 << 20));
        assert_eq!(cache_bytes("512"), Some(512));
        for size in [
            "",
            "K",
            "4Q",
            "-1K",
            "99999999999999999999K",
            "18446744073709551615G",
        ] {
            assert_eq!(cache_bytes(size), None, "{size}");
        }
    }
}
