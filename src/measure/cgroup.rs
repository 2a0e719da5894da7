//! The control groups this process is in.

use std::path::{Component, Path, PathBuf};

use super::system_files::SystemFiles;

/// Which of the kernel's two interfaces for control groups.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CgroupVersion {
    /// One tree a controller.
    V1,
    /// One tree for all.
    V2,
}

/// The groups of one controller that hold this process, as far as they can be seen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Groups {
    pub version: CgroupVersion,
    /// Folders by the system's names: the process's own group first, the mounted one last.
    pub folders: Vec<PathBuf>,
}

impl Groups {
    /// Finds the groups of `controller` (`cpu`, `memory`, `cpuset`) through
    /// `/proc/self/cgroup` and `/proc/self/mountinfo` (cgroups(7), proc(5)).
    ///
    /// A controller has one of the two versions; a line of its own in the
    /// first file says that it is version 1.
    pub fn of(files: &SystemFiles, controller: &str) -> Option<Self> {
        let memberships = files.text("/proc/self/cgroup")?;
        let mounts = files.text("/proc/self/mountinfo")?;
        [CgroupVersion::V1, CgroupVersion::V2]
            .into_iter()
            .find_map(|version| {
                let own = own_path(&memberships, version, controller)?;
                let mounts = mounts.lines().filter_map(Mount::parse);
                let mounts = mounts.filter(|mount| mount.is_of(version, controller));
                // The same tree can be mounted twice, of which one may show less.
                let folders = mounts.map(|mount| mount.folders(files, own));
                let folders = folders.max_by_key(Vec::len)?;
                (!folders.is_empty()).then_some(Self { version, folders })
            })
    }

    /// Values of the groups that have one, of the process's own group first.
    pub fn values<'a, T: 'a>(
        &'a self,
        value: impl Fn(&Path) -> Option<T> + 'a,
    ) -> impl Iterator<Item = T> + 'a {
        self.folders.iter().filter_map(move |folder| value(folder))
    }
}

/// The path of the process's group in the tree of `controller`.
fn own_path<'a>(memberships: &'a str, version: CgroupVersion, controller: &str) -> Option<&'a str> {
    memberships.lines().find_map(|line| {
        let mut parts = line.splitn(3, ':');
        let (_, controllers, path) = (parts.next()?, parts.next()?, parts.next()?);
        let fits = match version {
            CgroupVersion::V1 => controllers.split(',').any(|name| name == controller),
            CgroupVersion::V2 => controllers.is_empty(),
        };
        fits.then_some(path)
    })
}

/// A line of `/proc/self/mountinfo`.
pub(super) struct Mount<'a> {
    /// The folder of the file system that is mounted.
    pub root: PathBuf,
    /// Where it is mounted.
    pub point: PathBuf,
    kind: &'a str,
    /// Options of the file system: for version 1 the controllers.
    options: &'a str,
}

impl<'a> Mount<'a> {
    pub fn parse(line: &'a str) -> Option<Self> {
        let (here, file_system) = line.split_once(" - ")?;
        let mut here = here.split(' ').skip(3);
        let mut file_system = file_system.split(' ');
        Some(Self {
            root: unescaped(here.next()?).into(),
            point: unescaped(here.next()?).into(),
            kind: file_system.next()?,
            options: file_system.nth(1)?,
        })
    }

    fn is_of(&self, version: CgroupVersion, controller: &str) -> bool {
        match version {
            CgroupVersion::V1 => {
                self.kind == "cgroup" && self.options.split(',').any(|name| name == controller)
            }
            CgroupVersion::V2 => self.kind == "cgroup2",
        }
    }

    /// The folders of `own` and of the groups around it, up to the mount.
    ///
    /// A container often sees its own group as the mount, while the path names
    /// a place outside (`..`) or one that the host would see: then the mount is
    /// the nearest that there is.
    fn folders(&self, files: &SystemFiles, own: &str) -> Vec<PathBuf> {
        let below = Path::new(own).strip_prefix(&self.root).ok();
        let below =
            below.filter(|path| path.components().all(|c| matches!(c, Component::Normal(_))));
        let below = below.unwrap_or(Path::new(""));
        // Every path ends with "", which stands for the mount itself.
        let paths = below.ancestors().map(|path| self.point.join(path));
        paths.filter(|path| files.exists(path)).collect()
    }
}

