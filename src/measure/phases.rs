//! Where a run's time goes: consecutive phases that leave nothing out.

use std::time::Instant;

/// A clock that is read at the end of each phase.
///
/// Every moment since [`PhaseClock::start`] belongs to exactly one phase, so
/// the phases add up to the wall time.
#[derive(Debug)]
pub struct PhaseClock {
    started: Instant,
    last: Instant,
    phases: Vec<(&'static str, f64)>,
}

impl PhaseClock {
    /// Starts the first phase now.
    pub fn start() -> Self {
        Self::start_at(Instant::now())
    }

    /// Starts the first phase at a moment in the past.
    pub fn start_at(started: Instant) -> Self {
        Self {
            started,
            last: started,
            phases: Vec::new(),
        }
    }

    /// Gives the time since the last call to `phase`, and returns it in seconds.
    pub fn end(&mut self, phase: &'static str) -> f64 {
        let now = Instant::now();
        let seconds = (now - self.last).as_secs_f64();
        self.last = now;
        match self.phases.iter_mut().find(|(name, _)| *name == phase) {
            Some((_, total)) => *total += seconds,
            None => self.phases.push((phase, seconds)),
        }
        seconds
    }

    /// Phases in the order they first ended, with their seconds.
    pub fn phases(&self) -> &[(&'static str, f64)] {
        &self.phases
    }

    /// Seconds since the start.
    pub fn wall_s(&self) -> f64 {
        self.started.elapsed().as_secs_f64()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn phases_add_up_and_repeat() {
        let mut clock = PhaseClock::start();
        std::thread::sleep(Duration::from_millis(5));
        clock.end("a");
        clock.end("b");
        std::thread::sleep(Duration::from_millis(5));
        clock.end("a");
        let wall = clock.wall_s();
        let names: Vec<_> = clock.phases().iter().map(|(name, _)| *name).collect();
        assert_eq!(names, ["a", "b"]);
        let sum: f64 = clock.phases().iter().map(|(_, seconds)| seconds).sum();
        assert!(clock.phases()[0].1 >= 0.010);
        assert!(sum <= wall && wall - sum < 0.005, "{sum} of {wall}");
    }
}
