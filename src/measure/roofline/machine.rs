//! What measuring has to know of the machine: its caches, and the memory there is room in.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// Bytes of all caches of the last level together; absent where the system does not tell.
pub(super) fn last_level_caches_bytes() -> Option<u64> {
    last_level_caches_in(Path::new("/sys/devices/system/cpu"))
}

fn last_level_caches_in(processors: &Path) -> Option<u64> {
    // By the processors that share a cache, so that each is counted once; the last level alone.
    let mut caches: BTreeMap<String, (u32, u64)> = BTreeMap::new();
    for processor in fs::read_dir(processors).ok()?.flatten() {
        let Ok(entries) = fs::read_dir(processor.path().join("cache")) else {
            continue;
        };
        for cache in entries.flatten() {
            let read = |name: &str| fs::read_to_string(cache.path().join(name)).ok();
            let size = read("size").and_then(|text| kibibytes(text.trim()));
            let level = read("level").and_then(|text| text.trim().parse().ok());
            if let (Some(size), Some(level), Some(shared)) = (size, level, read("shared_cpu_list"))
            {
                let last = caches.entry(shared).or_insert((level, size));
                *last = (*last).max((level, size));
            }
        }
    }
    let last = caches.values().map(|(level, _)| *level).max()?;
    let sizes = caches.values().filter(|(level, _)| *level == last);
    Some(sizes.map(|(_, size)| size).sum())
}

/// `107520K` in bytes.
fn kibibytes(text: &str) -> Option<u64> {
    text.strip_suffix('K')?
        .parse::<u64>()
        .ok()?
        .checked_mul(1024)
}

/// Time that the calling thread was ready to run and others had the processors, in
/// nanoseconds since it began; absent where the system does not tell.
pub(super) fn waited_ns() -> Option<u64> {
    // Time on a processor, time waiting for one, turns.
    let text = fs::read_to_string("/proc/thread-self/schedstat").ok()?;
    text.split_whitespace().nth(1)?.parse().ok()
}

/// Memory that can be taken without swapping, within the limits of this
/// process's control groups; absent where the system does not tell.
pub(super) fn available_memory_bytes() -> Option<u64> {
    let memory = fs::read_to_string("/proc/meminfo").ok();
    let available = memory.and_then(|text| Some(field(&text, "MemAvailable:")? * 1024));
    let group = fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
    let limits = control_groups(&group)
        .into_iter()
        .filter_map(|folder| room_in(&folder));
    available.into_iter().chain(limits).min()
}

/// The number after `name` in a file of names and numbers.
fn field(text: &str, name: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix(name))?;
    line.split_whitespace().next()?.parse().ok()
}

/// The folders of this process's groups that may limit its memory, the root's too: in a
/// container the root is the group itself.
fn control_groups(own: &str) -> Vec<PathBuf> {
    let root = Path::new("/sys/fs/cgroup");
    let mut folders = vec![root.to_owned(), root.join("memory")];
    for line in own.lines() {
        // "0::/path" in the second version, "9:memory:/path" in the first.
        let mut parts = line.splitn(3, ':');
        let (_, controllers, path) = (parts.next(), parts.next(), parts.next());
        let base = match controllers {
            Some("") => root.to_owned(),
            Some(names) if names.split(',').any(|name| name == "memory") => root.join("memory"),
            _ => continue,
        };
        let path = Path::new(path.unwrap_or_default().trim_start_matches('/'));
        let inner = path.ancestors().filter(|path| !path.as_os_str().is_empty());
        folders.extend(inner.map(|path| base.join(path)));
    }
    folders
}

/// The group's limit, less the memory in it that cannot be given back.
fn room_in(folder: &Path) -> Option<u64> {
    let read = |name: &str| fs::read_to_string(folder.join(name)).ok();
    let limit = read("memory.max").or_else(|| read("memory.limit_in_bytes"))?;
    // "max" is no limit.
    let limit: u64 = limit.trim().parse().ok()?;
    let used = read("memory.stat").unwrap_or_default();
    let used = field(&used, "anon ").or_else(|| field(&used, "total_rss "));
    Some(limit.saturating_sub(used.unwrap_or(0)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write(folder: &Path, name: &str, text: &str) {
        fs::create_dir_all(folder).unwrap();
        fs::write(folder.join(name), text).unwrap();
    }

    fn cache(root: &Path, place: &str, level: &str, size: &str, shared: &str) {
        let folder = root.join(place);
        write(&folder, "level", level);
        write(&folder, "size", size);
        write(&folder, "shared_cpu_list", shared);
    }

    #[test]
    fn each_last_level_cache_is_counted_once() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path();
        assert_eq!(last_level_caches_in(root), None);
        for (processor, shared) in [(0, "0-1\n"), (1, "0-1\n"), (2, "2-3\n"), (3, "2-3\n")] {
            let own = format!("{processor}\n");
            let place = |index: u32| format!("cpu{processor}/cache/index{index}");
            cache(root, &place(0), "1\n", "48K\n", &own);
            cache(root, &place(2), "2\n", "2048K\n", &own);
            cache(root, &place(3), "3\n", "32768K\n", shared);
        }
        write(&root.join("cpu9/cache/index0"), "level", "what?");
        assert_eq!(last_level_caches_in(root), Some(64 << 20));
    }

    #[test]
    fn waiting_only_grows() {
        // Another system does not tell, nor does a kernel that was built without it.
        if let Some(before) = waited_ns() {
            assert!(waited_ns().unwrap() >= before);
        }
    }

    #[test]
    fn groups_are_found_in_both_versions() {
        let second = control_groups("0::/user.slice/run-1.scope\n");
        let at = |path: &str| PathBuf::from("/sys/fs/cgroup").join(path);
        assert!(
            second.contains(&at("user.slice/run-1.scope")) && second.contains(&at("user.slice"))
        );
        let first = control_groups("9:cpu,memory:/docker/abc\n4:cpuset:/docker/abc\nnonsense\n");
        assert!(first.contains(&at("memory/docker/abc")) && first.contains(&at("memory")));
        assert!(!first.contains(&at("docker/abc")));
    }

    #[test]
    fn a_limit_leaves_what_is_not_in_use() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path();
        assert_eq!(room_in(root), None);
        write(root, "memory.max", "max\n");
        assert_eq!(room_in(root), None);
        write(root, "memory.max", "1000\n");
        assert_eq!(room_in(root), Some(1000));
        write(root, "memory.stat", "anon 300\nfile 600\n");
        assert_eq!(room_in(root), Some(700));
        write(root, "memory.stat", "anon 3000\n");
        assert_eq!(room_in(root), Some(0));
    }
}
