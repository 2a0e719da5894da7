//! Scales: from values to pixels, with ticks at round numbers.

/// Larger figures than this, and positive ones smaller than its inverse, are not drawn: sums and
/// powers of ten around them would overflow.
const LARGEST: f64 = 1e15;

/// Ticks that an axis has at the most, or about so.
const MOST_TICKS: f64 = 7.0;

/// From the smallest to the largest value for a logarithmic scale, at the least.
const LOG_FROM_RATIO: f64 = 8.0;

/// A line of values and where it lies in pixels. Always from a smaller to a larger value, both
/// finite, whatever it was made of.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Scale {
    is_log: bool,
    from: f64,
    to: f64,
    start: f64,
    end: f64,
}

/// A marked value of a scale.
#[derive(Debug, Clone, PartialEq)]
pub struct Tick {
    /// The value.
    pub value: f64,
    /// Its place in pixels.
    pub at: f64,
    /// As it is written.
    pub label: String,
}

impl Scale {
    /// A linear scale over all `values` that can be drawn, with some room at either end, from
    /// pixel `start` to pixel `end`. Without any it goes from 0 to 1.
    pub fn linear(values: impl IntoIterator<Item = f64>, (start, end): (f64, f64)) -> Self {
        let range = range(values.into_iter().filter(|&value| is_drawable(value)));
        let (from, to) = match range {
            None => (0.0, 1.0),
            Some((from, to)) if to - from > from.abs().max(to.abs()).max(1.0 / LARGEST) * 1e-9 => {
                let room = 0.06 * (to - from);
                (from - room, to + room)
            }
            // One value, or several that are hardly different.
            Some((value, _)) => {
                let room = 0.1 * value.abs();
                let room = if room < 1.0 / LARGEST { 1.0 } else { room };
                (value - room, value + room)
            }
        };
        Self {
            is_log: false,
            from,
            to,
            start,
            end,
        }
    }

    /// A logarithmic scale over all positive `values`. Without any it goes from 1 to 10.
    pub fn log(values: impl IntoIterator<Item = f64>, (start, end): (f64, f64)) -> Self {
        let (from, to) =
            range(values.into_iter().filter(|&v| is_log_drawable(v))).unwrap_or((1.0, 10.0));
        let room = (to / from).powf(0.06).max(1.05);
        Self {
            is_log: true,
            from: from / room,
            to: to * room,
            start,
            end,
        }
    }

    /// Logarithmic where all values are positive and some are many times others, else linear.
    pub fn fitting(values: &[f64], pixels: (f64, f64)) -> Self {
        let drawable = values.iter().copied().filter(|&value| is_drawable(value));
        match range(drawable) {
            Some((from, to)) if is_log_drawable(from) && to / from >= LOG_FROM_RATIO => {
                Self::log(values.iter().copied(), pixels)
            }
            _ => Self::linear(values.iter().copied(), pixels),
        }
    }

    /// The same scale that ends at `least` and `most` where it went beyond.
    #[must_use]
    pub fn within(self, least: f64, most: f64) -> Self {
        let (from, to) = (self.from.max(least), self.to.min(most));
        if from < to {
            Self { from, to, ..self }
        } else {
            self
        }
    }

    /// Whether it is logarithmic.
    pub fn is_log(&self) -> bool {
        self.is_log
    }

    /// Where a value lies; values beyond an end lie at the end. Nothing for what is no figure.
    pub fn at(&self, value: f64) -> Option<f64> {
        let share = if self.is_log {
            if !is_log_drawable(value) {
                return None;
            }
            (value / self.from).ln() / (self.to / self.from).ln()
        } else {
            if !is_drawable(value) {
                return None;
            }
            (value - self.from) / (self.to - self.from)
        };
        let share = share.clamp(0.0, 1.0);
        Some(self.start + share * (self.end - self.start))
    }

    /// Whether a value lies beyond an end.
    pub fn is_beyond(&self, value: f64) -> bool {
        value < self.from || value > self.to
    }

