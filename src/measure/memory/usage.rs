//! What the kernel tells about this process's memory.

/// Resident pages at one moment, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Resident {
    pub total: u64,
    pub anonymous: u64,
}

/// Reads `/proc/self/statm`, which costs a fifth of what `/proc/self/status` does.
#[derive(Debug)]
pub(super) struct StatmReader {
    #[cfg(target_os = "linux")]
    file: Option<std::fs::File>,
}

#[cfg(target_os = "linux")]
impl StatmReader {
    /// Opens the file once: the kernel writes it anew for each read at its beginning.
    pub fn open() -> Self {
        Self {
            file: std::fs::File::open("/proc/self/statm").ok(),
        }
    }

    pub fn read(&self) -> Option<Resident> {
        use std::os::unix::fs::FileExt;
        // Seven numbers of at most 20 digits.
        let mut buffer = [0_u8; 160];
        let n = self.file.as_ref()?.read_at(&mut buffer, 0).ok()?;
        Resident::of_statm(std::str::from_utf8(&buffer[..n]).ok()?, page_bytes()?)
    }
}

#[cfg(not(target_os = "linux"))]
impl StatmReader {
    pub fn open() -> Self {
        Self {}
    }

    #[allow(clippy::unused_self)] // as on Linux
    pub fn read(&self) -> Option<Resident> {
        None
    }
}

impl Resident {
    /// Reads `size resident shared …`, in pages (proc(5)).
    ///
    /// The kernel's `shared` is pages of files and of shared memory, and its
    /// `resident` is these and the anonymous ones (`task_statm` in
    /// `fs/proc/task_mmu.c`), so that their difference is `RssAnon`.
    #[cfg_attr(not(target_os = "linux"), allow(dead_code))]
    fn of_statm(text: &str, page_bytes: u64) -> Option<Self> {
        let mut pages = text.split_ascii_whitespace().skip(1);
        let resident: u64 = pages.next()?.parse().ok()?;
        let shared: u64 = pages.next()?.parse().ok()?;
        Some(Self {
            total: resident.checked_mul(page_bytes)?,
            anonymous: resident.saturating_sub(shared).checked_mul(page_bytes)?,
        })
    }
}

#[cfg(target_os = "linux")]
fn page_bytes() -> Option<u64> {
    // SAFETY: sysconf reads no memory of ours.
    let bytes = unsafe { libc::sysconf(libc::_SC_PAGESIZE) };
    u64::try_from(bytes).ok().filter(|&bytes| bytes > 0)
}

/// The fields of `/proc/self/status` about memory, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Status {
    /// `VmHWM`: most resident pages since the process began.
    pub resident_peak: Option<u64>,
    /// `VmRSS`.
    pub resident: Option<u64>,
    /// `RssAnon`.
    pub anonymous: Option<u64>,
    /// `RssFile`.
    pub file: Option<u64>,
    /// `VmSwap`.
    pub swap: Option<u64>,
}

impl Status {
    pub fn read() -> Self {
        let text = std::fs::read_to_string("/proc/self/status");
        Self::parse(&text.unwrap_or_default())
    }

    fn parse(text: &str) -> Self {
        let field = |key: &str| {
            let value = text.lines().find_map(|line| line.strip_prefix(key))?;
            let kibibytes = value.trim().trim_end_matches("kB").trim();
            kibibytes.parse::<u64>().ok()?.checked_mul(1024)
        };
        Self {
            resident_peak: field("VmHWM:"),
            resident: field("VmRSS:"),
            anonymous: field("RssAnon:"),
            file: field("RssFile:"),
            swap: field("VmSwap:"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statm_is_pages() {
        let found = Resident::of_statm("765 443 414 5 0 123 0\n", 4096).unwrap();
        assert_eq!((found.total, found.anonymous), (443 * 4096, 29 * 4096));
        // With pages of 64 KiB, and while the counters are out of step.
        let found = Resident::of_statm("9 2 3 0 0 0 0", 65_536).unwrap();
        assert_eq!((found.total, found.anonymous), (131_072, 0));
        for text in ["", "1 2", "1 x 3", "1 18446744073709551615 0"] {
            assert_eq!(Resident::of_statm(text, 4096), None, "{text}");
        }
    }

    #[test]
    fn status_is_kibibytes() {
        let text = "VmHWM:\t  1752 kB\nVmRSS:\t 1700 kB\nRssAnon:\t 112 kB\nVmSwap:\t x kB\n";
        let found = Status::parse(text);
        assert_eq!(found.resident_peak, Some(1752 * 1024));
        assert_eq!(found.anonymous, Some(112 * 1024));
        assert_eq!((found.file, found.swap), (None, None));
        assert_eq!(Status::parse(""), Status::default());
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn both_files_tell_the_same() {
        let block = std::hint::black_box(vec![1_u8; 32 << 20]);
        let statm = StatmReader::open().read().unwrap();
        let status = Status::read();
        drop(block);
        // Other tests allocate meanwhile.
        let near = |a: u64, b: u64| a.abs_diff(b) < 16 << 20;
        assert!(
            near(statm.total, status.resident.unwrap()),
            "{statm:?} {status:?}"
        );
        assert!(
            near(statm.anonymous, status.anonymous.unwrap()),
            "{statm:?} {status:?}"
        );
        assert!(statm.anonymous >= 32 << 20, "{statm:?}");
    }
}
