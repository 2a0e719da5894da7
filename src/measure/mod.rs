//! What is measured beside accuracy: time, memory, energy, and the machine it was measured on.

pub mod card_peak;
mod cgroup;
pub mod cpu_set;
pub mod death;
pub mod device_memory;
pub mod energy;
pub mod environment;
pub mod gpu;
pub mod latency;
#[cfg(test)]
mod machines;
pub mod memory;
pub mod noise;
pub mod phases;
pub mod profile;
pub mod roofline;
pub mod scenario;
pub mod system_files;

pub use cgroup::CgroupVersion;
