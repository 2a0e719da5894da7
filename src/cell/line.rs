//! The straight line from questions to answers: cut into windows, computed, decoded.

use std::ops::Range;
use std::time::{Duration, Instant};

use rayon::prelude::*;

use super::answer::{AnswerError, AnswerSettings, Answers, Progress, WindowOrder};
use super::forward::{Passes, WindowResult};
use crate::batch::{self, Batch};
use crate::dataset::Dataset;
use crate::dataset::characters::CharacterIndex;
use crate::decode::{self, Answer, WindowLogits};
use crate::measure::phases::PhaseClock;
use crate::measure::profile::{self, Operation, Work};
use crate::models::SpanModel;
use crate::windows::{CutQuestions, Window, Windower};

/// Questions that are cut, and decoded, at a time beside a device that computes by itself. The first are cut
/// while it has nothing to do yet.
const PART: usize = 128;

/// All that turns questions into answers.
#[derive(Clone, Copy)]
pub struct Line<'a> {
    /// What gives span logits.
    pub model: &'a dyn SpanModel,
    /// What cuts windows.
    pub windower: &'a Windower,
    /// Where the questions stand.
    pub dataset: &'a Dataset,
    /// How they are answered.
    pub settings: AnswerSettings,
}

impl Line<'_> {
    /// Answers all questions of the data set; see [`Line::answer`].
    ///
    /// # Errors
    ///
    /// See [`AnswerError`].
    pub fn answer_all(
        &self,
        clock: &mut PhaseClock,
        progress: &dyn Progress,
    ) -> Result<Answers, AnswerError> {
        let asked: Vec<usize> = (0..self.dataset.questions.len()).collect();
        self.answer(&asked, clock, progress)
    }

    /// Answers the questions that `asked` gives by their places in the data set, on the current
    /// rayon pool. A question may be asked more than once.
    ///
    /// The phases `tokenize`, `forward` and `decode` are given to `clock`. While a device computes by itself,
    /// later questions are cut and earlier ones decoded; that belongs to the phase `forward`.
    ///
    /// # Errors
    ///
    /// See [`AnswerError`].
    pub fn answer(
        &self,
        asked: &[usize],
        clock: &mut PhaseClock,
        progress: &dyn Progress,
    ) -> Result<Answers, AnswerError> {
        let mut parts = asked.chunks(self.part(asked.len()));
        let first = parts.next().unwrap_or_default();
        let mut cut = self.windower.cut(self.dataset, first)?;
        let tokenize_s = clock.end("tokenize");
        // How many windows there will be, where not all questions are cut yet.
        let windows = cut.windows.len() * asked.len() / first.len().max(1);
        progress.begin("windows", windows);
        let mut passes = Passes::new(self.model, progress);
        let mut decoded = Decoded::default();
        loop {
            passes.wait_for_turn()?;
            let runs = self.runs(&cut.windows, passes.begun(), parts.len() == 0);
            let next = parts.next();
            let ready = if self.is_beside() {
                decoded.ready(&cut.counts, &mut passes)
            } else {
                None
            };
            let (mut next_cut, mut next_decoded) = (None, None);
            rayon::in_place_scope(|scope| {
                if let Some(next) = next {
                    scope.spawn(|_| next_cut = Some(self.windower.cut(self.dataset, next)));
                }
                if let Some(ready) = &ready {
                    scope.spawn(|_| next_decoded = Some(self.decode(asked, &cut, ready)));
                }
                passes.run(&cut.windows, &runs)
            })?;
            if let Some(next) = next_cut.transpose()? {
                cut.append(next);
            }
            decoded.extend(next_decoded.transpose()?.unwrap_or_default());
            if next.is_none() && passes.begun() == cut.windows.len() {
                break;
            }
        }
        passes.end()?;
        progress.end();
        clock.end("forward");
        if let Some(ready) = decoded.ready(&cut.counts, &mut passes) {
            decoded.extend(self.decode(asked, &cut, &ready)?);
        }
        let decode_s = clock.end("decode");
        let over = passes.over();
        let forward: Duration = over.times.iter().map(|batch| batch.duration).sum();
        Ok(Answers {
            answers: decoded.answers,
            batch_of: over.batch_of,
            windows: cut.windows,
            windows_of: cut.counts,
            batches: over.times,
            tokenize_times: cut.times,
            decode_times: decoded.times,
            tokenize_s,
            forward_s: forward.as_secs_f64(),
            idle_s: over.idle.as_secs_f64(),
            decode_s,
        })
    }

    /// Whether the model's device computes by itself, and leaves this process's threads something to do.
    fn is_beside(&self) -> bool {
        self.model.batches_at_once() > 1
    }

    /// How many of the questions asked are cut at a time: all, but beside a device that computes by itself.
    fn part(&self, asked: usize) -> usize {
        // Any other order is one of all windows.
        if self.is_beside() && self.settings.order == WindowOrder::AsGiven {
            PART
        } else {
            asked.max(1)
        }
    }

    /// The batches after the first `begun` windows of the order; without the last one, which more windows might
    /// fill, unless these are `all`.
    fn runs(&self, windows: &[Window], begun: usize, all: bool) -> Vec<Vec<usize>> {
        let order = self.settings.order.indices(windows, self.settings.seed);
        let mut runs = batch::plan(windows, &order[begun..], self.settings.batch_tokens);
        if !all {
            runs.pop();
        }
        runs
    }

    /// Computes the first batch of the data set and throws the result away: the first pass
    /// through a model pays for memory that later ones find ready. Gives the tokens of the batch.
    ///
    /// # Errors
    ///
    /// See [`AnswerError`].
    pub fn first_forward(&self) -> Result<usize, AnswerError> {
        let mut windows = Vec::new();
        for index in 0..self.dataset.questions.len() {
            windows.extend(self.windower.question_windows(self.dataset, index)?);
            if windows.iter().map(Window::len).sum::<usize>() >= self.settings.batch_tokens {
                break;
            }
        }
        let order: Vec<usize> = (0..windows.len()).collect();
        let runs = batch::plan(&windows, &order, self.settings.batch_tokens);
        let batch = Batch::pack(&windows, runs.first().map_or(&[], Vec::as_slice));
        if batch.tokens() > 0 {
            // Each of several devices has its turn then.
            for _ in 0..self.model.batches_at_once() {
                self.model.span_logits(&batch)?;
            }
        }
        Ok(batch.tokens())
    }

    /// Chooses the answers, question by question in parallel, each with the time it took.
    fn decode(
        &self,
        asked: &[usize],
        cut: &CutQuestions,
        ready: &Ready,
    ) -> Result<Vec<(Answer, Duration)>, AnswerError> {
        let counts = &cut.counts[ready.questions.clone()];
        let firsts = counts.iter().scan(0, |next, count| {
            *next += count;
            Some(*next - count)
        });
        let firsts: Vec<usize> = firsts.collect();
        let windows = &cut.windows[ready.first_window..];
        let detokenizer = self.windower.detokenizer();
        let decoded: Vec<Result<_, AnswerError>> = asked[ready.questions.clone()]
            .par_iter()
            .zip(firsts.par_iter().zip(counts))
            .map(|(&index, (&first, &count))| {
                let started = Instant::now();
                let _span = profile::span(Operation::Decode, || Work::NONE);
                let question = &self.dataset.questions[index];
                let own = windows[first..].iter().zip(&ready.results[first..]);
                let logits: Vec<_> = own
                    .take(count)
                    .map(|(window, result)| WindowLogits {
                        window,
                        start: &result.start,
                        end: &result.end,
                    })
                    .collect();
                let mut values = logits.iter().flat_map(|l| l.start.iter().chain(l.end));
                if !values.all(|value| value.is_finite()) {
                    return Err(AnswerError::NotFinite {
                        model: self.model.description().architecture,
                        id: question.id.clone(),
                        place: self.dataset.place(question),
                    });
                }
                let passage = CharacterIndex::new(self.dataset.passage(question));
                let decode = &self.settings.decode;
                let answer = decode::answer(&passage, &detokenizer, &logits, decode);
                Ok((answer, started.elapsed()))
            })
            .collect();
        decoded.into_iter().collect()
    }
}

