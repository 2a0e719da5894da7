use super::super::cgroup::CgroupVersion;
use super::super::machines::Machine;
use super::*;

fn read(machine: &str) -> Environment {
    Environment::read_from(&Machine::named(machine).files())
}

fn text(value: Option<&String>) -> &str {
    value.map_or("(nothing)", String::as_str)
}

fn cache(name: &str, bytes: u64, instances: usize) -> Cache {
    Cache {
        name: name.to_owned(),
        bytes,
        instances,
    }
}

#[test]
fn a_desktop_on_the_metal() {
    let found = read("intel-bare-metal");
    assert_eq!(
        text(found.cpu_model.as_ref()),
        "Intel(R) Core(TM) i3-10100 CPU @ 3.60GHz"
    );
    assert_eq!(found.memory_total_bytes, Some(16_303_428 * 1024));
    assert_eq!(found.os, "Debian GNU/Linux 12 (bookworm)");
    assert_eq!(text(found.kernel.as_ref()), "6.1.0-28-amd64");
    let processor = &found.processor;
    assert_eq!(
        (processor.sockets, processor.physical_cores),
        (Some(1), Some(2))
    );
    assert_eq!(
        (processor.threads_per_core, processor.smt),
        (Some(2), Some(true))
    );
    let kib = 1024;
    let caches = [
        cache("L1d", 32 * kib, 2),
        cache("L2", 256 * kib, 2),
        cache("L3", 6144 * kib, 1),
    ];
    assert_eq!(processor.caches, caches);
    let expected = Scaling {
        driver: Some("intel_pstate".to_owned()),
        governors: vec!["powersave".to_owned()],
        min_mhz: Some(800.0),
        max_mhz: Some(4000.0),
        hardware_max_mhz: Some(4300.0),
        current_mhz: Some(4000.25),
        turbo: Some(true),
    };
    assert_eq!(processor.scaling, expected);
    // Groups without limits.
    assert_eq!(found.limits.cgroup, Some(CgroupVersion::V2));
    assert_eq!(
        (found.limits.cpu_quota_cores, found.limits.memory_bytes),
        (None, None)
    );
    assert_eq!(found.limits.cpuset.as_ref().unwrap().to_string(), "0-3");
    let platform = &found.platform;
    assert_eq!(text(platform.machine.as_ref()), "Dell Inc. OptiPlex 3080");
    assert_eq!(text(platform.hypervisor.as_ref()), "none");
    assert_eq!(text(platform.container.as_ref()), "none");
    // Nothing else of the command line.
    let settings = ["mitigations=off", "isolcpus=2,3", "nohz_full=2-3"];
    assert_eq!(platform.kernel_settings, settings);
    assert_eq!(text(platform.transparent_huge_pages.as_ref()), "madvise");
    assert_eq!(platform.swap_total_bytes, Some(2_097_148 * 1024));
    assert_eq!(platform.load_average, Some([0.52, 0.58, 0.59]));
    assert_eq!(text(platform.clock_source.as_ref()), "tsc");
}

#[test]
fn boost_and_smt_switched_off() {
    let found = read("amd-boost-off").processor;
    // The processors that are offline are no cores.
    assert_eq!(
        (found.physical_cores, found.threads_per_core),
        (Some(2), Some(1))
    );
    assert_eq!((found.smt, found.scaling.turbo), (Some(false), Some(false)));
    assert_eq!(found.scaling.governors, ["performance", "schedutil"]);
    assert_eq!(text(found.scaling.driver.as_ref()), "acpi-cpufreq");
    assert_eq!(found.scaling.hardware_max_mhz, None);
    assert_eq!((found.caches, found.numa_nodes), (vec![], vec![]));
}

#[test]
fn limits_of_a_pod_are_the_tightest_on_the_path() {
    let found = read("kubernetes-pod");
    let limits = found.limits;
    assert_eq!(limits.cgroup, Some(CgroupVersion::V2));
    assert_eq!(limits.cpu_quota_cores, Some(1.5));
    assert_eq!(
        (limits.memory_bytes, limits.swap_bytes),
        (Some(2 << 30), Some(0))
    );
    assert_eq!(text(found.platform.container.as_ref()), "kubernetes");
    assert_eq!(text(found.platform.hypervisor.as_ref()), "kvm");
    assert_eq!(
        text(found.platform.machine.as_ref()),
        "Amazon EC2 m7i.2xlarge"
    );
    assert_eq!(found.platform.swap_total_bytes, Some(0));
}

