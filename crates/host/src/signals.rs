//! Handlers of signals that are there for a while, and signals that are meant for another process.

use std::ffi::{c_int, c_void};
#[cfg(target_os = "linux")]
use std::io;
use std::mem::MaybeUninit;
#[cfg(target_os = "linux")]
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
#[cfg(target_os = "linux")]
use std::ptr::null;
use std::ptr::null_mut;
use std::sync::atomic::{AtomicI32, Ordering};

/// The signals by which users end programs.
pub const ENDING: [c_int; 4] = [libc::SIGINT, libc::SIGTERM, libc::SIGHUP, libc::SIGQUIT];

/// A handler of signals. It may call only what handlers may call.
#[derive(Clone, Copy, Debug)]
pub enum Handler {
    /// Runs once: from its beginning on, the signal does what it does by default.
    Once(extern "C" fn(c_int)),
    /// Runs each time and is told where the signal comes from. System calls that it interrupts go on.
    Informed(extern "C" fn(c_int, *mut libc::siginfo_t, *mut c_void)),
}

/// Handlers that are installed as long as this lives.
#[derive(Debug)]
#[must_use]
pub struct Handlers {
    before: Vec<(c_int, libc::sigaction)>,
}

impl Handlers {
    /// Has `handler` handle those of `signals` that do what they do by default. Those that the process ignores or handles
    /// itself stay so.
    pub fn install(signals: &[c_int], handler: Handler) -> Self {
        let mut before = Vec::new();
        for &signal in signals {
            let mut old = MaybeUninit::<libc::sigaction>::zeroed();
            // SAFETY: asks only; there is room for the answer.
            if unsafe { libc::sigaction(signal, null_mut(), old.as_mut_ptr()) } != 0 {
                continue;
            }
            // SAFETY: all zeros is an action, and the call has written another.
            let old = unsafe { old.assume_init() };
            if old.sa_sigaction != libc::SIG_DFL {
                continue;
            }
            let mut action = old;
            (action.sa_sigaction, action.sa_flags) = match handler {
                Handler::Once(handle) => (handle as *const () as usize, libc::SA_RESETHAND | libc::SA_NODEFER),
                Handler::Informed(handle) => (handle as *const () as usize, libc::SA_SIGINFO | libc::SA_RESTART),
            };
            // SAFETY: the action is sound, and its handler calls what handlers may call.
            if unsafe { libc::sigaction(signal, &raw const action, null_mut()) } == 0 {
                before.push((signal, old));
            }
        }
        Self { before }
    }
}

impl Drop for Handlers {
    fn drop(&mut self) {
        for (signal, old) in &self.before {
            // SAFETY: what the system gave us.
            unsafe { libc::sigaction(*signal, &raw const *old, null_mut()) };
        }
    }
}

/// A descriptor of the process that gets signals, or -1. The number of a process may be another's when it has ended.
#[cfg(target_os = "linux")]
static PROCESS: AtomicI32 = AtomicI32::new(-1);

/// The last signal that this process got for it, or 0.
static PASSED: AtomicI32 = AtomicI32::new(0);

/// The last signal that this process got since it began to [pass them on](pass_on), if there was one.
#[must_use]
pub fn passed_on() -> Option<c_int> {
    Some(PASSED.load(Ordering::Relaxed)).filter(|signal| *signal != 0)
}

/// Signals are passed on as long as this lives.
#[cfg(target_os = "linux")]
#[derive(Debug)]
#[must_use]
pub struct Passing {
    // It goes before the descriptor that the handlers use.
    _handlers: Handlers,
    process: OwnedFd,
}

#[cfg(target_os = "linux")]
impl Drop for Passing {
    fn drop(&mut self) {
        let this = self.process.as_raw_fd();
        let _another = PROCESS.compare_exchange(this, -1, Ordering::Relaxed, Ordering::Relaxed);
    }
}

/// Passes [`ENDING`] signals on to a child in the same process group, as long as the result lives. The child does what it
/// likes about them, and this process is not ended. Those of the terminal go to both anyway. Signals that this process
/// ignores stay ignored. Nobody must have waited for the child yet: its number might be another's.
///
/// # Errors
/// If the kernel has no descriptors of processes; Linux has them since version 5.3.
#[cfg(target_os = "linux")]
pub fn pass_on(process: u32) -> io::Result<Passing> {
    // SAFETY: asks for a descriptor only.
    let fd = unsafe { libc::syscall(libc::SYS_pidfd_open, process, 0) };
    let fd = c_int::try_from(fd).ok().filter(|fd| *fd >= 0).ok_or_else(io::Error::last_os_error)?;
    // SAFETY: it is new, and nobody else's.
    let process = unsafe { OwnedFd::from_raw_fd(fd) };
    PASSED.store(0, Ordering::Relaxed);
    PROCESS.store(fd, Ordering::Relaxed);
    Ok(Passing { _handlers: Handlers::install(&ENDING, Handler::Informed(handle)), process })
}

#[cfg(target_os = "linux")]
extern "C" fn handle(signal: c_int, info: *mut libc::siginfo_t, _context: *mut c_void) {
    PASSED.store(signal, Ordering::Relaxed);
    let process = PROCESS.load(Ordering::Relaxed);
    // SAFETY: the kernel passes information on the signal.
    let is_of_terminal = unsafe { info.as_ref() }.is_some_and(|info| info.si_code > 0);
    if process >= 0 && !is_of_terminal {
        // SAFETY: a call that handlers may make. The process may have ended meanwhile.
        let _gone = unsafe { libc::syscall(libc::SYS_pidfd_send_signal, process, signal, null::<c_void>(), 0) };
    }
}
