//! Which image an address is in, for code that asks the loader.

use std::ffi::c_void;
use std::mem::transmute;
use std::process::abort;

use crate::{os, unwind};

/// `RtlPcToFileHeader` for linked code, whose images the loader does not know: where the image begins that has this
/// address, which is also stored; null if there is none.
pub(super) unsafe extern "system" fn base_of(address: *const c_void, base: *mut *mut c_void) -> *mut c_void {
    if let Some(window) = unwind::window_at(address as u64) {
        let window = window as *mut c_void;
        // SAFETY: the caller passes a place for it.
        unsafe { base.write(window) };
        return window;
    }
    let Some(real) = os::system_function(c"ntdll.dll", c"RtlPcToFileHeader") else { abort() };
    type BaseOf = unsafe extern "system" fn(*const c_void, *mut *mut c_void) -> *mut c_void;
    // SAFETY: the function has this type.
    let real = unsafe { transmute::<*const (), BaseOf>(real.0 as *const ()) };
    // SAFETY: the arguments are the caller's.
    unsafe { real(address, base) }
}
