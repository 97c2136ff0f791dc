//! Agents: who calls, on whatever threads.
//!
//! A call that code makes from within another call belongs to the outer one. For example, when an initializer calls a
//! function that is not linked yet, the session links it, although it is waiting for the initializer. In one process
//! both calls are on the same thread, and nobody has to say so. An executor may run code on other threads than those
//! that ask for it, for one in another process. It then says on whose behalf a call comes back: it notes
//! [`Agent::current`] when it is asked for something, and lets the thread that calls back [act](Agent::adopt) for that
//! agent meanwhile.

use std::cell::Cell;
use std::marker::PhantomData;
use std::sync::atomic::{AtomicU64, Ordering};

/// An agent: a chain of calls that are made from within one another. A thread is an agent of its own, unless it acts
/// for another.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Agent(u64);

thread_local! {
    /// 0 if the thread has not acted yet. It has no destructor, so that it is there as long as the thread.
    static CURRENT: Cell<u64> = const { Cell::new(0) };
}

/// The newest agent.
static NEWEST: AtomicU64 = AtomicU64::new(0);

impl Agent {
    /// The agent that this thread acts for.
    #[must_use]
    pub fn current() -> Self {
        Self(CURRENT.with(|current| {
            if current.get() == 0 {
                current.set(NEWEST.fetch_add(1, Ordering::Relaxed) + 1);
            }
            current.get()
        }))
    }

    /// Has this thread act for the agent until what is returned is dropped. Meanwhile whoever acted for it so far must
    /// wait.
    ///
    /// ```
    /// use linkjit_executor::Agent;
    ///
    /// let agent = Agent::current();
    /// std::thread::scope(|scope| {
    ///     scope.spawn(|| {
    ///         assert_ne!(Agent::current(), agent);
    ///         let _adopted = agent.adopt();
    ///         assert_eq!(Agent::current(), agent);
    ///     });
    /// });
    /// ```
    pub fn adopt(self) -> Adopted {
        Adopted { before: CURRENT.replace(self.0), _on_thread: PhantomData }
    }
}

/// A thread acts for another agent than itself, until this is dropped.
#[derive(Debug)]
#[must_use = "the thread acts for the agent as long as this exists"]
pub struct Adopted {
    before: u64,
    /// It must be dropped on the same thread.
    _on_thread: PhantomData<*const ()>,
}

impl Drop for Adopted {
    fn drop(&mut self) {
        CURRENT.set(self.before);
    }
}
