//! Retiring code: its names are free at once, its memory is given back when no thread can be in it any more.

use std::cell::Cell;
use std::sync::atomic::{AtomicUsize, Ordering};

use linkjit_executor::AllocationId;

use super::epoch::Entered;
use super::removal::{Ending, in_order};
use super::{DylibId, ExecutionSession, InitializerRun, Linking, Owner, ResourceTracker, State, TrackerId};
use crate::error::{Error, Result};

/// Code that was retired and is still there.
#[derive(Debug)]
pub(crate) struct Retired {
    epoch: u64,
    pub(super) dylib: DylibId,
    allocations: Vec<AllocationId>,
    /// Its terminators.
    ended: Vec<InitializerRun>,
}

/// Says that its thread is about to be in linked code, until it is dropped: what is retired meanwhile stays.
///
/// Made by [`ExecutionSession::enter`]. It costs some atomic operations to make and to drop, and no lock.
#[derive(Debug)]
#[must_use = "code may go as soon as the guard is dropped"]
pub struct Guard<'a> {
    session: &'a ExecutionSession,
    entered: Entered,
}

impl Drop for Guard<'_> {
    fn drop(&mut self) {
        self.session.inner.epochs.leave(self.entered);
    }
}

/// Tells threads apart, so that they use different counters.
fn spread() -> usize {
    static THREADS: AtomicUsize = AtomicUsize::new(0);
    thread_local! {
        static SPREAD: Cell<Option<usize>> = const { Cell::new(None) };
    }
    SPREAD.get().unwrap_or_else(|| {
        let number = THREADS.fetch_add(1, Ordering::Relaxed);
        SPREAD.set(Some(number));
        number
    })
}

impl ExecutionSession {
    /// Guards a stay in linked code. What other threads retire ([`ResourceTracker::retire`]) while the guard exists is
    /// not given back before it is dropped: addresses that are looked up, or read from where code that is in use has
    /// them, stay good until then. Guards may be made within guards.
    ///
    /// Dropping a guard runs nothing and frees nothing, so that it never takes long: what was retired is reclaimed by
    /// the next call of [`ResourceTracker::retire`], [`ResourceTracker::remove`] or [`ExecutionSession::reclaim`].
    ///
    /// ```
    /// # fn main() -> linkjit::Result<()> {
    /// # use linkjit::SourceModule;
    /// # let object = SourceModule::text("doc.c", "int answer(void) { return 42; }").compile()?;
    /// let jit = linkjit::Jit::host()?;
    /// let tracker = jit.create_tracker()?;
    /// tracker.add_object(&object)?;
    /// let guard = jit.session().enter();
    /// // SAFETY: its type.
    /// let answer = unsafe { jit.lookup_fn::<unsafe extern "C" fn() -> i32>("answer")? };
    /// // SAFETY: whoever calls it has a guard.
    /// unsafe { tracker.retire()? };
    /// assert!(jit.lookup("answer").is_err());
    /// // SAFETY: the guard is older than the end of the function.
    /// assert_eq!(unsafe { answer() }, 42);
    /// assert_eq!(jit.session().reclaim()?, 1);
    /// drop(guard);
    /// assert_eq!(jit.session().reclaim()?, 0);
    /// # Ok(()) }
    /// ```
    pub fn enter(&self) -> Guard<'_> {
        Guard { session: self, entered: self.inner.epochs.enter(spread()) }
    }

    /// Gives back what was retired and that no thread can be in any more; what it has registered to run at exit, and
    /// its terminators, are run before, on this thread. Returns how many trackers' code is still waiting for guards.
    ///
    /// # Errors
    /// If it is called by what is being linked, removed or closed.
    pub fn reclaim(&self) -> Result<usize> {
        let _initializing = self.begin_initializing()?;
        let linking = self.begin_removing(|_| false)?;
        self.reclaim_passed(&linking)
    }

    /// # Safety
    /// As for [`ResourceTracker::retire`].
    pub(crate) unsafe fn retire_tracker(&self, tracker: TrackerId) -> Result<()> {
        let _initializing = self.begin_initializing()?;
        let linking = self.begin_removing(|_| false)?;
        let trackers = self.state().with_updatable(&[tracker]);
        trackers.iter().try_for_each(|&tracker| self.retire_linking(&linking, tracker))?;
        self.reclaim_passed(&linking)?;
        Ok(())
    }

    fn take_superseded(&self) -> Option<TrackerId> {
        let mut state = self.state();
        while let Some(superseded) = state.superseded.pop() {
            // Its JITDylib may have been closed.
            if state.trackers.contains_key(&superseded) {
                return Some(superseded);
            }
        }
        None
    }

    /// Retires what a tracker owns. Batches wait.
    fn retire_linking(&self, linking: &Linking<'_>, tracker: TrackerId) -> Result<()> {
        // Threads that are in the code may still call its lazy functions, and so may its terminators. When the names are
        // gone, these can't be linked any more.
        let lent = self.lend_linking(linking);
        self.link_callable(tracker);
        drop(lent);
        let slots = self.slots();
        let (dylib, ended, detached) = {
            let mut state = self.state();
            let record = state.trackers.get(&tracker).ok_or(Error::TrackerRemoved)?;
            let (dylib, objects) = (record.dylib, record.objects.clone());
            let allocations = record.allocations.clone();
            if let Some(&object) = objects.first() {
                state.allocations.bind_to_each_other(&allocations, object);
            }
            let ended = state.dylib_mut(dylib)?.take_terminators(&objects);
            (dylib, ended, state.detach(&[tracker], Owner::Retired)?)
        };
        self.unlink(&detached.unlinked)?;
        drop(slots);
        // Now nobody who comes later gets there.
        let epoch = self.inner.epochs.retire();
        self.state().retired.push(Retired { epoch, dylib, allocations: detached.allocations, ended });
        Ok(())
    }

    /// Reclaims what it can; returns how much is left.
    pub(crate) fn reclaim_passed(&self, linking: &Linking<'_>) -> Result<usize> {
        while let Some(superseded) = self.take_superseded() {
            self.retire_linking(linking, superseded)?;
        }
        // The tables are not locked while user code runs, so look again every time.
        loop {
            let mut state = self.state();
            let passed = |retired: &Retired| self.inner.epochs.has_passed(retired.epoch);
            // The oldest first: if that has to wait, so have the others.
            if !state.retired.first().is_some_and(passed) {
                return Ok(state.retired.len());
            }
            let retired = state.retired.remove(0);
            drop(state);
            self.reclaim_retired(linking, &retired)?;
        }
    }

    /// Reclaims all that a JITDylib has retired, which is about to be closed.
    pub(crate) fn reclaim_dylib(&self, linking: &Linking<'_>, dylib: DylibId) -> Result<()> {
        let retired: Vec<_> = self.state().retired.extract_if(.., |retired| retired.dylib == dylib).collect();
        retired.iter().try_for_each(|retired| self.reclaim_retired(linking, retired))
    }

    fn reclaim_retired(&self, linking: &Linking<'_>, retired: &Retired) -> Result<()> {
        let ending = self.state().ending_of_retired(retired)?;
        // SAFETY: no thread is in it, as those who retired it have promised; it is still there.
        unsafe { self.close_part(linking, &ending)? };
        self.release(linking, &retired.allocations)
    }
}

