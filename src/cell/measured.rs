//! The timed pass with what it took and what went on beside it.

use super::CellError;
use super::line::Line;
use super::timed::{self, TimedPass, Timing};
use super::work::Process;
use crate::measure::device_memory::DeviceMemory;
use crate::measure::energy::{Energy, EnergyError, EnergyMeter, EnergyReading};
use crate::measure::gpu::CardWatch;
use crate::measure::memory::{MemorySample, MemoryWatch, PhaseMemory};
use crate::measure::noise::{Noise, Reading};
use crate::measure::scenario::find_rate::{self, FoundRate, Probe};
use crate::measure::scenario::rules::Scenario;
use crate::measure::system_files::SystemFiles;
use crate::record::wire::{WireCardUse, WireEnergy, WireGrowth, WireMemory};

/// Phases that not every repetition has, or that measure something else: what they took is no figure of the
/// cell.
const ASIDE: [&str; 6] = [
    "accuracy",
    "score",
    "analysis",
    "profile",
    "find_rate",
    "device_peak",
];

/// Whether a phase is one of every repetition, and of what the cell is.
pub(super) fn is_of_all(phase: &str) -> bool {
    !ASIDE.contains(&phase)
}

/// What was measured.
pub(super) struct Measured {
    pub timed: TimedPass,
    pub energy: WireEnergy,
    pub noise: Noise,
    pub cards: Vec<WireCardUse>,
    pub samples: Vec<MemorySample>,
}

impl Process<'_> {
    /// The timed pass; where a rate is to be found, that of its confirmation.
    pub(super) fn measure(
        &mut self,
        timing: &Timing,
        line: &Line<'_>,
    ) -> Result<Measured, CellError> {
        let tokens_of = match timing.scenario {
            Scenario::Server => timed::tokens_of_questions(line)?,
            _ => Vec::new(),
        };
        if !timing.find_rate {
            return self.measure_once(timing, line, &tokens_of);
        }
        self.progress.phase("find_rate");
        let ceiling = timed::offline_rate(line, self.progress)?;
        let mut last = None;
        let found = find_rate::highest_rate(ceiling, |probe| {
            if let Probe::Search(rate) = probe {
                return Ok(timed::holds_at(
                    line,
                    timing,
                    rate,
                    &tokens_of,
                    self.progress,
                )?);
            }
            self.end("find_rate");
            let at = Timing {
                rate: Some(probe.rate()),
                ..*timing
            };
            let measured = self.measure_once(&at, line, &tokens_of)?;
            let held = timed::is_confirmed(timing, &measured.timed);
            last = Some(measured);
            Ok::<_, CellError>(held)
        })?;
        self.end("find_rate");
        let measured = match last {
            Some(measured) => measured,
            // Nothing held; the record shows how the lowest rate went.
            None => self.measure_once(&lowest(timing, &found, ceiling), line, &tokens_of)?,
        };
        Ok(Measured {
            timed: TimedPass {
                found_rate: Some(found),
                ..measured.timed
            },
            ..measured
        })
    }

    fn measure_once(
        &mut self,
        timing: &Timing,
        line: &Line<'_>,
        tokens_of: &[usize],
    ) -> Result<Measured, CellError> {
        self.progress.phase("timed");
        let meter = EnergyMeter::open(&SystemFiles::here());
        let first = meter.as_ref().map(EnergyMeter::read);
        let cards: Vec<_> = self.device.all().filter_map(CardWatch::start).collect();
        let before = Reading::now();
        let timed = timed::perform(line, timing, tokens_of, &mut self.clock, self.progress)?;
        let noise = Noise::between(&before, &Reading::now());
        let cards: Vec<_> = cards.into_iter().filter_map(CardWatch::finish).collect();
        let samples = self.memory.samples();
        self.clock.end("idle");
        self.memory.mark("timed");
        self.device_memory.mark(true);
        let energy = match (&meter, first) {
            (Ok(meter), Ok(first)) => spent(meter, first),
            (Err(fault), _) | (_, Err(fault)) => Err(fault.to_string()),
        };
        let questions = timed.samples.questions();
        let cards = cards.iter().map(|card| WireCardUse::new(card, questions));
        let cards: Vec<_> = cards.collect();
        let energy = energy.map_or_else(WireEnergy::absent, |energy| {
            WireEnergy::new(&energy, questions)
        });
        Ok(Measured {
            energy: energy.with_cards(&cards),
            noise,
            cards,
            samples,
            timed,
        })
    }
}

fn lowest(timing: &Timing, found: &FoundRate, ceiling: f64) -> Timing {
    let rates = found.tried.iter().map(|tried| tried.probe.rate());
    Timing {
        rate: Some(rates.fold(ceiling, f64::min)),
        ..*timing
    }
}

fn spent(meter: &EnergyMeter, first: Result<EnergyReading, EnergyError>) -> Result<Energy, String> {
    let between = || Ok::<_, EnergyError>(Energy::between(&first?, &meter.read()?));
    between().map_err(|fault| fault.to_string())
}

/// The memory of a process. Its peaks are those of the phases that every repetition has, so that
/// repetitions can be compared.
pub(super) fn wire_memory(
    (memory, device_memory): (&MemoryWatch, &DeviceMemory),
    weights_bytes: u64,
    samples: &[MemorySample],
) -> WireMemory {
    let phases = memory.phases();
    let peak = |figure: fn(&PhaseMemory) -> Option<u64>| {
        let own = phases.iter().filter(|phase| is_of_all(phase.phase));
        own.filter_map(figure).max()
    };
    let of = |name: &str, figure: fn(&PhaseMemory) -> Option<u64>| {
        phases
            .iter()
            .find(|phase| phase.phase == name)
            .and_then(figure)
    };
    let loaded = of("model_load", |phase| phase.anonymous_end);
    let timed = of("timed", |phase| phase.anonymous_peak);
    WireMemory {
        weights_bytes,
        rss_peak_bytes: peak(|phase| phase.resident_peak),
        rss_anon_peak_bytes: peak(|phase| phase.anonymous_peak),
        activations_peak_bytes: timed
            .zip(loaded)
            .map(|(most, loaded)| most.saturating_sub(loaded)),
        device_peak_bytes: device_memory.peak_bytes(),
        phases: phases.iter().map(Into::into).collect(),
        growth: WireGrowth::of(samples),
    }
}
