//! What is measured beside accuracy: time, memory, and the machine it was measured on.

pub mod environment;
pub mod latency;
pub mod memory;
pub mod phases;
pub mod profile;
pub mod roofline;
