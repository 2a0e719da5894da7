//! Tables that depend on nothing but how long sequences are.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

/// Tables for sequences of up to some lengths, each made when it is first asked for and there as long as this
/// is: what a GPU has recorded may read them at any time.
#[derive(Debug)]
pub struct ByLength<T>(Mutex<BTreeMap<usize, Arc<T>>>);

impl<T> Default for ByLength<T> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

/// The shortest sequences that tables are made for.
const SHORTEST: usize = 64;

impl<T> ByLength<T> {
    /// One for sequences of up to `longest` tokens; `new` makes it, for as many or more.
    pub fn of(&self, longest: usize, new: impl FnOnce(usize) -> T) -> Arc<T> {
        let longest = longest.next_power_of_two().max(SHORTEST);
        let mut made = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let table = made
            .entry(longest)
            .or_insert_with(|| Arc::new(new(longest)));
        Arc::clone(table)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_is_made_once_for_all_that_it_is_long_enough_for() {
        let tables = ByLength::default();
        let made = [3, 64, 65, 128, 127].map(|longest| *tables.of(longest, |longest| longest));
        assert_eq!(made, [64, 64, 128, 128, 128]);
        assert_eq!(*tables.of(100, |_| 0), 128);
    }
}
