//! [`Interrupt`]: ends what takes too long.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};

use linkjit_remote::Remote;

use crate::frontend::kill;

/// Ends an input that is being compiled or run. The session goes on.
#[derive(Clone, Debug)]
pub struct Interrupt {
    /// The process of the front end, while it works.
    asked: Arc<AtomicU32>,
    remote: Arc<Mutex<Weak<Remote>>>,
}

impl Interrupt {
    pub(crate) fn new(asked: Arc<AtomicU32>) -> Self {
        Self { asked, remote: Arc::default() }
    }

    /// Names the executor that runs inputs now.
    pub(crate) fn is_for(&self, remote: Option<&Arc<Remote>>) {
        *self.remote.lock().unwrap_or_else(PoisonError::into_inner) = remote.map(Arc::downgrade).unwrap_or_default();
    }

    /// Ends what the compiler does. An input that is being run is not ended: a terminal tells its process itself.
    pub fn compiler(&self) {
        kill(self.asked.load(Ordering::SeqCst));
    }

    /// Ends what is being done, whichever process does it.
    pub fn everything(&self) {
        self.compiler();
        #[cfg(unix)]
        if let Some(remote) = self.remote.lock().unwrap_or_else(PoisonError::into_inner).upgrade() {
            use nix::sys::signal::{Signal, kill};
            let tell = |process: u32| {
                let process = i32::try_from(process).ok()?;
                kill(nix::unistd::Pid::from_raw(process), Signal::SIGINT).ok()
            };
            remote.child().and_then(|child| child.while_running(tell));
        }
    }
}
