//! What an NVIDIA card tells: what it is, and what went on in it during a pass.
//!
//! All of it comes through NVIDIA's management library, NVML, which the driver brings along. It is
//! looked at ten times a second from a thread of its own; energy is the card's own counter.

#[cfg(feature = "cuda")]
mod nvml;

use std::sync::mpsc;
use std::thread::JoinHandle;
use std::time::Duration;

use candle_core::Device;

/// How often a card is looked at: its own power and clocks are means of about as long.
const INTERVAL: Duration = Duration::from_millis(100);

/// The share of looks from which on it is worth a word that a card was slowed down.
const SLOWED_SHARE: f64 = 0.05;

/// A card and its driver; absent is what they do not tell.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Card {
    /// The card's name.
    pub name: Option<String>,
    /// Its own, in the world.
    pub uuid: Option<String>,
    /// Its architecture: `9.0`.
    pub compute_capability: Option<String>,
    /// Version of the driver.
    pub driver: Option<String>,
    /// The newest CUDA that the driver knows: `13.0`.
    pub cuda: Option<String>,
    /// Its memory.
    pub memory_total_bytes: Option<u64>,
    /// The most power it may take, in watts.
    pub power_limit_w: Option<f64>,
    /// The highest clock of its multiprocessors, in MHz.
    pub largest_sm_clock_mhz: Option<u32>,
    /// The highest clock of its memory, in MHz.
    pub largest_memory_clock_mhz: Option<u32>,
    /// Whether its memory corrects errors.
    pub ecc: Option<bool>,
    /// Whether it is cut into instances (MIG).
    pub mig: Option<bool>,
    /// Why NVML tells nothing.
    pub absent_because: Option<String>,
}

/// A look at a card.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Look {
    /// What it takes, in watts.
    pub power_w: Option<f64>,
    /// Clock of its multiprocessors, in MHz.
    pub sm_clock_mhz: Option<u32>,
    /// In °C.
    pub temperature_c: Option<u32>,
    /// Memory in use, by whatever program.
    pub used_bytes: Option<u64>,
    /// Other processes that compute on it.
    pub others: Option<usize>,
    /// Why its clocks are held down.
    pub slowed_by: Vec<&'static str>,
}

/// What a card did during a pass; absent is what it does not tell.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct CardUse {
    /// By its own counter, in joules.
    pub energy_j: Option<f64>,
    /// Mean of the looks, in watts.
    pub mean_power_w: Option<f64>,
    /// The most of them, in watts.
    pub most_power_w: Option<f64>,
    /// Mean clock of the multiprocessors, in MHz.
    pub mean_sm_clock_mhz: Option<f64>,
    /// The lowest, in MHz.
    pub least_sm_clock_mhz: Option<u32>,
    /// The highest temperature, in °C.
    pub most_temperature_c: Option<u32>,
    /// The most memory in use, by whatever program.
    pub most_used_bytes: Option<u64>,
    /// The most other processes that computed on it at a time.
    pub most_others: Option<usize>,
    /// Why its clocks were held down, and in which share of the looks.
    pub slowed: Vec<(&'static str, f64)>,
    /// How often it was looked at.
    pub looks: usize,
}

impl CardUse {
    /// Of the looks at a pass and the counter's millijoules before and after it.
    pub fn of(looks: &[Look], millijoules: Option<(u64, u64)>) -> Self {
        let mean = |values: Vec<f64>| {
            let count = values.len() as f64;
            (!values.is_empty()).then(|| values.into_iter().sum::<f64>() / count)
        };
        let power = || looks.iter().filter_map(|look| look.power_w);
        let clocks = || looks.iter().filter_map(|look| look.sm_clock_mhz);
        let mut slowed: Vec<(&'static str, f64)> = Vec::new();
        for &reason in looks.iter().flat_map(|look| &look.slowed_by) {
            let share = 1.0 / looks.len() as f64;
            match slowed.iter_mut().find(|(known, _)| *known == reason) {
                Some((_, found)) => *found += share,
                None => slowed.push((reason, share)),
            }
        }
        Self {
            energy_j: millijoules.map(|(first, last)| last.saturating_sub(first) as f64 / 1e3),
            mean_power_w: mean(power().collect()),
            most_power_w: power().reduce(f64::max),
            mean_sm_clock_mhz: mean(clocks().map(f64::from).collect()),
            least_sm_clock_mhz: clocks().min(),
            most_temperature_c: looks.iter().filter_map(|look| look.temperature_c).max(),
            most_used_bytes: looks.iter().filter_map(|look| look.used_bytes).max(),
            most_others: looks.iter().filter_map(|look| look.others).max(),
            slowed,
            looks: looks.len(),
        }
    }

    /// What of it makes figures doubtful.
    pub fn doubts(&self) -> Vec<String> {
        let mut doubts = Vec::new();
        if let Some(others) = self.most_others.filter(|&others| others > 0) {
            doubts.push(format!(
                "the card was shared: {others} other processes computed on it"
            ));
        }
        for (reason, share) in &self.slowed {
            if *share >= SLOWED_SHARE {
                let percent = 100.0 * share;
                doubts.push(format!(
                    "the card's clocks were held down ({reason}) in {percent:.0} % of the looks at it"
                ));
            }
        }
        doubts
    }
}

/// What the card that `device` is tells of itself; nothing where it is no NVIDIA card.
pub fn card(device: &Device) -> Option<Card> {
    match device {
        #[cfg(feature = "cuda")]
        Device::Cuda(device) => Some(nvml::card(device)),
        _ => None,
    }
}

/// Something that can be looked at.
trait Looked: Send + 'static {
    /// A look.
    fn look(&self) -> Look;
    /// What its counter of energy says, in millijoules.
    fn millijoules(&self) -> Option<u64>;
}

