//! The end of the process. LLVM's library destroys its variables then, so no thread may be in it: a program's `main` may
//! return while another thread of it waits for a function that is being compiled.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::ThreadId;
use std::time::Duration;

/// Longer than that the process's end does not wait for a module that is being compiled.
const PATIENCE: Duration = Duration::from_secs(10);

static USE: Mutex<Use> = Mutex::new(Use { process: 0, stays: 0, ends_in: None });
static LEFT: Condvar = Condvar::new();

struct Use {
    /// The process that the threads are in: a child has none of its parent's.
    process: u32,
    /// The number of threads that are in the library.
    stays: usize,
    /// The thread that ends the process, once it has begun to.
    ends_in: Option<ThreadId>,
}

/// A thread's stay in LLVM's library.
pub(crate) struct Stay(());

impl Stay {
    /// Begins one for the calling thread. Once the process ends, only the thread that ends it comes back: what it still
    /// calls may have to be compiled.
    pub(crate) fn begin() -> Self {
        let mut using = lock();
        if using.ends_in.is_some_and(|thread| thread != std::thread::current().id()) {
            drop(using);
            loop {
                std::thread::park();
            }
        }
        using.stays += 1;
        Self(())
    }
}

impl Drop for Stay {
    fn drop(&mut self) {
        let mut using = lock();
        using.stays = using.stays.saturating_sub(1);
        drop(using);
        LEFT.notify_all();
    }
}

/// Waits for stays to end. To be called at the process's end before a library's destructors are, hence registered once
/// that is open.
pub(crate) extern "C" fn wait() {
    let mut using = lock();
    using.ends_in = Some(std::thread::current().id());
    // The process ends, also if time is up and not all have left.
    let _outcome = LEFT.wait_timeout_while(using, PATIENCE, |using| using.stays > 0);
}

fn lock() -> MutexGuard<'static, Use> {
    let mut using = USE.lock().unwrap_or_else(PoisonError::into_inner);
    let process = std::process::id();
    if using.process != process {
        *using = Use { process, stays: 0, ends_in: None };
    }
    using
}
