//! Throwing C++ exceptions of Microsoft's ABI from linked code.
//!
//! An exception is described relative to the image that throws it. The C++ runtime asks the loader for that image, but
//! the loader does not know linked code. So our function throws for linked code, and leaves the rest to the runtime.

use std::ffi::c_void;

use windows_sys::Win32::System::Diagnostics::Debug::RaiseException;

use super::needed_function;
use crate::unwind::window_at;

/// The code of C++ exceptions, and what their first argument is.
const EXCEPTION: u32 = 0xe06d_7363;
const MAGIC: usize = 0x1993_0520;
const NONCONTINUABLE: u32 = 1;

/// `_CxxThrowException` for linked code. Null descriptions throw again what is being handled: the runtime knows what.
pub(super) extern "C-unwind" fn throw_exception(object: *mut c_void, description: *const c_void) {
    let base = match window_at(description as u64) {
        Some(base) => base as usize,
        None if description.is_null() => 0,
        None => {
            // SAFETY: the function has this type.
            let real: extern "C-unwind" fn(*mut c_void, *const c_void) =
                unsafe { needed_function(c"_CxxThrowException") };
            return real(object, description);
        }
    };
    let arguments = [MAGIC, object as usize, description as usize, base];
    // SAFETY: the arguments of a C++ exception; linked code vouches for what they point to.
    unsafe { RaiseException(EXCEPTION, NONCONTINUABLE, arguments.len() as u32, arguments.as_ptr()) };
}
