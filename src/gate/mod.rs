//! Whether a candidate may take the place of a base: limits, held against a comparison.

mod checks;
mod judge;
pub mod wire;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::compare::wire::WireComparison;
use crate::compare::{Aspect, Settings};
pub use judge::judge;
pub use wire::{GateError, WireGateVerdict};

/// What a gate, or one of its checks, says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// The limit is held.
    Pass,
    /// It is neither shown that the limit is held nor that it is broken.
    Inconclusive,
    /// The records are not of the same thing.
    NotComparable,
    /// The limit is broken, and not by chance.
    Regression,
}

impl Outcome {
    /// The outcome as people read it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Pass => "pass",
            Self::Inconclusive => "inconclusive",
            Self::NotComparable => "not comparable",
            Self::Regression => "regression",
        }
    }

    /// The exit code of a program that ends with it.
    pub fn exit_code(self) -> u8 {
        match self {
            Self::Pass => 0,
            Self::Regression => 1,
            Self::Inconclusive | Self::NotComparable => 3,
        }
    }
}

/// What an inconclusive check makes of the whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum OnInconclusive {
    /// It is inconclusive: exit code 3.
    #[default]
    Inconclusive,
    /// It passes: only what is shown to be worse is held up.
    Pass,
    /// It fails: only what is shown to be good enough passes.
    Fail,
}

/// How much EM and F1 may drop, in percentage points, and what they must be at least, in percent.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct ScoreLimits {
    /// How much exact match may drop.
    pub max_exact_match_drop: Option<f64>,
    /// How much F1 may drop.
    pub max_f1_drop: Option<f64>,
    /// The candidate's least exact match.
    pub min_exact_match: Option<f64>,
    /// The candidate's least F1.
    pub min_f1: Option<f64>,
}

/// What candidate by base may be of a figure of speed, memory or energy.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct RatioLimits {
    /// The least ratio.
    pub min_ratio: Option<f64>,
    /// The largest ratio.
    pub max_ratio: Option<f64>,
}

/// Limits of a part of the questions.
#[derive(Debug, Clone, PartialEq)]
pub struct SliceLimits {
    /// Which: `property=name`.
    pub slice: String,
    /// What it may drop by.
    pub limits: ScoreLimits,
}

/// The limits of a gate.
#[derive(Debug, Clone, PartialEq)]
pub struct Gate {
    /// How base and candidate are compared.
    pub settings: Settings,
    /// What an inconclusive check makes of the whole.
    pub on_inconclusive: OnInconclusive,
    /// What must be comparable, whether or not a limit is set on it.
    pub require: Vec<Aspect>,
    /// Limits of accuracy.
    pub accuracy: ScoreLimits,
    /// Limits by figure, such as `latency_ms.p50`.
    pub figures: BTreeMap<String, RatioLimits>,
    /// Limits of parts of the questions.
    pub slices: Vec<SliceLimits>,
}

impl Default for Gate {
    /// EM and F1 may drop by one point; accuracy must be comparable; nothing is asked of speed
    /// and memory, which few machines measure twice alike.
    fn default() -> Self {
        Self {
            settings: Settings::default(),
            on_inconclusive: OnInconclusive::default(),
            require: vec![Aspect::Accuracy],
            accuracy: ScoreLimits {
                max_exact_match_drop: Some(1.0),
                max_f1_drop: Some(1.0),
                ..ScoreLimits::default()
            },
            figures: BTreeMap::new(),
            slices: Vec::new(),
        }
    }
}

/// A limit held against a comparison.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Check {
    /// What it is a limit of: `exact match`, `F1`, a figure, a slice.
    pub name: String,
    /// What it says.
    pub outcome: Outcome,
    /// What is asked for, in words.
    pub limit: String,
    /// What was found, in words.
    pub found: String,
    /// What would tell more, where the outcome is inconclusive; why, where it is not comparable.
    pub remedy: Option<String>,
}

impl Gate {
    /// Holds a comparison, which was made with this gate's settings, against every limit.
    ///
    /// # Errors
    ///
    /// Fails where a limit is of a slice that the questions do not have.
    pub fn checks(&self, comparison: &WireComparison) -> Result<Vec<Check>, GateError> {
        checks::checks(self, comparison)
    }

    /// What several checks say together: a regression where one is, else the least sure of them.
    pub fn outcome<'a>(&self, checks: impl IntoIterator<Item = &'a Check>) -> Outcome {
        let outcomes = checks.into_iter().map(|check| check.outcome);
        let worst = outcomes.max().unwrap_or(Outcome::Pass);
        match (worst, self.on_inconclusive) {
            (Outcome::Inconclusive, OnInconclusive::Pass) => Outcome::Pass,
            (Outcome::Inconclusive, OnInconclusive::Fail) => Outcome::Regression,
            (worst, _) => worst,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(outcome: Outcome) -> Check {
        Check {
            name: String::new(),
            outcome,
            limit: String::new(),
            found: String::new(),
            remedy: None,
        }
    }

    #[test]
    fn the_whole_is_as_bad_as_its_worst_part() {
        use Outcome::{Inconclusive, NotComparable, Pass, Regression};
        let mut gate = Gate::default();
        let of = |gate: &Gate, outcomes: &[Outcome]| {
            gate.outcome(&outcomes.iter().map(|&o| check(o)).collect::<Vec<_>>())
        };
        assert_eq!(of(&gate, &[]), Pass);
        assert_eq!(of(&gate, &[Pass, Inconclusive]), Inconclusive);
        assert_eq!(of(&gate, &[Inconclusive, NotComparable]), NotComparable);
        assert_eq!(of(&gate, &[NotComparable, Regression, Pass]), Regression);
        gate.on_inconclusive = OnInconclusive::Pass;
        assert_eq!(of(&gate, &[Pass, Inconclusive]), Pass);
        assert_eq!(of(&gate, &[Inconclusive, NotComparable]), NotComparable);
        gate.on_inconclusive = OnInconclusive::Fail;
        assert_eq!(of(&gate, &[Pass, Inconclusive]), Regression);
        let codes = [Pass, Regression, Inconclusive, NotComparable].map(Outcome::exit_code);
        assert_eq!(codes, [0, 1, 3, 3]);
    }
}