/// Looks at a card from a thread of its own.
#[derive(Debug)]
pub struct CardWatch {
    /// Dropped, it tells the thread to end.
    stop: mpsc::Sender<()>,
    thread: JoinHandle<CardUse>,
}

impl CardWatch {
    /// Begins to look at the card that `device` is; nothing where it is no NVIDIA card, or tells nothing.
    pub fn start(device: &Device) -> Option<Self> {
        match device {
            #[cfg(feature = "cuda")]
            Device::Cuda(device) => Self::of(nvml::Watched::open(device).ok()?),
            _ => None,
        }
    }

    #[cfg_attr(not(any(feature = "cuda", test)), allow(dead_code))]
    fn of(card: impl Looked) -> Option<Self> {
        let (stop, stopped) = mpsc::channel();
        let first = card.millijoules();
        let watch = move || {
            let mut looks = vec![card.look()];
            while stopped.recv_timeout(INTERVAL) == Err(mpsc::RecvTimeoutError::Timeout) {
                looks.push(card.look());
            }
            CardUse::of(&looks, first.zip(card.millijoules()))
        };
        let builder = std::thread::Builder::new().name("card-watch".to_owned());
        let thread = builder.spawn(watch).ok()?;
        Some(Self { stop, thread })
    }

    /// Ends the watch; nothing where its thread has failed.
    pub fn finish(self) -> Option<CardUse> {
        drop(self.stop);
        self.thread.join().ok()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU64, Ordering};

    use super::*;

    /// A card that takes 300 W, and a joule from one reading of its counter to the next.
    struct Fake(AtomicU64);

    impl Looked for Fake {
        fn look(&self) -> Look {
            Look {
                power_w: Some(300.0),
                sm_clock_mhz: Some(1980),
                ..Look::default()
            }
        }

        fn millijoules(&self) -> Option<u64> {
            Some(self.0.fetch_add(1000, Ordering::Relaxed))
        }
    }

    #[test]
    fn a_watch_looks_at_once_and_reads_the_counter_on_both_sides() {
        let watch = CardWatch::of(Fake(AtomicU64::new(5))).unwrap();
        let used = watch.finish().unwrap();
        assert_eq!((used.looks, used.energy_j), (1, Some(1.0)));
        assert_eq!(
            (used.mean_power_w, used.most_power_w),
            (Some(300.0), Some(300.0))
        );
        assert!(used.doubts().is_empty());
    }

    #[test]
    fn what_a_card_did_is_told_by_the_looks_at_it() {
        let look = |power_w, sm_clock_mhz, slowed_by: &[&'static str]| Look {
            power_w,
            sm_clock_mhz: Some(sm_clock_mhz),
            temperature_c: Some(60),
            used_bytes: Some(1 << 30),
            others: Some(2),
            slowed_by: slowed_by.to_vec(),
        };
        let looks = [
            look(Some(100.0), 1980, &[]),
            look(None, 1980, &["power cap"]),
            look(Some(300.0), 1410, &["power cap", "heat, by the driver"]),
        ];
        let used = CardUse::of(&looks, Some((10, 2510)));
        assert_eq!(used.energy_j, Some(2.5));
        assert_eq!(
            (used.mean_power_w, used.most_power_w),
            (Some(200.0), Some(300.0))
        );
        assert_eq!(
            (used.mean_sm_clock_mhz, used.least_sm_clock_mhz),
            (Some(1790.0), Some(1410))
        );
        assert_eq!(used.slowed[0].0, "power cap");
        assert!((used.slowed[0].1 - 2.0 / 3.0).abs() < 1e-12);
        let doubts = used.doubts();
        assert_eq!(doubts.len(), 3);
        assert!(
            doubts[0].contains("2 other processes") && doubts[1].contains("67 %"),
            "{doubts:?}"
        );
        assert_eq!(CardUse::of(&[], None), CardUse::default());
    }
}
