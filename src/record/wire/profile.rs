//! A profile as it stands in a record.

use serde::{Deserialize, Serialize};

use crate::measure::profile::{Profile, Row};

/// Where the time of the forward passes goes, from a pass of its own.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct WireProfile {
    /// Questions of that pass.
    pub questions: usize,
    /// Seconds of its forward passes.
    pub forward_s: f64,
    /// By operation. Those that have a share of the forward pass add up to all of it.
    pub rows: Vec<WireProfileRow>,
    /// What the trace lacks.
    #[serde(default)]
    pub note: Option<String>,
}

/// An operation's part.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct WireProfileRow {
    /// `linear`, `attention`, `layer norm`, `activation`, `embedding`, `other`, `tokenise`, `decode`.
    pub operation: String,
    /// How often it was called.
    pub calls: u64,
    /// Its own time; for what runs on several threads at once, that of all of them.
    pub seconds: f64,
    /// Share of the forward passes; absent for what is no part of them.
    pub forward_share: Option<f64>,
    /// Floating-point operations of its matrix products.
    pub flops: u64,
    /// By its own time.
    pub flops_per_s: Option<f64>,
}

impl From<&Profile> for WireProfile {
    fn from(profile: &Profile) -> Self {
        let row = |row: &Row| WireProfileRow {
            operation: row.name().to_owned(),
            calls: row.calls,
            seconds: row.seconds,
            forward_share: row.forward_share,
            flops: row.flops,
            flops_per_s: row.flops_per_s().filter(|_| row.flops > 0),
        };
        Self {
            questions: 0,
            forward_s: profile.forward_s,
            rows: profile.rows.iter().map(row).collect(),
            note: None,
        }
    }
}
