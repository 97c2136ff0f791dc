//! The tables of a session while they are locked.

use std::mem;
use std::ops::{Deref, DerefMut};
use std::sync::{Arc, MutexGuard};

use super::pending::Pending;
use super::state::{State, UnitId};
use crate::error::Error;
use crate::materialization::job::Job;
use crate::materialization::progress::Progress;

/// The tables, locked. When they are unlocked, units that were removed before they were materialized are dropped: that
/// may run code of the user.
#[derive(Debug)]
pub(crate) struct Tables<'a> {
    // Unlocked before what was removed is dropped: fields are dropped in their order.
    state: MutexGuard<'a, State>,
    removed: Removed<'a>,
}

#[derive(Debug)]
struct Removed<'a> {
    progress: &'a Arc<Progress<Job, Error>>,
    units: Vec<(UnitId, Box<Pending>)>,
}

impl<'a> Tables<'a> {
    pub(super) fn new(state: MutexGuard<'a, State>, progress: &'a Arc<Progress<Job, Error>>) -> Self {
        Self { state, removed: Removed { progress, units: Vec::new() } }
    }
}

impl Deref for Tables<'_> {
    type Target = State;

    fn deref(&self) -> &State {
        &self.state
    }
}

impl DerefMut for Tables<'_> {
    fn deref_mut(&mut self) -> &mut State {
        &mut self.state
    }
}

impl Drop for Tables<'_> {
    fn drop(&mut self) {
        self.removed.units = mem::take(&mut self.state.dropped);
    }
}

impl Drop for Removed<'_> {
    fn drop(&mut self) {
        for (unit, _) in &self.units {
            self.progress.end(Job::Unit(*unit), &Err(Error::TrackerRemoved));
        }
    }
}