/// A path of mountinfo, where space, tab, line feed and backslash are octal.
fn unescaped(text: &str) -> String {
    let escapes = [
        ("\\040", " "),
        ("\\011", "\t"),
        ("\\012", "\n"),
        ("\\134", "\\"),
    ];
    escapes
        .iter()
        .fold(text.to_owned(), |text, (escape, c)| text.replace(escape, c))
}

// Windows has no such file names.
#[cfg(all(test, unix))]
mod tests {
    use super::*;

    fn groups(cgroup: &str, mountinfo: &str, folders: &[&str], controller: &str) -> Option<Groups> {
        let root = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(root.path().join("proc/self")).unwrap();
        std::fs::write(root.path().join("proc/self/cgroup"), cgroup).unwrap();
        std::fs::write(root.path().join("proc/self/mountinfo"), mountinfo).unwrap();
        for folder in folders {
            std::fs::create_dir_all(root.path().join(folder)).unwrap();
        }
        Groups::of(&SystemFiles::under(root.path()), controller)
    }

    const V2: &str =
        "35 24 0:30 / /sys/fs/cgroup rw,nosuid shared:9 - cgroup2 cgroup2 rw,nsdelegate\n";

    #[test]
    fn the_path_up_to_the_mount() {
        let found = groups(
            "0::/user.slice/a b:c\n",
            V2,
            &["sys/fs/cgroup/user.slice/a b:c"],
            "cpu",
        );
        let found = found.unwrap();
        assert_eq!(found.version, CgroupVersion::V2);
        let expected = ["/user.slice/a b:c", "/user.slice", "/"];
        let expected = expected.map(|path| PathBuf::from(format!("/sys/fs/cgroup{path}")));
        assert_eq!(found.folders, expected);
    }

    #[test]
    fn a_namespace_shows_only_the_mount() {
        for own in ["0::/../../x\n", "0::/seen/by/the/host\n", "0::/\n"] {
            let found = groups(own, V2, &["sys/fs/cgroup"], "cpu").unwrap();
            assert_eq!(found.folders, [PathBuf::from("/sys/fs/cgroup")], "{own}");
        }
    }

    #[test]
    fn version_one_mounts_a_part_of_the_tree() {
        let mounts = "50 49 0:30 /docker/ab /sys/fs/cgroup/cpu\\040x ro - cgroup cgroup rw,cpu,cpuacct\n\
                      51 49 0:31 /docker/ab /sys/fs/cgroup/memory ro - cgroup cgroup rw,memory\n";
        let own = "9:memory:/docker/ab\n4:cpu,cpuacct:/docker/ab/in\n";
        let folders = ["sys/fs/cgroup/cpu x/in", "sys/fs/cgroup/memory"];
        let found = groups(own, mounts, &folders, "cpu").unwrap();
        assert_eq!(found.version, CgroupVersion::V1);
        let expected = ["/sys/fs/cgroup/cpu x/in", "/sys/fs/cgroup/cpu x"];
        assert_eq!(found.folders, expected.map(PathBuf::from));
        assert_eq!(groups(own, mounts, &folders, "cpuset"), None);
        // "cpu" is not "cpuset", and a controller without its mount is not found.
        assert_eq!(groups("3:cpuset:/\n", mounts, &folders, "cpu"), None);
    }

    #[test]
    fn damaged_files_are_no_groups() {
        for (cgroup, mounts) in [
            ("", ""),
            ("0::", "x"),
            ("0:/", V2),
            ("::::", "a - cgroup2\n - \n"),
        ] {
            assert_eq!(groups(cgroup, mounts, &[], "cpu"), None);
        }
    }
}
