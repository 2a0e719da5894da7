//! Accuracy as it stands in a record.

use serde::{Deserialize, Serialize};

use crate::score::{Accuracy, squad_v2};

/// The scorers' figures, in percent, by the official scripts' own names.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct WireAccuracy {
    /// Exact match over all questions.
    pub exact_match: f64,
    /// Token F1 over all questions.
    pub f1: f64,
    /// Questions scored.
    pub total: usize,
    /// What else the protocol's script prints.
    #[serde(flatten)]
    pub more: serde_json::Map<String, serde_json::Value>,
}

impl From<&Accuracy> for WireAccuracy {
    fn from(accuracy: &Accuracy) -> Self {
        let mut more = serde_json::Map::new();
        let total = match accuracy {
            Accuracy::SquadV1(accuracy) | Accuracy::Mlqa(accuracy) => accuracy.total,
            Accuracy::SquadV2(accuracy) => {
                add_squad_v2(accuracy, &mut more);
                accuracy.all.total
            }
        };
        Self {
            exact_match: accuracy.exact_match(),
            f1: accuracy.f1(),
            total,
            more,
        }
    }
}

/// The keys that `evaluate-v2.0.py --out-image-dir` prints besides `f1` and `total`.
fn add_squad_v2(
    accuracy: &squad_v2::SquadV2,
    more: &mut serde_json::Map<String, serde_json::Value>,
) {
    more.insert("exact".to_owned(), accuracy.all.exact.into());
    for (name, group) in [
        ("HasAns", accuracy.has_answer),
        ("NoAns", accuracy.no_answer),
    ] {
        if let Some(group) = group {
            more.insert(format!("{name}_exact"), group.exact.into());
            more.insert(format!("{name}_f1"), group.f1.into());
            more.insert(format!("{name}_total"), group.total.into());
        }
    }
    if let Some((exact, f1)) = accuracy.best {
        for (name, best) in [("exact", exact), ("f1", f1)] {
            more.insert(format!("best_{name}"), best.score.into());
            more.insert(format!("best_{name}_thresh"), best.threshold.into());
        }
    }
    if let Some(average) = accuracy.average_precisions {
        for (name, value) in [
            ("exact", average.exact),
            ("f1", average.f1),
            ("oracle", average.oracle),
        ] {
            more.insert(format!("pr_{name}_ap"), value.into());
        }
    }
}
