//! Reentry: functions that are not linked yet come here when they are called.
//!
//! A *trampoline* is a few bytes of linked code that stand for such a function. It pushes two numbers, its own and the
//! one that [`open`] has returned to its maker, and jumps to the routine of [`RuntimeFunction::Reenter`]. The routine
//! saves every register in which an argument may be, asks for an address, restores the registers, and jumps there. The
//! callee sees the stack and the registers as its caller left them, and linkjit leaves nothing on the stack. If the
//! caller's stack is small, the address is asked for on another one (`small_stack`; not on Windows).
//!
//! Trampolines are blocks of link graphs, so their memory is managed like that of all other code; this folder has only
//! the routine that they jump to. Each calling convention has a file.
//!
//! [`RuntimeFunction::Reenter`]: crate::RuntimeFunction::Reenter

#[cfg(glibc_x86_64)]
mod small_stack;
#[cfg(linux_x86_64)]
mod x86_64_sysv;
#[cfg(linux_x86_64)]
use x86_64_sysv as abi;

#[cfg(windows_x86_64)]
mod x86_64_win64;
#[cfg(windows_x86_64)]
use x86_64_win64 as abi;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use crate::{ExecAddr, ExecutorError, ReentryId, Resolve, Result, lock};
#[cfg(known_convention)]
use crate::{extended_state, os};

/// The open ones of all executors of the process. Numbers are never used again: a trampoline that outlives its session
/// must not reach another.
static OPEN: Mutex<Open> = Mutex::new(Open { resolvers: BTreeMap::new(), last: 0 });

/// Takes the lock for a fork.
#[cfg(glibc_x86_64)]
pub(crate) fn hold(held: &mut crate::fork::Held) -> bool {
    held.hold_static(&OPEN)
}

struct Open {
    resolvers: BTreeMap<ReentryId, Arc<Resolve>>,
    last: u32,
}

/// Makes `resolve` the one to be asked by trampolines that push the returned number.
pub(crate) fn open(resolve: Arc<Resolve>) -> Result<ReentryId> {
    let mut open = lock(&OPEN);
    // Trampolines push 32 bits, which the processor extends by their sign: 31 bits are free of that.
    let next = open.last.checked_add(1).filter(|&next| next < 1 << 31);
    open.last = next.ok_or(ExecutorError::Unsupported { what: "opening more than 2^31 reentries".into() })?;
    let id = ReentryId(open.last);
    open.resolvers.insert(id, resolve);
    Ok(id)
}

/// Closes one. Trampolines of it that are called from now on end the process.
pub(crate) fn close(id: ReentryId) -> Result<()> {
    // What the resolver owns is dropped without the lock.
    let removed = lock(&OPEN).resolvers.remove(&id);
    removed.map(drop).ok_or(ExecutorError::NoSuch { what: "reentry".into() })
}

/// The routine that trampolines jump to.
#[cfg(known_convention)]
pub(crate) fn routine() -> Option<ExecAddr> {
    extended_state::prepare();
    Some(ExecAddr(abi::reenter as *const () as u64))
}

/// There is none for the system's calling convention yet.
#[cfg(not(known_convention))]
pub(crate) fn routine() -> Option<ExecAddr> {
    None
}

/// Returns where the routine is to go on, which calls it with what the trampoline has pushed. Keeps the system's last
/// error, which the function that is called in the end may well be about to read. A panic of the resolver passes: to
/// the caller of the function it looks as if that had panicked.
#[cfg(known_convention)]
extern "C-unwind" fn resolve(reentry: u64, trampoline: u64) -> u64 {
    // There is nowhere to go on, and nobody to return to: the caller expects a result that nobody can give.
    let fail = |why: &str| -> ! {
        eprintln!("linkjit: {why}");
        std::process::abort()
    };
    let error = os::last_error();
    #[cfg(glibc)]
    let _uncancelled = os::Uncancelled::begin();
    // Both were 32 bits wide before they were pushed.
    let resolver = lock(&OPEN).resolvers.get(&ReentryId(reentry as u32)).cloned();
    let Some(resolver) = resolver else {
        fail("a lazy function was called for the first time, but the session that should link it is gone")
    };
    let ask = || resolver(trampoline as u32);
    #[cfg(glibc_x86_64)]
    let target = small_stack::with_room(&ask);
    #[cfg(not(glibc_x86_64))]
    let target = ask();
    if target.is_null() {
        fail("a lazy function was called that can't be linked")
    }
    os::set_last_error(error);
    target.0
}
