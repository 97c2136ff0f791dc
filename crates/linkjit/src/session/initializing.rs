//! Who runs initializers, so that others wait for them.
//!
//! A thread that calls a function for the first time must find its object initialized, also if another thread is just
//! about it. It waits for that object's initializers only: one that starts threads, and waits for them in turn, hangs
//! only if they need what it has not made yet. The thread that runs them never waits for itself.

use std::sync::{MutexGuard, PoisonError};

use super::state::{InitializerRun, State, UnitId};
use super::ExecutionSession;

/// Initializers that this thread is running.
#[derive(Debug)]
pub(crate) struct Initializing<'a> {
    session: &'a ExecutionSession,
    units: Vec<UnitId>,
}

impl ExecutionSession {
    /// Says that this thread is going to run initializers, until what is returned is dropped.
    pub(crate) fn begin_initializing(&self, state: &mut State, runs: &[InitializerRun]) -> Initializing<'_> {
        let this = std::thread::current().id();
        let mut units: Vec<_> = runs.iter().map(|run| run.unit).collect();
        units.dedup();
        state.initializing.extend(units.iter().map(|&unit| (unit, this)));
        Initializing { session: self, units }
    }

    /// Waits until no other thread is running initializers of a unit.
    pub(crate) fn wait_for_initializers(&self, unit: UnitId) {
        let this = std::thread::current().id();
        let by_another = |state: &mut State| state.initializing.iter().any(|&(of, by)| of == unit && by != this);
        let state: MutexGuard<'_, State> = self.state();
        let waited = self.shared.initialized.wait_while(state, by_another);
        drop(waited.unwrap_or_else(PoisonError::into_inner));
    }
}

impl Drop for Initializing<'_> {
    fn drop(&mut self) {
        let this = std::thread::current().id();
        let mut state = self.session.state();
        for unit in &self.units {
            // One entry each: an initializer may have called for more of its own unit's.
            if let Some(at) = state.initializing.iter().rposition(|entry| *entry == (*unit, this)) {
                state.initializing.swap_remove(at);
            }
        }
        drop(state);
        self.session.shared.initialized.notify_all();
    }
}
