//! Registration of functions for the end of an image: `atexit` and its kin.
//!
//! A program for Windows has them in each image, so that they know the image whose functions they get. Here the return
//! address says which image calls; if it is in none (a stub, say), the registered function does.

use std::ffi::{c_int, c_void};
use std::ptr::null_mut;

use crate::init::{self, AtExitFunction};
use crate::{tls, unwind};

/// A function that is registered without an argument: `void (*)(void)`, or `int (*)(void)` for `_onexit`. More
/// arguments than a function takes do no harm here.
type Function = Option<AtExitFunction>;

fn image_handle(function: AtExitFunction, caller: u64) -> *mut c_void {
    let base = unwind::window_at(caller).or_else(|| unwind::window_at(function as *const () as u64));
    base.map_or(null_mut(), |base| base as *mut c_void)
}

extern "C" fn register_at_exit(function: Function, caller: u64) -> c_int {
    function.map_or(-1, |function| init::cxa_atexit(function, null_mut(), image_handle(function, caller)))
}

extern "C" fn register_on_exit(function: Function, caller: u64) -> Function {
    function.filter(|_| register_at_exit(function, caller) == 0)
}

extern "C" fn register_at_quick_exit(function: Function, caller: u64) -> c_int {
    function.map_or(-1, |function| init::cxa_at_quick_exit(function, image_handle(function, caller)))
}

extern "C" fn register_at_thread_exit(function: Function, caller: u64) {
    if let Some(function) = function {
        tls::cxa_thread_atexit(function, null_mut(), image_handle(function, caller));
    }
}

/// The handle of an image, or else that of the function's: GCC passes null if its target has no handles.
fn known_handle(handle: *mut c_void, function: AtExitFunction) -> *mut c_void {
    if init::image_with_handle(handle).is_some() { handle } else { image_handle(function, 0) }
}

/// `__cxa_atexit`.
pub(super) extern "C" fn cxa_at_exit(function: AtExitFunction, argument: *mut c_void, handle: *mut c_void) -> c_int {
    init::cxa_atexit(function, argument, known_handle(handle, function))
}

/// `__cxa_thread_atexit`.
pub(super) extern "C" fn cxa_at_thread_exit(
    function: AtExitFunction,
    argument: *mut c_void,
    handle: *mut c_void,
) -> c_int {
    tls::cxa_thread_atexit(function, argument, known_handle(handle, function))
}

extern "C-unwind" fn initialize_calling_thread(_: Function, caller: u64) {
    let image = unwind::window_at(caller).and_then(|base| init::image_with_handle(base as *mut c_void));
    if let Some(image) = image {
        // SAFETY: attached functions are sound to call on any thread until they are detached.
        unsafe { tls::initialize_thread(image) };
    }
}

with_caller! {
    /// `atexit`, `_crt_atexit`.
    at_exit -> register_at_exit: "rdx";
    /// `_onexit`, which returns its argument.
    on_exit -> register_on_exit: "rdx";
    /// `at_quick_exit`, `_crt_at_quick_exit`.
    at_quick_exit -> register_at_quick_exit: "rdx";
    /// `__tlregdtor`: destructors of thread-local variables.
    at_thread_exit -> register_at_thread_exit: "rdx";
    /// `__dyn_tls_on_demand_init`.
    initialize_thread -> initialize_calling_thread: "rdx";
}
