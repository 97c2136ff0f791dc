//! What a thread is at, so that lookups made from within it are known to be.

use std::cell::RefCell;

use linkjit_link::names::NameId;

use crate::error::{Error, Result};
use crate::session::{ExecutionSession, GeneratorId, UnitId};

/// Lookups from within lookups from within lookups, and so on, need stack; some end only with it.
const DEEPEST: usize = 64;

/// What user code is run for, and others may wait for.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) enum Job {
    /// Materializing a unit.
    Unit(UnitId),
    /// Asking a generator.
    Generator(GeneratorId),
    /// Having the right to link. It is never done: somebody else may have it.
    Linking,
    /// Running initializers, likewise.
    Initializing,
}

/// A job that this thread is at.
#[derive(Debug)]
struct Current {
    /// Which session's, by its address.
    session: usize,
    job: Job,
    /// The names that a generator is asked for.
    names: Vec<NameId>,
}

thread_local! {
    static CURRENT: RefCell<Vec<Current>> = const { RefCell::new(Vec::new()) };
}

/// This thread is at a job, until this is dropped.
#[derive(Debug)]
pub(crate) struct AtJob(());

impl Drop for AtJob {
    fn drop(&mut self) {
        with(Vec::pop);
    }
}

/// Calls `f` with the jobs of this thread. A thread that is about to end, and calls lazy functions in destructors of
/// thread-local variables, is at none.
fn with<T: Default>(f: impl FnOnce(&mut Vec<Current>) -> T) -> T {
    CURRENT.try_with(|current| f(&mut current.borrow_mut())).unwrap_or_default()
}

/// Says that this thread is at a job of a session.
pub(crate) fn begin(session: &ExecutionSession, job: Job, names: Vec<NameId>) -> Result<AtJob> {
    let session = session.address();
    let is_too_deep = with(|current| {
        let is_too_deep = current.len() >= DEEPEST;
        if !is_too_deep {
            current.push(Current { session, job, names });
        }
        is_too_deep
    });
    if is_too_deep {
        return Err(Error::Unsupported { what: format!("lookups from within lookups, {DEEPEST} deep") });
    }
    Ok(AtJob(()))
}

/// The job of a session that this thread is at, the innermost one.
pub(crate) fn current(session: &ExecutionSession) -> Option<Job> {
    let session = session.address();
    with(|current| current.iter().rev().find(|of| of.session == session).map(|of| of.job))
}

/// The names that this thread is asking a generator for; `None` if it is not asking it.
pub(crate) fn asking(session: &ExecutionSession, generator: GeneratorId) -> Option<Vec<NameId>> {
    let session = session.address();
    with(|current| {
        let mut asking = current.iter().filter(|of| (of.session, of.job) == (session, Job::Generator(generator)));
        let mut names = asking.next()?.names.clone();
        names.extend(asking.flat_map(|of| &of.names));
        Some(names)
    })
}
