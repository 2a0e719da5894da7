//! Where the sequences of a packed batch lie.

use std::cell::OnceCell;
use std::ops::Range;

use super::cuda;

/// The sequences of a packed batch, and what operations derive from where they lie: made once a
/// forward pass, for all layers ask for the same.
#[derive(Debug)]
pub struct Sequences<'a> {
    boundaries: &'a [usize],
    positions: OnceCell<Vec<u32>>,
    /// What kernels on a GPU are told of them.
    #[cfg_attr(not(feature = "cuda"), allow(dead_code))]
    pub(super) on_device: OnceCell<cuda::Tables>,
}

impl<'a> Sequences<'a> {
    /// The sequences that begin at `boundaries`, the last of which is the end of the batch.
    pub fn new(boundaries: &'a [usize]) -> Self {
        Self {
            boundaries,
            positions: OnceCell::new(),
            on_device: OnceCell::new(),
        }
    }

    /// The sequences' starts, and the end.
    pub(super) fn boundaries(&self) -> &'a [usize] {
        self.boundaries
    }

    /// The tokens of each sequence.
    pub fn iter(&self) -> impl Iterator<Item = Range<usize>> + 'a {
        self.boundaries.windows(2).map(|pair| pair[0]..pair[1])
    }

    /// Tokens of the longest sequence; 0 where there is none.
    pub fn longest(&self) -> usize {
        self.iter().map(|tokens| tokens.len()).max().unwrap_or(0)
    }

    /// Each token's position within its sequence.
    pub fn positions(&self) -> &[u32] {
        self.positions.get_or_init(|| {
            let lengths = self.iter().map(|tokens| tokens.len());
            lengths
                .flat_map(|length| 0..u32::try_from(length).unwrap_or(u32::MAX))
                .collect()
        })
    }
}

#[cfg(test)]
mod tests {
    use super::Sequences;

    #[test]
    fn positions_begin_anew_with_each_sequence() {
        let sequences = Sequences::new(&[0, 3, 3, 5]);
        assert_eq!(sequences.positions(), [0, 1, 2, 0, 1]);
        assert_eq!(sequences.longest(), 3);
        assert_eq!(sequences.iter().collect::<Vec<_>>(), [0..3, 3..3, 3..5]);
        assert_eq!(Sequences::new(&[0]).longest(), 0);
    }
}
