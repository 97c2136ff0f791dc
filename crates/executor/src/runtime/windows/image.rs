//! Images, for code that asks the loader, which does not know those of linked code. A request without a name means the
//! program: the image whose `main` was called last, or before that the one of the code that asks.

use std::ffi::{CStr, c_void};
use std::sync::atomic::{AtomicU64, Ordering};

use windows_sys::Win32::Foundation::{FreeLibrary, HMODULE};
use windows_sys::Win32::System::Diagnostics::Debug::RtlPcToFileHeader;
use windows_sys::Win32::System::LibraryLoader::{
    DisableThreadLibraryCalls, FreeLibraryAndExitThread, GET_MODULE_HANDLE_EX_FLAG_FROM_ADDRESS,
    GET_MODULE_HANDLE_EX_FLAG_PIN, GET_MODULE_HANDLE_EX_FLAG_UNCHANGED_REFCOUNT, GetModuleHandleA, GetModuleHandleExA,
    GetModuleHandleExW, GetModuleHandleW, GetProcAddress,
};
use windows_sys::Win32::System::Threading::ExitThread;

use super::libraries;
use crate::{ExecAddr, SymbolKey, init, os, unwind};

/// The image of the program whose `main` was called last begins here; it is 0 if none was.
static PROGRAM: AtomicU64 = AtomicU64::new(0);

/// The loader says this if a DLL has no such function.
const ERROR_PROC_NOT_FOUND: u32 = 127;

pub(super) fn set_program(base: u64) {
    PROGRAM.store(base, Ordering::Release);
}

functions! {
    replacement(b""):
    b"RtlPcToFileHeader" => find_base;
    b"GetModuleHandleA" => handle_narrow;
    b"GetModuleHandleW" => handle_wide;
    b"GetModuleHandleExA" => handle_ex_narrow;
    b"GetModuleHandleExW" => handle_ex_wide;
    b"GetProcAddress" => find_function;
    b"FreeLibrary" => free;
    b"FreeLibraryAndExitThread" => free_and_exit;
    b"DisableThreadLibraryCalls" => ignore_threads;
}

/// `RtlPcToFileHeader`: where the image begins that has this address, which is also stored; null if there is none.
unsafe extern "system" fn find_base(address: *const c_void, base: *mut *mut c_void) -> *mut c_void {
    let Some(window) = unwind::window_at(address as u64) else {
        // SAFETY: the arguments are the caller's.
        return unsafe { RtlPcToFileHeader(address, base) };
    };
    // SAFETY: the caller passes a place for it.
    unsafe { base.write(window as *mut c_void) };
    window as *mut c_void
}

/// The image of the program, as code at `caller` sees it.
pub(super) fn program(caller: u64) -> Option<u64> {
    let program = PROGRAM.load(Ordering::Acquire);
    if is_window(program) { Some(program) } else { unwind::window_at(caller) }
}

/// Says whether an image of linked code begins there, and is not closed.
pub(super) fn is_window(base: u64) -> bool {
    base != 0 && unwind::window_at(base) == Some(base)
}

with_caller! {
    handle_narrow -> own_handle_narrow: "rdx";
    handle_wide -> own_handle_wide: "rdx";
    handle_ex_narrow -> own_handle_ex_narrow: "r9";
    handle_ex_wide -> own_handle_ex_wide: "r9";
}

/// Returns what `GetModuleHandleEx` is asked for, if it is an image of linked code; one that is open is opened once more, if
/// that `is_counted`, and stays if it `is_pinned`. The program is not counted.
fn asked_for(address: u64, (is_counted, is_pinned): (bool, bool), caller: u64) -> Option<u64> {
    if address == 0 {
        return program(caller);
    }
    let base = unwind::window_at(address)?;
    if is_counted || is_pinned { libraries::open_again(base, is_pinned) } else { Some(base) }
}

