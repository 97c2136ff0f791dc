//! Forks of the process (see [`linkjit_executor::fork`]): they interrupt no batch, and end the jobs of other threads in
//! the child.

use std::sync::atomic::Ordering;
use std::sync::{Arc, TryLockError};

use linkjit_executor::Agent;
use linkjit_executor::fork::{Held, Participant};

use super::{Inner, Job, Progress};
use crate::error::Error;

impl Participant for Inner {
    fn begin(&self) {
        self.is_held_for_fork.store(self.linking.acquire_for_fork(), Ordering::Relaxed);
    }

    fn try_begin(&self) -> bool {
        let taken = self.linking.try_acquire_for_fork();
        self.is_held_for_fork.store(taken == Some(true), Ordering::Relaxed);
        taken.is_some()
    }

    fn end(&self) {
        if self.is_held_for_fork.swap(false, Ordering::Relaxed) {
            self.linking.release();
        }
    }

    fn hold(self: Arc<Self>, held: &mut Held) -> bool {
        let archives: Vec<_> = match self.state.try_lock() {
            Ok(state) => state.dylibs.values().filter_map(|dylib| dylib.archives.clone()).collect(),
            // A thread that panicked has left it whole; there is nothing else to be held for it.
            Err(TryLockError::Poisoned(_)) => Vec::new(),
            Err(TryLockError::WouldBlock) => return false,
        };
        held.hold(&self, |session| &session.state)
            && held.hold(&self, |session| &session.names)
            && held.hold(&self, |session| &session.plugins)
            && held.hold(&self, |session| session.linking.turn())
            && held.hold(&self, |session| session.initializing.turn())
            && held.hold(&self, |session| session.starting.turn())
            && held.hold(&self, |session| session.reentry.locks().0)
            && held.hold(&self, |session| session.reentry.locks().1)
            && self.pool.hold(held)
            && held.hold(&self.progress, Progress::lock_of_table)
            && held.hold(&self, |session| session.jobs.lock_of_table())
            && held.hold(&self, |session| &session.slots)
            && held.hold(&self, |session| &session.ir_compiler)
            && held.hold(&self, |session| &session.journal)
            && archives.into_iter().all(|archives| archives.hold(held))
    }

    fn forget_threads(&self) {
        self.linking.forget_threads();
        self.initializing.forget_threads();
        self.starting.forget_threads();
        self.pool.forget_threads();
        self.jobs.forget_agents();
        self.replacements.store(0, Ordering::Relaxed);
        let this = Agent::current();
        for job in self.progress.forget_threads() {
            // Whoever was to make its definitions is not there.
            if let Job::Unit(object) = job {
                self.state().fail_pending(object);
            }
            self.progress.end(job, &Err(Error::Abandoned));
        }
        let mut state = self.state();
        state.initializing.retain(|(_, by)| *by == this);
        state.unstarted = state.unstarted.filter(|_| self.starting.is_mine());
    }
}
