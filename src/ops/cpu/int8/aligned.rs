//! Numbers that begin where a cache line does: matrix registers are loaded a line at a time, and a
//! row that lies in two lines takes twice as long.

/// Bytes of a cache line.
pub(super) const LINE: usize = 64;

/// So many numbers, the first at the beginning of a line.
#[derive(Debug)]
pub(super) struct Aligned<T> {
    values: Vec<T>,
    start: usize,
    count: usize,
}

impl<T: Copy + Default> Aligned<T> {
    /// All of them 0.
    pub(super) fn zeros(count: usize) -> Self {
        let room = LINE / size_of::<T>();
        let values = vec![T::default(); count + room];
        // Where that cannot be told, they are as good unaligned.
        let start = values.as_ptr().align_offset(LINE).min(room);
        Self {
            values,
            start,
            count,
        }
    }

    #[inline(always)]
    pub(super) fn values(&self) -> &[T] {
        &self.values[self.start..self.start + self.count]
    }

    #[inline(always)]
    pub(super) fn values_mut(&mut self) -> &mut [T] {
        &mut self.values[self.start..self.start + self.count]
    }
}

impl<T: Copy + Default> Clone for Aligned<T> {
    fn clone(&self) -> Self {
        // Not the vector as it is, for the copy may begin elsewhere in a line.
        let mut copy = Self::zeros(self.count);
        copy.values_mut().copy_from_slice(self.values());
        copy
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_is_at_the_beginning_of_a_line() {
        for count in [0, 1, 63, 64, 1000] {
            let mut numbers = Aligned::<i16>::zeros(count);
            numbers.values_mut().fill(7);
            for numbers in [numbers.clone(), numbers] {
                assert_eq!(numbers.values(), vec![7; count]);
                assert!(numbers.values().as_ptr().addr().is_multiple_of(LINE));
            }
        }
    }
}
