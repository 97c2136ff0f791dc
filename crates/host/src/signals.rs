//! Signals that are meant for another process.

use std::ffi::{c_int, c_void};
use std::mem::MaybeUninit;
use std::ptr::null_mut;
use std::sync::atomic::{AtomicI32, Ordering};

/// The signals by which users end programs.
pub const ENDING: [c_int; 4] = [libc::SIGINT, libc::SIGTERM, libc::SIGHUP, libc::SIGQUIT];

/// The process that gets them, or 0.
static PROCESS: AtomicI32 = AtomicI32::new(0);

/// As long as this lives, signals are passed on.
#[derive(Debug)]
#[must_use]
pub struct PassingOn {
    before: Vec<(c_int, libc::sigaction)>,
}

/// Passes [`ENDING`] signals on to a child in the same process group, which does what it likes about them, instead of
/// ending this process. Those of the terminal go to both anyway. Signals that this process ignores stay ignored.
pub fn pass_on(process: u32) -> PassingOn {
    PROCESS.store(process.cast_signed(), Ordering::Relaxed);
    let mut before = Vec::new();
    for signal in ENDING {
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
        action.sa_sigaction = handle as extern "C" fn(c_int, *mut libc::siginfo_t, *mut c_void) as *const () as usize;
        action.sa_flags = libc::SA_SIGINFO | libc::SA_RESTART;
        // SAFETY: the action is sound, and its handler calls what handlers may call.
        if unsafe { libc::sigaction(signal, &raw const action, null_mut()) } == 0 {
            before.push((signal, old));
        }
    }
    PassingOn { before }
}

impl Drop for PassingOn {
    fn drop(&mut self) {
        for (signal, old) in &self.before {
            // SAFETY: what the system gave us.
            unsafe { libc::sigaction(*signal, &raw const *old, null_mut()) };
        }
        PROCESS.store(0, Ordering::Relaxed);
    }
}

extern "C" fn handle(signal: c_int, info: *mut libc::siginfo_t, _context: *mut c_void) {
    let process = PROCESS.load(Ordering::Relaxed);
    // SAFETY: the kernel passes information on the signal.
    let is_of_terminal = unsafe { info.as_ref() }.is_some_and(|info| info.si_code > 0);
    if process > 0 && !is_of_terminal {
        // SAFETY: a call that handlers may make. The process may have ended meanwhile.
        let _gone = unsafe { libc::kill(process, signal) };
    }
}
