//! Which model is best within limits.

use super::common::Common;
use super::wire::{WireBudget, WireChoice, WireFigures, WireLead, WireOutside, WireTable};
use super::{Limits, Settings, table::Table};
use crate::stats::CONFIDENCE;
use crate::stats::bootstrap::{Unit, percentile_intervals};

/// A percentile of latency that records have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Percentile {
    /// The median.
    P50,
    /// The 90th.
    P90,
    /// The 95th.
    P95,
    /// The 99th.
    #[default]
    P99,
    /// The 99.9th.
    P999,
}

impl Percentile {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::P50, Self::P90, Self::P95, Self::P99, Self::P999];

    /// As a number: `99.9`.
    pub fn number(self) -> &'static str {
        match self {
            Self::P50 => "50",
            Self::P90 => "90",
            Self::P95 => "95",
            Self::P99 => "99",
            Self::P999 => "99.9",
        }
    }

    /// The figure's name in a row.
    pub fn figure(self) -> &'static str {
        match self {
            Self::P50 => "latency_p50_ms",
            Self::P90 => "latency_p90_ms",
            Self::P95 => "latency_p95_ms",
            Self::P99 => "latency_p99_ms",
            Self::P999 => "latency_p999_ms",
        }
    }

    /// Its value in a row, in milliseconds.
    pub fn of(self, figures: &WireFigures) -> Option<f64> {
        match self {
            Self::P50 => figures.latency_p50_ms,
            Self::P90 => figures.latency_p90_ms,
            Self::P95 => figures.latency_p95_ms,
            Self::P99 => figures.latency_p99_ms,
            Self::P999 => figures.latency_p999_ms,
        }
    }
}

/// A limit of a budget.
struct Limit {
    /// What is limited.
    name: String,
    unit: &'static str,
    bound: f64,
    /// Whether the figure must not be below the bound; else it must not be above it.
    at_least: bool,
    figure: fn(&WireFigures, Percentile) -> Option<f64>,
    percentile: Percentile,
}

/// What a row makes of a limit.
enum Verdict {
    Within,
    Over(String),
    Unknown(String),
}

impl Limit {
    fn in_words(&self) -> String {
        let how = if self.at_least { "at least" } else { "at most" };
        format!("{} {how} {}{}", self.name, self.bound, self.unit)
    }

    fn verdict(&self, figures: &WireFigures) -> Verdict {
        match (self.figure)(figures, self.percentile) {
            None => Verdict::Unknown(format!("{} is not known", self.name)),
            Some(value) if self.at_least && value >= self.bound => Verdict::Within,
            Some(value) if !self.at_least && value <= self.bound => Verdict::Within,
            Some(value) => {
                let value = self.outside(value);
                Verdict::Over(format!("{} {value}{}", self.name, self.unit))
            }
        }
    }

    /// A figure that is outside, with three digits, and more where it would look as if it were
    /// within.
    fn outside(&self, value: f64) -> String {
        let fewest = match value.abs() {
            size if size >= 99.95 => 0,
            size if size >= 9.995 => 1,
            _ => 2,
        };
        let mut texts = (fewest..=9).map(|decimals| format!("{value:.decimals$}"));
        let is_outside = |text: &String| {
            let shown = text.parse::<f64>();
            shown.is_ok_and(|shown| (shown < self.bound) == self.at_least && shown != self.bound)
        };
        texts.find(is_outside).unwrap_or_else(|| value.to_string())
    }
}

fn limits(limits: Limits, percentile: Percentile) -> Vec<Limit> {
    let limit = |bound: Option<f64>, name: &str, unit, at_least, figure| {
        bound.map(|bound| Limit {
            name: name.to_owned(),
            unit,
            bound,
            at_least,
            figure,
            percentile,
        })
    };
    let latency = format!("p{} latency", percentile.number());
    let megabytes = |f: &WireFigures, _| f.memory_peak_bytes.map(|b| b as f64 / 1e6);
    let all = [
        limit(limits.max_latency_ms, &latency, " ms", false, |f, p| {
            p.of(f)
        }),
        limit(limits.max_memory_mb, "peak memory", " MB", false, megabytes),
        limit(
            limits.min_questions_per_s,
            "speed",
            " questions/s",
            true,
            |f, _| f.questions_per_s,
        ),
        limit(
            limits.max_joules_per_1000,
            "energy",
            " J for 1,000 questions",
            false,
            |f, _| f.joules_per_1000_questions,
        ),
    ];
    all.into_iter().flatten().collect()
}

