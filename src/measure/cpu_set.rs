//! Sets of logical processors, as the kernel writes them.

use std::fmt;
use std::ops::RangeInclusive;

/// Logical processors by number; written `0-3,8`, and empty for none.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct CpuSet(Vec<RangeInclusive<usize>>);

impl CpuSet {
    /// Reads the kernel's list format (`Cpus_allowed_list`, `cpulist`, `cpuset.cpus`).
    pub fn parse(text: &str) -> Option<Self> {
        let parts = text.trim().split(',').filter(|part| !part.is_empty());
        let ranges = parts.map(|part| {
            let (first, last) = part.split_once('-').unwrap_or((part, part));
            let range = first.trim().parse().ok()?..=last.trim().parse().ok()?;
            (!range.is_empty()).then_some(range)
        });
        Some(Self(ranges.collect::<Option<_>>()?))
    }

    /// Whether `cpu` is one of them.
    pub fn contains(&self, cpu: usize) -> bool {
        self.0.iter().any(|range| range.contains(&cpu))
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        let counts = self.0.iter().map(|range| range.end() - range.start());
        counts.fold(0_usize, |sum, n| sum.saturating_add(n).saturating_add(1))
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl fmt::Display for CpuSet {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, range) in self.0.iter().enumerate() {
            let comma = if i == 0 { "" } else { "," };
            let (first, last) = (range.start(), range.end());
            if first == last {
                write!(formatter, "{comma}{first}")?;
            } else {
                write!(formatter, "{comma}{first}-{last}")?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::CpuSet;

    #[test]
    fn the_kernels_lists() {
        let set = CpuSet::parse("0-3,8,10-11\n").unwrap();
        assert_eq!((set.len(), set.to_string().as_str()), (7, "0-3,8,10-11"));
        assert!(set.contains(3) && set.contains(8) && !set.contains(9));
        let none = CpuSet::parse("\n").unwrap();
        assert_eq!((none.len(), none.is_empty()), (0, true));
        assert_eq!(none.to_string(), "");
    }

    #[test]
    fn what_is_no_list() {
        for text in ["a", "3-", "5-2", "-1", "1;2", "99999999999999999999"] {
            assert_eq!(CpuSet::parse(text), None, "{text}");
        }
        let everything = CpuSet::parse("0-18446744073709551615,0-1").unwrap();
        assert_eq!(everything.len(), usize::MAX);
    }
}
