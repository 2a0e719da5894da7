//! Where the sequences of a packed batch lie, and which rows of tables their tokens are.

use std::borrow::Cow;
use std::cell::OnceCell;
use std::ops::Range;

use candle_core::{Result, bail};

use super::{Embedding, cuda};

/// In a list of rows: none, which is as if it were all zeros.
pub(super) const NO_ROW: u32 = u32::MAX;

/// The sequences of a packed batch, the lists of rows that are looked up for it, and what operations derive
/// from these: made once a forward pass, for all layers ask for the same.
#[derive(Debug)]
pub struct Sequences<'a> {
    boundaries: &'a [usize],
    any_lengths: bool,
    rows: Vec<Rows<'a>>,
    positions: OnceCell<Vec<u32>>,
    /// What kernels on a GPU are told of them.
    #[cfg_attr(not(feature = "cuda"), allow(dead_code))]
    pub(super) on_device: OnceCell<cuda::Tables>,
}

/// A list of rows.
#[derive(Debug)]
struct Rows<'a> {
    list: Cow<'a, [u32]>,
    /// Rows of the table at least: all of the list are below.
    table: usize,
}

impl<'a> Sequences<'a> {
    /// The sequences that begin at `boundaries`, the last of which is the end of the batch.
    pub fn new(boundaries: &'a [usize]) -> Self {
        Self {
            boundaries,
            any_lengths: false,
            rows: Vec::new(),
            positions: OnceCell::new(),
            on_device: OnceCell::new(),
        }
    }

    /// Has tables of distances be for sequences as long as the whole batch, so that they are those of any
    /// other batch of as many tokens.
    #[must_use]
    pub fn with_any_lengths(mut self) -> Self {
        self.any_lengths = true;
        self
    }

    /// Fails where they may be those of a batch that is recorded, which some operations cannot be.
    ///
    /// # Errors
    ///
    /// Says that `what` is not recorded.
    pub fn check_not_recorded(&self, what: &str) -> Result<()> {
        if self.any_lengths {
            bail!("{what} are not recorded: the shape of what they move is sent each time")
        }
        Ok(())
    }

    /// The sequences' starts, and the end.
    pub(super) fn boundaries(&self) -> &'a [usize] {
        self.boundaries
    }

    /// Tokens of the batch.
    pub fn tokens(&self) -> usize {
        self.boundaries.last().copied().unwrap_or(0)
    }

    /// The tokens of each sequence.
    pub fn iter(&self) -> impl Iterator<Item = Range<usize>> + 'a {
        self.boundaries.windows(2).map(|pair| pair[0]..pair[1])
    }

    /// Tokens of the longest sequence; 0 where there is none.
    pub fn longest(&self) -> usize {
        self.iter().map(|tokens| tokens.len()).max().unwrap_or(0)
    }

    /// Tokens of the longest sequence that tables of distances are to be for.
    pub fn longest_of_tables(&self) -> usize {
        if self.any_lengths {
            self.tokens()
        } else {
            self.longest()
        }
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

    /// Adds the list of each token's row of a table. Lists are numbered from 0.
    ///
    /// # Errors
    ///
    /// Fails where the table lacks one of them.
    pub fn add_rows(&mut self, list: impl Into<Cow<'a, [u32]>>, table: &Embedding) -> Result<()> {
        let (list, table) = (list.into(), table.rows());
        if let Some(id) = list.iter().find(|&&id| id as usize >= table) {
            // Checked here, for a GPU reads past the table.
            bail!("id {id} has no row in a table of {table}")
        }
        self.rows.push(Rows { list, table });
        Ok(())
    }

    /// Adds a list of what is `offsets` away from each token: so many tokens of the same sequence, or none.
    pub fn add_neighbours(&mut self, offsets: &[isize]) {
        let table = self.tokens();
        let mut list = Vec::with_capacity(table * offsets.len());
        for sequence in self.iter() {
            for token in sequence.clone() {
                list.extend(offsets.iter().map(|&offset| {
                    let neighbour = token.checked_add_signed(offset);
                    let neighbour = neighbour.filter(|at| sequence.contains(at));
                    neighbour.map_or(NO_ROW, |at| u32::try_from(at).unwrap_or(NO_ROW))
                }));
            }
        }
        let list = list.into();
        self.rows.push(Rows { list, table });
    }

    /// A list that was added, all of whose rows a table of `rows` rows has.
    ///
    /// # Errors
    ///
    /// Fails where there is no such list, or it was made for a table of more rows.
    pub(super) fn list(&self, number: usize, rows: usize) -> Result<&[u32]> {
        match self.rows.get(number) {
            Some(own) if own.table <= rows => Ok(&own.list),
            Some(own) => bail!("rows of a table of {} in one of {rows}", own.table),
            None => bail!("no list {number} of rows was added"),
        }
    }

    /// All lists.
    #[cfg_attr(not(feature = "cuda"), allow(dead_code))]
    pub(super) fn lists(&self) -> impl Iterator<Item = &[u32]> {
        self.rows.iter().map(|rows| rows.list.as_ref())
    }
}

#[cfg(test)]
mod tests {
    use candle_core::{DType, Device, Tensor};

    use super::super::Form;
    use super::*;

    #[test]
    fn positions_begin_anew_with_each_sequence() {
        let sequences = Sequences::new(&[0, 3, 3, 5]);
        assert_eq!(sequences.positions(), [0, 1, 2, 0, 1]);
        assert_eq!((sequences.longest(), sequences.tokens()), (3, 5));
        assert_eq!(sequences.iter().collect::<Vec<_>>(), [0..3, 3..3, 3..5]);
        assert_eq!(Sequences::new(&[0]).longest(), 0);
        assert_eq!(sequences.longest_of_tables(), 3);
        assert_eq!(sequences.with_any_lengths().longest_of_tables(), 5);
    }

    #[test]
    fn lists_of_rows_are_for_tables_that_have_them() {
        let table = |rows| {
            let rows = Tensor::zeros((rows, 2), DType::F32, &Device::Cpu);
            Embedding::new(rows.unwrap(), Form::Portable)
        };
        let mut sequences = Sequences::new(&[0, 1, 3]);
        sequences.add_rows(vec![0, 4, 2], &table(5)).unwrap();
        sequences.add_neighbours(&[-1, 1]);
        let refused = sequences.add_rows(vec![0, 5, 2], &table(5)).unwrap_err();
        assert!(refused.to_string().contains("id 5"), "{refused}");
        assert_eq!(sequences.list(0, 5).unwrap(), [0, 4, 2]);
        let neighbours = [NO_ROW, NO_ROW, NO_ROW, 2, 1, NO_ROW];
        assert_eq!(sequences.list(1, 3).unwrap(), neighbours);
        assert!(sequences.list(0, 4).is_err() && sequences.list(2, 9).is_err());
    }
}
