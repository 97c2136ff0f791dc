//! Records which agent runs the initializers of which objects, so that others can wait for them.
//!
//! An agent that calls a function for the first time must find its object initialized, even if another agent is running
//! the initializers at that moment. It waits only for the initializers of that object, so that initializers may start
//! threads and wait for them. An agent that is running initializers itself does not wait: two such agents could wait
//! for each other.

use std::sync::PoisonError;

use linkjit_executor::Agent;

use super::job::AtJob;
use super::{ExecutionSession, InitializerRun, Job, Object, ObjectId, State, job, lock};
use crate::error::Result;

/// Initializers that this agent is running.
#[derive(Debug)]
pub(crate) struct Initializing<'a> {
    session: &'a ExecutionSession,
    objects: Vec<ObjectId>,
    _at_job: Option<AtJob<'a>>,
}

impl ExecutionSession {
    /// Says that this agent is going to run initializers, until what is returned is dropped.
    pub(crate) fn mark_initializing(&self, state: &mut State, runs: &[InitializerRun]) -> Initializing<'_> {
        let this = Agent::current();
        let objects: Vec<_> = runs.iter().map(|run| run.object).collect();
        state.initializing.extend(objects.iter().map(|&object| (object, this)));
        Initializing { session: self, objects, _at_job: job::begin(self, Job::Initializing, Vec::new()).ok() }
    }

    /// Waits until no other agent is running initializers of such objects.
    ///
    /// # Errors
    /// If these may wait for what this agent is at.
    pub(crate) fn wait_for_initializers(&self, matches: impl Fn(ObjectId) -> bool) -> Result<()> {
        let _edge = self.wait_for_turn(Job::Initializing)?;
        let this = Agent::current();
        let must_wait = |state: &mut State| {
            let mut running = state.initializing.iter();
            running.clone().all(|&(_, by)| by != this) && running.any(|&(object, _)| matches(object))
        };
        let waited = self.inner.initialized.wait_while(lock(&self.inner.state), must_wait);
        drop(waited.unwrap_or_else(PoisonError::into_inner));
        Ok(())
    }
}

impl State {
    /// Says whether this agent is running initializers of such an object.
    pub(super) fn is_initializing(&self, matches: impl Fn(&Object) -> bool) -> bool {
        let this = Agent::current();
        let mut mine = self.initializing.iter().filter(|(_, by)| *by == this);
        mine.any(|(object, _)| self.objects.get(object).is_some_and(&matches))
    }
}

impl Drop for Initializing<'_> {
    fn drop(&mut self) {
        let this = Agent::current();
        let mut state = self.session.state();
        for object in &self.objects {
            // One entry each: an object may have been marked more than once.
            if let Some(at) = state.initializing.iter().rposition(|entry| *entry == (*object, this)) {
                state.initializing.swap_remove(at);
            }
        }
        drop(state);
        self.session.inner.initialized.notify_all();
    }
}
