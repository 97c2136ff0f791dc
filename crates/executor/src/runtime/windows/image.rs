//! Images, for code that asks the loader: it does not know those of linked code.

use std::ffi::c_void;
use std::mem::transmute;
use std::process::abort;
use std::ptr::null_mut;
use std::sync::atomic::{AtomicU64, Ordering};

use windows_sys::Win32::Foundation::HMODULE;
use windows_sys::Win32::System::LibraryLoader::{
    GetModuleFileNameA, GetModuleFileNameW, GetModuleHandleA, GetModuleHandleW,
};

use crate::{ExecAddr, os, unwind};

/// Where the image of the program begins whose `main` was called last; 0 if none was.
static PROGRAM: AtomicU64 = AtomicU64::new(0);

pub(super) fn set_program(base: u64) {
    PROGRAM.store(base, Ordering::Release);
}

/// What linked code is given in place of the system's.
pub(super) fn replacement(name: &[u8]) -> Option<ExecAddr> {
    let address = match name {
        b"RtlPcToFileHeader" => base_of as *const (),
        b"GetModuleHandleA" => handle_narrow as *const (),
        b"GetModuleHandleW" => handle_wide as *const (),
        b"GetModuleFileNameA" => file_name_narrow as *const (),
        b"GetModuleFileNameW" => file_name_wide as *const (),
        _ => return None,
    };
    Some(ExecAddr(address as u64))
}

/// `RtlPcToFileHeader`: where the image begins that has this address, which is also stored; null if there is none.
unsafe extern "system" fn base_of(address: *const c_void, base: *mut *mut c_void) -> *mut c_void {
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

/// The image of the program, for who names no other.
fn program<T>(name: *const T) -> Option<HMODULE> {
    let program = PROGRAM.load(Ordering::Acquire);
    (name.is_null() && is_window(program)).then_some(program as HMODULE)
}

/// Whether an image of linked code begins there, and is not closed.
fn is_window(base: u64) -> bool {
    unwind::window_at(base) == Some(base)
}

unsafe extern "system" fn handle_narrow(name: *const u8) -> HMODULE {
    // SAFETY: the arguments are the caller's.
    program(name).unwrap_or_else(|| unsafe { GetModuleHandleA(name) })
}

unsafe extern "system" fn handle_wide(name: *const u16) -> HMODULE {
    // SAFETY: the arguments are the caller's.
    program(name).unwrap_or_else(|| unsafe { GetModuleHandleW(name) })
}

/// Linked code has no file: that of this process stands for it.
fn with_file(image: HMODULE) -> HMODULE {
    if is_window(image as u64) { null_mut() } else { image }
}

unsafe extern "system" fn file_name_narrow(image: HMODULE, name: *mut u8, room: u32) -> u32 {
    // SAFETY: the arguments are the caller's.
    unsafe { GetModuleFileNameA(with_file(image), name, room) }
}

unsafe extern "system" fn file_name_wide(image: HMODULE, name: *mut u16, room: u32) -> u32 {
    // SAFETY: the arguments are the caller's.
    unsafe { GetModuleFileNameW(with_file(image), name, room) }
}
