//! Batches through the model: packed, begun and waited for in order, as many at once as the model takes.

use std::collections::VecDeque;
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
    /// How long it took from then on. Passes that are under way together do not share a moment, so that
    /// these add up to the time of all.
    pub duration: Duration,
    /// How long the device was busy by its own clock, where it has one.
    pub device_time: Option<Duration>,
    /// Windows in it.
    pub windows: usize,
    /// Tokens in it.
    pub tokens: usize,
    /// Floating-point operations of its matrix products.
    pub flops: u64,
}

/// Start and end logits of one window.
pub(super) struct WindowResult {
    pub(super) start: Vec<f32>,
    pub(super) end: Vec<f32>,
    /// The forward pass that it was part of.
    pub(super) batch: usize,
}

/// Computes the windows in `runs`, each of which must be in one of them.
pub(super) fn forward(
    model: &dyn SpanModel,
    windows: &[Window],
    runs: &[Vec<usize>],
    progress: &dyn Progress,
) -> Result<(Vec<WindowResult>, Vec<BatchTime>), ModelError> {
    let at_once = model.batches_at_once();
    let mut collected = Collected::new(model, windows.len(), progress);
    let mut begun = VecDeque::with_capacity(at_once);
    for run in runs {
        if progress.turn_is_over() {
            // Nothing of this process is to be computed in another's turn.
            for pass in begun.drain(..) {
                collected.finish(pass)?;
            }
        }
        progress.turn();
        let started = Instant::now();
        let batch = Batch::pack(windows, run);
        let pending = model.begin(&batch)?;
        begun.push_back(Begun {
            started,
            batch,
            pending,
        });
        if begun.len() >= at_once
            && let Some(first) = begun.pop_front()
        {
            collected.finish(first)?;
        }
    }
    for pass in begun {
        collected.finish(pass)?;
    }
    let results = collected.results.into_iter().map(|result| {
        result.expect("OK because the runs hold every window of the order, which holds all")
    });
    Ok((results.collect(), collected.times))
}

/// A batch under way.
struct Begun<'a> {
    started: Instant,
    batch: Batch,
    pending: Pending<'a>,
}

/// What the batches gave so far.
struct Collected<'a> {
    model: &'a dyn SpanModel,
    progress: &'a dyn Progress,
    results: Vec<Option<WindowResult>>,
    times: Vec<BatchTime>,
    last_ended: Option<Instant>,
}

impl<'a> Collected<'a> {
    fn new(model: &'a dyn SpanModel, windows: usize, progress: &'a dyn Progress) -> Self {
        Self {
            model,
            progress,
            results: (0..windows).map(|_| None).collect(),
            times: Vec::new(),
            last_ended: None,
        }
    }

    fn finish(&mut self, pass: Begun<'_>) -> Result<(), ModelError> {
        let Begun {
            started,
            batch,
            pending,
        } = pass;
        let ForwardPass {
            logits,
            device_time,
        } = pending.finish()?;
        for (&window, pair) in batch.windows.iter().zip(batch.boundaries.windows(2)) {
            self.results[window] = Some(WindowResult {
                start: logits.start[pair[0]..pair[1]].to_vec(),
                end: logits.end[pair[0]..pair[1]].to_vec(),
                batch: self.times.len(),
            });
        }
        let ended = Instant::now();
        let started = self.last_ended.map_or(started, |last| last.max(started));
        self.last_ended = Some(ended);
        self.times.push(BatchTime {
            started,
            duration: ended - started,
            device_time,
            windows: batch.windows.len(),
            tokens: batch.tokens(),
            flops: batch.lengths().map(|n| self.model.window_flops(n)).sum(),
        });
        self.progress.advance(batch.windows.len());
        Ok(())
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
                std::thread::sleep(Duration::from_millis(2));
                self.log.lock().unwrap().push(-first);
                let end = logits.iter().map(|logit| -logit).collect();
                Ok(SpanLogits { start: logits, end }.into())
            }))
        }

        fn batches_at_once(&self) -> usize {
            2
        }

        fn window_flops(&self, length: usize) -> u64 {
            length as u64
        }
    }

    /// Whose turn is over before the third pass.
    #[derive(Default)]
    struct Turns(Mutex<usize>);

    impl Progress for Turns {
        fn phase(&self, _: &'static str) {}
        fn begin(&self, _: &'static str, _: usize) {}
        fn advance(&self, _: usize) {}
        fn end(&self) {}
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
        let (results, times) = forward(&model, &windows(), &runs, &Silent).unwrap();
        let whole = began.elapsed();
        assert_eq!(*model.log.lock().unwrap(), [1, 2, -1, 3, -2, 4, -3, -4]);
        assert_eq!(results[2].start, [3.0, 6.0, 7.0]);
        assert_eq!(results[2].end, [-3.0, -6.0, -7.0]);
        assert_eq!(
            results.iter().map(|r| r.batch).collect::<Vec<_>>(),
            [0, 1, 2, 3]
        );
        assert_eq!(
            times.iter().map(|t| t.flops).collect::<Vec<_>>(),
            [2, 1, 3, 1]
        );
        let sum: Duration = times.iter().map(|time| time.duration).sum();
        assert!(
            sum <= whole && sum >= Duration::from_millis(8),
            "{sum:?} of {whole:?}"
        );
        for pair in times.windows(2) {
            assert_eq!(pair[0].started + pair[0].duration, pair[1].started);
        }
    }

    #[test]
    fn nothing_is_under_way_when_a_turn_ends() {
        let model = slow();
        let runs: Vec<Vec<usize>> = (0..4).map(|window| vec![window]).collect();
        forward(&model, &windows(), &runs, &Turns::default()).unwrap();
        assert_eq!(*model.log.lock().unwrap(), [1, 2, -1, -2, 3, 4, -3, -4]);
    }
}
