//! What a batch brings to a device: where its sequences lie and which rows of tables its tokens are, as one
//! block of numbers in one copy.

use candle_core::{Device, Error, Result, Tensor, bail};

use super::attention::QUERIES;
use super::launch::{Address, Held, hold};
use super::transfer::upload;
use crate::ops::sequences::Sequences;

/// Numbers of a tile: a sequence's first token and length, the tile's first query within it, and nothing.
const TILE: usize = 4;

/// What kernels are told of a batch.
#[derive(Debug)]
pub(in crate::ops) struct Tables {
    /// `tiles · TILE` numbers of tiles, each token's position within its sequence, the lists of rows.
    block: Tensor,
    /// Tiles of queries, of which some at the end may have none.
    tiles: usize,
    /// Where each list begins and how long it is.
    lists: Vec<(usize, usize)>,
}

/// The numbers of a block, and how many tiles it has.
pub(super) struct Numbers {
    pub(super) numbers: Vec<u32>,
    tiles: usize,
}

impl Numbers {
    /// Those of a batch, filled up to so many `tiles` if it has fewer.
    pub(super) fn of(sequences: &Sequences<'_>, tiles: usize) -> Result<Self> {
        let mut numbers = Vec::new();
        for tokens in sequences.iter() {
            for first_query in (0..tokens.len()).step_by(QUERIES) {
                for number in [tokens.start, tokens.len(), first_query, 0] {
                    // Kernels have them as signed numbers.
                    let number = i32::try_from(number).map_err(Error::wrap)?;
                    numbers.push(number.cast_unsigned());
                }
            }
        }
        let tiles = tiles.max(numbers.len() / TILE);
        // A tile of a sequence without tokens has nothing to compute.
        numbers.resize(tiles * TILE, 0);
        numbers.extend(sequences.positions());
        for list in sequences.lists() {
            numbers.extend(list);
        }
        Ok(Self { numbers, tiles })
    }

    pub(super) fn tiles(&self) -> usize {
        self.tiles
    }
}

/// The most tiles that sequences of so many tokens together have.
pub(super) fn most_tiles(tokens: usize, sequences: usize) -> usize {
    // All but one of the tokens of a whole tile may be missing in the last one of each sequence.
    (tokens + sequences * (QUERIES - 1)) / QUERIES
}

impl Tables {
    /// Sends those of a batch, with room for so many `tiles`.
    pub(super) fn send(sequences: &Sequences<'_>, tiles: usize, device: &Device) -> Result<Self> {
        let Numbers { numbers, tiles } = Numbers::of(sequences, tiles)?;
        let block = upload(&numbers, numbers.len(), device)?;
        Ok(Self::in_block(block, sequences, tiles))
    }

    /// Those of a batch in a block that is filled by somebody else.
    pub(super) fn in_block(block: Tensor, sequences: &Sequences<'_>, tiles: usize) -> Self {
        let mut start = tiles * TILE + sequences.tokens();
        let lists = sequences.lists().map(|list| {
            let own = (start, list.len());
            start += list.len();
            own
        });
        let lists = lists.collect();
        Self {
            block,
            tiles,
            lists,
        }
    }

    pub(super) fn block(&self) -> &Tensor {
        &self.block
    }

    pub(super) fn tiles(&self) -> usize {
        self.tiles
    }

    /// Whether a batch has lists of the same lengths.
    pub(super) fn are_like(&self, sequences: &Sequences<'_>) -> bool {
        let own = self.lists.iter().map(|&(_, rows)| rows);
        own.eq(sequences.lists().map(<[u32]>::len))
    }

    pub(super) fn hold(&self) -> Result<HeldTables<'_>> {
        let held = hold(&self.block)?;
        Ok(HeldTables {
            start: held.address()?,
            tables: self,
            _held: held,
        })
    }
}

/// A block that stays where it is.
pub(super) struct HeldTables<'a> {
    start: Address,
    tables: &'a Tables,
    _held: Held<'a>,
}

impl HeldTables<'_> {
    fn at(&self, number: usize) -> Address {
        self.start + (number * size_of::<u32>()) as u64
    }

    /// Of the tiles.
    pub(super) fn tiles(&self) -> Address {
        self.start
    }

    /// Of the positions.
    pub(super) fn positions(&self) -> Address {
        self.at(self.tables.tiles * TILE)
    }

    /// Of a list of rows, and how long it is.
    pub(super) fn list(&self, number: usize) -> Result<(Address, usize)> {
        match self.tables.lists.get(number) {
            Some(&(start, rows)) => Ok((self.at(start), rows)),
            None => bail!("no list {number} of rows was added"),
        }
    }
}

/// The tables of a batch, sent when they are first asked for.
pub(super) fn tables<'a>(sequences: &'a Sequences<'_>, device: &Device) -> Result<&'a Tables> {
    if let Some(tables) = sequences.on_device.get() {
        return Ok(tables);
    }
    let tables = Tables::send(sequences, 0, device)?;
    Ok(sequences.on_device.get_or_init(|| tables))
}
