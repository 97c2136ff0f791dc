//! Forks of the process: what other threads have locked or are at must not be left so in the child, which has but the
//! thread that forks.
//!
//! Before a fork, everything that is to be in order takes part ([`Participant`]): what must not be interrupted is waited
//! for, then all locks are taken, of all participants and of this crate. No order of locks is prescribed: nobody waits for
//! one while it holds another; who does not get all lets all go and tries again. After the fork, both processes let them
//! go; the child forgets the threads that it has not.

mod held;

use std::sync::{Arc, Weak};

pub use self::held::Held;

/// What takes part in forks.
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
