//! Knowing whether a thread may still be in retired code: an epoch, and the numbers of guards of it and of the one
//! before.
//!
//! Code that is retired in an epoch is out of reach for guards of later ones. It may go when no guard of its epoch or
//! of an earlier one is left. The epoch advances only if no guard of the one before is left, so two counts are enough,
//! for even and odd epochs. Each count is spread over several cache lines, so that threads do not contend for one.
//!
//! `super::sync` has the standard library's atomics; a test puts a model checker's in their place (tests/model.rs).

use super::sync::{AtomicU64, AtomicUsize, Ordering, SHARDS, fence};

#[derive(Debug)]
#[repr(align(128))]
struct Shard {
    /// Guards of even and odd epochs.
    guards: [AtomicUsize; 2],
}

/// The epoch and its guards.
#[derive(Debug)]
pub(crate) struct Epochs {
    now: AtomicU64,
    shards: [Shard; SHARDS],
}

/// The count that a guard is in.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Entered {
    shard: usize,
    parity: usize,
}

impl Default for Epochs {
    fn default() -> Self {
        let shard = |_| Shard { guards: [AtomicUsize::new(0), AtomicUsize::new(0)] };
        // From 1, so that every epoch has one before it.
        Self { now: AtomicU64::new(1), shards: std::array::from_fn(shard) }
    }
}

impl Epochs {
    /// Counts a guard of the present epoch; `spread` tells apart those who come at once.
    pub(crate) fn enter(&self, spread: usize) -> Entered {
        let shard = spread % SHARDS;
        loop {
            let epoch = self.now.load(Ordering::Relaxed);
            let parity = parity(epoch);
            self.shards[shard].guards[parity].fetch_add(1, Ordering::Relaxed);
            // Either who moves the epoch on sees the guard, or the guard sees that the epoch has moved on.
            fence(Ordering::SeqCst);
            if self.now.load(Ordering::Acquire) == epoch {
                return Entered { shard, parity };
            }
            self.shards[shard].guards[parity].fetch_sub(1, Ordering::Release);
        }
    }

    /// The guard is gone.
    pub(crate) fn leave(&self, entered: Entered) {
        self.shards[entered.shard].guards[entered.parity].fetch_sub(1, Ordering::Release);
    }

    /// The epoch that something belongs to that is retired now: nobody who comes later reaches it.
    pub(crate) fn retire(&self) -> u64 {
        self.now.load(Ordering::Relaxed)
    }

    /// Says whether nobody is left who might be in what was retired in an epoch. One at a time.
    pub(crate) fn has_passed(&self, retired: u64) -> bool {
        loop {
            let now = self.now.load(Ordering::Relaxed);
            if self.has_guards(now.wrapping_sub(1)) {
                // Two epochs on, guards of the one it was retired in are none of these.
                return now > retired + 1;
            }
            if now > retired {
                return true;
            }
            self.now.store(now + 1, Ordering::Release);
            fence(Ordering::SeqCst);
        }
    }

    fn has_guards(&self, epoch: u64) -> bool {
        self.shards.iter().any(|shard| shard.guards[parity(epoch)].load(Ordering::Acquire) > 0)
    }
}

fn parity(epoch: u64) -> usize {
    usize::from(!epoch.is_multiple_of(2))
}
