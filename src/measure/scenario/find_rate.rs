//! The highest rate of arrivals at which a server holds its bound.

use serde::{Deserialize, Serialize};

/// Rates that differ by less than this factor are not told apart.
const RESOLUTION: f64 = 1.05;

/// The least part of the ceiling that is tried before a server is said to hold no rate.
const LEAST_PART: f64 = 1.0 / 256.0;

/// The largest, where every rate holds: then it is the ceiling that was wrong, or the bound.
const LARGEST_PART: f64 = 8.0;

/// How often a rate that the search found may fail its confirmation before it is given up.
const CONFIRMATIONS: usize = 5;

/// What is to be tried.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Probe {
    /// A rate on the way, for as long as a search allows.
    Search(f64),
    /// The rate that was found, for as long as the rules ask for.
    Confirmation(f64),
}

impl Probe {
    /// Queries a second.
    pub fn rate(self) -> f64 {
        match self {
            Self::Search(rate) | Self::Confirmation(rate) => rate,
        }
    }
}

/// A probe and what came of it.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Tried {
    /// What was tried.
    pub probe: Probe,
    /// Whether the bound was held.
    pub held: bool,
}

/// The outcome of a search.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct FoundRate {
    /// The highest rate that held and was confirmed; nothing where none was.
    pub rate: Option<f64>,
    /// All that was tried, in order.
    pub tried: Vec<Tried>,
}

/// Searches the highest rate below about `ceiling` for which `holds` says yes, to 5 %.
///
/// Bisection on a logarithmic scale between a rate that held and one that did not, begun at
/// 0.7 of the ceiling; then the rate is confirmed by a run of full length. Where that fails,
/// it is lowered by 5 % and confirmed again.
///
/// # Errors
///
/// Fails where `holds` does.
pub fn highest_rate<E>(
    ceiling: f64,
    mut holds: impl FnMut(Probe) -> Result<bool, E>,
) -> Result<FoundRate, E> {
    let mut tried = Vec::new();
    let mut ask = |probe: Probe, tried: &mut Vec<Tried>| {
        let held = holds(probe)?;
        tried.push(Tried { probe, held });
        Ok::<_, E>(held)
    };
    let (mut low, mut high) = (None, None);
    let mut rate = 0.7 * ceiling;
    while rate > LEAST_PART * ceiling && rate < LARGEST_PART * ceiling {
        if ask(Probe::Search(rate), &mut tried)? {
            low = Some(rate);
        } else {
            high = Some(rate);
        }
        rate = match (low, high) {
            (Some(low), Some(high)) if high / low <= RESOLUTION => break,
            (Some(low), Some(high)) => f64::sqrt(low * high),
            (Some(low), None) => low * 1.3,
            (None, Some(high)) => high / 2.0,
            (None, None) => break,
        };
    }
    let mut rate = low;
    for _ in 0..CONFIRMATIONS {
        let Some(candidate) = rate else { break };
        if ask(Probe::Confirmation(candidate), &mut tried)? {
            return Ok(FoundRate { rate, tried });
        }
        rate = Some(candidate / RESOLUTION);
    }
    Ok(FoundRate { rate: None, tried })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::convert::Infallible;

    fn search(ceiling: f64, holds: impl Fn(Probe) -> bool) -> FoundRate {
        let Ok(found) = highest_rate(ceiling, |probe| Ok::<_, Infallible>(holds(probe)));
        found
    }

    #[test]
    fn the_border_is_found_to_five_percent_wherever_it_lies() {
        for border in [0.9, 7.0, 50.0, 70.5, 99.0, 180.0] {
            let found = search(100.0, |probe| probe.rate() <= border);
            let rate = found.rate.unwrap();
            assert!(
                rate <= border && border / rate <= 1.05,
                "{rate} of {border}"
            );
            assert!(found.tried.len() < 16, "{}", found.tried.len());
            assert!(matches!(
                found.tried.last().unwrap().probe,
                Probe::Confirmation(_)
            ));
        }
    }

    #[test]
    fn a_rate_that_fails_its_confirmation_is_lowered() {
        let found = search(100.0, |probe| match probe {
            Probe::Search(rate) => rate <= 50.0,
            Probe::Confirmation(rate) => rate <= 45.0,
        });
        let rate = found.rate.unwrap();
        assert!((42.0..=45.0).contains(&rate), "{rate}");
        assert!(
            found
                .tried
                .iter()
                .any(|t| matches!(t.probe, Probe::Confirmation(_)) && !t.held)
        );
    }

    #[test]
    fn a_server_that_holds_nothing_has_no_rate() {
        let found = search(100.0, |_| false);
        assert_eq!(found.rate, None);
        assert!(found.tried.len() <= 10);
        let unconfirmed = search(
            100.0,
            |probe| matches!(probe, Probe::Search(rate) if rate < 9.0),
        );
        assert_eq!(unconfirmed.rate, None);
        assert_eq!(search(0.0, |_| true).rate, None);
        let endless = search(100.0, |_| true);
        assert!(endless.rate.unwrap() > 500.0);
    }
}
