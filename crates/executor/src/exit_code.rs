//! The exit of a process that runs one program.

use std::ffi::c_int;
use std::sync::Mutex;

use crate::{lock, os};

/// The function that decides; if it returns nothing, the exit code stays as it is.
pub type Decide = fn() -> Option<c_int>;

static DECIDE: Mutex<Option<Decide>> = Mutex::new(None);

/// Has `decide` asked when the process exits, after all that linked code registers for that from now on: the process's
/// exit code is what `decide` returns, or what it would have been. For processes that run one program; asked once.
pub fn decide_at_exit(decide: Decide) {
    let mut known = lock(&DECIDE);
    if known.replace(decide).is_none() {
        os::at_exit(decide_now);
    }
}

/// Ends the process as a program's `exit` does: what linked code has registered with `atexit` runs. Rust's function does not
/// ask the C runtime of Windows.
pub fn exit(code: c_int) -> ! {
    os::exit(code)
}

/// Ends the process at once: nothing that is registered with `atexit` runs, and other threads of linked code get no
/// further.
pub fn exit_now(code: c_int) -> ! {
    os::exit_now(code)
}

/// The exit code of programs for Windows that an interrupt ends (`STATUS_CONTROL_C_EXIT`).
pub const INTERRUPTED: c_int = 0xc000_013a_u32.cast_signed();

/// Has interrupts end this process with [`INTERRUPTED`] unless the program that runs in it handles them. Windows does so, but
/// Wine ends the process as if it had succeeded. Other systems have signals for that.
pub fn end_at_interrupts() {
    os::end_at_interrupts();
}

extern "C" fn decide_now() {
    let decide = lock(&DECIDE).take();
    if let Some(code) = decide.and_then(|decide| decide()) {
        // The system goes on with what is registered before, and ends with this code.
        os::exit(code);
    }
}
