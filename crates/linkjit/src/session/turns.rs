//! Turns: one agent at a time links, and one runs initializers.
//!
//! An agent that waits for a turn enters that into the wait-for graph ([`super::progress`]); one that would close a
//! circle gets an error.

use std::sync::atomic::Ordering;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

use linkjit_executor::Agent;

use super::job::AtJob;
use super::progress::Wait;
use super::{ExecutionSession, Inner, Job, Object, Progress, job, lock};
use crate::error::{Error, Result};

impl ExecutionSession {
    /// Waits until no other agent is linking. An error if this one is: it would wait for itself.
    pub(crate) fn begin_linking(&self) -> Result<Linking<'_>> {
        let edge = self.wait_for_turn(Job::Linking)?;
        match self.inner.linking.acquire(edge) {
            Some(owned) => Ok(Linking { session: self, owned: Some(owned) }),
            None if self.inner.lent.swap(false, Ordering::Relaxed) => Ok(Linking { session: self, owned: None }),
            None => Err(Error::Reentrant),
        }
    }

    /// As [`Self::begin_linking`], for who takes code away: what is called in the end may have more linked, but not
    /// that, and an initializer not its own.
    pub(crate) fn begin_removing(&self, is_removed: impl Fn(&Object) -> bool) -> Result<Linking<'_>> {
        let linking = self.begin_linking()?;
        let is_allowed = linking.owned.is_some() && !self.state().is_initializing(is_removed);
        if is_allowed { Ok(linking) } else { Err(Error::Reentrant) }
    }

    /// Lets this agent link while it runs terminators, which may call lazy functions: it is not in the midst of a
    /// batch.
    pub(crate) fn lend_linking(&self, _: &Linking<'_>) -> Lent<'_> {
        self.inner.lent.store(true, Ordering::Relaxed);
        // Whoever removes something has the right to run initializers, too.
        let both = self.inner.initializing.is_mine().then_some(Job::Initializing);
        let edge = both.and_then(|both| self.wait_for(Some(both), &[Job::Linking]).ok());
        Lent { session: self, _at_job: job::begin(self, Job::Linking, Vec::new()).ok(), _edge: edge }
    }

    /// Waits until no other agent runs initializers: what it has looked up is not ready before.
    ///
    /// # Errors
    /// If others may wait for what this agent is at: see [`Self::wait_for_turn`].
    pub(crate) fn begin_initializing(&self) -> Result<Initialization<'_>> {
        let starting = self.begin_starting()?;
        Ok(Initialization { opening: self.begin_opening()?, starting })
    }

    /// The same for linked code that opens or closes: it does not wait for the initializers of a program, which may wait for
    /// it. `None` if this agent has that right.
    pub(crate) fn begin_opening(&self) -> Result<Option<Owned<'_>>> {
        let edge = self.wait_to(Job::Initializing, self.inner.initializing.is_mine())?;
        Ok(self.inner.initializing.acquire(edge))
    }

    /// The same for who runs the initializers of a program: others may open and close meanwhile. `None` if this agent has that
    /// right, or that to open, for who has the former waits for the latter.
    pub(crate) fn begin_starting(&self) -> Result<Option<Owned<'_>>> {
        if self.inner.initializing.is_mine() {
            return Ok(None);
        }
        let edge = self.wait_to(Job::Initializing, self.inner.starting.is_mine())?;
        Ok(self.inner.starting.acquire(edge))
    }

    /// An error if this agent is linking, or in an initializer or a terminator.
    pub(super) fn check_no_right(&self) -> Result<()> {
        let Inner { linking, initializing, starting, .. } = &*self.inner;
        if [linking, initializing, starting].into_iter().any(OwnedLock::is_mine) {
            Err(Error::Reentrant)
        } else {
            Ok(())
        }
    }

    /// Says that what this agent is at goes on only when it may link, or run initializers, until what is returned is
    /// dropped: who has that right may wait for it, for a unit that it is materializing, say.
    pub(crate) fn wait_for_turn(&self, right: Job) -> Result<Option<Wait<Job, Error>>> {
        let is_mine = match right {
            Job::Linking => self.inner.linking.is_mine(),
            _ => self.inner.initializing.is_mine() || self.inner.starting.is_mine(),
        };
        self.wait_to(right, is_mine)
    }

    fn wait_to(&self, right: Job, is_mine: bool) -> Result<Option<Wait<Job, Error>>> {
        match job::current(self) {
            None => Ok(None),
            Some(current) if current == right || is_mine => Ok(None),
            by => self.wait_for(by, &[right]).map(Some),
        }
    }
}

/// The turns, as jobs that are never done: one may wait for who has them.
pub(super) const RIGHTS: [Job; 2] = [Job::Linking, Job::Initializing];

/// Makes the wait-for graph, in which there are turns to wait for.
pub(super) fn with_rights() -> Progress<Job, Error> {
    let progress = Progress::new();
    RIGHTS.iter().for_each(|&right| progress.add(right));
    progress
}

