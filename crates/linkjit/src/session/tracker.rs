//! Resource trackers: what was added together can be removed together.

use linkjit_executor::PointerArray;

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
    /// were; then names are free again and memory is given back.
    ///
    /// # Errors
    /// If it was removed before.
    ///
    /// # Safety
    /// No thread may be in the code, and nobody may use it or its data afterwards: neither code that is linked against
    /// it, nor pointers that were looked up, nor other threads that have thread-local objects of it to destroy.
    pub unsafe fn remove(&self) -> Result<()> {
        let session = self.dylib.session();
        let _initializing = session.begin_initializing();
        let _linking = session.begin_linking()?;
        let (allocations, ended, terminators, image) = {
            let mut state = session.state();
            let tracker = state.trackers.remove(&self.id).ok_or(Error::TrackerRemoved)?;
            let all = state.dylib(self.dylib.id())?.terminators.clone();
            state.remove_units(&tracker.units);
            state.dylib_mut(self.dylib.id())?.sections.retain(|_, (_, of)| *of != Some(self.id));
            let dylib = state.dylib(self.dylib.id())?;
            let ended = all.into_iter().filter(|run| tracker.units.contains(&run.unit)).collect();
            (tracker.allocations, in_order(ended), dylib.terminator_arrays(), dylib.image)
        };
        let executor = session.executor();
        let ids: Vec<_> = allocations.iter().map(|allocation| allocation.id).collect();
        // SAFETY: its code is still there; the caller vouches for the rest.
        unsafe { executor.close_part(image, &ids, &ended, &terminators)? };
        for allocation in allocations.iter().rev() {
            executor.deallocate(allocation.id)?;
            if let Some(tls) = allocation.tls {
                executor.release_tls(tls)?;
            }
        }
        Ok(())
    }
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
