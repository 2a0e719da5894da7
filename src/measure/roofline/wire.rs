//! The on-disk form of a roofline, with the machine and build it is of.

use std::time::SystemTime;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::{Roofline, machine};
use crate::hash::hex;
use crate::measure::environment::{Build, Environment};

/// Version of [`WireRoofline`], and of the loops of this project that are measured ([`crate::ops`]); a
/// file of another one is measured again.
pub(super) const SCHEMA: u32 = 3;

/// Crates whose version changes what is measured.
const KERNELS: [&str; 2] = ["gemm", "pulp"];

/// What a roofline depends on; its digest names the file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WireMachine {
    /// The processor's own name.
    pub cpu_model: Option<String>,
    /// Instruction sets that matter to matrix products, of those the processor has.
    pub cpu_features: Vec<String>,
    /// Logical processors this process may use.
    pub logical_cores: usize,
    /// Bytes of all last-level caches: processors in virtual machines may share a name.
    pub last_level_caches_bytes: Option<u64>,
    /// Threads that computed.
    pub threads: usize,
    /// The target triple.
    pub target: String,
    /// `-C target-cpu`, or `generic`.
    pub target_cpu: String,
    /// Optimisation level of this package.
    pub opt_level: String,
    /// Versions of the libraries that were measured with, `name version`.
    pub libraries: Vec<String>,
}

impl WireMachine {
    /// This machine and build.
    pub(super) fn this(threads: usize) -> Self {
        let environment = Environment::read();
        let build = Build::current();
        let libraries = build.libraries.unwrap_or_default().split(", ");
        let kernels = libraries.filter(|library| {
            let name = library.split(' ').next();
            name.is_some_and(|name| KERNELS.contains(&name))
        });
        let features = environment.cpu_features.iter();
        Self {
            cpu_model: environment.cpu_model,
            cpu_features: features.map(ToString::to_string).collect(),
            logical_cores: environment.logical_cores,
            last_level_caches_bytes: machine::last_level_caches_bytes(),
            threads,
            target: build.target.to_owned(),
            target_cpu: build.target_cpu.to_owned(),
            opt_level: build.opt_level.to_owned(),
            libraries: kernels.map(str::to_owned).collect(),
        }
    }

    /// The name of its file, without the ending.
    pub(super) fn key(&self) -> String {
        let text = serde_json::to_vec(self).expect("OK because texts and numbers are all JSON");
        hex(&Sha256::digest(text)[..16])
    }
}

/// A [`Roofline`] on disk, with what it depends on.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct WireRoofline {
    /// Version of this format.
    pub schema: u32,
    /// The machine and build that were measured.
    pub machine: WireMachine,
    /// When, as RFC 3339.
    pub measured: String,
    /// See [`Roofline::seconds`].
    pub seconds: f64,
    /// See [`Roofline::matrix_peak_flops_per_s`].
    pub matrix_peak_flops_per_s: f64,
    /// See [`Roofline::fma_peak_flops_per_s`].
    pub fma_peak_flops_per_s: f64,
    /// See [`Roofline::gemm_peak_flops_per_s`].
    pub gemm_peak_flops_per_s: f64,
    /// See [`Roofline::gemm_peak_size`].
    pub gemm_peak_size: usize,
    /// See [`Roofline::gemm_shared_peak_flops_per_s`].
    pub gemm_shared_peak_flops_per_s: f64,
    /// See [`Roofline::gemm_shared_peak_size`].
    pub gemm_shared_peak_size: usize,
    /// See [`Roofline::int8_peak_ops_per_s`]; 0 in records of schema 1, which had none.
    #[serde(default)]
    pub int8_peak_ops_per_s: f64,
    /// See [`Roofline::bandwidth_bytes_per_s`].
    pub bandwidth_bytes_per_s: f64,
    /// See [`Roofline::read_bytes_per_s`].
    pub read_bytes_per_s: f64,
    /// See [`Roofline::triad_bytes_per_s`].
    pub triad_bytes_per_s: f64,
    /// See [`Roofline::array_bytes`].
    pub array_bytes: u64,
    /// See [`Roofline::waited_share`].
    pub waited_share: Option<f64>,
}

/// What files of all versions have.
#[derive(Deserialize)]
pub(super) struct WireVersion {
    pub(super) schema: u32,
}

impl WireRoofline {
    /// A roofline of this machine and build.
    pub fn of(roofline: &Roofline) -> Self {
        Self::new(roofline, WireMachine::this(roofline.threads))
    }

    pub(super) fn new(roofline: &Roofline, machine: WireMachine) -> Self {
        Self {
            schema: SCHEMA,
            machine,
            measured: humantime::format_rfc3339_millis(roofline.measured).to_string(),
            seconds: roofline.seconds,
            matrix_peak_flops_per_s: roofline.matrix_peak_flops_per_s,
            fma_peak_flops_per_s: roofline.fma_peak_flops_per_s,
            gemm_peak_flops_per_s: roofline.gemm_peak_flops_per_s,
            gemm_peak_size: roofline.gemm_peak_size,
            gemm_shared_peak_flops_per_s: roofline.gemm_shared_peak_flops_per_s,
            gemm_shared_peak_size: roofline.gemm_shared_peak_size,
            int8_peak_ops_per_s: roofline.int8_peak_ops_per_s,
            bandwidth_bytes_per_s: roofline.bandwidth_bytes_per_s,
            read_bytes_per_s: roofline.read_bytes_per_s,
            triad_bytes_per_s: roofline.triad_bytes_per_s,
            array_bytes: roofline.array_bytes,
            waited_share: roofline.waited_share,
        }
    }

