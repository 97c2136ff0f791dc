//! Which parts of a range are free.

use std::collections::{BTreeMap, BTreeSet};

/// The free parts of a range, neighbours joined. Best fit, lowest address first: small holes are filled before the
/// untouched rest is broken, so that live memory stays dense.
#[derive(Debug, Default)]
pub(crate) struct FreeList {
    /// Start to size.
    by_start: BTreeMap<u64, u64>,
    /// Size and start.
    by_size: BTreeSet<(u64, u64)>,
}

impl FreeList {
    /// A list with one free range.
    pub(crate) fn new(start: u64, size: u64) -> Self {
        let mut list = Self::default();
        list.insert(start, size);
        list
    }

    /// Takes `size` bytes (not zero) at a multiple of `align` (a power of two).
    pub(crate) fn take(&mut self, size: u64, align: u64) -> Option<u64> {
        let (hole_size, hole, start) = self.by_size.range((size, 0)..).find_map(|&(hole_size, hole)| {
            let start = hole.checked_next_multiple_of(align)?;
            let end = start.checked_add(size)?;
            (end <= hole + hole_size).then_some((hole_size, hole, start))
        })?;
        self.remove(hole, hole_size);
        self.insert(hole, start - hole);
        self.insert(start + size, hole + hole_size - start - size);
        Some(start)
    }

    /// Gives back what was taken.
    pub(crate) fn give(&mut self, mut start: u64, mut size: u64) {
        if let Some((&before, &before_size)) = self.by_start.range(..start).next_back()
            && before + before_size == start
        {
            self.remove(before, before_size);
            start = before;
            size += before_size;
        }
        if let Some(&after_size) = self.by_start.get(&(start + size)) {
            self.remove(start + size, after_size);
            size += after_size;
        }
        self.insert(start, size);
    }

    /// Size of the largest free part.
    #[cfg(any(test, windows, glibc_x86_64))]
    pub(crate) fn largest(&self) -> u64 {
        self.by_size.last().map_or(0, |&(size, _)| size)
    }

    fn insert(&mut self, start: u64, size: u64) {
        if size > 0 {
            self.by_start.insert(start, size);
            self.by_size.insert((size, start));
        }
    }

    fn remove(&mut self, start: u64, size: u64) {
        self.by_start.remove(&start);
        self.by_size.remove(&(size, start));
    }
}

#[cfg(test)]
mod tests {
    use super::FreeList;

    #[test]
    fn holes_are_filled_before_the_rest_is_broken() {
        let mut list = FreeList::new(0x1000, 0x10000);
        let taken: Vec<u64> = (0..4).map(|_| list.take(0x1000, 0x1000).unwrap()).collect();
        assert_eq!(taken, [0x1000, 0x2000, 0x3000, 0x4000]);
        list.give(0x2000, 0x1000);
        assert_eq!(list.take(0x1000, 0x1000), Some(0x2000));
        assert_eq!(list.take(0x1000, 0x1000), Some(0x5000));
    }

    #[test]
    fn alignment_skips_bytes_that_stay_free() {
        let mut list = FreeList::new(0x1000, 0x20000);
        assert_eq!(list.take(0x1000, 0x10000), Some(0x10000));
        assert_eq!(list.take(0xf000, 0x1000), Some(0x1000));
        assert_eq!(list.largest(), 0x10000);
    }

    #[test]
    fn neighbours_are_joined_in_any_order() {
        for order in [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]] {
            let mut list = FreeList::new(0, 0x3000);
            for _ in 0..3 {
                list.take(0x1000, 1).unwrap();
            }
            assert_eq!(list.take(1, 1), None);
            for page in order {
                list.give(page * 0x1000, 0x1000);
            }
            assert_eq!(list.take(0x3000, 1), Some(0));
        }
    }
}
