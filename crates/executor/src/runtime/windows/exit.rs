//! Registration of functions for the end of an image: `atexit` and its kin.
//!
//! A program for Windows has them in each image, so that they know the image whose functions they get. Here the return
//! address says which image calls; if it is in none (a stub, say), the registered function does.

use std::ffi::{c_int, c_void};
use std::mem::transmute;
use std::ptr::null_mut;

use crate::init::{self, AtExitFunction};
use crate::{tls, unwind};

/// What is registered without an argument: `void (*)(void)`, or `int (*)(void)` for `_onexit`. More arguments than a
/// function takes do no harm here.
type Function = *const c_void;

fn handle_of(function: Function, caller: u64) -> *mut c_void {
    let base = unwind::window_at(caller).or_else(|| unwind::window_at(function as u64));
    base.map_or(null_mut(), |base| base as *mut c_void)
}

fn as_registered(function: Function) -> AtExitFunction {
    // SAFETY: of this type but for the argument, which the calling convention lets a function ignore.
    unsafe { transmute(function) }
}

extern "C" fn at_exit_of(function: Function, caller: u64) -> c_int {
    if function.is_null() {
        return -1;
    }
    init::cxa_atexit(as_registered(function), null_mut(), handle_of(function, caller))
}

extern "C" fn on_exit_of(function: Function, caller: u64) -> Function {
    if at_exit_of(function, caller) == 0 { function } else { std::ptr::null() }
}

extern "C" fn at_quick_exit_of(function: Function, caller: u64) -> c_int {
    if function.is_null() {
        return -1;
    }
    init::cxa_at_quick_exit(as_registered(function), handle_of(function, caller))
}

extern "C" fn at_thread_exit_of(function: Function, caller: u64) {
    if !function.is_null() {
        tls::cxa_thread_atexit(as_registered(function), null_mut(), handle_of(function, caller));
    }
}

/// The handle of an image, or else that of the function's: GCC passes null if its target has no handles.
fn known_handle(handle: *mut c_void, function: AtExitFunction) -> *mut c_void {
    if init::image_with_handle(handle).is_some() { handle } else { handle_of(function as Function, 0) }
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

extern "C-unwind" fn initialize_thread_of(_: Function, caller: u64) {
    let image = unwind::window_at(caller).and_then(|base| init::image_with_handle(base as *mut c_void));
    if let Some(image) = image {
        // SAFETY: attached functions are sound to call on any thread until they are detached.
        unsafe { tls::initialize_thread(image) };
    }
}

/// A function that passes its caller's address on as the second argument.
macro_rules! with_caller {
    ($($(#[$doc:meta])* $name:ident -> $target:ident;)*) => {$(
        $(#[$doc])*
        #[unsafe(naked)]
        pub(super) unsafe extern "C-unwind" fn $name() {
            std::arch::naked_asm!("mov rdx, [rsp]", "jmp {target}", target = sym $target)
        }
    )*};
}

with_caller! {
    /// `atexit`, `_crt_atexit`.
    at_exit -> at_exit_of;
    /// `_onexit`, which returns its argument.
    on_exit -> on_exit_of;
    /// `at_quick_exit`, `_crt_at_quick_exit`.
    at_quick_exit -> at_quick_exit_of;
    /// `__tlregdtor`: destructors of thread-local variables.
    at_thread_exit -> at_thread_exit_of;
    /// `__dyn_tls_on_demand_init`.
    initialize_thread -> initialize_thread_of;
}
