//! When the figures of a run should not be trusted, and why.

use super::Noise;

/// Steal above this share is warned of: the time is missing from every figure
/// in full, and differences of 1 % are what comparisons are asked about.
pub const STEAL_SHARE: f64 = 0.01;

/// Others' work above this share of the cores that the run used is warned of:
/// it takes time of the run's threads, and of caches, memory bandwidth and
/// turbo where it does not. A quiet machine's services stay well below.
pub const OTHERS_SHARE: f64 = 0.05;

/// Stolen and others' processor time below this is not warned of: the counters
/// go in ticks of 10 ms a core, and a few of them are their rounding.
pub const LEAST_BUSY_S: f64 = 0.05;

/// A frequency that differs by more than this share between both ends is
/// warned of: compute-bound work changes by the same share.
pub const FREQUENCY_CHANGE: f64 = 0.05;

/// Major faults above this rate are warned of: a disk needs up to 10 ms for
/// one, so that one a second can be 1 % of the time.
pub const MAJOR_FAULTS_PER_S: f64 = 1.0;

/// Involuntary switches above this rate, per second and core used, are warned
/// of: a core shared with one other busy thread is taken away once per turn of
/// both (some milliseconds), 200 to 250 times a second where it was tried; with
/// nothing else to do the threads of a run make way for each other 50 to 80 times.
pub const INVOLUNTARY_SWITCHES_PER_CORE_S: f64 = 120.0;

/// Why figures should not be trusted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Disturbance {
    /// The hypervisor gave processor time to others.
    Steal,
    /// Other processes were busy.
    Others,
    /// A control group's quota held this process back.
    Throttled,
    /// The processor's frequency changed.
    Frequency,
    /// The processor was slowed down for its heat.
    Heat,
    /// Pages were read from files or from swap.
    MajorFaults,
    /// Threads were made to wait for a core.
    Preempted,
}

/// A disturbance and how large it was.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Warning {
    /// Of what kind.
    pub disturbance: Disturbance,
    /// One sentence, with figures, without a full stop.
    pub text: String,
}

/// What in `noise` makes the figures of a run on `cores_used` cores doubtful.
pub fn warnings(noise: &Noise, cores_used: usize) -> Vec<Warning> {
    let cores = cores_used.max(1) as f64;
    let texts = [
        (Disturbance::Steal, steal(noise)),
        (Disturbance::Others, others(noise, cores)),
        (Disturbance::Throttled, throttled(noise)),
        (Disturbance::Frequency, frequency(noise)),
        (Disturbance::Heat, heat(noise)),
        (Disturbance::MajorFaults, major_faults(noise)),
        (Disturbance::Preempted, preempted(noise, cores)),
    ];
    let found = texts.into_iter().filter_map(|(disturbance, text)| {
        let text = text?;
        Some(Warning { disturbance, text })
    });
    found.collect()
}

fn steal(noise: &Noise) -> Option<String> {
    let share = noise.steal_share?;
    (share > STEAL_SHARE && share * noise.span_s > LEAST_BUSY_S).then(|| {
        format!(
            "the hypervisor gave {:.1} % of the processors' time to others (steal)",
            share * 100.0
        )
    })
}

fn others(noise: &Noise, cores_used: f64) -> Option<String> {
    let busy = noise.others_busy_cores?;
    let share = busy / cores_used;
    (share > OTHERS_SHARE && busy * noise.span_s > LEAST_BUSY_S).then(|| {
        format!(
            "other processes kept {busy:.2} cores busy, {:.0} % of the {cores_used} that the run used",
            share * 100.0
        )
    })
}

fn throttled(noise: &Noise) -> Option<String> {
    let periods = noise.throttled_periods.filter(|&periods| periods > 0)?;
    let seconds = noise.throttled_s.unwrap_or(0.0);
    Some(format!(
        "the processor quota of the control group was used up {periods} times and held the process back for {seconds:.2} s"
    ))
}

fn frequency(noise: &Noise) -> Option<String> {
    let change = noise.frequency_change()?;
    let highest = |start: bool| {
        let mhz = noise.frequencies.iter();
        let mhz = mhz.map(|f| if start { f.start_mhz } else { f.end_mhz });
        mhz.fold(0.0, f64::max)
    };
    (change.abs() > FREQUENCY_CHANGE).then(|| {
        format!(
            "the fastest core's frequency went from {:.0} to {:.0} MHz ({:+.0} %)",
            highest(true),
            highest(false),
            change * 100.0
        )
    })
}

fn heat(noise: &Noise) -> Option<String> {
    let events = noise.thermal_events.filter(|&events| events > 0)?;
    Some(format!(
        "the processor was slowed down for its heat ({events} events counted)"
    ))
}

fn major_faults(noise: &Noise) -> Option<String> {
    let faults = noise.major_faults?;
    let many = faults as f64 > MAJOR_FAULTS_PER_S * noise.span_s;
    (faults > 0 && many).then(|| {
        format!(
            "{faults} pages were read from disk or from swap while the clock ran (major faults)"
        )
    })
}

fn preempted(noise: &Noise, cores_used: f64) -> Option<String> {
    let switches = noise.involuntary_switches?;
    let rate = switches as f64 / noise.span_s / cores_used;
    // Below one at the rate of the threshold, a short span says nothing.
    let expected = INVOLUNTARY_SWITCHES_PER_CORE_S * noise.span_s * cores_used;
    (expected >= 1.0 && rate > INVOLUNTARY_SWITCHES_PER_CORE_S).then(|| {
        format!(
            "threads were taken off their core {rate:.0} times per second and core: other processes, or more threads than cores"
        )
    })
}