/// Questions, by their places among those asked, that the logits of all windows are there for.
struct Ready {
    questions: Range<usize>,
    first_window: usize,
    /// Those of the questions' windows.
    results: Vec<WindowResult>,
}

/// The answers to the first of the questions asked.
#[derive(Default)]
struct Decoded {
    answers: Vec<Answer>,
    times: Vec<Duration>,
    /// Windows whose logits were taken.
    windows: usize,
}

impl Decoded {
    /// Takes the logits of the next questions, as far as they are there; nothing where none are. These
    /// questions' answers come next.
    fn ready(&mut self, counts: &[usize], passes: &mut Passes<'_>) -> Option<Ready> {
        let (first_question, first_window) = (self.answers.len(), self.windows);
        let there = counts[first_question..].iter().take_while(|&&count| {
            let own = self.windows..self.windows + count;
            let there = own.clone().all(|window| passes.has(window));
            if there {
                self.windows = own.end;
            }
            there
        });
        let questions = first_question..first_question + there.count();
        (!questions.is_empty()).then(|| Ready {
            questions,
            first_window,
            results: passes.take(first_window..self.windows),
        })
    }

    fn extend(&mut self, answers: Vec<(Answer, Duration)>) {
        let (answers, times): (Vec<_>, Vec<_>) = answers.into_iter().unzip();
        self.answers.extend(answers);
        self.times.extend(times);
    }
}