#[test]
fn limits_of_version_one() {
    let found = read("docker-cgroup-v1");
    let limits = found.limits;
    assert_eq!(limits.cgroup, Some(CgroupVersion::V1));
    assert_eq!(limits.cpu_quota_cores, Some(2.5));
    assert_eq!(
        (limits.memory_bytes, limits.swap_bytes),
        (Some(4 << 30), Some(2 << 30))
    );
    assert_eq!(limits.cpuset.unwrap().to_string(), "2-5");
    assert_eq!(limits.affinity.unwrap().len(), 4);
    assert_eq!(text(found.platform.container.as_ref()), "docker");
    assert_eq!(text(found.platform.hypervisor.as_ref()), "none");
}

#[test]
fn no_limits_of_version_one() {
    let machine = Machine::named("docker-cgroup-v1");
    let folder = "/sys/fs/cgroup";
    machine.write(&format!("{folder}/cpu,cpuacct/cpu.cfs_quota_us"), "-1\n");
    for name in ["limit_in_bytes", "memsw.limit_in_bytes"] {
        // Pages of 64 KiB make the largest number another.
        machine.write(
            &format!("{folder}/memory/memory.{name}"),
            "9223372036854710272\n",
        );
    }
    let limits = Environment::read_from(&machine.files()).limits;
    assert_eq!(limits.cpu_quota_cores, None);
    assert_eq!((limits.memory_bytes, limits.swap_bytes), (None, None));
    // A period of nothing is no quota, and certainly no division.
    machine.write(&format!("{folder}/cpu,cpuacct/cpu.cfs_quota_us"), "1000\n");
    machine.write(&format!("{folder}/cpu,cpuacct/cpu.cfs_period_us"), "0\n");
    let limits = Environment::read_from(&machine.files()).limits;
    assert_eq!(limits.cpu_quota_cores, None);
}

#[test]
fn a_virtual_machine() {
    let found = read("kvm-guest");
    assert_eq!(text(found.platform.hypervisor.as_ref()), "kvm");
    assert_eq!(text(found.platform.container.as_ref()), "none");
    assert_eq!(found.platform.kernel_settings, Vec::<String>::new());
    assert_eq!(found.processor.sockets, Some(2));
    let expected = Scaling {
        current_mhz: Some(2399.998),
        ..Scaling::default()
    };
    assert_eq!(found.processor.scaling, expected);
    assert_eq!(found.limits.cgroup, Some(CgroupVersion::V2));
    assert_eq!(found.limits.cpuset, None);
}

#[test]
fn hypervisors_by_what_they_show() {
    let cases = [
        ("sys_vendor", "VMware, Inc.", "vmware"),
        ("sys_vendor", "innotek GmbH", "virtualbox"),
        ("sys_vendor", "Microsoft Corporation", "hyper-v"),
        ("product_name", "Google Compute Engine", "kvm"),
        ("sys_vendor", "Acme Cloud", "unknown"),
    ];
    for (name, value, expected) in cases {
        let machine = Machine::empty();
        machine.write("/proc/cpuinfo", "flags\t: fpu hypervisor sse\n");
        machine.write(&format!("/sys/class/dmi/id/{name}"), value);
        let found = Environment::read_from(&machine.files()).platform.hypervisor;
        assert_eq!(text(found.as_ref()), expected, "{value}");
    }
    let machine = Machine::empty();
    machine.write("/sys/hypervisor/type", "xen\n");
    let found = Environment::read_from(&machine.files()).platform.hypervisor;
    assert_eq!(text(found.as_ref()), "xen");
}

#[test]
fn containers_by_their_traces() {
    let host = "30 24 0:25 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n\
                90 24 0:40 / /var/lib/kubelet/pods/x/volumes/t rw - tmpfs tmpfs rw\n";
    let cases = [
        (
            "0::/kubepods.slice/pod1/cri-containerd-2.scope",
            host,
            "",
            "kubernetes",
        ),
        ("0::/machine.slice/libpod-12.scope", host, "", "podman"),
        ("0::/", host, "/run/.containerenv", "podman"),
        ("0::/", host, "/.dockerenv", "docker"),
        ("0::/lxc.payload.web", host, "", "lxc"),
        // A node of Kubernetes is not a container of it.
        ("0::/system.slice/sshd.service", host, "", "none"),
    ];
    for (cgroup, mounts, file, expected) in cases {
        let machine = Machine::empty();
        machine.write("/proc/self/cgroup", cgroup);
        machine.write("/proc/self/mountinfo", mounts);
        if !file.is_empty() {
            machine.write(file, "");
        }
        let found = Environment::read_from(&machine.files()).platform.container;
        assert_eq!(text(found.as_ref()), expected, "{cgroup} {file}");
    }
}

