//! What lies between this process and the hardware: hypervisor, container, kernel settings, C library.

use super::super::cgroup::Mount;
use super::super::system_files::SystemFiles;

/// Settings of the kernel's command line that change timings; no other is read into a record.
const KERNEL_SETTINGS: [&str; 3] = ["mitigations", "isolcpus", "nohz_full"];

/// What lies between this process and the hardware; each absent where the system does not tell.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Platform {
    /// Maker and model of the machine, real or virtual: `Amazon EC2 c7i.4xlarge`.
    pub machine: Option<String>,
    /// The hypervisor, or `none`.
    pub hypervisor: Option<String>,
    /// `docker`, `podman`, `kubernetes`, `lxc`, … or `none`.
    pub container: Option<String>,
    /// `mitigations=…`, `isolcpus=…` and `nohz_full=…` where the kernel was started with them.
    pub kernel_settings: Vec<String>,
    /// When the kernel gives huge pages by itself: `always`, `madvise` or `never`.
    pub transparent_huge_pages: Option<String>,
    /// Swap space in bytes.
    pub swap_total_bytes: Option<u64>,
    /// Name and version of the C library.
    pub c_library: Option<String>,
    /// Runnable tasks, averaged over 1, 5 and 15 minutes.
    pub load_average: Option<[f64; 3]>,
    /// What the kernel takes the time from: `tsc`, `kvm-clock`, …
    pub clock_source: Option<String>,
}

impl Platform {
    pub(super) fn read(files: &SystemFiles) -> Self {
        let command_line = files.line("/proc/cmdline").unwrap_or_default();
        let settings = command_line.split_whitespace().filter(|setting| {
            let name = setting.split('=').next().unwrap_or_default();
            KERNEL_SETTINGS.contains(&name)
        });
        let huge_pages = files.line("/sys/kernel/mm/transparent_hugepage/enabled");
        Self {
            machine: machine(files),
            hypervisor: hypervisor(files),
            container: container(files),
            kernel_settings: settings.map(str::to_owned).collect(),
            transparent_huge_pages: huge_pages.as_deref().and_then(chosen),
            swap_total_bytes: super::memory_info_bytes(files, "SwapTotal"),
            c_library: c_library(),
            load_average: load_average(files),
            clock_source: clock_source(files, "current_clocksource"),
        }
    }
}

/// The word in brackets of `always [madvise] never`.
fn chosen(line: &str) -> Option<String> {
    let (_, rest) = line.split_once('[')?;
    Some(rest.split_once(']')?.0.to_owned())
}

fn clock_source(files: &SystemFiles, name: &str) -> Option<String> {
    files.line(format!(
        "/sys/devices/system/clocksource/clocksource0/{name}"
    ))
}

fn load_average(files: &SystemFiles) -> Option<[f64; 3]> {
    let line = files.line("/proc/loadavg")?;
    let mut values = line.split(' ').map(|value| value.parse().ok());
    Some([values.next()??, values.next()??, values.next()??])
}

/// The 1-minute load average.
pub(in super::super) fn load_average_1_min(files: &SystemFiles) -> Option<f64> {
    Some(load_average(files)?[0])
}

fn dmi(files: &SystemFiles, name: &str) -> Option<String> {
    files.line(format!("/sys/class/dmi/id/{name}"))
}

fn machine(files: &SystemFiles) -> Option<String> {
    let (vendor, product) = (dmi(files, "sys_vendor"), dmi(files, "product_name"));
    match (vendor, product) {
        (Some(vendor), Some(product)) => Some(format!("{vendor} {product}")),
        (vendor, product) => vendor
            .or(product)
            .or_else(|| files.line("/sys/firmware/devicetree/base/model")),
    }
}

