//! Batches through the model: packed, begun and waited for in order, as many at once as the model takes.

use std::collections::VecDeque;
use std::ops::Range;
use std::time::{Duration, Instant};

use super::answer::Progress;
use crate::batch::Batch;
use crate::models::pending::{ForwardPass, Pending};
use crate::models::{ModelError, SpanModel};
use crate::windows::Window;

/// One forward pass.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BatchTime {
    /// When it began: to be packed, or when the pass before was over, if that was later.
    pub started: Instant,
    /// How long it took from then on, on a device that computes by itself until that was done. Passes that are
    /// under way together do not share a moment, so that these add up to the time of all.
    pub duration: Duration,
    /// How long the device was busy by its own clock, where it has one.
    pub device_time: Option<Duration>,
    /// Windows in it.
    pub windows: usize,
    /// Tokens in it.
    pub tokens: usize,
    /// Tokens that were computed besides, to fill it up.
    pub filling: usize,
    /// Floating-point operations of its matrix products.
    pub flops: u64,
}

/// Start and end logits of one window.
pub(super) struct WindowResult {
    pub(super) start: Vec<f32>,
    pub(super) end: Vec<f32>,
}

/// A batch under way.
struct Begun<'a> {
    started: Instant,
    batch: Batch,
    pending: Pending<'a>,
}

/// What is known of forward passes that are over.
pub(super) struct Over {
    /// By window: the forward pass that it was part of.
    pub(super) batch_of: Vec<usize>,
    /// The passes, one after another.
    pub(super) times: Vec<BatchTime>,
    /// For how long none was computed before, between and after them.
    pub(super) idle: Duration,
}

/// Batches on their way through a model, and what they gave so far.
pub(super) struct Passes<'a> {
    model: &'a dyn SpanModel,
    progress: &'a dyn Progress,
    under_way: VecDeque<Begun<'a>>,
    /// Windows whose batches were begun.
    begun: usize,
    /// By window: what was not taken yet.
    results: Vec<Option<WindowResult>>,
    /// By window: the forward pass that it was part of.
    batch_of: Vec<usize>,
    times: Vec<BatchTime>,
    last_ended: Option<Instant>,
    /// For how long nothing was computed, in this process's turns, and up to when that is known.
    idle: Duration,
    idle_since: Instant,
}

impl<'a> Passes<'a> {
    pub(super) fn new(model: &'a dyn SpanModel, progress: &'a dyn Progress) -> Self {
        Self {
            model,
            progress,
            under_way: VecDeque::new(),
            begun: 0,
            results: Vec::new(),
            batch_of: Vec::new(),
            times: Vec::new(),
            last_ended: None,
            idle: Duration::ZERO,
            idle_since: Instant::now(),
        }
    }

    /// Windows whose batches were begun.
    pub(super) fn begun(&self) -> usize {
        self.begun
    }

    /// Returns when it is this process's turn. Nothing is under way while it waits.
    pub(super) fn wait_for_turn(&mut self) -> Result<(), ModelError> {
        if self.progress.turn_is_over() {
            self.finish_all()?;
        }
        let asked = Instant::now();
        self.progress.turn();
        // What others computed meanwhile is not on the clock.
        self.idle_since += asked.elapsed();
        Ok(())
    }

    /// Computes `runs` of `windows` one after another. Some of the last may be under way when it returns, but
    /// for a model that takes one at once. Ends before the last, with nothing under way, where this process's
    /// turn is over.
    pub(super) fn run(
        &mut self,
        windows: &[Window],
        runs: &[Vec<usize>],
    ) -> Result<(), ModelError> {
        self.results.resize_with(windows.len(), || None);
        self.batch_of.resize(windows.len(), 0);
        for run in runs {
            if self.progress.turn_is_over() {
                return self.finish_all();
            }
            let started = Instant::now();
            let batch = Batch::pack(windows, run);
            let pending = self.model.begin(&batch)?;
            self.begun += run.len();
            self.under_way.push_back(Begun {
                started,
                batch,
                pending,
            });
            if self.under_way.len() >= self.model.batches_at_once() {
                self.finish_first()?;
            }
        }
        Ok(())
    }