#[test]
fn two_sockets_and_their_memory() {
    let found = read("two-numa-nodes");
    let processor = found.processor;
    assert_eq!(
        (processor.sockets, processor.physical_cores),
        (Some(2), Some(4))
    );
    // Nobody says whether it is on, but cores have two threads.
    assert_eq!(
        (processor.threads_per_core, processor.smt),
        (Some(2), Some(true))
    );
    assert_eq!(processor.caches, [cache("L3", 25_344 * 1024, 2)]);
    let nodes = processor.numa_nodes.iter();
    let nodes: Vec<_> = nodes
        .map(|node| (node.node, node.cpus.to_string()))
        .collect();
    let expected = [(0, "0-1,4-5"), (1, "2-3,6-7"), (2, "")];
    assert_eq!(nodes, expected.map(|(node, cpus)| (node, cpus.to_owned())));
    assert_eq!(found.limits.affinity.unwrap().len(), 4);
    // The maker is a cloud, but the machine is a whole one.
    assert_eq!(text(found.platform.hypervisor.as_ref()), "none");
}

#[test]
fn a_small_board() {
    let found = read("raspberry-pi");
    assert_eq!(text(found.cpu_model.as_ref()), "ARM Cortex-A72");
    let processor = found.processor;
    assert_eq!(
        (processor.sockets, processor.physical_cores),
        (None, Some(4))
    );
    assert_eq!(processor.smt, Some(false));
    assert_eq!(processor.scaling.turbo, None);
    assert_eq!(processor.scaling.current_mhz, Some(600.0));
    let platform = found.platform;
    assert_eq!(
        text(platform.machine.as_ref()),
        "Raspberry Pi 4 Model B Rev 1.4"
    );
    assert_eq!(platform.hypervisor, None);
    assert_eq!(text(platform.clock_source.as_ref()), "arch_sys_counter");
    assert_eq!(found.limits.cgroup, None);
}

#[test]
fn a_machine_that_tells_nothing() {
    let found = Environment::read_from(&Machine::empty().files());
    assert_eq!(found.processor, Processor::default());
    assert_eq!(found.limits, Limits::default());
    assert_eq!(
        (found.kernel, found.os.as_str()),
        (None, std::env::consts::OS)
    );
    let c_library = found.platform.c_library.clone();
    let nothing = Platform {
        c_library,
        ..Platform::default()
    };
    assert_eq!(found.platform, nothing);
}

#[test]
fn damaged_files_tell_nothing() {
    let machine = Machine::named("two-numa-nodes");
    let cpu = "/sys/devices/system/cpu";
    machine.write(
        "/proc/meminfo",
        "MemTotal: 99999999999999999999 kB\nSwapTotal:\n",
    );
    machine.write("/proc/loadavg", "0.1 x");
    machine.write("/proc/cpuinfo", "processor : x\ncpu MHz : NaN\n");
    machine.write("/sys/kernel/mm/transparent_hugepage/enabled", "]always[");
    machine.write(&format!("{cpu}/online"), "all");
    machine.write(&format!("{cpu}/cpu0/topology/core_cpus_list"), "\u{0}");
    machine.write(&format!("{cpu}/cpu0/cpufreq/scaling_cur_freq"), "<unknown>");
    machine.write(&format!("{cpu}/cpu0/cache/index3/size"), "lots");
    machine.write("/proc/self/status", "Cpus_allowed_list: many");
    let found = Environment::read_from(&machine.files());
    assert_eq!(found.memory_total_bytes, None);
    assert_eq!(
        (found.platform.swap_total_bytes, found.platform.load_average),
        (None, None)
    );
    assert_eq!(found.platform.transparent_huge_pages, None);
    assert_eq!(found.processor.scaling.current_mhz, None);
    assert_eq!(found.processor.physical_cores, Some(4));
    assert_eq!(found.limits.affinity, None);
}

#[cfg(target_os = "linux")]
#[test]
fn this_machine() {
    let found = Environment::read();
    println!("{found:#?}");
    assert!(found.memory_total_bytes.unwrap() > 1 << 20);
    assert!(found.kernel.is_some() && found.platform.load_average.is_some());
    let affinity = found.limits.affinity.unwrap();
    assert!(affinity.len() >= found.logical_cores, "{affinity}");
    let c_library = found.platform.c_library.unwrap();
    assert!(
        c_library.starts_with("glibc 2.") || c_library == "musl",
        "{c_library}"
    );
    let processor = found.processor;
    if let (Some(cores), Some(threads)) = (processor.physical_cores, processor.threads_per_core) {
        let online = std::fs::read_to_string("/sys/devices/system/cpu/online").unwrap();
        let online = super::super::cpu_set::CpuSet::parse(&online).unwrap().len();
        assert!(
            cores <= online && online <= cores * threads,
            "{cores} {threads} {online}"
        );
    }
    for node in processor.numa_nodes {
        assert!(node.cpus.len() < 1 << 16);
    }
}
