//! Many questions cut at once: a passage is tokenised once for all questions about it that stand together.

use std::time::{Duration, Instant};

use rayon::prelude::*;

use super::{Window, WindowError, Windower};
use crate::dataset::Dataset;
use crate::measure::profile::{self, Operation, Work};

/// The windows of some questions, and what cutting them took.
#[derive(Debug, Clone, Default)]
pub struct CutQuestions {
    /// All windows, those of a question one after another, in the order asked for.
    pub windows: Vec<Window>,
    /// The number of windows of each question.
    pub counts: Vec<usize>,
    /// Time that cutting each question took on one thread, with its share of the time that tokenising its
    /// passage took: that of all questions it was tokenised for is the same.
    pub times: Vec<Duration>,
}

impl CutQuestions {
    /// Adds those of more questions.
    pub fn append(&mut self, more: Self) {
        self.windows.extend(more.windows);
        self.counts.extend(more.counts);
        self.times.extend(more.times);
    }
}

impl Windower {
    /// The windows of the questions that `asked` gives by their places in the data set,
    /// question by question, cut in parallel on the current rayon pool.
    ///
    /// # Errors
    ///
    /// Fails with the first question (in the order asked for) that leaves its passage no room.
    pub fn cut(&self, dataset: &Dataset, asked: &[usize]) -> Result<CutQuestions, WindowError> {
        let passage = |index: usize| dataset.questions[index].passage;
        let together: Vec<&[usize]> = asked
            .chunk_by(|&one, &next| passage(one) == passage(next))
            .collect();
        let parts: Vec<Result<CutQuestions, WindowError>> = together
            .par_iter()
            .map(|asked| self.cut_together(dataset, asked))
            .collect();
        let mut all = CutQuestions::default();
        for part in parts {
            all.append(part?);
        }
        Ok(all)
    }

    /// The windows of questions about one passage.
    fn cut_together(
        &self,
        dataset: &Dataset,
        asked: &[usize],
    ) -> Result<CutQuestions, WindowError> {
        let started = Instant::now();
        let passage = {
            let _span = profile::span(Operation::Tokenize, || Work::NONE);
            self.passage(dataset, asked[0])?
        };
        let share = started.elapsed() / u32::try_from(asked.len()).unwrap_or(u32::MAX);
        let cut: Vec<_> = asked
            .par_iter()
            .map(|&index| {
                let started = Instant::now();
                let _span = profile::span(Operation::Tokenize, || Work::NONE);
                let windows = self.windows_in(dataset, index, &passage);
                (windows, started.elapsed() + share)
            })
            .collect();
        let mut all = CutQuestions::default();
        for (windows, time) in cut {
            let windows = windows?;
            all.counts.push(windows.len());
            all.windows.extend(windows);
            all.times.push(time);
        }
        Ok(all)
    }
}
