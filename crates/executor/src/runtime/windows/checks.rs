//! Checks that compilers put into functions on request (`/RTC1`, `/RTCc`): have the gaps around a function's variables
//! changed, is a variable used before it has a value, does a value fit into a smaller type?

use std::ffi::{CStr, c_char, c_int};
use std::mem::transmute;
use std::process::abort;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::ExecAddr;

/// This fills the gaps between variables.
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

/// `_RTC_Check_8_to_1` and its kin (`/RTCc`): what is cut off must be all zeros or all ones.
macro_rules! narrow {
    ($wide:ty => $narrow:ty) => {{
        extern "C" fn narrow(value: $wide) -> $narrow {
            let rest = value >> <$narrow>::BITS;
            if rest != 0 && rest != -1 {
                fail(Check::Narrowing, std::ptr::null());
            }
            value as $narrow
        }
        narrow
    }};
}

functions! {
    symbol(b""):
    // The second is told, too, what the function has got from `_alloca`, which is not checked.
    b"_RTC_CheckStackVars" | b"_RTC_CheckStackVars2" => check_stack;
    b"_RTC_UninitUse" => uninitialized;
    b"_RTC_Check_2_to_1" => narrow!(i16 => i8);
    b"_RTC_Check_4_to_1" => narrow!(i32 => i8);
    b"_RTC_Check_8_to_1" => narrow!(i64 => i8);
    b"_RTC_Check_4_to_2" => narrow!(i32 => i16);
    b"_RTC_Check_8_to_2" => narrow!(i64 => i16);
    b"_RTC_Check_8_to_4" => narrow!(i64 => i32);
    b"_RTC_SetErrorFunc" => set_error_function;
    b"_RTC_NumErrors" => count_of_errors;
    b"_RTC_GetErrDesc" => description;
    // They prepare and end the checks of a whole program, of which there are none here, and of what `_alloca` gave; the
    // last one is for debuggers, in functions that were compiled with `/JMC`.
    b"_RTC_InitBase" | b"_RTC_Shutdown" | b"_RTC_AllocaHelper" | b"__CheckForDebuggerJustMyCode" => super::nothing;
}

/// `_RTC_CheckStackVars`, which checked functions call before they return.
unsafe extern "C" fn check_stack(frame: *const u8, checked: *const Frame) {
    // SAFETY: the compiler describes the function's own frame, which it calls with.
    let checked = unsafe { &*checked };
    for index in 0..usize::try_from(checked.count).unwrap_or(0) {
        // SAFETY: there are `count` descriptions.
        let variable = unsafe { checked.variables.add(index) };
        // SAFETY: as above.
        let variable = unsafe { &*variable };
        for gap in [variable.offset - 4, variable.offset + variable.size] {
            let gap = frame.wrapping_offset(gap as isize).cast::<u32>();
            // SAFETY: a gap of the frame, which is the calling function's.
            if unsafe { gap.read_unaligned() } != GAP {
                fail(Check::Stack, variable.name);
            }
        }
    }
}

/// `_RTC_UninitUse`, which checked functions call when they are about to.
extern "C" fn uninitialized(name: *const c_char) {
    fail(Check::Uninitialized, name);
}

/// The mistakes that are found, by the runtime's numbers (`rtcapi.h`).
#[derive(Clone, Copy)]
enum Check {
    Narrowing = 1,
    Stack = 2,
    Uninitialized = 3,
}

impl Check {
    /// The runtime has a number for the pointer of 32-bit stacks, too.
    const COUNT: c_int = 4;

    const fn text(self) -> &'static CStr {
        match self {
            Self::Narrowing => c"a conversion to a smaller type lost data",
            Self::Stack => c"the stack was overwritten around the variable",
            Self::Uninitialized => c"a variable was used before it was initialized:",
        }
    }
}

extern "C" fn count_of_errors() -> c_int {
    Check::COUNT
}

extern "C" fn description(number: c_int) -> *const c_char {
    let checks = [Check::Narrowing, Check::Stack, Check::Uninitialized];
    checks.iter().find(|check| **check as c_int == number).map_or(std::ptr::null(), |check| check.text().as_ptr())
}

/// `_RTC_error_fn`: `int (*)(int type, const char *file, int line, const char *module, const char *format, ...)`.
type ErrorFunction = unsafe extern "C" fn(c_int, *const c_char, c_int, *const c_char, *const c_char, ...) -> c_int;

static ERROR_FUNCTION: AtomicUsize = AtomicUsize::new(0);

/// `_RTC_SetErrorFunc`: returns the function before.
extern "C" fn set_error_function(function: usize) -> usize {
    ERROR_FUNCTION.swap(function, Ordering::AcqRel)
}

/// Tells the program's function, if it has one; it may let the program go on, by returning zero.
fn fail(check: Check, name: *const c_char) {
    let known = if name.is_null() { c"".as_ptr() } else { name };
    let function = ERROR_FUNCTION.load(Ordering::Acquire);
    if function != 0 {
        // SAFETY: the program vouches for its function's type.
        let function = unsafe { transmute::<usize, ErrorFunction>(function) };
        let (file, format) = (c"".as_ptr(), c"%s %s".as_ptr());
        // SAFETY: the arguments are what the format says.
        let ends = unsafe { function(check as c_int, file, 0, file, format, check.text().as_ptr(), known) };
        if ends == 0 {
            return;
        }
    }
    // SAFETY: the compiler gives names as C strings.
    let name = unsafe { CStr::from_ptr(known) }.to_string_lossy();
    eprintln!("run-time check: {} {name}", check.text().to_string_lossy());
    abort()
}
