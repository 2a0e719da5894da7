//! A gate's file, and its verdict as JSON.

use std::collections::BTreeMap;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::{Check, Gate, OnInconclusive, Outcome, RatioLimits, ScoreLimits, SliceLimits};
use crate::cell::figures;
use crate::compare::wire::{WireComparison, WireSliceComparison};
use crate::compare::{Aspect, Settings};

/// The version of both layouts below.
pub const SCHEMA: u32 = 1;

/// Resamples that fit a memory.
const MOST_RESAMPLES: usize = 1_000_000;

/// What can be wrong with a gate.
#[derive(Debug, thiserror::Error)]
pub enum GateError {
    /// The file cannot be read.
    #[error("{path}: the gate cannot be read")]
    Unreadable {
        /// The file.
        path: String,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// It is no gate.
    #[error("{path}: {place}{message}")]
    Malformed {
        /// The file.
        path: String,
        /// Line, and what stands there.
        place: String,
        /// What is wrong.
        message: String,
    },
    /// It has a limit of a slice that the questions do not have.
    #[error("{path}: slice \"{slice}\" is none of these questions'; there are {known}")]
    NoSuchSlice {
        /// The gate's file.
        path: String,
        /// The slice.
        slice: String,
        /// Those there are.
        known: String,
    },
}

impl GateError {
    /// Names the file that the gate was read from.
    pub(super) fn of_file(mut self, file: Option<&str>) -> Self {
        if let (Self::NoSuchSlice { path, .. }, Some(file)) = (&mut self, file) {
            file.clone_into(path);
        }
        self
    }

    pub(super) fn no_such_slice(slice: &str, known: &[WireSliceComparison]) -> Self {
        /// As many as fit into a line.
        const SHOWN: usize = 30;
        let names = known.iter().filter(|slice| slice.property != "passage");
        let names = names.map(|slice| format!("{}={}", slice.property, slice.name));
        let known: Vec<String> = names.take(SHOWN).collect();
        Self::NoSuchSlice {
            path: "the gate".to_owned(),
            slice: slice.to_owned(),
            known: known.join(", "),
        }
    }
}

/// `gate.toml`.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct WireGate {
    schema: u32,
    level: Option<f64>,
    resamples: Option<usize>,
    seed: Option<u64>,
    noise_threshold: Option<f64>,
    tie_margin: Option<f64>,
    common_questions_suffice: Option<bool>,
    #[serde(default)]
    on_inconclusive: OnInconclusive,
    require_comparable: Option<Vec<Aspect>>,
    accuracy: Option<WireScoreLimits>,
    #[serde(default)]
    figures: BTreeMap<String, WireRatioLimits>,
    #[serde(default)]
    slice: Vec<WireSliceLimits>,
}

#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct WireScoreLimits {
    max_exact_match_drop: Option<f64>,
    max_f1_drop: Option<f64>,
    min_exact_match: Option<f64>,
    min_f1: Option<f64>,
}

#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct WireRatioLimits {
    min_ratio: Option<f64>,
    max_ratio: Option<f64>,
}

#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct WireSliceLimits {
    /// `property=name`.
    name: String,
    max_exact_match_drop: Option<f64>,
    max_f1_drop: Option<f64>,
    min_exact_match: Option<f64>,
    min_f1: Option<f64>,
}

impl Gate {
    /// Reads a gate's file; what it does not say is as in [`Gate::default`].
    ///
    /// # Errors
    ///
    /// Fails where it cannot be read, or is no gate.
    pub fn read(path: &Path) -> Result<Self, GateError> {
        let origin = path.display().to_string();
        let text = std::fs::read_to_string(path).map_err(|source| GateError::Unreadable {
            path: origin.clone(),
            source,
        })?;
        Self::parse(&origin, &text)
    }

    fn parse(origin: &str, text: &str) -> Result<Self, GateError> {
        let malformed = |place: String, message: String| GateError::Malformed {
            path: origin.to_owned(),
            place,
            message,
        };
        let wire: WireGate = toml::from_str(text).map_err(|fault| {
            let line = fault.span().map(|span| {
                let before = text.get(..span.start).unwrap_or_default();
                format!("line {}: ", before.matches('\n').count() + 1)
            });
            let message = fault.message().lines().collect::<Vec<_>>().join(" ");
            let value: Option<toml::Table> = toml::from_str(text).ok();
            let is_table =
                value.is_some_and(|gate| gate.get("slice").is_some_and(|s| !s.is_array()));
            let message = if is_table {
                "slice must be a list: write each as [[slice]], with its name".to_owned()
            } else {
                message
            };
            malformed(line.unwrap_or_default(), message)
        })?;
        let gate = Self::from_wire(wire).map_err(|(key, m)| malformed(format!("{key}: "), m))?;
        let fault = gate.settings.check().err();
        match fault {
            Some(fault) => Err(malformed(String::new(), fault.to_string())),
            None => Ok(gate),
        }
    }

