//! Executable stacks, for code that writes small functions to the stack and calls them. Compilers do so for addresses
//! of nested functions (GNU C), internal procedures (Fortran) and nested subprograms (Ada).
//!
//! The loader knows the stacks of all threads. If a library asks for it (`PT_GNU_STACK`), the loader makes them
//! executable, and those of later threads, too. So we load a library that asks.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::loader::{Image, Loaded};
use crate::{ExecAddr, ExecutorError, Result, lock, os};

/// Stacks are executable. They stay so.
static DONE: AtomicBool = AtomicBool::new(false);

/// Has one thread after the other make them so.
static TURN: Mutex<()> = Mutex::new(());

/// Takes the lock for a fork.
pub(crate) fn hold(held: &mut crate::fork::Held) -> bool {
    held.hold_static(&TURN)
}

/// Says whether stacks are executable, as those are to be that are made for threads of linked code.
pub(crate) fn are_executable() -> bool {
    DONE.load(Ordering::Relaxed)
}

/// See [`crate::Executor::make_stacks_executable`].
pub(crate) fn make_executable() -> Result<()> {
    let _turn = lock(&TURN);
    if are_executable() {
        return Ok(());
    }
    let refused = |why| ExecutorError::NoExecutableStack { why };
    let image = Image { executable_stack: true, ..Image::default() };
    // SAFETY: a well-formed shared object without code. Linked code asks for executable stacks.
    let loaded = unsafe { Loaded::load(&image.bytes().0, libc::RTLD_NOW) };
    drop(loaded.map_err(|message| refused(explain(&message)))?);
    let on_stack = 0u8;
    if !os::is_code(ExecAddr(&raw const on_stack as u64)) {
        return Err(refused("the loader accepted the request, but did not change them".into()));
    }
    DONE.store(true, Ordering::Relaxed);
    Ok(())
}

/// Says what the loader says, and what to do about it.
fn explain(message: &str) -> String {
    // The loader names the file, which means nothing to anybody.
    let reason = message
        .rsplit_once(": cannot enable")
        .map_or_else(|| message.to_owned(), |(_, what)| format!("the loader cannot enable{what}"));
    format!(
        "{reason} (glibc 2.41 and later need GLIBC_TUNABLES=glibc.rtld.execstack=2 in the environment; SELinux must allow \
         execstack)"
    )
}