    /// See [`Roofline::peak_of`].
    pub fn peak_of(&self, compute_dtype: &str) -> f64 {
        match compute_dtype {
            "int8" => self.int8_peak_ops_per_s,
            _ => self.matrix_peak_flops_per_s,
        }
    }

    /// The roofline, where every figure can be one.
    pub(super) fn roofline(&self) -> Option<Roofline> {
        let peaks = [
            self.fma_peak_flops_per_s,
            self.gemm_peak_flops_per_s,
            self.gemm_shared_peak_flops_per_s,
        ];
        let bandwidths = [self.read_bytes_per_s, self.triad_bytes_per_s];
        let others = [&self.int8_peak_ops_per_s, &self.seconds];
        let all = peaks.iter().chain(&bandwidths).chain(others);
        let largest = |values: &[f64]| values.iter().copied().fold(0.0, f64::max);
        let sound = all
            .into_iter()
            .all(|value| value.is_finite() && *value > 0.0)
            && self.matrix_peak_flops_per_s == largest(&peaks)
            && self.bandwidth_bytes_per_s == largest(&bandwidths);
        let measured: SystemTime = humantime::parse_rfc3339(&self.measured).ok()?;
        sound.then_some(Roofline {
            threads: self.machine.threads,
            matrix_peak_flops_per_s: self.matrix_peak_flops_per_s,
            fma_peak_flops_per_s: self.fma_peak_flops_per_s,
            gemm_peak_flops_per_s: self.gemm_peak_flops_per_s,
            gemm_peak_size: self.gemm_peak_size,
            gemm_shared_peak_flops_per_s: self.gemm_shared_peak_flops_per_s,
            gemm_shared_peak_size: self.gemm_shared_peak_size,
            int8_peak_ops_per_s: self.int8_peak_ops_per_s,
            bandwidth_bytes_per_s: self.bandwidth_bytes_per_s,
            read_bytes_per_s: self.read_bytes_per_s,
            triad_bytes_per_s: self.triad_bytes_per_s,
            array_bytes: self.array_bytes,
            waited_share: self.waited_share,
            seconds: self.seconds,
            measured,
        })
    }
}

#[cfg(test)]
pub(super) mod tests {
    use std::time::Duration;

    use super::*;

    pub(in crate::measure::roofline) fn machine(threads: usize) -> WireMachine {
        WireMachine {
            cpu_model: Some("A Processor".to_owned()),
            cpu_features: vec!["avx2".to_owned()],
            logical_cores: 8,
            last_level_caches_bytes: Some(1 << 25),
            threads,
            target: "x86_64-unknown-linux-gnu".to_owned(),
            target_cpu: "generic".to_owned(),
            opt_level: "3".to_owned(),
            libraries: vec!["gemm 0.19.0".to_owned()],
        }
    }

    pub(in crate::measure::roofline) fn roofline() -> Roofline {
        Roofline {
            threads: 4,
            matrix_peak_flops_per_s: 3e11,
            fma_peak_flops_per_s: 3e11,
            gemm_peak_flops_per_s: 2.5e11,
            gemm_peak_size: 384,
            gemm_shared_peak_flops_per_s: 2e11,
            gemm_shared_peak_size: 1152,
            int8_peak_ops_per_s: 1.2e12,
            bandwidth_bytes_per_s: 2.1e10,
            read_bytes_per_s: 2.1e10,
            triad_bytes_per_s: 1.4e10 + 1.0 / 3.0,
            array_bytes: 1 << 28,
            waited_share: Some(0.01),
            seconds: 4.25,
            measured: SystemTime::UNIX_EPOCH + Duration::from_millis(1_800_000_000_123),
        }
    }

    #[test]
    fn every_part_of_the_machine_changes_the_key() {
        let keys = [
            machine(4).key(),
            machine(5).key(),
            WireMachine {
                cpu_model: None,
                ..machine(4)
            }
            .key(),
            WireMachine {
                cpu_features: vec![],
                ..machine(4)
            }
            .key(),
            WireMachine {
                logical_cores: 9,
                ..machine(4)
            }
            .key(),
            WireMachine {
                last_level_caches_bytes: None,
                ..machine(4)
            }
            .key(),
            WireMachine {
                target: String::new(),
                ..machine(4)
            }
            .key(),
            WireMachine {
                target_cpu: "native".to_owned(),
                ..machine(4)
            }
            .key(),
            WireMachine {
                opt_level: "0".to_owned(),
                ..machine(4)
            }
            .key(),
            WireMachine {
                libraries: vec![],
                ..machine(4)
            }
            .key(),
        ];
        let different: std::collections::HashSet<_> = keys.iter().collect();
        assert_eq!(different.len(), keys.len());
        assert!(keys.iter().all(|key| key.len() == 32));
        assert_eq!(machine(4).key(), machine(4).key());
    }

    #[test]
    fn this_machine_names_the_libraries_that_it_measures_with() {
        let libraries = WireMachine::this(1).libraries;
        // Without Cargo.lock there are none to name.
        if Build::current().libraries.is_some() {
            for name in KERNELS {
                let named = libraries.iter().any(|library| library.starts_with(name));
                assert!(named, "{name} in {libraries:?}");
            }
        }
    }
}
