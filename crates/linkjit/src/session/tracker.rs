//! Resource trackers: what was added together can be removed together.

use linkjit_executor::{AllocationId, ImageId, PointerArray};

use super::state::{InitializerRun, TrackerId};
use crate::error::{Error, Result};
use crate::jitdylib::JitDylib;

/// Owns the objects that were added through it, and everything that linking them made: memory, unwind tables,
/// thread-local storage, initializer entries.
///
/// Dropping a tracker removes nothing; what it owns then stays until its JITDylib is closed.
#[derive(Clone, Debug)]
pub struct ResourceTracker {
    dylib: JitDylib,
    id: TrackerId,
}

impl ResourceTracker {
    pub(crate) fn new(dylib: JitDylib, id: TrackerId) -> Self {
        Self { dylib, id }
    }

    pub(crate) fn id(&self) -> TrackerId {
        self.id
    }

    /// The JITDylib that it belongs to.
    #[must_use]
    pub fn dylib(&self) -> &JitDylib {
        &self.dylib
    }

    /// Removes what it owns: what it has registered to run at exit is run, as are its terminators if its initializers
    /// were; then names are free again and memory is given back. Lazy functions that are called meanwhile are linked.
    ///
    /// # Errors
    /// If it was removed before.
    ///
    /// What several objects define alike (inline functions, templates, vtables in COMDAT groups, weak definitions) is
    /// linked once, from the object that was added first, and belongs to that object's tracker: code of other trackers
    /// that uses it is linked against it in the sense of what follows.
    ///
    /// # Safety
    /// No thread may be in the code, and nobody may use it or its data afterwards: neither code that is linked against
    /// it, nor pointers that were looked up, nor other threads that have thread-local objects of it to destroy.
    pub unsafe fn remove(&self) -> Result<()> {
        let session = self.dylib.session();
        let _initializing = session.begin_initializing();
        let linking = session.begin_linking()?;
        let executor = session.executor();
        let mut closed = None;
        // What is called in the end may be linked for that, which may bring more to be called.
        while let Some((image, part)) = self.next_part(closed)? {
            let lent = session.lend_linking(&linking);
            // SAFETY: its code is still there; the caller vouches for the rest.
            unsafe { executor.close_part(image, &part.allocations, &part.ended, &part.terminators)? };
            drop(lent);
            closed = Some(part.allocations.len());
        }
        let allocations = {
            let mut state = session.state();
            let tracker = state.trackers.remove(&self.id).ok_or(Error::TrackerRemoved)?;
            state.remove_units(&tracker.units);
            state.dylib_mut(self.dylib.id())?.sections.retain(|_, (_, of)| *of != Some(self.id));
            tracker.allocations
        };
        for allocation in allocations.iter().rev() {
            executor.deallocate(allocation.id)?;
            if let Some(tls) = allocation.tls {
                executor.release_tls(tls)?;
            }
        }
        Ok(())
    }

    /// What is to be closed, if there is more of it than when `closed` allocations were.
    fn next_part(&self, closed: Option<usize>) -> Result<Option<(ImageId, Part)>> {
        let mut state = self.dylib.session().state();
        let tracker = state.trackers.get(&self.id).ok_or(Error::TrackerRemoved)?;
        let allocations: Vec<_> = tracker.allocations.iter().map(|allocation| allocation.id).collect();
        let units = tracker.units.clone();
        let dylib = state.dylib_mut(self.dylib.id())?;
        let ended: Vec<_> = dylib.terminators.extract_if(.., |run| units.contains(&run.unit)).collect();
        if closed == Some(allocations.len()) && ended.is_empty() {
            return Ok(None);
        }
        Ok(Some((dylib.image, Part { allocations, ended: in_order(ended), terminators: dylib.terminator_arrays() })))
    }
}

/// A part of an image that is to be closed.
struct Part {
    allocations: Vec<AllocationId>,
    /// Its terminators.
    ended: Vec<PointerArray>,
    /// Those that stay.
    terminators: Vec<PointerArray>,
}

impl super::DylibState {
    /// The terminators in the order in which they are to be called.
    pub(crate) fn terminator_arrays(&self) -> Vec<PointerArray> {
        in_order(self.terminators.clone())
    }
}

/// Terminators in the order in which they are to be called: the initializers' backwards.
fn in_order(mut runs: Vec<InitializerRun>) -> Vec<PointerArray> {
    runs.reverse();
    runs.sort_by_key(|run| std::cmp::Reverse(run.order));
    runs.into_iter().map(|run| run.array).collect()
}
