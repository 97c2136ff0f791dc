//! The jobs that agents are doing, so that the session knows which lookups are made from within them.

use std::sync::Mutex;

use linkjit_executor::Agent;
use linkjit_link::names::NameId;

use super::{ExecutionSession, GeneratorId, ObjectId, lock};
use crate::error::{Error, Result};

/// Lookups from within lookups from within lookups, and so on, need stack; some end only with it.
const DEEPEST: usize = 64;

/// A task that user code is run for, and that others may wait for.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) enum Job {
    /// Materializing a unit.
    Unit(ObjectId),
    /// Asking a generator.
    Generator(GeneratorId),
    /// Having the right to link. It is never done: somebody else may have it.
    Linking,
    /// Running initializers, likewise.
    Initializing,
}

/// The jobs that agents are at; those of one agent in the order in which it began them.
#[derive(Debug, Default)]
pub(crate) struct Jobs(Mutex<Vec<Current>>);

/// A job that an agent is at.
#[derive(Debug)]
pub(crate) struct Current {
    agent: Agent,
    job: Job,
    /// The names that a generator is asked for.
    names: Vec<NameId>,
}

/// This agent is at a job, until this is dropped.
#[derive(Debug)]
pub(crate) struct AtJob<'a> {
    jobs: &'a Jobs,
    agent: Agent,
}

impl Jobs {
    /// In the child of a fork: other agents are not there.
    pub(crate) fn forget_agents(&self) {
        let this = Agent::current();
        lock(&self.0).retain(|current| current.agent == this);
    }

    /// The lock, to be held during a fork.
    pub(crate) fn lock_of_table(&self) -> &Mutex<Vec<Current>> {
        &self.0
    }
}

impl Drop for AtJob<'_> {
    fn drop(&mut self) {
        let mut jobs = lock(&self.jobs.0);
        if let Some(at) = jobs.iter().rposition(|current| current.agent == self.agent) {
            jobs.remove(at);
        }
    }
}

/// Says that this agent is at a job of a session.
pub(crate) fn begin(session: &ExecutionSession, job: Job, names: Vec<NameId>) -> Result<AtJob<'_>> {
    let (jobs, agent) = (session.jobs(), Agent::current());
    let mut table = lock(&jobs.0);
    if table.iter().filter(|current| current.agent == agent).count() >= DEEPEST {
        return Err(Error::unsupported(format!("lookups that are nested more than {DEEPEST} deep are not supported")));
    }
    table.push(Current { agent, job, names });
    Ok(AtJob { jobs, agent })
}

/// The job of a session that this agent is at, the innermost one.
pub(crate) fn current(session: &ExecutionSession) -> Option<Job> {
    let agent = Agent::current();
    lock(&session.jobs().0).iter().rev().find(|current| current.agent == agent).map(|current| current.job)
}

/// The names that this agent is asking a generator for; `None` if it is not asking it.
pub(crate) fn asking(session: &ExecutionSession, generator: GeneratorId) -> Option<Vec<NameId>> {
    let this = (Agent::current(), Job::Generator(generator));
    let table = lock(&session.jobs().0);
    let mut asking = table.iter().filter(|current| (current.agent, current.job) == this);
    let mut names = asking.next()?.names.clone();
    names.extend(asking.flat_map(|current| &current.names));
    Some(names)
}
