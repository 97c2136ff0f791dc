//! Reentry: functions that are not linked yet come here when they are called.
//!
//! A *trampoline* is a few bytes of linked code that stand for such a function. It pushes two numbers, its own and the
//! one that [`open`] has returned to its maker, and jumps to the routine of [`RuntimeFunction::Reenter`]. The routine
//! saves every register in which an argument may be, asks for an address, restores the registers, and jumps there. The
//! callee sees the stack and the registers as its caller left them, and linkjit leaves nothing on the stack.
//!
//! Trampolines are blocks of link graphs, so their memory is managed like that of all other code; this folder has only
//! the routine that they jump to. Each calling convention has a file.
//!
//! [`RuntimeFunction::Reenter`]: crate::RuntimeFunction::Reenter

#[cfg(all(any(target_os = "linux", windows), target_arch = "x86_64"))]
mod x86_64;

#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
mod x86_64_sysv;
#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
use x86_64_sysv as abi;

#[cfg(windows_x86_64)]
mod x86_64_win64;
#[cfg(windows_x86_64)]
use x86_64_win64 as abi;

#[cfg(not(all(any(target_os = "linux", windows), target_arch = "x86_64")))]
mod unsupported;
#[cfg(not(all(any(target_os = "linux", windows), target_arch = "x86_64")))]
use unsupported as abi;

use std::collections::BTreeMap;
use std::process::abort;
use std::sync::{Arc, Mutex};

use crate::{ExecAddr, ExecutorError, ReentryId, Resolve, Result, lock};

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
pub(crate) fn routine() -> Option<ExecAddr> {
    abi::routine()
}

/// What the routine calls, with what the trampoline has pushed. Returns where to go on. A panic of the resolver passes:
/// to the caller of the function it looks as if that had panicked.
#[cfg_attr(
    not(all(any(target_os = "linux", windows), target_arch = "x86_64")),
    expect(dead_code, reason = "there is no routine that could call it")
)]
extern "C-unwind" fn resolve(reentry: u64, trampoline: u64) -> u64 {
    // Both were 32 bits wide before they were pushed.
    let resolver = lock(&OPEN).resolvers.get(&ReentryId(reentry as u32)).cloned();
    let Some(resolver) = resolver else {
        fail("a lazy function was called for the first time, but the session that should link it is gone")
    };
    let target = resolver(trampoline as u32);
    if target.is_null() {
        fail("a lazy function was called that can't be linked")
    }
    target.0
}

/// There is nowhere to go on, and nobody to return to: the caller expects a result that nobody can give.
fn fail(why: &str) -> ! {
    eprintln!("linkjit: {why}");
    abort()
}