    fn from_wire(wire: WireGate) -> Result<Self, (String, String)> {
        if wire.schema != SCHEMA {
            let message = format!("{}; this program reads version {SCHEMA}", wire.schema);
            return Err(("schema".to_owned(), message));
        }
        let default = Self::default();
        let accuracy = wire
            .accuracy
            .map_or(default.accuracy, |limits| ScoreLimits {
                max_exact_match_drop: limits.max_exact_match_drop,
                max_f1_drop: limits.max_f1_drop,
                min_exact_match: limits.min_exact_match,
                min_f1: limits.min_f1,
            });
        check_scores("accuracy", accuracy)?;
        let mut figures = BTreeMap::new();
        for (figure, limits) in wire.figures {
            let limits = RatioLimits {
                min_ratio: limits.min_ratio,
                max_ratio: limits.max_ratio,
            };
            check_figure(&figure, limits)?;
            figures.insert(figure, limits);
        }
        let mut slices = Vec::new();
        for slice in wire.slice {
            let limits = ScoreLimits {
                max_exact_match_drop: slice.max_exact_match_drop,
                max_f1_drop: slice.max_f1_drop,
                min_exact_match: slice.min_exact_match,
                min_f1: slice.min_f1,
            };
            check_scores(&format!("slice {}", slice.name), limits)?;
            let slice = slice.name;
            slices.push(SliceLimits { slice, limits });
        }
        if wire
            .resamples
            .is_some_and(|resamples| resamples > MOST_RESAMPLES)
        {
            let message = format!("must be at most {MOST_RESAMPLES}");
            return Err(("resamples".to_owned(), message));
        }
        let settings = Settings {
            level: wire.level.unwrap_or(default.settings.level),
            resamples: wire.resamples.unwrap_or(default.settings.resamples),
            seed: wire.seed.unwrap_or(default.settings.seed),
            noise_threshold: wire
                .noise_threshold
                .unwrap_or(default.settings.noise_threshold),
            tie_margin: wire.tie_margin.unwrap_or(default.settings.tie_margin),
            common_questions_suffice: wire.common_questions_suffice.unwrap_or(false),
            exact_match_margin: accuracy
                .max_exact_match_drop
                .unwrap_or(default.settings.exact_match_margin),
            f1_margin: accuracy.max_f1_drop.unwrap_or(default.settings.f1_margin),
            ..default.settings
        };
        Ok(Self {
            settings,
            on_inconclusive: wire.on_inconclusive,
            require: wire.require_comparable.unwrap_or(default.require),
            accuracy,
            figures,
            slices,
        })
    }
}

fn check_scores(key: &str, limits: ScoreLimits) -> Result<(), (String, String)> {
    for (name, value) in [
        ("max-exact-match-drop", limits.max_exact_match_drop),
        ("max-f1-drop", limits.max_f1_drop),
        ("min-exact-match", limits.min_exact_match),
        ("min-f1", limits.min_f1),
    ] {
        if value.is_some_and(|value| !(0.0..=100.0).contains(&value)) {
            let message = "must be from 0 to 100, in percentage points".to_owned();
            return Err((format!("{key}, {name}"), message));
        }
    }
    Ok(())
}

fn check_figure(figure: &str, limits: RatioLimits) -> Result<(), (String, String)> {
    let key = format!("figures, {figure}");
    let known = crate::compare::performance::COMPARED;
    if !known.iter().any(|(name, ..)| *name == figure) {
        let is_figure = figures::ALL.iter().any(|(name, _)| *name == figure);
        let names: Vec<&str> = known.iter().map(|(name, ..)| *name).collect();
        let what = if is_figure {
            "is not compared"
        } else {
            "is no figure"
        };
        return Err((key, format!("{what}; there are {}", names.join(", "))));
    }
    let ratios = [limits.min_ratio, limits.max_ratio];
    if ratios.iter().all(Option::is_none) {
        return Err((key, "needs min-ratio or max-ratio".to_owned()));
    }
    let is_ratio = |ratio: &f64| *ratio > 0.0 && ratio.is_finite();
    if let [Some(least), Some(most)] = ratios
        && least > most
    {
        return Err((key, "min-ratio is above max-ratio".to_owned()));
    }
    if ratios.iter().flatten().any(|ratio| !is_ratio(ratio)) {
        return Err((
            key,
            "a ratio must be above 0; 1.1 is ten percent more".to_owned(),
        ));
    }
    Ok(())
}

