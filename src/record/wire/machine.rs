//! Memory by phase, energy and what else went on, as they stand in a record.

use serde::{Deserialize, Serialize};

use super::WireCardUse;
use crate::measure::energy::Energy;
use crate::measure::memory::{MemorySample, PhaseMemory};
use crate::measure::noise::{self, Disturbance, Noise};
use crate::stats::trend::growth;

/// Growth of anonymous memory over a timed pass below this is an allocator's habit, in bytes.
const GROWTH_FLOOR_BYTES: f64 = (16 << 20) as f64;

/// Memory in bytes; absent where the system does not tell.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct WireMemory {
    /// The weights as computed with.
    pub weights_bytes: u64,
    /// Most resident pages, mapped files included, since the process began.
    pub rss_peak_bytes: Option<u64>,
    /// Most anonymous pages, sampled.
    pub rss_anon_peak_bytes: Option<u64>,
    /// Most anonymous pages of any pass above those after the model was loaded: activations, and
    /// the windows and answers that are being worked on.
    #[serde(default)]
    pub activations_peak_bytes: Option<u64>,
    /// Most memory of the accelerator; absent on the CPU.
    pub device_peak_bytes: Option<u64>,
    /// Each phase, in the order they ended.
    #[serde(default)]
    pub phases: Vec<WirePhaseMemory>,
    /// How anonymous memory grew over the timed pass, where that can be told.
    #[serde(default)]
    pub growth: Option<WireGrowth>,
}

/// Memory of a phase in bytes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WirePhaseMemory {
    /// The phase's name; `timed` is the timed pass as a whole.
    pub phase: String,
    /// Resident pages at its end.
    pub rss_end_bytes: Option<u64>,
    /// Most resident pages within it.
    pub rss_peak_bytes: Option<u64>,
    /// Anonymous pages at its end.
    pub rss_anon_end_bytes: Option<u64>,
    /// Most anonymous pages within it, sampled.
    pub rss_anon_peak_bytes: Option<u64>,
    /// Resident pages of mapped files at its end.
    pub rss_file_end_bytes: Option<u64>,
    /// Most anonymous pages in swap within it.
    pub swap_peak_bytes: Option<u64>,
}

/// Growth of anonymous memory over the timed pass.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct WireGrowth {
    /// By the Theil–Sen line.
    pub bytes_per_s: f64,
    /// Over the whole pass.
    pub total_bytes: f64,
    /// Probability of as clear a trend where there is none (Mann–Kendall).
    pub p: f64,
    /// Whether it is called a leak.
    pub grows: bool,
}

impl From<&PhaseMemory> for WirePhaseMemory {
    fn from(memory: &PhaseMemory) -> Self {
        Self {
            phase: memory.phase.to_owned(),
            rss_end_bytes: memory.resident_end,
            rss_peak_bytes: memory.resident_peak,
            rss_anon_end_bytes: memory.anonymous_end,
            rss_anon_peak_bytes: memory.anonymous_peak,
            rss_file_end_bytes: memory.file_end,
            swap_peak_bytes: memory.swap_peak,
        }
    }
}

impl WireGrowth {
    /// How the samples of a timed pass grow; nothing where there are too few.
    pub fn of(samples: &[MemorySample]) -> Option<Self> {
        let points: Vec<(f64, f64)> = samples
            .iter()
            .map(|sample| (sample.at_s, sample.anonymous_bytes as f64))
            .collect();
        let growth = growth(&points, GROWTH_FLOOR_BYTES)?;
        Some(Self {
            bytes_per_s: growth.bytes_per_s,
            total_bytes: growth.total_bytes,
            p: growth.p,
            grows: growth.grows,
        })
    }
}

impl WireMemory {
    /// Whether it grew over the timed pass.
    pub fn grows(&self) -> bool {
        self.growth.as_ref().is_some_and(|growth| growth.grows)
    }

    /// Why the figures of a pass in which memory grows should not be trusted.
    pub fn growth_doubt(&self) -> Option<String> {
        let growth = self.growth.as_ref().filter(|growth| growth.grows)?;
        Some(format!(
            "memory grew by {:.0} MB over the timed pass, {:.1} MB/s: a leak? (Theil–Sen; Mann–Kendall p {:.1e})",
            growth.total_bytes / 1e6,
            growth.bytes_per_s / 1e6,
            growth.p
        ))
    }
}

/// Samples of anonymous memory over a timed pass, as columns.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct WireMemorySamples {
    /// Seconds since the pass began.
    pub at_s: Vec<f64>,
    /// Anonymous pages.
    pub rss_anon_bytes: Vec<u64>,
}

impl From<&[MemorySample]> for WireMemorySamples {
    fn from(samples: &[MemorySample]) -> Self {
        Self {
            at_s: samples.iter().map(|sample| sample.at_s).collect(),
            rss_anon_bytes: samples
                .iter()
                .map(|sample| sample.anonymous_bytes)
                .collect(),
        }
    }
}

/// Energy of the timed pass in joules; absent where the machine does not tell.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct WireEnergy {
    /// All processor packages.
    pub packages_j: Option<f64>,
    /// Their memory, which the packages' figure lacks.
    pub memory_j: Option<f64>,
    /// The cards that computed, all of them, by their own counters.
    pub cards_j: Option<f64>,
    /// By the questions answered: of the cards where such computed, else of packages and memory.
    pub per_question_j: Option<f64>,
    /// By domain, as the kernel names them.
    pub domains_j: serde_json::Map<String, serde_json::Value>,
    /// Why there is no figure.
    pub absent_because: Option<String>,
}