/// `GetModuleHandle` and `GetModuleHandleEx` for strings of one kind.
macro_rules! own_handles {
    ($($name:ident, $name_ex:ident: $unit:ty, $text:ident => $real:ident, $real_ex:ident;)*) => {$(
        unsafe extern "system" fn $name(name: *const $unit, caller: u64) -> HMODULE {
            let found = if name.is_null() {
                program(caller)
            } else {
                // SAFETY: the caller's name.
                libraries::find(&unsafe { libraries::$text(name) }, false, false, caller)
            };
            // SAFETY: the arguments are the caller's.
            found.map_or_else(|| unsafe { $real(name) }, |found| found as HMODULE)
        }

        unsafe extern "system" fn $name_ex(flags: u32, name: *const $unit, handle: *mut HMODULE, caller: u64) -> i32 {
            let is_name = flags & GET_MODULE_HANDLE_EX_FLAG_FROM_ADDRESS == 0 && !name.is_null();
            let is_counted = flags & GET_MODULE_HANDLE_EX_FLAG_UNCHANGED_REFCOUNT == 0;
            let is_pinned = flags & GET_MODULE_HANDLE_EX_FLAG_PIN != 0;
            let found = if handle.is_null() {
                None
            } else if is_name {
                // SAFETY: the caller's name.
                libraries::find(&unsafe { libraries::$text(name) }, is_counted, is_pinned, caller)
            } else {
                asked_for(name as u64, (is_counted, is_pinned), caller)
            };
            let Some(base) = found else {
                // SAFETY: the arguments are the caller's.
                return unsafe { $real_ex(flags, name, handle) };
            };
            // SAFETY: the caller passes a place for it.
            unsafe { handle.write(base as HMODULE) };
            1
        }
    )*};
}

own_handles! {
    own_handle_narrow, own_handle_ex_narrow: u8, narrow => GetModuleHandleA, GetModuleHandleExA;
    own_handle_wide, own_handle_ex_wide: u16, wide => GetModuleHandleW, GetModuleHandleExW;
}

/// `GetProcAddress`: what an image of linked code exports is linked when it is asked for; of DLLs linked code gets here
/// what it gets by name.
unsafe extern "system" fn find_function(module: HMODULE, name: *const u8) -> *const c_void {
    let key = match name as usize {
        number @ ..0x1_0000 => SymbolKey::Ordinal(number as u16),
        // SAFETY: what is no number is a C string.
        _ => SymbolKey::Name(unsafe { CStr::from_ptr(name.cast()) }.to_bytes()),
    };
    let base = if module.is_null() { program(0) } else { Some(module as u64).filter(|base| is_window(*base)) };
    if let Some(base) = base {
        let exports = init::exports_of(ExecAddr(base));
        return match exports.and_then(|find| find(key)) {
            Some(found) => found.0 as *const c_void,
            None => {
                os::set_last_error(ERROR_PROC_NOT_FOUND);
                std::ptr::null()
            }
        };
    }
    // SAFETY: the arguments are the caller's.
    let Some(real) = (unsafe { GetProcAddress(module, name) }) else { return std::ptr::null() };
    let replaced = match key {
        SymbolKey::Name(name) | SymbolKey::Vague(name) => super::replacement(name),
        SymbolKey::Ordinal(_) => None,
    };
    replaced.map_or(real as *const c_void, |replaced| replaced.0 as *const c_void)
}

/// The session keeps its images; what linked code has opened ends.
unsafe extern "system" fn free(module: HMODULE) -> i32 {
    if is_window(module as u64) {
        return i32::from(libraries::close(module as u64));
    }
    // SAFETY: the arguments are the caller's.
    unsafe { FreeLibrary(module) }
}

unsafe extern "system" fn free_and_exit(module: HMODULE, code: u32) {
    if is_window(module as u64) {
        libraries::close(module as u64);
        // SAFETY: the caller's request.
        unsafe { ExitThread(code) };
    }
    // SAFETY: the arguments are the caller's.
    unsafe { FreeLibraryAndExitThread(module, code) };
}

/// Callbacks are called nevertheless: those of thread-local storage always are.
unsafe extern "system" fn ignore_threads(module: HMODULE) -> i32 {
    if is_window(module as u64) {
        return 1;
    }
    // SAFETY: the arguments are the caller's.
    unsafe { DisableThreadLibraryCalls(module) }
}
