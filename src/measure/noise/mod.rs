//! What else happened to this process and its machine while something was measured.
//!
//! A [`Reading`] of the system's counters is taken at both ends, and
//! [`Noise::between`] is their difference. [`warnings`] says in words when the
//! figures measured meanwhile should not be trusted.

mod counters;
mod warnings;

use std::collections::BTreeMap;
use std::time::Instant;

use super::environment::platform::load_average_1_min;
use super::environment::processor::frequencies_mhz;
use super::system_files::SystemFiles;
use counters::{OwnUsage, StallTimes, Throttle, Ticks};

pub use warnings::{
    Disturbance, FREQUENCY_CHANGE, INVOLUNTARY_SWITCHES_PER_CORE_S, LEAST_BUSY_S,
    MAJOR_FAULTS_PER_S, OTHERS_SHARE, STEAL_SHARE, Warning, warnings,
};

/// The counters at one moment.
#[derive(Debug, Clone, PartialEq)]
pub struct Reading {
    at: Instant,
    /// By logical processor, of those this process may use.
    ticks: BTreeMap<usize, Ticks>,
    own: Option<OwnUsage>,
    load_average: Option<f64>,
    stalls: StallTimes,
    throttle: Option<Throttle>,
    frequencies_mhz: BTreeMap<usize, f64>,
    thermal_events: Option<u64>,
}

/// What happened between two readings; absent where the system does not tell.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Noise {
    /// Wall time between the readings.
    pub span_s: f64,
    /// Share, of the time of the processors this process may use, that the hypervisor gave to others.
    pub steal_share: Option<f64>,
    /// How many of these processors were busy, on average, whatever with.
    pub busy_cores: Option<f64>,
    /// How many of them were busy with anything but this process.
    pub others_busy_cores: Option<f64>,
    /// Processor time of this process in its own code.
    pub own_user_s: Option<f64>,
    /// Processor time of this process in the kernel.
    pub own_system_s: Option<f64>,
    /// Times a thread of this process waited for something.
    pub voluntary_switches: Option<u64>,
    /// Times a thread of this process had to make way for another.
    pub involuntary_switches: Option<u64>,
    /// Pages that were there, or made, when this process first touched them.
    pub minor_faults: Option<u64>,
    /// Pages that had to be read from a file or from swap.
    pub major_faults: Option<u64>,
    /// The machine's 1-minute load average at the first reading.
    pub load_average_start: Option<f64>,
    /// The machine's 1-minute load average at the second reading.
    pub load_average_end: Option<f64>,
    /// Time in which some task of the machine waited for a processor, in µs (`/proc/pressure`).
    pub cpu_stall_us: Option<u64>,
    /// Time in which some task of the machine waited for memory, in µs.
    pub memory_stall_us: Option<u64>,
    /// Time in which some task of the machine waited for input or output, in µs.
    pub io_stall_us: Option<u64>,
    /// How often a control group had used up its processor time; all groups around this process added up.
    pub throttled_periods: Option<u64>,
    /// For how long its tasks were held back for that.
    pub throttled_s: Option<f64>,
    /// Frequencies of the processors this process may use, of those known at both moments.
    pub frequencies: Vec<Frequency>,
    /// Times a core or a package was slowed down for its heat.
    pub thermal_events: Option<u64>,
}

/// A logical processor's frequency at both readings.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Frequency {
    /// The processor's number.
    pub cpu: usize,
    /// At the first reading.
    pub start_mhz: f64,
    /// At the second reading.
    pub end_mhz: f64,
}

impl Reading {
    /// Reads the counters of this process and machine.
    pub fn now() -> Self {
        Self::of(&SystemFiles::here(), OwnUsage::now(), Instant::now())
    }

    fn of(files: &SystemFiles, own: Option<OwnUsage>, at: Instant) -> Self {
        let allowed = counters::allowed_cpus(files);
        let is_allowed = |cpu: usize| allowed.as_ref().is_none_or(|set| set.contains(cpu));
        let mut ticks = counters::ticks(files);
        ticks.retain(|&cpu, _| is_allowed(cpu));
        let mut frequencies_mhz = frequencies_mhz(files);
        frequencies_mhz.retain(|&cpu, _| is_allowed(cpu));
        Self {
            at,
            ticks,
            own,
            load_average: load_average_1_min(files),
            stalls: StallTimes::read(files),
            throttle: Throttle::read(files),
            frequencies_mhz,
            thermal_events: counters::thermal_events(files),
        }
    }
}

