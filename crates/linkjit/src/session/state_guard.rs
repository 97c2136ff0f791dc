//! The tables of a session while they are locked.

use std::ops::{Deref, DerefMut};
use std::sync::MutexGuard;

use super::pending::Pending;
use super::{Job, ObjectId, Progress, State};
use crate::error::Error;

impl State {
    /// Has what the user made of a unit dropped when the tables are unlocked, and who waits for it told.
    pub(super) fn drop_later(&mut self, object: ObjectId, pending: Option<Box<Pending>>) {
        self.removed.extend(pending.map(|pending| (object, pending)));
    }
}

/// The tables, locked. When they are unlocked, units that were removed before they were materialized are dropped: that
/// may run code of the user.
pub(crate) struct StateGuard<'a> {
    // Unlocked before what was removed is dropped: fields are dropped in their order.
    state: MutexGuard<'a, State>,
    _locked: Locked,
    removed: Removed<'a>,
}

/// Units that were removed before they were materialized.
struct Removed<'a> {
    progress: &'a Progress<Job, Error>,
    objects: Vec<(ObjectId, Box<Pending>)>,
}

/// In debug builds a thread knows how many tables it has locked, so that tests find out who asks an executor meanwhile: it
/// may be in another process, and need an answer before it gives one.
#[derive(Debug)]
pub(super) struct Locked(());

#[cfg(debug_assertions)]
thread_local! {
    static LOCKED: std::cell::Cell<u32> = const { std::cell::Cell::new(0) };
}

impl Locked {
    #[inline]
    fn note() -> Self {
        #[cfg(debug_assertions)]
        LOCKED.set(LOCKED.get() + 1);
        Self(())
    }

    /// Fails in debug builds if this thread has locked tables.
    #[inline]
    pub(super) fn check() {
        #[cfg(debug_assertions)]
        assert_eq!(LOCKED.get(), 0, "the executor is asked with the tables locked");
    }
}

#[cfg(debug_assertions)]
impl Drop for Locked {
    fn drop(&mut self) {
        LOCKED.set(LOCKED.get() - 1);
    }
}

impl<'a> StateGuard<'a> {
    pub(super) fn new(state: MutexGuard<'a, State>, progress: &'a Progress<Job, Error>) -> Self {
        Self { state, _locked: Locked::note(), removed: Removed { progress, objects: Vec::new() } }
    }
}

impl Deref for StateGuard<'_> {
    type Target = State;

    fn deref(&self) -> &State {
        &self.state
    }
}

impl DerefMut for StateGuard<'_> {
    fn deref_mut(&mut self) -> &mut State {
        &mut self.state
    }
}

impl Drop for StateGuard<'_> {
    #[inline]
    fn drop(&mut self) {
        self.removed.objects = std::mem::take(&mut self.state.removed);
    }
}

impl Drop for Removed<'_> {
    #[inline]
    fn drop(&mut self) {
        for (object, _) in &self.objects {
            self.progress.end(Job::Unit(*object), &Err(Error::TrackerRemoved));
        }
    }
}
