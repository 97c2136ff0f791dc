//! Keeping libraries of the process to which linked code is bound, as the loader keeps a library to which it has bound
//! another one. The code that opened such a library may close it.

use std::sync::Mutex;

use crate::{ExecAddr, ExecRange, loaded, lock};

/// Objects that stay lie here.
static KEPT: Mutex<Vec<ExecRange>> = Mutex::new(Vec::new());

/// Takes the lock for a fork.
#[cfg(target_arch = "x86_64")]
pub(crate) fn hold(held: &mut crate::fork::Held) -> bool {
    held.hold_static(&KEPT)
}

/// Has the libraries stay in which these addresses are.
pub(super) fn keep(addresses: &[ExecAddr]) {
    let new: Vec<ExecAddr> = {
        let kept = lock(&KEPT);
        let is_new =
            |address: &ExecAddr| !kept.iter().any(|range| range.contains(*address)) && !loaded::scopes::stays(*address);
        addresses.iter().copied().filter(is_new).collect()
    };
    // The loader is called without the lock.
    let mut kept: Vec<ExecRange> = Vec::new();
    for address in new {
        if kept.iter().any(|range| range.contains(address)) {
            continue;
        }
        let Some((name, range)) = loaded::objects::object_at(address) else { continue };
        if !name.is_empty() {
            // SAFETY: a C string; nothing is loaded that is not there.
            unsafe { libc::dlopen(name.as_ptr(), libc::RTLD_LAZY | libc::RTLD_NOLOAD | libc::RTLD_NODELETE) };
        }
        kept.push(range);
    }
    if !kept.is_empty() {
        lock(&KEPT).extend(kept);
    }
}
