//! Turns: one thread at a time links, and one runs initializers.
//!
//! Who waits for a turn says so to the graph of who waits for whom ([`crate::materialization::progress`]): who would close
//! a circle gets an error.

use std::sync::atomic::Ordering;
use std::sync::{Mutex, MutexGuard};
use std::thread::ThreadId;

use super::state::Unit;
use super::{ExecutionSession, lock};
use crate::error::{Error, Result};
use crate::materialization::job::{self, AtJob, Job};
use crate::materialization::progress::{Progress, Wait};

impl ExecutionSession {
    /// Waits until no other thread is linking. An error if this thread is: it would wait for itself.
    pub(crate) fn begin_linking(&self) -> Result<Linking<'_>> {
        let edge = self.wait_for_turn(Job::Linking)?;
        match self.shared.linking.acquire(edge) {
            Some(owned) => Ok(Linking { session: self, owned: Some(owned) }),
            None if self.shared.lent.swap(false, Ordering::Relaxed) => Ok(Linking { session: self, owned: None }),
            None => Err(Error::Reentrant),
        }
    }

    /// As [`Self::begin_linking`], for who takes code away: what is called in the end may have more linked, but not that,
    /// and an initializer not its own.
    pub(crate) fn begin_removing(&self, is_removed: impl Fn(&Unit) -> bool) -> Result<Linking<'_>> {
        let linking = self.begin_linking()?;
        let is_allowed = linking.owned.is_some() && !self.state().is_initializing(is_removed);
        if is_allowed { Ok(linking) } else { Err(Error::Reentrant) }
    }

    /// Lets this thread link while it runs terminators, which may call lazy functions: it is not in the midst of a batch.
    pub(crate) fn lend_linking(&self, _: &Linking<'_>) -> Lent<'_> {
        self.shared.lent.store(true, Ordering::Relaxed);
        // Whoever removes something has the right to run initializers, too.
        let both = self.shared.initializing.is_mine().then_some(Job::Initializing);
        let edge = both.and_then(|both| self.wait_for(Some(both), &[Job::Linking]).ok());
        Lent { session: self, _at_job: job::begin(self, Job::Linking, Vec::new()).ok(), _edge: edge }
    }

    /// Waits until no other thread runs initializers: what it has looked up is not ready before. `None` if it is this
    /// thread that does.
    ///
    /// # Errors
    /// If others may wait for what this thread is at: see [`Self::wait_for_turn`].
    pub(crate) fn begin_initializing(&self) -> Result<Option<Owned<'_>>> {
        let edge = self.wait_for_turn(Job::Initializing)?;
        Ok(self.shared.initializing.acquire(edge))
    }

    /// Says that what this thread is at goes on only when it may link, or run initializers, until what is returned is
    /// dropped: who has that right may wait for it, for a unit that this thread is materializing, say.
    pub(crate) fn wait_for_turn(&self, right: Job) -> Result<Option<Wait<Job, Error>>> {
        let lock = if right == Job::Linking { &self.shared.linking } else { &self.shared.initializing };
        match job::current(self) {
            None => Ok(None),
            Some(current) if current == right || lock.is_mine() => Ok(None),
            by => self.wait_for(by, &[right]).map(Some),
        }
    }
}

/// The turns, as jobs that are never done: one may wait for who has them.
pub(super) const RIGHTS: [Job; 2] = [Job::Linking, Job::Initializing];

/// Who waits for whom, when there are turns to wait for.
pub(super) fn with_rights() -> Progress<Job, Error> {
    let progress = Progress::new();
    RIGHTS.iter().for_each(|&right| progress.add(right));
    progress
}

/// The right to link.
#[derive(Debug)]
pub(crate) struct Linking<'a> {
    session: &'a ExecutionSession,
    /// `None`: it was lent by a teardown on this thread.
    owned: Option<Owned<'a>>,
}

impl Drop for Linking<'_> {
    fn drop(&mut self) {
        if self.owned.is_none() {
            self.session.shared.lent.store(true, Ordering::Relaxed);
        }
    }
}

/// The right to link, lent to what is called on this thread.
#[derive(Debug)]
pub(crate) struct Lent<'a> {
    session: &'a ExecutionSession,
    _at_job: Option<AtJob>,
    _edge: Option<Wait<Job, Error>>,
}

impl Drop for Lent<'_> {
    fn drop(&mut self) {
        self.session.shared.lent.store(false, Ordering::Relaxed);
    }
}

/// A lock that knows the thread that holds it.
#[derive(Debug, Default)]
pub(super) struct OwnedLock {
    mutex: Mutex<()>,
    owner: Mutex<Option<ThreadId>>,
}

impl OwnedLock {
    pub(super) fn is_mine(&self) -> bool {
        *lock(&self.owner) == Some(std::thread::current().id())
    }

    /// Waits for the lock; `None` if this thread has it. The edge stays as long as the lock is held.
    fn acquire(&self, edge: Option<Wait<Job, Error>>) -> Option<Owned<'_>> {
        if self.is_mine() {
            return None;
        }
        let guard = lock(&self.mutex);
        *lock(&self.owner) = Some(std::thread::current().id());
        Some(Owned { lock: self, _guard: guard, _edge: edge })
    }
}

/// An [`OwnedLock`], locked.
#[derive(Debug)]
pub(crate) struct Owned<'a> {
    lock: &'a OwnedLock,
    _guard: MutexGuard<'a, ()>,
    _edge: Option<Wait<Job, Error>>,
}

impl Drop for Owned<'_> {
    fn drop(&mut self) {
        *lock(&self.lock.owner) = None;
    }
}