/// The hypervisor, by what it shows its guests; `none` where an x86 processor says that there is none.
fn hypervisor(files: &SystemFiles) -> Option<String> {
    if let Some(name) = files.line("/sys/hypervisor/type") {
        return Some(name);
    }
    if files.exists("/proc/xen/capabilities") {
        return Some("xen".to_owned());
    }
    let flags = files.field("/proc/cpuinfo", "flags", ':');
    let flag = flags.map(|flags| flags.split(' ').any(|flag| flag == "hypervisor"));
    // Clouds rent whole machines too, whose maker is the cloud and whose processor has no such flag.
    if flag == Some(false) {
        return Some("none".to_owned());
    }
    let clocks = clock_source(files, "available_clocksource").unwrap_or_default();
    let tree = files.line("/sys/firmware/devicetree/base/hypervisor/compatible");
    let hint = format!(
        "{} {} {clocks} {}",
        dmi(files, "sys_vendor").unwrap_or_default(),
        dmi(files, "product_name").unwrap_or_default(),
        tree.unwrap_or_default(),
    );
    // The maker comes before the clock: Hyper-V and VMware can show a guest KVM's or Xen's interfaces.
    let known = [
        ("VMware", "vmware"),
        ("VirtualBox", "virtualbox"),
        ("innotek", "virtualbox"),
        ("Parallels", "parallels"),
        ("Microsoft", "hyper-v"),
        ("hyperv_clocksource", "hyper-v"),
        ("Xen", "xen"),
        ("xen", "xen"),
        ("KVM", "kvm"),
        ("kvm", "kvm"),
        ("Google Compute Engine", "kvm"),
        ("QEMU", "qemu"),
    ];
    let found = known.iter().find(|(mark, _)| hint.contains(mark));
    match (found, flag) {
        (Some((_, name)), _) => Some((*name).to_owned()),
        // Only the flag is known: Firecracker without its clock, a cloud's own.
        (None, Some(true)) => Some("unknown".to_owned()),
        (None, _) => None,
    }
}

/// The kind of container, by the files it leaves and the paths it is made of.
fn container(files: &SystemFiles) -> Option<String> {
    let memberships = files.text("/proc/self/cgroup");
    let mounts = files.text("/proc/self/mountinfo");
    if memberships.is_none() && mounts.is_none() {
        return None;
    }
    // With a namespace of its own a container does not see its group's name, but the host's
    // folder of the few files that every engine mounts one by one.
    let mounts = mounts.unwrap_or_default();
    let mounts = mounts.lines().filter_map(Mount::parse);
    let mounted = mounts.filter(|mount| {
        ["/etc/hosts", "/etc/hostname", "/etc/resolv.conf"]
            .contains(&&*mount.point.to_string_lossy())
    });
    let mut marks = memberships.unwrap_or_default();
    for mount in mounted {
        marks += &mount.root.to_string_lossy();
    }
    // Kubernetes first: what it runs is made by one of the others.
    let known = [
        ("kubepods", "kubernetes"),
        ("kubelet/pods", "kubernetes"),
        ("libpod", "podman"),
        ("overlay-containers", "podman"),
        ("docker", "docker"),
        ("lxc", "lxc"),
    ];
    let traced = known.iter().find(|(mark, _)| marks.contains(mark));
    let named = || {
        let file = |path: &str, name: &'static str| files.exists(path).then(|| name.to_owned());
        file("/run/.containerenv", "podman")
            .or_else(|| file("/.dockerenv", "docker"))
            .or_else(|| files.line("/run/systemd/container"))
    };
    let traced = traced.map(|(_, name)| (*name).to_owned());
    Some(traced.or_else(named).unwrap_or_else(|| "none".to_owned()))
}

/// The C library this process runs on.
#[allow(clippy::unnecessary_wraps)] // as on systems that have nothing to tell
#[cfg(all(target_os = "linux", target_env = "gnu"))]
fn c_library() -> Option<String> {
    // SAFETY: glibc returns a pointer to a constant string that ends with NUL.
    let version = unsafe { std::ffi::CStr::from_ptr(libc::gnu_get_libc_version()) };
    Some(format!("glibc {}", version.to_string_lossy()))
}

/// The C library this process was built with; musl does not tell its version.
#[cfg(not(all(target_os = "linux", target_env = "gnu")))]
fn c_library() -> Option<String> {
    cfg!(target_env = "musl").then(|| "musl".to_owned())
}