/// The right to run initializers, which nobody else does meanwhile.
pub(crate) struct Initialization<'a> {
    // They are given back in the reverse of the order in which they were taken.
    opening: Option<Owned<'a>>,
    starting: Option<Owned<'a>>,
}

impl Initialization<'_> {
    /// Says whether this agent had that right before, or a part of it: it is in an initializer or a terminator.
    pub(crate) fn is_nested(&self) -> bool {
        self.opening.is_none() || self.starting.is_none()
    }
}

/// The right to link.
pub(crate) struct Linking<'a> {
    session: &'a ExecutionSession,
    /// `None`: it was lent by a teardown of this agent.
    owned: Option<Owned<'a>>,
}

impl Drop for Linking<'_> {
    fn drop(&mut self) {
        if self.owned.is_none() {
            self.session.inner.lent.store(true, Ordering::Relaxed);
        }
    }
}

/// The right to link, lent to what this agent calls.
pub(crate) struct Lent<'a> {
    session: &'a ExecutionSession,
    _at_job: Option<AtJob<'a>>,
    _edge: Option<Wait<Job, Error>>,
}

impl Drop for Lent<'_> {
    fn drop(&mut self) {
        self.session.inner.lent.store(false, Ordering::Relaxed);
    }
}

/// A lock that knows the agent that holds it.
#[derive(Debug, Default)]
pub(super) struct OwnedLock {
    turn: Mutex<Turn>,
    is_free: Condvar,
}

#[derive(Debug, Default)]
pub(super) struct Turn {
    owner: Option<Agent>,
    /// The number of threads that wait.
    waiting: usize,
    /// A thread that is about to fork is one of them: it comes first.
    is_forking: bool,
}

impl OwnedLock {
    pub(super) fn is_mine(&self) -> bool {
        lock(&self.turn).is_mine()
    }

    /// The agent that has it.
    pub(super) fn owner(&self) -> Option<Agent> {
        lock(&self.turn).owner
    }

    /// Waits for the lock; `None` if this agent has it. The edge stays as long as the lock is held.
    fn acquire(&self, edge: Option<Wait<Job, Error>>) -> Option<Owned<'_>> {
        let mut turn = lock(&self.turn);
        if turn.is_mine() {
            return None;
        }
        if turn.is_taken() {
            turn = self.wait_while(turn, Turn::is_taken);
        }
        turn.owner = Some(Agent::current());
        Some(Owned { lock: self, _edge: edge })
    }

    fn wait_while<'a>(&self, mut turn: MutexGuard<'a, Turn>, is_taken: fn(&Turn) -> bool) -> MutexGuard<'a, Turn> {
        turn.waiting += 1;
        let waited = self.is_free.wait_while(turn, |turn| is_taken(turn));
        let mut turn = waited.unwrap_or_else(PoisonError::into_inner);
        turn.waiting -= 1;
        turn
    }

    /// Lets others have it.
    pub(super) fn release(&self) {
        let mut turn = lock(&self.turn);
        turn.owner = None;
        let (waiting, is_forking) = (turn.waiting, turn.is_forking);
        drop(turn);
        match waiting {
            0 => {}
            _ if is_forking => self.is_free.notify_all(),
            _ => self.is_free.notify_one(),
        }
    }

    /// Waits for the lock before a fork; false if this agent has it.
    pub(super) fn acquire_for_fork(&self) -> bool {
        let mut turn = lock(&self.turn);
        if turn.is_mine() {
            return false;
        }
        turn.is_forking = true;
        if turn.owner.is_some() {
            turn = self.wait_while(turn, |turn| turn.owner.is_some());
        }
        turn.is_forking = false;
        turn.owner = Some(Agent::current());
        true
    }

    /// The same without waiting: `None` if another agent has it.
    pub(super) fn try_acquire_for_fork(&self) -> Option<bool> {
        let mut turn = lock(&self.turn);
        if turn.is_mine() {
            return Some(false);
        }
        if turn.is_taken() {
            return None;
        }
        turn.owner = Some(Agent::current());
        Some(true)
    }

    /// In the child of a fork: there are no other threads, of which one may have had the lock, and others have waited.
    pub(super) fn forget_threads(&self) {
        let mut turn = lock(&self.turn);
        turn.waiting = 0;
        turn.is_forking = false;
        if !turn.is_mine() {
            turn.owner = None;
        }
    }

    /// The lock that it is made of.
    pub(super) fn turn(&self) -> &Mutex<Turn> {
        &self.turn
    }
}

impl Turn {
    fn is_mine(&self) -> bool {
        self.owner == Some(Agent::current())
    }

    fn is_taken(&self) -> bool {
        self.owner.is_some() || self.is_forking
    }
}

/// An [`OwnedLock`], locked.
pub(crate) struct Owned<'a> {
    lock: &'a OwnedLock,
    _edge: Option<Wait<Job, Error>>,
}

impl Drop for Owned<'_> {
    fn drop(&mut self) {
        self.lock.release();
    }
}
