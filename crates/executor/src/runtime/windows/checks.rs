//! Checks that compilers put into functions when they are asked to (`/RTC1`): are the gaps around the variables of a
//! function what they were when it began, is a variable used that has no value.

use std::ffi::{CStr, c_char};
use std::process::abort;

use crate::ExecAddr;

/// What fills the gaps between variables.
const GAP: u32 = 0xcccc_cccc;

/// `_RTC_framedesc`: the variables of a function.
#[repr(C)]
struct Frame {
    count: i32,
    variables: *const Variable,
}

/// `_RTC_vardesc`: one of them, with a gap of four bytes on either side.
#[repr(C)]
struct Variable {
    /// From the frame's start, in bytes.
    offset: i32,
    size: i32,
    name: *const c_char,
}

pub(super) fn symbol(name: &[u8]) -> Option<ExecAddr> {
    let address = match name {
        // The second is told, too, what the function has got from `_alloca`, which is not checked.
        b"_RTC_CheckStackVars" | b"_RTC_CheckStackVars2" => check_stack as *const (),
        b"_RTC_UninitUse" => uninitialized as *const (),
        // They prepare and end the checks of a whole program, of which there are none here, and of what `_alloca` gave; the
        // last one is for debuggers, in functions that were compiled with `/JMC`.
        b"_RTC_InitBase" | b"_RTC_Shutdown" | b"_RTC_AllocaHelper" | b"__CheckForDebuggerJustMyCode" => {
            nothing as *const ()
        }
        _ => return None,
    };
    Some(ExecAddr(address as u64))
}

extern "C" fn nothing() -> i32 {
    0
}

/// `_RTC_CheckStackVars`, which checked functions call before they return.
unsafe extern "C" fn check_stack(frame: *const u8, of: *const Frame) {
    // SAFETY: the compiler describes the function's own frame, which it calls with.
    let of = unsafe { &*of };
    for index in 0..usize::try_from(of.count).unwrap_or(0) {
        // SAFETY: there are `count` descriptions.
        let variable = unsafe { of.variables.add(index) };
        // SAFETY: as above.
        let variable = unsafe { &*variable };
        for gap in [variable.offset - 4, variable.offset + variable.size] {
            let gap = frame.wrapping_offset(gap as isize).cast::<u32>();
            // SAFETY: a gap of the frame, which is the calling function's.
            if unsafe { gap.read_unaligned() } != GAP {
                fail(variable.name, "something was written beyond the bounds of the variable");
            }
        }
    }
}

/// `_RTC_UninitUse`, which checked functions call when they are about to.
extern "C" fn uninitialized(name: *const c_char) {
    fail(name, "something without a value was used: the variable");
}

fn fail(name: *const c_char, what: &str) -> ! {
    let name = if name.is_null() {
        String::new()
    } else {
        // SAFETY: the compiler gives names as C strings.
        unsafe { CStr::from_ptr(name) }.to_string_lossy().into_owned()
    };
    eprintln!("run-time check: {what} {name}");
    abort()
}
