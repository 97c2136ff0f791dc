//! Forks of the process. The child has only the thread that forks, so it must not inherit locks and unfinished work of
//! other threads.
//!
//! Everything that must be in order in the child takes part ([`Participant`]). Before a fork, the forking thread waits
//! for the work that must not be interrupted, then takes all locks, of all participants and of this crate. It needs no
//! order of locks, because it never waits for a lock while it holds another: if it does not get all, it releases all
//! and tries again. After the fork, both processes release them; the child forgets the threads that it does not have.

mod held;

use std::sync::{Arc, Weak};

pub use self::held::Held;

/// Something that takes part in forks.
pub trait Participant: Send + Sync {
    /// Waits until what must not be interrupted is over, and keeps other threads from beginning it.
    fn begin(&self) {}

    /// As [`Participant::begin`], without waiting: false if it is not over.
    fn try_begin(&self) -> bool {
        true
    }

    /// Ends that.
    fn end(&self) {}

    /// Takes all locks; false if another thread has one right now.
    fn hold(self: Arc<Self>, held: &mut Held) -> bool;

    /// In the child, with the locks released, before the end: forgets other threads.
    fn forget_threads(&self) {}
}

/// Has `participant` take part in forks as long as it exists.
pub fn take_part(participant: Weak<dyn Participant>) {
    #[cfg(glibc_x86_64)]
    crate::fork_handlers::take_part(participant);
    // Other systems do not fork, or nothing of ours is run there.
    #[cfg(not(glibc_x86_64))]
    drop(participant);
}