/// The best model within the limits asked for, in each conditions of each table; nothing where no limit was
/// asked for.
pub(super) fn budget(
    tables: &[WireTable],
    sources: &[Table<'_>],
    settings: &Settings,
) -> Option<WireBudget> {
    let limits = limits(settings.limits, settings.latency_percentile);
    if limits.is_empty() {
        return None;
    }
    let mut choices = Vec::new();
    for (number, (table, source)) in tables.iter().zip(sources).enumerate() {
        for conditions in 0..table.conditions.len() {
            let mut choice = choose(table, number, conditions, &limits);
            choice.lead = lead(source, &choice, settings);
            choices.push(choice);
        }
    }
    Some(WireBudget {
        limits: limits.iter().map(Limit::in_words).collect(),
        choices,
    })
}

fn choose(table: &WireTable, number: usize, conditions: usize, limits: &[Limit]) -> WireChoice {
    let (mut within, mut outside) = (Vec::new(), Vec::new());
    let rows = table.rows.iter().enumerate();
    // Rows stand by falling F1.
    for (place, row) in rows.filter(|(_, row)| row.conditions == Some(conditions)) {
        let (mut over, mut unknown) = (Vec::new(), Vec::new());
        for limit in limits {
            match limit.verdict(&row.figures) {
                Verdict::Within => {}
                Verdict::Over(reason) => over.push(reason),
                Verdict::Unknown(reason) => unknown.push(reason),
            }
        }
        if over.is_empty() && unknown.is_empty() {
            within.push(place);
        } else {
            let only_unknown = over.is_empty();
            over.extend(unknown);
            outside.push(WireOutside {
                row: place,
                because: over,
                unknown: only_unknown,
            });
        }
    }
    let best = within.first().copied();
    let another =
        |place: &usize| Some(&table.rows[*place].model) != best.map(|b| &table.rows[b].model);
    WireChoice {
        table: number,
        conditions,
        best,
        runner_up: within.iter().copied().find(another),
        lead: None,
        within,
        outside,
    }
}

/// The lead of the best over the runner-up on their common questions.
fn lead(source: &Table<'_>, choice: &WireChoice, settings: &Settings) -> Option<WireLead> {
    let best = source.runs[choice.best?]?;
    let runner_up = source.runs[choice.runner_up?]?;
    let common = Common::of(&[best, runner_up]);
    if common.questions == 0 {
        return None;
    }
    let units: Vec<Unit<1>> = common
        .sums
        .iter()
        .map(|(size, sums)| Unit {
            size: *size as f64,
            sums: [100.0 * (sums[0] - sums[1])],
        })
        .collect();
    let difference: f64 = units.iter().map(|unit| unit.sums[0]).sum();
    let interval = percentile_intervals(&units, settings.resamples, CONFIDENCE, settings.seed);
    Some(WireLead {
        f1_difference: difference / common.questions as f64,
        interval: interval.map(|[interval]| [interval.lower, interval.upper]),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_outside_have_the_digits_that_show_it() {
        let limit = |bound, at_least| Limit {
            name: String::new(),
            unit: "",
            bound,
            at_least,
            figure: |_, _| None,
            percentile: Percentile::default(),
        };
        for (bound, at_least, value, text) in [
            (700.0, false, 812.345_678, "812"),
            (700.0, false, 700.3, "700.3"),
            (50.0, false, 50.004, "50.004"),
            (5.0, true, 4.321, "4.32"),
            (5.0, true, 4.9999, "4.9999"),
            (0.0, false, 1e-12, "0.000000000001"),
        ] {
            assert_eq!(limit(bound, at_least).outside(value), text);
        }
    }
}