    /// Waits for all that is under way, after which nothing more is.
    pub(super) fn end(&mut self) -> Result<(), ModelError> {
        self.finish_all()?;
        self.idle += self.idle_since.elapsed();
        Ok(())
    }

    /// Waits for all that is under way.
    fn finish_all(&mut self) -> Result<(), ModelError> {
        while !self.under_way.is_empty() {
            self.finish_first()?;
        }
        Ok(())
    }

    fn finish_first(&mut self) -> Result<(), ModelError> {
        let Some(Begun {
            started,
            batch,
            pending,
        }) = self.under_way.pop_front()
        else {
            return Ok(());
        };
        let ForwardPass {
            logits,
            device_time,
            filling,
            was_over,
        } = pending.finish()?;
        for (&window, pair) in batch.windows.iter().zip(batch.boundaries.windows(2)) {
            self.results[window] = Some(WindowResult {
                start: logits.start[pair[0]..pair[1]].to_vec(),
                end: logits.end[pair[0]..pair[1]].to_vec(),
            });
            self.batch_of[window] = self.times.len();
        }
        let noticed = Instant::now();
        let started = self.last_ended.map_or(started, |last| last.max(started));
        let ended = match device_time {
            // It was over by then, while the program did other things.
            Some(busy) if was_over => noticed.min(started + busy),
            _ => noticed,
        };
        self.last_ended = Some(ended);
        self.idle += started.saturating_duration_since(self.idle_since);
        self.idle_since = ended;
        self.times.push(BatchTime {
            started,
            duration: ended - started,
            device_time,
            windows: batch.windows.len(),
            tokens: batch.tokens(),
            filling,
            flops: batch.lengths().map(|n| self.model.window_flops(n)).sum(),
        });
        self.progress.advance(batch.windows.len());
        Ok(())
    }

    /// Whether the logits of a window are there, and nobody has taken them.
    pub(super) fn has(&self, window: usize) -> bool {
        self.results.get(window).is_some_and(Option::is_some)
    }

    /// Takes the logits of windows that there are.
    pub(super) fn take(&mut self, windows: Range<usize>) -> Vec<WindowResult> {
        let results = self.results[windows].iter_mut();
        results.filter_map(Option::take).collect()
    }

