//! How Python's built-in `sum()` adds, which changed with Python 3.12.

use std::fmt;
use std::str::FromStr;

use super::ScoreError;
use serde::{Deserialize, Serialize};

/// How a mean's terms are added where the official script calls `sum()`.
///
/// That is in the v2.0 script's `make_eval_dict`, and nowhere else: all other
/// sums, those of the v1.1 and MLQA scripts among them, are loops of `+=`,
/// which add plainly in every Python. The two differ in a figure's last digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum Summation {
    /// One after another, as Python up to 3.11 does.
    #[default]
    Plain,
    /// As Python 3.12 and 3.13 do: Neumaier's variant of the Kahan–Babuška
    /// algorithm over floats (`builtin_sum_impl` in CPython's `bltinmodule.c`).
    ///
    /// Integers before the first float are added as integers, and neither
    /// that float nor a later integer is compensated for. (Python 3.14
    /// compensates for later integers too, gh-122234. The v2.0 script has
    /// them: its F1 is the integer 0 or 1 where an answer is empty, and 0
    /// where no token is shared.)
    Compensated,
}

/// A term of a sum as Python holds it, for integers and floats are not added alike.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Term {
    /// An `int`.
    Integer(u32),
    /// A `float`.
    Float(f64),
}

impl Summation {
    /// The name on the command line and in records.
    pub fn name(self) -> &'static str {
        match self {
            Self::Plain => "plain",
            Self::Compensated => "compensated",
        }
    }

    /// `sum(terms)`.
    ///
    /// Source: Neumaier, *Rundungsfehleranalyse einiger Verfahren zur Summation
    /// endlicher Summen*, ZAMM 54 (1974), as CPython 3.12 has it.
    pub fn sum(self, terms: impl IntoIterator<Item = Term>) -> f64 {
        let mut terms = terms.into_iter();
        let mut integers = 0_u64;
        let mut total = loop {
            match terms.next() {
                None => return integers as f64,
                Some(Term::Integer(value)) => integers += u64::from(value),
                Some(Term::Float(value)) => break integers as f64 + value,
            }
        };
        let mut lost = 0.0;
        for term in terms {
            let value = match term {
                Term::Integer(value) => f64::from(value),
                Term::Float(value) => value,
            };
            let next = total + value;
            if self == Self::Compensated && matches!(term, Term::Float(_)) {
                lost += if total.abs() >= value.abs() {
                    (total - next) + value
                } else {
                    (value - next) + total
                };
            }
            total = next;
        }
        // Of an infinite sum nothing finite was lost; and adding 0 would drop the sign of -0.
        if lost != 0.0 && lost.is_finite() {
            total + lost
        } else {
            total
        }
    }
}

impl fmt::Display for Summation {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name())
    }
}

impl FromStr for Summation {
    type Err = ScoreError;

    fn from_str(name: &str) -> Result<Self, ScoreError> {
        match name {
            "plain" => Ok(Self::Plain),
            "compensated" => Ok(Self::Compensated),
            other => Err(ScoreError::UnknownSummation {
                name: other.to_owned(),
            }),
        }
    }
}
