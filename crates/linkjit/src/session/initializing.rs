//! Records which agent runs the initializers of which objects, so that others can wait for them.
//!
//! An agent that calls a function for the first time must find its object initialized, even if another agent is running
//! the initializers at that moment. It waits only for the initializers of that object, so that initializers may start
//! threads and wait for them. An agent that is running initializers itself does not wait: two such agents could wait
//! for each other.

use std::sync::PoisonError;

use linkjit_executor::Agent;

use super::job::AtJob;
use super::{DylibId, ExecutionSession, InitializerRun, Job, Object, ObjectId, State, job, lock};
use crate::error::Result;

/// Initializers that this agent is running.
#[derive(Debug)]
pub(crate) struct Initializing<'a> {
    session: &'a ExecutionSession,
    objects: Vec<ObjectId>,
    _at_job: Option<AtJob<'a>>,
}

/// A program whose turn to be initialized has not come.
#[derive(Debug)]
pub(crate) struct Unstarted<'a> {
    session: &'a ExecutionSession,
    /// The one that this agent was starting when it began with this.
    before: Option<DylibId>,
}

impl Drop for Unstarted<'_> {
    fn drop(&mut self) {
        self.session.state().unstarted = self.before;
    }
}

impl ExecutionSession {
    /// Says that this agent is going to run initializers, until what is returned is dropped.
    pub(crate) fn mark_initializing(&self, state: &mut State, runs: &[InitializerRun]) -> Initializing<'_> {
        let this = Agent::current();
        let objects: Vec<_> = runs.iter().map(|run| run.object).collect();
        state.initializing.extend(objects.iter().map(|&object| (object, this)));
        Initializing { session: self, objects, _at_job: job::begin(self, Job::Initializing, Vec::new()).ok() }
    }

    /// Runs the initializers of a JITDylib that were not run yet.
    pub(crate) fn run_own_initializers(&self, id: DylibId) -> Result<()> {
        let (image, initializers, terminators, _running) = {
            let mut state = self.state();
            if state.unstarted == Some(id) {
                return Ok(());
            }
            let Ok(dylib) = state.dylib_mut(id) else { return Ok(()) };
            let image = dylib.image();
            let Some(mut runs) = dylib.begin_initializers() else { return Ok(()) };
            self.platform().order_initializers(&mut runs);
            let arrays: Vec<_> = runs.iter().map(|run| run.array).collect();
            let terminators = state.terminator_arrays(id);
            (image, arrays, terminators, self.mark_initializing(&mut state, &runs))
        };
        // SAFETY: who adds an object vouches for its initializers; they are linked and finalized.
        unsafe { self.executor().run_initializers(image, &initializers, &terminators)? };
        Ok(())
    }

    /// Has the initializers of a program left alone by all others, until what is returned is dropped: its turn comes after that
    /// of what it needs.
    pub(crate) fn leave_unstarted(&self, program: DylibId) -> Unstarted<'_> {
        let before = self.state().unstarted.replace(program);
        Unstarted { session: self, before }
    }

    /// Waits until no other agent is running initializers of such objects.
    ///
    /// # Errors
    /// If these may wait for what this agent is at.
    pub(crate) fn wait_for_initializers(&self, matches: impl Fn(ObjectId) -> bool) -> Result<()> {
        self.wait_while_initializing(|_, object, _| matches(object))
    }

    /// Waits until no other agent is running initializers of a JITDylib that linked code opens or searches, and of those that it
    /// needs; but for those of a program, which may wait for this agent.
    ///
    /// # Errors
    /// As for [`Self::wait_for_initializers`].
    pub(crate) fn wait_until_initialized(&self, opened: DylibId) -> Result<()> {
        let starting = self.inner.starting.owner();
        let needed: Vec<DylibId> = {
            let state = self.state();
            let order = state.dependency_order([opened]).into_iter();
            order.filter(|id| *id == opened || Some(*id) != state.program).collect()
        };
        let is_needed = |object: &Object| needed.contains(&object.dylib);
        self.wait_while_initializing(|state, object, by| {
            Some(by) != starting && state.objects.get(&object).is_some_and(is_needed)
        })
    }

    fn wait_while_initializing(&self, matches: impl Fn(&State, ObjectId, Agent) -> bool) -> Result<()> {
        let _edge = self.wait_for_turn(Job::Initializing)?;
        let this = Agent::current();
        let must_wait = |state: &mut State| {
            let state = &*state;
            let mut running = state.initializing.iter();
            running.clone().all(|&(_, by)| by != this) && running.any(|&(object, by)| matches(state, object, by))
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