    /// Gives what is known of the passes.
    pub(super) fn over(self) -> Over {
        Over {
            batch_of: self.batch_of,
            times: self.times,
            idle: self.idle,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::super::answer::Silent;
    use super::*;
    use crate::batch::SpanLogits;
    use crate::models::ModelDescription;

    /// A model that two batches may be under way in, and what was begun (+) and finished (-).
    struct Slow {
        description: ModelDescription,
        log: Mutex<Vec<i64>>,
        /// What its device took of each, and was done with before it was waited for; else it takes 2 ms from
        /// then on.
        device_time: Option<Duration>,
    }

    impl SpanModel for Slow {
        fn description(&self) -> &ModelDescription {
            &self.description
        }

        fn begin(&self, batch: &Batch) -> Result<Pending<'_>, ModelError> {
            let first = i64::from(batch.token_ids[0]);
            self.log.lock().unwrap().push(first);
            let logits: Vec<f32> = batch.token_ids.iter().map(|&id| id as f32).collect();
            Ok(Pending::new(move || {
                if self.device_time.is_none() {
                    std::thread::sleep(Duration::from_millis(2));
                }
                self.log.lock().unwrap().push(-first);
                let end = logits.iter().map(|logit| -logit).collect();
                Ok(ForwardPass {
                    logits: SpanLogits { start: logits, end },
                    device_time: self.device_time,
                    filling: 0,
                    was_over: self.device_time.is_some(),
                })
            }))
        }

        fn batches_at_once(&self) -> usize {
            2
        }

        fn window_flops(&self, length: usize) -> u64 {
            length as u64
        }
    }

    /// Whose turn is over before the third pass, and who waits long for the next one.
    #[derive(Default)]
    struct Turns(Mutex<usize>);

    /// How long others' turns take.
    const OTHERS: Duration = Duration::from_millis(50);

    impl Progress for Turns {
        fn phase(&self, _: &'static str) {}
        fn begin(&self, _: &'static str, _: usize) {}
        fn advance(&self, _: usize) {}
        fn end(&self) {}
        fn turn(&self) {
            std::thread::sleep(OTHERS);
        }
        fn turn_is_over(&self) -> bool {
            let mut asked = self.0.lock().unwrap();
            *asked += 1;
            *asked == 3
        }
    }

    fn slow() -> Slow {
        Slow {
            description: ModelDescription::of_a_test(),
            log: Mutex::default(),
            device_time: None,
        }
    }

    fn windows() -> Vec<Window> {
        let window = |ids: &[u32]| Window {
            token_ids: ids.to_vec(),
            token_types: vec![0; ids.len()],
            ..Window::default()
        };
        vec![
            window(&[1, 5]),
            window(&[2]),
            window(&[3, 6, 7]),
            window(&[4]),
        ]
    }

    #[test]
    fn batches_overlap_and_their_times_add_up_to_the_whole() {
        let model = slow();
        let runs: Vec<Vec<usize>> = (0..4).map(|window| vec![window]).collect();
        let began = Instant::now();
        let mut passes = Passes::new(&model, &Silent);
        passes.run(&windows(), &runs).unwrap();
        assert!(passes.has(2) && !passes.has(3) && passes.begun() == 4);
        passes.end().unwrap();
        let whole = began.elapsed();
        let results = passes.take(0..4);
        assert!(!passes.has(1));
        let Over {
            batch_of,
            times,
            idle,
        } = passes.over();
        assert!(idle + Duration::from_millis(8) < whole, "{idle:?}");
        assert_eq!(*model.log.lock().unwrap(), [1, 2, -1, 3, -2, 4, -3, -4]);
        assert_eq!(results[2].start, [3.0, 6.0, 7.0]);
        assert_eq!(results[2].end, [-3.0, -6.0, -7.0]);
        assert_eq!(batch_of, [0, 1, 2, 3]);
        assert_eq!(
            times.iter().map(|t| t.flops).collect::<Vec<_>>(),
            [2, 1, 3, 1]
        );
        let sum: Duration = times.iter().map(|time| time.duration).sum();
        assert!(sum + idle <= whole, "{sum:?}, {idle:?} of {whole:?}");
        assert!(
            sum <= whole && sum >= Duration::from_millis(8),
            "{sum:?} of {whole:?}"
        );
        for pair in times.windows(2) {
            assert_eq!(pair[0].started + pair[0].duration, pair[1].started);
        }
    }

    #[test]
    fn a_pass_that_nobody_waited_for_ends_by_its_own_time() {
        let busy = Duration::from_millis(1);
        let model = Slow {
            device_time: Some(busy),
            ..slow()
        };
        let began = Instant::now();
        let mut passes = Passes::new(&model, &Silent);
        for window in 0..4 {
            // What else the program does meanwhile.
            std::thread::sleep(Duration::from_millis(10));
            passes.run(&windows(), &[vec![window]]).unwrap();
        }
        passes.end().unwrap();
        let whole = began.elapsed();
        let Over { times, idle, .. } = passes.over();
        let durations: Vec<Duration> = times.iter().map(|time| time.duration).collect();
        assert_eq!(durations[..3], [busy; 3]);
        assert!(durations[3] <= busy);
        let accounted = idle + durations.iter().sum::<Duration>();
        assert!(
            accounted <= whole && accounted + Duration::from_millis(5) > whole,
            "{accounted:?} of {whole:?}"
        );
    }

    #[test]
    fn nothing_is_under_way_when_a_turn_ends() {
        let model = slow();
        let runs: Vec<Vec<usize>> = (0..4).map(|window| vec![window]).collect();
        let turns = Turns::default();
        let mut passes = Passes::new(&model, &turns);
        passes.run(&windows(), &runs).unwrap();
        assert_eq!(*model.log.lock().unwrap(), [1, 2, -1, -2]);
        passes.wait_for_turn().unwrap();
        passes.run(&windows(), &runs[passes.begun()..]).unwrap();
        passes.finish_all().unwrap();
        assert_eq!(*model.log.lock().unwrap(), [1, 2, -1, -2, 3, 4, -3, -4]);
        let idle = passes.over().idle;
        assert!(idle < OTHERS, "others' turns are not idle time: {idle:?}");
    }
}