    /// Round values between its ends, ascending.
    pub fn ticks(&self) -> Vec<Tick> {
        let values = if self.is_log {
            self.log_ticks()
        } else {
            self.linear_ticks()
        };
        let ticks = values.into_iter().filter_map(|(value, label)| {
            let at = self.at(value).filter(|_| !self.is_beyond(value))?;
            Some(Tick { value, at, label })
        });
        ticks.collect()
    }

    fn linear_ticks(&self) -> Vec<(f64, String)> {
        let step = nice_step((self.to - self.from) / (MOST_TICKS - 1.0));
        let first = (self.from / step).ceil();
        let decimals = decimals(step);
        let ticks = (0..20).map(|n| (first + f64::from(n)) * step);
        // A multiple of the step that is nearly 0 is 0.
        let ticks = ticks.map(|value| if value.abs() < step / 2.0 { 0.0 } else { value });
        let ticks = ticks.take_while(|&value| value <= self.to + step * 1e-9);
        ticks
            .map(|value| (value.min(self.to).max(self.from), written(value, decimals)))
            .collect()
    }

    /// Powers of ten, with 2 and 5 times them where there is room; linear ticks where even those
    /// are too few.
    fn log_ticks(&self) -> Vec<(f64, String)> {
        let (low, high) = (
            self.from.log10().floor() as i32,
            self.to.log10().ceil() as i32,
        );
        let decades = (self.to / self.from).log10();
        let mantissas: &[f64] = if decades < 2.5 {
            &[1.0, 2.0, 5.0]
        } else {
            &[1.0]
        };
        let stride = usize::try_from((decades / MOST_TICKS).ceil() as i32).unwrap_or(1);
        let powers = (low..=high).step_by(stride.max(1));
        let values = powers.flat_map(|power| mantissas.iter().map(move |m| m * 10f64.powi(power)));
        let inside: Vec<f64> = values.filter(|&value| !self.is_beyond(value)).collect();
        if inside.len() < 3 {
            return self.linear_ticks();
        }
        let label = |value: f64| {
            let decimals = decimals(value);
            (value, written(value, decimals))
        };
        inside.into_iter().map(label).collect()
    }
}

fn is_drawable(value: f64) -> bool {
    value.abs() <= LARGEST
}

fn is_log_drawable(value: f64) -> bool {
    (1.0 / LARGEST..=LARGEST).contains(&value)
}

fn range(values: impl Iterator<Item = f64>) -> Option<(f64, f64)> {
    values.fold(None, |range, value| match range {
        None => Some((value, value)),
        Some((least, most)) => Some((value.min(least), value.max(most))),
    })
}

/// That of 1, 2, 5 and 10 times a power of ten which is nearest to `step`.
fn nice_step(step: f64) -> f64 {
    let power = 10f64.powf(step.log10().floor());
    let mantissa = step / power;
    let nice = match mantissa {
        m if m < 1.5 => 1.0,
        m if m < 3.5 => 2.0,
        m if m < 7.5 => 5.0,
        _ => 10.0,
    };
    nice * power
}

/// Digits behind the point that the first digit of `value` needs.
fn decimals(value: f64) -> usize {
    let digits = (-value.log10().floor()).clamp(0.0, 12.0) as i32;
    usize::try_from(digits).unwrap_or_default()
}

