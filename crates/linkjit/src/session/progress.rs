//! Jobs: who does which, who waits for which, and who would wait for ever.
//!
//! One thread at a time does a job, which may itself wait for other jobs. A thread that is going to wait says for which
//! jobs, and on behalf of which job: an edge of the wait-for graph. If its edge would close a circle, it gets an error
//! instead, so that no threads wait in a circle.
//!
//! This file uses neither the operating system nor the linker: `tests/model_progress.rs` compiles it against the locks
//! of a model checker, which tries its interleavings.

use linkjit_executor::Agent;
use std::collections::{BTreeMap, BTreeSet};

use super::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

/// Called once, when a wait is over.
pub(crate) type Wake = Box<dyn FnOnce() + Send>;

/// The jobs, by their keys, which are used once. Errors are `E`.
pub(crate) struct Progress<K, E> {
    table: Mutex<Table<K, E>>,
    ended: Condvar,
}

/// The jobs that are not done, and who waits for them.
pub(crate) struct Table<K, E> {
    /// Jobs that are not done.
    jobs: BTreeMap<K, Job>,
    waiting: BTreeMap<u64, Waiting<K, E>>,
    waits_made: u64,
}

#[derive(Default)]
struct Job {
    /// The agent that is at it, if one is.
    running: Option<Agent>,
    /// The waits for it.
    waiting: Vec<u64>,
}

struct Waiting<K, E> {
    /// The job that can't go on meanwhile.
    by: Option<K>,
    /// The jobs that are still to be done.
    on: BTreeSet<K>,
    /// The error that one of the jobs failed with; nobody waits for the others then.
    failed: Option<E>,
    wake: Option<Wake>,
    /// The agent that waits.
    agent: Agent,
}

impl<K, E> Waiting<K, E> {
    fn is_over(&self) -> bool {
        self.on.is_empty() || self.failed.is_some()
    }
}

impl<K: Copy + Ord, E: Clone> Progress<K, E> {
    /// No jobs.
    pub(crate) fn new() -> Self {
        let table = Table { jobs: BTreeMap::new(), waiting: BTreeMap::new(), waits_made: 0 };
        Self { table: Mutex::new(table), ended: Condvar::new() }
    }

    /// A job that somebody is to do.
    pub(crate) fn add(&self, job: K) {
        self.table().jobs.insert(job, Job::default());
    }

    /// The number of jobs that are not done.
    pub(crate) fn count(&self) -> usize {
        self.table().jobs.len()
    }

    /// Begins a job that was added. False if somebody else is at it, or it is done.
    pub(crate) fn start(&self, job: K) -> bool {
        match self.table().jobs.get_mut(&job) {
            Some(job) => job.running.replace(Agent::current()).is_none(),
            None => false,
        }
    }

    /// Begins a job that is a job only as long as somebody is at it. False if somebody else is.
    pub(crate) fn enter(&self, job: K) -> bool {
        let mut table = self.table();
        let free = !table.jobs.contains_key(&job);
        if free {
            table.jobs.insert(job, Job { running: Some(Agent::current()), waiting: Vec::new() });
        }
        free
    }

    /// Ends a job, well or not, whoever was at it; who waited for it is told. Nothing happens if it was over before.
    pub(crate) fn end(&self, job: K, outcome: &Result<(), E>) {
        let wakes: Vec<Wake> = {
            let mut table = self.table();
            let Some(Job { waiting, .. }) = table.jobs.remove(&job) else { return };
            let mut wakes = Vec::new();
            for id in waiting {
                let Some(waiting) = table.waiting.get_mut(&id) else { continue };
                waiting.on.remove(&job);
                if let (Err(error), None) = (outcome, &waiting.failed) {
                    waiting.failed = Some(error.clone());
                }
                if waiting.is_over() {
                    wakes.extend(waiting.wake.take());
                }
            }
            wakes
        };
        self.ended.notify_all();
        for wake in wakes {
            wake();
        }
    }

    /// Begins to wait until all of `jobs` are done, or one fails; those that are over already count as done well. `by`
    /// is the job that waits, if it is one that does.
    ///
    /// # Errors
    /// The circle, if `by` would wait for itself: it first, and what each waits for after it.
    pub(crate) fn wait_for(self: &Arc<Self>, by: Option<K>, jobs: &[K]) -> Result<Wait<K, E>, Vec<K>> {
        let mut table = self.table();
        let on: BTreeSet<K> = jobs.iter().copied().filter(|job| table.jobs.contains_key(job)).collect();
        if let Some(by) = by
            && let Some(circle) = table.circle(by, &on)
        {
            return Err(circle);
        }
        let id = table.waits_made;
        table.waits_made += 1;
        for job in &on {
            if let Some(job) = table.jobs.get_mut(job) {
                job.waiting.push(id);
            }
        }
        table.waiting.insert(id, Waiting { by, on, failed: None, wake: None, agent: Agent::current() });
        drop(table);
        Ok(Wait { progress: self.clone(), id })
    }