impl WireEnergy {
    /// Of a pass that answered `questions`.
    pub fn new(energy: &Energy, questions: usize) -> Self {
        let packages_j = energy.packages_j();
        let memory_j = energy.memory_j();
        let all = packages_j.map(|packages| packages + memory_j.unwrap_or(0.0));
        let domains = energy.domains.iter();
        Self {
            packages_j,
            memory_j,
            cards_j: None,
            per_question_j: all.map(|joules| joules / questions.max(1) as f64),
            domains_j: domains
                .map(|domain| (domain.name.clone(), domain.energy_j.into()))
                .collect(),
            absent_because: None,
        }
    }

    /// The same with what the cards took that computed. Where one does not tell, there is no figure by
    /// question, for the processor's would be that of another work.
    #[must_use]
    pub fn with_cards(self, cards: &[WireCardUse]) -> Self {
        if cards.is_empty() {
            return self;
        }
        let sum = |of: fn(&WireCardUse) -> Option<f64>| cards.iter().map(of).sum();
        Self {
            cards_j: sum(|card| card.energy_j),
            per_question_j: sum(|card| card.per_question_j),
            ..self
        }
    }

    /// No figure, for this reason.
    pub fn absent(reason: String) -> Self {
        Self {
            absent_because: Some(reason),
            ..Self::default()
        }
    }
}

/// What went on during the timed pass, in this process and beside it; absent where the system
/// does not tell.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct WireNoise {
    /// Wall time.
    pub span_s: f64,
    /// Share of the processors' time that the hypervisor gave to others.
    pub steal_share: Option<f64>,
    /// Processors that were busy, on average.
    pub busy_cores: Option<f64>,
    /// Of them busy with anything but this process.
    pub others_busy_cores: Option<f64>,
    /// Processor time of this process in its own code.
    pub own_user_s: Option<f64>,
    /// Processor time of this process in the kernel.
    pub own_system_s: Option<f64>,
    /// Times that a thread waited for something.
    pub voluntary_switches: Option<u64>,
    /// Times that a thread had to make way for another.
    pub involuntary_switches: Option<u64>,
    /// Pages first touched.
    pub minor_faults: Option<u64>,
    /// Pages read from a file or from swap.
    pub major_faults: Option<u64>,
    /// 1-minute load average at the beginning.
    pub load_average_start: Option<f64>,
    /// And at the end.
    pub load_average_end: Option<f64>,
    /// Time in which some task of the machine waited for a processor, in µs.
    pub cpu_stall_us: Option<u64>,
    /// For memory.
    pub memory_stall_us: Option<u64>,
    /// For input or output.
    pub io_stall_us: Option<u64>,
    /// Times that a control group had used up its processor time.
    pub throttled_periods: Option<u64>,
    /// For how long its tasks were held back for that.
    pub throttled_s: Option<f64>,
    /// `[processor, MHz at the beginning, MHz at the end]`.
    pub frequencies_mhz: Vec<(usize, f64, f64)>,
    /// Times a core or a package was slowed down for its heat.
    pub thermal_events: Option<u64>,
    /// What of it makes figures doubtful.
    pub warnings: Vec<String>,
}

impl WireNoise {
    /// Of a pass on `cores_used` cores; where it took `turns`, other cells are no disturbance.
    pub fn new(noise: &Noise, cores_used: usize, turns: bool) -> Self {
        let warnings = noise::warnings(noise, cores_used).into_iter();
        let warnings = warnings.filter(|w| !(turns && w.disturbance == Disturbance::Others));
        let frequencies = noise.frequencies.iter();
        Self {
            span_s: noise.span_s,
            steal_share: noise.steal_share,
            busy_cores: noise.busy_cores,
            others_busy_cores: noise.others_busy_cores,
            own_user_s: noise.own_user_s,
            own_system_s: noise.own_system_s,
            voluntary_switches: noise.voluntary_switches,
            involuntary_switches: noise.involuntary_switches,
            minor_faults: noise.minor_faults,
            major_faults: noise.major_faults,
            load_average_start: noise.load_average_start,
            load_average_end: noise.load_average_end,
            cpu_stall_us: noise.cpu_stall_us,
            memory_stall_us: noise.memory_stall_us,
            io_stall_us: noise.io_stall_us,
            throttled_periods: noise.throttled_periods,
            throttled_s: noise.throttled_s,
            frequencies_mhz: frequencies
                .map(|f| (f.cpu, f.start_mhz, f.end_mhz))
                .collect(),
            thermal_events: noise.thermal_events,
            warnings: warnings.map(|warning| warning.text).collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::measure::gpu::CardUse;

    #[test]
    fn energy_by_question_is_that_of_what_computed() {
        let processor = || WireEnergy {
            packages_j: Some(80.0),
            per_question_j: Some(8.0),
            ..WireEnergy::default()
        };
        let card = |energy_j| {
            let used = CardUse {
                energy_j,
                ..CardUse::default()
            };
            WireCardUse::new(&used, 10)
        };
        assert_eq!(processor().with_cards(&[]), processor());
        let two = processor().with_cards(&[card(Some(300.0)), card(Some(200.0))]);
        assert_eq!(two.packages_j, Some(80.0));
        assert_eq!((two.cards_j, two.per_question_j), (Some(500.0), Some(50.0)));
        let silent = processor().with_cards(&[card(Some(300.0)), card(None)]);
        assert_eq!((silent.cards_j, silent.per_question_j), (None, None));
    }
}