/// A number as on an axis.
fn written(value: f64, decimals: usize) -> String {
    if value.abs() >= 1e6 || (decimals > 4 && value != 0.0) {
        return format!("{value:e}").replace('-', "\u{2212}");
    }
    let text = format!("{value:.decimals$}");
    let (whole, fraction) = text
        .split_once('.')
        .map_or((text.as_str(), None), |(w, f)| (w, Some(f)));
    let digits = whole.trim_start_matches('-');
    let mut grouped = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place) % 3 == 0 && digits.len() > 4 {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    let sign = if whole.starts_with('-') {
        "\u{2212}"
    } else {
        ""
    };
    fraction.map_or(format!("{sign}{grouped}"), |fraction| {
        format!("{sign}{grouped}.{fraction}")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const PIXELS: (f64, f64) = (0.0, 100.0);

    fn labels(scale: &Scale) -> Vec<String> {
        scale.ticks().into_iter().map(|tick| tick.label).collect()
    }

    #[test]
    fn linear_ticks_are_round() {
        let scale = Scale::linear([0.0, 100.0], PIXELS).within(0.0, 100.0);
        assert_eq!(labels(&scale), ["0", "20", "40", "60", "80", "100"]);
        assert_eq!(scale.at(25.0), Some(25.0));
        let scale = Scale::linear([-0.31, 0.42], PIXELS);
        let expected = "\u{2212}0.3 \u{2212}0.2 \u{2212}0.1 0.0 0.1 0.2 0.3 0.4";
        assert_eq!(labels(&scale).join(" "), expected);
        let scale = Scale::linear([81.0, 81.5], (100.0, 0.0));
        assert_eq!(
            labels(&scale),
            ["81.0", "81.1", "81.2", "81.3", "81.4", "81.5"]
        );
        assert!(scale.at(81.0) > scale.at(81.5));
        let scale = Scale::linear([0.0, 60_000.0], PIXELS);
        assert_eq!(labels(&scale)[1], "10,000");
    }

    #[test]
    fn log_ticks_are_decades_or_parts_of_them() {
        assert_eq!(
            labels(&Scale::log([1.0, 1e4], PIXELS)),
            ["1", "10", "100", "1000", "10,000"]
        );
        assert_eq!(
            labels(&Scale::log([0.5, 20.0], PIXELS)),
            ["0.5", "1", "2", "5", "10", "20"]
        );
        let labels = labels(&Scale::log([1e-12, 1e12], PIXELS));
        assert!(
            (4..=9).contains(&labels.len()) && labels[0] == "1e\u{2212}10",
            "{labels:?}"
        );
        let scale = Scale::log([100.0, 10_000.0], PIXELS);
        assert!((scale.at(1000.0).unwrap() - 50.0).abs() < 1e-9);
    }

    #[test]
    fn the_kind_follows_from_the_range() {
        assert!(Scale::fitting(&[1.0, 100.0, f64::NAN], PIXELS).is_log());
        for values in [
            &[1.0, 3.0][..],
            &[0.0, 100.0],
            &[-1.0, 100.0],
            &[],
            &[f64::INFINITY],
        ] {
            assert!(!Scale::fitting(values, PIXELS).is_log(), "{values:?}");
        }
    }

    /// Every scale has finite ends, increasing, and ticks between them.
    #[test]
    fn no_values_break_a_scale() {
        let odd = [
            f64::NAN,
            f64::INFINITY,
            f64::NEG_INFINITY,
            f64::MAX,
            f64::MIN,
            f64::MIN_POSITIVE,
            0.0,
            -0.0,
            1e-300,
            5e-324,
            1.0,
            -1.0,
            1e15,
            -1e15,
            1e-15,
            f64::EPSILON,
            100.0,
        ];
        let pairs = odd
            .iter()
            .flat_map(|&a| odd.iter().map(move |&b| vec![a, b]));
        for values in pairs.chain([vec![], vec![7.0]]) {
            for scale in [
                Scale::linear(values.iter().copied(), PIXELS),
                Scale::log(values.iter().copied(), PIXELS),
                Scale::fitting(&values, PIXELS),
                Scale::linear(values.iter().copied(), PIXELS).within(0.0, 100.0),
            ] {
                assert!(scale.from < scale.to && scale.from.is_finite() && scale.to.is_finite());
                let ticks = scale.ticks();
                assert!(ticks.len() <= 20, "{values:?}: {ticks:?}");
                for tick in &ticks {
                    assert!((0.0..=100.0).contains(&tick.at), "{values:?}: {tick:?}");
                    assert!(!tick.label.contains("NaN") && !tick.label.contains("inf"));
                }
                for &value in &odd {
                    let at = scale.at(value);
                    assert!(
                        at.is_none_or(|at| (0.0..=100.0).contains(&at)),
                        "{value} {at:?}"
                    );
                }
            }
        }
    }
}
