//! Windows packed for the model: concatenated tokens with sequence boundaries, no padding.

use crate::windows::Window;

/// Windows that go through the model together.
///
/// The tokens of all windows lie one after another; `boundaries` says where
/// each begins. Nothing is padded, so nothing is computed in vain, and a
/// model's answer for a window does not depend on its neighbours.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Batch {
    /// Token ids of all windows, concatenated; length [`Batch::tokens`].
    pub token_ids: Vec<u32>,
    /// Segment ids, as long as `token_ids`.
    pub token_types: Vec<u32>,
    /// Start of each window in `token_ids`, and the end: one more entry than windows.
    pub boundaries: Vec<usize>,
    /// Index of each packed window in the list it was packed from.
    pub windows: Vec<usize>,
}

impl Batch {
    /// Packs the windows that `order` names, in that order.
    pub fn pack(windows: &[Window], order: &[usize]) -> Self {
        let tokens = order.iter().map(|&index| windows[index].len()).sum();
        let mut batch = Self::with_room_for(tokens);
        for &index in order {
            let window = &windows[index];
            batch.push(index, &window.token_ids, &window.token_types);
        }
        batch
    }

    /// Some of its windows by themselves, by their places in it.
    #[must_use]
    pub fn part(&self, places: &[usize]) -> Self {
        let tokens_of = |place: usize| self.boundaries[place]..self.boundaries[place + 1];
        let tokens = places.iter().map(|&place| tokens_of(place).len()).sum();
        let mut part = Self::with_room_for(tokens);
        for &place in places {
            let tokens = tokens_of(place);
            let (ids, types) = (&self.token_ids[tokens.clone()], &self.token_types[tokens]);
            part.push(self.windows[place], ids, types);
        }
        part
    }

    /// The same with tokens of no window at its end, as a sequence of their own, maybe of none: so many in all.
    #[must_use]
    pub fn filled_up(&self, tokens: usize) -> Self {
        let fill = vec![0; tokens.saturating_sub(self.tokens())];
        let mut filled = self.clone();
        filled.push(usize::MAX, &fill, &fill);
        filled
    }

    fn with_room_for(tokens: usize) -> Self {
        Self {
            token_ids: Vec::with_capacity(tokens),
            token_types: Vec::with_capacity(tokens),
            boundaries: vec![0],
            windows: Vec::new(),
        }
    }

    fn push(&mut self, window: usize, token_ids: &[u32], token_types: &[u32]) {
        self.token_ids.extend(token_ids);
        self.token_types.extend(token_types);
        self.boundaries.push(self.token_ids.len());
        self.windows.push(window);
    }

    /// Tokens of all windows together.
    pub fn tokens(&self) -> usize {
        self.token_ids.len()
    }

    /// Lengths of the windows in tokens.
    pub fn lengths(&self) -> impl Iterator<Item = usize> {
        self.boundaries.windows(2).map(|pair| pair[1] - pair[0])
    }
}

/// Start and end logits of every token of a [`Batch`], with the same boundaries.
#[derive(Debug, Clone, PartialEq)]
pub struct SpanLogits {
    /// Logit of each token being an answer's first; length [`Batch::tokens`].
    pub start: Vec<f32>,
    /// Logit of each token being an answer's last; length [`Batch::tokens`].
    pub end: Vec<f32>,
}

/// Splits `order` into runs of at most `max_tokens` tokens.
///
/// A window longer than that makes a run of its own.
pub fn plan(windows: &[Window], order: &[usize], max_tokens: usize) -> Vec<Vec<usize>> {
    let mut runs: Vec<Vec<usize>> = Vec::new();
    let mut tokens = 0;
    for &index in order {
        let length = windows[index].len();
        match runs.last_mut() {
            Some(run) if tokens + length <= max_tokens => {
                run.push(index);
                tokens += length;
            }
            _ => {
                runs.push(vec![index]);
                tokens = length;
            }
        }
    }
    runs
}

#[cfg(test)]
mod tests {
    use super::*;

    fn window(ids: &[u32]) -> Window {
        Window {
            question: 0,
            token_ids: ids.to_vec(),
            token_types: vec![0; ids.len()],
            ..Window::default()
        }
    }

    #[test]
    fn packing_concatenates_in_the_order_asked_for() {
        let windows = [window(&[1, 2]), window(&[3]), window(&[4, 5, 6])];
        let batch = Batch::pack(&windows, &[2, 0]);
        assert_eq!(batch.token_ids, [4, 5, 6, 1, 2]);
        assert_eq!(batch.boundaries, [0, 3, 5]);
        assert_eq!(batch.windows, [2, 0]);
        assert_eq!(batch.lengths().collect::<Vec<_>>(), [3, 2]);
        assert_eq!(batch.part(&[0, 1]), batch);
        assert_eq!(batch.part(&[1]), Batch::pack(&windows, &[0]));
    }

    #[test]
    fn what_fills_a_batch_up_is_a_sequence_of_its_own() {
        let batch = Batch::pack(&[window(&[1, 2]), window(&[3])], &[0, 1]);
        let filled = batch.filled_up(5);
        assert_eq!(filled.token_ids, [1, 2, 3, 0, 0]);
        assert_eq!(filled.boundaries, [0, 2, 3, 5]);
        assert_eq!(filled.part(&[0, 1]), batch);
        assert_eq!(batch.filled_up(3).boundaries, [0, 2, 3, 3]);
    }

    #[test]
    fn runs_hold_every_window_once_and_keep_to_the_limit() {
        let lengths = [3, 1, 2, 9, 1, 1];
        let windows: Vec<_> = lengths.iter().map(|&n| window(&vec![0; n])).collect();
        let runs = plan(&windows, &[0, 1, 2, 3, 4, 5], 4);
        assert_eq!(runs, [vec![0, 1], vec![2], vec![3], vec![4, 5]]);
    }
}
