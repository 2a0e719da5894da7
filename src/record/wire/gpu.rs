//! An NVIDIA card and what it did, as they stand in a record.

use serde::{Deserialize, Serialize};

use crate::measure::gpu::{Card, CardUse};

/// A card and its driver; absent is what they do not tell.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct WireCard {
    /// The card's name.
    pub name: Option<String>,
    /// Its own, in the world.
    pub uuid: Option<String>,
    /// `9.0` and the like.
    pub compute_capability: Option<String>,
    /// Version of the driver.
    pub driver: Option<String>,
    /// The newest CUDA that the driver knows.
    pub cuda: Option<String>,
    /// Its memory.
    pub memory_total_bytes: Option<u64>,
    /// The most power it may take.
    pub power_limit_w: Option<f64>,
    /// The highest clock of its multiprocessors.
    pub largest_sm_clock_mhz: Option<u32>,
    /// The highest clock of its memory.
    pub largest_memory_clock_mhz: Option<u32>,
    /// Whether its memory corrects errors.
    pub ecc: Option<bool>,
    /// Whether it is cut into instances.
    pub mig: Option<bool>,
    /// Why NVML tells nothing.
    pub absent_because: Option<String>,
}

impl From<Card> for WireCard {
    fn from(card: Card) -> Self {
        Self {
            name: card.name,
            uuid: card.uuid,
            compute_capability: card.compute_capability,
            driver: card.driver,
            cuda: card.cuda,
            memory_total_bytes: card.memory_total_bytes,
            power_limit_w: card.power_limit_w,
            largest_sm_clock_mhz: card.largest_sm_clock_mhz,
            largest_memory_clock_mhz: card.largest_memory_clock_mhz,
            ecc: card.ecc,
            mig: card.mig,
            absent_because: card.absent_because,
        }
    }
}

/// What a card did during the timed pass, looked at ten times a second; absent is what it does not tell.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct WireCardUse {
    /// By its own counter.
    pub energy_j: Option<f64>,
    /// The same by the questions answered.
    pub per_question_j: Option<f64>,
    /// Mean of the looks.
    pub mean_power_w: Option<f64>,
    /// The most of them.
    pub most_power_w: Option<f64>,
    /// Mean clock of the multiprocessors.
    pub mean_sm_clock_mhz: Option<f64>,
    /// The lowest.
    pub least_sm_clock_mhz: Option<u32>,
    /// The highest temperature.
    pub most_temperature_c: Option<u32>,
    /// The most memory in use, by whatever program.
    pub most_used_bytes: Option<u64>,
    /// The most other processes that computed on it at a time.
    pub most_others: Option<usize>,
    /// Why its clocks were held down, and in which share of the looks.
    pub slowed: Vec<(String, f64)>,
    /// How often it was looked at.
    pub looks: usize,
    /// What of it makes figures doubtful.
    pub doubts: Vec<String>,
}

impl WireCardUse {
    /// Of a pass that answered `questions`.
    pub fn new(used: &CardUse, questions: usize) -> Self {
        let slowed = used.slowed.iter();
        Self {
            energy_j: used.energy_j,
            per_question_j: used.energy_j.map(|joules| joules / questions.max(1) as f64),
            mean_power_w: used.mean_power_w,
            most_power_w: used.most_power_w,
            mean_sm_clock_mhz: used.mean_sm_clock_mhz,
            least_sm_clock_mhz: used.least_sm_clock_mhz,
            most_temperature_c: used.most_temperature_c,
            most_used_bytes: used.most_used_bytes,
            most_others: used.most_others,
            slowed: slowed
                .map(|&(reason, share)| (reason.to_owned(), share))
                .collect(),
            looks: used.looks,
            doubts: used.doubts(),
        }
    }
}