    /// In the child of a fork: other threads do not wait any more, and nobody is woken on account of them. Returns the
    /// jobs that they were at.
    pub(crate) fn forget_threads(&self) -> Vec<K> {
        let this = Agent::current();
        let mut wakes = Vec::new();
        let mut table = self.table();
        for waiting in table.waiting.values_mut().filter(|waiting| waiting.agent != this) {
            waiting.on.clear();
            wakes.push(waiting.wake.take());
        }
        let theirs = table.jobs.iter().filter(|(_, job)| job.running.is_some_and(|agent| agent != this));
        let theirs = theirs.map(|(&job, _)| job).collect();
        drop(table);
        // With the table unlocked: what was to be woken may own anything.
        drop(wakes);
        theirs
    }

    fn table(&self) -> MutexGuard<'_, Table<K, E>> {
        // Every change leaves the table whole, whatever happens to a thread later.
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<K, E> Progress<K, E> {
    /// The lock of its table, to be held during a fork.
    pub(crate) fn lock_of_table(&self) -> &Mutex<Table<K, E>> {
        &self.table
    }
}

impl<K: Copy + Ord, E> Table<K, E> {
    /// Finds the circle in which `by` would wait for itself if it waited for `on`.
    fn circle(&self, by: K, on: &BTreeSet<K>) -> Option<Vec<K>> {
        let mut from: BTreeMap<K, K> = on.iter().map(|&job| (job, by)).collect();
        let mut unvisited: Vec<K> = on.iter().copied().collect();
        while let Some(job) = unvisited.pop() {
            if job == by {
                let mut circle = Vec::new();
                let mut at = by;
                loop {
                    circle.push(at);
                    at = from.get(&at).copied().unwrap_or(by);
                    if at == by {
                        break;
                    }
                }
                // It was followed backwards.
                if let Some(rest) = circle.get_mut(1..) {
                    rest.reverse();
                }
                return Some(circle);
            }
            let waits = self.waiting.values().filter(|waiting| waiting.by == Some(job));
            for &next in waits.flat_map(|waiting| &waiting.on) {
                from.entry(next).or_insert_with(|| {
                    unvisited.push(next);
                    job
                });
            }
        }
        None
    }
}

/// Somebody waits. Dropping it ends that.
pub(crate) struct Wait<K: Copy + Ord, E: Clone> {
    progress: Arc<Progress<K, E>>,
    id: u64,
}

impl<K: Copy + Ord, E: Clone> Wait<K, E> {
    /// Waits on this thread.
    ///
    /// # Errors
    /// That of the first job that failed.
    pub(crate) fn block(self) -> Result<(), E> {
        let mut table = self.progress.table();
        loop {
            match table.waiting.get(&self.id) {
                Some(waiting) if !waiting.is_over() => {
                    table = self.progress.ended.wait(table).unwrap_or_else(PoisonError::into_inner);
                }
                waiting => return waiting.and_then(|waiting| waiting.failed.clone()).map_or(Ok(()), Err),
            }
        }
    }

    /// The outcome of the wait, if it is over.
    pub(crate) fn outcome(&self) -> Option<Result<(), E>> {
        let table = self.progress.table();
        let waiting = table.waiting.get(&self.id)?;
        waiting.is_over().then(|| waiting.failed.clone().map_or(Ok(()), Err))
    }

    /// Has `wake` called when it is over: by the thread that ends the last job, or at once. Never if this is dropped
    /// before.
    pub(crate) fn on_end(&self, wake: Wake) {
        let mut table = self.progress.table();
        match table.waiting.get_mut(&self.id) {
            Some(waiting) if !waiting.is_over() => waiting.wake = Some(wake),
            _ => {
                drop(table);
                wake();
            }
        }
    }
}

impl<K: Copy + Ord, E: Clone> Drop for Wait<K, E> {
    fn drop(&mut self) {
        let mut table = self.progress.table();
        let waiting = table.waiting.remove(&self.id);
        for job in waiting.iter().flat_map(|waiting| &waiting.on) {
            if let Some(job) = table.jobs.get_mut(job) {
                job.waiting.retain(|&id| id != self.id);
            }
        }
        drop(table);
        // With the table unlocked: what is to be woken may own anything.
        drop(waiting);
    }
}