impl State {
    /// Has generations retired that nobody can go back to any more.
    pub(crate) fn supersede(&mut self, generations: impl IntoIterator<Item = TrackerId>) {
        self.superseded.extend(generations);
    }

    /// The part of an image that is to be closed of what was retired. Its memory has no owner from now on.
    fn ending_of_retired(&mut self, retired: &Retired) -> Result<Ending> {
        self.allocations.give(&retired.allocations, Owner::Users);
        let mut allocations = self.allocations.unused(&retired.allocations);
        allocations.retain(|id| retired.allocations.contains(id));
        let is_ended =
            |run: &InitializerRun| self.allocations.at(run.array.address).is_none_or(|id| allocations.contains(&id));
        let (ended, mut kept): (Vec<_>, _) = retired.ended.iter().copied().partition(is_ended);
        self.dylib_mut(retired.dylib)?.kept_terminators.append(&mut kept);
        let (image, terminators) = (self.dylib(retired.dylib)?.image, self.terminator_arrays(retired.dylib));
        Ok(Ending { image, allocations, ended: in_order(ended), terminators })
    }

    /// The terminators of what a JITDylib has retired.
    pub(super) fn retired_terminators(&self, dylib: DylibId) -> impl Iterator<Item = &InitializerRun> {
        self.retired.iter().filter(move |retired| retired.dylib == dylib).flat_map(|retired| &retired.ended)
    }
}

impl ResourceTracker {
    /// Removes what it owns, but for what threads may still be in: names are free at once, and nobody reaches the code
    /// any more; once no guard ([`ExecutionSession::enter`]) is left that existed then, and no linked code of others is
    /// bound to it, what it has registered to run at exit is run, its terminators are, and its memory is given back.
    ///
    /// That is tried at once, then whenever something else is retired or removed, or on [`ExecutionSession::reclaim`].
    /// Lazy functions of the tracker that its code may call by their addresses are linked before the names go, for what
    /// is called in the end may call them. See [`ExecutionSession::enter`] for an example.
    ///
    /// # Errors
    /// If it was removed or retired before, or if it is called by what is being linked, removed or closed.
    ///
    /// # Safety
    /// Who calls its code, uses its data, or has thread-local objects of it, must have a guard that is older than this
    /// call.
    pub unsafe fn retire(&self) -> Result<()> {
        // SAFETY: the caller's promise.
        unsafe { self.session().retire_tracker(self.id()) }
    }
}
