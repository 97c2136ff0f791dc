//! Systems whose unwinder is asked nothing.

use std::ffi::{c_char, c_int};

/// Calls `function` with three arguments.
///
/// # Safety
/// It must be the address of a function that may be called so.
pub(crate) unsafe fn call(
    function: *const (),
    count: c_int,
    arguments: *mut *mut c_char,
    environment: *mut *mut c_char,
) -> c_int {
    type Main = extern "C-unwind" fn(c_int, *mut *mut c_char, *mut *mut c_char) -> c_int;
    // SAFETY: the caller vouches for the type.
    let function: Main = unsafe { std::mem::transmute(function) };
    function(count, arguments, environment)
}
