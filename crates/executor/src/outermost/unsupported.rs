//! For systems on which linkjit has no outermost frame for programs.

use std::ffi::c_int;

/// Calls `function` with these arguments.
///
/// # Safety
/// It must be the address of a function that may be called so.
pub(crate) unsafe fn call(function: *const (), arguments: &[usize; 4]) -> c_int {
    type Main = extern "C-unwind" fn(usize, usize, usize, usize) -> c_int;
    // SAFETY: the caller vouches for the type.
    let function: Main = unsafe { std::mem::transmute(function) };
    let [first, second, third, fourth] = *arguments;
    function(first, second, third, fourth)
}
