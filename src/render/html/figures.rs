//! Figures of a record by their place in it: what they are called, their unit, and how they are written.

use crate::render::figure;

/// A figure's name with its unit, and a value in that unit.
#[derive(Debug, Clone, PartialEq)]
pub struct Figure {
    /// Such as `latency p50, ms`.
    pub name: String,
    /// What a value of the record is divided by to be in that unit.
    divisor: f64,
}

impl Figure {
    /// The figure at `place`, such as `throughput.windows_per_s`. Units are endings of the record's
    /// names, so figures that are not known here have theirs too.
    pub fn at(place: &str) -> Self {
        let (group, name) = place.split_once('.').unwrap_or(("", place));
        let units = [
            ("_per_s", "/s", 1.0, true),
            ("_bytes", ", MB", 1e6, false),
            ("_ms", ", ms", 1.0, false),
            ("_s", ", s", 1.0, false),
            ("_j", ", J", 1.0, false),
        ];
        for (ending, unit, divisor, is_attached) in units {
            if let Some(stem) = name.strip_suffix(ending) {
                let (stem, divisor) = match stem {
                    "flops" => ("GFLOP", 1e9),
                    _ => (stem, divisor),
                };
                let group = if is_attached || group == "energy" || group == "throughput" {
                    ""
                } else {
                    group
                };
                return Self {
                    name: format!("{}{unit}", spaced(group, stem)),
                    divisor,
                };
            }
            if let Some(group) = group.strip_suffix(ending) {
                return Self {
                    name: format!("{}{unit}", spaced(group, name)),
                    divisor,
                };
            }
        }
        let (group, name, divisor) = match name
            .strip_suffix("_fraction")
            .or_else(|| name.strip_suffix("_share"))
        {
            Some(stem) => ("", format!("{stem}, %"), 0.01),
            None => (group, name.to_owned(), 1.0),
        };
        Self {
            name: spaced(group, &name),
            divisor,
        }
    }

    /// A value of the record, written in the figure's unit.
    pub fn written(&self, value: f64) -> String {
        if value.is_finite() {
            figure(value / self.divisor)
        } else {
            "\u{2013}".to_owned()
        }
    }
}

fn spaced(group: &str, name: &str) -> String {
    let name = name.replace('_', " ").replace("rss", "resident");
    match group {
        "" => name,
        group if name.starts_with(group) => name,
        group => format!("{} {name}", group.replace('_', " ")),
    }
}

/// A signed number with `decimals` digits, with a true minus.
pub fn signed(value: f64, decimals: usize) -> String {
    let text = format!("{value:+.decimals$}");
    text.replace('-', "\u{2212}")
}

/// A whole number of bytes in the unit that suits it.
pub fn bytes(count: u64) -> String {
    let count = count as f64;
    let units = [(1e9, "GB"), (1e6, "MB"), (1e3, "kB")];
    let unit = units.into_iter().find(|(size, _)| count >= *size);
    unit.map_or(format!("{count} bytes"), |(size, unit)| {
        format!("{} {unit}", figure(count / size))
    })
}

/// A probability: small ones by their power of ten.
pub fn probability(p: f64) -> String {
    // One that is 0 has underflowed; it has no power to tell.
    if p >= 0.001 || p == 0.0 {
        format!("{p:.3}")
    } else {
        format!("{p:.1e}").replace('-', "\u{2212}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_have_units() {
        for (place, name, value, written) in [
            ("throughput.questions_per_s", "questions/s", 12.34, "12.3"),
            ("throughput.flops_per_s", "GFLOP/s", 3.5e9, "3.50"),
            ("throughput.peak_fraction", "peak, %", 0.5, "50.0"),
            ("latency_ms.p99", "latency p99, ms", 120.4, "120"),
            ("batch_latency_ms.p50", "batch latency p50, ms", 1.0, "1.00"),
            (
                "memory.rss_peak_bytes",
                "memory resident peak, MB",
                2.5e8,
                "250",
            ),
            ("energy.per_question_j", "per question, J", 0.5, "0.50"),
            ("wall_s", "wall, s", f64::NAN, "\u{2013}"),
        ] {
            let figure = Figure::at(place);
            assert_eq!(
                (figure.name.as_str(), figure.written(value).as_str()),
                (name, written)
            );
        }
        assert_eq!(bytes(16_700_000_000), "16.7 GB");
        assert_eq!(signed(-1.25, 1), "\u{2212}1.2");
        for (p, written) in [(0.25, "0.250"), (4e-4, "4.0e\u{2212}4"), (0.0, "0.000")] {
            assert_eq!(probability(p), written);
        }
    }
}
