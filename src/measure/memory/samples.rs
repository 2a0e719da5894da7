//! Samples over time, few enough to keep.

/// Most samples that are kept.
pub const MOST_SAMPLES: usize = 2000;

/// Anonymous memory at one moment.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct MemorySample {
    /// Seconds since the phase began.
    pub at_s: f64,
    /// Anonymous resident pages in bytes.
    pub anonymous_bytes: u64,
}

/// Every n-th of the samples pushed, n doubling whenever there are too many.
///
/// Samples are left out, never averaged: each kept one is a value that was measured.
#[derive(Debug)]
pub(super) struct Samples {
    kept: Vec<MemorySample>,
    pushed: u64,
    stride: u64,
}

impl Default for Samples {
    fn default() -> Self {
        Self {
            kept: Vec::new(),
            pushed: 0,
            stride: 1,
        }
    }
}

impl Samples {
    pub fn push(&mut self, sample: MemorySample) {
        if self.pushed.is_multiple_of(self.stride) {
            if self.kept.len() == MOST_SAMPLES {
                let mut index = 0_usize;
                self.kept.retain(|_| {
                    index += 1;
                    index % 2 == 1
                });
                self.stride *= 2;
            }
            // The limit is even, so that the sample that made them too many has its place in the wider stride.
            self.kept.push(sample);
        }
        self.pushed += 1;
    }

    pub fn kept(&self) -> &[MemorySample] {
        &self.kept
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kept_samples_are_few_and_at_even_distances() {
        for n in [
            0,
            1,
            MOST_SAMPLES,
            MOST_SAMPLES + 1,
            3 * MOST_SAMPLES,
            100_001,
        ] {
            let mut samples = Samples::default();
            for i in 0..n {
                samples.push(MemorySample {
                    at_s: i as f64,
                    anonymous_bytes: i as u64,
                });
            }
            let kept = samples.kept();
            assert!(kept.len() <= MOST_SAMPLES, "{n}: {}", kept.len());
            assert!(kept.len() >= n.min(MOST_SAMPLES / 2), "{n}: {}", kept.len());
            let steps = kept.windows(2).map(|pair| pair[1].at_s - pair[0].at_s);
            assert!(
                steps.clone().all(|step| step == samples.stride as f64),
                "{n}"
            );
            assert!(kept.first().is_none_or(|first| first.at_s == 0.0));
            let last = kept
                .last()
                .map_or(0, |last| last.anonymous_bytes + samples.stride);
            assert!(last >= n as u64, "{n}: the end is missing");
        }
    }
}
