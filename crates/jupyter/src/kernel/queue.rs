//! The jobs of the kernel, in their order.

use std::collections::VecDeque;
use std::sync::mpsc::Receiver;

use super::Job;

/// Jobs that wait. Clients send cells one behind the other, and of these none is run behind one that fails.
pub(super) struct Queue {
    jobs: Receiver<Job>,
    /// Those that came before the client could know of an error.
    early: VecDeque<Job>,
}

impl Queue {
    pub(super) fn new(jobs: Receiver<Job>) -> Self {
        Self { jobs, early: VecDeque::new() }
    }

    /// The next one, once there is one; `None` if none will come.
    pub(super) fn next(&mut self) -> Option<Job> {
        self.early.pop_front().or_else(|| self.jobs.recv().ok())
    }

    /// The client is going to know of an error.
    pub(super) fn note_error(&mut self) {
        self.early.extend(self.jobs.try_iter());
    }

    /// Takes those that came before the last error; what comes later is left.
    pub(super) fn take_early(&mut self) -> VecDeque<Job> {
        std::mem::take(&mut self.early)
    }

    /// Puts some of them back.
    pub(super) fn put_back(&mut self, early: VecDeque<Job>) {
        self.early = early;
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::channel;

    use super::*;

    #[test]
    fn jobs_that_come_after_an_error_are_not_early() {
        let (sender, jobs) = channel();
        let mut queue = Queue::new(jobs);
        sender.send(Job::End).unwrap();
        queue.note_error();
        sender.send(Job::End).unwrap();
        assert_eq!(queue.take_early().len(), 1);
        assert!(matches!(queue.next(), Some(Job::End)));
        drop(sender);
        assert!(queue.next().is_none());
    }
}
