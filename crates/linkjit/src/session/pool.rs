//! Threads of a session.
//!
//! The session starts them when it has work for them, and they end with it. A task must not rely on being run soon: all
//! threads may be busy, and there may be none.

use std::collections::VecDeque;
use std::num::NonZero;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, OnceLock, PoisonError};
use std::thread::{self, available_parallelism};

use linkjit_executor::fork::Held;

use super::lock;

type Job = Box<dyn FnOnce() + Send>;

/// The threads.
pub(crate) struct Pool {
    queue: Arc<Inner>,
    wanted: Option<usize>,
    limit: OnceLock<usize>,
}

#[derive(Default)]
struct Inner {
    queue: Mutex<Queue>,
    changed: Condvar,
}

#[derive(Default)]
struct Queue {
    jobs: VecDeque<Job>,
    threads: usize,
    idle: usize,
    closed: bool,
}

impl Pool {
    /// A pool of at most so many threads; `None`: as many as the machine can run at once.
    pub(crate) fn new(threads: Option<usize>) -> Self {
        Self { queue: Arc::default(), wanted: threads, limit: OnceLock::new() }
    }

    /// Has a thread run a job, some time. Gives it back if there are no threads.
    pub(crate) fn spawn(&self, job: impl FnOnce() + Send + 'static) -> Result<(), Job> {
        // Asking the operating system takes longer than a small link.
        let wanted = || self.wanted.unwrap_or_else(|| available_parallelism().map_or(1, NonZero::get));
        let limit = *self.limit.get_or_init(wanted);
        let mut queue = lock(&self.queue.queue);
        if queue.idle <= queue.jobs.len() && queue.threads < limit {
            let shared = self.queue.clone();
            let started = thread::Builder::new().name("linkjit".into()).spawn(move || shared.work());
            queue.threads += usize::from(started.is_ok());
        }
        let job: Job = Box::new(job);
        if queue.threads == 0 {
            return Err(job);
        }
        queue.jobs.push_back(job);
        drop(queue);
        self.queue.changed.notify_one();
        Ok(())
    }

    /// Takes the lock for a fork.
    pub(crate) fn hold(&self, held: &mut Held) -> bool {
        held.hold(&self.queue, |shared| &shared.queue)
    }

    /// In the child of a fork: its threads are not there. Others are started when there is something to do for them.
    pub(crate) fn forget_threads(&self) {
        let mut queue = lock(&self.queue.queue);
        (queue.threads, queue.idle) = (0, 0);
    }

    /// Says whether what it is given is run.
    pub(crate) fn has_threads(&self) -> bool {
        lock(&self.queue.queue).threads > 0
    }
}

impl Inner {
    /// Runs jobs on a thread of the pool until the pool is closed.
    fn work(&self) {
        let mut queue = lock(&self.queue);
        loop {
            if let Some(job) = queue.jobs.pop_front() {
                drop(queue);
                // Whoever waits for the job is told by what it drops; the thread goes on.
                let _panicked = catch_unwind(AssertUnwindSafe(job));
                queue = lock(&self.queue);
            } else if queue.closed {
                return;
            } else {
                queue.idle += 1;
                queue = self.changed.wait(queue).unwrap_or_else(PoisonError::into_inner);
                queue.idle -= 1;
            }
        }
    }
}

impl Drop for Pool {
    /// The threads end when they have nothing to do any more; one of them may be the one that drops this.
    fn drop(&mut self) {
        let mut queue = lock(&self.queue.queue);
        queue.closed = true;
        drop(queue);
        self.queue.changed.notify_all();
    }
}
