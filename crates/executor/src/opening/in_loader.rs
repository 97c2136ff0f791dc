//! Threads of linked code that are in the loader. A fork waits for them. Otherwise the child, which has only the thread
//! that forks, would inherit the loader's lock and half-done work; and it needs the loader as soon as it links
//! anything.

use std::cell::Cell;
use std::sync::{Condvar, Mutex, PoisonError};
use std::time::Duration;

use crate::lock;

/// A fork waits no longer than this: a library's initializer may wait for the thread that forks.
const LONGEST: Duration = Duration::from_secs(1);

static LOADING: Mutex<Loading> = Mutex::new(Loading { threads: 0, forking: false });
static CHANGED: Condvar = Condvar::new();

#[derive(Debug)]
struct Loading {
    threads: u32,
    /// Somebody forks: nobody else may begin.
    forking: bool,
}

thread_local! {
    /// This thread is in the loader so many times: what a library runs when it is opened may open others.
    static DEPTH: Cell<u32> = const { Cell::new(0) };
}

/// As long as it exists, its thread is in the loader.
pub(crate) struct InLoader(());

impl InLoader {
    pub(crate) fn enter() -> Self {
        if DEPTH.replace(DEPTH.get() + 1) == 0 {
            let begun = CHANGED.wait_while(lock(&LOADING), |loading| loading.forking);
            begun.unwrap_or_else(PoisonError::into_inner).threads += 1;
        }
        Self(())
    }
}

impl Drop for InLoader {
    fn drop(&mut self) {
        DEPTH.set(DEPTH.get() - 1);
        if DEPTH.get() == 0 {
            lock(&LOADING).threads -= 1;
            CHANGED.notify_all();
        }
    }
}

/// The calling thread, if it is in the loader itself.
fn own() -> u32 {
    u32::from(DEPTH.get() > 0)
}

/// Takes the lock for a fork.
pub(crate) fn hold(held: &mut crate::fork::Held) -> bool {
    held.hold_static(&LOADING)
}

/// Waits until no other thread is in the loader, and keeps them out. One thread forks at a time.
pub(crate) fn begin_fork() {
    let own = own();
    let mut loading = lock(&LOADING);
    loading.forking = true;
    drop(CHANGED.wait_timeout_while(loading, LONGEST, |loading| loading.threads > own));
}

/// The fork is over, in the process that goes on.
pub(crate) fn end_fork() {
    lock(&LOADING).forking = false;
    CHANGED.notify_all();
}

/// The fork is over, in the child, which has no other thread.
pub(crate) fn end_fork_in_child() {
    *lock(&LOADING) = Loading { threads: own(), forking: false };
}