/// What `spanbench compare --json` prints.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct WireGateVerdict {
    /// [`SCHEMA`].
    pub schema: u32,
    /// What all checks say together.
    pub outcome: Outcome,
    /// The exit code: 0, 1 or 3.
    pub exit_code: u8,
    /// The gate's file; null for the default.
    pub gate: Option<String>,
    /// What an inconclusive check makes of the whole.
    pub on_inconclusive: OnInconclusive,
    /// The cells, one against one.
    pub cells: Vec<WireCellVerdict>,
}

/// One cell of the candidate against that of the base.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct WireCellVerdict {
    /// Name of the cell; of both where they differ.
    pub cell: String,
    /// What its checks say together.
    pub outcome: Outcome,
    /// Each limit.
    pub checks: Vec<Check>,
    /// The comparison; null where one of the two has no figures.
    pub comparison: Option<WireComparison>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_file_does_not_say_is_the_default() {
        assert_eq!(Gate::parse("g", "schema = 1").unwrap(), Gate::default());
    }

    #[test]
    fn a_whole_gate() {
        let text = r#"
            schema = 1
            level = 0.99
            on-inconclusive = "fail"
            require-comparable = ["accuracy", "speed"]
            [accuracy]
            max-f1-drop = 0.5
            min-f1 = 80
            [figures]
            "latency_ms.p99" = { max-ratio = 1.1 }
            "throughput.windows_per_s" = { min-ratio = 0.95 }
            [[slice]]
            name = "has_answer=no"
            max-exact-match-drop = 2
        "#;
        let gate = Gate::parse("g", text).unwrap();
        assert_eq!((gate.settings.level, gate.settings.f1_margin), (0.99, 0.5));
        assert_eq!(gate.accuracy.max_exact_match_drop, None);
        assert_eq!(gate.require, [Aspect::Accuracy, Aspect::Speed]);
        assert_eq!(gate.figures["latency_ms.p99"].max_ratio, Some(1.1));
        assert_eq!(gate.slices[0].slice, "has_answer=no");
    }

    #[test]
    fn what_is_wrong_is_named() {
        for (text, part) in [
            ("level = 0.9", "schema"),
            ("schema = 2", "reads version 1"),
            (
                "schema = 1\n[slice]\nname = \"answer=yes\"",
                "line 2: slice must be a list: write each as [[slice]]",
            ),
            (
                "schema = 1\n[[slice]]\nmax-f1-drop = 1",
                "line 2: missing field `name`",
            ),
            ("schema = 1\nlevl = 0.9", "line 2: unknown field `levl`"),
            ("schema = 1\nlevel = 1.5", "level is 1.5"),
            ("schema = 1\nresamples = 0", "resamples is 0"),
            (
                "schema = 1\nresamples = 99999999999",
                "resamples: must be at most",
            ),
            (
                "schema = 1\n[accuracy]\nmax-f1-drop = -1",
                "accuracy, max-f1-drop: must be",
            ),
            (
                "schema = 1\n[figures]\n\"latency\" = { max-ratio = 1 }",
                "figures, latency: is no figure",
            ),
            (
                "schema = 1\n[figures]\n\"latency_ms.p50\" = { max-ratio = 0 }",
                "above 0",
            ),
            (
                "schema = 1\n[figures]\n\"latency_ms.p50\" = {}",
                "needs min-ratio",
            ),
            (
                "schema = 1\nrequire-comparable = [\"sped\"]",
                "line 2: unknown variant `sped`",
            ),
        ] {
            let message = Gate::parse("gate.toml", text).unwrap_err().to_string();
            assert!(message.starts_with("gate.toml: "), "{message}");
            assert!(message.contains(part), "{message} lacks {part}");
            assert_eq!(message.lines().count(), 1);
        }
    }
}