impl Noise {
    /// What happened from `first` to `second`.
    ///
    /// A counter that stands lower at the second reading (a processor came
    /// back, a machine moved) counts as unchanged.
    pub fn between(first: &Reading, second: &Reading) -> Self {
        let span_s = second.at.saturating_duration_since(first.at).as_secs_f64();
        let grown = |first: Option<u64>, second: Option<u64>| Some(second?.saturating_sub(first?));
        let own = first.own.as_ref().zip(second.own.as_ref());
        let own = own.map(|(first, second)| second.since(first));
        let machine = machine_share(first, second);
        let busy_cores = machine.map(|share| share.busy_cores);
        let own_cores = own
            .as_ref()
            .filter(|_| span_s > 0.0)
            .map(|own| (own.user_s + own.system_s) / span_s);
        let (stalls, later) = (&first.stalls, &second.stalls);
        let throttle = first.throttle.zip(second.throttle);
        let throttle = throttle.map(|(first, second)| second.since(first));
        Self {
            span_s,
            steal_share: machine.map(|share| share.steal_share),
            busy_cores,
            // Own time is counted exactly, the machine's by ticks: the difference can fall below nothing.
            others_busy_cores: busy_cores
                .zip(own_cores)
                .map(|(busy, own)| (busy - own).max(0.0)),
            own_user_s: own.as_ref().map(|own| own.user_s),
            own_system_s: own.as_ref().map(|own| own.system_s),
            voluntary_switches: own.as_ref().map(|own| own.voluntary_switches),
            involuntary_switches: own.as_ref().map(|own| own.involuntary_switches),
            minor_faults: own.as_ref().map(|own| own.minor_faults),
            major_faults: own.as_ref().map(|own| own.major_faults),
            load_average_start: first.load_average,
            load_average_end: second.load_average,
            cpu_stall_us: grown(stalls.cpu, later.cpu),
            memory_stall_us: grown(stalls.memory, later.memory),
            io_stall_us: grown(stalls.io, later.io),
            throttled_periods: throttle.map(|throttle| throttle.periods),
            throttled_s: throttle.map(|throttle| throttle.ns as f64 / 1e9),
            frequencies: frequencies(first, second),
            thermal_events: grown(first.thermal_events, second.thermal_events),
        }
    }

    /// Relative change of the fastest processor's frequency from the first reading to the second.
    ///
    /// Idle processors clock down of themselves; the fastest is the one that
    /// had work at the moment, for it did the reading.
    pub fn frequency_change(&self) -> Option<f64> {
        let fastest =
            |mhz: fn(&Frequency) -> f64| self.frequencies.iter().map(mhz).reduce(f64::max);
        let (start, end) = (fastest(|f| f.start_mhz)?, fastest(|f| f.end_mhz)?);
        (start > 0.0).then(|| end / start - 1.0)
    }
}

#[derive(Clone, Copy)]
struct MachineShare {
    steal_share: f64,
    busy_cores: f64,
}

/// Sums over the processors that both readings have; nothing where no tick has passed.
fn machine_share(first: &Reading, second: &Reading) -> Option<MachineShare> {
    let mut sum = Ticks::default();
    let mut cpus = 0_usize;
    for (cpu, later) in &second.ticks {
        if let Some(earlier) = first.ticks.get(cpu) {
            sum.add(later.since(*earlier));
            cpus += 1;
        }
    }
    let total = sum.total() as f64;
    (total > 0.0).then(|| MachineShare {
        steal_share: sum.steal as f64 / total,
        busy_cores: sum.busy as f64 / total * cpus as f64,
    })
}

fn frequencies(first: &Reading, second: &Reading) -> Vec<Frequency> {
    let starts = first.frequencies_mhz.iter();
    let both = starts.filter_map(|(&cpu, &start_mhz)| {
        let end_mhz = *second.frequencies_mhz.get(&cpu)?;
        Some(Frequency {
            cpu,
            start_mhz,
            end_mhz,
        })
    });
    both.collect()
}

#[cfg(test)]
mod tests;
